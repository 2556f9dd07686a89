//! The command line.

mod policy_diff;
mod policy_explain;
mod serve;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::catalog::{self, TableFormat};
use crate::config::{self, Config, ConfigError};
use crate::policy::{self, PolicyEngine, PolicySource, Severity};
use crate::snapshot::Snapshot;
use crate::telemetry::{self, LogFormat};

/// Findings: a test, a validation or a comparison found something.
const FINDINGS: u8 = 1;
/// The command line or the configuration cannot be used.
const USAGE: u8 = 2;

/// A policy-enforcing reverse proxy in front of OpenStack Ironic.
///
/// irongate terminates TLS, authenticates callers, decides with least-privilege policies per route and per field,
/// validates requests against Ironic's own API, writes a new request for Ironic, scrubs secrets from its answers and
/// keeps one audit record per request.
#[derive(Debug, Parser)]
#[command(name = "irongate", version, max_term_width = 100)]
#[command(after_help = "Exit codes: 0 good, 1 findings, 2 usage or configuration.\n\
    Begin with: irongate certs dev --directory certs, then irongate check --config irongate.toml")]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the proxy.
    ///
    /// Signals: HUP reads configuration, policies, users and certificates again (a broken one keeps the old); TERM and
    /// INT stop accepting, finish what runs and exit with 0; a second one exits at once.
    Serve {
        #[command(flatten)]
        config: ConfigFile,
        /// How log lines on standard error look; IRONGATE_LOG=debug says more.
        #[arg(long, value_enum, default_value = "json")]
        log_format: LogFormat,
    },
    /// Check everything that `serve` would load, and say what is wrong with file and line.
    Check {
        #[command(flatten)]
        config: ConfigFile,
    },
    /// List the operations of Ironic's API that irongate knows.
    Routes {
        #[arg(long, value_enum, default_value = "text")]
        format: Format,
    },
    /// Print schemas generated from the catalogue.
    Schema {
        #[command(subcommand)]
        schema: SchemaCommand,
    },
    /// Check and show policies.
    Policy {
        #[command(subcommand)]
        policy: PolicyCommand,
    },
    /// Make certificates.
    Certs {
        #[command(subcommand)]
        certs: CertsCommand,
    },
}

#[derive(Debug, Args)]
struct ConfigFile {
    /// The configuration file (TOML).
    #[arg(long, value_name = "FILE", env = "IRONGATE_CONFIG")]
    config: PathBuf,
}

#[derive(Debug, Subcommand)]
enum SchemaCommand {
    /// The Cedar schema that policies are checked against: for editors and for `cedar` itself.
    Cedar,
}

#[derive(Debug, Subcommand)]
enum PolicyCommand {
    /// Check policies against the schema; exit 1 if there are errors.
    Validate {
        #[command(flatten)]
        paths: PolicyPaths,
        #[arg(long, value_enum, default_value = "text")]
        format: Format,
    },
    /// Tell why a request is permitted or denied: every policy about it, the first condition that fails, and what would
    /// permit it; exit 0 if it is permitted, 1 if it is denied.
    Explain(Box<policy_explain::Explain>),
    /// Tell what changes between two sets of policies, by role, operation and written field; exit 1 if anything does.
    ///
    /// `+` gained, `-` lost, `~` on other conditions. Policies in mode "shadow" and "off" do not count.
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
    },
    /// Print what each role may do: role × operation.
    ///
    /// `+` permitted with every write, `w` permitted but each write is decided, `-` denied.
    Matrix {
        #[command(flatten)]
        paths: PolicyPaths,
    },
}

