//! What changes between two sets of policies: which role gains or loses which operation, and which fields of it.

mod aside;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt;
use std::sync::Arc;

use cedar_policy::{
    Authorizer, Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, PolicySet, Request,
    RestrictedExpression,
};
use serde::Serialize;
use serde_json::Value;

use crate::call::WriteOp;
use crate::catalog::{BodyKind, Field, Operation, ResourceType, catalog};
use crate::json::Pointer;
use crate::policy::engine::PolicyEngine;
use crate::policy::rule::{PolicyMode, Rule, Who};
use crate::policy::schema::{fixed_id, has_writes};
use crate::policy::slice::ActionGroups;

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// What became of it.
    pub kind: ChangeKind,
    /// The role; `anonymous` for callers without any, with a credential or without.
    pub role: String,
    /// The operation; `secrets:read` and `shadow:read` for what irongate asks on its own account.
    pub operation: String,
    /// The place that is written, or the secret's; `None`: the request as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// How it may be written: `add`, `replace`, `remove`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ops: Vec<&'static str>,
    /// `permit`, `deny` or `depends`; of how denials look, `told` or `hidden`.
    pub before: &'static str,
    /// The same in the second set.
    pub after: &'static str,
}

/// What became of a permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    /// More is permitted.
    Gained,
    /// Less is permitted.
    Lost,
    /// It depends on other conditions than before.
    Conditions,
    /// Other denials than before look like a missing object (`@conceal`).
    Concealed,
}

/// What a role may expect, before the request is seen.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    Denied,
    /// On these policies' conditions, in one spelling.
    Depends(BTreeSet<String>),
    Permitted,
}

/// What changes from `before` to `after`, by role and operation. Policies in mode `shadow` and `off` do not count.
pub fn diff(before: &PolicyEngine, after: &PolicyEngine) -> Vec<Change> {
    let (before, after) = (Side::new(before), Side::new(after));
    let roles: BTreeSet<Arc<str>> =
        before.engine.matrix_roles().into_iter().chain(after.engine.matrix_roles()).collect();
    let written: BTreeSet<&str> = before.paths.iter().chain(&after.paths).map(String::as_str).collect();
    let mut changes = Vec::new();
    for operation in catalog().operations() {
        let paths = if has_writes(operation) { paths(operation, &written) } else { Vec::new() };
        for role in &roles {
            operation_changes(&before, &after, operation, role, &paths, &mut changes);
            changes.extend(aside::concealed(&before, &after, operation, role));
        }
    }
    for role in &roles {
        aside::changes(&before, &after, role, &mut changes);
    }
    changes
}

fn operation_changes(
    before: &Side<'_>,
    after: &Side<'_>,
    operation: &Operation,
    role: &Arc<str>,
    paths: &[String],
    changes: &mut Vec<Change>,
) {
    let change = |one: &State, other: &State, path: Option<&String>, ops: Vec<&'static str>| Change {
        path: path.cloned(),
        ops,
        ..Change::of(role, &operation.id, one, other)
    };
    let (one, other) = (before.request(operation, role), after.request(operation, role));
    if one != other {
        changes.push(change(&one, &other, None, Vec::new()));
    }
    if one == State::Denied && other == State::Denied {
        return;
    }
    // A write of a request that is denied is denied.
    let of = |side: &Side<'_>, request: &State, path: &String, op| match request {
        State::Denied => State::Denied,
        State::Depends(_) | State::Permitted => side.write(operation, role, path, op),
    };
    let ops: &[WriteOp] = if matches!(operation.body, BodyKind::Patch(_)) {
        &[WriteOp::Add, WriteOp::Replace, WriteOp::Remove]
    } else {
        &[WriteOp::Add]
    };
    for path in paths {
        let mut found: BTreeMap<(State, State), Vec<&'static str>> = BTreeMap::new();
        for op in ops {
            let states = (of(before, &one, path, *op), of(after, &other, path, *op));
            if states.0 != states.1 {
                found.entry(states).or_default().push(op.as_str());
            }
        }
        changes.extend(found.into_iter().map(|((one, other), ops)| change(&one, &other, Some(path), ops)));
    }
}

impl Change {
    fn of(role: &str, operation: &str, one: &State, other: &State) -> Self {
        let kind = match one.rank().cmp(&other.rank()) {
            std::cmp::Ordering::Less => ChangeKind::Gained,
            std::cmp::Ordering::Greater => ChangeKind::Lost,
            std::cmp::Ordering::Equal => ChangeKind::Conditions,
        };
        let (role, operation) = (role.to_owned(), operation.to_owned());
        Self { kind, role, operation, path: None, ops: Vec::new(), before: one.word(), after: other.word() }
    }
}

/// What is asked, as far as it is known before there is a request.
struct Asked<'a> {
    groups: ActionGroups,
    resource: ResourceType,
    id: String,
    place: Place<'a>,
}

