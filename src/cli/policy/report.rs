//! `irongate policy report`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::learn::{moment, suggest};
use super::sources;
use crate::cli::logs::{LogPaths, note_skipped, read};
use crate::cli::{USAGE, print, say};
use crate::history::shown;
use crate::learn::Window;
use crate::report::Report;

/// Callers for whom a policy is suggested: those with most calls.
const SUGGESTIONS_MAX: usize = 100;

#[derive(Debug, Args)]
pub(in crate::cli) struct ReportArguments {
    #[command(flatten)]
    logs: LogPaths,
    /// The file to write; "-" is standard output.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Judge by these policies, *.cedar files or directories, and tell the unused rights of their roles. Without it, what
    /// the records say would have been decided is told.
    #[arg(long, value_name = "PATH", num_args = 1..)]
    policies: Vec<PathBuf>,
    /// Records from this moment: 2026-01-31, or 2026-01-31T08:00:00Z. UTC.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<jiff::Timestamp>,
    /// Records before this moment.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<jiff::Timestamp>,
}

pub(super) fn run(arguments: &ReportArguments) -> ExitCode {
    let sources = match sources(&arguments.policies) {
        Ok(sources) => sources,
        Err(code) => return code,
    };
    let window = Window { since: arguments.since, until: arguments.until, caller: None };
    let mut report = match Report::new(&sources, window.clone()) {
        Ok(report) => report,
        Err(findings) => {
            findings.iter().for_each(|finding| say(&finding.to_string()));
            return ExitCode::from(USAGE);
        }
    };
    if let Err(code) = read(&arguments.logs, |line| report.line(line)) {
        return code;
    }
    note_skipped(&report.learner().skipped);
    let mut learned = report.learner().learned();
    learned.sort_by(|one, other| other.used.calls.cmp(&one.used.calls).then_with(|| one.caller.cmp(other.caller)));
    let mut suggestions = Vec::new();
    for learned in learned.iter().take(SUGGESTIONS_MAX) {
        match suggest(learned, &window) {
            Ok(suggestion) => suggestions.push((learned.caller.to_owned(), suggestion.cedar)),
            Err(message) => {
                say(&format!("error: {}: {message}", shown(learned.caller)));
                return ExitCode::from(USAGE);
            }
        }
    }
    let page = match report.page(&suggestions) {
        Ok(page) => page,
        Err(message) => {
            say(&format!("error: {message}"));
            return ExitCode::from(USAGE);
        }
    };
    if arguments.output.as_os_str() == "-" {
        return print(&page);
    }
    match std::fs::write(&arguments.output, page) {
        Ok(()) => print(&format!("{}: {} records\n", arguments.output.display(), report.learner().records)),
        Err(error) => {
            say(&format!("error: {} cannot be written: {error}", arguments.output.display()));
            ExitCode::from(USAGE)
        }
    }
}
