//! The facts that conditions can read, as far as a record may tell them.

use cedar_policy::Policy;
use serde_json::Value;

/// Facts by the paths that policies use. A path that is not here is one that no record tells.
const FACTS: [&str; 46] = [
    "principal.name",
    "principal.scheme",
    "principal.roles",
    "principal.user_id",
    "principal.user_domain_id",
    "principal.project_id",
    "principal.project_domain_id",
    "principal.domain_id",
    "principal.system",
    "principal.keystone_roles",
    "resource",
    "resource.id",
    "context.microversion",
    "context.listener",
    "context.scheme",
    "context.now",
    "context.source",
    "context.parameters",
    "context.query",
    "context.query_names",
    "context.places",
    "context.write",
    "context.write.path",
    "context.write.op",
    "context.write.field",
    "context.write.key",
    "context.write.secret",
    "context.write.siblings",
    "context.write.step",
    "context.write.step.id",
    "context.write.step.interface",
    "context.write.step.step",
    "context.write.step.argument",
    "context.write.value",
    "context.write.value.kind",
    "context.write.value.length",
    "context.write.value.string",
    "context.write.value.integer",
    "context.write.value.boolean",
    "context.write.value.spelling",
    "context.write.value.places",
    "context.write.value.url",
    "context.write.value.url.plain",
    "context.write.value.url.scheme",
    "context.write.value.url.host",
    "context.write.value.url.address",
];

/// Facts of a URL that came after the first 46.
const MORE: [&str; 3] =
    ["context.write.value.url.port", "context.write.value.url.userinfo", "context.write.value.url.path"];

/// What no record tells: attributes that are looked up, the body of a secret, …
const NEVER: u64 = 1 << 63;

/// A set of facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FactSet(u64);

impl FactSet {
    /// The empty set.
    pub const NONE: Self = Self(0);
    const UNTOLD: Self = Self(NEVER);

    /// Both.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Those in both.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Those of this set that are not in the other.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether the fact with this path is in it.
    pub fn has(self, path: &str) -> bool {
        self.0 & Self::named(path).0 != 0
    }

    /// The paths of its facts; `looked-up attributes` for what no record tells.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let told = FACTS.into_iter().chain(MORE).zip(0_u32..);
        let told = told.filter(move |(_, bit)| self.0 & (1 << bit) != 0).map(|(name, _)| name);
        told.chain((self.0 & NEVER != 0).then_some("attributes that are not recorded"))
    }

    /// The fact with this path; what no record tells, if there is none.
    pub(super) fn named(path: &str) -> Self {
        let place = FACTS.into_iter().chain(MORE).zip(0_u32..).find(|(name, _)| *name == path);
        place.map_or(Self::UNTOLD, |(_, bit)| Self(1 << bit))
    }

    /// Adds a fact.
    pub(super) fn add(&mut self, path: &str) {
        *self = self.union(Self::named(path));
    }
}

/// All facts that a policy's scope and conditions read.
pub(super) fn required(policy: &Policy) -> FactSet {
    let Ok(json) = policy.to_json() else { return FactSet::UNTOLD };
    let mut facts = FactSet::NONE;
    if names_resource(&json) {
        facts.add("resource");
    }
    let conditions = json.get("conditions").and_then(Value::as_array);
    for condition in conditions.into_iter().flatten() {
        facts = facts.union(condition.get("body").map_or(FactSet::UNTOLD, read_by));
    }
    facts
}

/// Whether the scope speaks of one resource.
pub(super) fn names_resource(policy: &Value) -> bool {
    let scope = policy.get("resource");
    scope.is_none_or(|scope| scope.get("entity").is_some() || scope.get("in").is_some())
}

/// The facts that an expression reads.
pub(super) fn read_by(expression: &Value) -> FactSet {
    match expression {
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => FactSet::NONE,
        Value::Array(items) => items.iter().fold(FactSet::NONE, |facts, item| facts.union(read_by(item))),
        Value::Object(members) => {
            members.iter().fold(FactSet::NONE, |facts, (name, value)| facts.union(operator(name, value)))
        }
    }
}

fn operator(name: &str, value: &Value) -> FactSet {
    match name {
        "Value" => FactSet::NONE,
        "Var" => variable(value.as_str().unwrap_or_default()),
        "." => match path(value) {
            Some(path) => gets(&path),
            None => read_by(value),
        },
        "has" => match path(value) {
            Some(path) => tests(&path),
            None => read_by(value),
        },
        "hasTag" | "getTag" => FactSet::UNTOLD,
        // The type of a resource follows from the operation.
        "is" if value.get("in").is_none() => match value.get("left").and_then(|left| left.get("Var")) {
            Some(_) => FactSet::NONE,
            None => read_by(value),
        },
        // A record, a set, an operator, a function: its parts.
        _ => read_by(value),
    }
}

/// A variable as a whole: the principal's identity and roles are always told, and so is the action.
fn variable(name: &str) -> FactSet {
    match name {
        "principal" | "action" => FactSet::NONE,
        "resource" => FactSet::named("resource"),
        _ => FactSet::UNTOLD,
    }
}

/// `context.write.path` of an access to an attribute; `None` if it does not begin with a variable.
pub(super) fn path(access: &Value) -> Option<String> {
    let mut path = match access.get("left")?.as_object()?.iter().next()? {
        (name, value) if name == "Var" => value.as_str()?.to_owned(),
        (name, value) if name == "." => self::path(value)?,
        _ => return None,
    };
    match access.get("attr")? {
        Value::String(attribute) => push(&mut path, attribute),
        Value::Array(attributes) => {
            attributes.iter().try_for_each(|attribute| attribute.as_str().map(|name| push(&mut path, name)))?;
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => return None,
    }
    Some(path)
}

fn push(path: &mut String, attribute: &str) {
    path.push('.');
    path.push_str(attribute);
}

/// What reading an attribute reads. A record as a whole is more than any record tells.
fn gets(path: &str) -> FactSet {
    if path.starts_with("context.query.") {
        return FactSet::named("context.query");
    }
    if path.starts_with("context.parameters.") {
        return FactSet::named("context.parameters");
    }
    match path {
        "context.query"
        | "context.parameters"
        | "context.write"
        | "context.write.value"
        | "context.write.value.url"
        | "context.write.step" => FactSet::UNTOLD,
        _ => FactSet::named(path),
    }
}

/// What asking for an attribute reads: whether each part of the way is there.
fn tests(path: &str) -> FactSet {
    if path == "context.query" || path.starts_with("context.query.") {
        return FactSet::named("context.query_names");
    }
    if path == "context.parameters" || path.starts_with("context.parameters.") {
        return FactSet::named("context.parameters");
    }
    let mut facts = FactSet::named(path);
    for part in ["context.write", "context.write.value", "context.write.value.url", "context.write.step"] {
        if path.strip_prefix(part).is_some_and(|rest| rest.starts_with('.')) {
            facts.add(part);
        }
    }
    facts
}
