//! The permission matrix: what each role may do, on one page.

use std::sync::Arc;

use cedar_policy::ResourceConstraint;

use crate::catalog::{Operation, ResourceType, catalog};
use crate::policy::engine::PolicyEngine;
use crate::policy::rule::{PolicyMode, Resources, Rule, Who};
use crate::policy::schema::{SECRETS_READ, SHADOW_READ, has_writes};
use crate::policy::slice::{ActionGroups, Slices};

/// The column of callers without any role, with a credential or without.
const NO_ROLE: &str = "anonymous";

const LEGEND: &str = "\
# What each role alone may do. A caller with several roles may do more; shadow policies do not count. \"anonymous\": callers
# without a role, with a credential or without. At the end: secrets in answers, and what dry-run would deny.
#   +  the request and all its writes
#   w  the request; its writes are denied, or depend on what is written
#   ?  depends on the request
#   -  nothing
";

/// Role × operation, one line an operation, one character a role. `anonymous` among `roles` stands for no role.
pub fn matrix(engine: &PolicyEngine, roles: &[Arc<str>]) -> String {
    matrix_of(catalog().operations(), engine, roles)
}

pub(in crate::policy) fn matrix_of(operations: &[Operation], engine: &PolicyEngine, roles: &[Arc<str>]) -> String {
    let rows = Row::all(operations);
    let width = rows.iter().map(|row| row.id.len()).max().unwrap_or_default();
    let mut text = format!("{LEGEND}\n{:width$}", "");
    for role in roles {
        text.push(' ');
        text.push_str(role);
    }
    text.push('\n');
    let outlooks = Outlooks::new(engine);
    for row in rows {
        let mut line = format!("{:width$}", row.id);
        for (role, mark) in roles.iter().zip(outlooks.marks(&row, roles)) {
            let column = role.chars().count();
            line.push_str(&format!(" {mark:column$}"));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// The operations that a caller with these roles is permitted, at least in some circumstances.
pub fn granted(engine: &PolicyEngine, roles: &[Arc<str>]) -> impl Iterator<Item = &'static Operation> {
    let outlooks = Outlooks::new(engine);
    let permitted = move |operation: &&Operation| {
        let about = outlooks.about(&ActionGroups::request(operation), operation.resource);
        outlook(&about, roles) != Outlook::Denied
    };
    catalog().operations().iter().filter(permitted)
}

/// The same as a JSON document: `operations`, each with its mark by role.
pub fn matrix_json(engine: &PolicyEngine, roles: &[Arc<str>]) -> String {
    let outlooks = Outlooks::new(engine);
    let row = |row: Row<'_>| {
        let marks = roles.iter().zip(outlooks.marks(&row, roles));
        let marks = marks.map(|(role, mark)| (role.to_string(), mark.to_string().into()));
        (row.id.to_owned(), serde_json::Value::Object(marks.collect()))
    };
    let rows: serde_json::Map<String, serde_json::Value> =
        Row::all(catalog().operations()).into_iter().map(row).collect();
    format!("{:#}\n", serde_json::json!({ "operations": rows }))
}

/// One line: an operation, or what irongate asks on its own account.
struct Row<'o> {
    id: &'o str,
    resource: ResourceType,
    request: ActionGroups,
    write: Option<ActionGroups>,
}

impl<'o> Row<'o> {
    fn all(operations: &'o [Operation]) -> Vec<Self> {
        let aside = |id, request| Row { id, resource: ResourceType::Api, request, write: None };
        let operation = |operation: &'o Operation| Row {
            id: &operation.id,
            resource: operation.resource,
            request: ActionGroups::request(operation),
            write: has_writes(operation).then(|| ActionGroups::write(operation)),
        };
        let asides = [aside(SECRETS_READ, ActionGroups::secrets()), aside(SHADOW_READ, ActionGroups::shadow())];
        operations.iter().map(operation).chain(asides).collect()
    }
}

/// How sure an answer is for a role set, before any request is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outlook {
    Permitted,
    Depends,
    Denied,
}

/// The policies by what they are about.
struct Outlooks<'e> {
    rules: &'e [Rule],
    slices: Slices<'e>,
}

impl<'e> Outlooks<'e> {
    fn new(engine: &'e PolicyEngine) -> Self {
        let rules = engine.all_rules();
        Self { rules, slices: Slices::new(rules) }
    }

