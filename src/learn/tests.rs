use super::{Learner, Window, candidates, cedar, render};
use crate::audit::read::RecordLine;
use crate::policy::{CaseFile, PolicyEngine, PolicySource, Severity, validate};

fn record(name: &str, more: &serde_json::Value) -> RecordLine {
    let mut line = serde_json::json!({
        "kind": "decision", "version": 1, "time": "2026-01-02T03:04:05.5Z",
        "request_id": "req-1be26c0b-03f2-4d2e-ae87-c02d7f33c123", "listener": "public", "mode": "enforce",
        "principal": {"scheme": "basic", "name": name, "roles": ["operator"], "bindings": []},
        "microversion": "1.80", "decision": "permit", "status": 200, "upstream_status": 200, "outcome": "complete",
    });
    for (key, value) in more.as_object().unwrap() {
        line[key] = value.clone();
    }
    RecordLine::parse(line.to_string().as_bytes()).unwrap()
}

fn write(op: &str, path: &str, word: Option<&str>) -> serde_json::Value {
    let mut value = serde_json::json!({"kind": "string", "length": 2, "spelling": "word"});
    if let Some(word) = word {
        value["string"] = word.into();
    }
    serde_json::json!({"op": op, "path": path, "value": value})
}

fn learn(records: &[RecordLine], window: Window) -> Learner {
    let mut learner = Learner::new(window, None);
    for record in records {
        learner.record(record);
    }
    learner
}

/// The policies of all callers, which load without an error.
#[track_caller]
fn policies(learner: &Learner) -> Vec<String> {
    let texts: Vec<String> =
        learner.learned().iter().map(|learned| cedar(learned, &Window::default()).unwrap()).collect();
    let named = |(text, number): (&String, usize)| PolicySource { name: format!("{number}.cedar"), text: text.clone() };
    let sources: Vec<PolicySource> = texts.iter().zip(0..).map(named).collect();
    let findings = validate(&sources);
    assert!(findings.iter().all(|finding| finding.severity != Severity::Error), "{findings:?}\n{texts:?}");
    texts
}

fn patch(writes: &[serde_json::Value]) -> serde_json::Value {
    serde_json::json!({"operation": "node:update", "resource": {"type": "Node", "id": "n"}, "writes": writes})
}

#[test]
fn no_name_path_or_word_can_become_policy() {
    let hostile = "x\"\n);\npermit(principal, action, resource); // \u{202e}\\u{22}";
    let path = "/extra/*\");\npermit(principal,action,resource);//";
    let records = [record(hostile, &patch(&[write("add", path, None), write("add", "/driver", Some("a\"b*"))]))];
    let learner = learn(&records, Window::default());
    let texts = policies(&learner);
    let source = PolicySource { name: "learned.cedar".to_owned(), text: texts[0].clone() };
    let engine = PolicyEngine::load(&[source]).unwrap();
    let ids: Vec<&str> = engine.policy_modes().map(|(id, _)| id).collect();
    assert_eq!(ids.len(), 3, "{ids:?}");
    assert!(ids.iter().all(|id| id.starts_with("learned.basic-x---")), "{ids:?}");
    assert!(texts[0].is_ascii(), "{}", texts[0]);
    let learned = learner.learned();
    let yaml = render(&learned[0], &candidates(&learned[0]));
    assert!(CaseFile::parse(&yaml).is_ok(), "{yaml}");
}

