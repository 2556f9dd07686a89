//! Policy text: what is taken, what is refused, what is warned about.

use super::super::*;
use super::{list, load, source};

/// Findings as `line:column severity message` of the first line; `part` must occur in the only one.
#[track_caller]
fn check(policies: &str, expected: &[&str]) {
    let findings = validate(&[source("t.cedar", policies)]);
    let found: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert_eq!(found.len(), expected.len(), "{policies}\n{}", list(&findings));
    for (found, expected) in found.iter().zip(expected) {
        let (at, part) = expected.split_once(' ').unwrap();
        assert!(
            found.starts_with(&format!("t.cedar:{at}: {part}")),
            "{policies}\nfound    {found}\nexpected {expected}"
        );
    }
}

#[test]
fn good_policies_have_no_findings() {
    check("", &["1:1 error: holds no policy"]);
    check("// nothing yet\n", &["1:1 error: holds no policy"]);
    check("permit(principal in Role::\"a\", action, resource);", &[]);
    check(
        "@id(\"a.b-c/1\") @mode(\"shadow\") @reason(\"why\") @advisory(\"OSSA-2025-001\") @conceal\nforbid(principal, action, resource);",
        &[],
    );
    check("@mode(\"off\") permit(principal, action, resource);", &[]);
    check("permit(principal is Principal, action == Action::\"api:root\", resource);", &[]);
    check("permit(principal, action, resource) when { principal.scheme == \"certificate\" };", &[]);
    check(
        "permit(principal in Role::\"a\", action in Action::\"node:update\", resource)\nwhen { !(context has write) || context.write.path like \"/extra/*\" };",
        &[],
    );
    check(
        "permit(principal in Role::\"a\", action == Action::\"node:update\", resource);\npermit(principal in Role::\"a\", action == Action::\"node:update:write\", resource) when { context.write.field == \"extra\" };",
        &[],
    );
}

#[test]
fn mistakes_are_errors_at_their_place() {
    check("permit(principal, action, resource)", &["1:36 error: "]);
    check("// é\n  permit(principal, action, resource) when { tru };", &["2:46 error: "]);
    check("@mode(\"dry\")\nforbid(principal, action, resource);", &["1:1 error: unknown mode \"dry\""]);
    check(
        "@severity(\"high\")\nforbid(principal, action, resource);",
        &["1:1 error: unknown annotation \"@severity\""],
    );
    check("@id(\"a b\")\nforbid(principal, action, resource);", &["1:1 error: \"@id\" is not usable"]);
    check("@conceal(\"yes\")\nforbid(principal, action, resource);", &["1:1 error: \"@conceal\" takes no value"]);
    check("@reason(\"\")\nforbid(principal, action, resource);", &["1:1 error: \"@reason\" is not one line"]);
    check(
        "@filter(\"shard = 'Rack1'\")\npermit(principal in Role::\"a\", action == Action::\"node:list\", resource);",
        &["1:1 error: Ironic reads this list in lower case"],
    );
    check(
        "@filter(\"resource_class = 'Metal'\")\npermit(principal in Role::\"a\", action == Action::\"node:list\", resource);",
        &[],
    );
    check("permit(principal in ?principal, action, resource);", &["1:1 error: templates are not supported"]);
    check(
        "@id(\"x\")\nforbid(principal, action, resource);\n@id(\"x\")\nforbid(principal, action, resource);",
        &["3:1 error: the id \"x\" is used twice; first at t.cedar:1"],
    );
    check("forbid(principal, action == Action::\"node:gte\", resource);", &["1:29 error: unrecognized action"]);
    check("forbid(principal, action, resource) when { context.microversoin > 1 };", &["1:44 error: "]);
    check(
        "forbid(principal, action == Action::\"node:get\", resource) when { context.query.feilds == [\"a\"] };",
        &["1:66 error: "],
    );
    check(
        "forbid(principal, action == Action::\"node:update\", resource) when { context.write.path == \"/a\" };",
        &["1:69 error: "],
    );
    check("forbid(principal, action, resource) when { context.source.isLoopback() };", &["1:44 error: "]);
    let node = |condition: &str| {
        format!("forbid(principal, action in Action::\"power\", resource is Node) when {{ {condition} }};")
    };
    check(
        &node("resource has ownr && resource.ownr == \"x\""),
        &["1:1 error: policy is impossible", "1:1 error: there is no fact \"ownr\""],
    );
    check(
        &node("context.microversion > 5 || resource has ownr"),
        &["1:1 error: there is no fact \"ownr\": `has ownr` is never so"],
    );
    check(&node("resource has owner && resource.owner == \"x\""), &[]);
    check("forbid(principal, action, resource) when { false };", &["1:1 error: policy is impossible"]);
    // Ports have no owner, nodes do.
    check(
        "forbid(principal, action in Action::\"configure\", resource) when { resource has owner && resource.owner == \"x\" };",
        &[],
    );
    check("forbid(principal, action, resource == Node::\"Web-1\");", &["1:1 error: Node::\"Web-1\" never matches"]);
    check(
        "forbid(principal, action, resource == Collection::\"node\");",
        &["1:1 error: Collection::\"node\" does not exist"],
    );
    check(
        "forbid(principal == Principal::\"alice\", action, resource);",
        &["1:1 error: Principal::\"alice\" is nobody"],
    );
    check(
        "forbid(principal == Principal::\"anonymous:anonymous\", action, resource);",
        &["1:1 error: Principal::\"anonymous:anonymous\" is nobody: who proved nothing has no name"],
    );
}

