//! What happens to requests while records cannot be written, and which reads leave none.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::support::client::pause;
use crate::support::{FakeIronic, Irongate};

/// A record of about 20 kB.
fn large() -> String {
    let writes: Vec<_> = (0..100)
        .map(|index| format!(r#"{{"op": "add", "path": "/extra/{}{index}", "value": "x"}}"#, "k".repeat(150)))
        .collect();
    format!("[{}]", writes.join(","))
}

/// With a disk that is full; its name, which may be made to lead elsewhere.
fn on_a_full_disk(ironic: &FakeIronic, audit: &str) -> (Irongate, PathBuf) {
    let audit = format!("[audit]\nfile = \"audit.jsonl\"\nqueue_bytes_max = 262144\n{audit}\n");
    let irongate = Irongate::changed(&ironic.endpoint(), "", |text| {
        text.replace("[audit]\nfile = \"audit.jsonl\"\n", &audit).replace("audit.jsonl", "full.jsonl")
    });
    let file = irongate.directory.path().join("full.jsonl");
    std::fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink("/dev/full", &file).unwrap();
    irongate.server.audit.reopen();
    until("it fails", || {
        irongate.server.audit.counts().failing || irongate.ask("admin", "GET", "/v1", None).status == 0
    });
    (irongate, file)
}

fn mend(irongate: &Irongate, file: &Path) {
    std::fs::remove_file(file).unwrap();
    irongate.server.audit.reopen();
}

fn until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        pause(Duration::from_millis(10));
    }
}

#[test]
fn deny_writes_refuses_what_cannot_be_recorded_and_lets_reads_go_on() {
    let ironic = FakeIronic::plain();
    let (irongate, file) = on_a_full_disk(&ironic, "on_full = \"deny-writes\"");
    let large = large();
    let mut permitted = 0;
    let refused = loop {
        let answer = irongate.ask("admin", "PATCH", "/v1/nodes/n", Some(&large));
        if answer.status != 200 {
            break answer;
        }
        permitted += 1;
        assert!(permitted < 100);
    };
    assert_eq!((refused.status, refused.code().as_str()), (503, "audit_full"), "{refused:?}");
    assert_eq!(refused.header("retry-after").as_deref(), Some("5"));
    let arrived = ironic.arrived().len();
    assert_eq!(irongate.ask("admin", "DELETE", "/v1/nodes/n", None).status, 503);
    assert_eq!(ironic.arrived().len(), arrived, "what cannot be recorded does not reach Ironic");
    assert_eq!(irongate.ask("admin", "GET", "/v1/nodes/n", None).status, 200);
    assert_eq!(irongate.ask("auditor", "DELETE", "/v1/nodes/n", None).status, 403);
    let counts = irongate.server.audit.counts();
    // Two refusals, a read and a denial are lost.
    assert_eq!((counts.refused, counts.lost_full), (2, 4), "{counts:?}");
    assert!(
        irongate
            .server
            .metrics
            .text()
            .contains("irongate_audit_dropped_total{sink=\"records\",reason=\"queue_full\"} 4")
    );

    mend(&irongate, &file);
    until("it is written again", || irongate.server.audit.is_well());
    assert_eq!(irongate.ask("admin", "PATCH", "/v1/nodes/n", Some(&large)).status, 200);
    assert_eq!(irongate.server.audit.flush(), 0);
    let text = std::fs::read_to_string(&file).unwrap();
    assert_eq!(text.lines().filter(|line| line.contains("node:update")).count(), permitted + 1);
}

#[test]
fn block_makes_requests_wait_before_they_are_carried_out() {
    let ironic = FakeIronic::plain();
    let (irongate, file) = on_a_full_disk(&ironic, "on_full = \"block\"");
    let large = large();
    std::thread::scope(|scope| {
        let patches = scope.spawn(|| {
            (0..40).map(|_| irongate.ask("admin", "PATCH", "/v1/nodes/n", Some(&large)).status).collect::<Vec<_>>()
        });
        until("one waits", || irongate.server.audit.counts().waited > 0);
        let arrived = ironic.arrived().len();
        let denial = scope.spawn(|| irongate.ask("auditor", "DELETE", "/v1/nodes/n", None).status);
        until("the denial waits", || irongate.server.audit.counts().waited > 1);
        assert_eq!(ironic.arrived().len(), arrived);
        assert!(!patches.is_finished() && !denial.is_finished());
        mend(&irongate, &file);
        assert_eq!(denial.join().unwrap(), 403);
        assert!(patches.join().unwrap().iter().all(|status| *status == 200));
    });
    assert_eq!(irongate.server.audit.flush(), 0);
    assert_eq!(irongate.server.audit.counts().lost(), 0);
    let text = std::fs::read_to_string(&file).unwrap();
    assert_eq!(text.lines().filter(|line| line.contains("node:update")).count(), 40);
    assert_eq!(text.lines().filter(|line| line.contains("node:delete")).count(), 1);
}

