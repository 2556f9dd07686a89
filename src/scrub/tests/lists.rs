//! Lists of items that are nearly alike, as Ironic writes them: what is read by comparison with an earlier item, without
//! opening objects or many members at once, is what byte by byte comes out too.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::property::{key, tree};
use super::*;
use crate::scrub::reference::reference;
use crate::scrub::rules::treatment::SecretTreatment;

type Item = Vec<(String, Value)>;

/// Members as nodes have them.
fn usual() -> impl Strategy<Value = (String, Value)> {
    let links = |kind: &str| {
        let link = |rel: &str| json!({"href": format!("http://127.0.0.1:6385/v1/nodes/1be26c0b{kind}"), "rel": rel});
        json!([link("self"), link("bookmark")])
    };
    proptest::sample::select(vec![
        ("uuid", json!("1be26c0b-03f2-4d2e-ae87-c02d7f33c123")),
        ("name", json!("r17-u03")),
        ("name", json!("AdminPassword")),
        ("value", json!("x")),
        ("driver", json!("redfish")),
        ("power_state", json!("power on")),
        ("created_at", json!("2026-01-01T10:00:00+00:00")),
        ("last_error", Value::Null),
        ("maintenance", json!(false)),
        ("clean_step", json!({})),
        ("driver_info", json!({"redfish_address": "https://192.0.2.1:8000", "redfish_password": "S3cret", "rack": 7})),
        (
            "driver_info",
            json!({"redfish_address": "https://192.0.2.1:8000", "redfish_password": "******", "u": {"v": "w"}}),
        ),
        ("extra", json!({"rack": "r17", "href": "http://127.0.0.1:6385/v1/nodes", "password": ""})),
        ("properties", json!({"cpus": "32", "memory_mb": 131_072, "local_gb": -1.5e3})),
        ("traits", json!(["CUSTOM_GOLD", "HW_CPU_X86_VMX"])),
        ("traits", json!(["a", "]", "", ", ", "]}", "b, "])),
        ("args", json!(["a.password", "S3cret"])),
        ("args", json!(["a", "b", "password"])),
        ("links", links("")),
        ("ports", links("/ports")),
        ("volume", json!([{"href": "/v1/volume", "rel": "self"}, {"href": "http://h/x", "rel": "other"}])),
        ("links", json!([{"href": "http://u:S3cret@h/v1/x", "rel": "self"}, {"rel": "self", "href": "http://h/v1/x"}])),
        ("href", json!("https://h:80/prefix/v1/nodes?x=1")),
        ("next", json!("http://127.0.0.1:6385/v1/nodes?marker=1")),
        ("description", json!("S\u{fc}d, \"A\"")),
        ("nodes", json!([])),
    ])
    .prop_map(|(key, value)| (key.to_owned(), value))
}

fn member() -> impl Strategy<Value = (String, Value)> {
    prop_oneof![4 => usual(), 1 => (key(), tree())]
}

/// One item, and others that differ from it in some members.
fn items() -> impl Strategy<Value = Vec<Item>> {
    let changes = proptest::collection::vec((any::<proptest::sample::Index>(), 0..4_u8, member()), 0..4);
    (proptest::collection::vec(member(), 1..14), proptest::collection::vec(changes, 1..7)).prop_map(|(base, all)| {
        let mut items = vec![unique(base.clone())];
        for changes in all {
            let mut item = base.clone();
            for (at, what, member) in changes {
                let at = at.index(item.len());
                match what {
                    0 => _ = item.remove(at),
                    1 => item.insert(at, member),
                    2 => item[at].1 = member.1,
                    _ => item.rotate_left(at),
                }
                if item.is_empty() {
                    item = base.clone();
                }
            }
            items.push(unique(item));
        }
        items
    })
}

/// Without keys that come twice, which a tree does not have.
fn unique(item: Item) -> Item {
    let mut kept: Item = Vec::new();
    for (key, value) in item {
        if kept.iter().all(|(known, _)| *known != key) {
            kept.push((key, value));
        }
    }
    kept
}

