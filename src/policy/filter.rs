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
    pub(super) parameter: Box<str>,
    pub(super) value: Value,
}

/// What a filter compares with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
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

    /// Whether Ironic would read the value as another, because it takes the parameter for a list.
    pub(super) fn is_never_met<'o>(&self, mut operations: impl Iterator<Item = &'o Operation>) -> bool {
        let Value::Text(text) = &self.value else { return false };
        let is_list = |field: &Field| *field.name == *self.parameter && field.kind == Kind::StringList;
        !is_one_item(text) && operations.any(|operation| operation.query.iter().any(is_list))
    }

    /// How a request's query fits.
    pub(super) fn fit(&self, principal: &Principal, route: &Route<'_>) -> Fit {
        let value = self.value_for(principal);
        let names = || route.query().map(|(name, _)| name);
        let said = route.query().find(|(name, _)| *name == &*self.parameter).map(|(_, text)| text);
        self.fit_of(value, route.operation(), route.microversion().minor(), names, said)
    }

    fn value_for(&self, principal: &Principal) -> Option<Arc<str>> {
        let facts = principal.keystone();
        match &self.value {
            Value::ProjectId => facts.and_then(|facts| facts.project.as_ref()).map(|project| Arc::clone(&project.id)),
            Value::UserId => facts.map(|facts| Arc::clone(&facts.user_id)),
            Value::Name => Some(principal.name().into()),
            Value::Text(text) => Some(Arc::from(&**text)),
        }
    }

    /// Why a request's query does not fit, for people; `None` if it does.
    pub(super) fn failure(&self, principal: &Principal, route: &Route<'_>) -> Option<String> {
        if self.fit(principal, route) != Fit::No {
            return None;
        }
        let (operation, minor) = (route.operation(), route.microversion().minor());
        let names = || route.query().map(|(name, _)| name);
        let field = operation.query.iter().find(|field| *field.name == *self.parameter);
        Some(match field {
            _ if self.value_for(principal).is_none_or(|value| value.is_empty()) => {
                "the caller has no such fact".to_owned()
            }
            Some(field) if minor < field.since => {
                format!("Ironic knows it since microversion 1.{}, and this is 1.{minor}", field.since)
            }
            Some(field) if field.until.is_some_and(|until| minor > until) => {
                format!("Ironic does not know it at microversion 1.{minor}")
            }
            _ if names().any(|name| name == INSTANCE_UUID) => format!("it does not hold beside {INSTANCE_UUID}"),
            _ if !heeded(operation, &self.parameter, names) => {
                "Ironic ignores it beside the query's other parameters".to_owned()
            }
            _ if names().any(|name| name == &*self.parameter) => "the query says something else".to_owned(),
            _ => "Ironic would read its value as another".to_owned(),
        })
    }

    /// How a query with these parameters fits, in which the filter's own, if it is there, says this.
    pub(super) fn fit_of<'q, I: Iterator<Item = &'q str>>(
        &self,
        value: Option<Arc<str>>,
        operation: &'static Operation,
        minor: u16,
        names: impl Fn() -> I,
        said: Option<&str>,
    ) -> Fit {
        let Some(value) = value.filter(|value| !value.is_empty()) else { return Fit::No };
        let is_there = |field: &&Field| {
            *field.name == *self.parameter && minor >= field.since && field.until.is_none_or(|until| minor <= until)
        };
        let Some(field) = operation.query.iter().find(is_there) else { return Fit::No };
        if !heeded(operation, &field.name, &names) || names().any(|other| other == INSTANCE_UUID) {
            return Fit::No;
        }
        match said {
            // Ironic would read it as another, or as more than one.
            None if field.kind == Kind::StringList && !is_one_item(&value) => Fit::No,
            None => Fit::Add(Added { parameter: &field.name, value }),
            Some(text) if field.kind == Kind::StringList => {
                if text.split(',').all(|item| item == &*value) {
                    Fit::Said
                } else {
                    Fit::No
                }
            }
            Some(text) if *text == *value => Fit::Said,
            Some(_) => Fit::No,
        }
    }
}

