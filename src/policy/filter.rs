//! Lists: what a query has to say so that Ironic shows no more than somebody may see.
//!
//! A permit with `@filter("project = principal.project_id")` holds for lists with this filter only; where the caller gave
//! none, irongate adds it. And what policies are told of a query is what Ironic heeds of it: a filter that Ironic ignores
//! beside another one is no fact.

use std::sync::Arc;

use super::slice::ActionGroups;
use crate::authenticate::Principal;
use crate::call::Route;
use crate::catalog::{Field, Kind, Operation};

/// The filters that Ironic holds to, whatever else the query says (but see [`heeded`]).
const HELD: [(&str, &[&str]); 7] = [
    ("node:list", &NODES),
    ("node:list_detail", &NODES),
    ("port:list", &["shard", "conductor_groups"]),
    ("port:list_detail", &["shard", "conductor_groups"]),
    ("portgroup:list", &["shard", "conductor_groups"]),
    ("portgroup:list_detail", &["shard", "conductor_groups"]),
    ("allocation:list", &["owner", "resource_class"]),
];
const NODES: [&str; 8] =
    ["owner", "lessee", "project", "conductor_group", "shard", "resource_class", "driver", "chassis_uuid"];

/// Releases of Ironic showed the node with this instance, whosever it was.
const INSTANCE_UUID: &str = "instance_uuid";

/// Lists of what belongs to the node that the query names.
const OF_NODE: [&str; 6] = [
    "port:list",
    "port:list_detail",
    "portgroup:list",
    "portgroup:list_detail",
    "volume:connector:list",
    "volume:target:list",
];

/// The longest literal in `@filter`.
const LITERAL_BYTES_MAX: usize = 255;

/// `@filter("PARAMETER = VALUE")`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Filter {
    parameter: Box<str>,
    value: Value,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    ProjectId,
    UserId,
    Name,
    Text(Box<str>),
}

/// A filter that a permit holds with only: what irongate adds to the query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Added {
    /// The query parameter.
    pub parameter: &'static str,
    /// Its value.
    pub value: Arc<str>,
}

/// How a query fits a filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fit {
    /// It says so itself.
    Said,
    /// It says nothing about it.
    Add(Added),
    /// It says something else, or the filter is not to be had.
    No,
}

impl Filter {
    /// Reads the annotation's value.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (parameter, value) = text.split_once('=')?;
        let parameter = parameter.trim();
        let value = match value.trim() {
            "principal.project_id" => Value::ProjectId,
            "principal.user_id" => Value::UserId,
            "principal.name" => Value::Name,
            literal => {
                let literal = literal.strip_prefix('\'')?.strip_suffix('\'')?;
                let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b':');
                if literal.is_empty() || literal.len() > LITERAL_BYTES_MAX || !literal.bytes().all(plain) {
                    return None;
                }
                Value::Text(literal.into())
            }
        };
        Some(Self { parameter: parameter.into(), value })
    }

    /// The operations among these of which Ironic would not hold to this filter.
    pub(super) fn misplaced<'o>(&self, operations: impl Iterator<Item = &'o Operation>) -> Option<&'o str> {
        operations
            .map(|operation| operation.id.as_str())
            .find(|id| !HELD.iter().any(|(known, parameters)| known == id && parameters.contains(&&*self.parameter)))
    }

    /// How a request's query fits.
    pub(super) fn fit(&self, principal: &Principal, route: &Route<'_>) -> Fit {
        let facts = principal.keystone();
        let value: Option<Arc<str>> = match &self.value {
            Value::ProjectId => facts.and_then(|facts| facts.project.as_ref()).map(|project| Arc::clone(&project.id)),
            Value::UserId => facts.map(|facts| Arc::clone(&facts.user_id)),
            Value::Name => Some(principal.name().into()),
            Value::Text(text) => Some(Arc::from(&**text)),
        };
        let Some(value) = value.filter(|value| !value.is_empty()) else { return Fit::No };
        let operation = route.operation();
        let minor = route.microversion().minor();
        let is_there = |field: &&Field| {
            *field.name == *self.parameter && minor >= field.since && field.until.is_none_or(|until| minor <= until)
        };
        let Some(field) = operation.query.iter().find(is_there) else { return Fit::No };
        let others = || route.query().map(|(name, _)| name);
        if !heeded(operation, &field.name, others) || others().any(|other| other == INSTANCE_UUID) {
            return Fit::No;
        }
        match route.query().find(|(name, _)| *name == field.name) {
            None if field.kind == Kind::StringList && value.contains(',') => Fit::No,
            None => Fit::Add(Added { parameter: &field.name, value }),
            Some((_, text)) if field.kind == Kind::StringList => {
                if text.split(',').all(|item| item == &*value) {
                    Fit::Said
                } else {
                    Fit::No
                }
            }
            Some((_, text)) if *text == *value => Fit::Said,
            Some(_) => Fit::No,
        }
    }
}

/// The operations' requests that a scope speaks of.
pub(super) fn in_scope<'o>(
    operations: &'o [Operation],
    about: &'o super::rule::About,
) -> impl Iterator<Item = &'o Operation> {
    operations.iter().filter(move |operation| ActionGroups::request(operation).concerns(about))
}

/// Whether Ironic heeds this parameter of a list's query beside the others.
pub(super) fn heeded<'q, I: Iterator<Item = &'q str>>(
    operation: &Operation,
    parameter: &str,
    others: impl Fn() -> I,
) -> bool {
    match (operation.id.as_str(), parameter) {
        // The port with this address is shown, in whatever shard it is.
        ("port:list" | "port:list_detail", "shard") => !others().any(|other| other == "address"),
        // For callers with system scope, and without Keystone, it is ignored.
        ("allocation:list", "node") => false,
        // What the caller may see is listed, whatever it says.
        (
            "volume:connector:list" | "volume:target:list" | "node:volume:connector:list" | "node:volume:target:list",
            "project",
        ) => false,
        _ => true,
    }
}

/// Whether the list can be one of what belongs to a node that the query names.
pub(super) fn lists_of_node(operation: &Operation) -> bool {
    OF_NODE.contains(&operation.id.as_str())
}

/// The node that the query names, if Ironic lists only what belongs to it.
pub fn queried_node<'r>(route: &'r Route<'_>) -> Option<&'r str> {
    if !lists_of_node(route.operation()) {
        return None;
    }
    let named = |name: &str| route.query().find(|(known, _)| *known == name).map(|(_, text)| text);
    match (named("node"), named("node_uuid")) {
        (Some(node), None) | (None, Some(node)) => Some(node),
        // Both: which of them Ironic reads is not for us to guess.
        (Some(_), Some(_)) | (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::catalog;

    #[test]
    fn annotations_are_read() {
        for good in ["project=principal.project_id", " owner = principal.name ", "shard = 'a-1'"] {
            assert!(Filter::parse(good).is_some(), "{good}");
        }
        for bad in ["", "project", "project = principal.roles", "shard = a", "shard = ''", "shard = 'a,b'", "x = 'a&b'"]
        {
            assert_eq!(Filter::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_is_held_is_in_the_catalogue() {
        for (id, parameters) in HELD {
            let operation = catalog().operation(id).unwrap();
            for parameter in parameters {
                assert!(operation.query.iter().any(|field| field.name == *parameter), "{id} {parameter}");
            }
        }
        for id in OF_NODE {
            assert!(catalog().operation(id).unwrap().query.iter().any(|field| field.name == "node"), "{id}");
        }
    }
}
