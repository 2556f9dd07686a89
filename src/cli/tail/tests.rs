use super::*;

fn record(more: &str) -> String {
    format!(
        r#"{{"kind":"decision","version":1,"time":"2026-01-02T03:04:05Z","principal":{{"scheme":"basic","name":"al"}},"operation":"node:update","resource":{{"type":"Node","id":"n-1"}},"outcome":"complete","status":200,"decision":"permit","policies":["admin.all"]{more}}}"#
    )
}

fn read(more: &str) -> RecordLine {
    RecordLine::parse(record(more).as_bytes()).unwrap()
}

const DENIED: &str = r#","stage":"authorize","reason":"no_permit","decision":"deny","policies":[],"denied_path":"/extra/a","status":403"#;
const WOULD: &str = r#","would_be":{"decision":"deny","reason":"forbidden","policies":["guard.x"],"path":"/driver"}"#;

/// The later of two keys counts in none of these: they are replaced.
fn denied() -> RecordLine {
    let text = record("").replace(r#","status":200,"decision":"permit","policies":["admin.all"]"#, DENIED);
    RecordLine::parse(text.as_bytes()).unwrap()
}

#[test]
fn a_record_is_one_line() {
    for (record, expected) in [
        (read(""), "2026-01-02 03:04:05  permit  200  basic:al  node:update  n-1  by admin.all"),
        (read(WOULD), "2026-01-02 03:04:05  would deny  200  basic:al  node:update  n-1  /driver  by guard.x"),
        (
            denied(),
            "2026-01-02 03:04:05  deny  403  basic:al  node:update  n-1  /extra/a  (no_permit)  by default-deny",
        ),
    ] {
        assert_eq!(line(&record, false), expected);
        assert!(line(&record, true).contains("\u{1b}[3"));
    }
}

#[test]
fn nothing_of_a_record_steers_the_terminal() {
    let mut record = denied();
    record.denied_path = Some("/extra/\u{1b}]0;x\u{7}\u{9b}31m\r\n\u{202e}\u{200b}\u{61c}\u{e0041}".to_owned());
    record.operation = Some("\u{1b}[2J".to_owned());
    record.reason = Some("\n".to_owned());
    let shown = line(&record, false);
    assert!(
        !shown.chars().any(char::is_control) && !shown.contains(['\u{202e}', '\u{200b}', '\u{61c}', '\u{e0041}']),
        "{shown:?}"
    );
    assert!(shown.contains("/extra/\u{fffd}]0;x"), "{shown:?}");
}

#[test]
fn filters_must_all_pass() {
    let filter = |change: fn(&mut Filter)| {
        let mut filter = Filter::default();
        change(&mut filter);
        [filter.takes(&read("")), filter.takes(&read(WOULD)), filter.takes(&denied())]
    };
    assert_eq!(filter(|_| {}), [true, true, true]);
    assert_eq!(filter(|filter| filter.denied = true), [false, false, true]);
    assert_eq!(filter(|filter| filter.would_deny = true), [false, true, false]);
    assert_eq!(filter(|filter| (filter.denied, filter.would_deny) = (true, true)), [false; 3]);
    assert_eq!(filter(|filter| filter.caller = Some("al".to_owned())), [true; 3]);
    assert_eq!(filter(|filter| filter.caller = Some("basic:al".to_owned())), [true; 3]);
    assert_eq!(filter(|filter| filter.caller = Some("basic:alice".to_owned())), [false; 3]);
    assert_eq!(filter(|filter| filter.operation = Some("node:*".to_owned())), [true; 3]);
    assert_eq!(filter(|filter| filter.operation = Some("node:get".to_owned())), [false; 3]);
    assert_eq!(filter(|filter| filter.since = "2026-01-02T03:04:05Z".parse().ok()), [true; 3]);
    assert_eq!(filter(|filter| filter.since = "2026-01-02T03:04:06Z".parse().ok()), [false; 3]);
}

#[test]
fn times_are_points_or_spans() {
    assert_eq!(since("2026-01-02T03:04:05Z").unwrap().as_second(), 1_767_323_045);
    let ago = jiff::Timestamp::now().as_second() - since("2h").unwrap().as_second();
    assert!((7200..7260).contains(&ago), "{ago}");
    for wrong in ["", "h", "2x", "-2h", "two", "99999999999999999999d", "9999999999999999d", "é"] {
        assert!(since(wrong).is_err(), "{wrong}");
    }
}

fn tail(file: &Path, lines: Option<usize>) -> Tail {
    Tail { file: file.to_owned(), lines, no_follow: true, color: Color::Never, filter: Filter::default() }
}

#[test]
fn the_last_lines_and_what_is_no_record() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("audit.jsonl");
    let texts: Vec<String> = (0..5).map(|number| record("").replace("n-1", &format!("n-{number}"))).collect();
    let log = format!("{}\nnonsense\n{{\"kind\":\"log\"}}\n{}\n", texts[..2].join("\n"), texts[2..].join("\n"));
    std::fs::write(&file, log).unwrap();
    for (lines, expected) in
        [(Some(2), vec!["n-3", "n-4"]), (Some(0), vec![]), (None, vec!["n-0", "n-1", "n-2", "n-3", "n-4"])]
    {
        let (mut output, mut malformed) = (Vec::new(), Vec::new());
        let mut source = Source::file(&file).unwrap();
        tail(&file, lines)
            .show(&mut source, false, &mut output, &mut |number, error| malformed.push((number, error)))
            .unwrap();
        let text = String::from_utf8(output).unwrap();
        let shown: Vec<&str> = text.lines().filter_map(|line| line.split("  ").nth(5)).collect();
        assert_eq!(shown, expected, "{text}");
        assert_eq!(malformed, [(3, LineError::Malformed), (4, LineError::OtherKind)]);
    }
}

