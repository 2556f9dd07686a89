//! `irongate tail`: records as they come, one line each, for people.

mod follow;

use std::collections::VecDeque;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use super::{USAGE, say};
use crate::audit::read::{LineError, RecordLine};
use crate::plain::plain;
use follow::{Next, Source};

/// Between two looks at a file that has not grown.
const LOOK: Duration = Duration::from_millis(200);
/// Lines that are no records and are named one by one; more are only counted.
const NAMED_MAX: u64 = 20;

/// Show audit records as they are written, one line each.
///
/// A file is followed, also when it is rotated; standard input is read to its end. Lines that are no records are named on
/// standard error and counted.
#[derive(Debug, clap::Args)]
pub(super) struct Tail {
    /// The audit file; "-" is standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Begin with this many of the records that are there; all of them with --since.
    #[arg(short = 'n', long, value_name = "COUNT")]
    lines: Option<usize>,
    /// End with what is there, and follow nothing.
    #[arg(long)]
    no_follow: bool,
    /// Whether to colour; `auto` looks at the terminal and at NO_COLOR.
    #[arg(long, value_enum, default_value = "auto")]
    color: Color,
    #[command(flatten)]
    filter: Filter,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Color {
    Auto,
    Always,
    Never,
}

/// What is shown: records that pass all that is given.
#[derive(Debug, Default, clap::Args)]
struct Filter {
    /// Requests that irongate refused, whatever the reason.
    #[arg(long)]
    denied: bool,
    /// Requests that would be denied if shadow were enforced.
    #[arg(long)]
    would_deny: bool,
    /// Of this caller: `basic:alice`, or the name alone.
    #[arg(long, value_name = "CALLER")]
    caller: Option<String>,
    /// Of this operation; `node:*` is all that begin so.
    #[arg(long, value_name = "OPERATION")]
    operation: Option<String>,
    /// Since this time (2026-01-31T12:00:00Z), or for so long (90s, 10m, 2h, 7d).
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<jiff::Timestamp>,
}

impl Tail {
    pub(super) fn run(&self) -> ExitCode {
        let mut source = match Source::open(&self.file) {
            Ok(source) => source,
            Err(error) => {
                say(&format!("error: {} cannot be read: {error}", self.file.display()));
                return ExitCode::from(USAGE);
            }
        };
        let colour = match self.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => {
                std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            }
        };
        let mut malformed = 0;
        let done = self.show(&mut source, colour, &mut std::io::stdout().lock(), &mut |number, error| {
            malformed += 1;
            if malformed <= NAMED_MAX {
                say(&format!("{}:{number}: {error}", self.file.display()));
            }
        });
        if malformed > 0 {
            say(&format!("{malformed} lines were no records"));
        }
        match done {
            Ok(()) => ExitCode::SUCCESS,
            // Who reads us has seen enough.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
            Err(error) => {
                say(&format!("error: {error}"));
                ExitCode::from(USAGE)
            }
        }
    }

