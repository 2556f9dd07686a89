use super::{Decided, Replay};
use crate::audit::read::RecordLine;
use crate::history::{self, each_line};
use crate::policy::PolicySource;

const POLICIES: &str = "
    @id(\"list\") permit (principal in Role::\"operator\", action == Action::\"node:list\", resource)
    when { [\"fields\"].containsAll(context.query_names) };
    @id(\"one\") permit (principal is Principal, action == Action::\"node:get\", resource)
    when { resource.id == \"n\" && context.microversion > 50 };
    @id(\"power\") permit (principal is Principal, action == Action::\"node:set_power_state\", resource);
    @id(\"on\") permit (principal is Principal, action == Action::\"node:set_power_state:write\", resource)
    when { context.write has value.string && context.write.value.string == \"power on\" };";

fn line(more: &serde_json::Value) -> String {
    let mut line = serde_json::json!({
        "kind": "decision", "version": 1, "time": "2026-01-02T03:04:05Z",
        "request_id": "req-1be26c0b-03f2-4d2e-ae87-c02d7f33c123", "listener": "public",
        "principal": {"scheme": "basic", "name": "a", "roles": ["operator"], "bindings": []},
        "microversion": "1.80", "decision": "permit", "status": 200, "upstream_status": 200, "outcome": "complete",
    });
    for (key, value) in more.as_object().unwrap() {
        line[key] = value.clone();
    }
    line.to_string()
}

fn replay() -> Replay {
    Replay::new(&[PolicySource { name: "test.cedar".to_owned(), text: POLICIES.to_owned() }], false).unwrap()
}

/// What a remembered decision must not mix up.
fn different() -> Vec<serde_json::Value> {
    let node = |id: &str, version: &str| serde_json::json!({"operation": "node:get", "resource": {"type": "Node", "id": id}, "microversion": version});
    let power = |word: Option<&str>, path: &str| {
        let mut value = serde_json::json!({"kind": "string", "length": 8, "spelling": "line"});
        if let Some(word) = word {
            value["string"] = word.into();
        }
        serde_json::json!({"operation": "node:set_power_state", "writes": [{"op": "add", "path": path, "value": value}]})
    };
    let list = |query: &[&str], role: &str| {
        let principal = serde_json::json!({"scheme": "basic", "name": "a", "roles": [role], "bindings": []});
        serde_json::json!({"operation": "node:list", "query": query, "principal": principal})
    };
    vec![
        node("n", "1.80"),
        node("N", "1.80"),
        node("m", "1.80"),
        node("******", "1.80"),
        node("n", "1.50"),
        power(Some("power on"), "/target"),
        power(Some("power off"), "/target"),
        power(None, "/target"),
        // A value that what stands beside it names a secret.
        serde_json::json!({"operation": "node:set_power_state", "writes": [{"op": "add", "path": "/target", "value": {"kind": "string"}}]}),
        list(&[], "operator"),
        list(&["fields"], "operator"),
        list(&["fields", "limit"], "operator"),
        list(&[], "auditor"),
    ]
}

#[test]
fn what_is_remembered_is_what_would_be_decided() {
    let (mut remembering, mut found) = (replay(), String::new());
    for round in 0..2 {
        for more in different() {
            let record = RecordLine::parse(line(&more).as_bytes()).unwrap();
            let (fate, operation) = history::fate(&record).unwrap();
            let asked = remembering.ask(&history::past(&record, fate, operation).unwrap());
            let (_, remembered) = remembering.decide(&record).unwrap();
            assert_eq!(asked, remembered, "round {round}: {more}");
            if round == 0 {
                found.push(match remembered {
                    Decided::Permit { .. } => '+',
                    Decided::Deny { .. } => '-',
                    Decided::Unknown { .. } => '?',
                });
            }
        }
    }
    assert_eq!(found, "++-?-+-??++--");
}

#[test]
fn requests_that_no_policy_tells_apart_are_decided_once() {
    let mut replay = replay();
    for number in 0..1000 {
        let more = serde_json::json!({
            "operation": "node:list", "time": format!("2026-01-02T03:04:05.{number:03}Z"), "source": format!("192.0.2.{}", number % 250),
        });
        replay.line(Some(line(&more).as_bytes()));
    }
    assert_eq!((replay.tally().unchanged, replay.decisions.len()), (1000, 1));
}

#[test]
fn a_denial_before_its_body_was_read_is_not_guessed() {
    let mut replay = replay();
    let denied = serde_json::json!({"decision": "deny", "stage": "authorize", "upstream_status": null, "operation": "node:set_power_state"});
    replay.line(Some(line(&denied).as_bytes()));
    let tally = replay.tally();
    assert_eq!((tally.new_permits, tally.incomplete), (0, 1));
    assert!(tally.missing.keys().any(|key| key.missing == "writes"), "{tally:?}");
}

#[test]
fn a_look_up_that_failed_is_no_denial_by_policies() {
    let mut replay = replay();
    let denied = serde_json::json!({"decision": "deny", "stage": "authorize", "reason": "resource_unavailable", "operation": "node:list"});
    replay.line(Some(line(&denied).as_bytes()));
    let tally = replay.tally();
    assert_eq!((tally.new_permits, tally.aside.get(&crate::history::Aside::Unfinished)), (0, Some(&1)));
}

#[test]
fn a_filter_whose_value_is_not_recorded_is_no_new_permit() {
    let text =
        "@filter(\"owner = 'team-x'\") permit (principal is Principal, action == Action::\"node:list\", resource);";
    let mut replay = Replay::new(&[PolicySource { name: "t.cedar".to_owned(), text: text.to_owned() }], false).unwrap();
    for (query, version) in [("owner", "1.80"), ("owner", "1.1"), ("limit", "1.80"), ("instance_uuid", "1.80")] {
        let denied = serde_json::json!({
            "decision": "deny", "stage": "authorize", "upstream_status": null, "operation": "node:list",
            "query": [query], "microversion": version,
        });
        replay.line(Some(line(&denied).as_bytes()));
    }
    let tally = replay.tally();
    // The filter would be added to the third.
    assert_eq!((tally.new_permits, tally.incomplete, tally.unchanged), (1, 1, 2), "{tally:?}");
}

#[test]
fn lines_are_handed_out_one_by_one() {
    let check = |text: &[u8], expected: &[Option<&str>]| {
        for capacity in [1, 3, 4096] {
            let mut found = Vec::new();
            let input = std::io::BufReader::with_capacity(capacity, text);
            each_line(input, |line| found.push(line.map(|line| String::from_utf8(line.to_vec()).unwrap()))).unwrap();
            let expected: Vec<Option<String>> = expected.iter().map(|line| line.map(str::to_owned)).collect();
            assert_eq!(found, expected, "{capacity}");
        }
    };
    check(b"", &[]);
    check(b"a\nb\n", &[Some("a"), Some("b")]);
    check(b"\n\na\n\nb", &[Some("a"), Some("b")]);
    let long = [b"a\n".as_slice(), &vec![b'x'; history::LINE_BYTES_MAX + 1], b"\nb\n"].concat();
    check(&long, &[Some("a"), None, Some("b")]);
}
