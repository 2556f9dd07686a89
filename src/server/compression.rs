//! Compressed answers, where a listener is configured for them.
//!
//! Answers are compressed after the scrub, by [`tower_http`]. Ironic is never asked for compressed answers, and one that
//! comes all the same is refused ([`crate::answer`]).

use http::header::{ACCEPT_ENCODING, CONTENT_TYPE};
use http::{HeaderValue, Request, Response};
use http_body::Body;
use tower_http::CompressionLevel;
use tower_http::compression::{CompressionLayer, Predicate};

use crate::answer::HoldsSecret;

/// Shorter answers fit into one packet anyway.
const BYTES_MIN: u64 = 1024;

/// The layer; behind [`settle`].
pub(super) fn layer() -> CompressionLayer<Worthwhile> {
    // Lists shrink to a tenth at the quickest level, and a worker serves others meanwhile.
    CompressionLayer::new().quality(CompressionLevel::Fastest).compress_when(Worthwhile)
}

/// Leaves of `Accept-Encoding` only a plain `gzip`, and that only where compression is on and wished for.
///
/// The layer would turn the answer of a call that was carried out into 406 where no coding is accepted; an answer as it
/// is takes precedence here (RFC 9110, 12.5.3, permits both).
pub(super) fn settle<B>(mut request: Request<B>, compress: bool) -> Request<B> {
    let wished = compress && request.headers().get_all(ACCEPT_ENCODING).iter().any(takes_gzip);
    request.headers_mut().remove(ACCEPT_ENCODING);
    if wished {
        request.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
    }
    request
}

/// `gzip` with a quality other than zero.
fn takes_gzip(value: &HeaderValue) -> bool {
    value.to_str().unwrap_or_default().split(',').any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
        let refused = parts.filter_map(|part| part.split_once('=')).any(|(name, quality)| {
            name.trim().eq_ignore_ascii_case("q") && quality.trim().bytes().all(|byte| matches!(byte, b'0' | b'.'))
        });
        named && !refused
    })
}

/// JSON of some length that holds no secret on purpose.
#[derive(Debug, Clone, Copy)]
pub(super) struct Worthwhile;

impl Predicate for Worthwhile {
    fn should_compress<B: Body>(&self, response: &Response<B>) -> bool {
        let json = response.headers().get(CONTENT_TYPE).is_some_and(|value| value == "application/json");
        // A streamed answer has no known length: it is long.
        let long = response.body().size_hint().exact().is_none_or(|bytes| bytes >= BYTES_MIN);
        json && long && response.extensions().get::<HoldsSecret>().is_none()
    }
}

#[cfg(test)]
mod tests {
    use http::Request;
    use http::header::ACCEPT_ENCODING;

    use super::settle;

    #[test]
    fn only_a_wish_for_gzip_is_left() {
        for (accept, compress, expected) in [
            (Some("gzip, deflate"), true, Some("gzip")),
            (Some("gzip, deflate"), false, None),
            (Some("deflate, GZIP;q=0.5, *;q=0"), true, Some("gzip")),
            (Some("gzip;q=0, identity"), true, None),
            (Some("gzip; q=0.000"), true, None),
            (Some("br, identity;q=0"), true, None),
            (Some("*;q=0"), true, None),
            (Some("identity"), true, None),
            (Some("gzippy"), true, None),
            (None, true, None),
        ] {
            let mut request = Request::builder();
            if let Some(accept) = accept {
                request = request.header(ACCEPT_ENCODING, accept);
            }
            let settled = settle(request.body(()).unwrap(), compress);
            let left = settled.headers().get(ACCEPT_ENCODING).map(|value| value.to_str().unwrap());
            assert_eq!(left, expected, "{accept:?}, {compress}");
        }
    }
}
