//! Everything that is loaded, checked and swapped together. A request sees one snapshot from its start to its end.

mod fixed;
pub mod watch;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use aws_lc_rs::digest;
use jiff::Timestamp;

use crate::audit::AuditTerms;
use crate::authenticate::{Authenticator, AuthenticatorConfig};
use crate::config::{self, Config, ConfigError, Files, Limits, Mode, UpstreamIdentity};
use crate::forward::ClientTlsInForce;
use crate::limits::Limiter;
use crate::listener::ListenerState;
use crate::metrics::Rules;
use crate::policy::{Places, PolicyEngine, PolicyFinding, PolicyMode, PolicySource, Severity, ShadowMode};
use crate::scrub::Treatments;
use crate::telemetry;
use crate::tls::{CertificateExpiry, ClientTrust, ServerTls};
use crate::validate::ShadowChecks;

use fixed::Fixed;

/// What decides about requests. It holds keys and hashes and so cannot be printed.
pub struct Snapshot {
    /// A digest of the policies, the bindings and the configuration; it stands in every record.
    pub revision: Arc<str>,
    /// As configured: see [`Snapshot::mode`].
    mode: Mode,
    /// When dry-run ends, of the whole and of bindings.
    pub shadow_until: Option<jiff::Timestamp>,
    /// There only in dry-run: what a denial is waived with.
    shadow: Option<ShadowMode>,
    /// There only if a binding is in shadow mode: what a denial of its principals is waived with.
    binding_shadow: Option<ShadowMode>,
    /// Credentials → principals.
    pub authenticator: Authenticator,
    /// The decision point.
    pub policies: PolicyEngine,
    /// What policies call places.
    pub places: Arc<Places>,
    /// The secret map, for every role.
    pub scrub: Arc<Treatments>,
    /// Whether a changed file is a reason to reload.
    pub watch: bool,
    /// What becomes of records that cannot be written.
    pub audit: AuditTerms,
    /// The checks of bodies that are only tried out.
    pub shadow_checks: ShadowChecks,
    /// Asked beside it; what they say is recorded only.
    pub candidates: Vec<Candidate>,
    /// How long a looked-up object is remembered.
    pub resource_cache: Duration,
    /// How much callers are told of a denial.
    pub denial_detail: DenialDetail,
    /// Bounds of one request.
    pub limits: Limits,
    /// What is counted against them.
    pub limiter: Limiter,
    /// The highest microversion to admit.
    pub microversion_max: u16,
    /// The only microversion to admit, if it is pinned.
    pub microversion_pin: Option<u16>,
    /// Per listener, in the order of the configuration.
    pub listeners: Vec<ListenerState>,
    /// The certificates that were loaded, and until when they hold.
    pub certificates: Vec<CertificateExpiry>,
    /// As whom irongate asks Ironic.
    pub upstream_identity: UpstreamIdentity,
    /// TLS towards Ironic, where it is spoken.
    pub upstream_tls: Option<Arc<rustls::ClientConfig>>,
}

/// Policies that ride along.
#[derive(Debug)]
pub struct Candidate {
    /// How the configuration calls them.
    pub name: Arc<str>,
    /// Their decision point.
    pub policies: PolicyEngine,
    disagreements: AtomicU64,
}

impl Candidate {
    /// Notes that they would have decided otherwise.
    pub fn count(&self) {
        self.disagreements.fetch_add(1, Ordering::Relaxed);
    }

    /// How many questions they would have answered otherwise, since they were loaded.
    pub fn disagreements(&self) -> u64 {
        self.disagreements.load(Ordering::Relaxed)
    }
}

/// How much callers are told of a denial. Records always tell all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DenialDetail {
    /// What was denied, the rule's id and its reason.
    #[default]
    Full,
    /// The rule's id.
    Rule,
    /// Nothing.
    None,
}

