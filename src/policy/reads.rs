//! Which facts a policy's conditions can look at, so that the others need not be prepared.

use cedar_policy::Policy;
use serde_json::Value;

/// The keys of `context`, in the order of the bits of [`Reads::context`].
const KEYS: [&str; 11] = [
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
];

/// What conditions look at. Too much is slow; too little would change a decision, so whatever is not understood counts as
/// everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Reads {
    /// `principal` other than in the scope.
    pub(super) principal: bool,
    /// `resource` other than in the scope.
    pub(super) resource: bool,
    context: u16,
}

impl Reads {
    pub(super) const EVERYTHING: Self = Self { principal: true, resource: true, context: u16::MAX };

    /// What this policy's `when` and `unless` clauses look at.
    pub(super) fn of(policy: &Policy) -> Self {
        if !policy.has_non_scope_constraint() {
            return Self::default();
        }
        let Ok(json) = policy.to_json() else { return Self::EVERYTHING };
        let mut reads = Self::default();
        match json.get("conditions") {
            Some(conditions) => reads.expression(conditions),
            None => reads = Self::EVERYTHING,
        }
        reads
    }

    pub(super) fn union(self, other: Self) -> Self {
        Self {
            principal: self.principal || other.principal,
            resource: self.resource || other.resource,
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
                        ("Var", Some("resource")) => self.resource = true,
                        ("Var", Some("action")) => {}
                        ("Var", Some("context")) => self.context = u16::MAX,
                        ("Var", Some(_)) => *self = Self::EVERYTHING,
                        ("." | "has", _) => match context_key(value) {
                            Some(key) => self.context |= bit(key),
                            None => self.expression(value),
                        },
                        _ => self.expression(value),
                    }
                }
            }
        }
    }
}

/// `key` of `context.key`, `context has key` and `context has key.more`.
fn context_key(access: &Value) -> Option<&str> {
    let variable = access.get("left")?.as_object()?.get("Var")?.as_str()?;
    let attribute = access.get("attr")?;
    let first = attribute.as_array().map_or(Some(attribute), |path| path.first())?;
    if variable == "context" { first.as_str() } else { None }
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
        let reads = Reads::of(&policy);
        let mut found: Vec<&str> = KEYS.into_iter().filter(|key| reads.context(key)).collect();
        found.extend(reads.principal.then_some("P"));
        found.extend(reads.resource.then_some("R"));
        assert_eq!(found, expected, "{conditions}");
    }

    #[test]
    fn finds_what_is_read() {
        let all = KEYS.as_slice();
        check("", &[]);
        check("when { context.microversion > 1 }", &["microversion"]);
        check("when { context has source && context.source.isLoopback() }", &["source"]);
        check("unless { context.write.path like \"/extra/*\" }", &["write"]);
        check("when { context has write.value.url }", &["write"]);
        check("when { context[\"query\"] has fields }", &["query"]);
        check("when { {\"now\": context.now} has now }", &["now"]);
        check("when { context == {} }", all);
        check("when { if context has other then true else false }", all);
        check("when { principal.name == \"context\" && action in Action::\"read\" }", &["P"]);
        check("when { resource.id == \"x\" } unless { context.scheme == \"basic\" }", &["scheme", "R"]);
        check("when { [principal, resource].contains(principal) }", &["P", "R"]);
    }
}
