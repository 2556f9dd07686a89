//! The configuration as written.
//!
//! `check --show` prints these types. A secret cannot be among them: secrets are only named by file, and the types that
//! hold them do not implement `Serialize`.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::check::{RawJwt, RawTracing};
use super::{Limits, Mode};
use crate::audit::{OnFull, QUEUE_BYTES_MAX};
use crate::authenticate::{KeystoneConfig, RawBinding, SchemeName};
use crate::catalog;
use crate::scrub::SecretTreatment;
use crate::snapshot::DenialDetail;
use crate::tls::TlsVersion;

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawConfig {
    #[serde(default = "enforce")]
    pub mode: Mode,
    pub shadow_until: Option<Spanned<String>>,
    #[serde(default = "cores")]
    pub workers: Spanned<usize>,
    #[serde(default)]
    pub listener: Vec<Spanned<RawListener>>,
    #[serde(default)]
    pub admin: RawAdmin,
    #[serde(default)]
    pub authentication: RawAuthentication,
    #[serde(default)]
    pub binding: Vec<Spanned<RawBinding>>,
    pub upstream: RawUpstream,
    #[serde(default)]
    pub policy: RawPolicy,
    #[serde(default)]
    pub validation: RawValidation,
    #[serde(default)]
    pub scrub: RawScrub,
    #[serde(default)]
    pub audit: RawAudit,
    #[serde(default)]
    pub microversion: RawMicroversion,
    pub tracing: Option<RawTracing>,
    #[serde(default = "limits")]
    pub limits: Spanned<Limits>,
    #[serde(default)]
    pub reload: RawReload,
}

