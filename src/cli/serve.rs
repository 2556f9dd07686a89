//! `irongate serve`: the control thread. It serves nobody itself; it starts the workers, answers probes and signals.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{USAGE, say};
use crate::admin::{self, Check, Pages};
use crate::config::{Config, ListenAddress, Mode};
use crate::server::{Server, probe};
use crate::snapshot::Current;
use crate::version;

pub(super) fn serve(config: &Config, file: &Path) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            say(&format!("error: the system refuses a runtime: {error}"));
            return ExitCode::from(USAGE);
        }
    };
    match runtime.block_on(control(config, file)) {
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
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|error| error.to_string())?;
    let admin = match config.admin {
        Some(address) => {
            let bound = admin::bind(address).await;
            Some(bound.map_err(|error| format!("admin: cannot listen on {address}: {error}"))?)
        }
        None => None,
    };
    let server = Arc::new(Server::start(config, file.to_owned()).map_err(|error| error.to_string())?);
    announce(config, &server);

    if let Some(listener) = admin {
        let watched = Arc::downgrade(&server);
        let told = Arc::downgrade(&server);
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
                Check {
                    name: "audit",
                    ready: server.is_some_and(|server| server.audit.lost_records() == 0),
                    needed: true,
                },
            ]
        };
        let status = move || told.upgrade().and_then(|server| serde_json::to_string_pretty(&server.status()).ok());
        tokio::spawn(admin::serve(listener, Pages { checks: Box::new(checks), status: Box::new(status), metrics }));
    }
    let (connector, authority, state) =
        (server.connector.clone(), config.upstream.authority.clone(), Arc::clone(&server.state));
    tokio::spawn(async move { probe(connector, authority, &state).await });

    loop {
        tokio::select! {
            _ = hangup.recv() => reload(&server.current),
            () = either(&mut terminate, &mut interrupt) => break,
        }
    }
    tracing::info!("draining: nothing new is accepted, what runs is finished");
    server.drain();
    let drained = tokio::task::spawn_blocking({
        let server = Arc::clone(&server);
        move || server.wait()
    });
    tokio::select! {
        _ = drained => {}
        () = either(&mut terminate, &mut interrupt) => {
            tracing::warn!("a second signal: what still runs is cut");
            return Ok(End::AtOnce);
        }
    }
    Ok(End::Drained)
}

async fn either(first: &mut Signal, second: &mut Signal) {
    tokio::select! {
        _ = first.recv() => {}
        _ = second.recv() => {}
    }
}

fn reload(current: &Current) {
    match current.reload() {
        Ok(revision) => tracing::info!(%revision, "reloaded"),
        Err(errors) => {
            for error in errors {
                tracing::error!(%error, "not reloaded; the old configuration stays");
            }
        }
    }
}

fn announce(config: &Config, server: &Server) {
    for (listener, address) in config.listeners.iter().zip(&server.addresses) {
        let address = match address {
            ListenAddress::Tcp(address) => address.to_string(),
            ListenAddress::Unix(path) => format!("unix:{}", path.display()),
        };
        let schemes: Vec<&str> = listener.schemes.iter().map(|scheme| scheme.as_str()).collect();
        let schemes = schemes.join(", ");
        tracing::info!(listener = %listener.name, %address, tls = listener.tls.is_some(), schemes, "listening");
    }
    let revision = Arc::clone(&server.current.load().revision);
    tracing::info!(version = version::FULL, mode = config.mode.as_str(), workers = config.workers, %revision, "irongate serves");
    if config.mode == Mode::Shadow {
        tracing::warn!("DRY RUN: mode is \"shadow\", denials are recorded and NOT enforced");
    }
    if config.policies.is_empty() {
        tracing::warn!("no policy is loaded: everything is denied");
    }
}
