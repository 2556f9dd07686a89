//! Rules about the sources themselves.

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
    let mut seen = 0;
    for (name, text) in sources() {
        if name == "policy.rs" || name.starts_with("policy/") {
            seen += 1;
            for line in code_lines(&text) {
                for word in banned {
                    assert!(!line.contains(word), "src/{name}: {word:?} in {line:?}");
                }
            }
        }
    }
    assert!(seen > 8, "the sources were not found");
}

#[test]
fn only_the_command_line_supposes_principals() {
    for (name, text) in sources() {
        let may = name.starts_with("cli") || name == "authenticate/principal.rs" || name == "limits/tests.rs";
        assert!(may || !text.contains("Principal::supposed"), "src/{name} makes up a principal");
    }
}

#[test]
fn only_configuration_makes_shadow_mode_and_only_authorize_waives() {
    for (name, text) in sources() {
        if name == "policy.rs" {
            continue;
        }
        let makes = ["config", "snapshot"].iter().any(|place| name.starts_with(place));
        for line in code_lines(&text) {
            assert!(
                makes || !line.contains("ShadowMode::from_configuration"),
                "src/{name} makes a ShadowMode: {line:?}"
            );
            assert!(name.starts_with("authorize") || !line.contains(".waive("), "src/{name} waives a denial: {line:?}");
        }
    }
}
