//! One record per request, on every exit.

use std::io::Write;
use std::net::TcpStream;

use crate::support::client::{basic, pause, send};
use crate::support::{FakeIronic, Irongate, PASSWORD, json};

#[test]
fn a_permitted_request_is_recorded_with_who_what_and_why() {
    let ironic =
        FakeIronic::start(|_| json("200 OK", r#"{"uuid": "u", "driver_info": {"redfish_password": "S3cret"}}"#));
    let irongate = Irongate::start(&ironic, "");
    let answer = irongate.ask_with(
        "admin",
        "PATCH",
        "/v1/nodes/node-1?reset_interfaces=true",
        "X-OpenStack-Request-ID: req-5a1e5c0e-6e5e-4b3f-9f7c-0b8f0c1d2e3f\r\n",
        Some(r#"[{"op": "replace", "path": "/driver", "value": "redfish"}, {"op": "remove", "path": "/extra/a"}]"#),
    );
    assert_eq!(answer.status, 200, "{answer:?}");
    let record = &irongate.records(1)[0];
    for (pointer, expected) in [
        ("/kind", "decision"),
        ("/global_request_id", "req-5a1e5c0e-6e5e-4b3f-9f7c-0b8f0c1d2e3f"),
        ("/listener", "public"),
        ("/source", "127.0.0.1"),
        ("/principal/scheme", "basic"),
        ("/principal/name", "admin"),
        ("/principal/roles/0", "admin"),
        ("/operation", "node:update"),
        ("/resource/type", "Node"),
        ("/resource/id", "node-1"),
        ("/microversion", "1.80"),
        ("/query/0", "reset_interfaces"),
        ("/query_values/reset_interfaces", "true"),
        ("/writes/0/op", "replace"),
        ("/writes/0/path", "/driver"),
        ("/writes/0/value/string", "redfish"),
        ("/writes/1/op", "remove"),
        ("/writes/1/path", "/extra/a"),
        ("/mode", "enforce"),
        ("/decision", "permit"),
        ("/outcome", "complete"),
    ] {
        assert_eq!(record.pointer(pointer).and_then(|value| value.as_str()), Some(expected), "{pointer} in {record}");
    }
    assert_eq!(record["status"], 200);
    assert_eq!(record["upstream_status"], 200);
    assert_eq!(record["masked"], 1);
    assert_eq!(record["request_id"].as_str(), answer.header("x-openstack-request-id").as_deref());
    assert_eq!(record["request_id"].as_str(), answer.header("openstack-request-id").as_deref());
    assert!(!record["policies"].as_array().unwrap().is_empty());
    assert_eq!(record["revision"].as_str().unwrap().len(), 32);
}

#[test]
fn refusals_are_recorded_with_stage_and_code() {
    let ironic = FakeIronic::plain();
    let irongate = Irongate::start(&ironic, "");
    type Row<'a> = (&'a str, &'a str, &'a str, &'a str, Option<&'a str>, u16, &'a str);
    let rows: [Row<'_>; 7] = [
        ("auditor", "DELETE", "/v1/nodes/n", "", None, 403, "authorize"),
        ("", "GET", "/v1/nodes", "", None, 401, "authorize"),
        ("admin", "GET", "/v1/nodes//n", "", None, 400, "route"),
        ("admin", "GET", "/v1/unknown", "", None, 404, "route"),
        (
            "admin",
            "PUT",
            "/v1/nodes/n/states/power",
            "",
            Some(r#"{"target": "power on", "target": "x"}"#),
            400,
            "validate",
        ),
        ("admin", "GET", "/v1/nodes", "X_Roles: admin\r\n", None, 400, "framing"),
        ("nobody", "GET", "/v1/nodes", "", None, 401, "authenticate"),
    ];
    for (index, (user, method, target, headers, body, status, stage)) in rows.into_iter().enumerate() {
        let answer = irongate.ask_with(user, method, target, headers, body);
        assert_eq!(answer.status, status, "{method} {target}: {answer:?}");
        let record = &irongate.records(index + 1)[index];
        assert_eq!(record["stage"], stage, "{record}");
        assert_eq!(record["reason"].as_str(), Some(answer.code().as_str()), "{record}");
        assert_eq!(record["status"], status);
        assert_eq!(record["outcome"], "complete");
        if status == 403 {
            assert_eq!(answer.json()["irongate"]["rule"], "default-deny");
            assert!(answer.faultstring().starts_with("node:delete is denied by default-deny"), "{answer:?}");
        }
    }
    assert!(ironic.arrived().is_empty());
}

#[test]
fn what_is_not_http_is_recorded_too() {
    let ironic = FakeIronic::plain();
    let irongate = Irongate::start(&ironic, "");
    send(irongate.address, b"GET /v1 SMTP/9\r\n\r\n");
    let record = &irongate.records(1)[0];
    assert_eq!(record["stage"], "framing");
    assert_eq!(record["reason"], "malformed");
}

#[test]
fn a_caller_that_goes_away_is_recorded() {
    let ironic = FakeIronic::start(|_| {
        pause(std::time::Duration::from_millis(500));
        json("200 OK", "{}")
    });
    let irongate = Irongate::start(&ironic, "");
    let credential = basic("admin", PASSWORD);

    // In the middle of its own body.
    let mut stream = TcpStream::connect(irongate.address).unwrap();
    let head = format!(
        "PATCH /v1/nodes/n HTTP/1.1\r\nHost: h\r\n{credential}Content-Type: application/json\r\nContent-Length: 100\r\n\r\n["
    );
    stream.write_all(head.as_bytes()).unwrap();
    pause(std::time::Duration::from_millis(100));
    drop(stream);
    let record = &irongate.records(1)[0];
    assert_eq!(record["operation"], "node:update");
    assert_ne!(record["outcome"], serde_json::Value::Null);

    // While Ironic works.
    let mut stream = TcpStream::connect(irongate.address).unwrap();
    stream.write_all(format!("GET /v1/nodes HTTP/1.1\r\nHost: h\r\n{credential}\r\n").as_bytes()).unwrap();
    pause(std::time::Duration::from_millis(150));
    drop(stream);
    let record = &irongate.records(2)[1];
    assert_eq!(record["operation"], "node:list");
    assert_eq!(record["outcome"], "aborted", "{record}");
}

#[test]
fn a_dead_ironic_is_recorded() {
    let irongate = Irongate::at("unix:/nonexistent/ironic.sock", "");
    let answer = irongate.ask("admin", "GET", "/v1/nodes", None);
    assert_eq!(answer.status, 502);
    assert_eq!(answer.code(), "upstream_unreachable");
    let record = &irongate.records(1)[0];
    assert_eq!(record["decision"], "permit");
    assert_eq!(record["stage"], "forward");
    assert_eq!(record["reason"], "upstream_unreachable");
    assert_eq!(record["status"], 502);
}

/// A record without a field that policies look at could not be decided about again.
#[test]
fn the_schema_names_every_field_that_a_record_has() {
    let ironic = FakeIronic::plain();
    let irongate = Irongate::start(&ironic, "mode = \"shadow\"");
    let rows: [(&str, &str, &str, Option<&str>); 4] = [
        (
            "auditor",
            "PATCH",
            "/v1/nodes/n",
            Some(r#"[{"op": "add", "path": "/driver_info/deploy_kernel", "value": "https://u:p@h.example/k"}]"#),
        ),
        (
            "admin",
            "PUT",
            "/v1/nodes/n/states/provision",
            Some(r#"{"target": "clean", "clean_steps": [{"interface": "deploy", "step": "erase", "args": {"n": 3}}]}"#),
        ),
        ("admin", "PUT", "/v1/nodes/n/traits/CUSTOM_A", None),
        ("admin", "GET", "/v1/nodes?provision_state=active&fields=uuid,name&limit=3", None),
    ];
    for (user, method, target, body) in rows {
        irongate.ask(user, method, target, body);
    }
    let records = irongate.records(4);
    let (driver, clean, traits, list) = (&records[0], &records[1], &records[2], &records[3]);
    assert_eq!(driver["writes"][0]["value"]["url"]["host"], "h.example", "{driver}");
    assert_eq!(driver["would_be"]["decision"], "deny");
    assert_eq!(clean["writes"][0]["value"]["string"], "clean", "{clean}");
    assert_eq!(clean["writes"][4]["argument"], "n", "{clean}");
    assert_eq!(traits["parameters"]["trait"], "CUSTOM_A", "{traits}");
    assert_eq!(list["query_values"]["fields"], serde_json::json!(["uuid", "name"]), "{list}");
    assert_eq!(list["query_values"]["provision_state"], "active");
    for record in &records {
        let read = irongate::audit::read::RecordLine::parse(record.to_string().as_bytes()).unwrap();
        assert_eq!(read.operation.as_deref(), record["operation"].as_str());
        assert!(read.is_complete());
    }
}
