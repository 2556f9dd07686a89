//! What becomes of secrets for some roles, end to end.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::support::{FakeIronic, Irongate, json};

const KEY: &str = "0123456789abcdef0123456789abcdef";
const STORED: &str = r#"{"name": "n", "driver_info": {"redfish_password": "S", "a": 1}, "extra": {"api_key": "T"}}"#;

/// What `irongate hmac` prints.
fn hmac(value: &str) -> String {
    let key = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(key.path(), format!("{KEY}\n")).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_irongate"))
        .args(["hmac", "--key-file", key.path().to_str().unwrap()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(value.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn each_role_sees_what_it_may() {
    let ironic = FakeIronic::start(|_| json("200 OK", STORED));
    let key = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(key.path(), KEY).unwrap();
    let policies = tempfile::tempdir().unwrap();
    let policy = "@id(\"operator.bmc\") permit(principal in Role::\"operator\", action == Action::\"secrets:read\", resource) \
                  when { context.field == \"/driver_info/redfish_password\" };";
    std::fs::write(policies.path().join("secrets.cedar"), policy).unwrap();
    let treatments = format!(
        "\n[scrub]\nhmac_key_file = \"{}\"\n\
         [[scrub.role]]\nrole = \"auditor\"\ntreatment = \"hmac\"\nfields = [\"/driver_info/redfish_password\"]\n\
         [[scrub.role]]\nrole = \"auditor\"\ntreatment = \"drop\"\n\
         [[scrub.role]]\nrole = \"operator\"\ntreatment = \"keep\"\nfields = [\"/driver_info/redfish_password\", \"/extra/api_key\"]\n",
        key.path().display()
    );
    let more = policies.path().display().to_string();
    let irongate = Irongate::start_edited(&ironic.endpoint(), |text| {
        text.replace("[policy]\ndirectories = [", &format!("[policy]\ndirectories = [\"{more}\", "))
            .replace("schemes = [", "compression = true\nschemes = [")
            + &treatments
    });
    let hashed = hmac("S\n");
    for (user, expected) in [
        (
            "auditor",
            format!(r#"{{"name": "n", "driver_info": {{"redfish_password": "{hashed}", "a": 1}}, "extra": {{}}}}"#),
        ),
        // One field is permitted, the other is not.
        ("operator", STORED.replace("\"T\"", "\"******\"")),
        // No entry: the mask, though its policy permits everything.
        ("admin", STORED.replace("\"S\"", "\"******\"").replace("\"T\"", "\"******\"")),
    ] {
        let answer = irongate.ask(user, "GET", "/v1/nodes/n", None);
        assert_eq!(answer.body, expected, "{user}");
    }
    // An HMAC is no value.
    let patch = format!(r#"[{{"op": "replace", "path": "/driver_info/redfish_password", "value": "{hashed}"}}]"#);
    let answer = irongate.ask("admin", "PATCH", "/v1/nodes/n", Some(&patch));
    assert_eq!((answer.status, answer.code().as_str()), (400, "mask_as_value"), "{answer:?}");
    assert_eq!(ironic.arrived().len(), 3);
    let records = irongate.records(4);
    assert!(!irongate.log().contains(&hashed), "{records:?}");
}

#[test]
fn an_answer_with_a_kept_secret_is_not_compressed() {
    let long = STORED.replace("\"n\"", &format!("\"{}\"", "n".repeat(5_000)));
    let ironic = FakeIronic::start(move |_| json("200 OK", &long));
    let keep =
        "\n[[scrub.role]]\nrole = \"admin\"\ntreatment = \"keep\"\nfields = [\"/driver_info/redfish_password\"]\n";
    let irongate = Irongate::start_edited(&ironic.endpoint(), |text| {
        text.replace("schemes = [", "compression = true\nschemes = [") + keep
    });
    for (user, compressed, secret) in [("operator", true, false), ("admin", false, true)] {
        let answer = irongate.ask_with(user, "GET", "/v1/nodes/n", "Accept-Encoding: gzip\r\n", None);
        assert_eq!(answer.header("content-encoding").is_some(), compressed, "{user}");
        assert_eq!(answer.body.contains("\"redfish_password\": \"S\""), secret, "{user}");
    }
}