    fn show(
        &self,
        source: &mut Source,
        colour: bool,
        output: &mut impl Write,
        malformed: &mut dyn FnMut(u64, LineError),
    ) -> std::io::Result<()> {
        let count = self.lines.unwrap_or(if self.filter.since.is_some() || self.no_follow { usize::MAX } else { 10 });
        // Standard input has no last lines: what comes is shown as it comes.
        let mut waiting = (source.is_file() && count < usize::MAX).then(VecDeque::new);
        loop {
            let (text, number) = match source.next_line()? {
                Next::Line(text, number) => (text, number),
                Next::TooLong(number) => {
                    malformed(number, LineError::Malformed);
                    continue;
                }
                Next::Nothing => {
                    for line in waiting.take().into_iter().flatten() {
                        writeln!(output, "{line}")?;
                    }
                    output.flush()?;
                    if self.no_follow || !source.is_file() {
                        return Ok(());
                    }
                    pause();
                    continue;
                }
            };
            let record = match RecordLine::parse(&text) {
                Ok(record) => record,
                Err(error) => {
                    malformed(number, error);
                    continue;
                }
            };
            if !self.filter.takes(&record) {
                continue;
            }
            let line = line(&record, colour);
            match &mut waiting {
                Some(waiting) => {
                    waiting.push_back(line);
                    if waiting.len() > count {
                        waiting.pop_front();
                    }
                }
                None => writeln!(output, "{line}")?,
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a command of its own; there is no worker here")]
fn pause() {
    std::thread::sleep(LOOK);
}

impl Filter {
    fn takes(&self, record: &RecordLine) -> bool {
        let caller = || record.caller();
        let name = || record.principal.as_ref().map(|principal| principal.name.as_str());
        let would_deny = || record.would_be.as_ref().is_some_and(|would_be| would_be.decision == "deny");
        let of_operation = |wanted: &str| match (wanted.strip_suffix('*'), record.operation.as_deref()) {
            (_, None) => false,
            (Some(start), Some(operation)) => operation.starts_with(start),
            (None, Some(operation)) => operation == wanted,
        };
        (!self.denied || record.stage.is_some())
            && (!self.would_deny || would_deny())
            && self.caller.as_ref().is_none_or(|wanted| *wanted == caller() || Some(wanted.as_str()) == name())
            && self.operation.as_deref().is_none_or(of_operation)
            && self.since.is_none_or(|since| record.time >= since)
    }
}

const RED: &str = "\u{1b}[31m";
const GREEN: &str = "\u{1b}[32m";
const YELLOW: &str = "\u{1b}[33m";
const PLAIN: &str = "\u{1b}[0m";

/// Time, verdict, status, who, what, on what, by which rule.
fn line(record: &RecordLine, colour: bool) -> String {
    let would_be = record.would_be.as_ref();
    let (verdict, shade) = match (record.stage.as_deref(), would_be.map(|would_be| would_be.decision.as_str())) {
        (Some("authorize"), Some("permit")) => ("deny, would permit", RED),
        (Some("authorize"), _) => ("deny", RED),
        (Some(_), _) => ("refused", RED),
        (None, Some("deny")) => ("would deny", YELLOW),
        (None, _) if record.outcome != "complete" => (record.outcome.as_str(), YELLOW),
        (None, _) => ("permit", GREEN),
    };
    let rules = match (would_be, record.stage.as_deref()) {
        (Some(would_be), None) => would_be.policies.join(","),
        (_, Some(stage)) if stage != "authorize" => String::new(),
        _ => record.policies.join(","),
    };
    let rules = if rules.is_empty() && verdict.contains("deny") { "default-deny".to_owned() } else { rules };
    let path = would_be.and_then(|would_be| would_be.path.as_deref()).or(record.denied_path.as_deref());
    let caller = record.caller();
    let mut parts = vec![
        record.time.strftime("%Y-%m-%d %H:%M:%S").to_string(),
        if colour { format!("{shade}{}{PLAIN}", plain(verdict)) } else { plain(verdict) },
        record.status.map_or_else(|| "-".to_owned(), |status| status.to_string()),
        plain(if caller.is_empty() { "-" } else { &caller }),
        plain(record.operation.as_deref().unwrap_or("-")),
    ];
    parts.extend(record.resource.as_ref().and_then(|resource| resource.id.as_deref()).map(plain));
    parts.extend(path.map(plain));
    parts.extend(record.reason.as_deref().map(|reason| plain(&format!("({reason})"))));
    parts.extend((!rules.is_empty()).then(|| plain(&format!("by {rules}"))));
    parts.join("  ")
}

fn since(text: &str) -> Result<jiff::Timestamp, String> {
    if let Ok(time) = text.parse() {
        return Ok(time);
    }
    let wrong = || "write a time such as 2026-01-31T12:00:00Z, or 90s, 10m, 2h, 7d".to_owned();
    let unit = text.chars().next_back().ok_or_else(wrong)?;
    let seconds: i64 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return Err(wrong()),
    };
    let number: i64 = text.strip_suffix(unit).and_then(|number| number.parse().ok()).ok_or_else(wrong)?;
    let ago = number.checked_mul(seconds).filter(|ago| *ago >= 0).ok_or_else(wrong)?;
    let now = jiff::Timestamp::now().as_second();
    jiff::Timestamp::from_second(now.saturating_sub(ago)).map_err(|_| wrong())
}

impl Source {
    fn open(file: &Path) -> std::io::Result<Self> {
        if file == Path::new("-") { Ok(Self::input()) } else { Self::file(file) }
    }
}

#[cfg(test)]
mod tests;