fn all(source: &mut Source) -> Vec<String> {
    let mut found = Vec::new();
    loop {
        match source.next_line().unwrap() {
            Next::Line(text, number) => found.push(format!("{number} {}", String::from_utf8(text).unwrap())),
            Next::TooLong(number) => found.push(format!("{number} too long")),
            Next::Nothing => return found,
        }
    }
}

#[test]
fn a_file_is_followed_when_it_is_moved_or_cut() {
    use std::io::Write;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("audit.jsonl");
    std::fs::write(&file, "a\nb").unwrap();
    let mut writer = std::fs::OpenOptions::new().append(true).open(&file).unwrap();
    let mut source = Source::file(&file).unwrap();
    assert_eq!(all(&mut source), ["1 a"]);
    writer.write_all(b"b\nc\n").unwrap();
    assert_eq!(all(&mut source), ["2 bb", "3 c"]);
    // Moved: the writer still writes there until it opens the new one.
    std::fs::rename(&file, directory.path().join("old")).unwrap();
    writer.write_all(b"d\n").unwrap();
    std::fs::write(&file, "").unwrap();
    writer.write_all(b"e\n").unwrap();
    assert_eq!(all(&mut source), ["4 d", "5 e"]);
    writer.write_all(b"f\n").unwrap();
    std::fs::write(&file, "g\n").unwrap();
    assert_eq!(all(&mut source), ["6 f", "1 g"]);
    // Cut to nothing, and begun again.
    std::fs::write(&file, "").unwrap();
    assert_eq!(all(&mut source), Vec::<String>::new());
    std::fs::write(&file, "h\n").unwrap();
    assert_eq!(all(&mut source), ["1 h"]);
}

#[test]
fn a_line_without_end_is_not_kept() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("audit.jsonl");
    std::fs::write(&file, format!("{}\nnext\n", "x".repeat(3_000_000))).unwrap();
    assert_eq!(all(&mut Source::file(&file).unwrap()), ["1 too long", "2 next"]);
}
