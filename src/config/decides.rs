//! What of a configuration decides about requests. The revision is made of it.
//!
//! It is the configuration as written, with its defaults, less what is known to decide nothing: a key that is new counts
//! unless it is named here. The same files give the same text, wherever they are: members have an order, and files count by
//! what they hold.
//!
//! The revision is seen by whoever reads a record or `/status`, so nothing may be found out from it by guessing. Of secrets
//! that two sides share (credentials, the HMAC key) and of private keys there is nothing in it. The htpasswd file is: its
//! hashes are bcrypt's, each with 16 random bytes of salt, and never a digest by itself, so that there is nothing that a
//! guessed password could be compared with.

use std::collections::BTreeMap;

use aws_lc_rs::digest;
use serde_json::Value;

use super::raw::RawConfig;

/// What decides nothing; what the running threads and sockets were made with, so that it is not in force before a restart
/// ([`crate::snapshot::Reloads::restart`] tells it); and the places of policies, whose texts are in the revision.
const LEFT_OUT: [&str; 20] = [
    "workers",
    "admin",
    "tracing",
    "reload",
    "audit.queue_bytes_max",
    "listener.address",
    "policy.directories",
    "policy.candidates",
    "upstream.endpoint",
    "upstream.endpoints",
    "upstream.connect_timeout_seconds",
    "upstream.send_timeout_seconds",
    "upstream.answer_timeout_seconds",
    "upstream.idle_timeout_seconds",
    "upstream.transfer_timeout_seconds",
    "upstream.ejection_failures",
    "upstream.ejection_seconds",
    "upstream.probe_seconds",
    "upstream.connections_idle_max",
    "upstream.connection_idle_timeout_seconds",
];

/// What decides, ready to be put into a digest with the policies. It is shown to nobody: see `Decides::parts`.
pub struct Decides {
    text: String,
    files: digest::Context,
}

/// Names of files: that there is one counts, and for public ones what it holds.
const FILES: [&str; 18] = [
    "audit.cadf_file",
    "audit.file",
    "authentication.basic.htpasswd_file",
    "authentication.jwt.ca_file",
    "authentication.jwt.jwks_file",
    "authentication.jwt.public_key_file",
    "authentication.keystone.ca_file",
    "authentication.keystone.jws_public_key_files",
    "authentication.keystone.service_credential_file",
    "listener.tls.certificate_file",
    "listener.tls.client_ca_file",
    "listener.tls.client_crl_file",
    "listener.tls.key_file",
    "scrub.hmac_key_file",
    "upstream.ca_file",
    "upstream.client_certificate_file",
    "upstream.client_key_file",
    "upstream.credential_file",
];

impl Decides {
    /// `None` where it cannot be written down.
    pub(super) fn new(raw: &RawConfig) -> Option<Self> {
        let kept = canonical(serde_json::to_value(raw).ok()?, "");
        Some(Self { text: kept?.to_string(), files: digest::Context::new(&digest::SHA256) })
    }

    /// Adds a file, in the order in which files are read.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.files.update(&u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
        self.files.update(bytes);
    }

    /// What is to be digested.
    pub(crate) fn parts(&self) -> (&str, digest::Digest) {
        (&self.text, self.files.clone().finish())
    }
}

/// The value at this path without what is left out, members in the order of their names.
fn canonical(value: Value, path: &str) -> Option<Value> {
    if LEFT_OUT.contains(&path) {
        return None;
    }
    match value {
        Value::Null => None,
        Value::String(_) if FILES.contains(&path) => Some(1.into()),
        Value::Array(names) if FILES.contains(&path) => Some(names.len().into()),
        Value::Object(members) => {
            let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
            let kept = members.into_iter().filter_map(|(key, value)| {
                let value = canonical(value, &below(&key))?;
                Some((key, value))
            });
            let sorted: BTreeMap<String, Value> = kept.collect();
            Some(sorted.into_iter().collect())
        }
        Value::Array(items) => Some(items.into_iter().filter_map(|item| canonical(item, path)).collect()),
        other @ (Value::Bool(_) | Value::Number(_) | Value::String(_)) => Some(other),
    }
}
