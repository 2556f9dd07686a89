//! The engine: policies loaded, sliced and asked.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use aws_lc_rs::digest;
use cedar_policy::{
    AuthorizationError, Authorizer, Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, PolicyId,
    PolicySet, Request, Response,
};
use quick_cache::sync::Cache;

use super::cast::Literals;
use super::context::{Question, Stage, question};
use super::filter::{Added, Filter, Fit, lists_of_node};
use super::finding::{PolicyFinding, Severity};
use super::guard::{Depends, PlaceOf};
use super::reads::Reads;
use super::resource::{Findings, Needs, has_attributes};
use super::roles::{Memo, RoleTable, RoleTables};
use super::rule::{PolicyMode, PolicySource, Resources, Rule, Who, check};
use super::schema::{API_ID, fixed_id, has_writes, schema_of};
use super::slice::{ActionGroups, Slices};
use super::{AccessRequest, Decision, Denial, DenialReason, Permit, PolicyIds, Verdict, WouldBe};
use crate::call::Write;
use crate::catalog::{Operation, ResourceType, catalog};

/// Sheets made for role sets that are shared between actions; those beyond are made again.
const SMALLER_SHEETS_MAX: usize = 2048;

/// The policies of a snapshot, ready to decide. Shared read-only between workers.
pub struct PolicyEngine {
    /// Sorted by id.
    rules: Vec<Rule>,
    /// By [`Operation::index`].
    desks: Vec<Desk>,
    /// Whether a secret may be read.
    secrets: Desk,
    roles: RoleTables,
    literals: Literals,
    /// Sheets without the policies for other roles, by their rules.
    smaller: Cache<Vec<usize>, Arc<Sheet>>,
    authorizer: Authorizer,
    revision: String,
    warnings: Vec<PolicyFinding>,
}

/// One operation.
struct Desk {
    operation: String,
    resource_type: EntityTypeName,
    fixed_id: String,
    request: ActionDesk,
    write: Option<ActionDesk>,
}

/// One action.
struct ActionDesk {
    uid: EntityUid,
    /// Its own entity, with everything that it is in.
    entities: Entities,
    enforced: Slice,
    /// With the shadow policies, if there are any for this action.
    shadowed: Option<Slice>,
}

/// The policies of an action, with the place of what role tables know about them.
struct Slice {
    sheet: Arc<Sheet>,
    slot: usize,
}

/// Some policies, as Cedar takes them.
pub(super) struct Sheet {
    /// So that what was found for one is not taken for another.
    number: usize,
    /// Indices of the engine's rules, ascending.
    rules: Vec<usize>,
    /// Made when it is asked for the first time: most sheets never are, because callers have few roles.
    set: OnceLock<Option<PolicySet>>,
    /// Those of the rules that look at nothing of a write and are not constant.
    request: OnceLock<Option<Arc<Self>>>,
    reads: Reads,
}

/// One question within the engine.
#[derive(Clone, Copy)]
struct Scene<'s> {
    request: &'s AccessRequest<'s>,
    desk: &'s Desk,
    action: &'s ActionDesk,
    table: &'s RoleTable,
    secret: Option<&'s str>,
}

/// Numbers sheets.
static SHEETS: AtomicUsize = AtomicUsize::new(0);

/// A decision that has not become evidence yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    Permit(Granted),
    Deny(Denial),
}

/// What a permit rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Granted {
    policies: PolicyIds,
    /// There if every policy that permits demands a filter: one of these has to be met.
    filters: Option<Arc<[Arc<Filter>]>>,
    /// What has to be added to the query.
    added: Option<Added>,
}

/// How sure a slice's answer is for a role set, before any request is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outlook {
    Permitted,
    Depends,
    Denied,
}

impl PolicyEngine {
    /// Checks and compiles policy text against the embedded catalogue. Any error refuses the whole; warnings are kept
    /// ([`Self::warnings`]).
    pub fn load(sources: &[PolicySource]) -> Result<Self, Vec<PolicyFinding>> {
        Self::load_for(catalog().operations(), sources)
    }

