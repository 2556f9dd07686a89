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

/// A fact about a write, as its bit in [`Reads::write`]. What has parts has a bit of its own for whether it is there, and is
/// needed for any of its parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fact(u32);

impl Fact {
    pub(super) const PATH: Self = Self(1);
    pub(super) const OP: Self = Self(1 << 1);
    pub(super) const FIELD: Self = Self(1 << 2);
    pub(super) const KEY: Self = Self(1 << 3);
    pub(super) const SIBLINGS: Self = Self(1 << 4);
    pub(super) const SECRET: Self = Self(1 << 5);
    pub(super) const STEP: Self = Self(1 << 6);
    pub(super) const TARGET: Self = Self(1 << 7);
    pub(super) const KIND: Self = Self(1 << 8);
    pub(super) const LENGTH: Self = Self(1 << 9);
    pub(super) const STRING: Self = Self(1 << 10);
    pub(super) const INTEGER: Self = Self(1 << 11);
    pub(super) const BOOLEAN: Self = Self(1 << 12);
    pub(super) const SPELLING: Self = Self(1 << 13);
    pub(super) const PLACES: Self = Self(1 << 14);
    pub(super) const URL_PLAIN: Self = Self(1 << 15);
    pub(super) const URL_SCHEME: Self = Self(1 << 16);
    pub(super) const URL_HOST: Self = Self(1 << 17);
    pub(super) const URL_ADDRESS: Self = Self(1 << 18);
    pub(super) const URL_PORT: Self = Self(1 << 19);
    pub(super) const URL_PATH: Self = Self(1 << 20);
    pub(super) const URL_USERINFO: Self = Self(1 << 21);
    /// `value.url`, and any part of it.
    pub(super) const URL: Self = Self(0x7f << 15 | 1 << 22);
    /// `value`, and any part of it.
    pub(super) const VALUE: Self = Self(0x7f << 8 | Self::URL.0 | 1 << 23);
    pub(super) const SECRET_REFERENCE: Self = Self(1 << 24);
    /// Everything.
    const ALL: Self = Self(u32::MAX);

    /// What `context.write.one.other` reads, or `context.write has one.other`, where not `whole`.
    fn named(names: &[&str], whole: bool) -> Self {
        match names {
            [] if whole => Self::ALL,
            [] => Self(0),
            ["path", ..] => Self::PATH,
            ["op", ..] => Self::OP,
            ["field", ..] => Self::FIELD,
            ["key", ..] => Self::KEY,
            ["siblings", ..] => Self::SIBLINGS,
            ["secret", ..] => Self::SECRET,
            ["secret_reference", ..] => Self::SECRET_REFERENCE,
            ["step", ..] => Self::STEP,
            ["target", ..] => Self::TARGET,
            ["value"] if whole => Self::VALUE,
            ["value"] => Self(1 << 23),
            ["value", "kind", ..] => Self::KIND,
            ["value", "length", ..] => Self::LENGTH,
            ["value", "string", ..] => Self::STRING,
            ["value", "integer", ..] => Self::INTEGER,
            ["value", "boolean", ..] => Self::BOOLEAN,
            ["value", "spelling", ..] => Self::SPELLING,
            ["value", "places", ..] => Self::PLACES,
            ["value", "url"] if whole => Self::URL,
            ["value", "url"] => Self(1 << 22),
            ["value", "url", "plain", ..] => Self::URL_PLAIN,
            ["value", "url", "scheme", ..] => Self::URL_SCHEME,
            ["value", "url", "host", ..] => Self::URL_HOST,
            ["value", "url", "address", ..] => Self::URL_ADDRESS,
            ["value", "url", "port", ..] => Self::URL_PORT,
            ["value", "url", "path", ..] => Self::URL_PATH,
            ["value", "url", "userinfo", ..] => Self::URL_USERINFO,
            _ => Self::ALL,
        }
    }
}

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
    /// `action` other than in the scope.
    pub(super) action: bool,
    /// Attributes of nodes.
    pub(super) fields: NodeFields,
    context: u16,
    write: u32,
}

