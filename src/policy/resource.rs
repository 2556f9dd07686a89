//! What a policy may know of the object that a request is about, beside its identifier: attributes that irongate looks
//! up from Ironic.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use cedar_policy::RestrictedExpression;
use serde_json::Value;

use super::context::QuestionEntities;
use crate::catalog::ResourceType;

/// Properties of a node that can be shown to policies; nodes have about ten. A node with more, or one that a request would
/// leave with more, is not decided about.
pub const PROPERTIES_MAX: usize = 256;

/// A node's fields that policies can read: the name in Ironic's API (for all but `properties` the attribute's name too),
/// and the first microversion (`1.N`) that shows it.
const FIELDS: [(&str, u16); 16] = [
    ("uuid", 1),
    ("name", 5),
    ("owner", 50),
    ("lessee", 65),
    ("conductor_group", 46),
    ("resource_class", 21),
    ("shard", 82),
    ("provision_state", 1),
    ("maintenance", 1),
    ("protected", 48),
    ("retired", 61),
    ("instance_uuid", 1),
    ("driver", 1),
    ("chassis_uuid", 1),
    ("parent_node", 83),
    (PROPERTIES, 1),
];

const PROPERTIES: &str = "properties";

/// The string attributes of nodes, for the schema.
pub(super) const NODE_STRINGS: [&str; 12] = [
    "uuid",
    "name",
    "owner",
    "lessee",
    "conductor_group",
    "resource_class",
    "shard",
    "provision_state",
    "instance_uuid",
    "driver",
    "chassis_uuid",
    "parent_node",
];
/// The boolean attributes of nodes, for the schema.
pub(super) const NODE_BOOLEANS: [&str; 3] = ["maintenance", "protected", "retired"];

/// Which of a node's fields are read; a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct NodeFields(u32);

impl NodeFields {
    /// The field that is read by this attribute's name, or none.
    pub(super) fn named(name: &str) -> Self {
        FIELDS.iter().position(|(known, _)| *known == name).map_or(Self(0), |index| Self(1 << index))
    }

    /// The node's properties, which policies read as tags.
    pub(super) fn properties() -> Self {
        Self::named(PROPERTIES)
    }

    /// For unit tests of other modules.
    #[cfg(test)]
    pub(crate) fn of(name: &str) -> Self {
        Self::named(name)
    }

    /// All.
    pub const EVERYTHING: Self = Self((1 << FIELDS.len()) - 1);

    /// Both.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` are among these.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Their names in Ironic's API and the first microversions that show them, those that identify a node included.
    pub fn names(self) -> impl Iterator<Item = (&'static str, u16)> {
        let set = self.union(Self::named("uuid")).union(Self::named("name"));
        FIELDS.into_iter().enumerate().filter(move |(index, _)| set.0 & (1 << index) != 0).map(|(_, field)| field)
    }
}

/// An object of Ironic as policies know it. Identifiers are in lower case, the rest is as Ironic tells it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ObjectFacts {
    /// Its UUID.
    pub uuid: String,
    /// Its UUID as Ironic spells it, where that is not in lower case: under which Ironic finds it.
    pub(super) spelled: Option<Box<str>>,
    /// Its name, if it has one.
    pub name: Option<String>,
    /// String attributes by their names in policies.
    pub(super) strings: BTreeMap<&'static str, String>,
    /// Boolean attributes by their names in policies.
    pub(super) booleans: BTreeMap<&'static str, bool>,
    /// A node's properties: strings, and numbers and booleans in their JSON spelling.
    pub(super) properties: BTreeMap<String, String>,
    /// The node that the object belongs to.
    pub node: Option<Arc<Self>>,
    /// There is no such object.
    pub(super) missing: bool,
}

