//! Query parameters.

use super::*;

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
        ("fields=uuid&fields=Name", wrong("fields", "the name of a field that answers show")),
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
