//! Paths and the forms of a target.

use super::*;

#[test]
fn odd_paths() {
    use RouteError as E;
    refused(
        "GET",
        &["//", "//v1/nodes", "/v1//nodes", "/v1/nodes//n1", "/v1//", "/v1/nodes//", "/v1/nodes/n1//states"],
        &E::EmptySegment,
    );
    refused(
        "GET",
        &[
            "/v1/nodes/n1/",
            "/v1/nodes/n1/?fields=uuid",
            "/v1/nodes/detail/",
            "/v1/nodes/n1/ports/",
            "/v1/lookup/",
            "/healthcheck/",
        ],
        &E::TrailingSlash,
    );
    refused(
        "GET",
        &["/.", "/..", "/v1/.", "/v1/..", "/v1/./nodes", "/v1/nodes/../ports", "/v1/nodes/.", "/../v1/nodes"],
        &E::DotSegment,
    );
    refused(
        "GET",
        &["/v1/nodes;x=1", "/v1;/nodes", "/v1/nodes/n1;a", "/;", "/v1/nodes/n1;/states", "/v1/;"],
        &E::PathSemicolon,
    );
    refused(
        "GET",
        &[
            "/v1/n%6Fdes",
            "/%761/nodes",
            "/v1%2Fnodes",
            "/v1%2fnodes",
            "/v1/nodes%2Fn1",
            "/v1/nodes/%6e1",
            "/v1/nodes/n1%00",
            "/v1/nodes/n1%0A",
            "/v1/nodes/n1%0d%0a",
            "/v1/nodes/n1%20",
            "/v1/nodes/%2e%2e/ports",
            "/v1/nodes/%2E",
            "/v1/nodes/n1%2Ejson",
            "/v1/nodes/n1%2ejson",
            "/v1/nodes/n1%3Bx",
            "/v1/nodes/n1%3F",
            "/v1/nodes/n1%23",
            "/v1/nodes/n1%5C",
            "/v1/nodes/caf%C3%A9",
            "/v1/nodes/%FF",
            "/v1/nodes/%C0%AF",
            "/v1/nodes/n%7e1",
            "/v1/nodes/n%7E1",
            "/v1/nodes/n%25371",
            "/v1/nodes/n%",
            "/v1/nodes/n%4",
            "/v1/nodes/n%zz",
            "/v1/nodes/n%u0041",
            "/v1/nodes/n1%5f",
            "/v1/nodes/power%20on/states/power",
            "/v1/conductors/a%2Fb",
            "/v1/conductors/a%2E",
            "/v1/conductors/%00",
            "/v1/conductors/a%25b",
            "/v1/conductors/a%2540",
            // Encodings that hosts and indicators may have, elsewhere.
            "/v1/nodes/n1%40x",
            "/v1/nodes/n1%3Ax",
            "/v1/nodes/%5Bn1%5D",
            "/v1/drivers/a%40b",
        ],
        &E::PathEncoding,
    );
    refused(
        "GET",
        &[
            "/v1/nodes/a$b",
            "/v1/nodes/a!b",
            "/v1/nodes/a'b",
            "/v1/nodes/(a)",
            "/v1/nodes/a*",
            "/v1/nodes/a+b",
            "/v1/nodes/a=b",
            "/v1/nodes/a&b",
            "/v1/nodes/a|b",
            "/v1/nodes/a\\b",
            "/v1/nodes/a\"b",
            "/v1/nodes/{a}",
            "/v1/nodes/a^b",
            "/v1/nodes/a`b",
            "/v1/nodes/caf\u{e9}",
        ],
        &E::PathCharacter,
    );
    let known = &["/v1/nodes.JSON", "/v1.json", "/.json", "/v1/lookup.xml", "/nodes.json"];
    refused("GET", known, &E::UnknownRoute);
    check("GET", "/v1/nodes/n1.json", Ok("node:get /v1/nodes/n1.json"));
    check("GET", "/v1/nodes/n1.xml", Ok("node:get /v1/nodes/n1.xml"));
    check("GET", "/v1/nodes/n1.json/states", Ok("node:get_states /v1/nodes/n1.json/states"));
    check("GET", "/v1/nodes/n1.jsonx", Ok("node:get /v1/nodes/n1.jsonx"));
}