#[test]
fn hints_name_what_to_write() {
    #[track_caller]
    fn check(policy: &str, expected: Option<&str>) {
        let sources = [PolicySource { name: "t.cedar".to_owned(), text: policy.to_owned() }];
        let findings = validate(&sources);
        let hints: Vec<_> = findings.iter().map(|finding| finding.hint.as_deref().unwrap_or_default()).collect();
        assert_eq!(
            hints.first().map_or("", |hint| hint.split([';', '?']).next().unwrap()),
            expected.unwrap_or_default(),
            "{findings:?}"
        );
    }
    let about = |action: &str| format!("permit(principal in Role::\"a\", action == Action::{action:?}, resource);");
    check(&about("node:power_state"), Some("did you mean `Action::\"node:set_power_state\"`"));
    check(&about("node:gte"), Some("did you mean `Action::\"node:get\"`"));
    check(&about("node:list:write"), Some("did you mean `Action::\"node:list\"`"));
    check(&about("pwoer"), Some("did you mean `Action::\"power\"`"));
    check(&about("xyz:abc"), None);
    let lists = "a list has no attributes of what it shows: give lists a policy of their own, with a filter such as `@filter(\"owner = principal.project_id\")`";
    let list = |condition: &str| {
        let head = "permit(principal in Role::\"a\", action == Action::\"node:list\", resource)";
        format!("{head} when {{ {condition} }};")
    };
    check(&list("resource.owner == \"x\""), Some(lists));
    check(&list("resource has owner && resource.owner == \"x\""), Some(lists));
    check(&list("context has write"), None);
    // The body of this DELETE may be left out: nothing is amiss.
    check(&about("node:vmedia:detach"), None);
}

#[test]
fn odd_policies_are_warned_about() {
    check("permit(principal, action, resource);", &["1:1 warning: this permit is open to everyone"]);
    check(
        "permit(principal in Role::\"a\", action == Action::\"node:update\", resource);",
        &["1:1 warning: this permits the request \"node:update\" but none of its writes"],
    );
    check(
        "permit(principal in Role::\"a\", action == Action::\"node:update:write\", resource);",
        &["1:1 warning: this permits writes of \"node:update\", but no policy permits the request"],
    );
    check(
        "permit(principal in Role::\"a\", action == Action::\"node:update\", resource);\npermit(principal in Role::\"b\", action in Action::\"write\", resource);",
        &["1:1 warning: this permits the request"],
    );
    check(
        "@reason(\"x\") permit(principal in Role::\"a\", action, resource);",
        &["1:1 warning: \"@reason\" and \"@conceal\" have no effect"],
    );
    check(
        "forbid(principal, action, resource == Runbook::\"web-1\");",
        &["1:1 warning: this forbid does not meet requests that name Runbook::\"web-1\""],
    );
    check(
        "forbid(principal, action, resource == Runbook::\"web-1\");\nforbid(principal, action, resource == Runbook::\"1be26c0b-03f2-4d2e-ae87-c02d7f33c123\");",
        &[],
    );
    check("forbid(principal, action, resource == Node::\"web-1\");", &[]);
    check("forbid(principal, action, resource == Driver::\"ipmi\");", &[]);
    check("permit(principal in Role::\"a\", action, resource) when { false };", &["1:1 warning: "]);
}

