//! Slices, smaller subsets and memos change nothing: whatever is asked, the engine says what plain Cedar says about all
//! policies at once (with our one rule: an error denies). Random policies, random requests.

mod asked;

use std::collections::{BTreeSet, HashSet};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use cedar_policy::{
    Authorizer, Context, Decision as Effect, Entities, EntityId, EntityUid, Policy, PolicySet, Request, Schema,
};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use asked::{asked, questions};

use super::super::context::{QuestionTerms, question};
use super::super::entities::Literals;
use super::super::filter::lists_of_node;
use super::super::reads::Reads;
use super::super::rule::PolicyMode;
use super::super::schema::{fixed_id, has_writes, write_action};
use super::super::strict::schema;
use super::super::*;
use super::{Ask, AskWrite, ask_of, source, text};
use crate::call::WriteOp;
use crate::catalog::{Operation, catalog};
use crate::json::Json;

/// A few operations of every sort; checking policies against all would make the test slow.
pub(super) static OPERATIONS: LazyLock<&'static [Operation]> = LazyLock::new(|| {
    let ids = [
        "api:v1",
        "node:list",
        "node:get",
        "node:create",
        "node:update",
        "node:delete",
        "node:set_power_state",
        "node:vendor_passthru:post",
        "port:update",
        "port:list",
        "ramdisk:heartbeat",
    ];
    let chosen = ids.iter().enumerate().map(|(index, id)| {
        let mut operation = catalog().operation(id).unwrap().clone();
        operation.index = index;
        operation
    });
    Box::leak(chosen.collect::<Vec<_>>().into_boxed_slice())
});

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| schema(&OPERATIONS).unwrap());

/// Requests of each case.
const REQUESTS: usize = 40;

