//! A text that explains an error → the same text without values.

use super::super::{MASK, ScrubRules};
use super::{FAULTSTRING_BYTES_MAX, Vocabulary};

/// How much of a text is looked at, in bytes.
const TEXT_BYTES_MAX: usize = 16 * 1024;
/// Phrases of JSON Schema errors: what stands before one is a value, what comes after is the schema's.
const SCHEMA_RULES: &[&str] = &[
    " is not of type ",
    " is not one of ",
    " does not match any of the regexes: ",
    " does not match ",
    " is too long",
    " is too short",
    " is not a multiple of ",
    " has non-unique elements",
    " is not valid under any of the given schemas",
    " is valid under each of ",
    " was expected",
    " is not a ",
    " is less than ",
    " is greater than ",
    " should not be valid under ",
    " does not contain items",
    " has too many properties",
    " does not have enough properties",
    " should be non-empty",
    " is not allowed for ",
];
/// Phrases that announce a value: the rest of the text is dropped.
const ANNOUNCED: &[&str] = &[
    " but received ",
    " but got ",
    " Got ",
    " got ",
    " received: ",
    "Value: ",
    " value: ",
    "Unacceptable value ",
    " invalid value ",
    " call failed: ",
];
/// Resources whose names may follow.
const RESOURCES: &[&str] = &[
    "node",
    "port",
    "portgroup",
    "chassis",
    "allocation",
    "instance",
    "conductor",
    "host",
    "driver",
    "interface",
    "template",
    "runbook",
    "rule",
    "image",
    "connector",
    "target",
    "vif",
    "volume",
    "name",
];
const PATCH: &str = "Couldn't apply patch '";
const PATCH_REASON: &str = "'. Reason: ";

/// The text as the caller may see it; may be empty.
pub(super) fn filter(text: &str, rules: &ScrubRules) -> String {
    let text = text.get(..text.floor_char_boundary(TEXT_BYTES_MAX)).unwrap_or_default();
    let text = before_the_inside(text, rules);
    if text.contains("</") || text.trim_start().starts_with('<') {
        return String::new();
    }
    let vocabulary = &rules.vocabulary;
    let mut out = sentence(&masked(text, rules), vocabulary);
    if out.len() > FAULTSTRING_BYTES_MAX {
        out.truncate(out.floor_char_boundary(FAULTSTRING_BYTES_MAX - 3));
        out.push_str("...");
    }
    out
}

/// The whole sentences and lines in front of what only Ironic's inside explains: SQL with its parameters, a stack trace.
fn before_the_inside<'t>(text: &'t str, rules: &ScrubRules) -> &'t str {
    let Some(at) = rules.vocabulary.inside(text) else { return text };
    let head = text.get(..at).unwrap_or_default();
    let end = [". ", "! ", "? ", "\n"].iter().filter_map(|end| Some(head.rfind(end)? + 1)).max();
    head.get(..end.unwrap_or(0)).unwrap_or_default()
}

/// The text without what the shapes find.
fn masked(text: &str, rules: &ScrubRules) -> String {
    let mut spans = Vec::new();
    rules.shapes.find(text, &mut spans);
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for span in spans {
        out.push_str(text.get(from..span.start).unwrap_or_default());
        out.push_str(MASK);
        from = span.end;
    }
    out.push_str(text.get(from..).unwrap_or_default());
    out
}

/// What is known of Ironic's texts first, then word by word.
fn sentence(text: &str, vocabulary: &Vocabulary) -> String {
    if let Some((head, rest)) = text.split_once(PATCH)
        && let Some((patch, reason)) = rest.rsplit_once(PATCH_REASON)
    {
        let place = place_of_patch(patch, vocabulary);
        return format!(
            "{}Couldn't apply patch{place}. Reason: {}",
            ahead(head, vocabulary),
            sentence(reason, vocabulary)
        );
    }
    let (text, failed) = split_schema_dump(text, vocabulary);
    let parts: Vec<String> = text.split(". Possible root cause: ").map(|part| part_of(part, vocabulary)).collect();
    parts.join(". Possible root cause: ") + &failed
}

