//! What the service manager is told (sd_notify), and that the workers are alive (its watchdog). Without one, nothing.

use std::sync::Weak;
use std::time::Duration;

use sd_notify::NotifyState;

use super::Server;

/// Serving: after the start, and after each reload.
pub fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// A reload begins; [`ready`] ends it.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => tracing::warn!(kind = ?error.kind(), "the service manager is not told of the reload"),
    }
}

/// On the way out.
pub fn stopping() {
    tell(&[NotifyState::Stopping, NotifyState::Status("draining: nothing new is accepted, what runs is finished")]);
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(kind = ?error.kind(), "the service manager cannot be told");
    }
}

/// Tells the watchdog, where there is one, that every worker is alive; returns when the server is gone. A worker that hangs
/// stops it, and the service manager does what its unit says.
pub async fn watchdog(server: Weak<Server>) {
    let Some(within) = sd_notify::watchdog_enabled() else { return };
    watch(server, within / 3, || tell(&[NotifyState::Watchdog])).await;
}

async fn watch(server: Weak<Server>, every: Duration, tell: impl Fn()) {
    let mut before = Vec::new();
    loop {
        tokio::time::sleep(every).await;
        let Some(server) = server.upgrade() else { return };
        let now = server.beats();
        // Workers that have drained are silent, and that is well.
        let alive = !server.serving() || before.len() != now.len() || before.iter().zip(&now).all(|(a, b)| a != b);
        if alive {
            tell();
        } else {
            tracing::error!("a worker does not answer; the watchdog is not told");
        }
        before = now;
    }
}