impl ObjectFacts {
    /// A node as Ironic tells it (`GET /v1/nodes/{ident}`). `None` if that has no UUID or a field is of another type.
    pub fn node(answer: &Value) -> Option<Self> {
        let mut facts = Self::identified(answer)?;
        for name in NODE_STRINGS {
            facts.read_string(answer, name)?;
        }
        for name in NODE_BOOLEANS {
            match answer.get(name) {
                None | Some(Value::Null) => {}
                Some(value) => drop(facts.booleans.insert(name, value.as_bool()?)),
            }
        }
        let properties = answer.get(PROPERTIES).and_then(Value::as_object);
        // To leave some out would hide them from a forbid.
        if properties.is_some_and(|properties| properties.len() > PROPERTIES_MAX) {
            return None;
        }
        for (key, value) in properties.into_iter().flatten() {
            let text = match value {
                Value::String(text) => text.clone(),
                Value::Number(number) => number.to_string(),
                Value::Bool(boolean) => boolean.to_string(),
                Value::Null | Value::Array(_) | Value::Object(_) => continue,
            };
            facts.properties.insert(key.clone(), text);
        }
        Some(facts)
    }

    /// A port, portgroup, volume connector, volume target or allocation as Ironic tells it, with the node that it
    /// belongs to.
    pub fn of_node(answer: &Value, node: Option<Arc<Self>>) -> Option<Self> {
        let mut facts = Self::identified(answer)?;
        for name in ["owner", "resource_class"] {
            facts.read_string(answer, name)?;
        }
        Some(Self { node, ..facts })
    }

    /// What is known of an object that is not there: what it was called.
    pub fn missing(identifier: &str) -> Self {
        Self { uuid: identifier.to_lowercase(), missing: true, ..Self::default() }
    }

    /// The same object after a write has put it elsewhere.
    #[must_use]
    pub fn moved(&self, node: Option<Arc<Self>>) -> Self {
        Self { node, ..self.clone() }
    }

    /// Gives a string attribute, such as `parent_node`, another value, or none.
    pub fn set(&mut self, attribute: &'static str, value: Option<&str>) {
        match value {
            Some(value) => drop(self.strings.insert(attribute, value.to_owned())),
            None => drop(self.strings.remove(attribute)),
        }
    }

    /// Whether it has more properties than can be shown to policies.
    pub fn has_too_many_properties(&self) -> bool {
        self.properties.len() > PROPERTIES_MAX
    }

    /// Leaves none of its properties.
    pub fn clear_properties(&mut self) {
        self.properties.clear();
    }

    /// About how much memory it takes, in bytes, without its node.
    pub(crate) fn bytes(&self) -> u64 {
        let strings = self.strings.values().map(|text| text.len() + 64);
        let properties = self.properties.iter().map(|(name, text)| name.len() + text.len() + 96);
        let bytes = 512 + strings.chain(properties).sum::<usize>();
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }

    fn identified(answer: &Value) -> Option<Self> {
        let text = |name: &str| answer.get(name).and_then(Value::as_str).map(str::to_lowercase);
        let (uuid, name) = (text("uuid")?, text("name"));
        let mut strings = BTreeMap::from([("uuid", uuid.clone())]);
        if let Some(name) = &name {
            strings.insert("name", name.clone());
        }
        let spelled = answer.get("uuid").and_then(Value::as_str).filter(|text| *text != uuid).map(Box::from);
        Some(Self { uuid, spelled, name, strings, ..Self::default() })
    }

    /// Absent, null and empty `owner`s are the same: nobody's.
    fn read_string(&mut self, answer: &Value, name: &'static str) -> Option<()> {
        if self.strings.contains_key(name) {
            return Some(());
        }
        match answer.get(name) {
            None | Some(Value::Null) => {}
            Some(value) => drop(self.strings.insert(name, value.as_str()?.to_owned())),
        }
        Some(())
    }

    /// Its UUID as Ironic has it, which may compare identifiers with their case.
    pub fn address(&self) -> &str {
        self.spelled.as_deref().unwrap_or(&self.uuid)
    }

    /// Whether Ironic may have meant this object by `identifier`.
    pub fn is_called(&self, identifier: &str) -> bool {
        let identifier = identifier.to_lowercase();
        self.uuid == identifier || self.name.as_ref() == Some(&identifier)
    }
}

