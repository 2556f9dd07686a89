//! The catalogue: every operation of Ironic's API as data.
//!
//! One source (the TOML files in `src/catalog/`, embedded in the binary) generates the router, the validators, the
//! Cedar schema, the scrub map and `irongate routes`. The facts in it were taken from Ironic 39.0.0 (microversions 1.1
//! to 1.115) and are compared with the running service by the conformance suite.

pub mod json_schema;
mod load;
mod openapi;
mod operation;
mod pattern;
mod schema;
mod table;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::LazyLock;

pub use load::CatalogError;
pub use openapi::openapi;
pub use operation::{
    Answer, AnswerField, AnswerObject, BodyKind, Class, Group, Method, Operation, Parameter, PatchSchema, ResourceType,
    Segment,
};
pub use pattern::Pattern;
pub use schema::{Arguments, EnumValue, Field, Kind, LIST_ITEMS_MAX};
pub use table::{TableFormat, table};

/// The lowest microversion of Ironic's API, as the minor number of `1.N`.
pub const MICROVERSION_MIN: u16 = 1;
/// The highest microversion that this catalogue describes, as the minor number of `1.N`.
pub const MICROVERSION_MAX: u16 = 115;

/// All operations, indexed.
#[derive(Debug)]
pub struct Catalog {
    pub(crate) operations: Vec<Operation>,
    by_id: HashMap<String, usize>,
    pub(crate) patches: Vec<PatchSchema>,
    objects: Vec<AnswerObject>,
    pub(crate) secrets: Vec<String>,
    words: Vec<String>,
    harmless: Vec<String>,
}

static CATALOG: LazyLock<Catalog> = LazyLock::new(load::embedded);

/// The embedded catalogue. It is parsed once, at first use; a test proves that it parses.
pub fn catalog() -> &'static Catalog {
    &CATALOG
}

impl Catalog {
    /// Every operation, in the order of the catalogue files.
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// The operation with this id, such as `node:set_power_state`.
    pub fn operation(&self, id: &str) -> Option<&Operation> {
        self.by_id.get(id).and_then(|index| self.operations.get(*index))
    }

    /// What may be patched on a resource, by the name that [`BodyKind::Patch`] carries.
    pub fn patch(&self, name: &str) -> Option<&PatchSchema> {
        self.patches.iter().find(|patch| patch.name == name)
    }

    /// What may be patched, resource by resource.
    pub fn patches(&self) -> &[PatchSchema] {
        &self.patches
    }

    /// The objects of answers.
    pub fn objects(&self) -> &[AnswerObject] {
        &self.objects
    }

    /// An object of answers, by the name that [`Operation::object`] carries.
    pub fn object(&self, name: &str) -> Option<&AnswerObject> {
        self.objects.iter().find(|object| object.name == name)
    }

    /// Field names that hold secrets wherever they occur in an answer (`ipmi_password`, …), lower case.
    pub fn secret_names(&self) -> &[String] {
        &self.secrets
    }

    /// Words: a key that contains one of them, compared in lower case, holds a secret wherever it occurs.
    pub fn secret_words(&self) -> &[String] {
        &self.words
    }

    /// Key names that were reviewed and hold no secret, lower case. No name or word hits one.
    pub fn harmless_names(&self) -> &[String] {
        &self.harmless
    }
}

/// A path template in text, with parameters in braces.
pub fn path_text(template: &[Segment]) -> String {
    let parts = template.iter().map(|segment| match segment {
        Segment::Literal(text) => format!("/{text}"),
        Segment::Parameter(name, _) => format!("/{{{name}}}"),
    });
    let text: String = parts.collect();
    if text.is_empty() { "/".to_owned() } else { text }
}