    pub(super) fn load_for(operations: &[Operation], sources: &[PolicySource]) -> Result<Self, Vec<PolicyFinding>> {
        let (rules, mut findings) = check(operations, sources);
        if findings.iter().any(|finding| finding.severity == Severity::Error) {
            return Err(findings);
        }
        match Compiler::new(&rules).desks(operations) {
            Some((desks, secrets, slots)) => Ok(Self {
                desks,
                secrets,
                literals: Literals::of(&rules),
                roles: RoleTables::new(role_names(&rules), slots),
                smaller: Cache::new(SMALLER_SHEETS_MAX),
                authorizer: Authorizer::new(),
                revision: revision(operations, sources),
                warnings: findings,
                rules,
            }),
            None => {
                findings.push(PolicyFinding {
                    file: "irongate.cedarschema".to_owned(),
                    line: 1,
                    column: 1,
                    severity: Severity::Error,
                    policy: None,
                    message: "the policies cannot be compiled for the catalogue".to_owned(),
                    hint: Some("this is a fault of irongate's catalogue: please report it".to_owned()),
                });
                Err(findings)
            }
        }
    }

    /// Decides. Always an answer; whatever cannot be evaluated is a denial.
    pub fn decide(&self, request: &AccessRequest<'_>) -> Verdict {
        let operation = request.route.operation();
        let desk = self.desks.get(operation.index).filter(|desk| desk.operation == operation.id);
        let action =
            desk.and_then(|desk| if request.write.is_some() { desk.write.as_ref() } else { Some(&desk.request) });
        let (Some(desk), Some(action)) = (desk, action) else {
            return Verdict { decision: indeterminate().into(), would_be: None };
        };
        let table = self.roles.table(request.principal.roles());
        let outcome = |slice| self.narrow(request, self.outcome(request, desk, action, slice, &table, None));
        let shadowed = action.shadowed.as_ref().map(outcome);
        let outcome = outcome(&action.enforced);
        let would_be = shadowed.filter(|other| other.is_permit() != outcome.is_permit()).map(WouldBe::from);
        Verdict { decision: outcome.into(), would_be }
    }

    /// Whether the principal may see the secret in `field` (a JSON Pointer), asked on the way of `request`. Anything but a
    /// permit of an enforced policy is no; dry-run does not waive it.
    pub fn reads_secret(&self, request: &AccessRequest<'_>, field: &str) -> bool {
        let desk = &self.secrets;
        let table = self.roles.table(request.principal.roles());
        self.outcome(request, desk, &desk.request, &desk.request.enforced, &table, Some(field)).is_permit()
    }

    /// The answer where an object that is read could not be looked up.
    pub fn without_attributes(&self) -> Verdict {
        let denial = Denial::of(DenialReason::Unavailable, PolicyIds::default(), None, false);
        Verdict { decision: Decision::Deny(denial), would_be: None }
    }

    /// What has to be looked up before a caller with these roles can be decided about: for the request, and for each of
    /// its writes (`writes`). Nothing, where no enforced policy that may apply reads it.
    pub fn needs(&self, operation: &Operation, roles: &[Arc<str>], writes: bool) -> Needs {
        self.needs_of(operation, roles, writes, false)
    }

    /// The same with what only shadow policies read.
    pub fn shadow_needs(&self, operation: &Operation, roles: &[Arc<str>], writes: bool) -> Needs {
        self.needs_of(operation, roles, writes, true)
    }

