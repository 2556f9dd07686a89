//! Decides again about requests of which only a record is left.
//!
//! A record holds fewer facts than its request did. So a question has three answers here: permit, deny, and *unknown*
//! where the answer hangs on a fact that was not recorded. Two sets of policies are asked (`bounds`): in one every part
//! of a condition that reads an unrecorded fact is taken to favour the caller, in the other to stand against the caller.
//! What the first denies is denied, what the second permits is permitted, and the rest is unknown: never a guess.

mod bounds;
mod facts;
mod question;

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use cedar_policy::{
    AuthorizationError, Authorizer, Decision as Effect, Entities, Entity, EntityId, EntityTypeName, EntityUid,
    PolicyId, PolicySet, Response,
};

use super::finding::{PolicyFinding, Severity};
use super::rule::{PolicyMode, PolicySource, Rule, check};
use super::schema::{fixed_id, has_writes};
use super::slice::{ActionGroups, Slices};
use super::{DenialReason, PolicyIds};
use crate::authenticate::SchemeName;
use crate::call::WriteOp;
use crate::catalog::{Operation, catalog};
pub use facts::FactSet;

use bounds::Bound;
use facts::required;

/// Sheets that are kept; there is one for each action and each set of facts that records lack.
const SHEETS_MAX: usize = 4096;

/// What a record tells of one fact.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum Told<T> {
    /// Nothing.
    #[default]
    Unknown,
    /// That the request had none.
    Absent,
    /// This.
    Is(T),
}

/// A request as its record tells it.
#[derive(Debug, Clone)]
pub struct PastRequest {
    /// How the caller was authenticated.
    pub scheme: SchemeName,
    /// The caller's name within the scheme.
    pub name: String,
    /// irongate's roles.
    pub roles: Vec<Arc<str>>,
    /// What Keystone said of the token.
    pub keystone: PastKeystone,
    /// What was asked.
    pub operation: &'static Operation,
    /// The resource's identifier as the caller wrote it; `None` for collections and the API itself.
    pub resource_id: Option<String>,
    /// Whether a policy about one object would have known the resource by this identifier and no other.
    pub resource_certain: bool,
    /// The path's parameters beside the resource's.
    pub parameters: Vec<(String, String)>,
    /// `N` of `1.N`.
    pub microversion: Option<u16>,
    /// The listener's name.
    pub listener: Option<String>,
    /// Seconds since 1970-01-01 UTC.
    pub now: Option<i64>,
    /// The caller's address.
    pub source: Told<IpAddr>,
    /// The names of the query parameters.
    pub query_names: Vec<String>,
    /// Their values, of those that were recorded.
    pub query: Vec<(String, String)>,
    /// The names of the configured places.
    pub places: Option<Vec<String>>,
    /// The writes; empty where the request has no body.
    pub writes: Vec<PastWrite>,
    /// Whether these are all the writes.
    pub writes_complete: bool,
}

/// What Keystone said of a caller.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct PastKeystone {
    /// The user's domain.
    pub user_domain_id: Told<String>,
    /// The project of the scope.
    pub project_id: Told<String>,
    /// That project's domain.
    pub project_domain_id: Told<String>,
    /// The domain of the scope.
    pub domain_id: Told<String>,
    /// Whether the scope is the system.
    pub system: Told<bool>,
    /// Keystone's roles.
    pub roles: Told<Vec<String>>,
}

/// One write of a request.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PastWrite {
    /// What was done.
    pub op: WriteOp,
    /// To which place.
    pub path: String,
    /// The step that it was, or was an argument of.
    pub step: Told<PastStep>,
    /// Whether the value is a secret.
    pub secret: Option<bool>,
    /// What was written.
    pub value: Told<PastValue>,
}

/// A step.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PastStep {
    /// `deploy`, `raid`, …
    pub interface: String,
    /// Its name.
    pub step: String,
    /// The argument's name.
    pub argument: Told<String>,
}

