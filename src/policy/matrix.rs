//! The permission matrix: what each role may do, on one page.

use std::sync::Arc;

use super::engine::{Outlook, PolicyEngine};
use crate::catalog::{Operation, catalog};

/// The column of callers without any role.
const NO_ROLE: &str = "anonymous";

const LEGEND: &str = "\
# What each role alone may do. A caller with several roles may do more; shadow policies do not count.
#   +  the request and all its writes
#   w  the request; its writes are denied, or depend on what is written
#   ?  depends on the request
#   -  nothing
";

/// Role × operation, one line an operation, one character a role. `anonymous` among `roles` stands for no role.
pub fn matrix(engine: &PolicyEngine, roles: &[Arc<str>]) -> String {
    matrix_of(catalog().operations(), engine, roles)
}

pub(super) fn matrix_of(operations: &[Operation], engine: &PolicyEngine, roles: &[Arc<str>]) -> String {
    let width = operations.iter().map(|operation| operation.id.len()).max().unwrap_or_default();
    let mut text = format!("{LEGEND}\n{:width$}", "");
    for role in roles {
        text.push(' ');
        text.push_str(role);
    }
    text.push('\n');
    for operation in operations {
        let mut line = format!("{:width$}", operation.id);
        for role in roles {
            let column = role.chars().count();
            line.push_str(&format!(" {:column$}", mark(engine, operation, role)));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// The operations that a caller with these roles is permitted, at least in some circumstances.
pub fn granted(engine: &PolicyEngine, roles: &[Arc<str>]) -> impl Iterator<Item = &'static Operation> {
    let permitted = |operation: &&Operation| {
        engine.outlook(operation, roles).is_some_and(|(request, _)| request != Outlook::Denied)
    };
    catalog().operations().iter().filter(permitted)
}

/// The same as a JSON document: `operations`, each with its mark by role.
pub fn matrix_json(engine: &PolicyEngine, roles: &[Arc<str>]) -> String {
    let rows: serde_json::Map<String, serde_json::Value> = catalog()
        .operations()
        .iter()
        .map(|operation| {
            let marks = roles.iter().map(|role| (role.to_string(), mark(engine, operation, role).to_string().into()));
            (operation.id.clone(), serde_json::Value::Object(marks.collect()))
        })
        .collect();
    format!("{:#}\n", serde_json::json!({ "operations": rows }))
}

fn mark(engine: &PolicyEngine, operation: &Operation, role: &Arc<str>) -> char {
    let roles = if **role == *NO_ROLE { &[] } else { std::slice::from_ref(role) };
    match engine.outlook(operation, roles) {
        None | Some((Outlook::Denied, _)) => '-',
        Some((Outlook::Depends, _)) => '?',
        Some((Outlook::Permitted, None | Some(Outlook::Permitted))) => '+',
        Some((Outlook::Permitted, Some(Outlook::Depends | Outlook::Denied))) => 'w',
    }
}

impl PolicyEngine {
    /// The columns of the matrix: `anonymous`, and the roles that the policies speak of.
    pub fn matrix_roles(&self) -> Vec<Arc<str>> {
        let mut roles: Vec<Arc<str>> = vec![Arc::from(NO_ROLE)];
        roles.extend(self.roles().iter().filter(|role| ***role != *NO_ROLE).cloned());
        roles
    }
}
