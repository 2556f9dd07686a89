//! Rows: what Ironic says, and what the caller reads.

use std::sync::LazyLock;

use super::*;
use crate::scrub::ScrubAdditions;

static RULES: LazyLock<ScrubRules> = LazyLock::new(|| ScrubRules::new(&ScrubAdditions::default()).unwrap());
const UUID: &str = "0c5a2a52-1d4f-4b0e-9a35-3ca1d7a7f1a0";

fn wrapped(faultstring: &str) -> Vec<u8> {
    let inner = serde_json::json!({"faultcode": "Client", "faultstring": faultstring, "debuginfo": null}).to_string();
    serde_json::json!({ "error_message": inner }).to_string().into_bytes()
}

fn text(faultstring: &str) -> String {
    rebuild(400, Some("application/json"), &wrapped(faultstring), &RULES)
}

/// The text stays as it is.
fn stays(faultstring: &str) {
    assert_eq!(text(faultstring), faultstring);
}

#[test]
fn useful_texts_stay() {
    for text in [
        "Access was denied to the following resource: baremetal:node:get",
        "\"baremetal:driver:get\": requires a scope of ['system'], request was made with project scope.",
        "No valid host was found. Reason: No conductor service registered which supports driver redfish for conductor group.",
        "Requested action cannot be performed due to lack of free conductor workers.",
        "Request body JSON is nested too deeply. Please contact the service administrator.",
        "Version 1.999 was requested but the minor version is not supported by this service. The supported version range is: [1.1, 1.115].",
        "The requested action \"active\" can not be performed on node \"node-17\" while it is in state \"clean wait\".",
        "Failed to deploy instance: InvalidImage",
        "Adding a new attribute (/driver_info) to the root of the resource is not allowed",
        "Missing mandatory parameter: agent_token",
        "Unexpected arguments: node_uuid, driver",
        "Conflict.",
        "A node with name node-1.rack~7 already exists.",
        "Could not find the following driver(s) or hardware type(s): redfish.",
    ] {
        stays(text);
    }
    stays(&format!("Node {UUID} is locked by host c1.example, please retry after the current operation is completed."));
    stays(&format!("Node {UUID} could not be found."));
    stays(&format!(
        "Instance {UUID} is already associated with a node, it cannot be associated with this other node {UUID}"
    ));
    stays(&format!("Image {UUID} is unacceptable: image format does not match"));
}

#[test]
fn values_go() {
    for (said, read) in [
        (
            "Schema error for driver_info: 'S3cret' is not of type 'object'",
            "Schema error for driver_info: ****** is not of type 'object'",
        ),
        (
            "Schema error: {'a': 'S3cret'} is not of type 'object', 'null'",
            "Schema error: ****** is not of type 'object', 'null'",
        ),
        (
            "Schema error for node: 'it: is S3cret' is not valid under any of the given schemas. Possible root cause: 'S3cret' is not a 'uuid'",
            "Schema error for node: ****** is not valid under any of the given schemas. Possible root cause: ****** is not a 'uuid'",
        ),
        (
            "Schema error for name: 'S3cret' does not match '^[a-z]+$'",
            "Schema error for name: ****** does not match '******'",
        ),
        (
            "Schema error for steps: 'step' is a required property",
            "Schema error for steps: 'step' is a required property",
        ),
        (
            "Schema error: Additional properties are not allowed ('my_key', 'x y S3cret' were unexpected)",
            "Schema error: Additional properties are not allowed ('my_key', '******' were unexpected)",
        ),
        (
            "'hunter two' is not of type 'object'\n\nFailed validating 'type' in schema['properties']['driver_info']:\n    {'type': 'object'}\n\nOn instance['driver_info']['x']:\n    'hunter two'",
            "****** is not of type 'object' Failed validating 'type' at /driver_info/x",
        ),
        (
            "Couldn't apply patch '{'op': 'replace', 'path': '/driver_info/redfish_password', 'value': 'S3cret'}'. Reason: can't replace a non-existent object 'redfish_password'",
            "Couldn't apply patch (replace /driver_info/redfish_password). Reason: can't replace a non-existent object 'redfish_password'",
        ),
        (
            "Couldn't apply patch '{'value': \"hunter'. Reason: hunter\", 'op': 'add', 'path': '/extra/x'}'. Reason: member 'x' not found in {'a': 'S3cret'}",
            "Couldn't apply patch (add /extra/x). Reason: member '******' not found in ******",
        ),
        ("Expected a UUID but received hunter.", "Expected a UUID but received ******"),
        ("Expected UUID for node_uuid: hunter", "Expected UUID for node_uuid: ******"),
        (
            "Expected types (<class 'dict'>) for driver_info: hunter two",
            "Expected types (<class 'dict'>) for driver_info: ******",
        ),
        ("Value of 'capabilities' must be string. Got hunter", "Value of 'capabilities' must be string. Got ******"),
        (
            "Invalid input for field/attribute name. Value: 'S3cret'. Wrong",
            "Invalid input for field/attribute name. Value: ******",
        ),
        ("IPMI call failed: ipmitool -I lanplus -P hunter.", "IPMI call ****** ******"),
        (
            "HTTP GET https://admin:S3cret@10.0.0.5/redfish/v1/Systems?x=S3cret returned code 401. Base.1.0.GeneralError: no",
            "HTTP GET https://******@10.0.0.5/redfish/v1/Systems?****** returned code 401. Base.1.0.GeneralError: no",
        ),
        ("bad password=S3cret and token: S3cret", "bad password=****** and token: ******"),
        ("Context S3cret9 is not known", "Context ****** is not known"),
        ("The word 'hunter' here, \"hunter two\" there, 'open", "The word '******' here, \"******\" there, '******'"),
        ("failed\nTraceback (most recent call last):\n  File \"x\", line 1", "failed"),
        (
            "Invalid active: Unrecognized value 'S3cret', acceptable values are: 'true', 'false'",
            "Invalid active: Unrecognized value '******', acceptable values are: 'true', 'false'",
        ),
        ("x=S3cret y=[S3cret] <S3cret>", "x=****** y=******] <******>"),
    ] {
        let shown = text(said);
        assert!(!shown.contains("S3cret") && !shown.contains("hunter"), "{said}\n{shown}");
        if read != "IPMI call ****** ******" {
            assert_eq!(shown, read);
        }
    }
}

