//! The engine: policies loaded, sliced and asked.

mod ask;
mod compile;

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use aws_lc_rs::digest;
use cedar_policy::{Authorizer, Entities, EntityTypeName, EntityUid, Policy, PolicySet, Request};
use quick_cache::sync::Cache;

use super::context::{Aside, QuestionTerms, question};
use super::entities::{Literals, named};
use super::filter::{Added, Filter, lists_of_node};
use super::finding::{PolicyFinding, Severity};
use super::reads::Reads;
use super::resource::{Needs, has_attributes};
use super::roles::{Memo, RoleTable, RoleTables};
use super::rule::{PolicyMode, PolicySource, Rule, Who, check};
use super::schema::schema_of;
use super::slice::{ActionGroups, Slices};
use super::{AccessRequest, Decision, Denial, DenialReason, Permit, PolicyIds, Verdict, WouldBe};
use crate::authenticate::Principal;
use crate::catalog::{Operation, catalog};
use compile::Compiler;

/// Subsets made for role sets that are shared between actions; those beyond are made again.
const SMALLER_SUBSETS_MAX: usize = 2048;

/// The policies of a snapshot, ready to decide. Shared read-only between workers.
pub struct PolicyEngine {
    /// Sorted by id.
    rules: Vec<Rule>,
    /// By [`Operation::index`].
    by_operation: Vec<OperationPolicies>,
    asides: Asides,
    roles: RoleTables,
    /// Subsets without the policies for other roles, by their rules.
    smaller: Cache<Vec<usize>, Arc<PolicySubset>>,
    authorizer: Authorizer,
    revision: String,
    warnings: Vec<PolicyFinding>,
}

/// What is asked besides, about irongate's own doing.
struct Asides {
    /// Whether a secret may be read.
    secrets: OperationPolicies,
    /// Whether the caller is told what dry-run would have refused.
    shadow: OperationPolicies,
}

/// One operation.
struct OperationPolicies {
    operation: String,
    resource_type: EntityTypeName,
    fixed_id: String,
    request: ActionPolicies,
    write: Option<ActionPolicies>,
}

/// One action.
struct ActionPolicies {
    uid: EntityUid,
    /// Its own entity, with everything that it is in.
    entities: Entities,
    enforced: Slice,
    /// With the shadow policies, if there are any for this action.
    shadowed: Option<Slice>,
}

/// The policies of an action, with the place of what role tables know about them.
struct Slice {
    subset: Arc<PolicySubset>,
    slot: usize,
}

/// Some policies, as Cedar takes them.
pub(super) struct PolicySubset {
    /// So that what was found for one is not taken for another.
    number: usize,
    /// Indices of the engine's rules, ascending.
    rules: Vec<usize>,
    /// Made when it is asked for the first time: most subsets never are, because callers have few roles.
    set: OnceLock<Option<PolicySet>>,
    /// Those of the rules that look at nothing of a write and are not constant.
    request: OnceLock<Option<Arc<Self>>>,
    /// The objects that they name.
    literals: OnceLock<Literals>,
    reads: Reads,
    /// Whether one of them is a permit.
    permits: bool,
    /// Those that hide objects by what is known of them.
    concealing: Vec<usize>,
}

/// One question within the engine.
#[derive(Clone, Copy)]
struct Inquiry<'s> {
    request: &'s AccessRequest<'s>,
    entry: &'s OperationPolicies,
    action: &'s ActionPolicies,
    table: &'s RoleTable,
    aside: Option<Aside<'s>>,
    /// The objects that the policies name that are asked, all of them: not those that others name.
    literals: &'s Literals,
    /// All policies that may have a say.
    whole: &'s PolicySubset,
}

/// Numbers subsets.
static SUBSETS: AtomicUsize = AtomicUsize::new(0);