    fn needs_of(&self, operation: &Operation, roles: &[Arc<str>], writes: bool, shadow: bool) -> Needs {
        let Some(desk) = self.desks.get(operation.index).filter(|desk| desk.operation == operation.id) else {
            return Needs::default();
        };
        let Some(action) = (if writes { desk.write.as_ref() } else { Some(&desk.request) }) else {
            return Needs::default();
        };
        let table = self.roles.table(roles);
        let slices = [Some(&action.enforced), action.shadowed.as_ref().filter(|_| shadow)];
        slices.into_iter().flatten().fold(Needs::default(), |needs, slice| {
            let reads = match table.memo(slice.slot, || self.memo(desk, action, &slice.sheet, &table)) {
                Some(Memo::Constant(_)) => return needs,
                Some(Memo::Ask(sheet)) => sheet.reads,
                None => slice.sheet.reads,
            };
            let resource = (reads.lookup && has_attributes(operation.resource)).then_some(reads.fields);
            let target = (reads.target && (writes || lists_of_node(operation))).then_some(reads.fields);
            needs.union(Needs { resource, target })
        })
    }

    /// The digest of the policies and of the schema they were checked against: SHA-256, in hexadecimal.
    pub fn revision(&self) -> &str {
        &self.revision
    }

    /// What is odd about the policies, though they could be loaded.
    pub fn warnings(&self) -> &[PolicyFinding] {
        &self.warnings
    }

    /// The roles that the policies speak of, sorted.
    pub fn roles(&self) -> &[Arc<str>] {
        self.roles.names()
    }

    /// The ids of all policies with their modes, sorted.
    pub fn policy_modes(&self) -> impl Iterator<Item = (&str, PolicyMode)> {
        self.rules.iter().map(|rule| (&*rule.id, rule.mode))
    }

    fn outcome(
        &self,
        request: &AccessRequest<'_>,
        desk: &Desk,
        action: &ActionDesk,
        slice: &Slice,
        table: &RoleTable,
        secret: Option<&str>,
    ) -> Outcome {
        let sheet = match table.memo(slice.slot, || self.memo(desk, action, &slice.sheet, table)) {
            Some(Memo::Constant(outcome)) => return outcome.clone(),
            Some(Memo::Ask(sheet)) => sheet,
            None => &slice.sheet,
        };
        let scene = Scene { request, desk, action, table, secret };
        let found = match request.write {
            Some(write) => self.about_write(scene, sheet, write),
            None => self.ask(scene, sheet),
        };
        found.map_or_else(indeterminate, |found| self.conclude(found))
    }

    /// Asks Cedar about a write: what looks at nothing of it once for the whole request, and of the rest only what its place
    /// does not rule out.
    fn about_write(&self, scene: Scene<'_>, sheet: &Sheet, write: &Write<'_>) -> Option<Findings> {
        let place = PlaceOf::new(write);
        let mut found = Findings::default();
        let mut rest = Vec::new();
        for index in &sheet.rules {
            let rule = self.rules.get(*index)?;
            match &rule.depends {
                Depends::Request if rule.is_constant() => match rule.scope_holds(scene.table, scene.desk) {
                    Some(true) => found.applied.push(*index),
                    Some(false) => {}
                    None => rest.push(*index),
                },
                Depends::Request => {}
                Depends::Write { guard, .. } if !guard.iter().all(|test| test.holds(&place)) => {}
                Depends::Write { whole, .. } => {
                    match rule.scope_holds(scene.table, scene.desk).filter(|holds| *whole || !holds) {
                        Some(true) => found.applied.push(*index),
                        Some(false) => {}
                        None => rest.push(*index),
                    }
                }
            }
        }
        let request = sheet.request.get_or_init(|| self.request_sheet(sheet));
        if let Some(request) = request {
            let ask = || self.ask(scene, request);
            let of_request = match scene.request.objects.sitting {
                Some(sitting) => sitting.remember(request.number, ask)?,
                None => ask()?,
            };
            found.add(of_request);
        }
        if !rest.is_empty() {
            found.add(self.ask(scene, &self.smaller_sheet(rest))?);
        }
        Some(found)
    }

