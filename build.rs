//! Tells the program which revision it was built from.
//!
//! In this order: `IRONGATE_REVISION` in the environment; what `cargo package` or `git archive` wrote into the source;
//! git, for optimised builds (a development build does not follow every commit: it would be built anew for each). Only what
//! the source says goes in: no time, no path, no machine, so that two builds of a revision are the same bytes.

use std::path::Path;
use std::process::Command;

/// Digits of a commit's name that are told.
const DIGITS: usize = 12;

fn main() {
    println!("cargo::rerun-if-env-changed=IRONGATE_REVISION");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=deploy/REVISION");
    let development = std::env::var("PROFILE").is_ok_and(|profile| profile == "debug");
    let revision = given()
        .or_else(packaged)
        .or_else(archived)
        .or_else(|| if development { None } else { checked_out() })
        .unwrap_or_else(|| if development { "development".to_owned() } else { "unknown".to_owned() });
    println!("cargo::rustc-env=IRONGATE_REVISION={revision}");
}

fn given() -> Option<String> {
    let given = std::env::var("IRONGATE_REVISION").ok()?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'+');
    (!given.is_empty() && given.len() <= 64 && given.bytes().all(plain)).then_some(given)
}

/// `cargo package` notes the commit.
fn packaged() -> Option<String> {
    let noted = std::fs::read_to_string(".cargo_vcs_info.json").ok()?;
    short(noted.split("\"sha1\"").nth(1)?.split('"').nth(1)?)
}

/// `git archive` writes the commit into this file (`.gitattributes`).
fn archived() -> Option<String> {
    short(std::fs::read_to_string("deploy/REVISION").ok()?.trim())
}

/// The commit of a clone of this repository, not of one that lies around the source.
fn checked_out() -> Option<String> {
    let here = std::env::var("CARGO_MANIFEST_DIR").ok()?;
    let top = git(&["rev-parse", "--show-toplevel"])?;
    if Path::new(&top).canonicalize().ok()? != Path::new(&here).canonicalize().ok()? {
        return None;
    }
    for name in ["HEAD", "index"] {
        if let Some(path) = git(&["rev-parse", "--git-path", name]) {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    let commit = short(&git(&["rev-parse", "HEAD"])?)?;
    let changed = git(&["status", "--porcelain", "--untracked-files=no"])?;
    Some(if changed.is_empty() { commit } else { format!("{commit}-changed") })
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn short(commit: &str) -> Option<String> {
    let commit = commit.get(..DIGITS)?;
    commit.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| commit.to_owned())
}
