use super::*;

const LIMITS: Limits = Limits { depth_max: 3, values_max: 20, key_bytes_max: 8, string_bytes_max: 12 };

const WIDE: Limits = Limits { depth_max: 25, values_max: 1_000_000, key_bytes_max: 1024, string_bytes_max: 1 << 20 };

fn code(text: &[u8], limits: &Limits) -> &'static str {
    match parse(text, limits) {
        Ok(_) => "ok",
        Err(error) => error.code(),
    }
}

#[test]
fn takes_and_refuses() {
    let check = |text: &str, expected: &str| {
        assert_eq!(code(text.as_bytes(), &LIMITS), expected, "{text:?}");
    };
    check("null", "ok");
    check(" \r\n\t[true, false] ", "ok");
    check(r#"{"a": {"b": [1]}}"#, "ok");
    check(r#"{"a": {"b": [[]]}}"#, "json_too_deep");
    check("[[[[[[[[", "json_too_deep");
    check("[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20]", "ok");
    check("[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21]", "json_too_many_values");
    check(r#"{"12345678": "123456789012"}"#, "ok");
    check(r#"{"123456789": 1}"#, "json_key_too_long");
    check(r#"{"12345678\n": 1}"#, "json_key_too_long");
    check(r#"{"a": "1234567890123"}"#, "json_string_too_long");
    check(r#"{"a": "123456789012\n"}"#, "json_string_too_long");

    check("", "json_empty");
    check(" \n", "json_empty");
    check("\u{feff}{}", "json_byte_order_mark");
    check("{} {}", "json_trailing_text");
    check("{}\0", "json_trailing_text");
    check("{}\u{c}", "json_trailing_text");
    check(r#"{"a": 1"#, "json_truncated");
    check(r#""abc"#, "json_truncated");
    check("{\"a\": 1,}", "json_syntax");
    check("[1,]", "json_syntax");
    check("{'a': 1}", "json_syntax");
    check("{a: 1}", "json_syntax");
    check("{1: 1}", "json_syntax");
    check("// x\n1", "json_syntax");
    check("NaN", "json_syntax");
    check("[Infinity]", "json_syntax");
    check("-Infinity", "json_syntax");
    check("01", "json_syntax");
    check("+1", "json_syntax");
    check(".5", "json_syntax");
    check("1.", "json_truncated");
    check("1.]", "json_syntax");
    check("0x10", "json_trailing_text");
    check("True", "json_syntax");

    check(r#""\ud83d\ude00""#, "ok");
    check(r#""\ud83d""#, "json_lone_surrogate");
    check(r#""\ude00""#, "json_lone_surrogate");
    check(r#""\ud83d\ud83d""#, "json_lone_surrogate");
    check(r#""\ud83dx""#, "json_lone_surrogate");
    check(r#"{"\ud83d": 1}"#, "json_lone_surrogate");
    check(r#""a\u0000""#, "json_nul_character");
    check(r#"{"\u0000": 1}"#, "json_nul_character");
    check(r#""\n\t\u001b\u007f""#, "ok");
    check("\"\u{7f}\"", "ok");
    check("\"a\nb\"", "json_raw_control_character");
    check("\"\0\"", "json_raw_control_character");
    check(r#""\x41""#, "json_syntax");
    check(r#""\u12""#, "json_truncated");
}

#[test]
fn bytes_that_are_not_utf8_are_refused() {
    let check = |text: &[u8], expected: &str| assert_eq!(code(text, &LIMITS), expected, "{text:?}");
    check(b"\"\xff\"", "json_not_utf8");
    check(b"\"\xc0\xaf\"", "json_not_utf8");
    check(b"\"\xed\xa0\x80\"", "json_not_utf8");
    check(b"{\"\xff\": 1}", "json_not_utf8");
    check(b"\"\\n\xff\"", "json_not_utf8");
    check(b"\xff\xfe{\0}\0", "json_syntax");
    check("\"é😀\"".as_bytes(), "ok");
}

#[test]
fn numbers_keep_their_kind_and_range() {
    let check = |text: &str, expected: Option<Json<'static>>| {
        let read = parse(text.as_bytes(), &LIMITS);
        match expected {
            Some(value) => assert_eq!(read, Ok(value), "{text}"),
            None => assert_eq!(read.map_err(|error| error.code()), Err("json_number_range"), "{text}"),
        }
    };
    check("0", Some(Json::Integer(0)));
    check("-1", Some(Json::Integer(-1)));
    check("9223372036854775807", Some(Json::Integer(i64::MAX)));
    check("-9223372036854775808", Some(Json::Integer(i64::MIN)));
    check("1.0", Some(Json::Float(1.0)));
    check("1e5", Some(Json::Float(1e5)));
    check("-0", Some(Json::Integer(0)));
    check("-0.0", Some(Json::Float(-0.0)));
    check("5e-324", Some(Json::Float(5e-324)));
    check("9007199254740993.0", Some(Json::Float(9_007_199_254_740_992.0)));
    check("9223372036854775808", None);
    check("-9223372036854775809", None);
    check("18446744073709551616", None);
    check(&"9".repeat(400), None);
    check("9223372036854775808.0", None);
    check("1e19", None);
    check("1e400", None);
    check("-1e400", None);
}

/// As exact as Python's reader, which is correctly rounded: what Ironic reads is what was sent.
#[test]
fn floats_are_correctly_rounded() {
    for text in [
        "0.1234567890123456789",
        "2.2250738585072011e-308",
        "8.533e-40",
        "1.7976931348623157e18",
        "123456.78901234567891",
    ] {
        assert_eq!(parse(text.as_bytes(), &WIDE), Ok(Json::Float(text.parse().unwrap())), "{text}");
    }
}

#[test]
fn keys_are_unique_after_unescaping() {
    let check = |text: &str, expected: &str| assert_eq!(code(text.as_bytes(), &WIDE), expected, "{text}");
    check(r#"{"a": 1, "b": 2, "A": 3}"#, "ok");
    check(r#"{"a": 1, "a": 1}"#, "json_duplicate_key");
    check(r#"{"a": 1, "\u0061": 2}"#, "json_duplicate_key");
    check(r#"[{"a": {"x": 1, "y": 2, "x": 3}}]"#, "json_duplicate_key");
    check(r#"{"": 1, "": 1}"#, "json_duplicate_key");
    // Composed and decomposed letters are different keys for Ironic, too.
    check("{\"\u{e9}\": 1, \"e\u{301}\": 1}", "ok");
    let many = |last: &str| {
        let keys: Vec<String> = (0..100_000).map(|index| format!("\"key-{index}\":0")).collect();
        format!("{{{},\"{last}\":0}}", keys.join(","))
    };
    check(&many("key-x"), "ok");
    check(&many("key-0"), "json_duplicate_key");
    check(&many("key-99999"), "json_duplicate_key");
    check(&many("\\u006bey-50000"), "json_duplicate_key");
    for count in 14..20 {
        let keys: Vec<String> = (0..count).map(|index| format!("\"k{index}\":0")).collect();
        check(&format!("{{{}}}", keys.join(",")), "ok");
        check(&format!("{{{},\"k{}\":0}}", keys.join(","), count - 1), "json_duplicate_key");
    }
}

#[test]
fn depth_is_counted_as_ironic_counts_it() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(code(nested(25).as_bytes(), &WIDE), "ok");
    assert_eq!(code(nested(26).as_bytes(), &WIDE), "json_too_deep");
    assert_eq!(code("[".repeat(1_000_000).as_bytes(), &WIDE), "json_too_deep");
    let unbounded = Limits { depth_max: usize::MAX, ..WIDE };
    assert_eq!(code(nested(100).as_bytes(), &unbounded), "ok");
    assert_eq!(code(nested(127).as_bytes(), &unbounded), "json_too_deep");
    // Siblings do not add up.
    assert_eq!(code(b"[[],[],[[]],{\"a\":{}}]", &LIMITS), "ok");
    assert_eq!(code(b"\"[[[[[[[[\"", &LIMITS), "ok");
}

#[test]
fn strings_without_escapes_are_borrowed() {
    let text = br#"{"plain": "value", "esc\u0061ped": "a\nb"}"#;
    let Json::Object(members) = parse(text, &WIDE).unwrap() else { panic!("an object") };
    assert!(matches!(&members[0], (Cow::Borrowed(_), Json::String(Cow::Borrowed(_)))));
    assert!(matches!(&members[1], (Cow::Owned(_), Json::String(Cow::Owned(_)))));
}

#[test]
fn errors_name_the_place_and_nothing_else() {
    let error = parse(b"{\n  \"password\": \"S3cret\",\n  \"password\": 1}", &WIDE).unwrap_err();
    assert_eq!(error.code(), "json_duplicate_key");
    assert_eq!(error.to_string(), "an object holds the same key twice (line 3, column 12)");
}

/// Python reads `-0` as an integer and `-0.0` as a double.
#[test]
fn minus_zero_is_an_integer_where_it_is_written_as_one() {
    fn kinds(value: &Json<'_>, out: &mut String) {
        match value {
            Json::Integer(0) => out.push('i'),
            Json::Float(number) if *number == 0.0 && number.is_sign_negative() => out.push('f'),
            Json::Array(items) => items.iter().for_each(|item| kinds(item, out)),
            Json::Object(members) => members.iter().for_each(|(_, member)| kinds(member, out)),
            Json::Null | Json::Boolean(_) | Json::Integer(_) | Json::Float(_) | Json::String(_) => out.push('.'),
        }
    }
    let check = |text: &str, expected: &str| {
        let mut found = String::new();
        kinds(&parse(text.as_bytes(), &WIDE).expect(text), &mut found);
        assert_eq!(found, expected, "{text}");
    };
    check("-0", "i");
    check("-0.0", "f");
    check("-0e0", "f");
    check("-1e-400", "f");
    check("[-0, -0.0, -0, -0E-0, 1e-0, -0, 2e-7, -0.0]", "ifif.i.f");
    check(r#"{"-0": "-0 \" -0", "a\\": [-0.0, {"b": -0}], "c": -7, "d": true, "e": -0.50, "f": -0}"#, ".fi...i");
}
