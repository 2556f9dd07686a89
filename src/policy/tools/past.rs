//! Decides again about requests of which only a record is left.
//!
//! A record holds fewer facts than its request did. So a question has three answers here: permit, deny, and *unknown*
//! where the answer hangs on a fact that was not recorded. Two sets of policies are asked (`bounds`): in one every part
//! of a condition that reads an unrecorded fact is taken to favour the caller, in the other to stand against the caller.
//! What the first denies is denied, what the second permits is permitted, and the rest is unknown: never a guess.

mod bounds;
mod facts;
mod filters;
mod objects;
mod question;
mod request;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use cedar_policy::{
    AuthorizationError, Authorizer, Decision as Effect, Entities, Entity, EntityId, EntityTypeName, EntityUid,
    PolicyId, PolicySet, Response,
};

use crate::catalog::{Operation, catalog};
use crate::policy::finding::{PolicyFinding, Severity};
use crate::policy::rule::{PolicyMode, PolicySource, Rule, check};
use crate::policy::schema::{fixed_id, has_writes};
use crate::policy::slice::{ActionGroups, Slices};
use crate::policy::{DenialReason, PolicyIds};
pub use facts::FactSet;
pub use objects::UnknownObjects;
pub use request::{PastKeystone, PastRequest, PastStep, PastUrl, PastValue, PastWrite, Told};

pub(in crate::policy) use bounds::{Bound, bound_by};
use facts::required;
use filters::Doubtful;
pub(in crate::policy) use objects::reads_objects;

/// Policies that are kept bent; there is one for each action and each set of facts that records lack.
const BENT_MAX: usize = 4096;

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
    by_operation: Vec<OperationPolicies>,
    all_bent: HashMap<(usize, bool, FactSet, Doubtful), Arc<BentPolicies>>,
    authorizer: Authorizer,
}

struct PastRule {
    id: Arc<str>,
    rule: Rule,
    required: FactSet,
}

struct OperationPolicies {
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
struct BentPolicies {
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
        let by_operation = by_operation(operations, &rules).ok_or(findings)?;
        let rules: Vec<PastRule> = rules
            .into_iter()
            .map(|rule| PastRule { id: Arc::clone(&rule.id), required: required(&rule.policy), rule })
            .collect();
        let mut engine = Self { rules, by_operation, all_bent: HashMap::new(), authorizer: Authorizer::new() };
        for index in 0..engine.by_operation.len() {
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
        self.by_operation.get(operation.index).map_or(FactSet::NONE, |entry| {
            let writes = entry.write.as_ref().map_or(FactSet::NONE, |write| write.required);
            entry.request.required.union(writes)
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
                (Answer::Unknown(rules), (known, doubtful)) => {
                    let missing = rules.iter().filter_map(|index| self.rules.get(*index));
                    let missing = missing.fold(FactSet::NONE, |facts, rule| facts.union(rule.required)).without(known);
                    let missing = missing.union(doubtful.missing(&rules));
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

    fn answer(&mut self, request: &PastRequest, write: Option<usize>) -> (Answer, (FactSet, Doubtful)) {
        let nothing = || (FactSet::NONE, Doubtful::default());
        let cannot = || (Answer::Deny(DenialReason::Indeterminate, BTreeSet::new()), nothing());
        let known = question::known(request, write);
        let doubtful = self.doubtful(request, write);
        let Some(bent) = self.bent(request.operation.index, write.is_some(), known, &doubtful) else {
            return cannot();
        };
        let Some(entry) = self.by_operation.get(request.operation.index) else { return cannot() };
        let Some(action) = (if write.is_some() { entry.write.as_ref() } else { Some(&entry.request) }) else {
            return cannot();
        };
        let terms = question::PastTerms {
            action: &action.uid,
            actions: &action.entities,
            resource_type: &entry.resource_type,
            fixed_id: &entry.fixed_id,
        };
        let Some((asked, entities)) = question::question(request, write, &terms) else { return cannot() };
        let kindly = self.read(&self.authorizer.is_authorized(&asked, &bent.kindly, &entities));
        let Some(harsh) = &bent.harshly else { return (kindly, (known, doubtful)) };
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
        (answer, (known, doubtful))
    }

    /// The permits whose filter the request does not meet, or may not: filters are for requests, not for their writes.
    fn doubtful(&self, request: &PastRequest, write: Option<usize>) -> Doubtful {
        let entry = self.by_operation.get(request.operation.index).filter(|_| write.is_none());
        let rules = entry.into_iter().flat_map(|entry| &entry.request.rules);
        Doubtful::of(rules.filter_map(|index| Some((*index, &self.rules.get(*index)?.rule))), request)
    }

    fn bent(
        &mut self,
        operation: usize,
        write: bool,
        known: FactSet,
        doubtful: &Doubtful,
    ) -> Option<Arc<BentPolicies>> {
        let entry = self.by_operation.get(operation)?;
        let action = if write { entry.write.as_ref()? } else { &entry.request };
        let key = (operation, write, known.intersection(action.required), doubtful.clone());
        if let Some(bent) = self.all_bent.get(&key) {
            return Some(Arc::clone(bent));
        }
        let rules = action.rules.iter().filter_map(|index| Some((*index, self.rules.get(*index)?)));
        let rules: Vec<(usize, &PastRule)> = rules.filter(|(index, _)| !doubtful.is_unmet(*index)).collect();
        let bent = |bound: Bound| {
            let counts = |index: usize| bound == Bound::Kindly || !doubtful.is_untold(index);
            let rules = rules.iter().filter(|(index, _)| counts(*index));
            let policies = rules.map(|(_, rule)| match rule.required.without(known) {
                FactSet::NONE => Some(rule.rule.policy.clone()),
                _ => bounds::bound(&rule.rule.policy, known, bound),
            });
            PolicySet::from_policies(policies.collect::<Option<Vec<_>>>()?).ok()
        };
        let is_known = |(index, rule): &(usize, &PastRule)| {
            rule.required.without(known) == FactSet::NONE && !doubtful.is_untold(*index)
        };
        let all_known = rules.iter().all(is_known);
        let bent = Arc::new(BentPolicies {
            kindly: bent(Bound::Kindly)?,
            harshly: if all_known { None } else { Some(bent(Bound::Harshly)?) },
        });
        if self.all_bent.len() >= BENT_MAX {
            self.all_bent.clear();
        }
        self.all_bent.insert(key, Arc::clone(&bent));
        Some(bent)
    }

    fn note_required(&mut self, index: usize) {
        let union = |rules: &[usize]| {
            let rules = rules.iter().filter_map(|index| self.rules.get(*index));
            rules.fold(FactSet::NONE, |facts, rule| facts.union(rule.required).union(filters::read_by(&rule.rule)))
        };
        let Some(entry) = self.by_operation.get(index) else { return };
        let request = union(&entry.request.rules);
        let write = entry.write.as_ref().map(|write| union(&write.rules));
        if let Some(entry) = self.by_operation.get_mut(index) {
            entry.request.required = request;
            if let (Some(action), Some(required)) = (&mut entry.write, write) {
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
fn by_operation(operations: &[Operation], rules: &[Rule]) -> Option<Vec<OperationPolicies>> {
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
            Some(OperationPolicies {
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