impl Snapshot {
    /// Builds what decides from a checked configuration. `file` is for error messages.
    pub fn build(config: &Config, file: &Path) -> Result<Self, Vec<ConfigError>> {
        let policies = engine(&config.policies)?;
        let candidates = config.candidates.iter().map(|(name, sources)| {
            let policies = engine(sources)?;
            Ok(Candidate { name: name.as_str().into(), policies, disagreements: AtomicU64::new(0) })
        });
        let candidates = candidates.collect::<Result<Vec<_>, Vec<ConfigError>>>()?;
        let authenticator = Authenticator::new(AuthenticatorConfig {
            basic: config.basic.clone(),
            keystone: config.keystone.clone(),
            jwt: config.jwt.clone(),
            bindings: config.bindings.clone(),
        });
        let authenticator = authenticator.map_err(|error| vec![ConfigError::new(file, None, error.to_string())])?;
        let upstream_tls = config.upstream.tls.as_ref().map(crate::tls::client_config).transpose();
        let upstream_tls =
            upstream_tls.map_err(|error| vec![ConfigError::new(file, None, format!("upstream: {error}"))])?;
        let limiter = Limiter::new(
            &config.limits,
            config.listeners.iter().map(|listener| (&listener.name, listener.requests_max)),
        );
        let listeners = config
            .listeners
            .iter()
            .enumerate()
            .map(|(index, listener)| {
                let tls = listener.tls.as_ref().map(crate::tls::server_config).transpose();
                let asked = listener.tls.as_ref().and_then(|tls: &ServerTls| tls.client_certificates.as_ref());
                let client_trust = asked.map(ClientTrust::new).transpose();
                Ok(ListenerState {
                    index,
                    connections_max: listener.connections_max,
                    name: Arc::clone(&listener.name),
                    schemes: listener.schemes.clone(),
                    tls: tls.map_err(|error| vec![ConfigError::new(file, None, error.to_string())])?.map(Arc::new),
                    client_trust: client_trust
                        .map_err(|error| vec![ConfigError::new(file, None, error.to_string())])?,
                    source_networks: listener.source_networks.clone(),
                    operations: listener.operations.clone(),
                    compression: listener.compression,
                    public_url: listener.public_url.clone(),
                })
            })
            .collect::<Result<Vec<_>, Vec<ConfigError>>>()?;
        Ok(Self {
            revision: revision(&policies, &candidates, config),
            mode: config.mode,
            shadow_until: config.shadow_until,
            shadow: ShadowMode::from_configuration(match config.mode {
                Mode::Enforce => PolicyMode::Enforce,
                Mode::Shadow => PolicyMode::Shadow,
            }),
            binding_shadow: ShadowMode::from_configuration(
                if config.bindings.iter().any(crate::authenticate::Binding::is_shadow) {
                    PolicyMode::Shadow
                } else {
                    PolicyMode::Enforce
                },
            ),
            authenticator,
            policies,
            places: Arc::clone(&config.places),
            candidates,
            resource_cache: config.resource_cache,
            denial_detail: config.denial_detail,
            scrub: Arc::clone(&config.scrub),
            watch: config.watch,
            audit: config.audit.terms,
            shadow_checks: config.shadow_checks,
            limits: config.limits.clone(),
            limiter,
            microversion_max: config.microversion_max,
            microversion_pin: config.microversion_pin,
            listeners,
            certificates: config.certificates.clone(),
            upstream_identity: config.upstream.identity.clone(),
            upstream_tls: upstream_tls.map(Arc::new),
        })
    }

    /// What an operator should look at although it is not wrong enough to be refused; what policies are warned of comes
    /// from [`PolicyEngine::warnings`].
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = self.authenticator.warnings();
        let served = |scheme| self.listeners.iter().any(|listener| listener.schemes.contains(&scheme));
        warnings.extend(self.authenticator.unreached(served));
        for bound in &self.limits.role {
            let role = bound.role.as_str();
            if !self.authenticator.gives(role) && !self.policies.roles().iter().any(|known| **known == *role) {
                warnings.push(format!(
                    "[[limits.role]]: no [[binding]] gives the role {role:?} and no policy names it: nobody is bounded"
                ));
            }
        }
        if self.is_over() {
            warnings.push("shadow_until is past: denials are enforced".to_owned());
        }
        if self.policies.policy_modes().next().is_none() {
            warnings.push("no policy is loaded: everything is denied".to_owned());
        }
        warnings
    }

    /// The mode in force: dry-run ends by itself where the configuration says when.
    pub fn mode(&self) -> Mode {
        if self.is_over() { Mode::Enforce } else { self.mode }
    }

    /// What a denial is waived with: for everybody, or for principals of bindings in shadow.
    pub fn waiver(&self, binding_in_shadow: bool) -> Option<ShadowMode> {
        let waiver = self.shadow.or_else(|| self.binding_shadow.filter(|_| binding_in_shadow));
        waiver.filter(|_| !self.is_over())
    }

    fn is_over(&self) -> bool {
        self.shadow_until.is_some_and(|until| until <= jiff::Timestamp::now())
    }
}

fn engine(sources: &[PolicySource]) -> Result<PolicyEngine, Vec<ConfigError>> {
    PolicyEngine::load(sources).map_err(|findings| {
        let error = |finding: &PolicyFinding| {
            let hint = finding.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
            ConfigError::new(Path::new(&finding.file), Some(finding.line), format!("{}{hint}", finding.message))
        };
        findings.iter().filter(|finding| finding.severity == Severity::Error).map(error).collect()
    })
}