/// Where.
#[derive(Clone, Copy)]
enum Place<'a> {
    /// The request as a whole.
    Whole,
    /// A write.
    Write(&'a str, WriteOp),
    /// A secret.
    Secret(&'a str),
}

/// One of the two sets.
struct Side<'e> {
    engine: &'e PolicyEngine,
    rules: Vec<(&'e Rule, String, bool)>,
    /// The places that its policies name.
    paths: BTreeSet<String>,
}

impl<'e> Side<'e> {
    fn new(engine: &'e PolicyEngine) -> Self {
        let mut paths = BTreeSet::new();
        let enforced = engine.all_rules().iter().filter(|rule| rule.mode == PolicyMode::Enforce);
        let rules = enforced.map(|rule| {
            let mut text = rule.policy.to_json().unwrap_or_default();
            let conditions = text.get("conditions").cloned().unwrap_or_default();
            literals(&conditions, &mut paths);
            let place_only = reads_place_only(&conditions);
            if let Some(members) = text.as_object_mut() {
                // Of these only a filter decides.
                let filter = members.remove("annotations").and_then(|known| known.get("filter").cloned());
                members.extend(filter.map(|filter| ("filter".to_owned(), filter)));
            }
            (rule, text.to_string(), place_only)
        });
        let rules = rules.collect();
        Self { engine, rules, paths }
    }

    fn request(&self, operation: &Operation, role: &str) -> State {
        let asked = Asked {
            groups: ActionGroups::request(operation),
            resource: operation.resource,
            id: fixed_id(operation),
            place: Place::Whole,
        };
        self.state(&asked, role)
    }

    fn write(&self, operation: &Operation, role: &str, path: &str, op: WriteOp) -> State {
        let asked = Asked {
            groups: ActionGroups::write(operation),
            resource: operation.resource,
            id: fixed_id(operation),
            place: Place::Write(path, op),
        };
        self.state(&asked, role)
    }

    fn state(&self, asked: &Asked<'_>, role: &str) -> State {
        let mut permitted = false;
        let mut conditions = BTreeSet::new();
        let mut any_permit = false;
        for (rule, text, place_only) in &self.rules {
            if !asked.groups.concerns(&rule.about) || !rule.may_be_about(asked.resource) {
                continue;
            }
            let is_role = match &rule.who {
                Who::Everyone { .. } => true,
                Who::Role(known) => **known == *role,
                Who::Other => {
                    any_permit |= rule.is_permit();
                    conditions.insert(text.clone());
                    continue;
                }
            };
            if !is_role {
                continue;
            }
            let applies = match asked.place {
                _ if rule.filter.is_some() => None,
                _ if rule.plain => applies(rule, asked, role),
                Place::Write(..) | Place::Secret(_) if *place_only => applies(rule, asked, role),
                Place::Whole | Place::Write(..) | Place::Secret(_) => None,
            };
            match (applies, rule.is_permit()) {
                (Some(true), true) => permitted = true,
                (Some(true), false) => return State::Denied,
                (Some(false), _) => {}
                (None, is_permit) => {
                    any_permit |= is_permit;
                    conditions.insert(text.clone());
                }
            }
        }
        let forbids = |text: &String| text.contains("\"effect\":\"forbid\"");
        if permitted {
            // More permits add nothing; only what forbids matters.
            conditions.retain(forbids);
            return if conditions.is_empty() { State::Permitted } else { State::Depends(conditions) };
        }
        if any_permit { State::Depends(conditions) } else { State::Denied }
    }
}

impl State {
    const fn rank(&self) -> u8 {
        match self {
            Self::Denied => 0,
            Self::Depends(_) => 1,
            Self::Permitted => 2,
        }
    }

    const fn word(&self) -> &'static str {
        match self {
            Self::Denied => "deny",
            Self::Depends(_) => "depends",
            Self::Permitted => "permit",
        }
    }
}

/// Asks Cedar about one policy that depends on nothing but the role and the place. `None` if it cannot tell.
fn applies(rule: &Rule, asked: &Asked<'_>, role: &str) -> Option<bool> {
    let kind = |name: &str| name.parse::<EntityTypeName>().ok();
    let uid = |name: &str, id: &str| Some(EntityUid::from_type_name_and_id(kind(name)?, EntityId::new(id)));
    let groups = &asked.groups;
    let parents: HashSet<EntityUid> = groups.all.iter().filter_map(|id| uid("Action", id)).collect();
    let action = uid("Action", &groups.id)?;
    let principal = uid("Principal", "anybody")?;
    let entities = [
        Entity::new_no_attrs(action.clone(), parents.into_iter().filter(|parent| *parent != action).collect()),
        Entity::new_no_attrs(principal.clone(), HashSet::from([uid("Role", role)?])),
    ];
    let entities = Entities::from_entities(entities, None).ok()?;
    let text = |text: &str| RestrictedExpression::new_string(text.to_owned());
    let context = match asked.place {
        Place::Whole => Context::empty(),
        Place::Secret(field) => Context::from_pairs([("field".to_owned(), text(field))]).ok()?,
        Place::Write(path, op) => {
            let path = Pointer::parse(path).ok()?;
            let record = RestrictedExpression::new_record([
                ("path".to_owned(), text(path.as_str())),
                ("op".to_owned(), text(op.as_str())),
                ("field".to_owned(), text(&path.segments().next().unwrap_or_default())),
                ("key".to_owned(), text(&path.segments().last().unwrap_or_default())),
            ]);
            Context::from_pairs([("write".to_owned(), record.ok()?)]).ok()?
        }
    };
    let resource = uid(asked.resource.as_str(), &asked.id)?;
    let request = Request::new(principal, action, resource, context, None).ok()?;
    let set = PolicySet::from_policies([rule.policy.clone()]).ok()?;
    let response = Authorizer::new().is_authorized(&request, &set, &entities);
    if response.diagnostics().errors().next().is_some() {
        return None;
    }
    Some(response.diagnostics().reason().next().is_some())
}