/// Below 1.91 Ironic cuts `.json` off the end of a path, and finds another object than the one named.
#[test]
fn suffixes_are_cut_off_below_a_microversion() {
    let check = |method: &str, target: &str, version: &str, expected: Result<(), RouteError>| {
        let head = head(method, target, version);
        assert_eq!(find(&head, Ceiling::default()).map(|_| ()), expected, "{method} {target} {version}");
    };
    for (method, target) in [
        ("GET", "/v1/nodes.json"),
        ("GET", "/v1/nodes/n1.json"),
        ("GET", "/v1/nodes/.json"),
        ("GET", "/nodes.json"),
        ("PUT", "/v1/nodes/n1/states/power.json"),
        ("PUT", "/v1/nodes/n1/maintenance.json"),
        ("DELETE", "/v1/nodes/n1.json"),
        ("GET", "/v1/nodes/n1.json/"),
    ] {
        check(method, target, "1.90", Err(RouteError::PathSuffix));
        check(method, target, "", Err(RouteError::PathSuffix));
    }
    check("OPTIONS", "/v1/nodes/n1.json", "1.115", Err(RouteError::PathSuffix));
    check("DELETE", "/v1/nodes/n1.json", "1.91", Ok(()));
    check("DELETE", "/v1/nodes/n1.xml", "1.50", Ok(()));
    check("DELETE", "/v1/nodes/n1.JSON", "1.50", Ok(()));
    check("GET", "/v1/nodes/n1.json/states", "1.50", Ok(()));
}

#[test]
fn unknown_paths() {
    use RouteError as E;
    refused(
        "GET",
        &[
            "/nodes",
            "/nodes/n1",
            "/nodes/n1/states",
            "/lookup",
            "/chassis",
            "/drivers/ipmi/properties",
            "/volume/targets",
        ],
        &E::UnversionedPath,
    );
    check("PUT", "/nodes/n1/states/power", Err(E::UnversionedPath));
    check("POST", "/heartbeat/n1", Err(E::UnversionedPath));
    refused(
        "GET",
        &[
            "/V1",
            "/V1/nodes",
            "/v1/Nodes",
            "/v1/NODES/n1",
            "/v2",
            "/v2/nodes",
            "/v1/v1",
            "/v1/foo",
            "/v1.0/nodes",
            "/healthcheck/x",
            "/foo",
            "/v1/inspection/rules",
            "/v1/v1/nodes",
            "/1/nodes",
            "/v1/node/n1",
            "/admin",
            "/v1/healthcheck",
            "/v1/@",
        ],
        &E::UnknownRoute,
    );
    refused(
        "GET",
        &[
            "/v1/nodes/n1/driver_info",
            "/v1/nodes/n1/States",
            "/v1/nodes/n1/foo",
            "/v1/nodes/n1/states/foo",
            "/v1/nodes/n1/management",
            "/v1/nodes/n1/ports/x",
            "/v1/nodes/n1/volume/connectors/x",
            "/v1/nodes/n1/vifs/x/y",
            "/v1/nodes/detail/n1",
            "/v1/lookup/x",
            "/v1/shards/a/b",
            "/v1/drivers/ipmi/raid",
            "/v1/chassis/c/nodes/n1",
            "/v1/chassis/c/nodes/validate",
            "/v1/conductors/a/b",
            "/v1/volume/foo",
        ],
        &E::ArgumentInPath,
    );
    check("PUT", "/v1/nodes/n1/states/power/off", Err(E::ArgumentInPath));
    check("PUT", "/v1/nodes/n1/on/states/power", Err(E::ArgumentInPath));
    check("PUT", "/v1/nodes/n1/maintenance/reason", Err(E::ArgumentInPath));
    check("PATCH", "/v1/nodes/n1/true", Err(E::ArgumentInPath));
    check("PUT", "/v1/chassis/CUSTOM_X/nodes/n1/traits", Err(E::ArgumentInPath));
}

