//! The command on small sets, and all shipped cases.

use super::*;
use crate::policy::shipped;

const POLICY: &str = "@id(\"look\") permit(principal in Role::\"a\", action == Action::\"node:get\", resource);\n\
                      @id(\"power\") permit(principal in Role::\"a\", action in Action::\"node:set_power_state\", resource);\n\
                      @id(\"soft\") forbid(principal, action == Action::\"node:set_power_state:write\", resource)\n  \
                      when { context.write.path == \"/timeout\" };\n\
                      @id(\"idle\") @mode(\"shadow\") forbid(principal, action == Action::\"node:set_power_state\", resource);\n\
                      @id(\"gone\") @mode(\"off\") forbid(principal, action, resource);";

fn tested(cases: &str) -> Result<Tested, Vec<String>> {
    let policies = [PolicySource { name: "p.cedar".to_owned(), text: POLICY.to_owned() }];
    test_sources(&policies, &[("c.yaml".to_owned(), cases.to_owned())])
}

/// One case; its failure, or nothing.
#[track_caller]
fn check(case: &str, expected: Option<&str>) {
    let tested =
        tested(&format!("defaults: {{roles: [a]}}\ncases:\n  - name: x\n    {}\n", case.replace('\n', "\n    ")))
            .unwrap_or_else(|errors| panic!("{errors:?}"));
    let found = tested.runs[0].failure.as_deref();
    match (found, expected) {
        (None, None) => {}
        (Some(found), Some(expected)) if found.contains(expected) => {}
        _ => panic!("{case}: {found:?} ({})", tested.runs[0].found),
    }
}

#[test]
fn cases_go_the_way_of_requests() {
    check("request: GET /v1/nodes/n\nexpect: permit\nrule: look", None);
    check("request: GET /v1/nodes/n\nexpect: permit\nrule: power", Some("by power"));
    check("request: GET /v1/nodes/n\nexpect: deny", Some("deny"));
    check("request: GET /v1/nodes/n\nroles: []\nexpect: deny\nreason: no_permit", None);
    check("request: GET /v1/nodes/n?nonsense=1\nexpect: refuse", None);
    check("request: GET /v1/nothing\nexpect: refuse", None);
    check("request: GET /v1/nodes/n?fields=uuid\nmicroversion: \"1.7\"\nexpect: refuse", None);
    let power = "request: PUT /v1/nodes/n/states/power\n";
    check(&format!("{power}body: {{target: power on}}\nexpect: permit\nshadow: idle"), None);
    check(&format!("{power}body: {{target: power on}}\nexpect: permit\nshadow: soft"), Some("soft would deny"));
    check(&format!("{power}body: {{target: power up}}\nexpect: refuse"), None);
    check(&format!("{power}body: {{target: power on, timeout: 5}}\nexpect: deny\nrule: soft\nwrite: /timeout"), None);
    check(&format!("{power}body: {{target: power on, timeout: 5}}\nexpect: deny\nwrite: \"\""), Some("of the request"));
}

#[test]
fn coverage_and_reports() {
    let tested = tested(
        "defaults: {roles: [a]}\ncases:\n  - name: a <b> & \"c\"\n    request: GET /v1/nodes/n\n    expect: deny\n  - name: good\n    \
         request: PUT /v1/nodes/n/states/power\n    body: {target: power on}\n    expect: permit\n",
    )
    .unwrap();
    assert_eq!((tested.failed(), tested.decisive, tested.policies, tested.coverage_percent()), (1, 3, 4, 75));
    assert_eq!(tested.never, ["soft"]);
    let lines = text(&tested);
    assert!(lines.starts_with("c.yaml:3: a <b>") && lines.ends_with("never decisive: soft\n"), "{lines}");
    assert!(junit(&tested).contains("a &lt;b&gt; &amp; &quot;c&quot; (GET /v1/nodes/n)"));
    let report: serde_json::Value = serde_json::from_str(&json(&tested)).unwrap();
    assert_eq!(report["cases"][0]["good"], false);
    assert_eq!(report["coverage"]["never"][0], "soft");
}

#[test]
fn mistakes_have_their_place() {
    assert_eq!(tested("cases:\n  - name: x\n    expect: deny\n").unwrap_err().len(), 1);
    assert!(tested("cases:\n  - name: x\n    expect: deny\n").unwrap_err()[0].starts_with("c.yaml:2: "));
}

/// Every shipped case holds, and every shipped policy is shown at work by one.
#[test]
fn shipped_policies_decide_as_their_cases_say() {
    let mut files = Vec::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("policies/tests"), 2, &mut files).unwrap();
    files.sort();
    let cases: Vec<(String, String)> =
        files.iter().map(|file| (file.display().to_string(), std::fs::read_to_string(file).unwrap())).collect();
    let tested = test_sources(&shipped(), &cases).unwrap_or_else(|errors| panic!("{}", errors.join("\n")));
    assert!(tested.failed() == 0 && tested.never.is_empty(), "{}", text(&tested));
}

/// nova's cases, permitted and denied, speak of every operation of the catalogue.
#[test]
fn nova_has_a_case_for_every_operation() {
    let mut seen = BTreeSet::new();
    for name in ["nova-compute.yaml", "nova-compute-never.yaml"] {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies/tests").join(name);
        let cases = CaseFile::parse(&std::fs::read_to_string(file).unwrap()).unwrap().cases;
        for case in cases {
            let head = http::Request::builder().method(case.method.as_str()).uri(&case.target);
            let head = head.header("X-OpenStack-Ironic-API-Version", "1.115").body(()).unwrap().into_parts().0;
            let route = crate::route::find(&head, crate::microversion::Ceiling::default()).unwrap();
            seen.insert(route.operation().id.clone());
        }
    }
    for operation in crate::catalog::catalog().operations() {
        assert!(seen.contains(&operation.id), "{}", operation.id);
    }
}

/// The manual's example of cases, with the manual's own policies.
#[test]
fn the_manual_s_cases_hold() {
    let manual = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/policy.md")).unwrap();
    let block = |after: &str, fence: &str| {
        let rest = manual.split(after).nth(1).and_then(|rest| rest.split(fence).nth(1)).unwrap();
        rest.split("```").next().unwrap().to_owned()
    };
    let policies = [PolicySource { name: "manual.cedar".to_owned(), text: block("### 3. ", "```cedar") }];
    let cases = [("manual.yaml".to_owned(), block("## Cases", "```yaml"))];
    let tested = test_sources(&policies, &cases).unwrap();
    assert_eq!(tested.failed(), 0, "{}", text(&tested));
    assert_eq!(tested.runs.len(), 4);
}

#[test]
fn roles_that_no_policy_names_are_told() {
    let tested = tested(
        "cases:\n  - {name: x, roles: [a], request: GET /v1/nodes/n, expect: permit}\n  \
         - {name: y, roles: [aa], request: GET /v1/nodes/n, expect: deny}\n",
    )
    .unwrap();
    assert_eq!((tested.failed(), tested.unnamed_roles.as_slice()), (0, ["aa".to_owned()].as_slice()));
    assert!(text(&tested).contains("warning: roles that no policy names: aa"));
}
