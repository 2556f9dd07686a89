//! What the service manager is told (sd_notify), and that the workers are alive (its watchdog). Without one, nothing.

use std::sync::Weak;

use sd_notify::NotifyState;

use super::{BEAT, Server};

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
    tell(&[NotifyState::Stopping]);
}

/// What it does.
pub fn status(text: &str) {
    tell(&[NotifyState::Status(text)]);
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
    // Whoever has nothing to do comes round each second, however short the watchdog's time is.
    let late = (within / 2).max(BEAT * 5);
    loop {
        tokio::time::sleep(within / 3).await;
        let Some(server) = server.upgrade() else { return };
        if server.came_round(late) {
            tell(&[NotifyState::Watchdog]);
        } else {
            tracing::error!("a worker does not answer; the watchdog is not told");
        }
    }
}
