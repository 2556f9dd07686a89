//! Random answers, random chunks, random secrets.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::scrub::reference::reference;

const SECRET: &str = "C4nary-7f3a";

/// Keys that mean something, and some that do not.
pub(super) fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => proptest::sample::select(vec![
            "name", "value", "href", "next", "links", "args", "headers", "extra", "properties", "driver_info", "id",
            "password", "AdminPassword", "apiKey", "uuid", "bios", "nodes", "config", "token", "current_value", "pass",
            "values", "regex", "path", "content", "val", "current", "loop", "capabilities", "{item}",
        ]).prop_map(str::to_owned),
        1 => "[a-zé\"\\\\/ \\n:_\u{fffd}]{0,12}",
    ]
}

fn string() -> impl Strategy<Value = String> {
    prop_oneof![
        2 => "[a-z0-9 :/.@=&?%'\"\\\\é😀$A\u{fffd}-]{0,24}",
        2 => proptest::sample::select(vec![
            "http://h:80/v1/nodes", "https://u:p@h/x", "password=x y", "AdminPassword", "BootMode", "token:x",
            "a 'secret': 'b' c", "2026-01-01T00:00:00+00:00", "", "******", "redfish_password", "x?sig=1&b=2", "/extra/auth", "instance_info.image_url", "{node.extra[auth]}", "{node.driver_info[x_password]}",
            "{item}", "/extra/{item[0]}", "token_ring:1,boot_mode:uefi", "**eyJhbGciOi.eyJzdWIiOiIxIn0.x*",
            "Cookie: a=b; c", "{'token': {'a': ['b', 'c']}, 'x': 1}",
            "Authorization: Bearer abc", "passwd:a", "pwd1: b", "x?u=http%3A%2F%2Fu%3Ap%40h", "52:54:00:ab:cd:ef", "eyJhbGciOi.eyJzdWIiOiI.x", "http://h/v1?token=1", "\u{7f}\u{1}\n",
        ]).prop_map(str::to_owned),
        1 => "[xy=@ J]{100,300}",
    ]
}

pub(super) fn tree() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::from),
        string().prop_map(Value::String),
    ];
    leaf.prop_recursive(6, 60, 6, |inner| {
        prop_oneof![
            2 => proptest::collection::vec((key(), inner.clone()), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>())),
            1 => proptest::collection::vec(inner, 0..5).prop_map(Value::Array),
        ]
    })
}

/// Halves of surrogate pairs that are no pair, and stand for U+FFFD; nothing else is written in upper case.
const HALVES: [&str; 2] = [r"\uD801", r"\uDCE9"];

/// What JSON in [`write`]'s spelling says.
fn read(text: &str) -> Value {
    serde_json::from_str(&HALVES.iter().fold(text.to_owned(), |text, half| text.replace(half, r"\ufffd"))).unwrap()
}

/// Writes JSON in many spellings: white space, escapes, members in any order.
fn write(value: &Value, seed: &mut u64, out: &mut String) {
    let mut next = || {
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        *seed >> 33
    };
    let space = [" ", "", "", "\n", "", "  \t"][(next() % 6) as usize];
    let escapes = next() % 4 == 0;
    // Of one kind in one string, so that no two make a pair.
    let half = HALVES[(next() % 2) as usize];
    out.push_str(space);
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            if !members.is_empty() {
                let turn = next() as usize % members.len();
                members.rotate_left(turn);
            }
            for (index, (key, value)) in members.iter().enumerate() {
                out.push_str(if index == 0 { "{" } else { "," });
                write(&Value::String((*key).clone()), seed, out);
                out.push(':');
                write(value, seed, out);
            }
            out.push_str(if members.is_empty() { "{}" } else { "}" });
        }
        Value::Array(elements) => {
            for (index, value) in elements.iter().enumerate() {
                out.push_str(if index == 0 { "[" } else { "," });
                write(value, seed, out);
            }
            out.push_str(if elements.is_empty() { "[]" } else { "]" });
        }
        Value::String(text) if escapes => {
            out.push('"');
            for unit in text.encode_utf16() {
                let half = (unit == 0xfffd).then(|| half.to_owned());
                out.push_str(&half.unwrap_or_else(|| format!("\\u{unit:04x}")));
            }
            out.push('"');
        }
        Value::String(_) => out.push_str(&value.to_string().replace('\u{fffd}', half)),
        Value::Null | Value::Bool(_) | Value::Number(_) => out.push_str(&value.to_string()),
    }
    out.push_str(space);
}

fn chunked(text: &str, sizes: &[usize]) -> Result<String, ScrubError> {
    // An operation that has no places of its own.
    let mut scrubber = Scrubber::new(Arc::clone(&RULES), operation("node:inventory:get"), ORIGIN.into());
    let mut out = Vec::new();
    let (mut rest, mut turn) = (text.as_bytes(), sizes.iter().cycle());
    while !rest.is_empty() {
        let (chunk, after) = rest.split_at(rest.len().min(*turn.next().unwrap()));
        scrubber.push(chunk, &mut out)?;
        rest = after;
    }
    scrubber.finish(&mut out)?;
    Ok(String::from_utf8(out).unwrap())
}