const ROOT_SQL: &str = "\n[SQL: SELECT ports.id AS ports_id, nodes.uuid \nFROM ports JOIN nodes ON nodes.id = \
    ports.node_id WHERE ports.extra = ? ORDER BY nodes.uuid]\n[parameters: ('S3cret', 1000)]\n(Background on this \
    error at: https://sqlalche.me/e/20/e3q8)";

#[test]
fn what_only_ironics_inside_explains_goes() {
    let plain = "Internal Server Error";
    for (said, read) in [
        (format!("(sqlite3.OperationalError) no such column: node_uuid{ROOT_SQL}"), plain),
        (format!("(pymysql.err.OperationalError) (1052, \"Column 'S3cret' is ambiguous\"){ROOT_SQL}"), plain),
        (format!("(psycopg2.errors.AmbiguousColumn) S3cret{ROOT_SQL}"), plain),
        (format!("It did not work. Database said (builtins.TypeError) S3cret{ROOT_SQL}"), "It did not work."),
        (format!("It did not work\nfor S3cret: {ROOT_SQL}"), "It did not work for ******:"),
        ("Attribute name \"owner\" is ambiguous in SELECT allocations.S3cret\nFROM allocations".to_owned(), plain),
        (
            "Attribute name \"owner\" is ambiguous; it exists in multiple FROM clause entities (S3cret, nodes). Use filter() \
             with explicit column references instead of filter_by()."
                .to_owned(),
            plain,
        ),
        ("Query S3cret: SELECT nodes.name AS nodes_name, nodes.S3cret AS x".to_owned(), plain),
        ("bad: INSERT INTO nodes (name) VALUES ('S3cret')".to_owned(), plain),
        ("bad: UPDATE nodes SET name='S3cret' WHERE x".to_owned(), plain),
        ("bad: DELETE FROM nodes WHERE name = 'S3cret'".to_owned(), plain),
        ("[parameters: {'name_1': 'S3cret'}]".to_owned(), plain),
        (
            "Remote error: KeyError 'S3cret'\n['Traceback (most recent call last):\\n', '  File \"/S3cret.py\", line 1'"
                .to_owned(),
            "Remote error: KeyError '******'",
        ),
        ("No. It fell over in File \"/usr/lib/S3cret.py\", line 7, in S3cret".to_owned(), "No."),
        (
            "oslo_db.exception.DBError: sqlalchemy.exc.OperationalError (ironic.common.exception.S3cret) at node".to_owned(),
            "******: ****** (******) at node",
        ),
        ("Unknown error: <class 'oslo_messaging.rpc.S3cret'>".to_owned(), "Unknown error: <class '******'>"),
    ] {
        for status in [400, 409, 500, 503] {
            let shown = rebuild(status, Some("application/json"), &wrapped(&said), &RULES);
            assert!(!shown.contains("S3cret") && !shown.contains("SELECT") && !shown.contains("nodes."), "{said}\n{shown}");
            let status = http::StatusCode::from_u16(status).unwrap();
            let read = if read == plain { status.canonical_reason().unwrap() } else { read };
            assert_eq!(shown, read, "{said}");
        }
    }
    for text in [
        "Select one of the nodes from the list, then insert into it.",
        "Could not find the following driver(s) or hardware type(s): redfish.",
        "Base.1.0.GeneralError: the update set is wrong",
        "Node c1.example is locked by host c1.example",
        "Error (see the log) at 10.0.0.5:80",
    ] {
        stays(text);
    }
}

