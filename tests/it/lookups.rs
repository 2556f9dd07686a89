//! What look-ups cost, and what they tell: who is denied anyway makes none, and a hidden object is as a missing one.

use crate::attributes::{MINE, THEIRS, check, lookups, start, world};
use crate::support::client::basic;
use crate::support::{Answer, FakeIronic, Irongate, PASSWORD, json, send};

const HIDING: &str = r#"
@id("all") permit (principal in Role::"operator", action, resource);
@id("hide") @conceal forbid (principal in Role::"operator", action, resource is Node)
when { resource has owner } unless { resource.owner == principal.name };
"#;

#[test]
fn nobody_whom_no_policy_permits_makes_irongate_ask() {
    let ironic = FakeIronic::start(world);
    let policies = r#"
        permit (principal in Role::"operator", action, resource);
        forbid (principal, action, resource is Node) when { resource has protected && resource.protected };
    "#;
    let irongate = start(&ironic, policies, "", "");
    for (user, request, status) in [
        ("", "GET /v1/nodes/mine", 401),
        ("", "DELETE /v1/nodes/nowhere", 401),
        ("auditor", "GET /v1/nodes/mine", 403),
        ("auditor", "GET /v1/nodes/broken", 403),
    ] {
        check(&irongate, user, request, None, status);
    }
    assert_eq!(ironic.arrived().len(), 0);
    check(&irongate, "operator", "GET /v1/nodes/mine", None, 200);
    assert_eq!(lookups(&ironic), 1);
}

#[test]
fn look_ups_are_held_to_the_callers_rate() {
    let ironic = FakeIronic::start(world);
    let rate = "limits = { class.read = { rate_per_minute = 1, burst = 2 } }";
    let policies = "permit (principal is Principal, action, resource is Node)
        when { resource has owner && resource.owner == principal.name };";
    let irongate = start(&ironic, policies, "resource_cache_seconds = 0", rate);
    for node in ["theirs", "nowhere"] {
        check(&irongate, "operator", &format!("GET /v1/nodes/{node}"), None, 403);
    }
    assert_eq!(lookups(&ironic), 2);
    for node in ["theirs", "nowhere", "mine"] {
        check(&irongate, "operator", &format!("GET /v1/nodes/{node}"), None, 429);
    }
    assert_eq!(lookups(&ironic), 2);
    // What is decided without a look-up and denied takes no token, as before.
    for _ in 0..3 {
        check(&irongate, "admin", "GET /v1/chassis", None, 403);
    }
}

/// What the caller sees of a request about a hidden node and about one that does not exist, but for the name.
fn told(irongate: &Irongate, method: &str, rest: &str, headers: &str, body: Option<&str>) -> [(u16, String); 2] {
    ["theirs", "gone-1"].map(|node| {
        let Answer { status, body, .. } =
            irongate.ask_with("operator", method, &format!("/v1/nodes/{node}{rest}"), headers, body);
        (status, body.replace(node, "NODE"))
    })
}

