//! What a running irongate says of itself at `/status`: names, digests, times. No secret has a place in these types.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use super::Server;
use crate::policy::PolicyMode;
use crate::version;

/// The answer of `/status`.
#[derive(Debug, Serialize)]
pub struct Status {
    version: &'static str,
    /// What the program was built from.
    program_revision: &'static str,
    started: Timestamp,
    /// `serving`, `leaving` or `draining`.
    phase: &'static str,
    mode: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    shadow_until: Option<jiff::Timestamp>,
    /// Of the snapshot in force, as in records.
    revision: Arc<str>,
    loaded: Timestamp,
    reloads: ReloadStatus,
    policies: Policies,
    listeners: Vec<ListenerStatus>,
    upstreams: Vec<UpstreamStatus>,
    certificates: Vec<CertificateStatus>,
    audit: AuditStatus,
}

#[derive(Debug, Serialize)]
struct ReloadStatus {
    succeeded: u64,
    failed: u64,
    /// Why the last one was refused; `null` if it took effect.
    last_error: Option<String>,
    /// What was changed in the configuration and needs a restart.
    restart_needed: Vec<String>,
}

/// How many policies are loaded in each mode.
#[derive(Debug, Default, Serialize)]
struct Policies {
    enforce: usize,
    shadow: usize,
    off: usize,
}

#[derive(Debug, Serialize)]
struct ListenerStatus {
    name: Arc<str>,
    address: String,
    tls: bool,
    schemes: Vec<&'static str>,
}

#[derive(Debug, Serialize)]
struct UpstreamStatus {
    endpoint: String,
    /// Whether it answered its last probe.
    healthy: bool,
    /// Whether it is left alone after failures.
    ejected: bool,
    /// Requests that it has not answered to their end.
    pending: usize,
    /// Ironic's highest microversion, once it has told it.
    microversion_max: Option<String>,
}

#[derive(Debug, Serialize)]
struct CertificateStatus {
    file: Arc<str>,
    not_after: Timestamp,
}

#[derive(Debug, Serialize)]
struct AuditStatus {
    lost: u64,
}

impl Server {
    /// What it is and does at this moment.
    pub fn status(&self) -> Status {
        let snapshot = self.current.load();
        let reloads = self.current.reloads();
        let mut policies = Policies::default();
        for (_, mode) in snapshot.policies.policy_modes() {
            match mode {
                PolicyMode::Enforce => policies.enforce += 1,
                PolicyMode::Shadow => policies.shadow += 1,
                PolicyMode::Off => policies.off += 1,
            }
        }
        let listeners = snapshot.listeners.iter().zip(&self.addresses).map(|(listener, address)| ListenerStatus {
            name: Arc::clone(&listener.name),
            address: address.to_string(),
            tls: listener.tls.is_some(),
            schemes: listener.schemes.iter().map(|scheme| scheme.as_str()).collect(),
        });
        let certificates = snapshot
            .certificates
            .iter()
            .map(|expiry| CertificateStatus { file: Arc::clone(&expiry.file), not_after: expiry.not_after });
        let microversion_max = self.state.microversion_max().map(|minor| format!("1.{minor}"));
        let upstreams = self.state.endpoints().iter().map(|endpoint| UpstreamStatus {
            endpoint: endpoint.name().to_owned(),
            healthy: endpoint.up(),
            ejected: endpoint.ejected(),
            pending: endpoint.pending(),
            microversion_max: microversion_max.clone(),
        });
        Status {
            version: version::VERSION,
            program_revision: version::REVISION,
            started: self.started,
            phase: self.phase().as_str(),
            mode: snapshot.mode().as_str(),
            shadow_until: snapshot.shadow_until,
            revision: Arc::clone(&snapshot.revision),
            loaded: reloads.loaded,
            reloads: ReloadStatus {
                succeeded: reloads.succeeded,
                failed: reloads.failed,
                last_error: reloads.error,
                restart_needed: reloads.restart,
            },
            policies,
            listeners: listeners.collect(),
            upstreams: upstreams.collect(),
            certificates: certificates.collect(),
            audit: AuditStatus { lost: self.audit.counts().lost() },
        }
    }
}