/// A decision that has not become evidence yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Conclusion {
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
        match Compiler::new(&rules).by_operation(operations) {
            Some((by_operation, asides, slots)) => Ok(Self {
                by_operation,
                asides,
                roles: RoleTables::new(&rules, slots),
                smaller: Cache::new(SMALLER_SUBSETS_MAX),
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
        let entry = self.by_operation.get(operation.index).filter(|entry| entry.operation == operation.id);
        let action =
            entry.and_then(|entry| if request.write.is_some() { entry.write.as_ref() } else { Some(&entry.request) });
        let (Some(entry), Some(action)) = (entry, action) else {
            return Verdict { decision: indeterminate().into(), would_be: None };
        };
        let table = self.roles.table(request.principal);
        let conclusion = |slice| self.narrow(request, self.conclusion(request, entry, action, slice, &table, None));
        let shadowed = action.shadowed.as_ref().map(conclusion);
        let conclusion = conclusion(&action.enforced);
        let would_be = shadowed.filter(|other| other.is_permit() != conclusion.is_permit()).map(WouldBe::from);
        Verdict { decision: conclusion.into(), would_be }
    }

    /// Whether the principal may see the secret in `field` (a JSON Pointer), asked on the way of `request`. Anything but a
    /// permit of an enforced policy is no; dry-run does not waive it.
    pub fn reads_secret(&self, request: &AccessRequest<'_>, field: &str) -> bool {
        self.permits_aside(request, &self.asides.secrets, Aside::Secret(field))
    }

    /// Whether the principal is told what dry-run would have refused of `request`. Anything but a permit of an enforced
    /// policy is no.
    pub fn tells_shadow(&self, request: &AccessRequest<'_>) -> bool {
        self.permits_aside(request, &self.asides.shadow, Aside::Shadow)
    }

    fn permits_aside(&self, request: &AccessRequest<'_>, entry: &OperationPolicies, aside: Aside<'_>) -> bool {
        let table = self.roles.table(request.principal);
        self.conclusion(request, entry, &entry.request, &entry.request.enforced, &table, Some(aside)).is_permit()
    }

    /// The answer where an object that is read could not be looked up.
    pub fn without_attributes(&self) -> Verdict {
        let denial = Denial::of(DenialReason::Unavailable, PolicyIds::default(), None, false);
        Verdict { decision: Decision::Deny(denial), would_be: None }
    }

    /// What has to be looked up before this caller can be decided about: for the request, and for each of
    /// its writes (`writes`). Nothing, where no enforced policy that may apply reads it.
    pub fn needs(&self, operation: &Operation, principal: &Principal, writes: bool) -> Needs {
        self.needs_of(operation, principal, writes, false)
    }

    /// The same with what only shadow policies read.
    pub fn shadow_needs(&self, operation: &Operation, principal: &Principal, writes: bool) -> Needs {
        self.needs_of(operation, principal, writes, true)
    }

    fn needs_of(&self, operation: &Operation, principal: &Principal, writes: bool, shadow: bool) -> Needs {
        let Some(entry) = self.by_operation.get(operation.index).filter(|entry| entry.operation == operation.id) else {
            return Needs::default();
        };
        let Some(action) = (if writes { entry.write.as_ref() } else { Some(&entry.request) }) else {
            return Needs::default();
        };
        let table = self.roles.table(principal);
        // Nobody asks about the writes of a request that is denied.
        if writes && self.reads(entry, &entry.request, &entry.request.enforced, &table).is_none() {
            return Needs::default();
        }
        let slices = [Some(&action.enforced), action.shadowed.as_ref().filter(|_| shadow)];
        let reads = slices.into_iter().flatten().filter_map(|slice| self.reads(entry, action, slice, &table));
        reads.fold(Needs::default(), |needs, reads| {
            let resource = (reads.lookup && has_attributes(operation.resource)).then_some(reads.fields);
            let target = (reads.target && (writes || lists_of_node(operation))).then_some(reads.fields);
            needs.union(Needs { resource, target })
        })
    }

    /// What the answer may depend on. `None`: on nothing, it is a denial.
    fn reads(
        &self,
        entry: &OperationPolicies,
        action: &ActionPolicies,
        slice: &Slice,
        table: &RoleTable,
    ) -> Option<Reads> {
        match table.memo(slice.slot, || self.memo(entry, action, &slice.subset, table)) {
            Some(Memo::Constant(conclusion)) => conclusion.is_permit().then(Reads::default),
            Some(Memo::Ask(subset)) => subset.permits.then_some(subset.reads),
            None => Some(slice.subset.reads),
        }
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

    /// Every rule whose action scope matches, in any mode.
    pub(super) fn about(&self, operation: &Operation, writes: bool) -> Vec<&Rule> {
        let groups = if writes { ActionGroups::write(operation) } else { ActionGroups::request(operation) };
        Slices::new(&self.rules).about(&groups).into_iter().filter_map(|index| self.rules.get(index)).collect()
    }

    /// The rules, sorted by id.
    pub(super) fn all_rules(&self) -> &[Rule] {
        &self.rules
    }

    /// A question to this policy alone with all its facts, whatever it reads.
    pub(super) fn question(
        &self,
        request: &AccessRequest<'_>,
        policy: &Policy,
    ) -> Option<(Request, PolicySet, Entities)> {
        let operation = request.route.operation();
        let entry = self.by_operation.get(operation.index).filter(|entry| entry.operation == operation.id)?;
        let action = if request.write.is_some() { entry.write.as_ref()? } else { &entry.request };
        let table = self.roles.table(request.principal);
        let literals = Literals::of(&named(policy));
        let aliases = literals.aliases(&entry.resource_type, request.objects);
        let set = PolicySet::from_policies([policy.sub_entity_literals(aliases).ok()?]).ok()?;
        let terms = QuestionTerms {
            action: &action.uid,
            actions: &action.entities,
            resource_type: &entry.resource_type,
            fixed_id: &entry.fixed_id,
            roles: &table.parents,
            reads: Reads::EVERYTHING,
            aside: None,
            literals: &literals,
        };
        question(request, &terms).ok().map(|asked| (asked.request, set, asked.entities))
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

    /// Whether it hides some objects and not others.
    fn conceals_some(&self) -> bool {
        self.conceal && !self.is_permit() && self.reads.lookup
    }
}

impl PolicySubset {
    fn new(rules: &[Rule], indices: Vec<usize>) -> Self {
        let chosen = indices.iter().filter_map(|index| rules.get(*index));
        let reads = chosen.clone().fold(Reads::default(), |reads, rule| reads.union(rule.reads));
        let permits = chosen.clone().any(Rule::is_permit);
        let conceals = |index: &usize| rules.get(*index).is_some_and(Rule::conceals_some);
        let concealing = indices.iter().copied().filter(conceals).collect();
        let number = SUBSETS.fetch_add(1, Ordering::Relaxed);
        let (set, request, literals) = (OnceLock::new(), OnceLock::new(), OnceLock::new());
        Self { number, rules: indices, set, request, literals, reads, permits, concealing }
    }

    fn literals(&self, rules: &[Rule]) -> &Literals {
        let chosen = self.rules.iter().filter_map(|index| rules.get(*index));
        self.literals.get_or_init(|| Literals::of(chosen.flat_map(|rule| &rule.named)))
    }

    fn set(&self, rules: &[Rule]) -> Option<&PolicySet> {
        let make = || {
            let chosen = self.rules.iter().filter_map(|index| rules.get(*index));
            PolicySet::from_policies(chosen.map(|rule| rule.policy.clone())).ok()
        };
        self.set.get_or_init(make).as_ref()
    }
}

impl Conclusion {
    const fn is_permit(&self) -> bool {
        matches!(self, Self::Permit(_))
    }
}

impl From<Conclusion> for Decision {
    fn from(conclusion: Conclusion) -> Self {
        match conclusion {
            Conclusion::Permit(granted) => Self::Permit(Permit::of(granted.policies).with(granted.added)),
            Conclusion::Deny(denial) => Self::Deny(denial),
        }
    }
}

impl From<Conclusion> for WouldBe {
    fn from(conclusion: Conclusion) -> Self {
        match conclusion {
            Conclusion::Permit(granted) => Self::Permit(granted.policies),
            Conclusion::Deny(denial) => Self::Deny(denial),
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

fn indeterminate() -> Conclusion {
    Conclusion::Deny(Denial::of(DenialReason::Indeterminate, PolicyIds::default(), None, false))
}

/// Each part with its length before it, so that no two inputs share a digest; files in the order of their names. Where the
/// files are counts for nothing.
fn revision(operations: &[Operation], sources: &[PolicySource]) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    let mut part = |text: &str| {
        context.update(&u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
        context.update(text.as_bytes());
    };
    part(&schema_of(operations));
    let mut files: Vec<(&str, &str)> = Vec::new();
    for PolicySource { name, text } in sources {
        files.push((name.rsplit('/').next().unwrap_or_default(), text));
    }
    files.sort_unstable();
    for (name, text) in files {
        part(name);
        part(text);
    }
    context.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
