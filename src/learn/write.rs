//! What was learned, as Cedar.
//!
//! Everything that comes from a record is written through [`literal`], [`pattern`] or [`comment`]: no name of a caller, path
//! or word can end a string or a comment line.

use std::collections::BTreeMap;

use super::gather::{OperationUse, PlaceKey, PlaceUse};
use super::places::{EXTRA_KEYS_MAX, KEYS_MAX, Place};
use super::{Learned, Subject, Window};
use crate::authenticate::SchemeName;
use crate::catalog::{BodyKind, Operation};
use crate::replay::Seen;

/// Lines of formatted policies, in characters, and their indentation: as `irongate policy fmt` has them.
const LINE_WIDTH: usize = 80;
const INDENT_WIDTH: isize = 4;

/// The policy of one caller, formatted.
///
/// # Errors
/// What the formatter says; a test proves that it takes everything that is written here.
pub fn cedar(learned: &Learned<'_>, window: &Window) -> Result<String, String> {
    let mut text = head(learned, window);
    for used in learned.used.operations.values() {
        operation(&mut text, learned, used);
    }
    let config = cedar_policy_formatter::Config { line_width: LINE_WIDTH, indent_width: INDENT_WIDTH };
    let formatted =
        cedar_policy_formatter::policies_str_to_pretty(&text, &config).map_err(|error| error.to_string())?;
    Ok(format!("{}\n", formatted.trim_end()))
}

fn head(learned: &Learned<'_>, window: &Window) -> String {
    let used = learned.used;
    let mut lines = vec![format!("Learned from records: what {} used, and nothing else.", learned.caller)];
    if let Some(name) = &used.known_as {
        lines.push(format!("Keystone calls it {name}."));
    }
    if let Some((first, last)) = used.span() {
        lines.push(format!("{} calls from {} to {}.", used.calls, second(first), second(last)));
    }
    if window.since.is_some() || window.until.is_some() {
        let bound = |moment: Option<jiff::Timestamp>| moment.map_or_else(|| "…".to_owned(), second);
        lines.push(format!("Records from {} up to {}.", bound(window.since), bound(window.until)));
    }
    if used.denied > 0 {
        lines.push(format!("{} denied calls do not count.", used.denied));
    }
    lines.push(format!(
        "Identifiers stand for any object. More than {EXTRA_KEYS_MAX} keys of /extra, or {KEYS_MAX} of another map, stand for any key."
    ));
    lines.iter().map(|line| comment(line)).collect()
}

fn operation(text: &mut String, learned: &Learned<'_>, used: &OperationUse) {
    let id = &used.operation.id;
    let failed = if used.failed > 0 { format!(", {} answered with an error", used.failed) } else { String::new() };
    text.push_str(&comment(&format!(
        "{} {}: {}{failed}",
        used.operation.method.as_str(),
        used.operation.path,
        times(&used.seen)
    )));
    if used.cut {
        text.push_str(&comment(
            "Some records do not hold all that was written: compare with what the caller is meant to do.",
        ));
    }
    policy(text, learned, id, id, &query(used));
    let mut open: BTreeMap<Vec<&str>, Vec<(&PlaceKey, &PlaceUse)>> = BTreeMap::new();
    let mut single = Vec::new();
    for (key, place) in &used.places {
        if key.step.is_none() && words(place).is_none() {
            open.entry(ops(used.operation, place)).or_default().push((key, place));
        } else {
            single.push(vec![(key, place)]);
        }
    }
    for (number, group) in (1..).zip(open.into_values().chain(single)) {
        for (key, place) in &group {
            let counts: Vec<String> = place.ops.iter().map(|(op, count)| format!("{op} {count}")).collect();
            let step = key.step.as_ref().map(|step| format!(" ({step})")).unwrap_or_default();
            let text_of = key.place.text();
            text.push_str(&comment(&format!("{text_of}{step}: {}, {}", counts.join(", "), span(&place.seen))));
        }
        let suffix = if number == 1 { String::new() } else { format!("-{number}") };
        policy(text, learned, &format!("{id}:write"), &format!("{id}:write{suffix}"), &writes(used.operation, &group));
    }
}

fn policy(text: &mut String, learned: &Learned<'_>, action: &str, id: &str, conditions: &[String]) {
    let principal = match &learned.subject {
        Subject::Role(role) => format!("principal in Role::{}", literal(role)),
        Subject::Caller { scheme: SchemeName::Anonymous, .. } => "principal == Principal::\"anonymous\"".to_owned(),
        Subject::Caller { scheme, name } => {
            format!("principal == Principal::{}", literal(&format!("{}:{name}", scheme.as_str())))
        }
    };
    text.push_str(&format!("@id(\"learned.{}.{id}\")\n", learned.slug));
    text.push_str(&format!("permit ({principal}, action == Action::{}, resource)", literal(action)));
    if !conditions.is_empty() {
        text.push_str(&format!("\nwhen {{ {} }}", conditions.join(" && ")));
    }
    text.push_str(";\n\n");
}

