//! Asks Ironic from time to time whether it is there and what it can do.

use std::time::Duration;

use http::Request;
use http::header::HOST;
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;

use crate::forward::{Connector, UpstreamState};

/// Between two probes.
const INTERVAL: Duration = Duration::from_secs(5);
/// Between two probes while Ironic does not answer.
const INTERVAL_UNREACHABLE: Duration = Duration::from_secs(1);
/// For one probe.
const DEADLINE: Duration = Duration::from_secs(10);

/// Probes for ever; what it learns goes into `state`.
pub async fn probe(connector: Connector, authority: String, state: &UpstreamState) {
    loop {
        let answered = tokio::time::timeout(DEADLINE, ask(&connector, &authority, state)).await;
        let reachable = matches!(answered, Ok(Some(())));
        if reachable != state.reachable() {
            if reachable {
                tracing::info!("Ironic answers");
            } else {
                tracing::warn!("Ironic does not answer");
            }
        }
        state.note_reachable(reachable);
        tokio::time::sleep(if reachable { INTERVAL } else { INTERVAL_UNREACHABLE }).await;
    }
}

async fn ask(connector: &Connector, authority: &str, state: &UpstreamState) -> Option<()> {
    let stream = connector.connect().await.ok()?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
    tokio::spawn(async move { drop(connection.await) });
    // Version discovery is public and touches neither database nor conductor.
    let request = Request::get("/v1").header(HOST, authority).body(Empty::<bytes::Bytes>::new()).ok()?;
    let response = sender.send_request(request).await.ok()?;
    state.note_answer(response.headers());
    response.status().is_success().then_some(())
}
