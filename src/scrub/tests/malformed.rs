//! What is no JSON is never passed on.

use super::*;
use crate::scrub::stream::DEPTH_READ_MAX;

fn refused(answer: &[u8]) -> ScrubError {
    let whole = scrub_with(&RULES, "node:get", answer, usize::MAX).map(|(out, _)| out).unwrap_err();
    for chunk in [1, 2, 3] {
        let cut = scrub_with(&RULES, "node:get", answer, chunk).map(|(out, _)| out).unwrap_err();
        assert_eq!(cut, whole, "{}", String::from_utf8_lossy(answer));
    }
    whole
}

#[test]
fn malformed_answers() {
    use ScrubError::{Control, Escape, Number, Surrogate, Syntax, Trailing, Truncated, Utf8, Word};
    let rows: &[(&[u8], ScrubError)] = &[
        (b"", Truncated),
        (b"  ", Truncated),
        (b"{", Truncated),
        (b"[", Truncated),
        (b"[1", Truncated),
        (b"[1,", Truncated),
        (b"{\"a\"", Truncated),
        (b"{\"a\":", Truncated),
        (b"{\"a\":1", Truncated),
        (b"\"a", Truncated),
        (b"\"a\\", Truncated),
        (b"tru", Truncated),
        (b"-", Truncated),
        (b"1.", Truncated),
        (b"1e", Truncated),
        (b"1e+", Truncated),
        (b"[1]]", Trailing),
        (b"1 2", Trailing),
        (b"{} x", Trailing),
        (b"\"\"\"\"", Trailing),
        (b"[1,]", Syntax),
        (b"[,1]", Syntax),
        (b"[1 2]", Syntax),
        (b"{,}", Syntax),
        (b"{\"a\":1,}", Syntax),
        (b"{\"a\" 1}", Syntax),
        (b"{\"a\":}", Syntax),
        (b"{a:1}", Syntax),
        (b"{1:1}", Syntax),
        (b"{\"a\":1]", Syntax),
        (b"[1}", Syntax),
        (b"]", Syntax),
        (b"}", Syntax),
        (b",", Syntax),
        (b":", Syntax),
        (b"'a'", Syntax),
        (b"\xef\xbb\xbf{}", Syntax),
        (b"NaN", Syntax),
        (b"Infinity", Syntax),
        (b"+1", Syntax),
        (b".5", Syntax),
        (b"/**/1", Syntax),
        (b"\x0b1", Syntax),
        (b"\0", Syntax),
        (b"[-]", Number),
        (b"[01]", Number),
        (b"[-01]", Number),
        (b"[1.]", Number),
        (b"[1.e1]", Number),
        (b"[1e]", Number),
        (b"[1e+]", Number),
        (b"[-Infinity]", Number),
        (b"[0x1]", Number),
        (b"[1a]", Number),
        (b"[tru]", Word),
        (b"[nul]", Word),
        (b"[True]", Syntax),
        (b"[trues]", Syntax),
        (b"\"\n\"", Control),
        (b"\"\0\"", Control),
        (b"\"\x1f\"", Control),
        (b"\"\\x\"", Escape),
        (b"\"\\u12\"", Escape),
        (b"\"\\u123g\"", Escape),
        (b"\"\\u\"", Escape),
        (b"\"\\\n\"", Escape),
        (b"\"\\'\"", Escape),
        (b"\"\\ud800\"", Surrogate),
        (b"\"\\udc00\"", Surrogate),
        (b"\"\\ud800x\"", Surrogate),
        (b"\"\\ud800\\n\"", Surrogate),
        (b"\"\\ud800\\ud800\"", Surrogate),
        (b"\"\xff\"", Utf8),
        (b"\"\xc0\xaf\"", Utf8),
        (b"\"\xed\xa0\x80\"", Utf8),
        (b"\"\xe2\x82\"", Utf8),
        (b"\"\xf4\x90\x80\x80\"", Utf8),
        (b"{\"\xff\":1}", Utf8),
        (b"{\"\\x\":1}", Escape),
        (b"{\"\n\":1}", Control),
        // Inside what is masked, and what passes, it is no different.
        (b"{\"password\": [1,]}", Syntax),
        (b"{\"password\": \"\\x\"}", Escape),
        (b"{\"password\": {\"a\": \"\xff\"}}", Utf8),
        (b"{\"password\": 01}", Syntax),
        (b"{\"password\": [\"", Truncated),
        (b"{\"password\": \"", Truncated),
        (b"{\"value\": \"x\"", Truncated),
        (b"{\"password\": {}]", Syntax),
    ];
    for (answer, error) in rows {
        let found = refused(answer);
        // After a zero no digit may come: seen as a number's end, where neither comma nor bracket follows.
        let same = found == *error || (*error == Number && found == Syntax);
        assert!(same, "{}: {found:?} instead of {error:?}", String::from_utf8_lossy(answer));
        assert!(serde_json::from_slice::<serde_json::Value>(answer).is_err());
    }
}

