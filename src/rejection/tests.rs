//! `docs/errors.md` has every code of the source, with its stage and status, and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The sources with a `code` of refusals, the stage of each, and the status where the source has one for all.
const SOURCES: [(&str, &str, Option<&str>); 11] = [
    ("framing.rs", "framing", None),
    ("listener.rs", "listener", None),
    ("authenticate/error.rs", "authenticate", None),
    ("authenticate/certificate.rs", "authenticate", Some("403")),
    ("authenticate/jwt/error.rs", "authenticate", None),
    ("authenticate/keystone/error.rs", "authenticate", None),
    ("route/error.rs", "route", None),
    ("limits.rs", "limit", None),
    ("body.rs", "validate", None),
    ("validate/error.rs", "validate", None),
    ("forward.rs", "forward", None),
];

/// What has a code of another kind: JSON's errors are refused with `InvalidRequest::Json`'s status, `rejection.rs` gives
/// what is below, and connections that did not become TLS have no request to refuse.
const OTHERS: [&str; 3] = ["json/parse.rs", "rejection.rs", "tls/error.rs"];

/// Of `rejection.rs` itself, whose `code` and `status` mostly ask the stages.
const OWN: [(&str, &str, &str, &str); 3] = [
    ("Unauthenticated", "authorize", "credential_missing", "401"),
    ("Audit", "audit", "audit_full", "503"),
    ("Internal", "internal", "internal", "500"),
];

#[test]
fn the_page_is_whole() {
    let mut expected = BTreeSet::new();
    for (file, stage, status) in SOURCES {
        let codes = arms(file, "code");
        let statuses = if status.is_some() { BTreeMap::new() } else { arms(file, "status") };
        for (variant, code) in literals(codes) {
            let status = status.unwrap_or_else(|| statuses[&variant].as_str());
            expected.insert(row(stage, &code, status));
        }
    }
    let invalid = arms("validate/error.rs", "status");
    for (_, code) in literals(arms("json/parse.rs", "code")) {
        expected.insert(row("validate", &code, &invalid["Json"]));
    }
    let own: Vec<_> = literals(arms("rejection.rs", "code")).collect();
    assert_eq!(own.len(), OWN.len(), "{own:?}");
    let statuses = arms("rejection.rs", "status");
    for (variant, stage, code, status) in OWN {
        assert!(own.contains(&(variant.to_owned(), code.to_owned())), "{own:?}");
        assert_eq!(statuses[variant], status);
        expected.insert(row(stage, code, status));
    }
    for (variant, code) in literals(arms("policy.rs", "as_str")) {
        expected.insert(row("authorize", &code, if variant == "Unavailable" { "503" } else { "403" }));
    }
    // `OPTIONS` is answered, not refused.
    assert!(expected.remove(&row("route", "options", "200")));
    for cut in cuts() {
        expected.insert(row("cut", &cut, ""));
    }

    let found = documented();
    assert!(found.len() > 150, "only {} rows were read", found.len());
    let missing: Vec<_> = expected.difference(&found).collect();
    let extra: Vec<_> = found.difference(&expected).collect();
    assert!(missing.is_empty() && extra.is_empty(), "missing: {missing:#?}\nnot in the source: {extra:#?}");
}

#[test]
fn every_source_of_codes_is_known() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let known: BTreeSet<&str> = SOURCES.iter().map(|(file, ..)| *file).chain(OTHERS).collect();
    let mut found = BTreeSet::new();
    for path in sources(&root) {
        let text = fs::read_to_string(&path).unwrap();
        if ["&self", "self"].iter().any(|own| text.contains(&format!(" fn code({own}) -> &'static str {{\n"))) {
            found.insert(path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned());
        }
    }
    assert_eq!(found.iter().map(String::as_str).collect::<BTreeSet<_>>(), known);
}

fn row(stage: &str, code: &str, status: &str) -> String {
    let status = if status == "*status" { "as Ironic's" } else { status };
    format!("{stage} {code} {status}")
}

