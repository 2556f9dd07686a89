//! `irongate policy replay`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::sources;
use crate::cli::logs::{LogPaths, note_skipped, read};
use crate::cli::{FINDINGS, Format, USAGE, print, say};
use crate::history::shown as line;
use crate::replay::{Change, Replay, Tally};

#[derive(Debug, Args)]
pub(in crate::cli) struct ReplayArguments {
    #[command(flatten)]
    logs: LogPaths,
    /// Directories with *.cedar files, or single files: the policies to decide under.
    #[arg(long, required = true, value_name = "PATH", num_args = 1..)]
    policies: Vec<PathBuf>,
    /// Let policies in mode "shadow" count as enforced.
    #[arg(long)]
    with_shadow: bool,
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

pub(super) fn run(arguments: &ReplayArguments) -> ExitCode {
    let sources = match sources(&arguments.policies) {
        Ok(sources) => sources,
        Err(code) => return code,
    };
    let mut replay = match Replay::new(&sources, arguments.with_shadow) {
        Ok(replay) => replay,
        Err(findings) => {
            findings.iter().for_each(|finding| say(&finding.to_string()));
            return ExitCode::from(USAGE);
        }
    };
    if let Err(code) = read(&arguments.logs, |line| replay.line(line)) {
        return code;
    }
    let tally = replay.tally();
    note_skipped(&tally.skipped);
    let text = match arguments.format {
        Format::Text => text(tally),
        Format::Json => match json(tally) {
            Ok(text) => text,
            Err(_) => return ExitCode::from(USAGE),
        },
    };
    let printed = print(&text);
    if tally.is_unchanged() { printed } else { ExitCode::from(FINDINGS) }
}

fn json(tally: &Tally) -> Result<String, serde_json::Error> {
    let mut value = serde_json::to_value(tally)?;
    if let Some(members) = value.as_object_mut() {
        let aside: serde_json::Map<String, serde_json::Value> =
            tally.aside.iter().map(|(aside, count)| (aside.as_str().to_owned(), (*count).into())).collect();
        members.insert("not_about_rights".to_owned(), aside.into());
        let skipped = &tally.skipped;
        members.insert(
            "no_records".to_owned(),
            serde_json::json!({"malformed": skipped.malformed, "other_kind": skipped.other_kind, "newer": skipped.newer}),
        );
    }
    Ok(format!("{}\n", serde_json::to_string_pretty(&value)?))
}

fn text(tally: &Tally) -> String {
    let mut text = String::new();
    for (change, title) in [(Change::NewDenial, "new denials"), (Change::NewPermit, "new permits")] {
        let mut rows: Vec<_> = tally.changes.iter().filter(|(key, _)| key.change == change).collect();
        if rows.is_empty() {
            continue;
        }
        rows.sort_by(|(one, seen), (other, more)| more.count.cmp(&seen.count).then_with(|| one.cmp(other)));
        text.push_str(&format!("{title}: {}\n", rows.iter().map(|(_, seen)| seen.count).sum::<u64>()));
        for (key, seen) in rows {
            let place = if key.path.is_empty() { String::new() } else { format!(" {}", line(&key.path)) };
            text.push_str(&format!(
                "  {:>7}  {}  {}{place}  {}  {}\n",
                seen.count,
                line(&key.caller),
                line(&key.operation),
                line(&key.rules),
                line(&seen.request_id),
            ));
        }
    }
    if tally.incomplete > 0 {
        text.push_str(&format!("cannot be decided from their record: {}\n", tally.incomplete));
        for (key, seen) in &tally.missing {
            let by = if key.rules.is_empty() { String::new() } else { format!("  {}", line(&key.rules)) };
            text.push_str(&format!(
                "  {:>7}  {}  {}{by}  needs {}  {}\n",
                seen.count,
                line(&key.caller),
                line(&key.operation),
                line(&key.missing),
                line(&seen.request_id),
            ));
        }
    }
    if tally.more > 0 {
        text.push_str(&format!("{} more, in too many groups to name\n", tally.more));
    }
    for (aside, count) in &tally.aside {
        text.push_str(&format!("{count} {}\n", aside.as_str()));
    }
    text.push_str(&format!(
        "{} records: {} decided as before, {} new denials, {} new permits, {} incomplete\n",
        tally.records, tally.unchanged, tally.new_denials, tally.new_permits, tally.incomplete
    ));
    text
}