const EFFECTS: [&str; 4] = ["permit", "permit", "permit", "forbid"];
const MODES: [&str; 5] = ["", "", "", "@mode(\"shadow\")", "@mode(\"off\")"];
const PRINCIPALS: [&str; 9] = [
    "principal",
    "principal is Principal",
    "principal in Role::\"a\"",
    "principal in Role::\"a\"",
    "principal in Role::\"b\"",
    "principal in Role::\"c\"",
    "principal is Principal in Role::\"b\"",
    "principal == Principal::\"basic:p1\"",
    "principal in Principal::\"basic:p2\"",
];
const ACTIONS: [&str; 9] = [
    "action",
    "action",
    "action == Action::\"node:update\"",
    "action in Action::\"node:update\"",
    "action == Action::\"node:update:write\"",
    "action in [Action::\"read\", Action::\"power\"]",
    "action in Action::\"write\"",
    "action in Action::\"configure\"",
    "action in [Action::\"node:get\", Action::\"ramdisk\", Action::\"node:set_power_state\"]",
];
const RESOURCES: [&str; 8] = [
    "resource",
    "resource",
    "resource",
    "resource is Node",
    "resource is Collection",
    "resource == Node::\"n-1\"",
    "resource == Node::\"uuid-of-n-1\"",
    "resource in Collection::\"nodes\"",
];
const CONDITIONS: [&str; 66] = [
    "",
    "",
    "",
    "",
    "when { context.microversion > 50 }",
    "unless { context has write && context.write.path like \"/extra/*\" }",
    "when { context has write && context.write has value && context.write.value.kind == \"string\" }",
    "when { context has write.value.string && context.write.value.string == \"x\" }",
    "when { context has write.value.url && context.write.value.url.plain }",
    "when { context has source && context.source.isInRange(ip(\"10.0.0.0/8\")) }",
    "unless { principal in Role::\"c\" }",
    "when { principal.name == \"p1\" }",
    "when { principal.roles.contains(\"d\") }",
    "when { context.now < datetime(\"2026-01-01T00:00:01Z\") }",
    "when { context.microversion * 9000000000000000000 > 0 }",
    "when { resource == Node::\"n-1\" }",
    "when { action in Action::\"read\" } unless { context.listener == \"public\" }",
    "when { context.query has fields }",
    "when { context has write && context.write.field == \"extra\" }",
    "when { context has write && context.write.path like \"/driver_info/*\" && context.write has value.string }",
    "when { context has write && context.write.key == \"x\" && context.microversion * 9000000000000000000 > 0 }",
    "unless { context has write && context.write.op == \"add\" } when { principal.name == \"p1\" }",
    "when { action in Action::\"write\" } when { context has write && context.write.value has integer }",
    "when { context has write && [\"name\", \"extra\"].contains(context.write.field) } unless { context.write.op == \"remove\" }",
    "when { context has write && context.write.path != \"/name\" && context.write.siblings.contains(\"/name\") }",
    "when { context has write && (context.write.key like \"*_address\" || principal in Role::\"a\") }",
    "when { resource has owner && resource.owner == \"p1\" }",
    "unless { resource is Node && resource has maintenance && resource.maintenance }",
    "when { resource has node && resource.node has owner && resource.node.owner == \"p1\" }",
    "when { resource is Node && resource.hasTag(\"rack\") && resource.getTag(\"rack\") == \"r1\" }",
    "unless { context has write && context.write has target && context.write.target has lessee }",
    "when { context has write.target && resource == context.write.target }",
    "when { resource has id && resource.id == \"n-1\" }",
    "unless { resource == Node::\"n-1\" }",
    "when { context has write && context.write has step && context.write.step.interface == \"deploy\" }",
    "unless { context has write && (context.write has step || context.write.op == \"remove\") }",
    "when { context has write && context.write has step.argument && context.write.step.argument like \"b*\" }",
    "unless { context has write && context.write has step.argument }",
    "unless { resource == Node::\"uuid-of-n-1\" }",
    "when { resource == Node::\"n-1\" || resource == Node::\"uuid-of-n-2\" }",
    "when { resource == Node::\"n-2\" && resource != Node::\"uuid-of-n-2\" }",
    "when { context has write.target && context.write.target == Node::\"n-2\" }",
    "unless { context has write.target && context.write.target == Node::\"uuid-of-n-2\" }",
    "unless { if context has write then context.write.op == \"remove\" else context.scheme == \"jwt\" }",
    "when { context has write && context.write has value } unless { context.write has value.url && context.write.value.url.scheme == \"https\" }",
    "when { context has write.value.url && context.write.value.url.plain && context.write.value.url.host like \"*.example\" }",
    "when { context has write.value.url && context.write.value.url.userinfo && context.write.value.url.path != \"/\" }",
    "when { context has write.value.url.port && context.write.value.url.port > 8000 }",
    "when { context has write.value.url.address && context.write.value.url.address.isLoopback() }",
    "unless { context has write && (context.write.secret || context.write has value.string) }",
    "when { context has write && context.write.key == \"x\" && context.write has value.spelling && context.write.value.spelling == \"word\" }",
    "when { context has write && context.write has value.boolean && context.write.value.boolean }",
    "when { context has write && context.write has value && [\"null\", \"array\", \"object\"].contains(context.write.value.kind) }",
    "when { context has write && context.write has value && context.write.value.length > 1 }",
    "when { context has write && context.write has value && context.write.value.places.contains(\"local\") }",
    "unless { context has write && context.write.siblings.containsAny([\"/owner\", \"/name\"]) }",
    "when { context has write.step && context.write.step.interface == \"deploy\" && context.write.step has argument }",
    "when { context has write && {\"w\": context.write}.w.path like \"/extra*\" }",
    "when { context has write && context.write has value && {\"v\": context.write.value}.v has string }",
    "when { context has write.target && context.write.target.id == \"n-1\" } unless { context.write.field == \"name\" }",
    "when { context has write && context.write.path == \"/name\" && resource has owner && resource.owner == principal.name }",
    "unless { resource has lessee || (resource has uuid && resource.uuid == \"uuid-of-n-2\") }",
    "when { context has node.owner && context.node.owner == principal.name }",
    "when { context has write && (context.write.op != \"remove\" || principal.name == \"p2\") && action in Action::\"configure\" }",
    "when { context has write && context.write has value.string && (context.write.value.string like \"http*\" || context.write.value.string == \"x\") }",
    "when { context has write && !(context.write has value.url && context.write.value.url.plain) && context.write.op == \"add\" }",
];

pub(super) fn policy() -> impl Strategy<Value = String> {
    let parts = (
        proptest::sample::select(&EFFECTS[..]),
        proptest::sample::select(&MODES[..]),
        proptest::sample::select(&PRINCIPALS[..]),
        proptest::sample::select(&ACTIONS[..]),
        proptest::sample::select(&RESOURCES[..]),
        proptest::sample::select(&CONDITIONS[..]),
    );
    parts.prop_map(|(effect, mode, principal, action, resource, condition)| {
        format!("{mode} {effect}({principal}, {action}, {resource}) {condition};\n")
    })
}