    /// The policies that decide about this action on resources of this type.
    fn about(&self, groups: &ActionGroups, resource: ResourceType) -> Vec<&'e Rule> {
        let rules = self.slices.about(groups).into_iter().filter_map(|index| self.rules.get(index));
        rules.filter(|rule| rule.mode == PolicyMode::Enforce && rule.may_be_about(resource)).collect()
    }

    fn marks(&self, row: &Row<'_>, roles: &[Arc<str>]) -> Vec<char> {
        let request = self.about(&row.request, row.resource);
        let write = row.write.as_ref().map(|groups| self.about(groups, row.resource));
        let mark = |role: &Arc<str>| {
            let roles = if **role == *NO_ROLE { &[] } else { std::slice::from_ref(role) };
            match (outlook(&request, roles), write.as_ref().map(|write| outlook(write, roles))) {
                (Outlook::Denied, _) => '-',
                (Outlook::Depends, _) => '?',
                (Outlook::Permitted, None | Some(Outlook::Permitted)) => '+',
                (Outlook::Permitted, Some(Outlook::Depends | Outlook::Denied)) => 'w',
            }
        };
        roles.iter().map(mark).collect()
    }
}

fn outlook(rules: &[&Rule], roles: &[Arc<str>]) -> Outlook {
    let (mut sure_permit, mut sure_forbid, mut any_permit, mut any_forbid) = (false, false, false, false);
    for rule in rules {
        let is_relevant = match &rule.who {
            Who::Everyone { .. } | Who::Other => true,
            Who::Role(role) => roles.contains(role),
        };
        if !is_relevant {
            continue;
        }
        let (sure, any) =
            if rule.is_permit() { (&mut sure_permit, &mut any_permit) } else { (&mut sure_forbid, &mut any_forbid) };
        *sure |= rule.is_unconditional() && rule.filter.is_none();
        *any = true;
    }
    match (sure_permit, any_permit) {
        (_, false) => Outlook::Denied,
        _ if sure_forbid => Outlook::Denied,
        (true, _) if !any_forbid => Outlook::Permitted,
        _ => Outlook::Depends,
    }
}

impl Rule {
    /// Whether its scope may hold for resources of this type.
    pub(in crate::policy) fn may_be_about(&self, resource: ResourceType) -> bool {
        match (&self.resource, self.policy.resource_constraint()) {
            (Resources::Of(kind), _) => kind.basename() == resource.as_str(),
            (Resources::Some, ResourceConstraint::Eq(uid) | ResourceConstraint::In(uid)) => {
                uid.type_name().basename() == resource.as_str()
            }
            (Resources::Any | Resources::Some, _) => true,
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::PolicySource;

    #[track_caller]
    fn check(policies: &str, role: &str, row: &str, expected: char) {
        let engine =
            PolicyEngine::load(&[PolicySource { name: "t.cedar".to_owned(), text: policies.to_owned() }]).unwrap();
        let text = matrix(&engine, &[Arc::from(role)]);
        let line = text.lines().find(|line| line.split(' ').next() == Some(row)).unwrap();
        assert!(line.ends_with(expected), "{policies}\n{line}");
    }

    #[test]
    fn what_irongate_asks_itself_has_rows() {
        let chap = "permit(principal in Role::\"a\", action == Action::\"secrets:read\", resource)";
        check(&format!("{chap};"), "a", "secrets:read", '+');
        check(&format!("{chap} when {{ context.field == \"/x\" }};"), "a", "secrets:read", '?');
        check(&format!("{chap};"), "a", "shadow:read", '-');
        check("permit(principal in Role::\"a\", action, resource);", "a", "shadow:read", '+');
        check("permit(principal in Role::\"a\", action, resource is Node);", "a", "secrets:read", '-');
        let forbid = "forbid(principal in Role::\"a\", action == Action::\"secrets:read\", resource);";
        check(&format!("permit(principal in Role::\"a\", action, resource); {forbid}"), "a", "secrets:read", '-');
    }

    #[test]
    fn what_is_about_other_types_makes_nothing_unsure() {
        let open = "permit(principal in Role::\"a\", action, resource);";
        let nodes = format!("{open} forbid(principal in Role::\"a\", action, resource is Node);");
        check(&nodes, "a", "api:root", '+');
        check(&nodes, "a", "conductor:list", '+');
        check(&nodes, "a", "node:get", '-');
        let one = format!("{open} forbid(principal, action, resource == Node::\"n\");");
        check(&one, "a", "conductor:list", '+');
        check(&one, "a", "node:get", '?');
    }
}