#[derive(Debug, Args)]
struct PolicyPaths {
    /// Directories with *.cedar files, or single files.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum CertsCommand {
    /// Make a development CA with a server and a client certificate. Existing good ones are kept.
    Dev {
        /// Where the files go.
        #[arg(long, value_name = "DIR", default_value = "certs")]
        directory: PathBuf,
        /// Names or addresses of the server besides localhost, 127.0.0.1 and ::1.
        #[arg(long = "name", value_name = "NAME")]
        names: Vec<String>,
        /// Days that the certificates are good for.
        #[arg(long, default_value_t = 90)]
        days: u32,
        /// Make new ones even if there are good ones.
        #[arg(long)]
        force: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Runs the command line of this process.
pub fn run() -> ExitCode {
    match Cli::parse().command {
        Command::Serve { config, log_format } => {
            telemetry::start(log_format);
            match load(&config.config) {
                Ok(loaded) => serve::serve(&loaded, &config.config),
                Err(code) => code,
            }
        }
        Command::Check { config } => check(&config.config),
        Command::Routes { format } => print(&match format {
            Format::Text => catalog::table(TableFormat::Text),
            Format::Json => catalog::table(TableFormat::Json),
        }),
        Command::Schema { schema: SchemaCommand::Cedar } => print(&policy::cedar_schema()),
        Command::Policy { policy: PolicyCommand::Validate { paths, format } } => validate(&paths.paths, format),
        Command::Policy { policy: PolicyCommand::Explain(arguments) } => policy_explain::run(&arguments),
        Command::Policy { policy: PolicyCommand::Diff { before, after, format } } => {
            policy_diff::run(&before, &after, format)
        }
        Command::Policy { policy: PolicyCommand::Fmt { paths, check } } => policy_diff::format(&paths.paths, check),
        Command::Policy { policy: PolicyCommand::Matrix { paths } } => matrix(&paths.paths),
        Command::Certs { certs: CertsCommand::Dev { directory, names, days, force } } => {
            certificates(&directory, &names, days, force)
        }
    }
}

fn load(file: &Path) -> Result<Config, ExitCode> {
    config::load(file).map_err(|errors| complain(&errors))
}

fn complain(errors: &[ConfigError]) -> ExitCode {
    for error in errors {
        say(&format!("error: {error}"));
    }
    ExitCode::from(USAGE)
}

fn check(file: &Path) -> ExitCode {
    let config = match load(file) {
        Ok(config) => config,
        Err(code) => return code,
    };
    match Snapshot::build(&config, file) {
        Ok(snapshot) => {
            for warning in snapshot.authenticator.warnings() {
                say(&format!("warning: {warning}"));
            }
            for finding in policy::validate(&config.policies) {
                say(&finding.to_string());
            }
            if config.policies.is_empty() {
                say("warning: no policy is loaded: everything is denied");
            }
            print(&format!(
                "{}: good: {} listener(s), {} policy file(s), {} binding(s), mode {}, revision {}\n",
                file.display(),
                config.listeners.len(),
                config.policies.len(),
                config.bindings.len(),
                config.mode.as_str(),
                snapshot.revision
            ))
        }
        Err(errors) => complain(&errors),
    }
}

fn sources(paths: &[PathBuf]) -> Result<Vec<PolicySource>, ExitCode> {
    let mut sources = Vec::new();
    for path in paths {
        match config::policy_sources(path) {
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

fn matrix(paths: &[PathBuf]) -> ExitCode {
    let sources = match sources(paths) {
        Ok(sources) => sources,
        Err(code) => return code,
    };
    match PolicyEngine::load(&sources) {
        Ok(engine) => print(&policy::matrix(&engine, &engine.matrix_roles())),
        Err(findings) => {
            for finding in findings {
                say(&finding.to_string());
            }
            ExitCode::from(FINDINGS)
        }
    }
}

fn certificates(directory: &Path, names: &[String], days: u32, force: bool) -> ExitCode {
    match crate::certs::dev(directory, names, days, force) {
        Ok(made) => print(&made.to_string()),
        Err(error) => {
            say(&format!("error: {error}"));
            ExitCode::from(USAGE)
        }
    }
}

/// Writes to standard output; a reader that went away is no error worth a word.
fn print(text: &str) -> ExitCode {
    let mut output = std::io::stdout().lock();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::from(FINDINGS),
    }
}

fn say(text: &str) {
    let mut output = std::io::stderr().lock();
    drop(writeln!(output, "{text}"));
}