/// Loads what can be loaded: random policies that do not pass the validator are left out.
fn load(policies: &[String]) -> PolicyEngine {
    let mut sources: Vec<PolicySource> =
        policies.iter().enumerate().map(|(index, text)| source(&format!("p{index}"), text)).collect();
    match PolicyEngine::load_for(&OPERATIONS, &sources) {
        Ok(engine) => engine,
        Err(findings) => {
            let errors = findings.iter().filter(|finding| finding.severity == Severity::Error);
            let broken: BTreeSet<&String> = errors.map(|finding| &finding.file).collect();
            sources.retain(|source| !broken.contains(&source.name));
            PolicyEngine::load_for(&OPERATIONS, &sources)
                .unwrap_or_else(|findings| panic!("{}", super::list(&findings)))
        }
    }
}

/// The policy with the UUIDs of the objects that are known in place of their names.
fn by_uuid(policy: &Policy, asked: &Ask) -> Policy {
    let known =
        asked.resource.iter().flat_map(|facts| [Some(facts), facts.node.as_deref()]).flatten().chain(&asked.target);
    let text = known.fold(policy.to_string(), |text, facts| {
        text.replace(
            &format!("Node::\"{}\"", facts.name.as_deref().unwrap_or("?")),
            &format!("Node::\"{}\"", facts.uuid),
        )
    });
    Policy::parse(Some(policy.id().clone()), text).unwrap()
}

/// Plain Cedar about all policies of these modes: whole policy set, whole action hierarchy, everything checked against the
/// schema.
fn plain(engine: &PolicyEngine, asked: &Ask, modes: &[PolicyMode]) -> (bool, DenialReason, Vec<String>) {
    let rules = engine.rules_for_test().iter().filter(|rule| modes.contains(&rule.mode));
    let set = PolicySet::from_policies(rules.map(|rule| by_uuid(&rule.policy, asked))).unwrap();
    let operation = asked.operation;
    let action = if asked.write.is_some() { write_action(&operation.id) } else { operation.id.clone() };
    let action = EntityUid::from_type_name_and_id("Action".parse().unwrap(), EntityId::new(action));
    let role = |name: &&str| EntityUid::from_type_name_and_id("Role".parse().unwrap(), EntityId::new(name));
    let roles: HashSet<EntityUid> = asked.roles.iter().map(role).collect();
    let actions = SCHEMA.action_entities().unwrap();
    let literals = Literals::default();
    let terms = QuestionTerms {
        action: &action,
        actions: &actions,
        resource_type: &operation.resource.as_str().parse().unwrap(),
        fixed_id: &fixed_id(operation),
        roles: &roles,
        reads: Reads::EVERYTHING,
        aside: None,
        literals: &literals,
    };
    let asked = asked.with(|request| question(request, &terms)).unwrap_or_else(|_| panic!("not asked: {asked:?}"));
    let (principal, resource) = (asked.request.principal().unwrap().clone(), asked.request.resource().unwrap().clone());
    let context: Context = asked.request.context().unwrap().clone();
    let request = Request::new(principal, action.clone(), resource, context, Some(&*SCHEMA)).unwrap();
    let entities = Entities::from_entities(asked.entities, Some(&*SCHEMA)).unwrap();
    let response = Authorizer::new().is_authorized(&request, &set, &entities);
    let mut errors: Vec<String> = response
        .diagnostics()
        .errors()
        .map(|error| match error {
            cedar_policy::AuthorizationError::PolicyEvaluationError(error) => error.policy_id().to_string(),
        })
        .collect();
    errors.sort();
    if !errors.is_empty() {
        return (false, DenialReason::Indeterminate, errors);
    }
    let mut ids: Vec<String> = response.diagnostics().reason().map(ToString::to_string).collect();
    ids.sort();
    let reason = if ids.is_empty() { DenialReason::NoPermit } else { DenialReason::Forbidden };
    (response.decision() == Effect::Allow, reason, ids)
}

/// What plain Cedar says with and without the shadow policies.
struct Expected {
    decision: (bool, DenialReason, Vec<String>),
    shadowed: (bool, DenialReason, Vec<String>),
}

impl Expected {
    fn of(engine: &PolicyEngine, asked: &Ask) -> Self {
        Self {
            decision: plain(engine, asked, &[PolicyMode::Enforce]),
            shadowed: plain(engine, asked, &[PolicyMode::Enforce, PolicyMode::Shadow]),
        }
    }