#[test]
fn depth() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(scrub("node:get", &nested(DEPTH_MAX)), nested(DEPTH_MAX));
    // What is deeper is masked, and read all the same.
    let cut = |open: &str, close: &str| format!("{}\"******\"{}", open.repeat(DEPTH_MAX), close.repeat(DEPTH_MAX));
    for depth in [DEPTH_MAX + 1, DEPTH_MAX + 9, DEPTH_READ_MAX] {
        assert_eq!(scrub("node:get", &nested(depth)), cut("[", "]"));
        let objects = format!("{}{{}}{}", r#"{"a": "#.repeat(depth - 1), "}".repeat(depth - 1));
        assert_eq!(scrub("node:get", &objects), cut(r#"{"a": "#, "}"));
        let value = format!("{}[{{\"value\": [[1]]}}, 2]{}", "[".repeat(depth - 4), "]".repeat(depth - 4));
        assert!(scrub("node:get", &value).len() < 2 * depth + 30);
    }
    for row in
        [r#"[[{"x": [2]}]"#, r#"{"value": [[1, "S"]]"#, r#"{"a": 1, "value": {"name": "S"}"#, r#"{"password": [["S"]]"#]
    {
        let ends = if row.starts_with('[') { "]" } else { "}" };
        for below in DEPTH_MAX - 4..DEPTH_MAX + 2 {
            let given = format!(r#"{}{row}{ends}{}"#, "[".repeat(below), "]".repeat(below));
            let shown = serde_json::from_str::<serde_json::Value>(&scrub("node:inventory:get", &given)).unwrap();
            let given = serde_json::from_str(&given).unwrap();
            assert_eq!(shown, crate::scrub::reference::reference(&RULES, ORIGIN, &given), "{given}");
        }
    }
    assert_eq!(refused(nested(DEPTH_READ_MAX + 1).as_bytes()), ScrubError::Depth);
    assert_eq!(refused("[".repeat(2000).as_bytes()), ScrubError::Depth);
    let masked = format!(r#"{{"password": {}}}"#, nested(DEPTH_READ_MAX));
    assert_eq!(refused(masked.as_bytes()), ScrubError::Depth);
    assert_eq!(refused(format!("{}{}", "[".repeat(70), "]".repeat(69) + "}").as_bytes()), ScrubError::Syntax);
    // The ramdisk's own is no exception.
    let deep = format!(r#"{{"node": {{"properties": {{"a": {}, "token": 1}}}}}}"#, nested(DEPTH_MAX));
    let shown = format!(
        r#"{{"node": {{"properties": {{"a": {}"******"{}, "token": 1}}}}}}"#,
        "[".repeat(DEPTH_MAX - 3),
        "]".repeat(DEPTH_MAX - 3)
    );
    assert_eq!(scrub("ramdisk:lookup", &deep), shown);
}

/// One object that is too deep does not make a list unreadable.
#[test]
fn a_list_with_something_too_deep_is_readable() {
    let deep = format!("{}1{}", r#"{"x": "#.repeat(80), "}".repeat(80));
    let given =
        format!(r#"{{"nodes": [{{"extra": {deep}, "name": "a"}}, {{"name": "b", "extra": {{"token": "S"}}}}]}}"#);
    let shown = scrub("node:list_detail", &given);
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!((&shown["nodes"][0]["name"], &shown["nodes"][1]["name"]), (&"a".into(), &"b".into()));
    assert_eq!(shown["nodes"][1]["extra"]["token"], MASK);
}

#[test]
fn nothing_of_the_failing_chunk_is_given_out_and_nothing_after() {
    let mut scrubber = Scrubber::new(Arc::clone(&RULES), operation("node:get"), ORIGIN.into());
    let mut out = Vec::new();
    scrubber.push(br#"{"a": 1, "#, &mut out).unwrap();
    let before = out.clone();
    assert_eq!(scrubber.push(br#""b": 2, x"#, &mut out), Err(ScrubError::Syntax));
    assert_eq!(scrubber.push(b"}", &mut out), Err(ScrubError::Syntax));
    assert_eq!(out, before);
    assert_eq!(scrubber.finish(&mut out), Err(ScrubError::Syntax));
}