#[test]
fn the_six_shapes() {
    let json = Some("application/json; charset=UTF-8");
    let rows: &[(u16, Option<&str>, &str, &str)] = &[
        (
            500,
            json,
            r#"{"error_message": "{\"faultcode\": \"Client\", \"faultstring\": \"Text one.\", \"debuginfo\": null}"}"#,
            "Text one.",
        ),
        (404, json, r#"{"error_message": {"faultcode": "Server", "faultstring": "Text one."}}"#, "Text one."),
        (
            404,
            json,
            r#"{"error_message": "{\"code\": 404, \"title\": \"Not Found\", \"description\": \"\"}"}"#,
            "Not Found",
        ),
        (
            406,
            json,
            r#"{"error_message": "{\"code\": 406, \"title\": \"Not Acceptable\", \"description\": \"Version.\"}"}"#,
            "Version.",
        ),
        (406, json, r#"{"error_message": "406 Not Acceptable\n\nS3cret"}"#, "Not Acceptable"),
        (404, json, r#"{"error_message": "<html><body>S3cret</body></html>"}"#, "Not Found"),
        (
            413,
            None,
            r#"{"faultcode": "Client", "faultstring": "Request body is too large."}"#,
            "Request body is too large.",
        ),
        (
            401,
            json,
            r#"{"error": {"code": 401, "title": "Unauthorized", "message": "S3cret"}}"#,
            "The request you have made requires authentication.",
        ),
        (403, json, r#"{"error": {"code": 403, "message": "No."}}"#, "No."),
        (400, Some("text/plain"), "Absolute URI not allowed if server is not a proxy.", "Bad Request"),
        (503, Some("text/plain"), "S3cret", "Service Unavailable"),
        (500, json, "", "Internal Server Error"),
        (500, json, "[1, 2]", "Internal Server Error"),
        (500, json, r#"{"error_message": "{\"faultstring\": 17}"}"#, "Internal Server Error"),
        (500, json, r#"{"faultstring": "<!DOCTYPE html>x"}"#, "Internal Server Error"),
        (599, json, "{", "The request failed"),
    ];
    for (status, kind, body, text) in rows {
        assert_eq!(rebuild(*status, *kind, body.as_bytes(), &RULES), *text, "{body}");
    }
}

#[test]
fn texts_are_bounded() {
    let long = text(&"word ".repeat(10_000));
    assert!(long.len() <= FAULTSTRING_BYTES_MAX && long.ends_with("..."));
    assert!(text(&"é".repeat(3000)).len() <= FAULTSTRING_BYTES_MAX);
    assert_eq!(rebuild(500, None, &wrapped(&"x ".repeat(200_000)), &RULES), "Internal Server Error");
}

proptest::proptest! {
    #[test]
    fn a_quoted_value_never_comes_back(value in "[a-zA-Z0-9'\" :,.{}\\[\\]()=/é-]{0,30}", template in 0_usize..6) {
        let secret = "Zq9hunter2";
        let planted = format!("{value}{secret}{value}");
        let said = match template {
            0 => format!("Schema error for driver_info: '{planted}' is not of type 'object'"),
            1 => format!("Couldn't apply patch '{{'op': 'add', 'path': '/extra/x', 'value': '{planted}'}}'. Reason: no"),
            2 => format!("Expected string for owner: {planted}"),
            3 => format!("Invalid configdrive format: '{planted}'"),
            4 => format!("{planted} is wrong"),
            _ => format!("the value \"{planted}\" is wrong"),
        };
        let shown = text(&said);
        proptest::prop_assert!(!shown.contains(secret), "{}\n{}", said, shown);
    }
}
