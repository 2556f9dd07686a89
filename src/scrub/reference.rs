//! The same rules on a tree, as simply as can be, for tests and fuzzing. The reader must agree with it.

use serde_json::{Map, Value};

use super::link::foreign;
use super::names::key::KeyClass;
use super::names::named::is_reference;
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

/// Whether an argument, at its place in a list, names a secret that the others hold.
fn argument_names((index, value): (usize, &Value), rules: &ScrubRules) -> bool {
    value.as_str().is_some_and(|text| {
        let named = rules.names_a_secret(text) || (index == 0 && text.contains("{item"));
        named && !text.contains(char::is_whitespace) && text.len() < 256
    })
}

/// Whether a list has a value before the first name of a secret.
fn named_late(value: &Value, rules: &ScrubRules) -> bool {
    let names = |item| argument_names(item, rules);
    let first = value.as_array().and_then(|list| list.iter().enumerate().position(names));
    first.is_some_and(|first| first > 0)
}

/// Whether an object names its values as secrets.
fn named(members: &Map<String, Value>, around: &Around<'_>) -> bool {
    let secret = |text: &str| around.rules.names_a_secret(text) || (around.below_arguments && text.contains("{item"));
    members.iter().any(|(key, value)| names(key) && value.as_str().is_some_and(secret))
}

/// Whether a value of an object refers to a secret.
fn referred(members: &Map<String, Value>, around: &Around<'_>) -> bool {
    let refers = |text: &str| is_reference(text) && around.rules.names_a_secret(text);
    let compares = |key: &str| values(key) && !one_of(key, "values regex content");
    around.below_arguments && members.iter().any(|(key, value)| compares(key) && value.as_str().is_some_and(refers))
}

/// Whether something in arguments, under a key of them, is a secret or names one.
fn hides(value: &Value, key: &str, around: &Around<'_>) -> bool {
    match value {
        Value::Object(members) => {
            let hidden = |(key, value): (&String, &Value)| {
                secret_argument(key, around) || text(key, "", false, around) != *key || hides(value, key, around)
            };
            named(members, around) || referred(members, around) || members.iter().any(hidden)
        }
        Value::Array(list) => {
            list.iter().enumerate().any(|item| argument_names(item, around.rules) || hides(item.1, "", around))
        }
        Value::String(string) => text(string, key, false, around) != *string,
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Whether what an object is repeated with is a secret.
fn looped(members: &Map<String, Value>, around: &Around<'_>) -> bool {
    let inner = Around { below_arguments: true, ..*around };
    let hidden = |value: &Value| (value.is_object() || value.is_array()) && hides(value, "", &inner);
    let arguments = || members.iter().any(|(key, value)| normal(key) == "args" && hidden(value));
    if around.below_arguments { hides(&Value::Object(members.clone()), "", around) } else { arguments() }
}

/// Whether a key is that of a secret where the object at hand is.
fn secret_argument(key: &str, around: &Around<'_>) -> bool {
    is_secret_key(key, around.rules)
        || (around.below_arguments && (one_of(key, "headers content") || key.contains("{item")))
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

/// A text, under its key if it is the whole value there.
fn text(text: &str, key: &str, link: bool, around: &Around<'_>) -> String {
    let link = if link { foreign(text).unwrap_or(0) } else { 0 };
    let mut spans = Vec::new();
    if normal(key) == "capabilities" {
        around.rules.shapes.find_listed(text, &mut spans);
    } else {
        around.rules.shapes.find(text, &mut spans);
    }
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

/// What an object says about its members.
struct Said {
    named: bool,
    referred: bool,
    looped: bool,
}

fn member(key: &str, value: &Value, said: &Said, around: &Around<'_>) -> Value {
    let depth = around.depth;
    let secret = secret_argument(key, around)
        || (said.named && values(key))
        || (said.referred && one_of(key, "values regex"))
        || (said.looped && normal(key) == "loop")
        || (around.below_arguments && values(key) && named_late(value, around.rules));
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
    tree(value, key, link, &inner)
}

/// `key` is that of the member whose value this is.
fn tree(value: &Value, key: &str, link: bool, around: &Around<'_>) -> Value {
    match value {
        Value::Object(_) | Value::Array(_) if around.depth > DEPTH_MAX => mask(value),
        Value::Object(members) => {
            let said = Said {
                named: named(members, around),
                referred: referred(members, around),
                looped: looped(members, around),
            };
            let mut out = Map::new();
            for (key, value) in members {
                out.insert(text(key, "", false, around), member(key, value, &said, around));
            }
            Value::Object(out)
        }
        Value::Array(elements) => {
            let mut named = false;
            let inner = Around { depth: around.depth + 1, ..*around };
            let mut out = Vec::new();
            for (index, element) in elements.iter().enumerate() {
                out.push(if named { mask(element) } else { tree(element, "", false, &inner) });
                named |= around.below_arguments && argument_names((index, element), around.rules);
            }
            Value::Array(out)
        }
        Value::String(string) => Value::String(text(string, key, link, around)),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

/// An answer of an operation without places of its own, scrubbed on the tree.
pub fn reference(rules: &ScrubRules, origin: &str, value: &Value) -> Value {
    let depth = usize::from(value.is_object() || value.is_array());
    tree(value, "", false, &Around { rules, origin, depth, free: false, below_arguments: false })
}