fn part_of(text: &str, vocabulary: &Vocabulary) -> String {
    if let Some((head, rest)) = text.split_once("Additional properties are not allowed (") {
        // The properties are keys of the request.
        return format!("{}Additional properties are not allowed ({}", ahead(head, vocabulary), keys(rest, vocabulary));
    }
    if let Some(property) = text.strip_suffix(" is a required property") {
        let (head, key) = property.split_once(": ").map_or(("", property), |(head, key)| (head, key));
        let head = if head.is_empty() { String::new() } else { words(head, vocabulary) + ": " };
        return format!("{head}{} is a required property", keys(key, vocabulary));
    }
    let found = SCHEMA_RULES.iter().filter_map(|rule| text.rfind(rule)).max();
    if let Some(at) = found {
        let (value, rule) = text.split_at(at);
        let head = value.split_once(": ").map_or("", |(head, _)| head);
        let known = ["Schema error", "Invalid "].iter().any(|known| head.starts_with(known));
        let head = if known { words(head, vocabulary) + ": " } else { String::new() };
        return format!("{head}{MASK} {}", words(rule, vocabulary));
    }
    if let Some((at, phrase)) = ANNOUNCED.iter().filter_map(|phrase| Some((text.find(phrase)?, phrase))).min() {
        let head = text.get(..at).unwrap_or_default();
        return format!("{}{}{MASK}", ahead(head, vocabulary), phrase.trim_start());
    }
    if let Some((head, _)) = text.split_once(": ")
        && head.starts_with("Expected ")
    {
        // `Expected UUID for node_uuid: …`
        return format!("{}: {MASK}", words(head, vocabulary));
    }
    words(text, vocabulary)
}

/// ` (replace /driver_info/x)` of a patch operation as Python writes it.
fn place_of_patch(patch: &str, vocabulary: &Vocabulary) -> String {
    let quoted = |key: &str| {
        let (_, rest) = patch.split_once(key)?;
        rest.split_once('\'').map(|(text, _)| text)
    };
    let op = quoted("'op': '").filter(|op| matches!(*op, "add" | "replace" | "remove"));
    let path = quoted("'path': '").filter(|path| vocabulary.quotable(path));
    match (op, path) {
        (Some(op), Some(path)) => format!(" ({op} {path})"),
        (Some(op), None) => format!(" ({op})"),
        (None, _) => String::new(),
    }
}

/// `… Failed validating 'type' in schema…: … On instance['a']['b']: …` without the schema and the instance.
fn split_schema_dump<'t>(text: &'t str, vocabulary: &Vocabulary) -> (&'t str, String) {
    let Some((text, dump)) = text.split_once("Failed validating ") else { return (text, String::new()) };
    let rule = dump.split('\'').nth(1).filter(|rule| vocabulary.quotable(rule));
    let place: String = dump
        .rsplit_once("On instance")
        .map(|(_, place)| place.split(":\n").next().unwrap_or_default())
        .map(|place| {
            place.split('[').skip(1).filter_map(|part| part.strip_suffix(']')).map(|key| key.trim_matches('\''))
        })
        .map(|keys| keys.map(|key| if is_key(key) { format!("/{key}") } else { format!("/{MASK}") }).collect())
        .unwrap_or_default();
    let rule = rule.map(|rule| format!(" Failed validating '{rule}'")).unwrap_or_default();
    let place = if place.is_empty() { String::new() } else { format!(" at {place}") };
    (text.trim_end(), format!("{rule}{place}"))
}