impl Reads {
    pub(super) const EVERYTHING: Self = Self {
        principal: true,
        resource: true,
        lookup: true,
        target: true,
        action: true,
        fields: NodeFields::EVERYTHING,
        context: u16::MAX,
        write: u32::MAX,
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
            action: self.action || other.action,
            fields: self.fields.union(other.fields),
            context: self.context | other.context,
            write: self.write | other.write,
        }
    }

    /// Whether this key of `context` is looked at.
    pub(super) fn context(self, key: &str) -> bool {
        self.context & bit(key) != 0
    }

    /// Whether this fact about a write is looked at, a part of it, or whether it is there.
    pub(super) const fn write(self, fact: Fact) -> bool {
        self.write & fact.0 != 0
    }

    /// Whether the same question about a request and about its writes has the same answer, as far as this goes.
    pub(super) fn of_request(self) -> bool {
        !self.action && !self.target && !self.context("write")
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
                        ("Var", Some("action")) => self.action = true,
                        ("Var", Some("context")) => {
                            (self.context, self.write, self.target) = (u16::MAX, u32::MAX, true);
                        }
                        ("Var", Some(_)) => *self = Self::EVERYTHING,
                        ("." | "has", _) => self.access(value, name == "."),
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
    fn access(&mut self, access: &Value, whole: bool) {
        for name in attributes(access) {
            self.fields = self.fields.union(NodeFields::named(name));
            self.target |= name == "target";
        }
        if let Some(names) = of_context(access) {
            return self.context_access(&names, whole);
        }
        match (variable(access), attributes(access).next()) {
            (Some("resource"), Some("id")) => self.resource = true,
            _ => self.expression(access),
        }
    }

    /// `context.one.other`, or `context has one.other`; `whole` if all that is there is read.
    fn context_access(&mut self, names: &[&str], whole: bool) {
        for name in names {
            self.fields = self.fields.union(NodeFields::named(name));
            self.target |= *name == "target";
        }
        let Some((key, facts)) = names.split_first() else { return };
        self.context |= bit(key);
        self.target |= *key == "node";
        if *key == "write" {
            self.write |= Fact::named(facts, whole).0;
            self.target |= whole && facts.is_empty();
        } else if bit(key) == u16::MAX {
            self.write = u32::MAX;
        }
    }
}

/// The names of `context.one.other`, the first first, where an expression is nothing else.
pub(super) fn of_context(access: &Value) -> Option<Vec<&str>> {
    let left = access.get("left")?;
    let mut names = match variable(access) {
        Some("context") => Vec::new(),
        Some(_) => return None,
        None => of_context(left.get(".")?)?,
    };
    names.extend(attributes(access));
    Some(names)
}

/// `resource is Type` asks nothing of the object.
fn is_type_test(test: &Value) -> bool {
    variable(test) == Some("resource") && test.get("in").is_none()
}

fn variable(access: &Value) -> Option<&str> {
    access.get("left")?.as_object()?.get("Var")?.as_str()
}

/// The names in `left.attr`, `left has attr` and `left has attr.more`.
pub(super) fn attributes(access: &Value) -> impl Iterator<Item = &str> {
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
    use super::super::rule::evaluated;
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

    #[test]
    fn finds_what_is_read_of_a_write() {
        let names = [
            (Fact::PATH, "path"),
            (Fact::OP, "op"),
            (Fact::SIBLINGS, "siblings"),
            (Fact::TARGET, "target"),
            (Fact::VALUE, "value"),
            (Fact::KIND, "kind"),
            (Fact::STRING, "string"),
            (Fact::PLACES, "places"),
            (Fact::URL, "url"),
            (Fact::URL_HOST, "host"),
        ];
        let every = names.map(|(_, name)| name);
        for (conditions, expected) in [
            ("when { context has write }", &[][..]),
            ("when { context.write.path == \"/name\" }", &["path"]),
            ("when { context.write has value }", &["value"]),
            ("when { context.write has value.string }", &["value", "string"]),
            ("when { context.write has value.url }", &["value", "url"]),
            (
                "when { context.write has value.url.host && context.write.op == \"add\" }",
                &["op", "value", "url", "host"],
            ),
            ("when { context.write.value.places.contains(\"a\") }", &["value", "places"]),
            ("when { context.write.siblings.contains(context.write.value.kind) }", &["siblings", "value", "kind"]),
            ("when { context.write has target.owner }", &["target"]),
            ("when { {\"a\": context.write.value.url}[\"a\"].host == \"h\" }", &["value", "url", "host"]),
            ("when { {\"a\": context.write.value}[\"a\"].kind == \"h\" }", &every[4..]),
            ("when { {\"a\": context.write}[\"a\"].path == \"/name\" }", &every),
            ("when { {\"a\": context}[\"a\"].write.path == \"/name\" }", &every),
            ("when { context.write has another }", &every),
        ] {
            let policy = Policy::parse(None, format!("permit(principal, action, resource) {conditions};")).unwrap();
            for json in [policy.to_json().unwrap(), evaluated(&policy).to_json().unwrap()] {
                let reads = Reads::of(&policy, json.get("conditions"));
                let found: Vec<&str> =
                    names.iter().filter(|(fact, _)| reads.write(*fact)).map(|(_, name)| *name).collect();
                assert_eq!(found, expected, "{conditions}");
                assert!(reads.context("write"), "{conditions}");
            }
        }
    }
}
