//! Rules about the sources themselves.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::repository_file;

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The source files that are compiled into irongate, with their text up to their unit tests.
fn sources() -> Vec<(String, String)> {
    let root = repository_file("src");
    let mut files = Vec::new();
    rust_files(&root, &mut files);
    let mut sources = Vec::new();
    for file in files {
        let name = file.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
        if name.contains("tests") {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default().to_owned();
        sources.push((name, text));
    }
    sources
}

fn code_lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.trim_start().starts_with("//"))
}

/// What of irongate, of the standard library and of other libraries the decision point is made of: none of it does I/O.
const OWN: &[&str] = &["authenticate", "call", "catalog", "json", "policy", "scrub"];
const STANDARD: &[&str] = &["borrow", "cell", "cmp", "collections", "fmt", "iter", "mem", "net", "slice", "sync"];
const LIBRARIES: &[&str] = &[
    "aws_lc_rs",
    "cedar_policy",
    "ipnet",
    "jiff",
    "miette",
    "quick_cache",
    "serde",
    "serde_json",
    "serde_norway",
    "strsim",
    "thiserror",
    "uuid",
];

/// Other beginnings of paths: what is here already, imported modules of the above, and types of the language.
const BEGINNINGS: &[&str] =
    &["super", "self", "digest", "fmt", "char", "f64", "i64", "str", "u8", "u16", "u32", "u64", "usize"];

/// The beginnings of a line's paths, in two words. Methods, which a point stands before, and types are none.
fn beginnings(line: &str) -> impl Iterator<Item = (&str, &str)> {
    let words = line.split(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | ':' | '.')));
    let paths = words.filter_map(|word| word.trim_start_matches(':').split_once("::"));
    let paths = paths.map(|(first, rest)| (first, rest.split(':').next().unwrap_or_default()));
    paths.filter(|(first, _)| first.starts_with(|c: char| c.is_lowercase()) && !first.contains('.'))
}

#[test]
fn the_decision_point_is_pure() {
    let banned = [
        "hyper",
        "http::",
        "http_body",
        "tokio",
        "rustls",
        "tracing",
        "std::fs",
        "std::time",
        "std::net::Tcp",
        "std::env",
        "std::io",
        "std::process",
        "std::thread",
        "SystemTime",
        "Instant",
        "Timestamp::now",
        "println!",
        "eprintln!",
    ];
    let sources: Vec<_> =
        sources().into_iter().filter(|(name, _)| name == "policy.rs" || name.starts_with("policy/")).collect();
    assert!(sources.len() > 30, "only {} sources were found", sources.len());
    let declared = |line: &str| Some(line.split_once("mod ")?.1.strip_suffix(';')?.to_owned());
    let modules: BTreeSet<String> =
        sources.iter().flat_map(|(_, text)| code_lines(text)).filter_map(declared).collect();
    let mut used = BTreeSet::new();
    for (name, text) in &sources {
        for line in code_lines(text) {
            for word in banned {
                assert!(!line.contains(word), "src/{name}: {word:?} in {line:?}");
            }
            for (first, second) in beginnings(line) {
                let known = match first {
                    "crate" => OWN.contains(&second),
                    "std" => STANDARD.contains(&second),
                    _ => LIBRARIES.contains(&first) || BEGINNINGS.contains(&first) || modules.contains(first),
                };
                assert!(known, "src/{name}: {first}::{second} is not what decisions are made of: {line:?}");
                used.insert(if matches!(first, "crate" | "std") { second } else { first });
            }
        }
    }
    for listed in [OWN, STANDARD, LIBRARIES].into_iter().flatten() {
        assert!(used.contains(listed), "{listed} is on a list and not in use");
    }
}

#[test]
fn only_the_command_line_supposes_principals() {
    let mut seen = 0;
    for (name, text) in sources() {
        let supposes = text.contains("Principal::supposed") || text.contains("fn supposed");
        seen += usize::from(supposes);
        let may = name.starts_with("cli") || name == "authenticate/principal.rs";
        assert!(may || !supposes, "src/{name} makes up a principal");
    }
    assert!(seen > 1, "is it called otherwise by now?");
}

#[test]
fn only_configuration_makes_shadow_mode_and_only_authorize_waives() {
    let (mut made, mut waived) = (0, 0);
    for (name, text) in sources() {
        if name == "policy.rs" {
            continue;
        }
        let makes = ["config", "snapshot"].iter().any(|place| name.starts_with(place));
        for line in code_lines(&text) {
            made += usize::from(line.contains("ShadowMode::from_configuration"));
            waived += usize::from(line.contains(".waive("));
            assert!(
                makes || !line.contains("ShadowMode::from_configuration"),
                "src/{name} makes a ShadowMode: {line:?}"
            );
            assert!(name.starts_with("authorize") || !line.contains(".waive("), "src/{name} waives a denial: {line:?}");
        }
    }
    assert!(made > 0 && waived > 0, "are they called otherwise by now?");
}

/// The proofs of the steps, with the file that says what they are.
const PROOFS: [(&str, &str); 6] = [
    ("Principal", "authenticate/principal.rs"),
    ("Route", "route.rs"),
    ("Permit", "policy.rs"),
    ("Denial", "policy.rs"),
    ("Call", "validate.rs"),
    ("PermittedCall", "authorize.rs"),
];

#[test]
fn only_the_step_that_proves_it_makes_a_proof() {
    let sources = sources();
    for (proof, file) in PROOFS {
        let (_, text) = sources.iter().find(|(name, _)| name == file).unwrap();
        let starts = [(" {", "\n}"), ("<'a> {", "\n}"), ("<'a>(", "\n")];
        let declared = starts.iter().find_map(|(start, end)| {
            let (before, after) = text.split_once(&format!("pub struct {proof}{start}"))?;
            Some((before, after.split_once(end)?.0))
        });
        let (before, body) = declared.unwrap_or_else(|| panic!("{proof} in {file}"));
        let (public, private): (Vec<&str>, Vec<&str>) = code_lines(body)
            .filter(|line| line.contains(':') || line.contains(");"))
            .partition(|line| line.trim_start().starts_with("pub"));
        assert!(!private.is_empty(), "who likes can make a {proof}");
        // A denial's reasons are there to be read.
        assert!(public.is_empty() || proof == "Denial", "who likes can change a {proof}");
        // Nor is there another way to one. A denial permits nothing: it may be repeated.
        let derives = before.rsplit("#[derive(").next().unwrap();
        let forbidden: &[&str] = if proof == "Denial" { &["Default"] } else { &["Default", "Clone", "Deserialize"] };
        for word in forbidden {
            assert!(!derives.contains(word), "{proof} is {word}");
            assert!(!text.contains(&format!("{word} for {proof}")), "{proof} is {word}");
        }
    }
}

#[test]
fn only_authorize_changes_what_was_understood() {
    for (name, text) in sources() {
        let may = ["authorize.rs", "route.rs", "validate.rs"].contains(&name.as_str());
        for line in code_lines(&text) {
            let changes = line.contains(".pin(") || line.contains(".add_filter(");
            assert!(may || !changes, "src/{name} changes a call: {line:?}");
        }
    }
}