#[test]
fn a_hidden_node_cannot_be_told_from_a_missing_one() {
    let ironic = FakeIronic::start(world);
    let irongate = start(&ironic, HIDING, "", "");
    let patch = r#"[{"op": "add", "path": "/extra/a", "value": 1}]"#;
    for (method, rest, headers, body) in [
        ("GET", "", "", None),
        ("DELETE", "", "", None),
        ("PATCH", "", "", Some(patch)),
        ("PATCH", "", "", Some("[]x")),
        ("PATCH", "", "", Some("{}")),
        ("PATCH", "", "", Some(r#"[{"op": "add", "path": "/no_such_field", "value": 1}]"#)),
        ("PATCH", "", "Expect: 100-continue\r\n", Some("[]x")),
        ("PUT", "/states/power", "", Some(r#"{"target": 1}"#)),
        ("GET", "/states", "", None),
    ] {
        let [hidden, missing] = told(&irongate, method, rest, headers, body);
        assert_eq!(hidden, missing, "{method} {rest} {body:?}");
        assert_eq!(hidden.0, 404, "{method} {rest} {body:?}");
    }
    // Nothing of all this reached Ironic but the look-ups, and the caller's own node is there.
    assert_eq!(ironic.arrived().len(), lookups(&ironic));
    check(&irongate, "operator", "PATCH /v1/nodes/mine", Some("[]x"), 400);
    check(&irongate, "operator", &format!("PATCH /v1/nodes/{MINE}"), Some(patch), 200);
    let record = irongate.records(1).remove(0);
    assert_eq!((&record["decision"], &record["policies"][0]), (&"deny".into(), &"hide".into()));
}

#[test]
fn a_node_that_a_write_names_is_not_told_from_a_missing_one() {
    let ironic = FakeIronic::start(world);
    let parent = |node: &str| format!(r#"[{{"op": "add", "path": "/parent_node", "value": "{node}"}}]"#);
    let child = |node: &str| {
        format!(
            r#"{{"target": "clean", "clean_steps": [{{"interface": "power", "step": "reset", "execute_on_child_nodes": true, "limit_child_node_execution": ["{node}"]}}]}}"#
        )
    };
    let owners = r#"
        permit (principal in Role::"operator", action, resource is Node)
        when { resource has owner && resource.owner == principal.name };
    "#;
    let admin = r#"permit (principal in Role::"admin", action, resource);"#;
    for (policies, status) in [(HIDING, 404), (owners, 403)] {
        let irongate = start(&ironic, &format!("{policies}{admin}"), "", "");
        for (request, body) in [
            ("PATCH /v1/nodes/mine", &parent as &dyn Fn(&str) -> String),
            ("PUT /v1/nodes/mine/states/provision", &child),
        ] {
            let mut told = Vec::new();
            let names = if request.starts_with("PATCH") { &["theirs", "gone-1"][..] } else { &[] };
            for node in [THEIRS, "1be26c0b-03f2-4d2e-ae87-c02d7f33c009"].iter().chain(names) {
                let answer = ask_at(&irongate, 115, "operator", request, &body(node));
                assert_eq!(answer.status, status, "{request} {node}: {answer:?}");
                told.push(answer.body);
                // Who may do it to any node hears what Ironic says.
                assert!(matches!(ask_at(&irongate, 115, "admin", request, &body(node)).status, 200 | 202));
            }
            told.dedup();
            assert_eq!(told.len(), 1, "{told:?}");
            assert!(matches!(ask_at(&irongate, 115, "operator", request, &body(MINE)).status, 200 | 202));
        }
    }
}

#[test]
fn a_rate_does_not_tell_a_hidden_node_from_a_missing_one() {
    let rate = "limits = { class.read = { rate_per_minute = 1, burst = 2 } }";
    for node in ["theirs", "gone-1"] {
        let ironic = FakeIronic::start(world);
        let irongate = start(&ironic, HIDING, "", rate);
        for status in [404, 404, 429] {
            check(&irongate, "operator", &format!("GET /v1/nodes/{node}"), None, status);
        }
    }
}

#[test]
fn every_attribute_that_policies_read_is_decided_at_both_places() {
    let ironic = FakeIronic::start(|request| {
        let node = format!(
            r#"{{"uuid": "{MINE}", "name": "mine", "driver": "ipmi", "resource_class": "small", "protected": false, "retired": false,
                "properties": {{"rack": "r1", "n": 4}}}}"#
        );
        json("200 OK", if request.line.contains("/nodes/") { &node } else { "{}" })
    });
    let patch = |path: &str, value: &str| format!(r#"[{{"op": "add", "path": "{path}", "value": {value}}}]"#);
    for (condition, path, denied, permitted) in [
        (r#"resource has driver && resource.driver == "ipmi""#, "/driver", r#""redfish""#, r#""ipmi""#),
        (
            r#"resource has resource_class && resource.resource_class == "small""#,
            "/resource_class",
            r#""big""#,
            r#""small""#,
        ),
        (r#"!(resource has instance_uuid)"#, "/instance_uuid", r#""1be26c0b-03f2-4d2e-ae87-c02d7f33c009""#, "null"),
        (r#"resource has name && resource.name like "m*""#, "/name", r#""other""#, r#""Moved""#),
        (r#"resource == Node::"mine""#, "/name", r#""other""#, r#""mine""#),
        (r#"resource has protected && !resource.protected"#, "/protected", "true", "false"),
        (r#"resource has retired && !resource.retired"#, "/retired", "true", "false"),
        (r#"resource.hasTag("rack") && resource.getTag("rack") == "r1""#, "/properties/rack", r#""r2""#, r#""r1""#),
        (r#"resource.hasTag("rack") && resource.getTag("rack") == "r1""#, "/properties", "{}", r#"{"rack": "r1"}"#),
    ] {
        let policies = format!(
            "permit (principal is Principal, action, resource is Node)
             when {{ {condition} }};"
        );
        let irongate = start(&ironic, &policies, "", "");
        check(&irongate, "operator", "PATCH /v1/nodes/mine", Some(&patch(path, denied)), 403);
        check(&irongate, "operator", "PATCH /v1/nodes/mine", Some(&patch(path, permitted)), 200);
        check(&irongate, "operator", "PATCH /v1/nodes/mine", Some(&patch("/extra/a", "1")), 200);
    }
}

#[test]
fn a_request_names_only_so_many_nodes() {
    let ironic = FakeIronic::start(world);
    let policies = r#"
        permit (principal is Principal, action == Action::"allocation:create", resource);
        permit (principal is Principal, action == Action::"allocation:create:write", resource)
        when { !(context.write has target) };
    "#;
    let irongate = start(&ironic, policies, "", "");
    let body = |count: usize| {
        let nodes: Vec<String> = (0..count).map(|number| format!("\"gone-{number}\"")).collect();
        format!(r#"{{"resource_class": "x", "candidate_nodes": [{}]}}"#, nodes.join(", "))
    };
    check(&irongate, "operator", "POST /v1/allocations", Some(&body(64)), 201);
    assert_eq!(lookups(&ironic), 64);
    let answer = check(&irongate, "operator", "POST /v1/allocations", Some(&body(65)), 503);
    assert_eq!(answer.code(), "resource_unavailable");
    assert_eq!(lookups(&ironic), 64);
    // Where no policy reads them they are not looked up, and may be many.
    let irongate = start(&ironic, "permit (principal is Principal, action, resource);", "", "");
    check(&irongate, "operator", "POST /v1/allocations", Some(&body(65)), 201);
    assert_eq!(lookups(&ironic), 64);
}

#[test]
fn a_request_leaves_a_node_with_only_so_many_properties() {
    // The node has two that policies see.
    let ironic = FakeIronic::start(world);
    let members = |count: usize| (0..count).map(|key| format!(r#""k{key}": 1"#)).collect::<Vec<_>>().join(", ");
    let whole = |count| format!(r#"[{{"op": "add", "path": "/properties", "value": {{{}}}}}]"#, members(count));
    let each = |count: usize| {
        let write = |key: usize| format!(r#"{{"op": "add", "path": "/properties/k{key}", "value": 1}}"#);
        format!("[{}]", (0..count).map(write).collect::<Vec<_>>().join(", "))
    };
    let frozen =
        |count| format!(r#"[{{"op": "add", "path": "/properties", "value": {{"frozen": 1, {}}}}}]"#, members(count));
    let reading = r#"
        @id("all") permit (principal is Principal, action, resource);
        @id("frozen") forbid (principal, action, resource is Node) when { resource.hasTag("frozen") };
        @id("fields") forbid (principal, action == Action::"node:update:write", resource)
        when { context.write.field == "properties" && context.write.key == "never" };
    "#;
    let irongate = start(&ironic, reading, "", "");
    for (body, status) in [
        (whole(256), 200),
        (whole(257), 503),
        (whole(19_000), 503),
        (each(254), 200),
        (each(255), 503),
        (each(1000), 503),
        (frozen(200), 403),
        (frozen(256), 503),
    ] {
        let answer = check(&irongate, "operator", "PATCH /v1/nodes/mine", Some(&body), status);
        if status == 503 {
            assert_eq!(answer.code(), "resource_unavailable");
        }
    }
    // What only is tried out changes nothing for policies that read other attributes.
    let owners = r#"
        permit (principal is Principal, action, resource is Node)
        when { resource has owner && resource.owner == principal.name };
        @id("frozen") @mode("shadow") forbid (principal, action, resource is Node) when { resource.hasTag("frozen") };
    "#;
    let irongate = start(&ironic, owners, "", "");
    check(&irongate, "operator", "PATCH /v1/nodes/mine", Some(&whole(300)), 200);
    let give = r#"{"op": "add", "path": "/owner", "value": "admin"}"#;
    let both = whole(300).replacen('[', &format!("[{give}, "), 1);
    check(&irongate, "operator", "PATCH /v1/nodes/mine", Some(&both), 403);
}

/// A request at another microversion than the usual one.
fn ask_at(irongate: &Irongate, minor: u16, user: &str, request: &str, body: &str) -> Answer {
    let length = match body.len() {
        0 => String::new(),
        length => format!("Content-Type: application/json\r\nContent-Length: {length}\r\n"),
    };
    let request = format!(
        "{request} HTTP/1.1\r\nHost: irongate.test\r\nConnection: close\r\n{}X-OpenStack-Ironic-API-Version: 1.{minor}\r\n{length}\r\n{body}",
        basic(user, PASSWORD)
    );
    send(irongate.address, request.as_bytes())
}

/// An Ironic up to `newest` with one node called `my_node`, which takes names that are no host names since 1.10.
fn with_odd_name(newest: u16) -> FakeIronic {
    FakeIronic::start(move |request| {
        let minor = request.header("x-openstack-ironic-api-version").and_then(|text| text.split_once('.'));
        let minor: u16 = minor.map_or(1, |(_, minor)| minor.parse().unwrap());
        let answer = match request.line.split([' ', '?']).nth(1).unwrap() {
            "/v1/nodes/my_node" if minor < 10 => json("400 Bad Request", "{}"),
            "/v1/nodes/odd-fields" if request.line.contains("fields=") => json("400 Bad Request", "{}"),
            path if path.ends_with(MINE) && request.line.contains("fields=") => json("400 Bad Request", "{}"),
            _ => json("200 OK", &format!(r#"{{"uuid": "{MINE}", "name": "my_node", "driver": "ipmi"}}"#)),
        };
        String::from_utf8(answer).unwrap().replace("1.115", &format!("1.{newest}")).into_bytes()
    })
}

#[test]
fn every_name_that_a_node_can_have_is_looked_up() {
    for condition in [r#"resource.hasTag("rack")"#, r#"resource has driver && resource.driver == "redfish""#] {
        let ironic = with_odd_name(115);
        let policies = format!(
            "permit (principal is Principal, action, resource);
             forbid (principal, action, resource is Node) when {{ {condition} }};
             forbid (principal, action, resource == Node::\"theirs\");"
        );
        let irongate = start(&ironic, &policies, "", "");
        check(&irongate, "operator", "GET /v1/nodes/my_node", None, 200);
        assert_eq!(lookups(&ironic), 1, "{condition}");
    }
}

#[test]
fn what_an_old_ironic_takes_for_no_name_is_a_node_that_is_not_there() {
    let ironic = with_odd_name(9);
    let policies = r#"
        permit (principal in Role::"operator", action, resource);
        permit (principal in Role::"admin", action, resource) when { resource has driver };
        forbid (principal, action, resource is Node) when { resource has driver && resource.driver == "ipmi" };
    "#;
    let irongate = start(&ironic, policies, "", "");
    let ask = |user: &str, path: &str| ask_at(&irongate, 9, user, &format!("GET {path}"), "");
    // It tells the highest microversion, which the probe may not have asked for yet.
    assert_eq!(ask("operator", "/v1").status, 200);
    assert_eq!(ask("operator", "/v1/nodes/my_node").status, 400);
    assert_eq!(ask("admin", "/v1/nodes/my_node").status, 403);
    // It must not be the fields, nor a UUID, that Ironic does not like: a forbid might read them.
    for node in ["odd-fields", MINE] {
        let answer = ask("operator", &format!("/v1/nodes/{node}"));
        assert_eq!((answer.status, answer.code().as_str()), (503, "resource_unavailable"), "{node}");
    }
}

#[test]
fn a_policy_for_one_caller_says_nothing_to_others() {
    let ironic = FakeIronic::start(world);
    let policies = r#"
        permit (principal in Role::"admin", action, resource);
        permit (principal == Principal::"basic:auditor", action, resource);
        @id("auditor") @conceal forbid (principal == Principal::"basic:auditor", action, resource is Node) unless { resource has owner };
        @id("nobody") @conceal forbid (principal in Principal::"jwt:admin", action, resource is Node) unless { resource has owner };
        permit (principal is Principal in Principal::"basic:operator", action == Action::"node:get", resource == Node::"mine");
    "#;
    let irongate = start(&ironic, policies, "", "");
    // A missing node is Ironic's to tell, and nothing of it is looked up.
    check(&irongate, "admin", "GET /v1/nodes/nowhere", None, 404);
    check(&irongate, "admin", "GET /v1/nodes/mine", None, 200);
    check(&irongate, "operator", "GET /v1/nodes/mine/states", None, 403);
    assert_eq!((irongate.records(1)[0]["decision"].as_str(), lookups(&ironic)), (Some("permit"), 0));
    for node in ["mine", MINE] {
        check(&irongate, "operator", &format!("GET /v1/nodes/{node}"), None, 200);
    }
    check(&irongate, "operator", "GET /v1/nodes/theirs", None, 403);
    check(&irongate, "auditor", "GET /v1/nodes/mine", None, 200);
    check(&irongate, "auditor", "GET /v1/nodes/nowhere", None, 404);
    let record = irongate.records(8).remove(7);
    assert_eq!((&record["decision"], &record["policies"][0]), (&"deny".into(), &"auditor".into()));
}

#[test]
fn what_is_remembered_makes_no_difference_between_spellings() {
    // Its database tells capitals from small letters.
    let ironic = FakeIronic::start(world);
    let policies = "permit (principal is Principal, action, resource is Node)
        when { resource has owner && resource.owner == principal.name };";
    for cold in [true, false] {
        let irongate = start(&ironic, policies, "resource_cache_seconds = 60", "");
        if !cold {
            check(&irongate, "operator", &format!("GET /v1/nodes/{MINE}"), None, 200);
            check(&irongate, "operator", "GET /v1/nodes/mine", None, 200);
        }
        for spelling in [MINE.to_uppercase(), "Mine".to_owned()] {
            check(&irongate, "operator", &format!("GET /v1/nodes/{spelling}"), None, 403);
        }
    }
}
