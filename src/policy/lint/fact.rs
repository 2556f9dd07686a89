//! Facts that a policy asks for with `has`, and that nothing ever has: Cedar takes the question for answered with no.

use std::collections::HashSet;

use cedar_policy::Policy;
use serde_json::Value;

use super::super::finding::{PolicyFinding, Severity};
use super::super::rule::Rule;
use super::super::schema::schema_of;
use crate::catalog::Operation;

/// Every word of the schema, the names of all facts among them.
pub(super) fn known(operations: &[Operation]) -> HashSet<String> {
    let is_part = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let text = schema_of(operations);
    text.split(|character| !is_part(character)).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// Appends an error for each name that the schema does not have. A forbid that asks for it would never apply, and an
/// `unless` always.
pub(super) fn unknown(rule: &Rule, known: &HashSet<String>, findings: &mut Vec<PolicyFinding>) {
    if !rule.policy.to_string().contains("has") {
        return;
    }
    // Without its text: from that, the JSON would be made by reading the text again.
    let evaluated: Policy = rule.policy.as_ref().clone().into();
    let Ok(json) = evaluated.to_json() else { return };
    let mut asked = Vec::new();
    collect(json.get("conditions").unwrap_or(&Value::Null), &mut asked);
    asked.sort_unstable();
    asked.dedup();
    for name in asked.into_iter().filter(|name| !known.contains(*name)) {
        let message = format!("there is no fact {name:?}: `has {}` is never so", name.escape_debug());
        let hint = "docs/policy.md and `irongate schema cedar` list all facts".to_owned();
        findings.push(rule.finding(Severity::Error, message, hint));
    }
}

/// The name in each `has`.
fn collect<'j>(expression: &'j Value, asked: &mut Vec<&'j str>) {
    match expression {
        Value::Array(items) => items.iter().for_each(|item| collect(item, asked)),
        Value::Object(members) => {
            for (name, value) in members {
                if name == "has"
                    && let Some(attribute) = value.get("attr").and_then(Value::as_str)
                {
                    asked.push(attribute);
                }
                collect(value, asked);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