    /// Those of a sheet's rules that are the same for every write of a request.
    fn request_sheet(&self, sheet: &Sheet) -> Option<Arc<Sheet>> {
        let is_of_request = |rule: &Rule| matches!(rule.depends, Depends::Request) && !rule.is_constant();
        let rules: Vec<usize> =
            sheet.rules.iter().copied().filter(|index| self.rules.get(*index).is_some_and(is_of_request)).collect();
        (!rules.is_empty()).then(|| self.smaller_sheet(rules))
    }

    /// Puts a sheet's policies to Cedar. `None`: the question cannot be put.
    fn ask(&self, scene: Scene<'_>, sheet: &Sheet) -> Option<Findings> {
        let stage = Stage {
            action: &scene.action.uid,
            actions: &scene.action.entities,
            resource_type: &scene.desk.resource_type,
            fixed_id: &scene.desk.fixed_id,
            roles: &scene.table.parents,
            reads: sheet.reads,
            secret: scene.secret,
            literals: &self.literals,
        };
        let Question { request, entities } = question(scene.request, &stage).ok()?;
        Some(self.found(&self.authorizer.is_authorized(&request, sheet.set(&self.rules)?, &entities)))
    }

    /// What Cedar's answer says of each policy.
    fn found(&self, response: &Response) -> Findings {
        let number = |id: &PolicyId| self.rules.binary_search_by(|rule| (*rule.id).cmp(id.as_ref())).ok();
        let diagnostics = response.diagnostics();
        let broken = diagnostics.errors().map(|error| match error {
            AuthorizationError::PolicyEvaluationError(error) => error.policy_id(),
        });
        // Of a denial Cedar names the forbids only, of a permit the permits.
        Findings {
            broken: broken.filter_map(number).collect(),
            applied: diagnostics.reason().filter_map(number).collect(),
        }
    }

    /// Cedar's own conclusion from what applied, with our one rule: what cannot be evaluated denies.
    fn conclude(&self, found: Findings) -> Outcome {
        let Findings { applied, broken } = found;
        if !broken.is_empty() {
            return self.denial(DenialReason::Indeterminate, broken);
        }
        let is_permit = |index: &usize| self.rules.get(*index).is_some_and(Rule::is_permit);
        let (permits, forbids): (BTreeSet<usize>, BTreeSet<usize>) = applied.into_iter().partition(is_permit);
        if !forbids.is_empty() {
            return self.denial(DenialReason::Forbidden, forbids);
        }
        if permits.is_empty() {
            return self.denial(DenialReason::NoPermit, []);
        }
        let rules: Vec<&Rule> = permits.iter().filter_map(|index| self.rules.get(*index)).collect();
        Outcome::Permit(Granted {
            policies: rules.iter().map(|rule| Arc::clone(&rule.id)).collect(),
            filters: rules.iter().map(|rule| rule.filter.clone()).collect(),
            added: None,
        })
    }

    /// A denial by these rules.
    fn denial(&self, reason: DenialReason, indices: impl IntoIterator<Item = usize>) -> Outcome {
        let indices: BTreeSet<usize> = indices.into_iter().collect();
        let rules: Vec<&Rule> = indices.into_iter().filter_map(|index| self.rules.get(index)).collect();
        let explanation = rules.iter().find_map(|rule| rule.reason.clone());
        let conceal = rules.iter().any(|rule| rule.conceal);
        Outcome::Deny(Denial::of(reason, rules.iter().map(|rule| Arc::clone(&rule.id)).collect(), explanation, conceal))
    }

    /// These rules as a sheet, made once.
    fn smaller_sheet(&self, rules: Vec<usize>) -> Arc<Sheet> {
        if let Some(known) = self.smaller.get(&rules) {
            return known;
        }
        let sheet = Arc::new(Sheet::new(&self.rules, rules.clone()));
        self.smaller.insert(rules, Arc::clone(&sheet));
        sheet
    }

