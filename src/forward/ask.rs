//! irongate's own questions to Ironic: a plain `GET` as whom the configuration says, without any other header of a caller.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_ENCODING, HOST, USER_AGENT};
use http::{HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt, Limited};

use super::request::{RequestBody, identify};
use super::{Upstream, UpstreamError};
use crate::authenticate::ProvedToken;
use crate::config::UpstreamIdentity;
use crate::header::X_OPENSTACK_REQUEST_ID;
use crate::microversion::{self, Microversion};
use crate::request_id::RequestId;

/// Ironic answers such questions from its database.
const DEADLINE: Duration = Duration::from_secs(10);

impl Upstream {
    /// Asks for `target` and reads the whole answer, at most `bytes_max` bytes of it. `token` is the caller's; it is sent only
    /// where `identity` is the caller's token.
    ///
    /// # Errors
    /// As [`Self::forward`]; [`UpstreamError::NotJson`] for a coding, [`UpstreamError::Incomplete`] beyond the bound.
    pub async fn ask(
        &self,
        target: &str,
        microversion: Microversion,
        request_id: RequestId,
        (identity, token): (&UpstreamIdentity, Option<&ProvedToken>),
        bytes_max: usize,
    ) -> Result<(StatusCode, Bytes), UpstreamError> {
        let write = |authority: &HeaderValue| {
            let request = Request::builder()
                .uri(target)
                .header(HOST, authority)
                .header(USER_AGENT, concat!("irongate/", env!("CARGO_PKG_VERSION")))
                .header(ACCEPT, "application/json")
                .header(microversion::HEADER, microversion.header_value())
                .header(X_OPENSTACK_REQUEST_ID, request_id.to_string());
            identify(request, identity, token).body(RequestBody::default()).map_err(|_| UpstreamError::Unreachable)
        };
        let answer = async {
            let (response, lease) = self.exchange(true, write).await?;
            self.state.note_answer(response.headers());
            if response.headers().contains_key(CONTENT_ENCODING) {
                return Err(UpstreamError::NotJson);
            }
            let (head, body) = response.into_parts();
            let body = Limited::new(body, bytes_max).collect().await.map_err(|_| UpstreamError::Incomplete)?.to_bytes();
            lease.give_back();
            Ok((head.status, body))
        };
        let deadline = DEADLINE.min(self.answer_timeout);
        tokio::time::timeout(deadline, answer).await.unwrap_or(Err(UpstreamError::AnswerTimeout))
    }
}