/// Whether conditions look at nothing but the place and the op of a write.
fn reads_place_only(conditions: &Value) -> bool {
    match conditions {
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
        Value::Array(items) => items.iter().all(reads_place_only),
        Value::Object(members) => {
            if is_place(conditions) {
                return true;
            }
            members.iter().all(|(name, value)| {
                let is_variable = name == "Var" && value.as_str() != Some("action");
                !is_variable && reads_place_only(value)
            })
        }
    }
}

/// `context.write.path` and its like, `context.field` of a secret, and whether they are there.
fn is_place(expression: &Value) -> bool {
    let is_context =
        |value: Option<&Value>| value.and_then(|value| value.get("Var")).and_then(Value::as_str) == Some("context");
    if let Some(test) = expression.get("has") {
        return is_context(test.get("left"))
            && matches!(test.get("attr").and_then(Value::as_str), Some("write" | "field"));
    }
    let Some(access) = expression.get(".") else { return false };
    let attribute = access.get("attr").and_then(Value::as_str);
    if attribute == Some("field") && is_context(access.get("left")) {
        return true;
    }
    let of = access.get("left").and_then(|left| left.get("."));
    let of_write =
        of.is_some_and(|of| is_context(of.get("left")) && of.get("attr").and_then(Value::as_str) == Some("write"));
    of_write && matches!(attribute, Some("path" | "op" | "field" | "key"))
}

/// The paths that conditions name, whole or by their beginning.
fn literals(conditions: &Value, found: &mut BTreeSet<String>) {
    match conditions {
        Value::String(text) if text.starts_with('/') && Pointer::parse(text).is_ok() => {
            found.insert(text.clone());
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        Value::Array(items) => items.iter().for_each(|item| literals(item, found)),
        Value::Object(members) => {
            if let Some(pattern) = members.get("like").and_then(|like| like.get("pattern")).and_then(Value::as_array) {
                let pieces = pattern.iter().map(|piece| {
                    piece.get("Literal").and_then(Value::as_str).map_or_else(|| "x".to_owned(), str::to_owned)
                });
                let text: String = pieces.collect();
                if text.starts_with('/') && Pointer::parse(&text).is_ok() {
                    found.insert(text);
                }
            }
            members.values().for_each(|value| literals(value, found));
        }
    }
}

/// The places of an operation's body: its fields, one place below those that hold anything, and what policies name.
fn paths(operation: &Operation, written: &BTreeSet<&str>) -> Vec<String> {
    let fields: &[Field] = match &operation.body {
        BodyKind::None | BodyKind::Any => &[],
        BodyKind::Object { schema, .. } => &schema.fields,
        BodyKind::Patch(name) => catalog().patch(name).map(|patch| patch.fields.as_slice()).unwrap_or_default(),
    };
    let mut paths = BTreeSet::new();
    for field in fields {
        paths.insert(format!("/{}", field.name));
        if matches!(field.kind, crate::catalog::Kind::Map) {
            paths.insert(format!("/{}/*", field.name));
        }
    }
    let known = |path: &str| {
        let first = path.split('/').nth(1).unwrap_or_default();
        fields.iter().any(|field| field.name == first)
    };
    paths.extend(written.iter().filter(|path| known(path)).map(|path| (*path).to_owned()));
    paths.into_iter().collect()
}

impl fmt::Display for Change {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.kind {
            ChangeKind::Gained => '+',
            ChangeKind::Lost => '-',
            ChangeKind::Conditions | ChangeKind::Concealed => '~',
        };
        let Self { role, operation, before, after, .. } = self;
        write!(formatter, "{mark} {role} {operation}")?;
        if !self.ops.is_empty() {
            write!(formatter, " {}", self.ops.join(","))?;
        }
        if let Some(path) = &self.path {
            write!(formatter, " {path}")?;
        }
        match self.kind {
            ChangeKind::Conditions => write!(formatter, " (on other conditions)"),
            ChangeKind::Concealed if before == after => write!(formatter, " (other denials are {after})"),
            ChangeKind::Concealed => write!(formatter, " (denials: {before} -> {after})"),
            ChangeKind::Gained | ChangeKind::Lost => write!(formatter, " ({before} -> {after})"),
        }
    }
}

#[cfg(test)]
mod tests;