#[test]
fn identifiers() {
    let wrong = |parameter, expected| RouteError::Identifier { parameter, expected };
    let name = "a UUID, or a name of letters, digits and - . _ ~";
    for reserved in ["maintenance", "management", "states", "vendor_passthru", "validate"] {
        check("GET", &format!("/v1/nodes/{reserved}"), Err(RouteError::ReservedName));
        check("DELETE", &format!("/v1/nodes/{reserved}"), Err(RouteError::ReservedName));
        check("GET", &format!("/v1/nodes/{reserved}/states"), Err(RouteError::ReservedName));
        check("POST", &format!("/v1/heartbeat/{reserved}"), Err(RouteError::ReservedName));
    }
    // The node has one place.
    check("GET", "/v1/nodes/validate?node=n1", Err(RouteError::ReservedName));
    check("GET", "/v1/nodes/validate?node_uuid=n1", Err(RouteError::ReservedName));
    check("PUT", "/v1/nodes/detail/states/power", Err(RouteError::ReservedName));
    check("GET", "/v1/nodes/States", Ok("node:get /v1/nodes/States"));
    for node in ["a@b", "urn:uuid:0b1e52c4-3f6b-4d1c-9e0e-7a5b4d1c9e0e", "[a]", "a,b", ":", &"x".repeat(256)] {
        check("GET", &format!("/v1/nodes/{node}"), Err(wrong("node", name)));
        check("GET", &format!("/v1/allocations/{node}"), Err(wrong("allocation", name)));
    }
    check("GET", &format!("/v1/nodes/{}", "x".repeat(255)), Ok(&format!("node:get /v1/nodes/{}", "x".repeat(255))));
    for uuid in [
        "a-name",
        "0b1e52c43f6b4d1c9e0e7a5b4d1c9e0e",
        "0b1e52c4-3f6b-4d1c-9e0e-7a5b4d1c9e0",
        "0b1e52c4-3f6b-4d1c-9e0e-7a5b4d1c9e0g",
        "detail_",
    ] {
        check("GET", &format!("/v1/chassis/{uuid}"), Err(wrong("chassis", "a UUID")));
        check("DELETE", &format!("/v1/ports/{uuid}"), Err(wrong("port", "a UUID")));
        check("PATCH", &format!("/v1/volume/targets/{uuid}"), Err(wrong("target", "a UUID")));
        check("GET", &format!("/v1/volume/connectors/{uuid}"), Err(wrong("connector", "a UUID")));
        check("DELETE", &format!("/v1/inspection_rules/{uuid}"), Err(wrong("rule", "a UUID")));
    }
    check("GET", "/v1/ports/a-name", Ok("port:get /v1/ports/a-name"));
    check("GET", "/v1/conductors/a,b", Err(wrong("conductor", "a host name")));
    check("GET", "/v1/nodes/n1/management/indicators/a,b", Err(wrong("indicator", "name@component")));
    check("GET", "/v1/nodes/n1/management/indicators/a%5Bb", Err(wrong("indicator", "name@component")));
    check("DELETE", "/v1/nodes/n1/vmedia/cdrom,", Err(wrong("device_types", "device types with commas between")));
}

#[test]
fn target_forms() {
    refused("GET", &["*", "http://x/v1/nodes", "https://ironic:6385/v1", "ironic:6385"], &RouteError::TargetForm);
    check("CONNECT", "ironic:6385", Err(RouteError::TargetForm));
    check("OPTIONS", "http://x/v1/nodes", Err(RouteError::TargetForm));
    let mut second = head("GET", "https://ironic:6385/v1/nodes", "1.50");
    second.version = http::Version::HTTP_2;
    assert_eq!(find(&second, Ceiling::default()).map(|route| route.target().to_string()), Ok("/v1/nodes".to_owned()));
    check("GET", &format!("/v1/{}", "x".repeat(2048)), Err(RouteError::TargetLength));
    check("GET", &format!("/v1/nodes?owner={}", "x".repeat(16 * 1024)), Err(RouteError::TargetLength));
    check("GET", &format!("/v1/nodes?shard={}", "%C3%A9,".repeat(2300)), Ok("node:list /v1/nodes?shard=%C3%A9"));
}
