use std::sync::Arc;

use super::{PastDecision, PastEngine, PastKeystone, PastRequest, PastValue, PastWrite, Told};
use crate::authenticate::SchemeName;
use crate::call::WriteOp;
use crate::catalog::catalog;
use crate::policy::{DenialReason, PolicySource};

fn request(operation: &str) -> PastRequest {
    PastRequest {
        scheme: SchemeName::Basic,
        name: "alice".to_owned(),
        roles: vec![Arc::from("operator")],
        keystone: PastKeystone::default(),
        operation: catalog().operation(operation).unwrap(),
        resource_id: Some("node-1".to_owned()),
        resource_certain: false,
        parameters: Vec::new(),
        microversion: Some(80),
        listener: Some("public".to_owned()),
        now: Some(1_767_225_600),
        source: Told::Is("192.0.2.1".parse().unwrap()),
        query_names: Vec::new(),
        query: Vec::new(),
        places: None,
        writes: Vec::new(),
        writes_complete: true,
    }
}

fn write(path: &str, value: Told<PastValue>) -> PastWrite {
    PastWrite { op: WriteOp::Replace, path: path.to_owned(), step: Told::Absent, secret: Some(false), value }
}

fn word(text: &str) -> Told<PastValue> {
    Told::Is(PastValue {
        kind: Some("string".to_owned()),
        length: Some(1),
        string: Told::Is(text.to_owned()),
        integer: Told::Unknown,
        boolean: Told::Absent,
        spelling: Told::Is("word".to_owned()),
        places: Some(Vec::new()),
        url: Told::Absent,
    })
}

fn withheld() -> Told<PastValue> {
    match word("") {
        Told::Is(value) => Told::Is(PastValue { string: Told::Unknown, ..value }),
        other @ (Told::Unknown | Told::Absent) => other,
    }
}

/// `+` permit, `-` deny, `?` unknown.
fn sign(decision: &PastDecision) -> char {
    match decision {
        PastDecision::Permit(_) => '+',
        PastDecision::Deny { .. } => '-',
        PastDecision::Unknown { .. } => '?',
    }
}

fn decide(policies: &str, request: &PastRequest) -> PastDecision {
    let source = PolicySource { name: "test.cedar".to_owned(), text: policies.to_owned() };
    PastEngine::load(&[source], false).unwrap().decide(request)
}

const ASK: &str = "permit (principal is Principal, action == Action::\"node:update\", resource);";

/// About one write of `/extra/a`, whose value is the word `on`, or withheld.
#[track_caller]
fn writes(condition: &str, with_word: char, without: char) {
    let policies = format!(
        "{ASK} permit (principal is Principal, action == Action::\"node:update:write\", resource) {condition};"
    );
    for (value, expected) in [(word("on"), with_word), (withheld(), without)] {
        let request = PastRequest { writes: vec![write("/extra/a", value)], ..request("node:update") };
        assert_eq!(sign(&decide(&policies, &request)), expected, "{condition}");
    }
}

#[test]
fn what_hangs_on_a_fact_that_is_not_recorded_is_unknown() {
    let on = "context.write has value.string && context.write.value.string == \"on\"";
    let off = "context.write has value.string && context.write.value.string == \"off\"";
    writes("", '+', '+');
    writes(&format!("when {{ {on} }}"), '+', '?');
    writes(&format!("when {{ {off} }}"), '-', '?');
    writes(&format!("unless {{ {on} }}"), '-', '?');
    writes(&format!("unless {{ {off} }}"), '+', '?');
    // Another part decides alone.
    writes(&format!("when {{ context.write.path == \"/extra/b\" && {on} }}"), '-', '-');
    writes(&format!("when {{ context.write.path == \"/extra/a\" || ({on}) }}"), '+', '+');
    writes(&format!("when {{ !({off}) }}"), '+', '?');
    writes(&format!("when {{ !(context.write.path == \"/extra/b\" && {on}) }}"), '+', '+');
    writes(&format!("when {{ if context.write.op == \"add\" then ({on}) else true }}"), '+', '+');
    writes(&format!("when {{ if ({on}) then true else true }}"), '+', '+');
    writes(&format!("when {{ if ({on}) then true else false }}"), '+', '?');
    writes("when { context.write has value }", '+', '+');
    writes("when { context.write has value.url }", '-', '-');
}

#[test]
fn what_no_record_tells_is_never_guessed() {
    writes("when { context.write has value.integer && context.write.value.integer == 1 }", '?', '?');
    writes("when { context has places && context.places.isEmpty() }", '?', '?');
    writes("when { context.write has value && context.write.value == context.write.value }", '?', '?');
    writes("when { resource == Node::\"node-1\" }", '?', '?');
    writes("when { resource.id == \"node-1\" }", '+', '+');
    writes("when { principal.name == \"alice\" && principal in Role::\"operator\" }", '+', '+');
    writes("when { principal.name == \"mallory\" }", '-', '-');
    writes("when { context.now < datetime(\"2000-01-01\") }", '-', '-');
}

#[test]
fn the_scope_may_name_an_object() {
    let permit = ASK;
    let forbid = "forbid (principal, action == Action::\"node:update\", resource == Node::\"web-1\");";
    assert_eq!(sign(&decide(&format!("{permit}{forbid}"), &request("node:update"))), '?');
    let certain = PastRequest { resource_certain: true, ..request("node:update") };
    assert_eq!(sign(&decide(&format!("{permit}{forbid}"), &certain)), '+');
    let only = "permit (principal is Principal, action == Action::\"node:update\", resource == Node::\"web-1\");";
    assert_eq!(sign(&decide(only, &request("node:update"))), '?');
    assert_eq!(sign(&decide(only, &certain)), '-');
}