/// The rows of the page: below the heading of their stage.
fn documented() -> BTreeSet<String> {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/errors.md")).unwrap();
    let mut stage = "";
    let mut rows = BTreeSet::new();
    for line in page.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            stage = heading;
        } else if let Some(cells) = line.strip_prefix("| `") {
            let cells: Vec<&str> = cells.split(" | ").collect();
            let code = cells[0].trim_end_matches('`');
            let status = if stage == "cut" { "" } else { cells[1].split(':').next().unwrap() };
            assert_eq!(cells.len(), if stage == "cut" { 2 } else { 4 }, "{line}");
            assert!(rows.insert(row(stage, code, status)), "twice: {line}");
        }
    }
    rows
}

/// Those arms whose value is a text, without its quotes.
fn literals(arms: BTreeMap<String, String>) -> impl Iterator<Item = (String, String)> {
    arms.into_iter().filter_map(|(variant, value)| {
        let text = value.strip_prefix('"')?.strip_suffix('"')?.to_owned();
        Some((variant, text))
    })
}

/// What the `match` of a function gives for each variant, as it is written; statuses as numbers.
fn arms(file: &str, function: &str) -> BTreeMap<String, String> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(file)).unwrap();
    let starts = ["&self", "self"].map(|own| format!(" fn {function}({own}) -> "));
    let body = starts.iter().find_map(|start| text.split(start).nth(1)).unwrap_or_else(|| panic!("{file}: {function}"));
    let body = body.split("\n    }\n").next().unwrap();
    let mut arms = BTreeMap::new();
    let mut pattern = String::new();
    for line in body.lines().skip(1).map(str::trim).filter(|line| !line.starts_with("//")) {
        let Some((before, value)) = line.split_once("=>") else {
            pattern.push_str(line);
            continue;
        };
        pattern.push_str(before);
        for variant in pattern.split("Self::").skip(1) {
            let name: String = variant.chars().take_while(char::is_ascii_alphanumeric).collect();
            arms.insert(name, number(value.trim().trim_end_matches(',')));
        }
        pattern.clear();
    }
    assert!(arms.len() > 2, "{file}: {function} could not be read: {body}");
    arms
}

fn number(value: &str) -> String {
    let Some(name) = value.strip_prefix("StatusCode::") else { return value.to_owned() };
    let status = match name {
        "BAD_REQUEST" => http::StatusCode::BAD_REQUEST,
        "UNAUTHORIZED" => http::StatusCode::UNAUTHORIZED,
        "FORBIDDEN" => http::StatusCode::FORBIDDEN,
        "SERVICE_UNAVAILABLE" => http::StatusCode::SERVICE_UNAVAILABLE,
        other => panic!("{other}: a status that this test does not know"),
    };
    status.as_str().to_owned()
}

/// Why answers are cut.
fn cuts() -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut cuts = BTreeSet::from([fs::read_to_string(root.join("audit.rs"))
        .unwrap()
        .split("DRAIN_TIMEOUT: &str = \"")
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .unwrap()
        .to_owned()]);
    for path in sources(&root).into_iter().filter(|path| !path.ends_with("rejection/tests.rs")) {
        let text = fs::read_to_string(path).unwrap();
        cuts.extend(text.split("Cut(\"").skip(1).filter_map(|rest| rest.split('"').next()).map(str::to_owned));
    }
    // What ends the reading of an answer ends it in its middle too, by its own code.
    let answer = fs::read_to_string(root.join("answer.rs")).unwrap();
    let piece = answer.split("fn poll_piece").nth(1).and_then(|rest| rest.split("\n    }\n").next()).unwrap();
    let codes: BTreeMap<String, String> = literals(arms("forward.rs", "code")).collect();
    let errors = piece.split("Err(UpstreamError::").skip(1).filter_map(|rest| rest.split(')').next());
    cuts.extend(errors.map(|error| codes[error].clone()));
    cuts
}

fn sources(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}