/// The same shape: keys and kinds, where nothing became a mask.
fn alike(given: &Value, shown: &Value) -> bool {
    match (given, shown) {
        (_, Value::String(text)) if text == MASK => true,
        (Value::Object(given), Value::Object(shown)) => {
            let kept = |(key, value): (&String, &Value)| shown.get(key).is_none_or(|shown| alike(value, shown));
            given.len() == shown.len() && given.iter().all(kept)
        }
        (Value::Array(given), Value::Array(shown)) => {
            given.len() == shown.len() && given.iter().zip(shown).all(|(given, shown)| alike(given, shown))
        }
        (Value::String(_), Value::String(_)) => true,
        (given, shown) => given == shown,
    }
}

/// Where a secret can be planted, and the value that holds it.
fn plant() -> impl Strategy<Value = (String, Value)> {
    let secret = SECRET;
    proptest::sample::select(vec![
        ("redfish_password", json!(secret)),
        ("X-Auth-Token", json!([secret])),
        ("private_key", json!({"a": {"b": secret}})),
        ("x", json!(format!("http://u:{secret}@h/"))),
        ("x", json!(format!("a rootpwd={secret} b"))),
        ("x", json!(format!("a {{'password': '{secret} b'}}"))),
        ("x", json!(format!("h?temp_url_sig={secret}&x=1"))),
        ("x", json!({"name": "AdminPassword", "value": secret})),
        ("x", json!({"attribute": "x_token", "zz": 1, "value": [secret]})),
        ("args", json!(["a.password", secret])),
        ("args", json!({"values": ["{node.driver_info[redfish_password]}", secret]})),
        ("args", json!({"values": [secret, "{node.driver_info[redfish_password]}"]})),
        ("args", json!({"value": "{node.driver_info[redfish_password]}", "regex": secret})),
        ("args", json!({"path": "/instance_info/image_url", "value": secret})),
        ("args", json!({"path": "/driver_info/{item}", "value": secret})),
        ("x", json!({"args": {"path": "/extra/token", "value": "{item}"}, "loop": [secret]})),
        ("x", json!({"loop": {"a": secret}, "args": ["/extra/token", "{item[a]}"]})),
        ("capabilities", json!(format!("boot_mode:uefi,token:{secret},a:b"))),
        ("x", json!(format!("{{'secret': {{'value': '{secret}'}}}}"))),
        ("x", json!(format!("Cookie: a=b; c={secret}"))),
        ("x", json!(format!("eyJhbGciOi.eyJzdWIi{secret}.{secret}"))),
    ])
    .prop_map(|(key, value)| (key.to_owned(), value))
}

/// Puts `planted` somewhere into `value`.
fn insert(value: &mut Value, at: u64, key: &str, planted: Value) {
    match value {
        Value::Object(members) if !members.is_empty() && !at.is_multiple_of(3) => {
            let index = (at / 3) as usize % members.len();
            let inner = members.iter_mut().nth(index).unwrap().1;
            insert(inner, at / 7, key, planted);
        }
        Value::Object(members) => {
            members.insert(key.to_owned(), planted);
        }
        Value::Array(elements) if !elements.is_empty() && !at.is_multiple_of(3) => {
            let index = (at / 3) as usize % elements.len();
            insert(&mut elements[index], at / 7, key, planted);
        }
        Value::Array(elements) => elements.push(json!({ key: planted })),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => *value = json!({ key: planted }),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_reader_agrees_with_the_tree(value in tree(), mut seed in any::<u64>(), sizes in proptest::collection::vec(1_usize..40, 1..6)) {
        let mut text = String::new();
        write(&value, &mut seed, &mut text);
        let whole = chunked(&text, &[usize::MAX]).unwrap();
        let cut = chunked(&text, &sizes).unwrap();
        prop_assert_eq!(&cut, &whole, "{}", text);
        let shown = read(&whole);
        prop_assert_eq!(&shown, &reference(&RULES, ORIGIN, &value), "{}\n{}", text, whole);
        if shown == value && !whole.contains(MASK) {
            prop_assert_eq!(whole, text);
        }
    }

    #[test]
    fn no_planted_secret_comes_out(mut value in tree(), mut seed in any::<u64>(), at in any::<u64>(), (key, planted) in plant(), sizes in proptest::collection::vec(1_usize..40, 1..6)) {
        insert(&mut value, at, &key, planted);
        let mut text = String::new();
        write(&value, &mut seed, &mut text);
        let shown = chunked(&text, &sizes).unwrap();
        prop_assert!(!shown.contains(SECRET), "{}\n{}", text, shown);
        let parsed = read(&shown);
        prop_assert!(!parsed.to_string().contains(SECRET), "{}\n{}", text, shown);
        prop_assert!(alike(&value, &parsed), "{}\n{}", text, shown);
    }

    #[test]
    fn any_bytes_end_in_json_or_an_error(bytes in proptest::collection::vec(proptest::sample::select(br#"{}[]:,"\/ u0dn1e-.tlsr@="#.to_vec()), 0..60), sizes in proptest::collection::vec(1_usize..9, 1..4)) {
        let text = String::from_utf8(bytes).unwrap();
        let whole = chunked(&text, &[usize::MAX]);
        prop_assert_eq!(&chunked(&text, &sizes), &whole);
        match serde_json::from_str::<serde::de::IgnoredAny>(&text) {
            Ok(_) => prop_assert!(whole.is_ok(), "{}", text),
            Err(_) => prop_assert!(whole.is_err(), "{}", text),
        }
    }
}