/// As Ironic writes it, or without spaces.
fn write(value: &Value, spaced: bool, out: &mut String) {
    let (comma, colon) = if spaced { (", ", ": ") } else { (",", ":") };
    match value {
        Value::Object(members) => {
            out.push('{');
            for (index, (key, value)) in members.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { comma });
                out.push_str(&Value::String(key.clone()).to_string());
                out.push_str(colon);
                write(value, spaced, out);
            }
            out.push('}');
        }
        Value::Array(elements) => {
            out.push('[');
            for (index, value) in elements.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { comma });
                write(value, spaced, out);
            }
            out.push(']');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => out.push_str(&value.to_string()),
    }
}

/// A list in an object, or on its own.
fn list(items: &[Item], spaced: bool, bare: bool) -> String {
    let mut out = String::from(if bare { "[" } else { "{\"nodes\": [" });
    for (index, item) in items.iter().enumerate() {
        out.push_str(if index == 0 { "{" } else { ", {" });
        for (index, (key, value)) in item.iter().enumerate() {
            out.push_str(if index == 0 { "" } else { ", " });
            out.push_str(&format!("{}: ", Value::String(key.clone())));
            write(value, spaced, &mut out);
        }
        out.push('}');
    }
    out.push_str(if bare { "]" } else { "]}" });
    out
}

static OTHERS: LazyLock<Vec<Arc<ScrubRules>>> = LazyLock::new(|| {
    let own = ScrubAdditions {
        words: vec!["rel".to_owned()],
        fields: ["/driver", "/extra/rack", "/links/0/href", "/href", "/properties", "/traits/1"]
            .map(str::to_owned)
            .to_vec(),
        shapes: Vec::new(),
    };
    let none = ScrubAdditions::default();
    let treating = |additions: &ScrubAdditions, treated: &[_], others, key| {
        ScrubRules::keyed(additions, key)?.treating(treated, others).with_plans()
    };
    let kept = [("/driver_info/redfish_password".to_owned(), SecretTreatment::Keep)];
    let key = HmacKey::new(b"0123456789abcdef0123456789abcdef").unwrap();
    [
        ScrubRules::new(&own),
        ScrubRules::new(&ScrubAdditions { words: Vec::new(), ..own }),
        ScrubRules::new(&ScrubAdditions { shapes: vec!["redf[a-z]*".to_owned()], ..none.clone() }),
        treating(&none, &kept, SecretTreatment::Mask, None),
        treating(&none, &[], SecretTreatment::Drop, None),
        treating(&none, &[], SecretTreatment::Hmac, Some(key)),
    ]
    .map(|rules| Arc::new(rules.unwrap()))
    .into()
});

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn items_that_repeat_are_read_as_the_tree_says(items in items(), spaced in any::<bool>(), bare in any::<bool>(), size in 1_usize..400) {
        let text = list(&items, spaced, bare);
        let value: Value = serde_json::from_str(&text).unwrap();
        let whole = scrub_with(&RULES, "node:inventory:get", text.as_bytes(), usize::MAX).unwrap();
        let shown: Value = serde_json::from_str(&whole.0).unwrap();
        prop_assert_eq!(&shown, &reference(&RULES, ORIGIN, &value), "{}\n{}", text, whole.0);
        for size in [1, size] {
            let cut = scrub_with(&RULES, "node:inventory:get", text.as_bytes(), size).unwrap();
            prop_assert_eq!(&cut, &whole, "in chunks of {}: {}", size, text);
        }
    }

    #[test]
    fn items_that_repeat_are_read_as_byte_by_byte(
        items in items(), bare in any::<bool>(), size in 1_usize..400, rules in any::<proptest::sample::Index>(),
        id in proptest::sample::select(vec!["node:list_detail", "node:get", "driver:properties", "node:bios:get", "ramdisk:lookup"]),
    ) {
        let rules = rules.get(&OTHERS);
        let text = list(&items, true, bare);
        let whole = scrub_with(rules, id, text.as_bytes(), usize::MAX).unwrap();
        for size in [1, size] {
            let cut = scrub_with(rules, id, text.as_bytes(), size).unwrap();
            prop_assert_eq!(&cut, &whole, "in chunks of {}: {}", size, text);
        }
    }

    #[test]
    fn a_wrong_byte_is_met_in_every_item(items in items(), at in any::<proptest::sample::Index>(), byte in proptest::sample::select(b"{}[]:,\"\\ 0a-.\0\x1f\xc3".to_vec()), size in 1_usize..400) {
        let mut text = list(&items, true, false).into_bytes();
        let at = at.index(text.len());
        text[at] = byte;
        let shown = |size| {
            let mut scrubber = Scrubber::new(Arc::clone(&RULES), operation("node:list_detail"), ORIGIN.into());
            let mut out = Vec::new();
            text.chunks(size).try_for_each(|chunk| scrubber.push(chunk, &mut out))?;
            scrubber.finish(&mut out).map(|report| (out, report))
        };
        let whole = shown(usize::MAX);
        for size in [1, size] {
            prop_assert_eq!(&shown(size), &whole, "in chunks of {}: {}", size, String::from_utf8_lossy(&text));
        }
        let json = serde_json::from_slice::<serde::de::IgnoredAny>(&text).is_ok() && std::str::from_utf8(&text).is_ok();
        prop_assert_eq!(whole.is_ok(), json, "{}", String::from_utf8_lossy(&text));
    }
}

