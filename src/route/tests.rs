mod differential;

use http::Request;

use super::*;
use crate::catalog::{Kind, MICROVERSION_MAX, catalog};

const UUID: &str = "0b1E52c4-3f6b-4d1c-9e0e-7a5b4d1c9e0e";

fn head(method: &str, target: &str, version: &str) -> Parts {
    let request = Request::builder().method(method).uri(target).header("x-openstack-ironic-api-version", version);
    request.body(()).unwrap().into_parts().0
}

/// What a request at the highest microversion is: `id path?query`, or the error.
fn found(method: &str, target: &str) -> Result<String, RouteError> {
    let head = head(method, target, "latest");
    find(&head, Ceiling::default()).map(|route| format!("{} {}", route.operation().id, route.target()))
}

fn check(method: &str, target: &str, expected: Result<&str, RouteError>) {
    if !arrives(target) {
        assert!(matches!(expected, Err(RouteError::PathCharacter | RouteError::QueryCharacter)), "{method} {target}");
        return;
    }
    assert_eq!(found(method, target), expected.map(str::to_owned), "{method} {target}");
}

/// Whether the HTTP library lets this target through at all; what it refuses gets no further.
fn arrives(target: &str) -> bool {
    http::Uri::try_from(target).is_ok()
}

fn refused(method: &str, rows: &[&str], error: &RouteError) {
    for target in rows {
        check(method, target, Err(error.clone()));
    }
}

/// A text that the parameter takes.
fn sample(name: &str, kind: crate::catalog::Parameter) -> &'static str {
    use crate::catalog::Parameter;
    match kind {
        Parameter::Uuid => UUID,
        Parameter::UuidOrName => "rack~1.node_2-x",
        Parameter::Trait => "CUSTOM_X",
        Parameter::Text => match name {
            "driver" => "fake-hardware",
            _ => "some-name",
        },
        Parameter::Host => "host:6385@[fe80::1]",
        Parameter::Indicator => "led-0@chassis",
        Parameter::DeviceTypes => "cdrom,disk",
    }
}

fn filled(path: &[Segment]) -> String {
    let mut text = String::new();
    for segment in path {
        text.push('/');
        match segment {
            Segment::Literal(literal) => text.push_str(literal),
            Segment::Parameter(name, kind) => text.push_str(&sample(name, *kind).replace(['[', ']'], "")),
        }
    }
    if text.is_empty() { "/".to_owned() } else { text }
}

/// A value that the query parameter takes, as a client may write it.
fn value(field: &crate::catalog::Field) -> String {
    // These two name columns that answers show.
    if field.name == "sort_key" {
        return "id".to_owned();
    }
    match field.kind {
        Kind::Boolean => "True".to_owned(),
        Kind::Integer => "007".to_owned(),
        Kind::Uuid => UUID.to_owned(),
        Kind::Mac => "52:54:00:AB:cd:01".to_owned(),
        Kind::Enum => field.values[0].value.replace(' ', "+"),
        Kind::StringList => "Uuid%2C+name%2Cuuid%2C".to_owned(),
        Kind::String => "caf%C3%A9+%26%3D%25%23".to_owned(),
        Kind::HostPort => "%5Bfe80%3A%3A1%5D:80".to_owned(),
        Kind::Name | Kind::UuidOrName => "rack~1.node_2-x".to_owned(),
        Kind::Any
        | Kind::StrictBoolean
        | Kind::Trait
        | Kind::StringOrObject
        | Kind::StringOrBoolean
        | Kind::Object
        | Kind::Map
        | Kind::Array
        | Kind::ArrayOrObject
        | Kind::StrictInteger
        | Kind::Steps => panic!("{} is of a kind that no query has", field.name),
    }
}

#[test]
fn every_template_routes_to_itself() {
    for operation in catalog().operations() {
        let needed: Vec<String> = operation
            .query
            .iter()
            .filter(|field| field.required)
            .map(|field| format!("{}={}", field.name, value(field)))
            .collect();
        let mut target = filled(&operation.template);
        if !needed.is_empty() {
            target = format!("{target}?{}", needed.join("&"));
        }
        // A driver's vendor method is forwarded in the path, as the catalogue says why.
        let forwarded = if operation.forward_alias { target.replacen("?method=", "/", 1) } else { target.clone() };
        check(operation.method.as_str(), &target, Ok(&format!("{} {forwarded}", operation.id)));
    }
}

