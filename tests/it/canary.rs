//! Planted secrets are in no answer and in no record.

use crate::support::{FakeIronic, Irongate, PASSWORD, json};

const CANARY: &str = "c4n4ry-7e57";

#[test]
fn no_canary_comes_out() {
    let stored = format!(
        r#"{{"uuid": "u", "driver_info": {{"redfish_password": "{CANARY}", "snmp_community": "{CANARY}",
            "deploy_iso": "https://user:{CANARY}@images.test/x.iso"}}, "instance_info": {{"configdrive": "{CANARY}"}},
            "extra": {{"api_key": "{CANARY}"}}, "last_error": "could not fetch http://u:{CANARY}@h/x"}}"#
    );
    let failure = format!(
        r#"{{"error_message": "{{\"faultcode\": \"Client\", \"faultstring\": \"'{CANARY}' is not of type 'object'\", \"debuginfo\": \"{CANARY}\"}}"}}"#
    );
    let ironic = FakeIronic::start(move |request| match request.line.split(' ').next() {
        Some("GET") => json("200 OK", &stored),
        Some("PUT") => {
            format!("HTTP/1.1 500 Oops\r\nContent-Type: text/html\r\nContent-Length: 11\r\n\r\n{CANARY}").into_bytes()
        }
        _ => json("400 Bad Request", &failure),
    });
    let irongate = Irongate::start(&ironic, "");
    let secret = format!(r#"[{{"op": "add", "path": "/driver_info/redfish_password", "value": "{CANARY}"}}]"#);
    let create = format!(r#"{{"driver": {{"x": "{CANARY}"}}}}"#);
    let target = format!(r#"{{"target": "{CANARY}"}}"#);
    let on = r#"{"target": "power on"}"#;
    let header = format!("X-Auth-Token: {CANARY}\r\n");
    let query = format!("/v1/nodes?unknown={CANARY}");
    let value = format!("/v1/nodes?owner={CANARY}");
    let path = format!("/v1/nodes/a%2F{CANARY}");
    let arrived = || ironic.arrived().len();
    // What irongate answers, with its code or none where it is Ironic's answer, rebuilt; and whether Ironic was asked.
    let rows = [
        ("GET", "/v1/nodes/n", "", None, 200, "", true),
        ("PATCH", "/v1/nodes/n", "", Some(&*secret), 400, "", true),
        ("POST", "/v1/nodes", "", Some(&*create), 400, "wrong_kind", false),
        ("PUT", "/v1/nodes/n/states/power", "", Some(&*target), 400, "not_listed", false),
        ("PUT", "/v1/nodes/n/states/power", "", Some(on), 500, "", true),
        ("GET", "/v1/nodes", &*header, None, 400, "credentials_contradict", false),
        ("GET", &*query, "", None, 400, "unknown_query", false),
        ("GET", &*path, "", None, 400, "path_encoding", false),
        ("GET", &*value, "", None, 200, "", true),
    ];
    let count = rows.len();
    for (method, target, headers, body, status, code, asked) in rows {
        let before = arrived();
        let answer = irongate.ask_with("admin", method, target, headers, body);
        assert!(!answer.body.contains(CANARY), "{method} {target}: {answer:?}");
        assert!(!answer.head.contains(CANARY), "{method} {target}: {answer:?}");
        let found = (answer.status, &*answer.code(), arrived() > before);
        assert_eq!(found, (status, code, asked), "{method} {target} {body:?}: {answer:?}");
    }
    irongate.records(count);
    assert!(!irongate.log().contains(CANARY), "{}", irongate.log());
    assert!(!irongate.log().contains(PASSWORD));
}

#[test]
fn masks_keep_the_shape_of_an_answer() {
    let ironic = FakeIronic::start(|_| {
        json(
            "200 OK",
            r#"{"name": "n", "driver_info": {"redfish_password": "S", "redfish_address": "https://b"}, "extra": {}}"#,
        )
    });
    let irongate = Irongate::start(&ironic, "");
    let answer = irongate.ask("admin", "GET", "/v1/nodes/n", None);
    assert_eq!(
        answer.json(),
        serde_json::json!({"name": "n", "driver_info": {"redfish_password": "******", "redfish_address": "https://b"}, "extra": {}})
    );
}

#[test]
fn a_mask_is_never_stored() {
    let ironic = FakeIronic::plain();
    let irongate = Irongate::start(&ironic, "");
    let body = r#"[{"op": "replace", "path": "/driver_info", "value": {"redfish_password": "******"}}]"#;
    let answer = irongate.ask("admin", "PATCH", "/v1/nodes/n", Some(body));
    assert_eq!(answer.status, 400, "{answer:?}");
    assert_eq!(answer.code(), "mask_as_value");
    assert!(ironic.arrived().is_empty());
}
