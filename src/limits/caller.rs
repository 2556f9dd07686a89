//! Who counts as one caller.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::Arc;

use quick_cache::sync::Cache;

use super::{BodyBudget, Counter};
use crate::authenticate::{Principal, SchemeName};

/// Callers that are remembered; beyond, the least active is forgotten, and begins anew.
pub(super) const CALLERS_MAX: usize = 10_000;

/// A principal with its scheme; who is nobody in particular is told apart by address. Names are hashed with keys of this
/// process: nobody can choose one that counts as another's.
pub(super) fn key(hasher: &RandomState, principal: &Principal, source: Option<IpAddr>) -> u64 {
    match principal.scheme() {
        SchemeName::Anonymous => key_at(hasher, source),
        SchemeName::Basic | SchemeName::Keystone | SchemeName::Jwt | SchemeName::Certificate => {
            hasher.hash_one((principal.scheme().as_str(), principal.name()))
        }
    }
}

/// Who is told apart by address alone. Unix sockets have none: their callers are one.
fn key_at(hasher: &RandomState, source: Option<IpAddr>) -> u64 {
    hasher.hash_one(source.map(network))
}

/// An IPv6 caller has a whole network of 64 bits to choose addresses from.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) >> 64 << 64).into()),
    }
}

/// What one caller has under way.
#[derive(Debug, Default)]
pub(super) struct Caller {
    pub(super) requests: Counter,
    /// Of an address: what waits until it is known who asks.
    pub(super) unproven: Counter,
    pub(super) bodies: BodyBudget,
}

/// What each caller has under way.
pub(super) struct Callers {
    hasher: RandomState,
    callers: Cache<u64, Arc<Caller>>,
}

impl Default for Callers {
    fn default() -> Self {
        Self { hasher: RandomState::new(), callers: Cache::new(CALLERS_MAX) }
    }
}

impl std::fmt::Debug for Callers {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Callers").finish_non_exhaustive()
    }
}

impl Callers {
    pub(super) fn of(&self, principal: &Principal, source: Option<IpAddr>) -> Arc<Caller> {
        self.under(key(&self.hasher, principal, source))
    }

    /// What all have under way who are known by this address only.
    pub(super) fn at(&self, source: Option<IpAddr>) -> Arc<Caller> {
        self.under(key_at(&self.hasher, source))
    }

    fn under(&self, key: u64) -> Arc<Caller> {
        self.callers.get(&key).unwrap_or_else(|| {
            let made = || Ok::<_, std::convert::Infallible>(Arc::default());
            self.callers.get_or_insert_with(&key, made).unwrap_or_else(|never| match never {})
        })
    }
}