#[test]
fn route_target_route_is_the_identity() {
    for operation in catalog().operations() {
        for path in std::iter::once(&operation.template).chain(&operation.aliases) {
            let in_path =
                |name: &str| path.iter().any(|part| matches!(part, Segment::Parameter(known, _) if known == name));
            let query: Vec<String> = operation
                .query
                .iter()
                .filter(|field| !in_path(&field.name))
                .map(|field| {
                    match (field.name.as_str(), operation.object.as_deref().and_then(|name| catalog().object(name))) {
                        ("fields", Some(object)) => {
                            let name = &object.fields[0].name;
                            format!("fields={}%2C+{name}%2C", name.to_uppercase())
                        }
                        (name, _) => format!("{name}={}", value(field)),
                    }
                })
                .collect();
            let target = format!("{}?{}", filled(path), query.join("&"));
            let target = target.trim_end_matches('?');
            let first_head = head(operation.method.as_str(), target, "latest");
            let first = find(&first_head, Ceiling::default()).unwrap_or_else(|error| panic!("{target}: {error}"));
            assert_eq!(first.operation().id, operation.id);
            let second_head = head(operation.method.as_str(), &first.target().to_string(), "latest");
            let second = find(&second_head, Ceiling::default()).unwrap_or_else(|error| panic!("{target}: {error}"));
            assert_eq!(first.operation().index, second.operation().index);
            assert_eq!(first.parameters, second.parameters, "{target}");
            assert_eq!(first.query, second.query, "{target}");
            assert_eq!(first.target(), second.target(), "{target}");
        }
    }
}