/// Policies, candidates, what of the configuration decides, and its files, each with its length before it; the first 16 bytes
/// are enough to tell two revisions apart.
fn revision(policies: &PolicyEngine, candidates: &[Candidate], config: &Config) -> Arc<str> {
    let mut context = digest::Context::new(&digest::SHA256);
    let (text, files) = config.decides.parts();
    let engines = std::iter::once(policies).chain(candidates.iter().map(|candidate| &candidate.policies));
    let parts = engines.map(|policies| policies.revision().as_bytes()).chain([text.as_bytes(), files.as_ref()]);
    for part in parts {
        context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        context.update(part);
    }
    let digest = context.finish();
    digest.as_ref().iter().take(16).map(|byte| format!("{byte:02x}")).collect::<String>().into()
}

/// The snapshot in force, and where the next one comes from.
pub struct Current {
    snapshot: ArcSwap<Snapshot>,
    file: PathBuf,
    fixed: Fixed,
    upstream_tls: Option<ClientTlsInForce>,
    rules: Arc<Rules>,
    reloads: Mutex<Reloads>,
    /// The configuration and what it named when it was last read.
    files: Mutex<Files>,
    /// One reload after the other.
    reloading: Mutex<()>,
}

/// What became of reading the configuration.
#[derive(Debug, Clone)]
pub struct Reloads {
    /// When the snapshot in force was loaded.
    pub loaded: Timestamp,
    /// Reloads that took effect.
    pub succeeded: u64,
    /// Reloads that did not.
    pub failed: u64,
    /// Why the last reload did not take effect, if it did not: the mistakes, a line each.
    pub error: Option<String>,
    /// What the configuration in force says otherwise than the running irongate does, and what so needs a restart.
    pub restart: Vec<String>,
}

impl Current {
    /// Starts with this one, made of `config`. What its rules decide is counted in `rules`; `upstream_tls` is what the
    /// connections to Ironic are made with.
    pub fn new(
        snapshot: Snapshot,
        config: &Config,
        file: PathBuf,
        upstream_tls: Option<ClientTlsInForce>,
        rules: Arc<Rules>,
    ) -> Self {
        rules.load(snapshot.policies.policy_modes().map(|(id, _)| id));
        let reloads = Reloads { loaded: Timestamp::now(), succeeded: 0, failed: 0, error: None, restart: Vec::new() };
        Self {
            snapshot: ArcSwap::from_pointee(snapshot),
            file,
            fixed: Fixed::of(config),
            upstream_tls,
            rules,
            reloads: Mutex::new(reloads),
            files: Mutex::new(config.files.clone()),
            reloading: Mutex::new(()),
        }
    }

    /// The one in force now. A request keeps what it got.
    pub fn load(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// Reads everything again; on any mistake the old one stays. What is bound to running threads and sockets (addresses,
    /// workers, Ironic's endpoints, the audit sink) is not changed: [`Reloads::restart`] names it.
    pub fn reload(&self) -> Result<Arc<str>, Vec<ConfigError>> {
        let _one = self.reloading.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome = self.replace();
        let mut reloads = self.reloads.lock().unwrap_or_else(PoisonError::into_inner);
        match &outcome {
            Ok((_, restart)) => {
                reloads.restart.clone_from(restart);
                reloads.loaded = Timestamp::now();
                reloads.succeeded += 1;
                reloads.error = None;
            }
            Err(errors) => {
                reloads.failed += 1;
                let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
                reloads.error = Some(telemetry::cast(lines.join("\n")));
            }
        }
        drop(reloads);
        outcome.map(|(revision, _)| revision)
    }

    /// What became of the reloads until now.
    pub fn reloads(&self) -> Reloads {
        self.reloads.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What the last reload read, or the start, whether it took effect or not: each file as it was just before.
    pub fn files(&self) -> Files {
        self.files.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The new revision, and what else would need a restart.
    fn replace(&self) -> Result<(Arc<str>, Vec<String>), Vec<ConfigError>> {
        let mut files = Files::default();
        let config = config::load_noting(&self.file, &mut files);
        *self.files.lock().unwrap_or_else(PoisonError::into_inner) = files;
        let config = config?;
        let mut next = Snapshot::build(&config, &self.file)?;
        let before = self.load();
        let names = |snapshot: &Snapshot| -> Vec<Arc<str>> {
            snapshot.listeners.iter().map(|listener| Arc::clone(&listener.name)).collect()
        };
        if names(&next) != names(&before) {
            let message = "listeners were added, removed, renamed or put into another order: that needs a restart";
            return Err(vec![ConfigError::new(&self.file, None, message)]);
        }
        next.authenticator.inherit(&before.authenticator);
        next.limiter.inherit(&before.limiter);
        let revision = Arc::clone(&next.revision);
        // Before the first request that may name a new rule.
        self.rules.load(next.policies.policy_modes().map(|(id, _)| id));
        if let (Some(in_force), Some(tls)) = (&self.upstream_tls, &next.upstream_tls) {
            in_force.store(Arc::clone(tls));
        }
        self.snapshot.store(Arc::new(next));
        Ok((revision, self.fixed.changed(&Fixed::of(&config))))
    }
}

#[cfg(test)]
mod tests;