impl RawConfig {
    /// The defaults that hang on what else is written.
    pub(super) fn fill(&mut self) {
        if self.microversion.pin.is_none() {
            self.microversion.max.get_or_insert_with(|| unwritten(format!("1.{}", catalog::MICROVERSION_MAX)));
        }
        self.authentication.jwt.iter_mut().for_each(RawJwt::fill);
        if let Some(keystone) = &mut self.authentication.keystone
            && let Some(uri) = KeystoneConfig::www_authenticate_uri_of(keystone.url.get_ref())
        {
            keystone.www_authenticate_uri.get_or_insert_with(|| unwritten(uri));
        }
    }
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawReload {
    pub watch: bool,
}

impl Default for RawReload {
    fn default() -> Self {
        Self { watch: true }
    }
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawListener {
    pub name: Spanned<String>,
    pub address: Spanned<String>,
    pub schemes: Spanned<Vec<SchemeName>>,
    pub tls: Option<RawServerTls>,
    pub public_url: Option<Spanned<String>>,
    pub operations: Option<Spanned<Vec<String>>>,
    pub source_networks: Option<Spanned<Vec<String>>>,
    pub connections_max: Option<Spanned<usize>>,
    pub requests_max: Option<Spanned<usize>>,
    #[serde(default)]
    pub insecure_plaintext: bool,
    #[serde(default)]
    pub compression: bool,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawServerTls {
    pub certificate_file: Spanned<PathBuf>,
    pub key_file: Spanned<PathBuf>,
    #[serde(default)]
    pub min_version: TlsVersion,
    pub client_certificates: Option<Spanned<ClientCertificateUse>>,
    pub client_ca_file: Option<Spanned<PathBuf>>,
    pub client_crl_file: Option<Spanned<PathBuf>>,
}

/// Whether callers must have a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ClientCertificateUse {
    /// Who has one shows it; it must be good.
    Optional,
    /// Nobody gets in without one.
    Required,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAdmin {
    pub address: Spanned<String>,
}

impl Default for RawAdmin {
    fn default() -> Self {
        Self { address: unwritten("127.0.0.1:9385".to_owned()) }
    }
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawAuthentication {
    pub basic: Option<RawBasic>,
    pub keystone: Option<RawKeystone>,
    pub jwt: Vec<RawJwt>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawBasic {
    pub htpasswd_file: Spanned<PathBuf>,
    #[serde(default = "realm")]
    pub realm: Spanned<String>,
    #[serde(default = "five_minutes")]
    pub cache_seconds: Spanned<u64>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawKeystone {
    pub url: Spanned<String>,
    pub ca_file: Option<Spanned<PathBuf>>,
    #[serde(default)]
    pub min_version: TlsVersion,
    #[serde(default)]
    pub insecure_plaintext: bool,
    pub www_authenticate_uri: Option<Spanned<String>>,
    #[serde(default = "five_minutes")]
    pub revocation_seconds: Spanned<u64>,
    #[serde(default = "rejected_seconds")]
    pub rejected_seconds: Spanned<u64>,
    #[serde(default = "tokens_max")]
    pub tokens_max: Spanned<usize>,
    #[serde(default)]
    pub jws_public_key_files: Vec<Spanned<PathBuf>>,
    pub service_credential_file: Option<Spanned<PathBuf>>,
    #[serde(default = "service_roles")]
    pub service_roles: Spanned<Vec<String>>,
    #[serde(default = "yes")]
    pub service_token_roles_required: bool,
    #[serde(default = "allow_expired_seconds")]
    pub allow_expired_seconds: Spanned<u64>,
    #[serde(default = "keystone_connect_seconds")]
    pub connect_timeout_seconds: Spanned<u64>,
    #[serde(default = "keystone_seconds")]
    pub timeout_seconds: Spanned<u64>,
    #[serde(default = "keystone_connections")]
    pub connections_max: Spanned<usize>,
    #[serde(default = "keystone_validations")]
    pub validations_max: Spanned<usize>,
}

/// `[upstream] identity`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum RawIdentity {
    #[default]
    None,
    Token,
    Basic,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawUpstream {
    pub endpoint: Option<Spanned<String>>,
    pub endpoints: Option<Spanned<Vec<Spanned<String>>>>,
    pub ca_file: Option<Spanned<PathBuf>>,
    pub client_certificate_file: Option<Spanned<PathBuf>>,
    pub client_key_file: Option<Spanned<PathBuf>>,
    #[serde(default = "nobody")]
    pub identity: Spanned<RawIdentity>,
    pub credential_file: Option<Spanned<PathBuf>>,
    #[serde(default)]
    pub min_version: TlsVersion,
    #[serde(default = "five")]
    pub connect_timeout_seconds: u64,
    #[serde(default = "sixty")]
    pub send_timeout_seconds: u64,
    #[serde(default = "answer_seconds")]
    pub answer_timeout_seconds: u64,
    #[serde(default = "sixty")]
    pub idle_timeout_seconds: u64,
    #[serde(default = "transfer_seconds")]
    pub transfer_timeout_seconds: u64,
    #[serde(default = "three")]
    pub ejection_failures: u32,
    #[serde(default = "five")]
    pub ejection_seconds: u64,
    #[serde(default = "five")]
    pub probe_seconds: u64,
    #[serde(default = "eight")]
    pub connections_idle_max: usize,
    #[serde(default = "eight_seconds")]
    pub connection_idle_timeout_seconds: u64,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawPolicy {
    pub directories: Vec<Spanned<PathBuf>>,
    pub places: Option<Spanned<std::collections::BTreeMap<String, Vec<String>>>>,
    pub candidates: Vec<Spanned<PathBuf>>,
    pub resource_cache_seconds: Spanned<u64>,
    pub explain_denials: DenialDetail,
}

impl Default for RawPolicy {
    fn default() -> Self {
        Self {
            directories: Vec::new(),
            places: None,
            candidates: Vec::new(),
            resource_cache_seconds: unwritten(1),
            explain_denials: DenialDetail::default(),
        }
    }
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawScrub {
    pub words: Vec<String>,
    pub fields: Vec<String>,
    pub shapes: Vec<String>,
    pub hmac_key_file: Option<Spanned<PathBuf>>,
    pub shadow: Option<Spanned<RawScrubShadow>>,
    pub role: Vec<Spanned<RawTreatment>>,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawScrubShadow {
    pub words: Vec<String>,
    pub fields: Vec<String>,
    pub shapes: Vec<String>,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawValidation {
    pub shadow: Option<Spanned<Vec<String>>>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTreatment {
    pub role: String,
    pub treatment: SecretTreatment,
    #[serde(default)]
    pub fields: Vec<String>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawAudit {
    pub file: Spanned<PathBuf>,
    pub cadf_file: Option<Spanned<PathBuf>>,
    pub on_full: Spanned<RawOnFull>,
    pub queue_bytes_max: Spanned<usize>,
    pub keep_one_read_in: Spanned<u32>,
}

/// One word for all classes, or one for each.
#[derive(Debug, Deserialize, Serialize)]
#[serde(
    untagged,
    expecting = "write \"block\", \"deny-writes\" or \"drop\", or a table of reads, writes and denials with these"
)]
pub(super) enum RawOnFull {
    All(OnFull),
    ByClass(RawOnFullClasses),
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawOnFullClasses {
    #[serde(default)]
    pub reads: OnFull,
    #[serde(default)]
    pub writes: OnFull,
    #[serde(default)]
    pub denials: OnFull,
}

impl Default for RawAudit {
    fn default() -> Self {
        Self {
            file: unwritten("-".into()),
            cadf_file: None,
            on_full: unwritten(RawOnFull::All(OnFull::default())),
            queue_bytes_max: unwritten(QUEUE_BYTES_MAX),
            keep_one_read_in: unwritten(1),
        }
    }
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawMicroversion {
    pub max: Option<Spanned<String>>,
    pub pin: Option<Spanned<String>>,
}

/// A default: it stands nowhere.
pub(super) fn unwritten<T>(value: T) -> Spanned<T> {
    Spanned::new(0..0, value)
}
fn cores() -> Spanned<usize> {
    unwritten(std::thread::available_parallelism().map_or(1, std::num::NonZero::get))
}
fn limits() -> Spanned<Limits> {
    unwritten(Limits::default())
}
const fn yes() -> bool {
    true
}
fn nobody() -> Spanned<RawIdentity> {
    unwritten(RawIdentity::None)
}
fn five_minutes() -> Spanned<u64> {
    unwritten(300)
}
fn rejected_seconds() -> Spanned<u64> {
    unwritten(5)
}
fn tokens_max() -> Spanned<usize> {
    unwritten(10_000)
}
fn service_roles() -> Spanned<Vec<String>> {
    unwritten(vec!["service".to_owned()])
}
fn allow_expired_seconds() -> Spanned<u64> {
    unwritten(172_800)
}
fn keystone_connect_seconds() -> Spanned<u64> {
    unwritten(2)
}
fn keystone_seconds() -> Spanned<u64> {
    unwritten(5)
}
fn keystone_connections() -> Spanned<usize> {
    unwritten(8)
}
fn keystone_validations() -> Spanned<usize> {
    unwritten(256)
}
const fn enforce() -> Mode {
    Mode::Enforce
}
fn realm() -> Spanned<String> {
    unwritten("Baremetal API".to_owned())
}
const fn three() -> u32 {
    3
}
const fn five() -> u64 {
    5
}
const fn sixty() -> u64 {
    60
}
const fn answer_seconds() -> u64 {
    180
}
const fn transfer_seconds() -> u64 {
    300
}
const fn eight() -> usize {
    8
}
const fn eight_seconds() -> u64 {
    8
}