#[test]
fn what_clients_send() {
    let rows = [
        ("GET", "/", "api:root /"),
        ("HEAD", "/", "api:root /"),
        ("GET", "/v1", "api:v1 /v1"),
        ("GET", "/v1/", "api:v1 /v1"),
        ("HEAD", "/v1/", "api:v1 /v1"),
        ("GET", "/v1/nodes?", "node:list /v1/nodes"),
        // python-ironicclient writes lists like this.
        ("GET", "/v1/nodes/?limit=1", "node:list /v1/nodes?limit=1"),
        ("GET", "/v1/volume/targets/?node=n1", "volume:target:list /v1/volume/targets?node=n1"),
        ("GET", "/v1/drivers/?detail=True", "driver:list /v1/drivers?detail=true"),
        (
            "GET",
            "/v1/nodes?fields=uuid%2Cname&conductor_group=",
            "node:list /v1/nodes?fields=uuid%2Cname&conductor_group=",
        ),
        ("GET", "/v1/nodes?fields=", "node:list /v1/nodes?fields="),
        ("GET", "/v1/nodes?fields=%20DRIVER_INFO,uuid", "node:list /v1/nodes?fields=driver_info%2Cuuid"),
        ("GET", "/v1/nodes?fields=uuid&fields=Name&limit=5", "node:list /v1/nodes?fields=uuid%2Cname&limit=5"),
        ("GET", "/v1/nodes?detail=True&limit=0100", "node:list /v1/nodes?detail=true&limit=100"),
        ("GET", "/v1/nodes?maintenance=OFF", "node:list /v1/nodes?maintenance=false"),
        ("GET", "/v1/nodes?fault=power+failure", "node:list /v1/nodes?fault=power%20failure"),
        ("GET", "/v1/nodes?provision_state=wait%20call-back", "node:list /v1/nodes?provision_state=wait%20call-back"),
        ("GET", "/v1/nodes/detail?associated=False", "node:list_detail /v1/nodes/detail?associated=false"),
        (
            "GET",
            "/v1/ports/detail?conductor_groups=a&conductor_groups=b",
            "port:list_detail /v1/ports/detail?conductor_groups=a%2Cb",
        ),
        ("GET", "/v1/ports?address=52:54:00:AB:CD:EF", "port:list /v1/ports?address=52%3A54%3A00%3Aab%3Acd%3Aef"),
        (
            "GET",
            "/v1/lookup?addresses=52%3A54%3A00%3A00%3A00%3A01,52:54:00:00:00:02",
            "ramdisk:lookup /v1/lookup?addresses=52%3A54%3A00%3A00%3A00%3A01%2C52%3A54%3A00%3A00%3A00%3A02",
        ),
        ("GET", "/v1/nodes/metal3~host-0", "node:get /v1/nodes/metal3~host-0"),
        (
            "GET",
            "/v1/nodes/0B1E52C4-3F6B-4D1C-9E0E-7A5B4D1C9E0E",
            "node:get /v1/nodes/0B1E52C4-3F6B-4D1C-9E0E-7A5B4D1C9E0E",
        ),
        ("GET", "/v1/nodes/0b1e52c43f6b4d1c9e0e7a5b4d1c9e0e", "node:get /v1/nodes/0b1e52c43f6b4d1c9e0e7a5b4d1c9e0e"),
        ("GET", "/v1/nodes/a-name/ports", "node:ports:list /v1/nodes/a-name/ports"),
        ("GET", "/v1/conductors/host%3a6385", "conductor:get /v1/conductors/host:6385"),
        ("GET", "/v1/conductors/%5Bfe80:%3A1%5D", "conductor:get /v1/conductors/%5Bfe80::1%5D"),
        (
            "GET",
            "/v1/nodes/n1/management/indicators/led-0%40chassis",
            "node:get_indicator /v1/nodes/n1/management/indicators/led-0@chassis",
        ),
        ("GET", "/v1/nodes/n1/bios?detail=true", "node:bios:list /v1/nodes/n1/bios?detail=true"),
        ("DELETE", "/v1/nodes/n1/vmedia", "node:vmedia:detach /v1/nodes/n1/vmedia"),
        (
            "DELETE",
            "/v1/nodes/n1/vmedia/cdrom,Disk",
            "node:vmedia:detach /v1/nodes/n1/vmedia?device_types=cdrom%2Cdisk",
        ),
        (
            "POST",
            "/v1/nodes/n1/vendor_passthru/create_subscription",
            "node:vendor_passthru:post /v1/nodes/n1/vendor_passthru?method=create_subscription",
        ),
        (
            "DELETE",
            "/v1/nodes/n1/vendor_passthru?method=delete_subscription",
            "node:vendor_passthru:delete /v1/nodes/n1/vendor_passthru?method=delete_subscription",
        ),
        (
            "GET",
            "/v1/nodes/n1/vendor_passthru/methods",
            "node:vendor_passthru:methods /v1/nodes/n1/vendor_passthru/methods",
        ),
        (
            "GET",
            "/v1/drivers/ipmi/raid/logical_disk_properties",
            "driver:raid_properties /v1/drivers/ipmi/raid/logical_disk_properties",
        ),
        ("DELETE", "/v1/nodes/n1/traits/lower_case", "node:traits:delete /v1/nodes/n1/traits/lower_case"),
        (
            "GET",
            "/v1/volume/connectors?node=n1&detail=True",
            "volume:connector:list /v1/volume/connectors?node=n1&detail=true",
        ),
    ];
    for (method, target, expected) in rows {
        check(method, target, Ok(expected));
    }
}

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
            "/v1/volume/",
            "/v1/shards/",
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
    refused(
        "GET",
        &[
            "/v1/nodes.json",
            "/v1/nodes/n1.json",
            "/v1/nodes/n1.JSON",
            "/v1/nodes/n1.Xml",
            "/v1.json",
            "/.json",
            "/v1/nodes/.json",
            "/v1/nodes/detail.json",
            "/v1/lookup.xml",
            "/nodes.json",
            "/v1/nodes/n1/states.json",
        ],
        &E::PathSuffix,
    );
    check("PUT", "/v1/nodes/n1/states/power.json", Err(E::PathSuffix));
    check("PUT", "/v1/nodes/n1/maintenance.json", Err(E::PathSuffix));
    check("GET", "/v1/nodes/n1.json/states", Ok("node:get_states /v1/nodes/n1.json/states"));
    check("GET", "/v1/nodes/n1.jsonx", Ok("node:get /v1/nodes/n1.jsonx"));
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
fn methods() {
    let rows = [
        ("POST", "/", "GET, HEAD"),
        ("DELETE", "/", "GET, HEAD"),
        ("POST", "/v1", "GET, HEAD"),
        ("PUT", "/v1/", "GET, HEAD"),
        ("HEAD", "/v1/nodes", "GET, POST"),
        ("HEAD", "/healthcheck", "GET"),
        ("PUT", "/v1/nodes", "GET, POST"),
        ("PATCH", "/v1/nodes", "GET, POST"),
        ("DELETE", "/v1/nodes", "GET, POST"),
        ("DELETE", "/v1/nodes/detail", "GET"),
        ("POST", "/v1/nodes/n1", "GET, PATCH, DELETE"),
        ("PUT", "/v1/nodes/n1", "GET, PATCH, DELETE"),
        ("GET", "/v1/nodes/n1/maintenance", "PUT, DELETE"),
        ("POST", "/v1/nodes/n1/maintenance", "PUT, DELETE"),
        ("GET", "/v1/nodes/n1/states/power", "PUT"),
        ("GET", "/v1/nodes/n1/vifs/x", "DELETE"),
        ("HEAD", "/v1/nodes/n1/vendor_passthru", "GET, POST, PUT, PATCH, DELETE"),
        ("HEAD", "/v1/nodes/n1/vendor_passthru/x", "GET, POST, PUT, PATCH, DELETE"),
        ("POST", "/v1/nodes/n1/vendor_passthru/methods", "GET"),
        ("POST", "/v1/nodes/n1/vmedia/cdrom", "DELETE"),
        ("DELETE", "/v1/inspection_rules", "GET, POST"),
        ("POST", "/v1/lookup", "GET"),
        ("GET", "/v1/continue_inspection", "POST"),
        ("POST", "/v1/nodes/n1/ports", "GET"),
        ("PROVISION", "/v1/nodes/n1/states", "GET"),
        ("POWER", "/v1/nodes/n1/states", "GET"),
        ("VALIDATE", "/v1/nodes/n1", "GET, PATCH, DELETE"),
        ("GET_ALL", "/v1/nodes", "GET, POST"),
        ("get", "/v1/nodes", "GET, POST"),
        ("Get", "/v1/nodes", "GET, POST"),
        ("TRACE", "/v1/nodes", "GET, POST"),
        ("CONNECT", "/v1/nodes", "GET, POST"),
        ("FOO", "/v1/nodes/n1/vendor_passthru/x", "GET, POST, PUT, PATCH, DELETE"),
        ("options", "/v1/nodes", "GET, POST"),
        ("PROPFIND", "/", "GET, HEAD"),
    ];
    for (method, target, expected) in rows {
        match found(method, target) {
            Err(RouteError::MethodNotAllowed { allow }) => assert_eq!(allow.to_string(), expected, "{method} {target}"),
            other => panic!("{method} {target}: {other:?}"),
        }
    }
    for (target, expected) in
        [("/v1/nodes", "GET, POST"), ("/", "GET, HEAD"), ("*", "GET, POST, PUT, PATCH, DELETE, HEAD")]
    {
        // OPTIONS asks for no microversion, not even an acceptable one.
        match find(&head("OPTIONS", target, "9.9"), Ceiling::default()) {
            Err(RouteError::Options { allow }) => assert_eq!(allow.to_string(), expected, "{target}"),
            other => panic!("{target}: {other:?}"),
        }
    }
    check("OPTIONS", "/v1/foo", Err(RouteError::UnknownRoute));
    check("OPTIONS", "/v1//nodes", Err(RouteError::EmptySegment));
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

#[test]
fn odd_queries() {
    use RouteError as E;
    let rows: &[(&str, E)] = &[
        ("fields=uuid;limit=1", E::QuerySemicolon),
        (";", E::QuerySemicolon),
        ("limit", E::QueryPair),
        ("detail", E::QueryPair),
        ("&", E::QueryPair),
        ("limit=1&", E::QueryPair),
        ("&limit=1", E::QueryPair),
        ("limit=1&&detail=true", E::QueryPair),
        ("=1", E::QueryName),
        ("li%6dit=1", E::QueryName),
        ("limit%00=1", E::QueryName),
        ("limit+=1", E::QueryName),
        ("limit[]=1", E::QueryName),
        ("a.b=1", E::QueryName),
        ("owner=%", E::QueryEncoding),
        ("owner=%4", E::QueryEncoding),
        ("owner=%4g", E::QueryEncoding),
        ("owner=%FF", E::QueryEncoding),
        ("owner=%C0%AF", E::QueryEncoding),
        ("owner=%ED%A0%80", E::QueryEncoding),
        ("owner=%00", E::QueryCharacter),
        ("owner=a%0Ab", E::QueryCharacter),
        ("owner=%C2%85", E::QueryCharacter),
        ("owner=%7F", E::QueryCharacter),
        ("owner=\"x\"", E::QueryCharacter),
        ("owner=a|b", E::QueryCharacter),
        ("owner=caf\u{e9}", E::QueryCharacter),
        ("owner={x}", E::QueryCharacter),
        ("owner=a\\b", E::QueryCharacter),
        ("_method=post", E::MethodOverride),
        ("_METHOD=post", E::MethodOverride),
        ("limit=1&_method=delete", E::MethodOverride),
        ("node_ident=n1", E::ArgumentInQuery("node_ident".to_owned())),
        ("self=x", E::ArgumentInQuery("self".to_owned())),
        ("x=1", E::UnknownQuery("x".to_owned())),
        ("Limit=1", E::UnknownQuery("Limit".to_owned())),
        ("limit=1&limit=1", E::RepeatedQuery("limit")),
        ("owner=a&owner=b", E::RepeatedQuery("owner")),
        ("fields=uuid,name&fields=driver", E::RepeatedQuery("fields")),
        ("shard=a&shard=b,c", E::RepeatedQuery("shard")),
    ];
    for (query, expected) in rows {
        check("GET", &format!("/v1/nodes?{query}"), Err(expected.clone()));
    }
    let on = |method, target, expected| check(method, target, Err(expected));
    on("PUT", "/v1/nodes/n1/states/power?target=power%20off", E::ArgumentInQuery("target".to_owned()));
    on("PUT", "/v1/nodes/n1/states/power?timeout=5", E::ArgumentInQuery("timeout".to_owned()));
    on("PUT", "/v1/nodes/n1/maintenance?reason=x", E::ArgumentInQuery("reason".to_owned()));
    on("GET", "/v1/nodes/n1/validate?node_uuid=x", E::ArgumentInQuery("node_uuid".to_owned()));
    on("GET", "/v1/nodes/n1/validate?node=n2", E::ArgumentInQuery("node".to_owned()));
    on(
        "DELETE",
        "/v1/nodes?node_ident=n1",
        E::MethodNotAllowed { allow: Allowed::new([Method::Get, Method::Post], false) },
    );
    on("DELETE", "/v1/nodes/n1?node_ident=n2", E::ArgumentInQuery("node_ident".to_owned()));
    on("PUT", "/v1/nodes/n1/traits?trait=CUSTOM_X", E::ArgumentInQuery("trait".to_owned()));
    on("DELETE", "/v1/nodes/n1/traits?trait=CUSTOM_X", E::ArgumentInQuery("trait".to_owned()));
    on("GET", "/v1/nodes/n1/vifs?_method=post", E::MethodOverride);
    on("GET", "/v1/nodes/n1/management/indicators?x=1", E::UnknownQuery("x".to_owned()));
    on("GET", "/v1/nodes/n1/vendor_passthru", E::MissingQuery("method"));
    on("POST", "/v1/nodes/n1/vendor_passthru?method=a&foo=1", E::UnknownQuery("foo".to_owned()));
    on("POST", "/v1/nodes/n1/vendor_passthru/a?method=b", E::RepeatedQuery("method"));
    on("POST", "/v1/nodes/n1/vendor_passthru?method=a&data=1", E::ArgumentInQuery("data".to_owned()));
    on("DELETE", "/v1/nodes/n1/vmedia/cdrom,disk?device_types=floppy", E::RepeatedQuery("device_types"));
    on("GET", "/v1/shards?x=1", E::UnknownQuery("x".to_owned()));
    on(
        "GET",
        "/v1/chassis/0b1e52c4-3f6b-4d1c-9e0e-7a5b4d1c9e0e/nodes?chassis_uuid=x",
        E::ArgumentInQuery("chassis_uuid".to_owned()),
    );
}

#[test]
fn query_values() {
    let wrong = |parameter, expected| RouteError::QueryValue { parameter, expected };
    let uuid = |parameter| wrong(parameter, "a UUID");
    let number = wrong("limit", "a whole number");
    let rows = [
        ("limit=", number.clone()),
        ("limit=+1", number.clone()),
        ("limit=%2B1", number.clone()),
        ("limit=-1", number.clone()),
        ("limit=1_0", number.clone()),
        ("limit=1.0", number.clone()),
        ("limit=%D9%A1", number.clone()),
        ("limit=99999999999999999999", number),
        ("limit=0", wrong("limit", "within its bounds")),
        ("detail=", wrong("detail", "true or false")),
        ("detail=2", wrong("detail", "true or false")),
        ("detail=+true", wrong("detail", "true or false")),
        ("marker=", uuid("marker")),
        ("marker=n1", uuid("marker")),
        ("instance_uuid=0b1e52c43f6b4d1c9e0e7a5b4d1c9e0e", uuid("instance_uuid")),
        ("sort_dir=ASC", wrong("sort_dir", "one of its documented values")),
        ("fault=none", wrong("fault", "one of its documented values")),
        ("fields=uuid%23", wrong("fields", "names of fields with commas between")),
        ("fields=uuid%3Bname", wrong("fields", "names of fields with commas between")),
        ("fields=driver_info/x", wrong("fields", "names of fields with commas between")),
    ];
    for (query, expected) in rows {
        check("GET", &format!("/v1/nodes?{query}"), Err(expected));
    }
    let mac = wrong("address", "six octets with colons between");
    for address in ["zz", "525400000001", "52-54-00-00-00-01", "52:54:00:00:00", "52:54:00:00:00:0g", ""] {
        check("GET", &format!("/v1/ports?address={address}"), Err(mac.clone()));
    }
}

#[test]
fn microversions() {
    let at = |method: &str, target: &str, version: &str| {
        find(&head(method, target, version), Ceiling::default()).map(|route| route.microversion().minor())
    };
    let early = |since, status| Err(RouteError::NotAtThisVersion { since, status });
    let rows = [
        ("GET", "/v1/portgroups", "1.22", early(23, 404)),
        ("GET", "/v1/portgroups", "1.23", Ok(23)),
        ("GET", "/v1/allocations", "1.51", early(52, 404)),
        ("POST", "/v1/allocations", "1.51", early(52, 405)),
        ("PATCH", "/v1/runbooks/x", "1.91", early(92, 405)),
        ("PUT", "/v1/runbooks/x/traits", "1.111", early(112, 404)),
        ("GET", "/v1/nodes/n1/traits", "1.36", early(37, 406)),
        ("PUT", "/v1/nodes/n1/traits", "1.36", early(37, 405)),
        ("DELETE", "/v1/nodes/n1/traits", "1.36", early(37, 404)),
        ("PUT", "/v1/nodes/n1/states/raid", "1.11", early(12, 406)),
        ("GET", "/v1/nodes/n1/management/indicators", "1.1", Ok(1)),
        ("POST", "/v1/continue_inspection", "", Ok(1)),
        ("POST", "/v1/continue_inspection", "1.1", Ok(1)),
        ("POST", "/v1/continue_inspection", "1.2", early(84, 404)),
        ("POST", "/v1/continue_inspection", "1.84", Ok(84)),
        ("GET", "/v1/nodes?retired=true", "1.1", Ok(1)),
        ("GET", "/", "", Ok(1)),
    ];
    for (method, target, version, expected) in rows {
        assert_eq!(at(method, target, version), expected, "{method} {target} {version}");
    }
    let too_early = |parameter, since, status| Err(RouteError::QueryTooEarly { parameter, since, status });
    let rows = [
        ("GET", "/v1/nodes?fields=uuid", "1.7", too_early("fields", 8, 406)),
        ("GET", "/v1/nodes?detail=true", "1.42", too_early("detail", 43, 400)),
        ("GET", "/v1/drivers?detail=true", "1.29", too_early("detail", 30, 406)),
        ("GET", "/v1/nodes/n1/bios?fields=name", "1.73", too_early("fields", 74, 400)),
        ("GET", "/v1/nodes?shard=a", "1.81", too_early("shard", 82, 406)),
        (
            "POST",
            "/v1/continue_inspection?node_uuid=0b1e52c4-3f6b-4d1c-9e0e-7a5b4d1c9e0e",
            "1.1",
            too_early("node_uuid", 84, 404),
        ),
    ];
    for (method, target, version, expected) in rows {
        assert_eq!(at(method, target, version), expected, "{method} {target} {version}");
    }
    // Ironic refuses a version before it looks for a route.
    let highest = Microversion::new(MICROVERSION_MAX).unwrap();
    let not_acceptable = Err(RouteError::VersionNotAcceptable { lowest: Microversion::for_test(1), highest });
    assert_eq!(at("GET", "/v1/foo", "1.116"), not_acceptable);
    assert_eq!(at("GET", "/", "2.1"), not_acceptable);
    assert_eq!(at("GET", "/v1/nodes", "1.050"), Err(RouteError::VersionSpelling));
}

#[test]
fn the_words_of_errors() {
    let highest = Microversion::new(100).unwrap();
    let rows = [
        (RouteError::UnknownRoute, 404, "unknown_route", "the path is not known"),
        (
            RouteError::VersionNotAcceptable { lowest: Microversion::for_test(1), highest },
            406,
            "version_not_acceptable",
            "ask for a microversion from 1.1 to 1.100",
        ),
        (RouteError::UnversionedPath, 400, "path_unversioned", "put /v1 before the path"),
        (
            RouteError::QueryTooEarly { parameter: "shard", since: 82, status: 406 },
            406,
            "query_too_early",
            "ask for microversion 1.82 or newer to use the query parameter shard",
        ),
    ];
    for (error, status, code, message) in rows {
        assert_eq!((error.status(), error.code(), error.to_string().as_str()), (status, code, message));
    }
}

proptest::proptest! {
    /// Whatever arrives: no panic, and what is forwarded is understood as what was asked.
    #[test]
    fn targets_of_any_kind(
        parts in proptest::collection::vec("(v1|nodes|n1|states|power|ports|detail|%40|vendor_passthru|[a-z@:%;.~/-]{0,6})", 0..8),
        pairs in proptest::collection::vec("(limit|fields|detail|method|shard|owner|_method|[a-z_]{1,5})=[A-Za-z0-9%+,;:. -]{0,8}", 0..4),
        method in "(GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS)",
    ) {
        let target = format!("/{}?{}", parts.join("/"), pairs.join("&"));
        if arrives(&target) {
            let first = head(&method, &target, "1.115");
            if let Ok(route) = find(&first, Ceiling::default()) {
                let again = head(route.operation().method.as_str(), &route.target().to_string(), "1.115");
                let again = find(&again, Ceiling::default()).expect("a canonical target is a route");
                proptest::prop_assert_eq!(route.operation().index, again.operation().index);
                proptest::prop_assert_eq!(&route.parameters, &again.parameters);
                proptest::prop_assert_eq!(&route.query, &again.query);
            }
        }
    }
}

#[test]
fn a_driver_method_is_forwarded_in_the_path() {
    let check = |target: &str, expected: Result<&str, &str>| {
        let outcome = found("POST", target).map_err(|error| error.code());
        assert_eq!(outcome.as_deref().map_err(|code| *code), expected, "{target}");
    };
    let to = "driver:vendor_passthru:post /v1/drivers/ipmi/vendor_passthru/reset";
    check("/v1/drivers/ipmi/vendor_passthru?method=reset", Ok(to));
    check("/v1/drivers/ipmi/vendor_passthru/reset", Ok(to));
    check("/v1/drivers/ipmi/vendor_passthru?method=methods", Err("identifier"));
    check("/v1/drivers/ipmi/vendor_passthru?method=..", Err("path_dot_segment"));
    check("/v1/drivers/ipmi/vendor_passthru?method=reset.json", Err("path_suffix"));
    check("/v1/drivers/ipmi/vendor_passthru?method=a%2Fb", Err("query_value"));
    check(
        "/v1/nodes/n/vendor_passthru/reset",
        Ok("node:vendor_passthru:post /v1/nodes/n/vendor_passthru?method=reset"),
    );
}