/// What is known of a value.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct PastValue {
    /// `string`, `object`, …
    pub kind: Option<String>,
    /// As policies have it.
    pub length: Option<i64>,
    /// The text, where it is one of a closed list of words.
    pub string: Told<String>,
    /// The number.
    pub integer: Told<i64>,
    /// The truth.
    pub boolean: Told<bool>,
    /// How plainly the text is written.
    pub spelling: Told<String>,
    /// The places that it is in.
    pub places: Option<Vec<String>>,
    /// Its parts, if it looks like a URL.
    pub url: Told<PastUrl>,
}

/// The recorded parts of a URL.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct PastUrl {
    /// Whether all readers agree about it.
    pub plain: Option<bool>,
    /// `https`, …
    pub scheme: Option<String>,
    /// In lower case.
    pub host: Option<String>,
    /// The host, if it is an address.
    pub address: Told<IpAddr>,
    /// The port.
    pub port: Told<u16>,
    /// Whether there is a user's name or a password in it.
    pub userinfo: Option<bool>,
}

/// The answer about a past request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PastDecision {
    /// All questions are permitted, by these.
    Permit(PolicyIds),
    /// A question is denied, whatever the facts that are not known.
    Deny {
        /// The kind of denial.
        reason: DenialReason,
        /// Which policies deny; empty where none permits.
        policies: PolicyIds,
        /// The index of the denied write; `None` for the request as a whole.
        write: Option<usize>,
    },
    /// It hangs on facts that were not recorded.
    Unknown {
        /// The policies that read them; empty where writes are missing.
        policies: PolicyIds,
        /// The facts, as policies call them; `writes` where not all writes were recorded.
        missing: Vec<&'static str>,
    },
}

/// Policies, ready to decide about past requests. For one thread.
pub struct PastEngine {
    /// Sorted by id.
    rules: Vec<PastRule>,
    /// By [`Operation::index`].
    desks: Vec<Desk>,
    sheets: HashMap<(usize, bool, FactSet), Arc<Sheet>>,
    authorizer: Authorizer,
}

struct PastRule {
    id: Arc<str>,
    rule: Rule,
    required: FactSet,
}

struct Desk {
    resource_type: EntityTypeName,
    fixed_id: String,
    request: Action,
    write: Option<Action>,
}

struct Action {
    uid: EntityUid,
    entities: Entities,
    /// Indices of the rules about it.
    rules: Vec<usize>,
    required: FactSet,
}

/// The policies of an action, twice: bent towards the caller and against the caller. `None`: nothing is unknown.
struct Sheet {
    kindly: PolicySet,
    harshly: Option<PolicySet>,
}

enum Answer {
    Permit(BTreeSet<usize>),
    Deny(DenialReason, BTreeSet<usize>),
    Unknown(BTreeSet<usize>),
}

