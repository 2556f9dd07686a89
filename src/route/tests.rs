mod differential;
mod path;
mod query;

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
        ("GET", "/v1/nodes?fields=uuid&fields=name&limit=5", "node:list /v1/nodes?fields=uuid%2Cname&limit=5"),
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
        // One list is read in lower case; of repeated ones each is taken as it is.
        ("GET", "/v1/nodes?shard=RackA,%20rackC,", "node:list /v1/nodes?shard=racka%2Crackc"),
        ("GET", "/v1/nodes?shard=racka&limit=1&shard=rackc", "node:list /v1/nodes?shard=racka%2Crackc&limit=1"),
        ("GET", "/v1/nodes?shard=RackA&limit=1&shard=RackC", "node:list /v1/nodes?shard=RackA&shard=RackC&limit=1"),
        ("GET", "/v1/nodes?shard=RackA&shard=RackA", "node:list /v1/nodes?shard=RackA&shard=RackA"),
        ("GET", "/v1/nodes?shard=+a&shard=", "node:list /v1/nodes?shard=%20a&shard="),
        ("GET", "/v1/nodes?fields=uuid&fields=name&fields=uuid", "node:list /v1/nodes?fields=uuid%2Cname"),
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
    check(
        "/v1/drivers/ipmi/vendor_passthru?method=reset.json",
        Ok("driver:vendor_passthru:post /v1/drivers/ipmi/vendor_passthru/reset.json"),
    );
    check("/v1/drivers/ipmi/vendor_passthru?method=a%2Fb", Err("query_value"));
    check(
        "/v1/nodes/n/vendor_passthru/reset",
        Ok("node:vendor_passthru:post /v1/nodes/n/vendor_passthru?method=reset"),
    );
}
