//! `irongate serve`: the control thread. It serves nobody itself; it starts the workers, answers probes and signals.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::{USAGE, say};
use crate::admin::{self, Check, Pages};
use crate::config::{Config, Mode};
use crate::server::{Server, StartError, probe, systemd};
use crate::snapshot::{Current, Snapshot, watch};
use crate::version;

/// So long the end waits, after a second signal, for the records of what it cuts.
const LAST_RECORDS: Duration = Duration::from_secs(3);

pub(super) fn serve(config: &Config, file: &Path) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            say(&format!("error: the system refuses a runtime: {error}"));
            return ExitCode::from(USAGE);
        }
    };
    let ended = runtime.block_on(control(config, file));
    // A reload that still reads is not waited for: its file may be a pipe that nobody writes.
    runtime.shutdown_background();
    match ended {
        Ok(End::Drained) => ExitCode::SUCCESS,
        // Threads that still run would keep the process alive.
        Ok(End::AtOnce) => std::process::exit(i32::from(super::FINDINGS)),
        Err(message) => {
            say(&format!("error: {message}"));
            ExitCode::from(USAGE)
        }
    }
}

enum End {
    Drained,
    AtOnce,
}

async fn control(config: &Config, file: &Path) -> Result<End, String> {
    let mut hangup = signal(SignalKind::hangup()).map_err(|error| error.to_string())?;
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| error.to_string())?;
    let mut reopen = signal(SignalKind::user_defined1()).map_err(|error| error.to_string())?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|error| error.to_string())?;
    let admin = match config.admin {
        Some(address) => {
            let bound = admin::bind(address).await;
            Some(bound.map_err(|error| format!("admin: cannot listen on {address}: {error}"))?)
        }
        None => None,
    };
    let failed = |error: StartError| {
        if let StartError::Audit(error) = &error {
            return super::unwritable(config, file, error).to_string();
        }
        error.to_string()
    };
    let server = Server::start(config, file.to_owned()).map_err(failed);
    let server = Arc::new(server?);
    announce(config, &server);

    if let Some(listener) = admin {
        let watched = Arc::downgrade(&server);
        let told = Arc::downgrade(&server);
        let lived = Arc::downgrade(&server);
        let alive = move || lived.upgrade().is_none_or(|server| server.alive());
        let metrics = Arc::clone(&server.metrics);
        let checks = move || {
            let server = watched.upgrade();
            vec![
                Check { name: "serving", ready: server.as_ref().is_some_and(|server| server.serving()), needed: true },
                Check {
                    name: "upstream",
                    ready: server.as_ref().is_some_and(|server| server.state.reachable()),
                    needed: true,
                },
                Check {
                    name: "reload",
                    ready: server.as_ref().is_some_and(|server| server.current.reloads().error.is_none()),
                    needed: false,
                },
                Check { name: "audit", ready: server.is_some_and(|server| server.audit.is_well()), needed: true },
            ]
        };
        let status = move || told.upgrade().and_then(|server| serde_json::to_string_pretty(&server.status()).ok());
        let pages = Pages { alive: Box::new(alive), checks: Box::new(checks), status: Box::new(status), metrics };
        tokio::spawn(admin::serve(listener, pages));
    }
    tokio::spawn(probe(server.targets.clone(), Arc::clone(&server.state)));

    tokio::spawn(systemd::watchdog(Arc::downgrade(&server)));
    systemd::ready(&serving(&server.current));
    let watching = Arc::clone(&server);
    tokio::spawn(watch::watch(Arc::clone(&server.current), move || reload(Arc::clone(&watching))));
    // A reload may take long, or hang on a file: other signals go on, and a further HUP means one more reload.
    let wanted = Arc::new(Notify::new());
    tokio::spawn(reloads(Arc::clone(&server), Arc::clone(&wanted)));

    // When the delay before the drain is over, once it has begun.
    let mut leaving: Option<Instant> = None;
    loop {
        let over = async {
            match leaving {
                Some(until) => tokio::time::sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = hangup.recv() => wanted.notify_one(),
            _ = reopen.recv() => server.audit.reopen(),
            () = over => break,
            () = either(&mut terminate, &mut interrupt) => {
                if leaving.is_some() {
                    return Ok(at_once(&server, waited(&server)).await);
                }
                let delay = Duration::from_secs(server.current.load().limits.drain_delay_seconds);
                systemd::stopping();
                if delay.is_zero() {
                    break;
                }
                tracing::info!("leaving: not ready any more, what comes is still served");
                systemd::status("leaving: not ready any more, what comes is still served");
                server.leave();
                leaving = Some(Instant::now() + delay);
            }
        }
    }
    tracing::info!("draining: nothing new is accepted, what runs is finished");
    systemd::status("draining: nothing new is accepted, what runs is finished");
    server.drain();
    let mut drained = waited(&server);
    tokio::select! {
        _ = &mut drained => {}
        () = either(&mut terminate, &mut interrupt) => return Ok(at_once(&server, drained).await),
    }
    Ok(End::Drained)
}

