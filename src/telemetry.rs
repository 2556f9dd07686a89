//! Logs: JSON lines or text on standard error. Records are not logs; see [`crate::audit`].
//!
//! What is logged is decided by an allow-list, in the source: a message is a fixed text, a field is one of those that
//! `ALLOWED_FIELDS` in this module's tests names, each of a type that cannot hold what a caller or Ironic sent. What slips
//! through all the same is caught by the [net](masked_log_lines).

mod net;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod unprintable;

#[cfg(test)]
pub(crate) use unprintable::unprintable;

use std::ffi::OsStr;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

pub use net::masked_log_lines;
pub(crate) use net::{cast, free_text, setting};

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// Starts logging; `IRONGATE_LOG` (`info` by default) says how much: `error`, `warn`, `info` or `debug`.
///
/// Only this crate's own events are logged whatever the filter says: what libraries log at `debug` may hold a header.
pub fn start(format: LogFormat) {
    let wanted = level(std::env::var_os("IRONGATE_LOG").as_deref());
    let level = wanted.unwrap_or(tracing::Level::INFO);
    let filter = EnvFilter::new(format!("off,irongate={}", level.as_str().to_lowercase()));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| net::Net)
        .with_ansi(false)
        .with_span_events(FmtSpan::NONE)
        .with_target(false);
    // A second start (in tests) keeps the first.
    drop(match format {
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
        LogFormat::Text => builder.try_init(),
    });
    panic_hook();
    if wanted.is_none() {
        tracing::warn!("IRONGATE_LOG is none of error, warn, info, debug: logging as for info");
    }
}

/// How much is wanted; `None` for a word that says nothing of it.
fn level(wanted: Option<&OsStr>) -> Option<tracing::Level> {
    wanted.map_or(Some(tracing::Level::INFO), |wanted| wanted.to_str()?.parse().ok())
}

/// A panic's text may hold anything of a request: only its place is logged.
fn panic_hook() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "a bug: this request was given up");
    }));
}
