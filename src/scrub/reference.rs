//! The same rules on a tree, as simply as can be, for tests and fuzzing. The reader must agree with it.

use serde_json::{Map, Value};

use super::key::KeyClass;
use super::link::foreign;
use super::named::is_reference;
use super::stream::DEPTH_MAX;
use super::{MASK, ScrubRules};

/// What surrounds a value.
#[derive(Clone, Copy)]
struct Around<'r> {
    rules: &'r ScrubRules,
    origin: &'r str,
    depth: usize,
    free: bool,
    below_arguments: bool,
}

fn normal(key: &str) -> String {
    key.to_lowercase().replace(['_', '-', '.', ' '], "")
}

fn is_secret_key(key: &str, rules: &ScrubRules) -> bool {
    key.len() > 1024 || rules.keys.judge(key).has(KeyClass::SECRET) && !key.is_empty()
}

fn one_of(key: &str, list: &str) -> bool {
    list.split(' ').any(|known| known == normal(key))
}

fn names(key: &str) -> bool {
    one_of(
        key,
        "name attribute attributename key path field setting settingname option property header parameter variable id",
    )
}

fn values(key: &str) -> bool {
    one_of(
        key,
        "value values val currentvalue current newvalue oldvalue defaultvalue desiredvalue pendingvalue resetvalue default \
         content regex",
    )
}

/// Whether an argument names a secret that the others hold.
fn argument_names(value: &Value, rules: &ScrubRules) -> bool {
    value
        .as_str()
        .is_some_and(|text| !text.contains(char::is_whitespace) && text.len() < 256 && rules.names_a_secret(text))
}

/// Whether a list has a value before the first name of a secret.
fn named_late(value: &Value, rules: &ScrubRules) -> bool {
    let first = value.as_array().and_then(|list| list.iter().position(|item| argument_names(item, rules)));
    first.is_some_and(|first| first > 0)
}

fn free(key: &str, value: &Value) -> bool {
    one_of(key, "properties") && value.is_object()
        || one_of(
            key,
            "driverinfo instanceinfo driverinternalinfo extra inventory plugindata networkdata raidconfig \
             targetraidconfig cleanstep deploystep servicestep steps args actions conditions internalinfo \
             locallinkconnection consoleinfo health",
        )
}

fn mask(value: &Value) -> Value {
    match value {
        Value::Null | Value::Bool(_) => value.clone(),
        Value::String(text) if text.is_empty() => value.clone(),
        Value::String(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => Value::String(MASK.to_owned()),
    }
}

fn text(text: &str, link: bool, around: &Around<'_>) -> String {
    let link = if link { foreign(text).unwrap_or(0) } else { 0 };
    let mut spans = Vec::new();
    around.rules.shapes.find(text, &mut spans);
    let mut out = if link > 0 { around.origin.to_owned() } else { String::new() };
    let mut from = link;
    for span in spans.into_iter().filter(|span| span.end > link) {
        out.push_str(text.get(from..span.start.max(from)).unwrap_or_default());
        out.push_str(MASK);
        from = span.end;
    }
    out.push_str(text.get(from..).unwrap_or_default());
    out
}

fn member(key: &str, value: &Value, named: bool, referred: bool, around: &Around<'_>) -> Value {
    let depth = around.depth;
    let secret = is_secret_key(key, around.rules)
        || (named && values(key))
        || (referred && one_of(key, "values regex"))
        || (around.below_arguments && values(key) && named_late(value, around.rules))
        || (around.below_arguments && one_of(key, "headers content"));
    if secret {
        return mask(value);
    }
    let link = (normal(key) == "href" && !around.free) || (normal(key) == "next" && depth == 1);
    let inner = Around {
        depth: depth + 1,
        free: around.free || free(key, value),
        below_arguments: around.below_arguments || normal(key) == "args",
        ..*around
    };
    tree(value, inner.below_arguments, link, &inner)
}

fn tree(value: &Value, arguments: bool, link: bool, around: &Around<'_>) -> Value {
    match value {
        Value::Object(_) | Value::Array(_) if around.depth > DEPTH_MAX => mask(value),
        Value::Object(members) => {
            let named = members
                .iter()
                .any(|(key, value)| names(key) && value.as_str().is_some_and(|text| around.rules.names_a_secret(text)));
            let referred = around.below_arguments
                && members.iter().any(|(key, value)| {
                    let refers = |text: &str| is_reference(text) && around.rules.names_a_secret(text);
                    values(key) && !one_of(key, "values regex content") && value.as_str().is_some_and(refers)
                });
            let mut out = Map::new();
            for (key, value) in members {
                out.insert(text(key, false, around), member(key, value, named, referred, around));
            }
            Value::Object(out)
        }
        Value::Array(elements) => {
            let mut named = false;
            let inner = Around { depth: around.depth + 1, ..*around };
            let mut out = Vec::new();
            for element in elements {
                out.push(if named { mask(element) } else { tree(element, arguments, false, &inner) });
                named |= arguments && argument_names(element, around.rules);
            }
            Value::Array(out)
        }
        Value::String(string) => Value::String(text(string, link, around)),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

/// An answer of an operation without places of its own, scrubbed on the tree.
pub fn reference(rules: &ScrubRules, origin: &str, value: &Value) -> Value {
    let depth = usize::from(value.is_object() || value.is_array());
    tree(value, false, false, &Around { rules, origin, depth, free: false, below_arguments: false })
}