#[test]
fn ids_are_given_to_policies_without() {
    let engine = load(
        "permit(principal in Role::\"a\", action, resource);\n@id(\"z\")\nforbid(principal, action, resource);\nforbid(principal, action, resource);",
    );
    let ids: Vec<&str> = engine.rules_for_test().iter().map(|rule| &*rule.id).collect();
    assert_eq!(ids, ["t.cedar#1", "t.cedar#3", "z"]);
    assert_eq!(engine.roles(), [Arc::from("a")]);
}

#[test]
fn roles_are_found_in_scopes_and_conditions() {
    let engine = load(
        "forbid(principal is Principal in Role::\"b\", action, resource) unless { principal in [Role::\"c\", Role::\"a\"] };",
    );
    assert_eq!(engine.roles(), [Arc::from("a"), Arc::from("b"), Arc::from("c")]);
}

#[test]
fn errors_refuse_the_whole_and_warnings_are_kept() {
    let bad =
        PolicyEngine::load(&[source("a.cedar", "forbid(principal, action, resource);"), source("b.cedar", "oops")]);
    assert!(bad.is_err_and(|findings| findings.iter().any(|finding| finding.file == "b.cedar")));
    assert_eq!(load("permit(principal, action, resource);").warnings().len(), 1);
}

#[test]
fn the_revision_tells_any_change_but_not_order() {
    let (one, two) = (
        source("a.cedar", "@id(\"a\") permit(principal, action, resource);"),
        source("b.cedar", "@id(\"b\") permit(principal, action, resource);"),
    );
    let revision = |sources: &[PolicySource]| PolicyEngine::load(sources).unwrap().revision().to_owned();
    let base = revision(&[one.clone(), two.clone()]);
    assert_eq!(base.len(), 64);
    assert_eq!(base, revision(&[two.clone(), one.clone()]));
    assert_ne!(base, revision(std::slice::from_ref(&one)));
    assert_ne!(base, revision(&[one.clone(), source("b.cedar", "@id(\"c\") permit(principal, action, resource);")]));
    let elsewhere = |text: &PolicySource| source(&format!("/etc/irongate/{}", text.name), &text.text);
    assert_eq!(base, revision(&[elsewhere(&one), elsewhere(&two)]));
}

#[test]
fn findings_are_written_as_json() {
    assert_eq!(findings_json(&[]), "[]");
    let findings = validate(&[source("t.cedar", "permit(principal, action, resource);")]);
    let json: serde_json::Value = serde_json::from_str(&findings_json(&findings)).unwrap();
    assert_eq!(json[0]["severity"], "warning");
    assert_eq!(
        (&json[0]["file"], &json[0]["line"], &json[0]["policy"]),
        (&"t.cedar".into(), &1.into(), &"t.cedar#1".into())
    );
}

