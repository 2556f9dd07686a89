//! Secrets that a path or a reference names: inspection rules, steps.

use super::*;

const ID: &str = "inspection_rule:get";

/// Paths of secrets, as rules write them.
const PATHS: &[&str] = &[
    "/driver_info/redfish_password",
    "driver_info.irmc_snmp_security",
    "/driver_info/irmc_snmp_security",
    "/instance_info/user_data",
    "/instance_info/image_url",
    "instance_info.image_url",
    "/INSTANCE_INFO/image_url/0",
    "node.instance_info[image_url]",
    "/instance_info/deploy_key",
    "/extra/auth",
    "/extra/auth/0",
    "extra.auth",
    "/extra/pass",
    "/extra/pw/x",
    "/extra/psk",
    "/extra/cookie",
    "/extra/x/bmc_pass",
    "/extra/pass_of_bmc",
];
/// Paths of what is none.
const PLAIN: &[&str] =
    &["/driver_info/redfish_address", "properties.cpu_arch", "/extra/image_url", "/extra/bypass", "/extra/authors", ""];

#[test]
fn paths_name_what_is_written() {
    for path in PATHS {
        for rule in [
            r#"{"op": "set-attribute", "args": {"path": "PATH", "value": «"S"»}}"#,
            r#"{"op": "set-attribute", "args": {"value": «"S"», "path": "PATH"}}"#,
            r#"{"op": "set-attribute", "args": ["PATH", «"S"»]}"#,
            r#"{"op": "x", "args": [["PATH", «"S"», «{"a": 1}»]]}"#,
            r#"{"op": "x", "args": {"uuid": ["PATH", «"S"», «"T"»], "driver_info": {"uuid": ["PATH", «"S"»]}, "rel": "x"}}"#,
            r#"{"op": "set-attribute", "args": {"path": "{item[path]}", "value": «"{item[value]}"»}, "loop": «[{"path": "PATH", "value": "S"}]»}"#,
            r#"{"op": "set-attribute", "loop": [{"path": "PATH", "value": «"S"»}]}"#,
            r#"{"op": "set-attribute", "args": {"path": "PATH", "value": «"{item}"»}, "loop": «["S", "T"]», "z": 1}"#,
            r#"{"loop": «{"x": "S"}», "args": {"path": "PATH", "value": «"{item[x]}"»}, "op": "set-attribute"}"#,
            r#"{"op": "set-attribute", "args": ["PATH", «"{item}"»], "loop": «["S"]»}"#,
        ] {
            check(ID, &format!(r#"{{"actions": [{}]}}"#, rule.replace("PATH", path)));
        }
    }
    for path in PLAIN {
        passes(
            ID,
            &format!(r#"{{"actions": [{{"args": {{"value": "S", "path": "{path}"}}}}, {{"args": ["{path}", "S"]}}]}}"#),
        );
    }
    // A name that only looks like a path.
    passes("node:bios:list", r#"{"bios": [{"name": "Boot.Order[0]", "value": "x"}, {"id": "a/b", "value": "c"}]}"#);
}

#[test]
fn references_name_what_is_compared_with_them() {
    for path in
        ["driver_info[redfish_password]", "instance_info[image_url]", "extra[auth]", "extra[pass]!s", "extra['psk']"]
    {
        for rule in [
            r#"{"op": "eq", "args": {"values": ["REF", «"S"», «1»]}}"#,
            r#"{"op": "eq", "args": {"values": «["S", "REF", "T"]»}}"#,
            r#"{"op": "eq", "args": {"force_strings": true, "values": «[1, "REF"]»}}"#,
            r#"{"op": "matches", "args": {"value": "REF", "regex": «"S"»}}"#,
            r#"{"op": "matches", "args": {"regex": «"S"», "value": "REF"}}"#,
            r#"{"op": "one-of", "args": {"values": «["S", "T"]», "x": {"value": "a"}, "value": "REF"}}"#,
            r#"{"op": "is-empty", "args": {"value": "REF"}}"#,
            r#"{"op": "eq", "args": [["REF", «"S"»]]}"#,
        ] {
            let rule = rule.replace("REF", &format!("{{node.{path}}}"));
            check(ID, &format!(r#"{{"conditions": [{rule}]}}"#));
        }
    }
    for reference in ["{node.driver_info[redfish_address]}", "{inventory[bmc_address]}", "a password", "password"] {
        passes(
            ID,
            &format!(
                r#"{{"conditions": [{{"args": {{"value": "{reference}", "regex": "S"}}}}, {{"args": {{"regex": "S", "value": "{reference}"}}}}]}}"#
            ),
        );
    }
    // Not in arguments.
    passes(ID, r#"{"extra": {"value": "{node.driver_info[redfish_password]}", "regex": "S"}}"#);
    // What names itself is masked where a path does.
    check(ID, r#"{"args": {"regex": «"S"», "value": «"{node.extra[auth]}"», "path": "/extra/token"}}"#);
}

#[test]
fn an_operators_places_are_named_too() {
    let additions = ScrubAdditions {
        fields: vec!["/driver_info/my_field".to_owned(), "/extra/*/pin".to_owned()],
        ..ScrubAdditions::default()
    };
    let rules = Arc::new(ScrubRules::new(&additions).unwrap());
    for (path, secret) in [
        ("/driver_info/my_field", true),
        ("driver_info.MY_field", true),
        ("{node.extra[a][pin]}", true),
        ("/extra/pin", false),
        ("/extra/my_field", false),
    ] {
        let given = format!(r#"{{"args": {{"path": "{path}", "value": "S"}}}}"#);
        let (out, _) = scrub_with(&rules, ID, given.as_bytes(), usize::MAX).unwrap();
        assert_eq!(out, if secret { given.replace("\"S\"", "\"******\"") } else { given }, "{path}");
    }
}

#[test]
fn compared_values_that_are_held_are_masked_where_they_are() {
    // Several wait, of different lengths and depths, when the reference comes.
    check(
        ID,
        r#"{"args": {"regex": «"a long secret"», "default": 1, "values": «["b", {"value": "c"}]», "current_value": [{"value": 2}],
            "value": "{node.extra[auth]}", "z": 1}, "x": {"value": "d"}}"#,
    );
    check(ID, r#"{"args": {"regex": «"S"», "values": "", "value": "{node.extra[auth]}", "default": "x"}}"#);
    check(ID, r#"{"value": "x", "y": {"args": {"regex": «"S"», "value": "{node.extra[auth]}"}}, "id": "plain"}"#);
    check(ID, r#"{"value": «{"args": {"regex": "S", "value": "{node.extra[auth]}"}}», "id": "token"}"#);
}

/// What an action or condition is done with in turn, and where that may say a name or hold what is written.
#[test]
fn what_is_looped_over() {
    for action in [
        r#"{"args": {"path": "/driver_info/{item[0]}", "value": «"{item[1]}"»}, "loop": «[["redfish_password", "S"]]»}"#,
        r#"{"args": {"path": "/driver_info/{item}", "value": «"S"»}, "loop": «["redfish_password"]»}"#,
        r#"{"args": {"value": «"S"», "path": "{item!s}"}, "loop": «["/driver_info/redfish_password"]»}"#,
        r#"{"loop": «["redfish_password"]», "args": {"value": «"S"», "path": "/driver_info/{item}"}}"#,
        r#"{"args": ["/driver_info/{item}", «"S"»], "loop": «["redfish_password"]»}"#,
        r#"{"args": ["{item}", «"S"»], "loop": «["redfish_password"]»}"#,
        r#"{"args": {"url": "https://h/", "headers": «{"X-Any": "{item}"}»}, "loop": «["S"]»}"#,
        r#"{"loop": «["S"]», "args": {"url": "https://h/", "headers": «{"X-Any": "{item}"}»}}"#,
        r#"{"args": {"value": {"password": «"{item}"»}}, "loop": «["S"]»}"#,
        r#"{"args": {"value": {"{item}": «"S"»}}, "loop": «["password"]»}"#,
        r#"{"args": {"msg": "password=‹{item}›"}, "loop": «["S"]»}"#,
        r#"{"args": {"msg": "https://‹u:{item}›@h/"}, "loop": «["S"]»}"#,
        r#"{"loop": «["S"]», "args": {"msg": "https://‹u:{item}›@h/"}}"#,
        r#"{"args": {"values": ["{node.driver_info[redfish_password]}", «"{item}"»]}, "loop": «["S"]»}"#,
        r#"{"args": {"value": "{node.driver_info[redfish_password]}", "regex": «"{item}"»}, "loop": «["S"]»}"#,
        r#"{"args": {"path": "/extra/token", "value": «"S"»}, "loop": «7»}"#,
        r#"{"args": {"path": "/extra/token", "value": «"S"»}, "loop": «"{item}"», "Loop": «[]»}"#,
        r#"{"args": {"path": "/extra/token", "value": «"S"»}, "loop": null}"#,
        r#"{"args": {"a": [{"args": {"path": "/extra/token", "value": «"S"»}}], "loop": «["x"]»}, "loop": «["S"]»}"#,
    ] {
        check(
            ID,
            &format!(r#"{{"actions": [{action}, {{"args": {{"path": "/extra/a"}}, "loop": ["a"]}}], "loop": ["b"]}}"#),
        );
        check("inspection_rule:list", &format!(r#"{{"inspection_rules": [{{"conditions": [{action}]}}]}}"#));
    }
    for plain in [
        r#"{"op": "set-attribute", "args": {"path": "/extra/a", "value": "{item}"}, "loop": ["a", "b"]}"#,
        r#"{"loop": [{"a": 1}, "b"], "op": "set-attribute", "args": ["/extra/a", "{inventory[x]}", "b"]}"#,
        r#"{"op": "x", "loop": {"a": ["b"]}}"#,
        r#"{"op": "fail", "args": {"msg": "about {item}"}, "loop": ["a"]}"#,
    ] {
        passes(ID, &format!(r#"{{"actions": [{plain}]}}"#));
    }
    // What waits for the arguments is bounded.
    let long = "x".repeat(HELD_BYTES_MAX);
    check(ID, &format!(r#"{{"actions": [{{"loop": «["{long}"]», "args": {{"path": "/extra/a"}}}}]}}"#));
    check(ID, &format!(r#"{{"actions": [{{"args": {{"path": "/extra/a"}}, "name": "x", "loop": «["{long}"]»}}]}}"#));
}

/// Each secret in arguments marks what is around it once, however deep it is and however much waits there.
#[test]
fn loops_are_marked_in_linear_time() {
    let values = r#""value":1,"#.repeat(400);
    let secrets = r#"{"pw":«1»},"#.repeat(700);
    let (open, close) = (r#"{"a":"#.repeat(50), "}".repeat(50));
    let block = format!(r#"{{"args":{open}{{{values}"l":[{secrets}{{}}]}}{close}}}"#);
    check("node:get", &format!(r#"{{"extra":[{}{{}}]}}"#, format!("{block},").repeat(20)));
}