#[test]
fn reads_are_sampled_and_nothing_else_is() {
    let ironic = FakeIronic::start(|request| {
        let missing = request.line.contains("missing");
        crate::support::json(if missing { "404 Not Found" } else { "200 OK" }, "{}")
    });
    let audit = "[audit]\nkeep_one_read_in = 1000000\n";
    let irongate = Irongate::changed(&ironic.endpoint(), "", |text| text.replace("[audit]\n", audit));
    for _ in 0..5 {
        for (method, target, user, status) in [
            ("GET", "/v1/nodes/n", "admin", 200),
            ("GET", "/v1/nodes/missing", "admin", 404),
            ("GET", "/v1/nodes/n", "nobody", 401),
            ("DELETE", "/v1/nodes/n", "admin", 200),
            ("DELETE", "/v1/nodes/n", "auditor", 403),
        ] {
            assert_eq!(irongate.ask(user, method, target, None).status, status, "{method} {target}");
        }
    }
    let records = irongate.records(20);
    assert_eq!(irongate.server.audit.flush(), 0);
    assert_eq!(irongate.log().lines().count(), 20);
    assert_eq!(irongate.server.audit.counts().sampled_out, 5);
    assert!(records.iter().all(|record| record.get("one_of").is_none()));

    irongate.reload(|text| text.replace("keep_one_read_in = 1000000", "keep_one_read_in = 2"));
    until("some are kept", || {
        irongate.ask("admin", "GET", "/v1/nodes/n", None);
        irongate.log().contains("\"one_of\":2")
    });
    until("some are not", || {
        irongate.ask("admin", "GET", "/v1/nodes/n", None);
        irongate.server.audit.counts().sampled_out > 5
    });
}

/// The same facts as a CADF event, and as few of the caller's words.
#[test]
fn cadf_events_tell_what_records_tell() {
    let ironic = FakeIronic::plain();
    let irongate = Irongate::changed(&ironic.endpoint(), "", |text| {
        text.replace("[audit]\n", "[audit]\ncadf_file = \"cadf.jsonl\"\n")
    });
    let node = "8ed9fb71-8a3c-4f6f-9d5b-1f0f1d0c0a01";
    let secret = r#"[{"op": "add", "path": "/driver_info/redfish_password", "value": "S3cret"}]"#;
    let rows: [(&str, &str, String, Option<&str>); 6] = [
        ("admin", "GET", "/v1/nodes?fields=uuid,name&owner=S3cret".to_owned(), None),
        ("admin", "PATCH", format!("/v1/nodes/{node}"), Some(secret)),
        ("admin", "PUT", format!("/v1/nodes/{node}/states/power"), Some(r#"{"target": "power off"}"#)),
        ("auditor", "DELETE", format!("/v1/nodes/{node}"), None),
        ("nobody", "GET", "/v1/nodes".to_owned(), None),
        ("admin", "GET", "/v1/nowhere".to_owned(), None),
    ];
    for (user, method, target, body) in rows {
        irongate.ask(user, method, &target, body);
    }
    let records = irongate.records(6);
    assert_eq!(irongate.server.audit.flush(), 0);
    let text = std::fs::read_to_string(irongate.directory.path().join("cadf.jsonl")).unwrap();
    assert!(!text.contains("S3cret"), "{text}");
    let events: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let expected = [
        ("read/list", "success", "admin", "baremetal", "200", "/v1/nodes?fields=uuid,name&owner=***"),
        ("update", "success", "admin", node, "200", "/v1/nodes/8ed9fb71-8a3c-4f6f-9d5b-1f0f1d0c0a01"),
        (
            "update/set_power_state",
            "success",
            "admin",
            node,
            "200",
            "/v1/nodes/8ed9fb71-8a3c-4f6f-9d5b-1f0f1d0c0a01/states/power",
        ),
        ("delete", "failure", "auditor", node, "403", "/v1/nodes/8ed9fb71-8a3c-4f6f-9d5b-1f0f1d0c0a01"),
        ("unknown", "failure", "unknown", "baremetal", "401", ""),
        ("unknown", "failure", "admin", "baremetal", "404", ""),
    ];
    assert_eq!(events.len(), expected.len());
    for ((event, record), (action, outcome, initiator, target, code, path)) in events.iter().zip(&records).zip(expected)
    {
        assert_eq!(event["typeURI"], "http://schemas.dmtf.org/cloud/audit/1.0/event");
        assert_eq!((event["action"].as_str(), event["outcome"].as_str()), (Some(action), Some(outcome)), "{event}");
        assert_eq!(
            (event["initiator"]["id"].as_str(), event["target"]["id"].as_str()),
            (Some(initiator), Some(target))
        );
        assert_eq!(event["reason"]["reasonCode"], code, "{event}");
        assert_eq!(event["requestPath"].as_str().unwrap_or_default(), path);
        assert_eq!(event["initiator"]["credential"]["token"], "***");
        assert_eq!(record["request_id"].as_str().unwrap().trim_start_matches("req-"), event["id"]);
    }
    assert_eq!(events[3]["reason"]["policyId"], "default-deny");
    assert_eq!(events[1]["reason"]["policyId"], "admin.everything");
    assert_eq!(events[1]["attachments"][0]["content"]["writes"][0]["path"], "/driver_info/redfish_password");
    let counts = irongate.server.audit.cadf_counts().unwrap();
    assert_eq!((counts.written, counts.lost()), (6, 0));
}

#[test]
fn mistakes_in_the_audit_section_are_told_with_their_line() {
    for (audit, word) in [
        ("on_full = \"perhaps\"", "deny-writes"),
        ("on_full = { reads = \"deny-writes\" }", "writes only"),
        ("on_full = { all = \"block\" }", "deny-writes"),
        ("queue_bytes_max = 10", "262144"),
        ("keep_one_read_in = 0", "at least 1"),
        ("cadf_file = \"audit.jsonl\"", "must differ"),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let file = crate::support::configuration(directory.path(), "unix:/x", "");
        let text = std::fs::read_to_string(&file).unwrap().replace("[audit]\n", &format!("[audit]\n{audit}\n"));
        std::fs::write(&file, &text).unwrap();
        let Err(errors) = irongate::config::load(&file) else { panic!("{audit} was taken") };
        let line = text.lines().position(|line| line == audit).unwrap() + 1;
        assert!(errors[0].message.contains(word), "{audit}: {errors:?}");
        assert_eq!(errors[0].line, Some(line), "{audit}: {errors:?}");
    }
}