    fn check(&self, verdict: &Verdict, asked: &Ask) {
        let strings = |ids: &[Arc<str>]| ids.iter().map(ToString::to_string).collect::<Vec<_>>();
        let found = match &verdict.decision {
            Decision::Permit(permit) => (true, DenialReason::Forbidden, strings(permit.policies())),
            Decision::Deny(denial) => (false, denial.reason, strings(&denial.policies)),
        };
        assert_eq!(found, self.decision, "{asked:?}");
        let would_be = match &verdict.would_be {
            None => (self.decision.0, self.shadowed.1, self.shadowed.2.clone()),
            Some(WouldBe::Permit(ids)) => (true, DenialReason::Forbidden, strings(ids)),
            Some(WouldBe::Deny(denial)) => (false, denial.reason, strings(&denial.policies)),
        };
        assert_eq!(would_be, self.shadowed, "{asked:?}");
        assert_eq!(verdict.would_be.is_some(), self.decision.0 != self.shadowed.0, "{asked:?}");
    }
}

/// Holds the engine to plain Cedar in all that is asked about a request; how many questions that were.
fn check(engine: &PolicyEngine, request: &Ask) -> usize {
    let questions = questions(request);
    // As the request is decided about: what is found for one question is known for the next.
    let cache = RequestCache::default();
    let seated = |asked: &Ask| {
        asked.with(|request| {
            let AccessRequest { principal, route, write, siblings, circumstances, .. } = *request;
            let objects = Objects { cache: Some(&cache), ..request.objects };
            engine.decide(&AccessRequest { principal, route, write, siblings, circumstances, objects })
        })
    };
    for asked in &questions {
        let expected = Expected::of(engine, asked);
        expected.check(&seated(asked), asked);
        expected.check(&seated(asked), asked);
        // By itself.
        expected.check(&asked.verdict(engine), asked);
    }
    questions.len()
}

/// A short run; `PROPTEST_CASES` sets more.
pub(super) fn configuration() -> ProptestConfig {
    let default = ProptestConfig::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { default.cases } else { 48 };
    ProptestConfig { cases, failure_persistence: None, ..default }
}

/// `PROPTEST_CASES=20000 cargo test the_engine_says -- --nocapture` is a long run; it tells how long it was.
#[test]
fn the_engine_says_what_plain_cedar_says() {
    let compared = AtomicUsize::new(0);
    let cases = (proptest::collection::vec(policy(), 0..12), proptest::collection::vec(asked(), REQUESTS));
    let run = TestRunner::new(configuration()).run(&cases, |(policies, requests)| {
        let engine = load(&policies);
        compared.fetch_add(requests.iter().map(|request| check(&engine, request)).sum(), Ordering::Relaxed);
        Ok(())
    });
    if let Err(failure) = run {
        panic!("{failure}");
    }
    println!("{} questions compared with plain Cedar", compared.into_inner());
}

proptest! {
    #![proptest_config(configuration())]

    /// What does not have to be looked up changes nothing: who is denied without it is denied with it.
    #[test]
    fn what_is_not_looked_up_does_not_matter(
        policies in proptest::collection::vec(policy(), 1..8),
        asks in proptest::collection::vec(asked(), 20),
    ) {
        let engine = load(&policies);
        let permitted = |asked: &Ask| matches!(asked.verdict(&engine).decision, Decision::Permit(_));
        for asked in &asks {
            let principal = Principal::for_test(asked.name, &asked.roles);
            for asked in questions(asked) {
                let needs = engine.needs(asked.operation, &principal, false);
                let needs = needs.union(engine.needs(asked.operation, &principal, asked.write.is_some()));
                let resource = asked.resource.clone().filter(|_| needs.resource.is_some());
                let target = asked.target.clone().filter(|_| needs.target.is_some());
                assert_eq!(permitted(&asked), permitted(&Ask { resource, target, ..asked.clone() }), "{asked:?}");
                // Nobody asks about the writes of a request that is denied.
                if !permitted(&asked) {
                    break;
                }
            }
        }
    }

    /// Adding a forbid, or taking a permit away, never turns a denial into a permit.
    #[test]
    fn forbids_only_take_away(
        policies in proptest::collection::vec(policy(), 1..8),
        asks in proptest::collection::vec(asked(), 20),
    ) {
        let fewer_forbids: Vec<String> = policies.iter().filter(|text| !text.contains("forbid")).cloned().collect();
        let (all, permits) = (load(&policies), load(&fewer_forbids));
        for asked in &asks {
            for asked in questions(asked) {
                let permitted = |engine: &PolicyEngine| matches!(asked.verdict(engine).decision, Decision::Permit(_));
                assert!(!permitted(&all) || permitted(&permits), "{asked:?}");
            }
        }
    }
}