#[test]
fn a_star_in_a_path_is_a_star() {
    let deep = "/extra/a*b/c";
    let texts = policies(&learn(&[record("a", &patch(&[write("add", deep, None)]))], Window::default()));
    assert!(texts[0].contains(r#"context.write.path like "/extra/a\*b/*""#), "{}", texts[0]);
}

/// What looks like a secret in a name is a name: a policy with stars in its place would be about others, or none.
#[test]
fn names_stand_as_they_are() {
    let caller = "system:serviceaccount:external-secrets:eso-controller";
    let get = serde_json::json!({"operation": "node:bios:list", "resource": {"type": "Node", "id": "n"}});
    let deep = patch(&[write("add", "/extra/token=abc/x/y", None)]);
    let texts =
        policies(&learn(&[record(caller, &get), record("token-svc", &get), record("a", &deep)], Window::default()));
    let all = texts.concat();
    assert!(all.contains(&format!("Principal::\"basic:{caller}\"")), "{all}");
    assert!(all.contains("@id(\"learned.basic-token-svc.node:bios:list\")"), "{all}");
    assert!(all.contains("context.write.path like \"/extra/token=abc/*\"") && !all.contains("***"), "{all}");
}

/// What a record withholds is left out, and told.
#[test]
fn a_masked_name_is_no_name() {
    let mut masked = write("add", "/extra/token=******", None);
    masked["cut"] = true.into();
    let texts = policies(&learn(&[record("a", &patch(&[masked]))], Window::default()));
    assert!(!texts[0].contains("token") && texts[0].contains("do not hold all that was written"), "{}", texts[0]);
}

#[test]
fn keys_are_named_until_there_are_too_many() {
    let many = |map: &str, count: usize| {
        let writes: Vec<_> = (0..count).map(|number| write("add", &format!("{map}/key{number}x"), None)).collect();
        policies(&learn(&[record("a", &patch(&writes))], Window::default())).remove(0)
    };
    assert!(!many("/extra", 8).contains("like"));
    let more = many("/extra", 9);
    assert!(more.contains("like \"/extra/*\"") && !more.contains("key8x"), "{more}");
    assert!(!many("/driver_info", 64).contains("like"));
    assert!(many("/driver_info", 65).contains("like \"/driver_info/*\""));
}

#[test]
fn what_was_denied_or_refused_is_no_use() {
    let get = |more: serde_json::Value| {
        let mut line = serde_json::json!({"operation": "node:list"});
        line.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        record("a", &line)
    };
    for (more, counts) in [
        (serde_json::json!({}), true),
        (
            serde_json::json!({"mode": "shadow", "would_be": {"decision": "deny", "reason": "no_permit", "policies": []}}),
            true,
        ),
        (serde_json::json!({"status": 404, "upstream_status": 404}), true),
        (serde_json::json!({"decision": "deny", "stage": "authorize", "upstream_status": null}), false),
        (serde_json::json!({"decision": "none", "stage": "authenticate"}), false),
        (serde_json::json!({"decision": "none", "stage": "framing", "principal": null}), false),
        (serde_json::json!({"decision": "permit", "stage": "validate", "upstream_status": null}), false),
        (serde_json::json!({"operation": "node:levitate"}), false),
        (serde_json::json!({"operation": null, "stage": "route"}), false),
    ] {
        let learner = learn(&[get(more.clone())], Window::default());
        assert_eq!(!learner.learned().is_empty(), counts, "{more}");
    }
}

#[test]
fn a_window_has_its_first_moment_and_not_its_last() {
    let records = [record("a", &serde_json::json!({"operation": "node:list"}))];
    for (since, until, caller, expected) in [
        (Some("2026-01-02T03:04:05.5Z"), None, None, true),
        (Some("2026-01-02T03:04:06Z"), None, None, false),
        (None, Some("2026-01-02T03:04:05.5Z"), None, false),
        (None, Some("2026-01-02T03:04:06Z"), Some("basic:a"), true),
        (None, None, Some("a"), true),
        (None, None, Some("basic:b"), false),
    ] {
        let window = Window {
            since: since.map(|time| time.parse().unwrap()),
            until: until.map(|time| time.parse().unwrap()),
            caller: caller.map(str::to_owned),
        };
        assert_eq!(!learn(&records, window).learned().is_empty(), expected, "{since:?} {until:?} {caller:?}");
    }
}

#[test]
fn words_are_named_while_all_are_known() {
    let power = |word: Option<&str>| {
        let writes = [write("add", "/target", word)];
        record("a", &serde_json::json!({"operation": "node:set_power_state", "writes": writes}))
    };
    let both = [power(Some("power on")), power(Some("power off"))];
    let text = policies(&learn(&both, Window::default())).remove(0);
    assert!(text.contains(r#"["power off", "power on"].contains(context.write.value.string)"#), "{text}");
    let unknown = [power(Some("power on")), power(None)];
    let text = policies(&learn(&unknown, Window::default())).remove(0);
    assert!(!text.contains("value.string"), "{text}");
}

#[test]
fn callers_with_names_alike_have_files_of_their_own() {
    let list = serde_json::json!({"operation": "node:list"});
    let records = [record("a.b", &list), record("a/b", &list), record("A/B", &list)];
    let learner = learn(&records, Window::default());
    let slugs: Vec<String> = learner.learned().iter().map(|learned| learned.slug.clone()).collect();
    assert_eq!(slugs, ["basic-A-B", "basic-a-b-2", "basic-a-b-3"]);
}
