//! `irongate policy`: its commands, and those of them that are a few lines.

mod diff;
mod explain;
mod learn;
mod replay;
mod report;
mod test;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};

use super::{FINDINGS, Format, USAGE, print, say};
use crate::config;
use crate::policy::{self, PolicyEngine, PolicySource, Severity};

#[derive(Debug, Subcommand)]
pub(super) enum PolicyCommand {
    /// Check policies against the schema; exit 1 if there are errors.
    Validate {
        #[command(flatten)]
        paths: PolicyPaths,
        #[arg(long, value_enum, default_value = "text")]
        format: Format,
    },
    /// Run the cases (*.yaml) that stand beside policies; exit 1 if one fails.
    ///
    /// Each case is a request and what is expected of it. It goes the same way as a request that is served: route,
    /// decision, validation, a decision about each write. Policies that no case shows at work are named.
    Test {
        #[command(flatten)]
        paths: PolicyPaths,
        #[arg(long, value_enum, default_value = "text")]
        format: TestFormat,
        /// Exit 1 if fewer policies than this are shown at work by a case, in per cent.
        #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=100))]
        coverage_min: u32,
    },
    /// Write the least policy for each caller from the records of what it did, with cases that show it.
    ///
    /// What was let through counts, in dry-run too; what was denied or refused does not. Identifiers stand for any object;
    /// docs/rollout.md has the rules.
    Learn(learn::LearnArguments),
    /// Decide recorded requests again under other policies; exit 1 if any would be decided otherwise.
    ///
    /// What is compared is what became of a request then: let through (in dry-run also against the policies), or denied by
    /// a policy. Where a decision hangs on what a record does not hold, that is counted and named, never guessed.
    Replay(replay::ReplayArguments),
    /// Make one page (HTML) of a log: who calls what, what would be denied and by which rule, unused rights, a suggested
    /// policy for each caller. It asks for nothing outside of itself.
    Report(report::ReportArguments),
    /// Tell why a request is permitted or denied: every policy about it, the first condition that fails, and what would
    /// permit it; exit 0 if it is permitted, 1 if it is denied, or if that hangs on an object that is not given.
    Explain(Box<explain::Explain>),
    /// Tell what changes between two sets of policies, by role, operation and written field; exit 1 if anything does.
    ///
    /// `+` gained, `-` lost, `~` on other conditions. secrets:read, shadow:read and what `@conceal` hides are compared too.
    /// Policies in mode "shadow" and "off" do not count.
    Diff {
        /// A directory with *.cedar files, or a file.
        before: PathBuf,
        /// The same, afterwards.
        after: PathBuf,
        #[arg(long, value_enum, default_value = "text")]
        format: Format,
    },
    /// Format policies in place.
    Fmt {
        #[command(flatten)]
        paths: PolicyPaths,
        /// Change nothing; name the files that are not formatted and exit with 1.
        #[arg(long)]
        check: bool,
        #[arg(long, value_enum, default_value = "text")]
        format: Format,
    },
    /// Print what each role may do: role × operation.
    ///
    /// `+` permitted with every write, `w` permitted but each write is decided, `?` depends on the request, `-` denied. The last
    /// lines are secrets:read (secrets in answers) and shadow:read (what dry-run would deny).
    Matrix {
        #[command(flatten)]
        paths: PolicyPaths,
        #[arg(long, value_enum, default_value = "text")]
        format: Format,
    },
}

#[derive(Debug, Args)]
pub(super) struct PolicyPaths {
    /// Directories with *.cedar files, in them or below, or single files.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum TestFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
    /// For CI: JUnit's XML.
    Junit,
}

impl PolicyCommand {
    pub(super) fn run(self) -> ExitCode {
        match self {
            Self::Validate { paths, format } => validate(&paths.paths, format),
            Self::Test { paths, format, coverage_min } => run_cases(&paths.paths, format, coverage_min),
            Self::Learn(arguments) => learn::run(&arguments),
            Self::Replay(arguments) => replay::run(&arguments),
            Self::Report(arguments) => report::run(&arguments),
            Self::Explain(arguments) => explain::run(&arguments),
            Self::Diff { before, after, format } => diff::run(&before, &after, format),
            Self::Fmt { paths, check, format } => diff::format(&paths.paths, check, format),
            Self::Matrix { paths, format } => matrix(&paths.paths, format),
        }
    }
}

pub(super) fn sources(paths: &[PathBuf]) -> Result<Vec<PolicySource>, ExitCode> {
    let mut sources = Vec::new();
    for path in paths {
        match config::policy_sources_below(path) {
            Ok(found) => sources.extend(found),
            Err(message) => {
                say(&format!("error: {message}"));
                return Err(ExitCode::from(USAGE));
            }
        }
    }
    Ok(sources)
}

fn validate(paths: &[PathBuf], format: Format) -> ExitCode {
    let sources = match sources(paths) {
        Ok(sources) => sources,
        Err(code) => return code,
    };
    let findings = policy::validate(&sources);
    let errors = findings.iter().filter(|finding| finding.severity == Severity::Error).count();
    let text = match format {
        Format::Json => policy::findings_json(&findings),
        Format::Text => {
            let mut text: String = findings.iter().map(|finding| format!("{finding}\n")).collect();
            if errors == 0 {
                text.push_str(&format!("{} file(s): good, {} warning(s)\n", sources.len(), findings.len()));
            }
            text
        }
    };
    let printed = print(&text);
    if errors > 0 { ExitCode::from(FINDINGS) } else { printed }
}

fn run_cases(paths: &[PathBuf], format: TestFormat, coverage_min: u32) -> ExitCode {
    let tested = match test::test(paths) {
        Ok(tested) => tested,
        Err(errors) => {
            for error in errors {
                say(&error);
            }
            return ExitCode::from(USAGE);
        }
    };
    let printed = print(&match format {
        TestFormat::Text => test::text(&tested),
        TestFormat::Json => test::json(&tested),
        TestFormat::Junit => test::junit(&tested),
    });
    let covered = tested.coverage_percent() >= coverage_min;
    if !covered {
        say(&format!("coverage is below {coverage_min} %"));
    }
    if tested.failed() > 0 || !covered { ExitCode::from(FINDINGS) } else { printed }
}

fn matrix(paths: &[PathBuf], format: Format) -> ExitCode {
    let sources = match sources(paths) {
        Ok(sources) => sources,
        Err(code) => return code,
    };
    match PolicyEngine::load(&sources) {
        Ok(engine) => print(&match format {
            Format::Text => policy::matrix(&engine, &engine.matrix_roles()),
            Format::Json => policy::matrix_json(&engine, &engine.matrix_roles()),
        }),
        Err(findings) => {
            for finding in findings {
                say(&finding.to_string());
            }
            ExitCode::from(FINDINGS)
        }
    }
}
