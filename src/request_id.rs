//! Request ids as OpenStack's services use them: `req-<uuid>`.

use http::HeaderMap;
use uuid::Uuid;

use crate::header::X_OPENSTACK_REQUEST_ID;

/// The ids of one request.
#[derive(Debug, Clone)]
pub struct RequestIds {
    /// Minted here; both spellings of the header in the answer carry it.
    pub own: RequestId,
    /// The caller's own id, where it sent a plain one; it becomes the global id in Ironic's log.
    pub global: Option<RequestId>,
}

/// `req-` and a UUID, lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestId(Uuid);

impl RequestId {
    /// A new one.
    pub fn mint() -> Self {
        Self(Uuid::new_v4())
    }

    /// Whether this is one of the ids that are kept where one in `count` is: which ones is up to chance.
    pub fn is_kept(&self, count: u32) -> bool {
        count <= 1 || self.0.as_u128().is_multiple_of(u128::from(count))
    }

    /// Reads `req-<uuid>`; anything else is no id.
    pub fn parse(text: &str) -> Option<Self> {
        let uuid = text.strip_prefix("req-")?;
        (uuid.len() == uuid::fmt::Hyphenated::LENGTH).then(|| Uuid::try_parse(uuid).ok().map(Self)).flatten()
    }
}

impl std::fmt::Display for RequestId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "req-{}", self.0.as_hyphenated())
    }
}

impl serde::Serialize for RequestId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl RequestIds {
    /// Mints one and keeps the caller's.
    pub fn read(headers: &HeaderMap) -> Self {
        let global =
            headers.get(X_OPENSTACK_REQUEST_ID).and_then(|value| value.to_str().ok()).and_then(RequestId::parse);
        Self { own: RequestId::mint(), global }
    }

    /// For a request that was never read.
    pub fn minted() -> Self {
        Self { own: RequestId::mint(), global: None }
    }

    /// What Ironic is told: the caller's id, so that its log and the caller's meet, else ours.
    pub fn upstream(&self) -> RequestId {
        self.global.unwrap_or(self.own)
    }
}

#[cfg(test)]
mod tests {
    use super::RequestId;

    #[test]
    fn only_plain_ids_are_kept() {
        for (text, kept) in [
            ("req-5a1e5c0e-6e5e-4b3f-9f7c-0b8f0c1d2e3f", true),
            ("req-5A1E5C0E-6E5E-4B3F-9F7C-0B8F0C1D2E3F", true),
            ("5a1e5c0e-6e5e-4b3f-9f7c-0b8f0c1d2e3f", false),
            ("req-5a1e5c0e6e5e4b3f9f7c0b8f0c1d2e3f", false),
            ("req-{5a1e5c0e-6e5e-4b3f-9f7c-0b8f0c1d2e3f}", false),
            ("req-5a1e5c0e-6e5e-4b3f-9f7c-0b8f0c1d2e3f\n", false),
            ("", false),
        ] {
            assert_eq!(RequestId::parse(text).is_some(), kept, "{text:?}");
        }
    }
}