    /// Holds a list to a filter, where no policy permits it without one.
    fn narrow(&self, request: &AccessRequest<'_>, outcome: Outcome) -> Outcome {
        let Outcome::Permit(granted) = outcome else { return outcome };
        let Some(filters) = granted.filters.as_ref().filter(|_| request.write.is_none()) else {
            return Outcome::Permit(granted);
        };
        let fits: Vec<Fit> = filters.iter().map(|filter| filter.fit(request.principal, request.route)).collect();
        if fits.contains(&Fit::Said) {
            return Outcome::Permit(granted);
        }
        let added = fits.into_iter().find_map(|fit| match fit {
            Fit::Add(added) => Some(added),
            Fit::Said | Fit::No => None,
        });
        match added {
            Some(added) => Outcome::Permit(Granted { added: Some(added), ..granted }),
            None => self.denial(DenialReason::NoPermit, []),
        }
    }

    /// Leaves out what is for other roles. If the rest looks at nothing but the roles, it is the same for every request.
    fn memo(&self, desk: &Desk, action: &ActionDesk, sheet: &Arc<Sheet>, table: &RoleTable) -> Memo {
        let relevant = self.relevant(sheet, table);
        if relevant.iter().filter_map(|index| self.rules.get(*index)).all(Rule::is_constant) {
            let principal = principal_of_roles(table, &action.entities);
            let resource = EntityUid::from_type_name_and_id(desk.resource_type.clone(), EntityId::new(&desk.fixed_id));
            let asked = principal.and_then(|(uid, entities)| {
                let request = Request::new(uid, action.uid.clone(), resource, Context::empty(), None).ok()?;
                let set = sheet.set(&self.rules)?;
                Some(self.conclude(self.found(&self.authorizer.is_authorized(&request, set, &entities))))
            });
            return Memo::Constant(asked.unwrap_or_else(indeterminate));
        }
        if relevant.len() == sheet.rules.len() {
            return Memo::Ask(Arc::clone(sheet));
        }
        Memo::Ask(self.smaller_sheet(relevant))
    }

    fn relevant(&self, sheet: &Sheet, table: &RoleTable) -> Vec<usize> {
        let is_relevant = |rule: &Rule| match &rule.who {
            Who::Everyone { .. } | Who::Other => true,
            Who::Role(role) => table.has(role),
        };
        sheet.rules.iter().copied().filter(|index| self.rules.get(*index).is_some_and(is_relevant)).collect()
    }

    /// What a caller with these roles can expect of an operation's request and writes, for the matrix. `None` for the
    /// writes of an operation that has none.
    pub(super) fn outlook(&self, operation: &Operation, roles: &[Arc<str>]) -> Option<(Outlook, Option<Outlook>)> {
        let table = self.roles.table(roles);
        let desk = self.desks.get(operation.index)?;
        let of = |action: &ActionDesk| self.outlook_of(&self.relevant(&action.enforced.sheet, &table));
        Some((of(&desk.request), desk.write.as_ref().map(of)))
    }

    fn outlook_of(&self, relevant: &[usize]) -> Outlook {
        let mut rules = relevant.iter().filter_map(|index| self.rules.get(*index));
        let (mut sure_permit, mut sure_forbid, mut any_permit, mut any_forbid) = (false, false, false, false);
        for rule in rules.by_ref() {
            let (sure, any) = if rule.is_permit() {
                (&mut sure_permit, &mut any_permit)
            } else {
                (&mut sure_forbid, &mut any_forbid)
            };
            *sure |= rule.is_constant() && rule.filter.is_none();
            *any = true;
        }
        match (sure_permit, any_permit) {
            (_, false) => Outlook::Denied,
            _ if sure_forbid => Outlook::Denied,
            (true, _) if !any_forbid => Outlook::Permitted,
            _ => Outlook::Depends,
        }
    }

    /// Every rule whose action scope matches, in any mode.
    pub(super) fn about(&self, operation: &Operation, writes: bool) -> Vec<&Rule> {
        let groups = if writes { ActionGroups::write(operation) } else { ActionGroups::request(operation) };
        Slices::new(&self.rules).about(&groups).into_iter().filter_map(|index| self.rules.get(index)).collect()
    }