#[test]
fn permits_that_do_nothing_are_warned_about() {
    let permit = "permit(principal in Role::\"a\", action in Action::\"power\", resource)";
    check(
        &format!("{permit};\nforbid(principal, action in [Action::\"power\", Action::\"read\"], resource);"),
        &["1:1 warning: this permit is never reached: \"t.cedar#2\" forbids all of it"],
    );
    check(&format!("{permit};\nforbid(principal in Role::\"b\", action, resource);"), &[]);
    check(&format!("{permit};\nforbid(principal, action == Action::\"node:set_power_state\", resource);"), &[]);
    check(&format!("{permit};\nforbid(principal, action, resource) when {{ context.microversion < 50 }};"), &[]);
    check(&format!("{permit};\n@mode(\"shadow\") forbid(principal, action, resource);"), &[]);
    check(
        &format!("permit(principal in Role::\"a\", action, resource);\n{permit} when {{ context.microversion > 5 }};"),
        &["2:1 warning: this permit is dead"],
    );
    check(&format!("permit(principal in Role::\"b\", action, resource);\n{permit};"), &[]);
    check(&format!("permit(principal is Principal, action in Action::\"power\", resource);\n{permit};"), &[]);
}

#[test]
fn doubtful_wildcards_are_warned_about() {
    let update = |condition: &str| {
        format!(
            "permit(principal in Role::\"a\", action in Action::\"node:update\", resource) unless {{ context has write && !({condition}) }};"
        )
    };
    check(&update("context.write.path like \"/extra*\""), &["1:1 warning: the pattern \"/extra*\" meets other fields"]);
    check(&update("context.write.path like \"/extra\""), &["1:1 warning: the pattern \"/extra\" has no wildcard"]);
    check(&update("context.write.key like \"*\""), &["1:1 warning: the pattern \"*\" meets every string"]);
    let host = |pattern: &str| {
        update(&format!("context.write has value.url && context.write.value.url.host like {pattern:?}"))
    };
    check(&host("*example"), &["1:1 warning: the pattern \"*example\" meets hosts whose names only end"]);
    check(&host("images*"), &["1:1 warning: the pattern \"images*\" meets hosts of other domains"]);
    check(&host("*.example"), &[]);
    check(&update("context.write.path like \"/extra/*\""), &[]);
}

#[test]
fn comparisons_that_never_hold_are_warned_of() {
    let forbid = |condition: &str| {
        format!("forbid(principal, action in Action::\"read\", resource is Node) when {{ {condition} }};")
    };
    check(
        &forbid("resource has name && resource.name == \"Web-1\""),
        &["1:1 warning: `resource.name` is in lower case"],
    );
    check(&forbid("resource has name && resource.name == \"web-1\""), &[]);
    check(&forbid("[\"web-1\", \"Web-2\"].contains(resource.id)"), &["1:1 warning: `resource.id` is in lower case"]);
    check(&forbid("resource has owner && resource.owner == \"Team\""), &[]);
    let write = |action: &str, condition: &str| {
        format!("forbid(principal, action == Action::\"{action}\", resource) when {{ {condition} }};")
    };
    let patch = |condition: &str| write("node:update:write", condition);
    check(&patch("context.write.path == \"/bogus\""), &["1:1 warning: `context.write.path` is never \"/bogus\""]);
    check(&patch("context.write.path == \"extra/foo\""), &["1:1 warning: `context.write.path` is never \"extra/foo\""]);
    check(
        &patch("[\"bogus\", \"other\"].contains(context.write.field)"),
        &[
            "1:1 warning: `context.write.field` is never \"bogus\"",
            "1:1 warning: `context.write.field` is never \"other\"",
        ],
    );
    check(&patch("[\"extra\", \"bogus\"].contains(context.write.field)"), &[]);
    check(&patch("context.write.path == \"/extra/foo\" || context.write.field == \"owner\""), &[]);
    // A driver may take anything.
    check(&write("node:vendor_passthru:post:write", "context.write.path == \"/bogus\""), &[]);
    let target = |word: &str| {
        write(
            "node:set_provision_state:write",
            &format!(
                "context.write.path == \"/target\" && context.write has value.string && [\"active\", \"{word}\"].contains(context.write.value.string)"
            ),
        )
    };
    check(&target("activ"), &["1:1 warning: \"/target\" takes no value \"activ\""]);
    check(&target("rebuild"), &[]);
    check(
        "permit(principal == Principal::\"basic:\", action == Action::\"node:get\", resource);",
        &["1:1 error: Principal::\"basic:\" is nobody: it has no name"],
    );
}