/// The workers' end and the last record.
fn waited(server: &Arc<Server>) -> JoinHandle<()> {
    let server = Arc::clone(server);
    tokio::task::spawn_blocking(move || server.wait())
}

/// Cuts what runs, and gives its records a moment.
async fn at_once(server: &Server, drained: JoinHandle<()>) -> End {
    tracing::warn!("a second signal: what still runs is cut");
    server.cut();
    if tokio::time::timeout(LAST_RECORDS, drained).await.is_err() {
        let count = server.current.load().limiter.load().requests();
        tracing::error!(count, "requests under way end without a record");
        let count = server.audit.counts().queue_bytes;
        tracing::error!(count, "bytes of audit records are lost: the sink did not take them before the end");
    }
    End::AtOnce
}

async fn either(first: &mut Signal, second: &mut Signal) {
    tokio::select! {
        _ = first.recv() => {}
        _ = second.recv() => {}
    }
}

/// One reload after the other, as they are wanted.
async fn reloads(server: Arc<Server>, wanted: Arc<Notify>) {
    loop {
        wanted.notified().await;
        reload(Arc::clone(&server)).await;
    }
}

/// Reading and checking take a while: probes and signals go on meanwhile.
async fn reload(server: Arc<Server>) {
    let current = Arc::clone(&server.current);
    // On the way out the service manager waits for the end.
    if server.serving() {
        systemd::reloading();
    }
    let reloaded = tokio::task::spawn_blocking({
        let current = Arc::clone(&current);
        move || current.reload()
    });
    match reloaded.await {
        Ok(Ok(revision)) => {
            tracing::info!(%revision, "reloaded");
            warn(&current.load());
            for setting in current.reloads().restart {
                tracing::warn!(setting, "changed in the configuration, and needs a restart to take effect");
            }
            server.tell_descriptors();
        }
        Ok(Err(errors)) => {
            for error in errors {
                tracing::error!(%error, "not reloaded; the old configuration stays");
            }
        }
        Err(_) => tracing::error!("not reloaded: reading failed; the old configuration stays"),
    }
    if server.serving() {
        systemd::ready(&serving(&current));
    }
}

/// For the service manager.
fn serving(current: &Current) -> String {
    let refused = if current.reloads().error.is_some() { "; the last reload was refused" } else { "" };
    format!("serving revision {}{refused}", current.load().revision)
}

fn announce(config: &Config, server: &Server) {
    for (listener, address) in config.listeners.iter().zip(&server.addresses) {
        let schemes: Vec<&str> = listener.schemes.iter().map(|scheme| scheme.as_str()).collect();
        let schemes = schemes.join(", ");
        tracing::info!(listener = %listener.name, %address, tls = listener.tls.is_some(), schemes, "listening");
    }
    let revision = Arc::clone(&server.current.load().revision);
    tracing::info!(version = version::FULL, mode = config.mode.as_str(), workers = config.workers, %revision, "irongate serves");
    let over = config.shadow_until.is_some_and(|until| until <= jiff::Timestamp::now());
    match (config.mode, config.shadow_until) {
        (Mode::Shadow, None) => {
            tracing::warn!("DRY RUN: mode is \"shadow\", denials are recorded and NOT enforced");
        }
        (Mode::Shadow, Some(until)) if !over => {
            tracing::warn!(%until, "DRY RUN: mode is \"shadow\", denials are recorded and NOT enforced until then");
        }
        (_, _) => {}
    }
    warn(&server.current.load());
}

/// What `irongate check` warns of.
fn warn(snapshot: &Snapshot) {
    for warning in snapshot.warnings() {
        tracing::warn!(%warning, "the configuration is good, and has a warning");
    }
    for finding in snapshot.policies.warnings() {
        let warning = format!("{}:{}:{}: {}", finding.file, finding.line, finding.column, finding.message);
        tracing::warn!(%warning, "the policies are good, and have a warning");
    }
}
