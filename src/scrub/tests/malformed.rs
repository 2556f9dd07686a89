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
    use ScrubError::{Control, Escape, Number, Syntax, Trailing, Truncated, Utf8, Word};
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
        (b"\"\\ud800\\u12\"", Escape),
        (b"\"\\ud800\\u\"", Escape),
        (b"\"\\ud800\\x\"", Escape),
        (b"\"\\ud800\\u123g\"", Escape),
        (b"\"\\ud80\"", Escape),
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

/// Half of a surrogate pair is grammatical (RFC 8259, section 8.2), and Ironic stores it: it passes as it was written, and
/// all around it is looked at.
#[test]
fn halves_of_surrogate_pairs() {
    for half in [r"\ud800", r"\udce9", r"\uDBFF", r"\ud83d\ud83d", r"\ude00\ud83d", r"\ud83d\u0041", r"\udfff\ude00"] {
        for answer in [
            r#""HALF""#,
            r#"{"HALF": 1, "nodes": [{"extra": {"a": "HALFx"}, "name": "n", "token": «"S"»}, {"a": "yHALF"}]}"#,
            r#"{"extra": {"HALF": {"password": «"S"», "HALFpasswordHALF": «["S"]», "a": "HALF password=‹S› HALF"}}}"#,
            r#"{"password": «"HALF"», "x": "https://‹uHALF:p›@hHALF/", "https://‹HALF›@h": "HALF\u00e9HALF"}"#,
            r#"{"x": "pass\u0077ord='‹aHALFb›'HALF\"", "y": "é HALF token: ‹SHALF›"}"#,
            r#"{"actions": [{"args": {"path": "/extra/HALF/token", "value": «"HALF"»}}], "z": "HALF"}"#,
            r#"{"nodes": [{"value": "HALF", "name": "HALF"}, {"value": «"HALF"», "name": "HALF password"}]}"#,
        ] {
            check("node:list_detail", &answer.replace("HALF", half));
        }
    }
    passes("node:get", r#"{"a": "\ud83d\n\udce9\\\ud83d\"", "\ud83d\t": 1}"#);
    // A pair is one character, however it is cut.
    check("node:get", r#"{"a": "\ud83d\ude00 token=‹\ud83d\ude00› b\ud83d\ude00"}"#);
    // At every place of a window's end.
    for before in WINDOW_BYTES - 20..WINDOW_BYTES + 3 {
        let text = format!(r#"{{"a": "{}\ud83d\ud83d\ude00\udce9 token=S"}}"#, "x".repeat(before));
        for chunk in [7, usize::MAX] {
            let (out, _) = scrub_with(&RULES, "node:get", text.as_bytes(), chunk).unwrap();
            assert_eq!(out, text.replace("=S", "=******"));
        }
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
