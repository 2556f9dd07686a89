//! The command line.

mod generated;
mod healthcheck;
mod logs;
mod policy;
mod secret;
mod serve;
mod tail;
mod whoami;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::audit::{self, AuditError};
use crate::catalog::{self, TableFormat};
use crate::config::{self, AuditSink, Config, ConfigError};
use crate::microversion::Microversion;
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
#[command(name = "irongate", version = crate::version::FULL, max_term_width = 100)]
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
        /// Print what is in force as TOML: the file, variables that override it, and defaults. Secrets are named by file.
        #[arg(long)]
        show: bool,
    },
    /// Tell which principal and roles a credential would get, and through which bindings, or why it fails.
    ///
    /// Exit codes: 0 somebody with roles, 1 refused or without roles, 2 usage or configuration.
    Whoami(Box<whoami::Whoami>),
    Tail(Box<tail::Tail>),
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
        policy: policy::PolicyCommand,
    },
    /// Print the HMAC of a value, as answers have it for roles with treatment "hmac": to compare a known secret with.
    ///
    /// The value comes from standard input, so that it stands in no list of processes and no shell's history; one line
    /// end after it does not count.
    Hmac {
        /// The file that `hmac_key_file` in `[scrub]` names.
        #[arg(long, value_name = "FILE")]
        key_file: PathBuf,
    },
    /// Print a line for an htpasswd file: the name, and the bcrypt hash of a password read from standard input.
    ///
    /// For example: `irongate htpasswd admin >> htpasswd`, then type the password and Enter.
    Htpasswd {
        /// The user's name.
        #[arg(value_name = "NAME")]
        name: String,
        /// bcrypt's cost: each step doubles the work.
        #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u32).range(4..=14))]
        cost: u32,
    },
    /// Make certificates.
    Certs {
        #[command(subcommand)]
        certs: CertsCommand,
    },
    /// Ask a running irongate on this machine whether it is ready; exit 1 if not. For probes in images without a shell.
    Healthcheck {
        /// Its admin address.
        #[arg(long, value_name = "ADDRESS", env = "IRONGATE_ADMIN__ADDRESS", default_value = "127.0.0.1:9385")]
        address: std::net::SocketAddr,
        /// Ask only whether it lives, not whether Ironic answers.
        #[arg(long)]
        live: bool,
    },
    /// Print a completion script for a shell.
    ///
    /// For example: `irongate completions bash > /etc/bash_completion.d/irongate`.
    Completions {
        /// The shell.
        #[arg(value_enum, value_name = "SHELL")]
        shell: clap_complete::Shell,
    },
    /// Write man pages into a folder, one for each command.
    Man {
        /// The folder; it is made if it is not there.
        #[arg(value_name = "DIR")]
        directory: PathBuf,
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
    /// An OpenAPI 3.1 document of Ironic's API at a microversion.
    Openapi {
        /// The microversion; the newest that irongate knows unless given.
        #[arg(long, value_name = "1.N", value_parser = microversion)]
        microversion: Option<Microversion>,
    },
}

fn microversion(text: &str) -> Result<Microversion, String> {
    let known = crate::microversion::minor(text).and_then(Microversion::new);
    known.ok_or_else(|| format!("give one from 1.{} to 1.{}", catalog::MICROVERSION_MIN, catalog::MICROVERSION_MAX))
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
        Command::Check { config, show } => check(&config.config, show),
        Command::Whoami(asked) => whoami::run(&asked),
        Command::Healthcheck { address, live } => healthcheck::run(address, live),
        Command::Completions { shell } => print(&generated::completions(shell)),
        Command::Man { directory } => match generated::man(&directory) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                say(&format!("error: {} cannot be written: {error}", directory.display()));
                ExitCode::from(USAGE)
            }
        },
        Command::Routes { format } => print(&match format {
            Format::Text => catalog::table(TableFormat::Text),
            Format::Json => catalog::table(TableFormat::Json),
        }),
        Command::Schema { schema: SchemaCommand::Cedar } => print(&crate::policy::cedar_schema()),
        Command::Schema { schema: SchemaCommand::Openapi { microversion } } => {
            print(&catalog::openapi(microversion.map_or(catalog::MICROVERSION_MAX, Microversion::minor)))
        }
        Command::Policy { policy } => policy.run(),
        Command::Tail(tail) => tail.run(),
        Command::Hmac { key_file } => secret::hmac(&key_file),
        Command::Htpasswd { name, cost } => secret::htpasswd(&name, cost),
        Command::Certs { certs: CertsCommand::Dev { directory, names, days, force } } => {
            certificates(&directory, &names, days, force)
        }
    }
}

fn load(file: &Path) -> Result<Config, ExitCode> {
    config::load(file).map_err(|errors| complain(&errors))
}

/// The line of the sink that cannot be opened.
fn unwritable(config: &Config, file: &Path, error: &AuditError) -> ConfigError {
    let events = matches!(&config.audit.cadf, Some(AuditSink::File(path)) if *path == Path::new(error.path()));
    config::mistake(file, &["audit", if events { "cadf_file" } else { "file" }], error.to_string())
}

fn complain(errors: &[ConfigError]) -> ExitCode {
    for error in errors {
        say(&format!("error: {error}"));
    }
    ExitCode::from(USAGE)
}

fn check(file: &Path, show: bool) -> ExitCode {
    if show {
        match config::effective(file) {
            Ok(text) => print(&text),
            Err(errors) => return complain(&errors),
        };
    }
    let config = match load(file) {
        Ok(config) => config,
        Err(code) => return code,
    };
    if let Err(error) = audit::check_sinks(&config.audit) {
        return complain(&[unwritable(&config, file, &error)]);
    }
    match Snapshot::build(&config, file) {
        Ok(snapshot) => {
            for warning in snapshot.warnings() {
                say(&format!("warning: {warning}"));
            }
            for finding in snapshot.policies.warnings() {
                say(&finding.to_string());
            }
            // Behind what is shown it is a comment: the whole is still TOML.
            let comment = if show { "# " } else { "" };
            print(&format!(
                "{comment}{}: good: {} listener(s), {} policy file(s), {} binding(s), mode {}, revision {}\n",
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
    drop(writeln!(output, "{}", telemetry::cast(text.to_owned())));
}
