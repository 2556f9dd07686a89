use super::{Report, STYLE, digest_of};
use crate::learn::Window;
use crate::policy::PolicySource;

const HOSTILE: &str = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\u{202e}\"'&{{ 7*7 }}\n";

fn line(name: &str, more: &serde_json::Value) -> String {
    let mut line = serde_json::json!({
        "kind": "decision", "version": 1, "time": "2026-01-02T03:04:05Z",
        "request_id": "req-1be26c0b-03f2-4d2e-ae87-c02d7f33c123", "listener": "public", "mode": "shadow",
        "principal": {"scheme": "basic", "name": name, "roles": [name], "bindings": []},
        "microversion": "1.80", "decision": "permit", "status": 200, "upstream_status": 200, "outcome": "complete",
        "operation": "node:list",
    });
    for (key, value) in more.as_object().unwrap() {
        line[key] = value.clone();
    }
    line.to_string()
}

fn page(lines: &[String], policies: &[PolicySource]) -> String {
    let mut report = Report::new(policies, Window::default()).unwrap();
    lines.iter().for_each(|text| report.line(Some(text.as_bytes())));
    let suggestions: Vec<(String, String)> = report
        .learner()
        .learned()
        .iter()
        .map(|learned| (learned.caller.to_owned(), crate::learn::cedar(learned, &Window::default()).unwrap()))
        .collect();
    report.page(&suggestions).unwrap()
}

fn would_be(path: &str, rule: &str) -> serde_json::Value {
    serde_json::json!({"would_be": {"decision": "deny", "reason": "forbidden", "policies": [rule], "path": path}})
}

#[test]
fn hostile_names_are_text() {
    let long = "A".repeat(10_000);
    let lines = [
        line(HOSTILE, &would_be(HOSTILE, HOSTILE)),
        line(&long, &would_be(&long, &long)),
        line(
            "b",
            &serde_json::json!({"decision": "deny", "stage": "authorize", "reason": HOSTILE, "request_id": HOSTILE}),
        ),
    ];
    let page = page(&lines, &[]);
    assert_eq!(page.matches("<script").count(), 1, "{page}");
    assert_eq!(page.matches("</script").count(), 1);
    assert!(!page.contains("<img") && !page.contains("\u{202e}") && !page.contains(">49<"), "{page}");
    assert!(page.contains("&lt;script&gt;"));
    // Where a name is shown it is cut; only in policies it is whole, because they are about nobody else.
    let before_policies = page.split("id=\"suggestions\"").next().unwrap();
    assert!(!before_policies.contains(&"A".repeat(201)));
    assert!(page.contains(&"A".repeat(10_000)));
}

#[test]
fn the_page_asks_for_nothing_and_runs_nothing_else() {
    let page = page(&[line("a", &serde_json::json!({}))], &[]);
    let policy = page.split("Content-Security-Policy\" content=\"").nth(1).unwrap().split('"').next().unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    // The template engine changed neither style nor script on their way into the page.
    let style = page.split("<style>").nth(1).unwrap().split("</style>").next().unwrap();
    let script = page.split("<script>").nth(1).unwrap().split("</script>").next().unwrap();
    assert_eq!(style, STYLE);
    for text in [style, script] {
        assert!(policy.contains(&format!("'{}'", digest_of(text))), "{policy}");
    }
    for word in ["http:", "https:", "src=", "url(", "@import", "javascript:", " style=", "onclick"] {
        assert!(!page.contains(word), "{word}");
    }
}

#[test]
fn the_words_follow_the_numbers() {
    assert!(page(&[], &[]).contains("There is nothing to judge"));
    assert!(page(&[line("a", &serde_json::json!({}))], &[]).contains("Nothing would break"));
    let lines = [line("a", &serde_json::json!({})), line("a", &would_be("/extra/x", "site.rule"))];
    let blocking = page(&lines, &[]);
    assert!(blocking.contains("<strong>1 call would be denied</strong>"), "{blocking}");
    assert!(blocking.contains("site.rule") && blocking.contains("&#x2f;extra&#x2f;x") && blocking.contains("50 %"));
    let text = "permit (principal in Role::\"a\", action in Action::\"read\", resource);".to_owned();
    let judged = page(&lines, &[PolicySource { name: "p.cedar".to_owned(), text }]);
    assert!(judged.contains("Nothing would break") && judged.contains("port:list"), "{judged}");
    assert!(judged.contains("learned.basic-a.node:list"));
}
