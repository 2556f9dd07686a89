//! `irongate policy diff` and `irongate policy fmt`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::sources;
use crate::cli::{FINDINGS, Format, USAGE, print, say};
use crate::policy::{PolicyEngine, diff};

/// Lines of formatted policies, in characters, and their indentation.
const LINE_WIDTH: usize = 80;
const INDENT_WIDTH: isize = 4;

pub(super) fn run(before: &Path, after: &Path, format: Format) -> ExitCode {
    let engine = |path: &Path| {
        let sources = sources(&[path.to_owned()])?;
        PolicyEngine::load(&sources).map_err(|findings| {
            findings.iter().for_each(|finding| say(&finding.to_string()));
            ExitCode::from(USAGE)
        })
    };
    let (before, after) = match (engine(before), engine(after)) {
        (Ok(before), Ok(after)) => (before, after),
        (Err(code), _) | (_, Err(code)) => return code,
    };
    let changes = diff(&before, &after);
    let text = match format {
        Format::Text => changes.iter().map(|change| format!("{change}\n")).collect(),
        Format::Json => match serde_json::to_string_pretty(&changes) {
            Ok(text) => format!("{text}\n"),
            Err(_) => return ExitCode::from(USAGE),
        },
    };
    let printed = print(&text);
    if changes.is_empty() { printed } else { ExitCode::from(FINDINGS) }
}

/// Formats files, or with `check` names those that are not.
pub(super) fn format(paths: &[PathBuf], check: bool, format: Format) -> ExitCode {
    let sources = match sources(paths) {
        Ok(sources) => sources,
        Err(code) => return code,
    };
    let config = cedar_policy_formatter::Config { line_width: LINE_WIDTH, indent_width: INDENT_WIDTH };
    let mut found = Vec::new();
    for source in sources {
        let formatted = match cedar_policy_formatter::policies_str_to_pretty(&source.text, &config) {
            Ok(formatted) => format!("{}\n", formatted.trim_end()),
            Err(error) => {
                say(&format!("error: {}: {error}", source.name));
                return ExitCode::from(USAGE);
            }
        };
        if formatted == source.text {
            continue;
        }
        if !check && let Err(error) = std::fs::write(&source.name, formatted) {
            say(&format!("error: {} cannot be written: {error}", source.name));
            return ExitCode::from(USAGE);
        }
        found.push(source.name);
    }
    let printed = match format {
        Format::Json => print(&format!("{}\n", serde_json::json!({ "files": found, "written": !check }))),
        Format::Text if check => print(&found.iter().map(|name| format!("{name}\n")).collect::<String>()),
        Format::Text => ExitCode::SUCCESS,
    };
    if check && !found.is_empty() { ExitCode::from(FINDINGS) } else { printed }
}
