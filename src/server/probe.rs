//! Asks Ironic from time to time whether it is there and what it can do.

use std::sync::Arc;
use std::time::Duration;

use http::Request;
use http::header::HOST;
use http_body_util::Empty;

use crate::forward::{Connector, UpstreamState};

/// Between two probes while an endpoint does not answer.
const INTERVAL_UNREACHABLE: Duration = Duration::from_secs(1);
/// For one probe.
const DEADLINE: Duration = Duration::from_secs(10);

/// What a probe needs of one endpoint.
#[derive(Debug, Clone)]
pub struct Target {
    pub(super) connector: Connector,
    pub(super) authority: String,
    pub(super) interval: Duration,
}

/// Probes all endpoints for ever; what it learns goes into `state`.
pub async fn probe(targets: Vec<Target>, state: Arc<UpstreamState>) {
    let mut probes = tokio::task::JoinSet::new();
    for (place, target) in targets.into_iter().enumerate() {
        probes.spawn(probe_one(target, Arc::clone(&state), place));
    }
    while probes.join_next().await.is_some() {}
}

async fn probe_one(target: Target, state: Arc<UpstreamState>, place: usize) {
    let Some(health) = state.endpoints().get(place) else { return };
    let endpoint = health.name();
    // Before the first probe nothing is known: what it finds is told, whatever it is.
    let mut before = None;
    loop {
        let answered = tokio::time::timeout(DEADLINE, ask(&target.connector, &target.authority, &state)).await;
        let answered = matches!(answered, Ok(Some(())));
        if before.replace(answered) != Some(answered) {
            if answered {
                tracing::info!(endpoint, "Ironic answers");
            } else {
                tracing::warn!(endpoint, "Ironic does not answer");
            }
        }
        health.probed(answered);
        tokio::time::sleep(if answered { target.interval } else { INTERVAL_UNREACHABLE.min(target.interval) }).await;
    }
}

async fn ask(connector: &Connector, authority: &str, state: &UpstreamState) -> Option<()> {
    let mut link = connector.http1().await.ok()?;
    // Version discovery is public and touches neither database nor conductor.
    let request = Request::get("/v1").header(HOST, authority).body(Empty::<bytes::Bytes>::new()).ok()?;
    let response = link.send(request).await.ok()?;
    state.note_answer(response.headers());
    response.status().is_success().then_some(())
}