/// The objects that a question is about, as far as they were looked up.
#[derive(Debug, Clone, Copy, Default)]
pub struct Objects<'a> {
    /// The resource. `None`: not looked up, or there is none; policies then see its identifier only.
    pub resource: Option<&'a ObjectFacts>,
    /// The node to which the write moves or binds the resource: `context.write.target`.
    pub target: Option<&'a ObjectFacts>,
    /// What was found out for the same request and its other writes, about the same resource.
    pub cache: Option<&'a RequestCache>,
}

/// What is the same for a request and all its writes, found once. To be used for one principal, route, circumstances, set of
/// writes and resource only.
#[derive(Debug, Default)]
pub struct RequestCache {
    siblings: OnceLock<Option<RestrictedExpression>>,
    findings: Mutex<Vec<(Kept, Findings)>>,
    entities: Mutex<Vec<(Kept, Arc<QuestionEntities>)>>,
}

/// What something was found for: the number of a subset, and whether it holds for the writes only.
type Kept = (usize, bool);

/// Which policies applied, and which could not be evaluated; indices of the engine's rules.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Findings {
    pub(super) applied: Vec<usize>,
    pub(super) broken: Vec<usize>,
}

impl Findings {
    /// Together with what was found of other policies.
    pub(super) fn add(&mut self, other: Self) {
        self.applied.extend(other.applied);
        self.broken.extend(other.broken);
    }
}

impl RequestCache {
    /// The places that the writes set, looked for by `find` the first time. `None`: too many.
    pub(super) fn siblings(&self, find: impl FnOnce() -> Option<RestrictedExpression>) -> Option<RestrictedExpression> {
        self.siblings.get_or_init(find).clone()
    }

    /// What was found for these policies, found by `find` the first time.
    pub(super) fn remember(&self, policies: Kept, find: impl FnOnce() -> Option<Findings>) -> Option<Findings> {
        kept(&self.findings, policies, find)
    }

    /// The entities for these policies, made by `make` the first time.
    pub(super) fn entities(
        &self,
        policies: Kept,
        make: impl FnOnce() -> Option<QuestionEntities>,
    ) -> Option<Arc<QuestionEntities>> {
        kept(&self.entities, policies, || make().map(Arc::new))
    }
}

/// What is known, or else found now. One request's questions are put one after the other, so nothing is found twice.
fn kept<T: Clone>(known: &Mutex<Vec<(Kept, T)>>, key: Kept, find: impl FnOnce() -> Option<T>) -> Option<T> {
    let open = || known.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, found)) = open().iter().find(|(known, _)| *known == key) {
        return Some(found.clone());
    }
    // Not under the lock: to find one thing the other may be needed.
    let found = find()?;
    open().push((key, found.clone()));
    Some(found)
}

/// What has to be looked up before a question can be put.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Needs {
    /// The resource: these fields of the node that it is, or belongs to.
    pub resource: Option<NodeFields>,
    /// The node that a write names as `context.write.target`.
    pub target: Option<NodeFields>,
}

impl Needs {
    /// Both.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        let both = |one: Option<NodeFields>, other: Option<NodeFields>| match (one, other) {
            (Some(one), Some(other)) => Some(one.union(other)),
            (one, other) => one.or(other),
        };
        Self { resource: both(self.resource, other.resource), target: both(self.target, other.target) }
    }

    /// Whether the resource's properties are among it.
    pub fn reads_properties(&self) -> bool {
        self.resource.is_some_and(|fields| fields.contains(NodeFields::properties()))
    }
}

/// Whether objects of this type have attributes to look up.
pub const fn has_attributes(kind: ResourceType) -> bool {
    matches!(
        kind,
        ResourceType::Node
            | ResourceType::Port
            | ResourceType::Portgroup
            | ResourceType::VolumeConnector
            | ResourceType::VolumeTarget
            | ResourceType::Allocation
    )
}