#[test]
fn one_denial_is_enough_and_missing_writes_are_told() {
    let fields = "permit (principal is Principal, action == Action::\"node:update:write\", resource) \
                  when { context.write.field == \"extra\" };";
    let policies = format!("{ASK}{fields}");
    let unknown = write("/extra/a", Told::Unknown);
    let both = PastRequest {
        writes: vec![unknown.clone(), write("/driver_info/a", Told::Unknown)],
        writes_complete: false,
        ..request("node:update")
    };
    match decide(&policies, &both) {
        PastDecision::Deny { reason, policies, write } => {
            assert_eq!((reason, policies.len(), write), (DenialReason::NoPermit, 0, Some(1)));
        }
        other @ (PastDecision::Permit(_) | PastDecision::Unknown { .. }) => panic!("{other:?}"),
    }
    let cut = PastRequest { writes: vec![unknown], writes_complete: false, ..request("node:update") };
    match decide(&policies, &cut) {
        PastDecision::Unknown { missing, .. } => assert_eq!(missing, ["writes"]),
        other @ (PastDecision::Permit(_) | PastDecision::Deny { .. }) => panic!("{other:?}"),
    }
}

#[test]
fn what_is_missing_is_named_with_the_policies_that_read_it() {
    let policies = format!(
        "{ASK} @id(\"word\") permit (principal is Principal, action == Action::\"node:update:write\", resource) \
         when {{ context.write has value.string && context.write.value.string == \"on\" }}; \
         @id(\"elsewhere\") forbid (principal, action == Action::\"node:update:write\", resource) \
         when {{ context.write.path == \"/x\" && context.query has reset_interfaces && context.query.reset_interfaces == \"y\" }};"
    );
    let request = PastRequest { writes: vec![write("/extra/a", withheld())], ..request("node:update") };
    match decide(&policies, &request) {
        PastDecision::Unknown { policies, missing } => {
            assert_eq!(policies.iter().map(|id| &**id).collect::<Vec<_>>(), ["word"]);
            assert_eq!(missing, ["context.write.value.string"]);
        }
        other @ (PastDecision::Permit(_) | PastDecision::Deny { .. }) => panic!("{other:?}"),
    }
}

#[test]
fn shadow_policies_count_only_if_asked_for() {
    let source = PolicySource {
        name: "test.cedar".to_owned(),
        text: format!("{ASK} @mode(\"shadow\") forbid (principal, action == Action::\"node:update\", resource);"),
    };
    for (shadow, expected) in [(false, '+'), (true, '-')] {
        let mut engine = PastEngine::load(std::slice::from_ref(&source), shadow).unwrap();
        assert_eq!(sign(&engine.decide(&request("node:update"))), expected);
    }
}

/// A permit of `node:list` with this filter, asked about a list with these names and values in its query.
#[track_caller]
fn filtered(filter: &str, names: &[&str], values: &[(&str, &str)], more: &str, expected: char) {
    let id = if filter.starts_with("shard") { "port:list" } else { "node:list" };
    let policies = format!(
        "@id(\"f\") @filter(\"{filter}\") permit (principal is Principal, action == Action::\"{id}\", resource); {more}"
    );
    let asked = PastRequest {
        resource_id: None,
        query_names: names.iter().map(|name| (*name).to_owned()).collect(),
        query: values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        microversion: Some(95),
        ..request(id)
    };
    let decision = decide(&policies, &asked);
    assert_eq!(sign(&decision), expected, "{filter} {names:?} {values:?} {more}");
    if let PastDecision::Unknown { policies, missing } = decision {
        assert_eq!((policies.len(), missing.as_slice()), (1, ["context.query"].as_slice()), "{filter} {names:?}");
    }
}

#[test]
fn a_filter_that_no_record_tells_of_is_unknown() {
    let owner = "owner = 'team-x'";
    // irongate would add it.
    filtered(owner, &[], &[], "", '+');
    filtered(owner, &["limit"], &[], "", '+');
    filtered(owner, &["owner"], &[], "", '?');
    filtered(owner, &["owner"], &[("owner", "team-x")], "", '+');
    filtered(owner, &["owner"], &[("owner", "team-y")], "", '-');
    // The names alone decide.
    filtered(owner, &["owner", "instance_uuid"], &[], "", '-');
    filtered("shard = 'a'", &["address"], &[], "", '-');
    filtered("shard = 'a'", &["address", "shard"], &[], "", '-');
    filtered("shard = 'a'", &["shard"], &[], "", '?');
    // A caller without the fact.
    filtered("project = principal.project_id", &["project"], &[], "", '-');
    // Other policies decide alone.
    let all = "permit (principal is Principal, action == Action::\"node:list\", resource);";
    filtered(owner, &["owner"], &[], all, '+');
    let none = "forbid (principal, action == Action::\"node:list\", resource) when { context.query has owner };";
    filtered(owner, &["owner"], &[], none, '-');
    filtered(owner, &[], &[], none, '+');
    // A filter that the microversion does not know.
    let old = PastRequest { resource_id: None, microversion: Some(1), ..request("node:list") };
    let policy = "@filter(\"owner = 'a'\") permit (principal is Principal, action == Action::\"node:list\", resource);";
    assert_eq!(sign(&decide(policy, &old)), '-');
}

#[test]
fn a_parameter_that_ironic_ignores_is_no_fact() {
    let policy = "permit (principal is Principal, action == Action::\"port:list\", resource) \
                  when { context.query has address };";
    for (names, expected) in [(vec!["address"], '+'), (vec!["address", "node"], '-')] {
        let names = names.into_iter().map(str::to_owned).collect();
        let asked = PastRequest { resource_id: None, query_names: names, ..request("port:list") };
        assert_eq!(sign(&decide(policy, &asked)), expected);
    }
}