impl PastEngine {
    /// Checks and compiles policy text. With `shadow`, policies in mode `shadow` count as enforced.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn load(sources: &[PolicySource], shadow: bool) -> Result<Self, Vec<PolicyFinding>> {
        let operations = catalog().operations();
        let (mut rules, findings) = check(operations, sources);
        if findings.iter().any(|finding| finding.severity == Severity::Error) {
            return Err(findings);
        }
        rules.retain(|rule| rule.mode == PolicyMode::Enforce || (shadow && rule.mode == PolicyMode::Shadow));
        let desks = desks(operations, &rules).ok_or(findings)?;
        let rules: Vec<PastRule> = rules
            .into_iter()
            .map(|rule| PastRule { id: Arc::clone(&rule.id), required: required(&rule.policy), rule })
            .collect();
        let mut engine = Self { rules, desks, sheets: HashMap::new(), authorizer: Authorizer::new() };
        for index in 0..engine.desks.len() {
            engine.note_required(index);
        }
        Ok(engine)
    }

    /// The ids of the policies that are asked, sorted.
    pub fn policies(&self) -> impl Iterator<Item = &Arc<str>> {
        self.rules.iter().map(|rule| &rule.id)
    }

    /// The facts that a decision about this operation and its writes can hang on: two requests that agree in these, in
    /// their operation and in their caller's identity and roles are decided alike.
    pub fn reads(&self, operation: &Operation) -> FactSet {
        self.desks.get(operation.index).map_or(FactSet::NONE, |desk| {
            let writes = desk.write.as_ref().map_or(FactSet::NONE, |write| write.required);
            desk.request.required.union(writes)
        })
    }

    /// Decides about the request and each of its writes.
    pub fn decide(&mut self, request: &PastRequest) -> PastDecision {
        let mut permits = BTreeSet::new();
        let mut unknown: Option<(BTreeSet<usize>, FactSet)> = None;
        let questions = std::iter::once(None).chain((0..request.writes.len()).map(Some));
        for write in questions {
            match self.answer(request, write) {
                (Answer::Permit(rules), _) => permits.extend(rules),
                (Answer::Deny(reason, rules), _) => {
                    return PastDecision::Deny { reason, policies: self.ids(&rules), write };
                }
                (Answer::Unknown(rules), known) => {
                    let missing = rules.iter().filter_map(|index| self.rules.get(*index));
                    let missing = missing.fold(FactSet::NONE, |facts, rule| facts.union(rule.required)).without(known);
                    let (all, facts) = unknown.get_or_insert_with(|| (BTreeSet::new(), FactSet::NONE));
                    all.extend(rules);
                    *facts = facts.union(missing);
                }
            }
        }
        match unknown {
            Some((rules, facts)) => {
                let mut missing: Vec<&'static str> = facts.names().collect();
                missing.extend((!request.writes_complete).then_some("writes"));
                PastDecision::Unknown { policies: self.ids(&rules), missing }
            }
            None if !request.writes_complete => {
                PastDecision::Unknown { policies: PolicyIds::default(), missing: vec!["writes"] }
            }
            None => PastDecision::Permit(self.ids(&permits)),
        }
    }

    fn answer(&mut self, request: &PastRequest, write: Option<usize>) -> (Answer, FactSet) {
        let cannot = || (Answer::Deny(DenialReason::Indeterminate, BTreeSet::new()), FactSet::NONE);
        let known = question::known(request, write);
        let Some(sheet) = self.sheet(request.operation.index, write.is_some(), known) else { return cannot() };
        let Some(desk) = self.desks.get(request.operation.index) else { return cannot() };
        let Some(action) = (if write.is_some() { desk.write.as_ref() } else { Some(&desk.request) }) else {
            return cannot();
        };
        let stage = question::Stage {
            action: &action.uid,
            actions: &action.entities,
            resource_type: &desk.resource_type,
            fixed_id: &desk.fixed_id,
        };
        let Some((asked, entities)) = question::question(request, write, &stage) else { return cannot() };
        let kindly = self.read(&self.authorizer.is_authorized(&asked, &sheet.kindly, &entities));
        let Some(harsh) = &sheet.harshly else { return (kindly, known) };
        let harshly = self.read(&self.authorizer.is_authorized(&asked, harsh, &entities));
        let answer = match (kindly, harshly) {
            (Answer::Deny(DenialReason::Indeterminate, rules), _)
            | (_, Answer::Deny(DenialReason::Indeterminate, rules)) => Answer::Unknown(rules),
            (denied @ Answer::Deny(..), _) => denied,
            (_, permitted @ Answer::Permit(_)) => permitted,
            (Answer::Permit(_), Answer::Deny(DenialReason::Forbidden, rules)) => Answer::Unknown(rules),
            (Answer::Permit(rules), _) => Answer::Unknown(rules),
            (Answer::Unknown(rules), _) => Answer::Unknown(rules),
        };
        (answer, known)
    }

    fn sheet(&mut self, operation: usize, write: bool, known: FactSet) -> Option<Arc<Sheet>> {
        let desk = self.desks.get(operation)?;
        let action = if write { desk.write.as_ref()? } else { &desk.request };
        let key = (operation, write, known.intersection(action.required));
        if let Some(sheet) = self.sheets.get(&key) {
            return Some(Arc::clone(sheet));
        }
        let rules: Vec<&PastRule> = action.rules.iter().filter_map(|index| self.rules.get(*index)).collect();
        let bent = |bound: Bound| {
            let policies = rules.iter().map(|rule| match rule.required.without(known) {
                FactSet::NONE => Some(rule.rule.policy.clone()),
                _ => bounds::bound(&rule.rule.policy, known, bound),
            });
            PolicySet::from_policies(policies.collect::<Option<Vec<_>>>()?).ok()
        };
        let all_known = rules.iter().all(|rule| rule.required.without(known) == FactSet::NONE);
        let sheet = Arc::new(Sheet {
            kindly: bent(Bound::Kindly)?,
            harshly: if all_known { None } else { Some(bent(Bound::Harshly)?) },
        });
        if self.sheets.len() >= SHEETS_MAX {
            self.sheets.clear();
        }
        self.sheets.insert(key, Arc::clone(&sheet));
        Some(sheet)
    }

    fn note_required(&mut self, index: usize) {
        let union = |rules: &[usize]| {
            let rules = rules.iter().filter_map(|index| self.rules.get(*index));
            rules.fold(FactSet::NONE, |facts, rule| facts.union(rule.required))
        };
        let Some(desk) = self.desks.get(index) else { return };
        let request = union(&desk.request.rules);
        let write = desk.write.as_ref().map(|write| union(&write.rules));
        if let Some(desk) = self.desks.get_mut(index) {
            desk.request.required = request;
            if let (Some(action), Some(required)) = (&mut desk.write, write) {
                action.required = required;
            }
        }
    }

    fn read(&self, response: &Response) -> Answer {
        let diagnostics = response.diagnostics();
        let broken: BTreeSet<usize> = diagnostics
            .errors()
            .filter_map(|error| match error {
                AuthorizationError::PolicyEvaluationError(error) => self.index(error.policy_id()),
            })
            .collect();
        if diagnostics.errors().next().is_some() {
            return Answer::Deny(DenialReason::Indeterminate, broken);
        }
        let reasons: BTreeSet<usize> = diagnostics.reason().filter_map(|id| self.index(id)).collect();
        match response.decision() {
            Effect::Allow => Answer::Permit(reasons),
            Effect::Deny if reasons.is_empty() => Answer::Deny(DenialReason::NoPermit, reasons),
            Effect::Deny => Answer::Deny(DenialReason::Forbidden, reasons),
        }
    }

    fn index(&self, id: &PolicyId) -> Option<usize> {
        self.rules.binary_search_by(|rule| (*rule.id).cmp(id.as_ref())).ok()
    }

    fn ids(&self, rules: &BTreeSet<usize>) -> PolicyIds {
        rules.iter().filter_map(|index| self.rules.get(*index)).map(|rule| Arc::clone(&rule.id)).collect()
    }
}

impl std::fmt::Debug for PastEngine {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("PastEngine").field("policies", &self.rules.len()).finish_non_exhaustive()
    }
}

/// `None` only if an id of the catalogue is not usable in Cedar.
fn desks(operations: &[Operation], rules: &[Rule]) -> Option<Vec<Desk>> {
    let slices = Slices::new(rules);
    let kind: EntityTypeName = "Action".parse().ok()?;
    let action = |groups: &ActionGroups| {
        let uid = |id: &str| EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id));
        let parents = groups.all.iter().filter(|id| **id != groups.id).map(|id| uid(id)).collect();
        let entity = Entity::new_no_attrs(uid(&groups.id), parents);
        Some(Action {
            uid: uid(&groups.id),
            entities: Entities::from_entities([entity], None).ok()?,
            rules: slices.about(groups),
            required: FactSet::NONE,
        })
    };
    operations
        .iter()
        .map(|operation| {
            let write = if has_writes(operation) { Some(action(&ActionGroups::write(operation))?) } else { None };
            Some(Desk {
                resource_type: operation.resource.as_str().parse().ok()?,
                fixed_id: fixed_id(operation),
                request: action(&ActionGroups::request(operation))?,
                write,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests;
