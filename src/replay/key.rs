//! What two records must agree in to be decided alike.

use std::io::Write;

use crate::audit::read::{KeystoneLine, QueryValue, RecordLine, ValueLine};
use crate::history::Fate;
use crate::policy::FactSet;

/// Parts are closed by a byte that UTF-8 has not, so that no text can be taken for two.
const END: u8 = 0xff;
const ABSENT: u8 = 0xfe;

/// Appends all of `record` that policies reading `reads` can see.
pub(super) fn write(key: &mut Vec<u8>, record: &RecordLine, fate: Fate, reads: FactSet) {
    key.push(u8::from(fate == Fate::LetThrough));
    text(key, record.operation.as_deref().unwrap_or_default());
    if let Some(principal) = &record.principal {
        text(key, &principal.scheme);
        text(key, &principal.name);
        principal.roles.iter().for_each(|role| text(key, role));
        key.push(END);
        if let Some(facts) = &principal.keystone {
            keystone(key, facts);
        }
    }
    key.push(END);
    if ["resource", "resource.id", "context.parameters"].iter().any(|fact| reads.has(fact)) {
        optional(key, record.resource.as_ref().and_then(|resource| resource.id.as_deref()));
        for (name, value) in &record.parameters {
            text(key, name);
            text(key, value);
        }
        key.push(END);
    }
    if reads.has("context.microversion") {
        optional(key, record.microversion.as_deref());
    }
    if reads.has("context.listener") {
        text(key, &record.listener);
    }
    if reads.has("context.source") {
        shown(key, &record.source);
    }
    if reads.has("context.now") {
        shown(key, &record.time);
    }
    record.query.iter().for_each(|name| text(key, name));
    key.push(END);
    for (name, value) in &record.query_values {
        text(key, name);
        match value {
            QueryValue::Text(value) => text(key, value),
            QueryValue::List(values) => values.iter().for_each(|value| text(key, value)),
        }
        key.push(END);
    }
    key.push(END);
    key.push(u8::from(record.writes_more > 0));
    for write in &record.writes {
        text(key, &write.op);
        text(key, &write.path);
        optional(key, write.step.as_deref());
        optional(key, write.argument.as_deref());
        key.push(u8::from(write.secret) | u8::from(write.cut) << 1);
        match &write.value {
            Some(facts) => value(key, facts),
            None => key.push(ABSENT),
        }
    }
}

fn keystone(key: &mut Vec<u8>, facts: &KeystoneLine) {
    text(key, &facts.user_domain_id);
    text(key, &facts.scope);
    for id in [&facts.project_id, &facts.project_domain_id, &facts.domain_id] {
        optional(key, id.as_deref());
    }
    facts.roles.iter().for_each(|role| text(key, role));
    key.push(END);
}

fn value(key: &mut Vec<u8>, facts: &ValueLine) {
    text(key, &facts.kind);
    shown(key, &facts.length);
    shown(key, &facts.boolean);
    shown(key, &facts.integer);
    optional(key, facts.string.as_deref());
    optional(key, facts.spelling.as_deref());
    facts.places.iter().for_each(|place| text(key, place));
    key.push(END);
    if let Some(url) = &facts.url {
        key.push(u8::from(url.plain) | u8::from(url.userinfo) << 1);
        optional(key, url.scheme.as_deref());
        optional(key, url.host.as_deref());
        shown(key, &url.port);
    }
    key.push(END);
}

fn text(key: &mut Vec<u8>, text: &str) {
    key.extend_from_slice(text.as_bytes());
    key.push(END);
}

fn optional(key: &mut Vec<u8>, content: Option<&str>) {
    match content {
        Some(content) => text(key, content),
        None => key.push(ABSENT),
    }
}

fn shown(key: &mut Vec<u8>, content: &impl std::fmt::Debug) {
    // Writing to a Vec cannot fail.
    let _ = write!(key, "{content:?}");
    key.push(END);
}
