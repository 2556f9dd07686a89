//! `irongate policy learn`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::{sources, test};
use crate::cli::logs::{LogPaths, note_skipped, read};
use crate::cli::{Format, USAGE, print, say};
use crate::history::shown as line;
use crate::learn::{self, Candidate, Compared, Comparison, Learned, Learner, Window};
use crate::policy::PolicySource;

#[derive(Debug, Args)]
pub(in crate::cli) struct LearnArguments {
    #[command(flatten)]
    logs: LogPaths,
    /// Records from this moment: 2026-01-31, or 2026-01-31T08:00:00Z. UTC.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<jiff::Timestamp>,
    /// Records before this moment.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<jiff::Timestamp>,
    /// One caller alone: `basic:alice`, or `alice`.
    #[arg(long, value_name = "CALLER")]
    caller: Option<String>,
    /// Write one policy for this role, from all chosen callers, and not one a caller.
    #[arg(long, value_name = "ROLE")]
    role: Option<String>,
    /// Tell which rights of these existing roles were not used, and what they lack: *.cedar files or directories.
    #[arg(long, value_name = "PATH", num_args = 1..)]
    compare: Vec<PathBuf>,
    /// Write a *.cedar and a *.yaml file a caller into this directory, and not to standard output.
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// A policy and its cases.
pub(super) struct Suggestion {
    /// The policy.
    pub(super) cedar: String,
    /// The cases that hold.
    pub(super) cases: String,
    /// Kinds of requests of which no valid request could be made.
    pub(super) without_case: usize,
}

pub(super) fn moment(text: &str) -> Result<jiff::Timestamp, String> {
    let midnight = || {
        let date: jiff::civil::Date = text.parse().ok()?;
        Some(date.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
    };
    text.parse().ok().or_else(midnight).ok_or_else(|| "write 2026-01-31 or 2026-01-31T08:00:00Z".to_owned())
}

pub(super) fn run(arguments: &LearnArguments) -> ExitCode {
    let mut comparison = None;
    if !arguments.compare.is_empty() {
        let sources = match sources(&arguments.compare) {
            Ok(sources) => sources,
            Err(code) => return code,
        };
        match Comparison::new(&sources) {
            Ok(found) => comparison = Some(found),
            Err(findings) => {
                findings.iter().for_each(|finding| say(&finding.to_string()));
                return ExitCode::from(USAGE);
            }
        }
    }
    let window = Window { since: arguments.since, until: arguments.until, caller: arguments.caller.clone() };
    let mut learner = Learner::new(window.clone(), arguments.role.clone());
    let done = read(&arguments.logs, |line| {
        if let (Some(record), Some(comparison)) = (learner.line(line), &mut comparison) {
            comparison.record(&record);
        }
    });
    if let Err(code) = done {
        return code;
    }
    note_skipped(&learner.skipped);
    let mut suggestions = Vec::new();
    for learned in learner.learned() {
        match suggest(&learned, &window) {
            Ok(suggestion) => suggestions.push((learned, suggestion)),
            Err(message) => {
                say(&format!("error: {}: {message}", line(learned.caller)));
                return ExitCode::from(USAGE);
            }
        }
    }
    let compared = comparison.map(|comparison| comparison.compared());
    if let Some(directory) = &arguments.output
        && let Err(message) = write(directory, &suggestions)
    {
        say(&format!("error: {message}"));
        return ExitCode::from(USAGE);
    }
    if learner.more > 0 {
        say(&format!("warning: {} records of too many callers were left out", learner.more));
    }
    if suggestions.is_empty() {
        say("warning: nothing was let through in these records");
    }
    match arguments.format {
        Format::Text => print(&text(&learner, arguments.output.as_deref(), &suggestions, compared.as_ref())),
        Format::Json => print(&json_text(&learner, &suggestions, compared.as_ref())),
    }
}

/// The policy of one caller, with those cases that it holds.
///
/// # Errors
/// What the formatter or the policies' loader says.
pub(super) fn suggest(learned: &Learned<'_>, window: &Window) -> Result<Suggestion, String> {
    let cedar = learn::cedar(learned, window)?;
    let candidates = learn::candidates(learned);
    let source = PolicySource { name: format!("{}.cedar", learned.slug), text: cedar.clone() };
    // One by one, so that each candidate is one run.
    let one_by_one: Vec<(String, String)> = candidates
        .iter()
        .map(|case| (learned.slug.clone(), learn::render(learned, std::slice::from_ref(case))))
        .collect();
    let tested = if one_by_one.is_empty() {
        Vec::new()
    } else {
        test::test_sources(&[source], &one_by_one).map_err(|errors| errors.join("; "))?.runs
    };
    let holds = |index: usize| tested.get(index).is_some_and(|run| run.failure.is_none());
    let without_case = candidates.iter().enumerate().filter(|(index, case)| case.permit && !holds(*index)).count();
    let kept: Vec<Candidate> =
        candidates.into_iter().enumerate().filter(|(index, _)| holds(*index)).map(|(_, case)| case).collect();
    Ok(Suggestion { cedar, cases: learn::render(learned, &kept), without_case })
}

fn write(directory: &Path, suggestions: &[(Learned<'_>, Suggestion)]) -> Result<(), String> {
    std::fs::create_dir_all(directory).map_err(|error| format!("{} cannot be made: {error}", directory.display()))?;
    for (learned, suggestion) in suggestions {
        for (kind, text) in [("cedar", &suggestion.cedar), ("yaml", &suggestion.cases)] {
            let file = directory.join(format!("{}.{kind}", learned.slug));
            std::fs::write(&file, text).map_err(|error| format!("{} cannot be written: {error}", file.display()))?;
        }
    }
    Ok(())
}

fn text(
    learner: &Learner,
    output: Option<&Path>,
    suggestions: &[(Learned<'_>, Suggestion)],
    compared: Option<&Compared>,
) -> String {
    let mut text = String::new();
    match output {
        None => text.extend(suggestions.iter().map(|(_, suggestion)| format!("{}\n", suggestion.cedar))),
        Some(directory) => {
            for (learned, suggestion) in suggestions {
                let policies = suggestion.cedar.matches("\npermit (").count();
                text.push_str(&format!(
                    "{}: {} calls of {} operations, {} denied: {} policies in {}\n",
                    line(learned.caller),
                    learned.used.calls,
                    learned.used.operations().count(),
                    learned.used.denied,
                    policies,
                    directory.join(format!("{}.cedar", learned.slug)).display()
                ));
                if suggestion.without_case > 0 {
                    text.push_str(&format!(
                        "  {} kind(s) of request have no case: their values are not in the records\n",
                        suggestion.without_case
                    ));
                }
            }
            for (aside, count) in &learner.aside {
                text.push_str(&format!("{count} records {}\n", aside.as_str()));
            }
        }
    }
    if let Some(compared) = compared {
        text.push_str(&comparison_text(compared));
    }
    text
}

fn comparison_text(compared: &Compared) -> String {
    let mut text = format!("\ncompared with {}\n", compared.roles.join(", "));
    for (title, list) in [
        ("operations that were not used", &compared.unused_operations),
        ("policies that permitted nothing", &compared.unused_policies),
    ] {
        text.push_str(&format!("  {title}: {}\n", list.len()));
        list.iter().for_each(|item| text.push_str(&format!("    - {item}\n")));
    }
    text.push_str(&format!("  used and not permitted: {}\n", compared.missing.len()));
    for (missing, seen) in &compared.missing {
        let place = if missing.path.is_empty() { String::new() } else { format!(" {}", line(&missing.path)) };
        text.push_str(&format!("    + {}{place}  {} times  {}\n", line(&missing.operation), seen.count, missing.rules));
    }
    if compared.incomplete > 0 {
        text.push_str(&format!("  {} requests whose records do not tell enough\n", compared.incomplete));
    }
    text
}

fn json_text(learner: &Learner, suggestions: &[(Learned<'_>, Suggestion)], compared: Option<&Compared>) -> String {
    let callers: Vec<serde_json::Value> = suggestions
        .iter()
        .map(|(learned, suggestion)| {
            let operations: serde_json::Map<String, serde_json::Value> = learned
                .used
                .operations()
                .map(|(id, seen)| (id.to_owned(), json!({"count": seen.count, "first": seen.first, "last": seen.last})))
                .collect();
            json!({
                "caller": learned.caller,
                "file": learned.slug,
                "calls": learned.used.calls,
                "denied": learned.used.denied,
                "operations": operations,
                "cedar": suggestion.cedar,
                "cases": suggestion.cases,
                "without_case": suggestion.without_case,
            })
        })
        .collect();
    let aside: serde_json::Map<String, serde_json::Value> =
        learner.aside.iter().map(|(aside, count)| (aside.as_str().to_owned(), json!(count))).collect();
    let whole = json!({
        "records": learner.records,
        "callers": callers,
        "not_about_rights": aside,
        "compared": compared,
    });
    format!("{}\n", serde_json::to_string_pretty(&whole).unwrap_or_default())
}
