//! `like` patterns that meet more, or less, than their author sees.

use serde_json::Value;

use super::super::finding::{PolicyFinding, Severity};
use super::super::rule::{PolicyMode, Rule};

/// Appends a warning for each doubtful pattern.
pub(super) fn wildcards(rule: &Rule, findings: &mut Vec<PolicyFinding>) {
    if rule.mode == PolicyMode::Off || !rule.policy.has_non_scope_constraint() {
        return;
    }
    // Its text is at hand; its JSON is made by reading that again.
    if !rule.policy.to_string().contains("like") {
        return;
    }
    let Ok(json) = rule.policy.to_json() else { return };
    let mut patterns = Vec::new();
    if let Some(conditions) = json.get("conditions") {
        collect(conditions, &mut patterns);
    }
    for (attribute, pattern) in patterns {
        if let Some((message, hint)) = doubt(&attribute, &pattern, rule.is_permit()) {
            findings.push(rule.finding(Severity::Warning, message, hint));
        }
    }
}

/// A pattern's parts; `None` is a wildcard.
type Pattern = Vec<Option<String>>;

/// Each `like`, with the last attribute of what it is about.
fn collect(expression: &Value, patterns: &mut Vec<(String, Pattern)>) {
    match expression {
        Value::Array(items) => items.iter().for_each(|item| collect(item, patterns)),
        Value::Object(members) => {
            for (name, value) in members {
                if name == "like"
                    && let Some(parts) = value.get("pattern").and_then(Value::as_array)
                {
                    let attribute = value.pointer("/left/./attr").and_then(Value::as_str).unwrap_or_default();
                    patterns.push((attribute.to_owned(), joined(parts)));
                }
                collect(value, patterns);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn joined(parts: &[Value]) -> Pattern {
    let mut pattern: Pattern = Vec::new();
    for part in parts {
        match (part.get("Literal").and_then(Value::as_str), pattern.last_mut()) {
            (Some(text), Some(Some(before))) => before.push_str(text),
            (Some(text), _) => pattern.push(Some(text.to_owned())),
            (None, _) => pattern.push(None),
        }
    }
    pattern
}

fn doubt(attribute: &str, pattern: &Pattern, is_permit: bool) -> Option<(String, String)> {
    let shown: String = pattern.iter().map(|part| part.as_deref().unwrap_or("*")).collect();
    if pattern.iter().all(Option::is_some) {
        return Some((format!("the pattern {shown:?} has no wildcard"), format!("write `== {shown:?}`")));
    }
    if pattern.iter().all(Option::is_none) {
        return Some(("the pattern \"*\" meets every string".to_owned(), "leave the condition out".to_owned()));
    }
    let ends_open = pattern.last().is_some_and(Option::is_none);
    let before_end = pattern.iter().rev().flatten().next().map(String::as_str).unwrap_or_default();
    match attribute {
        "host" if ends_open => Some((
            format!("the pattern {shown:?} meets hosts of other domains"),
            "a host's domain is at its end: write \"*.example\"".to_owned(),
        )),
        "host" if pattern.first() == Some(&None) && !pattern.iter().flatten().any(|part| part.starts_with('.')) => {
            Some((
                format!("the pattern {shown:?} meets hosts whose names only end like that"),
                "begin with a dot after the wildcard: \"*.images.example\"".to_owned(),
            ))
        }
        "path" if is_permit && ends_open && before_end.starts_with('/') && !before_end.ends_with(['/', '_', '-']) => {
            Some((
                format!("the pattern {shown:?} meets other fields too, whose names only begin like that"),
                format!("write {:?} for what is below it", format!("{before_end}/*")),
            ))
        }
        _ => None,
    }
}