/// Whether Ironic reads this text as a list of itself: it takes lists apart at commas, trims and reads in lower case.
fn is_one_item(text: &str) -> bool {
    !text.contains(',') && text.trim() == text && text.to_lowercase() == text
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
    let beside = |names: &[&str]| others().any(|other| names.contains(&other));
    match (operation.id.as_str(), parameter) {
        // The port with this address is shown, in whatever shard it is and whatever is said of it.
        ("port:list" | "port:list_detail", "shard" | "description_contains") => !beside(&["address"]),
        // One node's, or one port group's, with whatever address.
        ("port:list" | "port:list_detail", "address") => !beside(&["node", "node_uuid", "portgroup"]),
        // Of shards and conductor groups, only the shards.
        ("port:list" | "port:list_detail", "conductor_groups") => !beside(&["shard"]),
        // Of two nodes, that which is named by its UUID.
        ("port:list" | "port:list_detail", "node") => !beside(&["node_uuid"]),
        // What belongs to the object in the path is listed, whatever is said of others.
        (
            "node:ports:list" | "node:ports:list_detail" | "portgroup:ports:list" | "portgroup:ports:list_detail",
            "node" | "node_uuid" | "portgroup" | "address",
        )
        | (
            "node:portgroups:list"
            | "node:portgroups:list_detail"
            | "node:volume:connector:list"
            | "node:volume:target:list",
            "node",
        ) => false,
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

    #[test]
    fn what_is_heeded_beside_others() {
        let rows: &[(&str, &str, &[&str], bool)] = &[
            ("port:list", "shard", &["limit"], true),
            ("port:list", "shard", &["address"], false),
            ("port:list", "conductor_groups", &["fields"], true),
            ("port:list_detail", "conductor_groups", &["shard"], false),
            ("port:list", "node", &["limit"], true),
            ("port:list", "node", &["node_uuid"], false),
            ("port:list", "node_uuid", &["node"], true),
            ("port:list", "address", &["shard"], true),
            ("port:list_detail", "address", &["node"], false),
            ("port:list", "address", &["portgroup"], false),
            ("port:list", "description_contains", &["address"], false),
            ("portgroup:list", "conductor_groups", &[], true),
            ("node:ports:list", "node", &[], false),
            ("node:ports:list", "address", &[], false),
            ("node:portgroups:list", "node", &[], false),
            ("node:volume:target:list", "node", &[], false),
            ("volume:target:list", "node", &[], true),
            ("volume:target:list", "project", &["node"], false),
        ];
        for (id, parameter, others, expected) in rows {
            let operation = catalog().operation(id).unwrap();
            assert!(operation.query.iter().any(|field| field.name == *parameter), "{id} {parameter}");
            let others = || others.iter().copied();
            assert_eq!(heeded(operation, parameter, others), *expected, "{id} {parameter}");
        }
    }

    type Query = &'static [(&'static str, &'static str)];

    #[test]
    fn filters_are_read_as_ironic_reads_them() {
        let fit = |text: &str, id: &str, query: Query| {
            let route = Route::for_test(catalog().operation(id).unwrap(), 115).with_query(query);
            match Filter::parse(text).unwrap().fit(&Principal::for_test("Team", &[]), &route) {
                Fit::Said => "said",
                Fit::Add(_) => "add",
                Fit::No => "no",
            }
        };
        let rows: [(&str, &str, Query, &str); 9] = [
            ("conductor_groups = 'a'", "port:list", &[], "add"),
            ("conductor_groups = 'a'", "port:list", &[("conductor_groups", "a")], "said"),
            ("conductor_groups = 'a'", "port:list", &[("conductor_groups", "a,b")], "no"),
            ("conductor_groups = 'a'", "port:list", &[("shard", "b")], "no"),
            ("conductor_groups = 'a'", "port:list", &[("shard", "b"), ("conductor_groups", "a")], "no"),
            // Added as one parameter, it would be read in lower case.
            ("shard = principal.name", "node:list", &[], "no"),
            ("shard = principal.name", "node:list", &[("shard", "Team,Team")], "said"),
            ("shard = principal.name", "node:list", &[("shard", "team")], "no"),
            ("owner = principal.name", "node:list", &[], "add"),
        ];
        for (text, id, query, expected) in rows {
            assert_eq!(fit(text, id, query), expected, "{text} {id} {query:?}");
        }
    }
}