fn query(used: &OperationUse) -> Vec<String> {
    let mut conditions = Vec::new();
    if used.operation.query.is_empty() {
        return conditions;
    }
    if used.query_names.is_empty() {
        conditions.push("context.query_names.isEmpty()".to_owned());
    } else {
        conditions.push(format!("{}.containsAll(context.query_names)", list(&used.query_names)));
    }
    let fields = &used.fields;
    let is_list = used
        .operation
        .query
        .iter()
        .any(|field| field.name == "fields" && field.kind == crate::catalog::Kind::StringList);
    if is_list && !fields.names.is_empty() && !fields.unknown {
        let named = format!("context.query has fields && {}.containsAll(context.query.fields)", list(&fields.names));
        conditions.push(if fields.without { format!("(!(context.query has fields) || ({named}))") } else { named });
    }
    conditions
}

fn writes(operation: &Operation, group: &[(&PlaceKey, &PlaceUse)]) -> Vec<String> {
    let mut conditions = Vec::new();
    let Some((key, place)) = group.first() else { return conditions };
    let ops = ops(operation, place);
    match ops.as_slice() {
        [] => {}
        [op] => conditions.push(format!("context.write.op == {}", literal(op))),
        ops => conditions.push(format!("{}.contains(context.write.op)", list(ops.iter().copied()))),
    }
    let exact: Vec<&str> = group
        .iter()
        .filter_map(|(key, _)| match &key.place {
            Place::At(path) => Some(path.as_str()),
            Place::Below(_) => None,
        })
        .collect();
    let mut places = Vec::new();
    match exact.as_slice() {
        [] => {}
        [path] => places.push(format!("context.write.path == {}", literal(path))),
        paths => places.push(format!("{}.contains(context.write.path)", list(paths.iter().copied()))),
    }
    for (key, _) in group {
        if let Place::Below(path) = &key.place {
            places.push(format!("context.write.path like \"{}/*\"", pattern(path)));
        }
    }
    conditions.push(if places.len() == 1 { places.concat() } else { format!("({})", places.join(" || ")) });
    if let Some(step) = &key.step {
        conditions.push(format!("context.write has step && context.write.step.id == {}", literal(step)));
        match &place.arguments {
            Some(arguments) if arguments.is_empty() => {
                conditions.push("!(context.write has step.argument)".to_owned());
            }
            Some(arguments) => conditions.push(format!(
                "(!(context.write has step.argument) || (context.write has step.argument && \
                 {}.contains(context.write.step.argument)))",
                list(arguments)
            )),
            None => {}
        }
    }
    if let Some(words) = words(place) {
        let words = list(words);
        conditions.push(format!("context.write has value.string && {words}.contains(context.write.value.string)"));
    }
    conditions
}

/// The ops that a policy has to name: none where the operation knows only one, or all were used.
fn ops<'a>(operation: &Operation, place: &'a PlaceUse) -> Vec<&'a str> {
    match operation.body {
        BodyKind::Patch(_) if place.ops.len() < 3 => place.ops.keys().map(String::as_str).collect(),
        BodyKind::Patch(_) | BodyKind::None | BodyKind::Object { .. } | BodyKind::Any => Vec::new(),
    }
}

/// The words that a policy has to name.
fn words(place: &PlaceUse) -> Option<&std::collections::BTreeSet<String>> {
    place.words.as_ref().filter(|words| !words.is_empty())
}

fn times(seen: &Seen) -> String {
    let calls = if seen.count == 1 { "call" } else { "calls" };
    format!("{} {calls}, {}", seen.count, span(seen))
}

fn span(seen: &Seen) -> String {
    let (first, last) = (second(seen.first), second(seen.last));
    if first == last { first } else { format!("{first} to {last}") }
}

/// A moment without its fraction.
fn second(time: jiff::Timestamp) -> String {
    jiff::Timestamp::from_second(time.as_second()).unwrap_or(time).to_string()
}

fn list<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> String {
    let texts: Vec<String> = texts.into_iter().map(|text| literal(text.as_ref())).collect();
    format!("[{}]", texts.join(", "))
}

/// A Cedar string.
pub(super) fn literal(text: &str) -> String {
    format!("\"{}\"", escaped(text))
}

/// A Cedar pattern without its quotes, in which every star of the text is a star.
fn pattern(text: &str) -> String {
    escaped(text).replace('*', "\\*")
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '"' => escaped.push_str("\\\""),
            '\\' => escaped.push_str("\\\\"),
            ' '..='~' => escaped.push(character),
            _ => escaped.push_str(&format!("\\u{{{:x}}}", u32::from(character))),
        }
    }
    escaped
}

/// A comment line. What could end it, or show as something else, is escaped; a long one is cut.
fn comment(text: &str) -> String {
    const LENGTH_MAX: usize = 300;
    let line: String = text.chars().take(LENGTH_MAX).collect();
    let more = if text.chars().nth(LENGTH_MAX).is_some() { "…" } else { "" };
    let plain: String = line
        .chars()
        .flat_map(|character| {
            let shown: Box<dyn Iterator<Item = char>> = if character == '…' || matches!(character, ' '..='~') {
                Box::new(std::iter::once(character))
            } else {
                Box::new(character.escape_unicode())
            };
            shown
        })
        .collect();
    format!("// {plain}{more}\n")
}