    /// The rules, sorted by id.
    pub(super) fn all_rules(&self) -> &[Rule] {
        &self.rules
    }

    /// A question with all its facts, whatever the policies read.
    pub(super) fn question(&self, request: &AccessRequest<'_>) -> Option<(Request, Entities)> {
        let operation = request.route.operation();
        let desk = self.desks.get(operation.index).filter(|desk| desk.operation == operation.id)?;
        let action = if request.write.is_some() { desk.write.as_ref()? } else { &desk.request };
        let table = self.roles.table(request.principal.roles());
        let stage = Stage {
            action: &action.uid,
            actions: &action.entities,
            resource_type: &desk.resource_type,
            fixed_id: &desk.fixed_id,
            roles: &table.parents,
            reads: Reads::EVERYTHING,
            secret: None,
            literals: &self.literals,
        };
        question(request, &stage).ok().map(|asked| (asked.request, asked.entities))
    }

    #[cfg(test)]
    pub(super) fn rules_for_test(&self) -> &[Rule] {
        &self.rules
    }
}

impl Rule {
    /// Whether it applies, among those whose roles fit, whatever the request holds.
    fn is_constant(&self) -> bool {
        self.plain && self.who != Who::Other
    }

    /// Whether the scope holds for callers with these roles, as far as roles and the resource's type tell.
    fn scope_holds(&self, table: &RoleTable, desk: &Desk) -> Option<bool> {
        let principal = match &self.who {
            Who::Everyone { .. } => true,
            Who::Role(role) => table.has(role),
            Who::Other => return None,
        };
        match &self.resource {
            Resources::Any => Some(principal),
            Resources::Of(kind) => Some(principal && *kind == desk.resource_type),
            Resources::Some if principal => None,
            Resources::Some => Some(false),
        }
    }
}

impl Sheet {
    fn new(rules: &[Rule], indices: Vec<usize>) -> Self {
        let chosen = indices.iter().filter_map(|index| rules.get(*index));
        let reads = chosen.fold(Reads::default(), |reads, rule| reads.union(rule.reads));
        let number = SHEETS.fetch_add(1, Ordering::Relaxed);
        Self { number, rules: indices, set: OnceLock::new(), request: OnceLock::new(), reads }
    }

    fn set(&self, rules: &[Rule]) -> Option<&PolicySet> {
        let make = || {
            let chosen = self.rules.iter().filter_map(|index| rules.get(*index));
            PolicySet::from_policies(chosen.map(|rule| rule.policy.clone())).ok()
        };
        self.set.get_or_init(make).as_ref()
    }
}

impl Outcome {
    const fn is_permit(&self) -> bool {
        matches!(self, Self::Permit(_))
    }
}

impl From<Outcome> for Decision {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Permit(granted) => Self::Permit(Permit::of(granted.policies).with(granted.added)),
            Outcome::Deny(denial) => Self::Deny(denial),
        }
    }
}

impl From<Outcome> for WouldBe {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Permit(granted) => Self::Permit(granted.policies),
            Outcome::Deny(denial) => Self::Deny(denial),
        }
    }
}

impl fmt::Debug for PolicyEngine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("PolicyEngine")
            .field("revision", &self.revision)
            .field("policies", &self.rules.len())
            .finish_non_exhaustive()
    }
}

/// Makes the desks; actions with the same policies share one sheet.
struct Compiler<'r> {
    rules: &'r [Rule],
    slices: Slices<'r>,
    sheets: HashMap<Vec<usize>, Arc<Sheet>>,
}

impl<'r> Compiler<'r> {
    fn new(rules: &'r [Rule]) -> Self {
        Self { rules, slices: Slices::new(rules), sheets: HashMap::new() }
    }