/// A key of a request or of the catalogue: an identifier, or an index.
fn is_key(key: &str) -> bool {
    (1..=64).contains(&key.len())
        && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

/// A text in which quoted identifiers are keys.
fn keys(text: &str, vocabulary: &Vocabulary) -> String {
    filtered(text, vocabulary, is_key)
}

/// What stands in front of something else.
fn ahead(text: &str, vocabulary: &Vocabulary) -> String {
    let head = words(text, vocabulary);
    if head.is_empty() { head } else { head + " " }
}

fn words(text: &str, vocabulary: &Vocabulary) -> String {
    filtered(text, vocabulary, |_| false)
}

/// Word by word: what is neither prose nor known becomes the mask. `quotable` says what else may be quoted.
fn filtered(text: &str, vocabulary: &Vocabulary, quotable: impl Fn(&str) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut before = String::new();
    while let Some(c) = rest.chars().next() {
        if c == '{' {
            rest = after_braces(rest);
            out.push_str(MASK);
            continue;
        }
        if c == '\'' || c == '"' {
            let (content, after) = quoted(rest, c);
            let named = RESOURCES.contains(&before.as_str()) && vocabulary.names(content);
            let kept = content == MASK || named || quotable(content) || vocabulary.quotable(content);
            out.push(c);
            out.push_str(if kept { content } else { MASK });
            out.push(c);
            rest = after;
            continue;
        }
        if c.is_whitespace() || c.is_control() {
            if !out.ends_with(' ') && !out.is_empty() {
                out.push(' ');
            }
            rest = rest.strip_prefix(c).unwrap_or_default();
            continue;
        }
        let end = rest.find(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '{' | '"'));
        let (word, after) = rest.split_at(end.unwrap_or(rest.len()));
        // A quote that opens inside a word, as in `['x'` or `name='x'`.
        let open = word.char_indices().skip(1).find(|(at, c)| {
            *c == '\'' && word.get(..*at).is_some_and(|head| head.ends_with(['[', '(', '=', ',', ':', '<']))
        });
        let (word, after) = match open {
            Some((at, _)) => rest.split_at(at),
            None => (word, after),
        };
        rest = after;
        before = word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
        let previous = out.trim_end().rsplit([' ', '(', '[']).next().unwrap_or_default().to_lowercase();
        push_word(word, RESOURCES.contains(&previous.as_str()), vocabulary, &mut out);
    }
    out.truncate(out.trim_end().len());
    out
}

/// One word with the signs around it.
fn push_word(word: &str, after_resource: bool, vocabulary: &Vocabulary, out: &mut String) {
    let core = word.trim_start_matches(['(', '[', '<']);
    let (open, _) = word.split_at(word.len() - core.len());
    let bare = core.trim_end_matches(['.', ',', ':', ';', '!', '?', ')', ']', '>', '(', '[', '=']);
    let (_, close) = core.split_at(bare.len());
    out.push_str(open);
    let class = vocabulary.is_class(bare);
    if class {
        out.push_str(MASK);
    } else if bare == MASK || vocabulary.speakable(bare) || (after_resource && vocabulary.names(bare)) {
        out.push_str(bare);
    } else if let Some((scheme, rest)) = bare.split_once("://") {
        push_url(scheme, rest, out);
    } else if let Some((key, value)) = bare.split_once('=')
        && vocabulary.speakable(key)
    {
        out.push_str(key);
        out.push('=');
        out.push_str(if vocabulary.quotable(value) { value } else { MASK });
    } else {
        out.push_str(MASK);
    }
    out.push_str(close);
}

/// A URL without its query; its user information is masked already.
fn push_url(scheme: &str, rest: &str, out: &mut String) {
    let path = rest.split(['?', '#', '\'', '"']).next().unwrap_or_default();
    let known = matches!(scheme, "http" | "https" | "file" | "tcp" | "glance" | "oci" | "ftp");
    if known && !path.contains(['@', '=', '%']) || path.starts_with(MASK) {
        out.push_str(scheme);
        out.push_str("://");
        out.push_str(path);
        if path.len() < rest.len() {
            out.push('?');
            out.push_str(MASK);
        }
    } else {
        out.push_str(MASK);
    }
}

/// What follows the braces that open here; nothing if they do not close.
fn after_braces(text: &str) -> &str {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return text.get(at + 1..).unwrap_or_default();
        }
    }
    ""
}

/// The content of the quotes that open here, and what follows. A quote closes where no letter or digit comes next; one
/// that never closes takes all.
fn quoted(text: &str, quote: char) -> (&str, &str) {
    let inner = text.strip_prefix(quote).unwrap_or_default();
    let close = inner.char_indices().find(|(at, c)| {
        *c == quote
            && inner.get(at + 1..).and_then(|rest| rest.chars().next()).is_none_or(|next| !next.is_alphanumeric())
    });
    match close {
        Some((at, _)) => (inner.get(..at).unwrap_or_default(), inner.get(at + 1..).unwrap_or_default()),
        None => (inner, ""),
    }
}
