//! Comparisons that never hold: texts that no request can have in that place. Only what is sure is told.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::finding::{PolicyFinding, Severity};
use super::super::guard::conjuncts;
use super::super::rule::{PolicyMode, Rule, evaluated};
use super::super::schema::has_writes;
use super::super::slice::ActionGroups;
use crate::catalog::{BodyKind, Field, Kind, Operation, catalog};

/// The objects whose `name` and `uuid` are in lower case.
const OBJECTS: [&str; 4] = ["resource", "resource.node", "context.node", "context.write.target"];

/// The operations that have writes.
pub(super) struct Written<'o>(Vec<(ActionGroups, &'o Operation)>);

impl<'o> Written<'o> {
    pub(super) fn new(operations: &'o [Operation]) -> Self {
        let written = operations.iter().filter(|operation| has_writes(operation));
        Self(written.map(|operation| (ActionGroups::write(operation), operation)).collect())
    }

    /// The top-level fields that writes in this rule's scope may have; `None` if any.
    fn fields(&self, rule: &Rule) -> Option<Vec<&'o Field>> {
        let mut fields = Vec::new();
        for (_, operation) in self.0.iter().filter(|(groups, _)| groups.concerns(&rule.about)) {
            match &operation.body {
                BodyKind::None => {}
                BodyKind::Any => return None,
                BodyKind::Object { schema, .. } if schema.open => return None,
                BodyKind::Object { schema, .. } => fields.extend(&schema.fields),
                BodyKind::Patch(name) => match catalog().patch(name) {
                    Some(patch) if !patch.open => fields.extend(&patch.fields),
                    Some(_) | None => return None,
                },
            }
        }
        (!fields.is_empty()).then_some(fields)
    }
}

/// Appends a warning for each text that is compared with what is never like that.
pub(super) fn comparisons(rule: &Rule, written: &Written<'_>, findings: &mut Vec<PolicyFinding>) {
    if rule.mode == PolicyMode::Off || !rule.policy.has_non_scope_constraint() {
        return;
    }
    let text = rule.policy.to_string();
    if ![".id", ".name", ".uuid", ".host", ".path", ".field"].iter().any(|fact| text.contains(fact)) {
        return;
    }
    let Ok(json) = evaluated(&rule.policy).to_json() else { return };
    let Some(conditions) = json.get("conditions") else { return };
    let mut compared = BTreeSet::new();
    collect(conditions, &mut compared);
    let fields = written.fields(rule);
    let mut told = BTreeSet::new();
    told.extend(compared.iter().filter_map(|(fact, text)| in_capitals(fact, text)));
    // A policy for many operations may name fields beside it that some releases or operations have.
    let places =
        compared.iter().filter(|(fact, _)| matches!(fact.as_str(), "context.write.field" | "context.write.path"));
    if let Some(fields) = &fields {
        let places: Option<Vec<Told>> = places.map(|(fact, text)| no_field(fact, text, fields)).collect();
        told.extend(places.into_iter().flatten());
    }
    for body in conditions.as_array().into_iter().flatten().filter_map(|condition| condition.get("body")) {
        told.extend(fields.as_deref().map(|fields| no_value(body, fields)).unwrap_or_default());
    }
    findings.extend(told.into_iter().map(|(message, hint)| rule.finding(Severity::Warning, message, hint)));
}

type Told = (String, String);

fn in_capitals(fact: &str, text: &str) -> Option<Told> {
    let of_object = fact.strip_suffix(".name").or_else(|| fact.strip_suffix(".uuid"));
    let is_lower = of_object.is_some_and(|object| OBJECTS.contains(&object))
        || matches!(fact, "resource.id" | "context.write.value.url.host");
    (is_lower && text != text.to_lowercase())
        .then(|| (format!("`{fact}` is in lower case and never {text:?}"), format!("write {:?}", text.to_lowercase())))
}

fn no_field(fact: &str, text: &str, fields: &[&Field]) -> Option<Told> {
    let field = match fact {
        "context.write.field" => text,
        "context.write.path" => match text.strip_prefix('/') {
            Some(rest) => rest.split('/').next().unwrap_or_default(),
            None if text.is_empty() => return None,
            None => {
                return Some((
                    format!("`{fact}` is never {text:?}"),
                    format!("a path begins with a slash: {:?}", format!("/{text}")),
                ));
            }
        },
        _ => return None,
    };
    (!fields.iter().any(|known| known.name == field)).then(|| {
        (
            format!("`{fact}` is never {text:?}: no write in this policy's scope has a field {field:?}"),
            "`irongate schema openapi` has the fields of each operation".to_owned(),
        )
    })
}

/// Values of a field with a closed list of words, where the same condition names the field and the value.
fn no_value(body: &Value, fields: &[&Field]) -> Vec<Told> {
    let mut compared = BTreeSet::new();
    for part in conjuncts(body) {
        comparison(part, &mut compared);
    }
    let of =
        |fact: &'static str| compared.iter().filter(move |(known, _)| known == fact).map(|(_, text)| text.as_str());
    let (Some(path), None) = (of("context.write.path").next(), of("context.write.path").nth(1)) else {
        return Vec::new();
    };
    let Some(name) = path.strip_prefix('/') else { return Vec::new() };
    let named: Vec<&&Field> = fields.iter().filter(|field| field.name == name).collect();
    if named.is_empty() || named.iter().any(|field| field.kind != Kind::Enum) {
        return Vec::new();
    }
    let is_known = |text: &str| named.iter().any(|field| field.values.iter().any(|known| known.value == text));
    let unknown = of("context.write.value.string").filter(|text| !is_known(text));
    let words: BTreeSet<&str> =
        named.iter().flat_map(|field| &field.values).map(|known| known.value.as_str()).collect();
    let words: Vec<&str> = words.into_iter().collect();
    let told = |text: &str| (format!("{path:?} takes no value {text:?}"), format!("it takes {}", words.join(", ")));
    unknown.map(told).collect()
}

/// Each fact that is compared with a text, anywhere.
fn collect(expression: &Value, compared: &mut BTreeSet<(String, String)>) {
    comparison(expression, compared);
    match expression {
        Value::Array(items) => items.iter().for_each(|item| collect(item, compared)),
        Value::Object(members) => members.values().for_each(|value| collect(value, compared)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// `fact == "text"`, `fact != "text"`, `["text", …].contains(fact)`.
fn comparison(expression: &Value, compared: &mut BTreeSet<(String, String)>) {
    for operator in ["==", "!=", "contains"] {
        let Some(operands) = expression.get(operator) else { continue };
        let (Some(left), Some(right)) = (operands.get("left"), operands.get("right")) else { continue };
        for (fact, texts) in [(left, right), (right, left)] {
            let Some(fact) = path(fact) else { continue };
            compared.extend(literals(texts).into_iter().map(|text| (fact.clone(), text.to_owned())));
        }
    }
}

fn literals(expression: &Value) -> Vec<&str> {
    match (expression.get("Value"), expression.get("Set")) {
        (Some(Value::String(text)), _) => vec![text],
        (Some(Value::Array(items)), _) => items.iter().filter_map(Value::as_str).collect(),
        (_, Some(Value::Array(items))) => items.iter().flat_map(literals).collect(),
        _ => Vec::new(),
    }
}

/// `context.write.path` of an access.
fn path(expression: &Value) -> Option<String> {
    if let Some(variable) = expression.get("Var") {
        return variable.as_str().map(str::to_owned);
    }
    let access = expression.get(".")?;
    Some(format!("{}.{}", path(access.get("left")?)?, access.get("attr")?.as_str()?))
}
