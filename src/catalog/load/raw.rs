//! The TOML files as they are written.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::catalog::operation::{Answer, Group, Method, Parameter, PatchSchema, ResourceType};
use crate::catalog::schema::Field;
use crate::catalog::{AnswerObject, MICROVERSION_MIN};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Operations {
    pub(super) operation: Vec<RawOperation>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Parameters {
    pub(super) parameters: BTreeMap<String, Parameter>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Patches {
    pub(super) patch: Vec<PatchSchema>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Objects {
    pub(super) object: Vec<AnswerObject>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Secrets {
    pub(super) names: Vec<String>,
    pub(super) words: Vec<String>,
    pub(super) harmless: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawOperation {
    pub(super) id: String,
    pub(super) method: Method,
    pub(super) path: String,
    #[serde(default)]
    pub(super) aliases: Vec<String>,
    /// Ironic gets the first alias and not the canonical path.
    #[serde(default)]
    pub(super) forward_alias: bool,
    /// Spellings of path parameters that differ from `parameters.toml`.
    #[serde(default)]
    pub(super) parameters: BTreeMap<String, Parameter>,
    #[serde(default)]
    pub(super) trailing_slash: bool,
    #[serde(default = "first")]
    pub(super) since: u16,
    pub(super) until: Option<u16>,
    /// 404 unless given.
    pub(super) too_early_status: Option<u16>,
    #[serde(default)]
    pub(super) also_at: Vec<u16>,
    pub(super) groups: Vec<Group>,
    pub(super) resource: ResourceType,
    pub(super) resource_parameter: Option<String>,
    #[serde(default)]
    pub(super) public: bool,
    /// Names of the sets in `query.toml`.
    #[serde(default)]
    pub(super) query_sets: Vec<String>,
    #[serde(default)]
    pub(super) query: Vec<Field>,
    #[serde(default)]
    pub(super) query_too_early_status: BTreeMap<String, u16>,
    pub(super) body: Option<RawBody>,
    pub(super) body_bytes_max: Option<usize>,
    pub(super) success: Vec<u16>,
    /// JSON unless given.
    pub(super) answer: Option<Answer>,
    pub(super) object: Option<String>,
    pub(super) list: Option<String>,
    #[serde(default)]
    pub(super) documents: bool,
    #[serde(default)]
    pub(super) rules: Vec<String>,
}

/// `{ patch = "node" }`, `{ any = true }` or an object's fields.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawBody {
    pub(super) patch: Option<String>,
    #[serde(default)]
    pub(super) any: bool,
    #[serde(default)]
    pub(super) fields: Vec<Field>,
    #[serde(default)]
    pub(super) open: bool,
    #[serde(default)]
    pub(super) optional: bool,
}

const fn first() -> u16 {
    MICROVERSION_MIN
}
