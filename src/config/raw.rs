//! The configuration as written.

use std::path::PathBuf;

use serde::Deserialize;
use toml::Spanned;

use super::{Limits, Mode};
use crate::authenticate::{RawBinding, SchemeName};
use crate::snapshot::DenialDetail;
use crate::tls::TlsVersion;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawConfig {
    #[serde(default = "enforce")]
    pub mode: Mode,
    pub workers: Option<Spanned<usize>>,
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
    pub scrub: RawScrub,
    #[serde(default)]
    pub audit: RawAudit,
    #[serde(default)]
    pub microversion: RawMicroversion,
    pub limits: Option<Spanned<Limits>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawListener {
    pub name: Spanned<String>,
    pub address: Spanned<String>,
    pub schemes: Spanned<Vec<SchemeName>>,
    pub tls: Option<RawServerTls>,
    pub public_url: Option<Spanned<String>>,
    #[serde(default)]
    pub insecure_plaintext: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawServerTls {
    pub certificate_file: Spanned<PathBuf>,
    pub key_file: Spanned<PathBuf>,
    #[serde(default)]
    pub min_version: TlsVersion,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAdmin {
    pub address: Spanned<String>,
}

impl Default for RawAdmin {
    fn default() -> Self {
        Self { address: Spanned::new(0..0, "127.0.0.1:9385".to_owned()) }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawAuthentication {
    pub basic: Option<RawBasic>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawBasic {
    pub htpasswd_file: Spanned<PathBuf>,
    #[serde(default = "realm")]
    pub realm: String,
    pub cache_seconds: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawUpstream {
    pub endpoint: Spanned<String>,
    pub ca_file: Option<Spanned<PathBuf>>,
    pub client_certificate_file: Option<Spanned<PathBuf>>,
    pub client_key_file: Option<Spanned<PathBuf>>,
    #[serde(default)]
    pub min_version: TlsVersion,
    #[serde(default = "five")]
    pub connect_timeout_seconds: u64,
    #[serde(default = "answer_seconds")]
    pub answer_timeout_seconds: u64,
    #[serde(default = "sixty")]
    pub idle_timeout_seconds: u64,
    #[serde(default = "eight")]
    pub connections_idle_max: usize,
    #[serde(default = "eight_seconds")]
    pub connection_idle_timeout_seconds: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawPolicy {
    pub directories: Vec<Spanned<PathBuf>>,
    pub candidates: Vec<Spanned<PathBuf>>,
    pub resource_cache_seconds: Option<Spanned<u64>>,
    pub explain_denials: DenialDetail,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawScrub {
    pub words: Vec<String>,
    pub fields: Vec<String>,
    pub shapes: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAudit {
    pub file: PathBuf,
}

impl Default for RawAudit {
    fn default() -> Self {
        Self { file: "-".into() }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawMicroversion {
    pub max: Option<Spanned<String>>,
}

const fn enforce() -> Mode {
    Mode::Enforce
}
fn realm() -> String {
    "Baremetal API".to_owned()
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
const fn eight() -> usize {
    8
}
const fn eight_seconds() -> u64 {
    8
}