    /// The desks and the number of slots; `None` only if an id of the catalogue is not usable in Cedar.
    fn desks(mut self, operations: &[Operation]) -> Option<(Vec<Desk>, Desk, usize)> {
        let action_type: EntityTypeName = "Action".parse().ok()?;
        let mut desks = Vec::with_capacity(operations.len());
        let mut slots = 0;
        for operation in operations {
            desks.push(Desk {
                operation: operation.id.clone(),
                resource_type: operation.resource.as_str().parse().ok()?,
                fixed_id: fixed_id(operation),
                request: self.action(&action_type, &ActionGroups::request(operation), &mut slots)?,
                write: if has_writes(operation) {
                    Some(self.action(&action_type, &ActionGroups::write(operation), &mut slots)?)
                } else {
                    None
                },
            });
        }
        let secrets = Desk {
            operation: String::new(),
            resource_type: ResourceType::Api.as_str().parse().ok()?,
            fixed_id: API_ID.to_owned(),
            request: self.action(&action_type, &ActionGroups::secrets(), &mut slots)?,
            write: None,
        };
        Some((desks, secrets, slots))
    }

    fn action(&mut self, kind: &EntityTypeName, groups: &ActionGroups, slots: &mut usize) -> Option<ActionDesk> {
        let uid = |id: &str| EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id));
        let parents: HashSet<EntityUid> = groups.all.iter().filter(|id| **id != groups.id).map(|id| uid(id)).collect();
        let entity = Entity::new_no_attrs(uid(&groups.id), parents);
        let about = self.slices.about(groups);
        let mode = |index: &usize| self.rules.get(*index).map(|rule| rule.mode);
        let enforced: Vec<usize> =
            about.iter().copied().filter(|index| mode(index) == Some(PolicyMode::Enforce)).collect();
        let both: Vec<usize> =
            about.iter().copied().filter(|index| mode(index).is_some_and(|mode| mode != PolicyMode::Off)).collect();
        Some(ActionDesk {
            uid: uid(&groups.id),
            entities: Entities::from_entities([entity], None).ok()?,
            shadowed: if both == enforced { None } else { Some(self.slice(both, slots)?) },
            enforced: self.slice(enforced, slots)?,
        })
    }

    fn slice(&mut self, rules: Vec<usize>, slots: &mut usize) -> Option<Slice> {
        let slot = *slots;
        *slots += 1;
        if let Some(sheet) = self.sheets.get(&rules) {
            return Some(Slice { sheet: Arc::clone(sheet), slot });
        }
        let sheet = Arc::new(Sheet::new(self.rules, rules.clone()));
        self.sheets.insert(rules, Arc::clone(&sheet));
        Some(Slice { sheet, slot })
    }
}

fn principal_of_roles(table: &RoleTable, actions: &Entities) -> Option<(EntityUid, Entities)> {
    let uid = EntityUid::from_type_name_and_id("Principal".parse().ok()?, EntityId::new("roles"));
    let entity = Entity::new_no_attrs(uid.clone(), table.parents.clone());
    Some((uid, actions.clone().add_entities([entity], None).ok()?))
}

fn indeterminate() -> Outcome {
    Outcome::Deny(Denial::of(DenialReason::Indeterminate, PolicyIds::default(), None, false))
}

/// The roles that occur in any policy, conditions included.
fn role_names(rules: &[Rule]) -> BTreeSet<Arc<str>> {
    let literals = rules.iter().flat_map(|rule| rule.policy.entity_literals());
    literals.filter(|uid| uid.type_name().basename() == "Role").map(|uid| Arc::from(uid.id().unescaped())).collect()
}

/// Each part with its length before it, so that no two inputs share a digest; files in the order of their names.
fn revision(operations: &[Operation], sources: &[PolicySource]) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    let mut part = |text: &str| {
        context.update(&u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
        context.update(text.as_bytes());
    };
    part(&schema_of(operations));
    let mut sources: Vec<&PolicySource> = sources.iter().collect();
    sources.sort_by(|one, other| (&one.name, &one.text).cmp(&(&other.name, &other.text)));
    for source in sources {
        part(&source.name);
        part(&source.text);
    }
    context.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
