//! Which facts a policy's conditions can look at, so that the others need not be prepared.

use cedar_policy::{Policy, ResourceConstraint};
use serde_json::Value;

use super::resource::NodeFields;

/// The keys of `context`, in the order of the bits of [`Reads::context`].
const KEYS: [&str; 12] = [
    "microversion",
    "listener",
    "scheme",
    "now",
    "source",
    "parameters",
    "query",
    "query_names",
    "places",
    "write",
    "field",
    "node",
];

/// What conditions look at. Too much is slow; too little would change a decision, so whatever is not understood counts as
/// everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Reads {
    /// `principal` other than in the scope.
    pub(super) principal: bool,
    /// `resource` other than in the scope.
    pub(super) resource: bool,
    /// Which object the resource is, or an attribute of it other than `id`: it has to be looked up.
    pub(super) lookup: bool,
    /// `context.write.target`, or `context.node`.
    pub(super) target: bool,
    /// Attributes of nodes.
    pub(super) fields: NodeFields,
    context: u16,
}

impl Reads {
    pub(super) const EVERYTHING: Self = Self {
        principal: true,
        resource: true,
        lookup: true,
        target: true,
        fields: NodeFields::EVERYTHING,
        context: u16::MAX,
    };

    /// What this policy's `when` and `unless` clauses look at, and whether its scope names one resource.
    /// `conditions` are those clauses as Cedar writes them in JSON, if there are any and it can.
    pub(super) fn of(policy: &Policy, conditions: Option<&Value>) -> Self {
        let lookup = match policy.resource_constraint() {
            ResourceConstraint::Any | ResourceConstraint::Is(_) => false,
            ResourceConstraint::Eq(_) | ResourceConstraint::In(_) | ResourceConstraint::IsIn(..) => true,
        };
        let mut reads = Self { lookup, ..Self::default() };
        if !policy.has_non_scope_constraint() {
            return reads;
        }
        match conditions {
            Some(conditions) => reads.expression(conditions),
            None => reads = Self::EVERYTHING,
        }
        reads
    }

    pub(super) fn union(self, other: Self) -> Self {
        Self {
            principal: self.principal || other.principal,
            resource: self.resource || other.resource,
            lookup: self.lookup || other.lookup,
            target: self.target || other.target,
            fields: self.fields.union(other.fields),
            context: self.context | other.context,
        }
    }

    /// Whether this key of `context` is looked at.
    pub(super) fn context(self, key: &str) -> bool {
        self.context & bit(key) != 0
    }

    fn expression(&mut self, expression: &Value) {
        match expression {
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
            Value::Array(items) => items.iter().for_each(|item| self.expression(item)),
            Value::Object(members) => {
                for (name, value) in members {
                    match (name.as_str(), value.as_str()) {
                        ("Var", Some("principal")) => self.principal = true,
                        ("Var", Some("resource")) => (self.resource, self.lookup) = (true, true),
                        ("Var", Some("action")) => {}
                        ("Var", Some("context")) => (self.context, self.target) = (u16::MAX, true),
                        ("Var", Some(_)) => *self = Self::EVERYTHING,
                        ("." | "has", _) => self.access(value),
                        ("hasTag" | "getTag", _) => {
                            self.fields = self.fields.union(NodeFields::properties());
                            self.expression(value);
                        }
                        ("is", _) if is_type_test(value) => self.resource = true,
                        _ => self.expression(value),
                    }
                }
            }
        }
    }
}

impl Reads {
    /// `left.attr`, `left has attr` and `left has attr.more`. Every attribute that is read is named in one of these.
    fn access(&mut self, access: &Value) {
        for name in attributes(access) {
            self.fields = self.fields.union(NodeFields::named(name));
            self.target |= name == "target";
        }
        match (variable(access), attributes(access).next()) {
            (Some("context"), Some(key)) => {
                self.context |= bit(key);
                self.target |= key == "node";
            }
            (Some("resource"), Some("id")) => self.resource = true,
            _ => self.expression(access),
        }
    }
}

/// `resource is Type` asks nothing of the object.
fn is_type_test(test: &Value) -> bool {
    variable(test) == Some("resource") && test.get("in").is_none()
}

fn variable(access: &Value) -> Option<&str> {
    access.get("left")?.as_object()?.get("Var")?.as_str()
}

fn attributes(access: &Value) -> impl Iterator<Item = &str> {
    let attribute = access.get("attr");
    let path = attribute.and_then(Value::as_array).into_iter().flatten();
    path.chain(attribute).filter_map(Value::as_str)
}

/// The bit of a key; all bits for one that is not known.
fn bit(key: &str) -> u16 {
    KEYS.iter().position(|known| *known == key).map_or(u16::MAX, |index| 1 << index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(conditions: &str, expected: &[&str]) {
        let policy = Policy::parse(None, format!("permit(principal, action, resource) {conditions};")).unwrap();
        let json = policy.to_json().unwrap();
        let reads = Reads::of(&policy, json.get("conditions"));
        let mut found: Vec<&str> = KEYS.into_iter().filter(|key| reads.context(key)).collect();
        found.extend(reads.principal.then_some("P"));
        found.extend(reads.resource.then_some("R"));
        found.extend(reads.lookup.then_some("L"));
        found.extend(reads.target.then_some("T"));
        let fields = reads.fields.names().map(|(name, _)| name).filter(|name| !["uuid", "name"].contains(name));
        found.extend(fields);
        assert_eq!(found, expected, "{conditions}");
    }

    #[test]
    fn finds_what_is_read() {
        let all = KEYS.as_slice();
        let all_and_target: Vec<&str> = KEYS.into_iter().chain(["T"]).collect();
        check("", &[]);
        check("when { context.microversion > 1 }", &["microversion"]);
        check("when { context has source && context.source.isLoopback() }", &["source"]);
        check("unless { context.write.path like \"/extra/*\" }", &["write"]);
        check("when { context has write.value.url }", &["write"]);
        check("when { context[\"query\"] has fields }", &["query"]);
        check("when { {\"now\": context.now} has now }", &["now"]);
        check("when { context == {} }", &all_and_target);
        check("when { if context has other then true else false }", all);
        check("when { context has node.owner && context.node.owner == \"a\" }", &["node", "T", "owner"]);
        check("when { principal.name == \"context\" && action in Action::\"read\" }", &["P"]);
        check("when { resource.id == \"x\" } unless { context.scheme == \"basic\" }", &["scheme", "R"]);
        check("when { [principal, resource].contains(principal) }", &["P", "R", "L"]);
        check("when { resource is Node }", &["R"]);
        check("when { resource == Node::\"n\" }", &["R", "L"]);
        check("when { resource has owner && resource.owner == principal.name }", &["P", "R", "L", "owner"]);
        check("when { resource has node.lessee }", &["R", "L", "lessee"]);
        check("when { {\"a\": resource}[\"a\"][\"driver\"] == \"x\" }", &["R", "L", "driver"]);
        check("when { resource.hasTag(\"rack\") }", &["R", "L", "properties"]);
        check("when { context.write has target && context.write.target.owner == \"a\" }", &["write", "T", "owner"]);
    }
}
