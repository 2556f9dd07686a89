use std::borrow::Cow;

use proptest::prelude::*;

use super::*;
use crate::json::{Limits, parse};

const LIMITS: Limits = Limits { depth_max: 25, values_max: 100_000, key_bytes_max: 4096, string_bytes_max: 1 << 20 };

fn written(value: &Json<'_>, source: &Bytes) -> String {
    let canonical = canonical(value, source);
    let text = canonical.pieces.concat();
    assert_eq!(text.len(), canonical.length);
    assert!(canonical.pieces.iter().all(|piece| !piece.is_empty()));
    String::from_utf8(text).unwrap()
}

#[test]
fn writes_one_spelling() {
    let check = |text: &str, expected: &str| {
        let source = Bytes::copy_from_slice(text.as_bytes());
        let value = parse(&source, &LIMITS).unwrap();
        assert_eq!(written(&value, &source), expected, "{text}");
    };
    check(" { \"b\" : [ 1 , null ] , \"a\" : true } ", r#"{"b":[1,null],"a":true}"#);
    check("[]", "[]");
    check("{}", "{}");
    check(r#""\u0061\/\u00e9\ud83d\ude00""#, "\"a/é😀\"");
    check(r#""\"\\\b\f\n\r\t\u001b""#, r#""\"\\\u0008\u000c\n\r\t\u001b""#);
    check("\"\u{7f}\u{2028}\"", "\"\u{7f}\u{2028}\"");
    check(r#"{"\u006bey\n": 1}"#, r#"{"key\n":1}"#);
    // A float stays a float for Python's reader, an integer an integer.
    check("1.0", "1.0");
    check("1E5", "100000.0");
    check("-0", "0");
    check("-0.0", "-0.0");
    check("1e18", "1e18");
    check("1e-7", "1e-7");
    check("0.1", "0.1");
    check("-9223372036854775808", "-9223372036854775808");
}

#[test]
fn long_strings_are_not_copied() {
    let long = "A".repeat(100_000);
    let source = Bytes::from(format!("{{\"target\":\"active\",\"configdrive\":\"{long}\", \"x\":\"{long}\\n\"}}"));
    let value = parse(&source, &LIMITS).unwrap();
    let canonical = canonical(&value, &source);
    assert_eq!(canonical.pieces.len(), 3);
    let start = source.as_ptr().addr();
    let slice = canonical.pieces[1].as_ptr().addr();
    assert!(slice > start && slice < start + source.len());
    assert_eq!(
        written(&value, &source),
        format!("{{\"target\":\"active\",\"configdrive\":\"{long}\",\"x\":\"{long}\\n\"}}")
    );
}

#[test]
fn long_strings_from_elsewhere_are_copied() {
    let long = "\"\n".repeat(20_000);
    let value = Json::Array(vec![Json::String(Cow::Borrowed(&long)), Json::String(Cow::Owned(long.clone()))]);
    let text = written(&value, &Bytes::from_static(b"[]"));
    assert_eq!(parse(text.as_bytes(), &LIMITS).unwrap(), value);
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(serde_json::Value::from),
        any::<i64>().prop_map(serde_json::Value::from),
        (-9.2e18f64..9.2e18).prop_map(serde_json::Value::from),
        prop::num::f64::NORMAL
            .prop_filter("within range", |number| number.abs() < 9.2e18)
            .prop_map(serde_json::Value::from),
        "[^\\x00]{0,12}".prop_map(serde_json::Value::from),
    ];
    leaf.prop_recursive(5, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(serde_json::Value::from),
            prop::collection::hash_map("[^\\x00]{0,6}", inner, 0..24)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn reading_what_was_written_gives_the_same(value in any_json(), pretty in any::<bool>()) {
        let text = if pretty { serde_json::to_vec_pretty(&value) } else { serde_json::to_vec(&value) }.unwrap();
        let source = Bytes::from(text);
        let read = parse(&source, &LIMITS).unwrap();
        let text = written(&read, &source);
        prop_assert_eq!(&parse(text.as_bytes(), &LIMITS).unwrap(), &read);
        prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
        // Writing is idempotent.
        let again = Bytes::from(text.clone());
        prop_assert_eq!(written(&parse(&again, &LIMITS).unwrap(), &again), text);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let source = Bytes::from(bytes);
        if let Ok(value) = parse(&source, &LIMITS) {
            // What is taken, a lenient parser takes too, and as the same value.
            let lenient: serde_json::Value = serde_json::from_slice(&source).unwrap();
            let text = written(&value, &source);
            prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), lenient);
        }
    }
}