#[test]
fn an_echo_masks_what_the_first_item_had_not() {
    let node = |name: &str, value: &str, rest: &str| {
        format!(
            r#"{{"uuid": "u", "driver": "redfish", "name": "{name}", "value": {value}, "extra": {{"x": 1}}{rest}}}"#
        )
    };
    let plain = node("BootMode", "\"a\"", "");
    for last in [
        node("AdminPassword", "«\"a\"»", ""),
        node("BootMode", "\"password=‹a›\"", ""),
        node("BootMode", "\"a\"", r#", "token": «"a"»"#),
        node("BootMode", "{\"token\": «[1]»}", ""),
    ] {
        check("node:list_detail", &format!(r#"{{"nodes": [{plain}, {plain}, {plain}, {last}, {plain}, {last}]}}"#));
    }
}

#[test]
fn arrays_of_texts_end_where_they_end() {
    for passes in [r#"["a"]"#, r#"["a", "b"]"#, r#"["a", "]"]"#, r#"["", ", ", "]", "x, "]"#, r#"["a","b" ]"#] {
        check("node:list_detail", &format!(r#"{{"nodes": [{{"traits": {passes}, "uuid": "u"}}]}}"#));
    }
    check("node:list_detail", r#"{"nodes": [{"traits": ["a", "b", "password=‹x›"], "args": ["password", «"a"»]}]}"#);
    for wrong in [r#"["a", "]"#, r#"["a", ", "#, r#"["a", b"]"#, r#"["a" "b"]"#, r#"["a", ]"#, r#"["a"}"#] {
        let answer = format!(r#"{{"nodes": [{{"traits": {wrong}, "uuid": "u"}}]}}"#);
        for chunk in [1, 30, usize::MAX] {
            assert!(scrub_with(&RULES, "node:list_detail", answer.as_bytes(), chunk).is_err(), "{wrong} by {chunk}");
        }
    }
}

#[test]
fn no_quick_way_leads_deeper_than_allowed() {
    for (innermost, too_deep) in [
        ("{}", r#""******""#),
        ("[]", r#""******""#),
        (r#"["a"]"#, r#""******""#),
        (r#"[{"href": "x", "rel": "self"}]"#, r#"["******"]"#),
        (r#"{"uuid": []}"#, r#"{"uuid": "******"}"#),
    ] {
        let depth = innermost.matches(['[', '{']).count();
        for (open, expected) in [(DEPTH_MAX - depth, innermost), (DEPTH_MAX - depth + 1, too_deep)] {
            let around = |inner: &str| format!("{}{inner}{}", "{\"links\": ".repeat(open), "}".repeat(open));
            for chunk in [1, 50, usize::MAX] {
                let (text, _) = scrub_with(&RULES, "node:get", around(innermost).as_bytes(), chunk).unwrap();
                assert_eq!(text, around(expected), "{innermost} below {open} in chunks of {chunk}");
            }
        }
    }
}
