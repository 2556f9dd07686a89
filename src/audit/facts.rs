//! What a record keeps of a request's query and writes: enough to decide again, nothing that the caller wrote but names,
//! and places.
//!
//! INVARIANT: a text in a value comes from the catalogue or from [`super::words`], which are part of the program. The host
//! of a plain URL is the one exception.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::LazyLock;

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::words;
use crate::call::{Route, Write};
use crate::catalog::{Field, Kind, Operation, catalog};
use crate::json::{Json, Pointer};
use crate::policy::{Places, UrlOrigin, value_facts};

/// Written fields named in one record; more are counted.
pub(super) const WRITES_MAX: usize = 100;
/// A longer path of a write, or name of a step or argument, is cut, and marked. In bytes.
pub(super) const NAME_BYTES_MAX: usize = 512;
/// Words of one list in the query; a list with more is withheld.
const LIST_MAX: usize = 200;
/// Bytes of all paths, steps and arguments in one record; writes beyond it are counted as more.
const WRITES_BYTES_MAX: usize = 16 * 1024;

/// The values of the query that may be told.
#[derive(Debug, Default)]
pub(super) struct QueryValues(Vec<(&'static str, QueryValue)>);

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum QueryValue {
    Word(&'static str),
    Number(String),
    Words(Vec<&'static str>),
}

/// One write.
#[derive(Debug, Serialize)]
pub(super) struct WriteLine {
    op: &'static str,
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    argument: Option<String>,
    #[serde(skip_serializing_if = "is_false")]
    secret: bool,
    #[serde(skip_serializing_if = "is_false")]
    cut: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<ValueLine>,
}

#[derive(Debug, Default, Serialize)]
struct ValueLine {
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    length: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    boolean: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    integer: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    string: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    spelling: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    places: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<UrlLine>,
}

#[derive(Debug, Serialize)]
struct UrlLine {
    plain: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    scheme: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
    userinfo: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

impl QueryValues {
    /// As it stood in the query.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| match value {
            QueryValue::Word(word) => (*word).to_owned(),
            QueryValue::Number(number) => number.clone(),
            QueryValue::Words(words) => words.join(","),
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for QueryValues {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// The names of the query's parameters, as the catalogue has them, and those values that may be told.
pub(super) fn query(route: &Route<'_>) -> (Vec<&'static str>, QueryValues) {
    let fields = &route.operation().query;
    let known =
        || route.query().filter_map(|(name, text)| Some((fields.iter().find(|field| field.name == name)?, text)));
    let values = known().filter_map(|(field, text)| Some((field.name.as_str(), query_value(field, text)?)));
    let values = QueryValues(values.collect());
    (known().map(|(field, _)| field.name.as_str()).collect(), values)
}

fn query_value(field: &'static Field, text: &str) -> Option<QueryValue> {
    if field.secret {
        return None;
    }
    let of_catalogue = || field.values.iter().map(|value| value.value.as_str()).find(|known| *known == text);
    match field.kind {
        Kind::Enum => of_catalogue().map(QueryValue::Word),
        Kind::Boolean | Kind::StrictBoolean => words::word(BOOLEANS, text).map(QueryValue::Word),
        Kind::Integer | Kind::StrictInteger => text
            .parse::<u32>()
            .ok()
            .map(|number| number.to_string())
            .filter(|told| told == text)
            .map(QueryValue::Number),
        Kind::StringList if field.name == "fields" => answer_fields(text).map(QueryValue::Words),
        Kind::String if field.name == "sort_key" => answer_field(text).map(QueryValue::Word),
        Kind::String | Kind::Name => words::word(words::of_query(&field.name), text).map(QueryValue::Word),
        Kind::Any
        | Kind::Uuid
        | Kind::UuidOrName
        | Kind::Mac
        | Kind::Trait
        | Kind::StringOrObject
        | Kind::StringOrBoolean
        | Kind::Object
        | Kind::ArrayOrObject
        | Kind::Map
        | Kind::Array
        | Kind::Steps
        | Kind::StringList
        | Kind::HostPort => None,
    }
}

/// How Ironic's clients write booleans in a query.
const BOOLEANS: &[&str] = &["true", "True", "TRUE", "false", "False", "FALSE", "1", "0", "yes", "no", "on", "off"];

/// Every field that an answer of the catalogue has.
static ANSWER_FIELDS: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
    catalog().objects().iter().flat_map(|object| &object.fields).map(|field| field.name.as_str()).collect()
});

fn answer_field(text: &str) -> Option<&'static str> {
    ANSWER_FIELDS.get(text).copied()
}

fn answer_fields(text: &str) -> Option<Vec<&'static str>> {
    let words: Option<Vec<_>> = text.split(',').take(LIST_MAX + 1).map(answer_field).collect();
    words.filter(|words| words.len() <= LIST_MAX)
}

/// What is kept of the writes, and how many are not.
pub(super) fn writes(operation: &'static Operation, writes: &[Write<'_>], places: &Places) -> (Vec<WriteLine>, usize) {
    let mut room = WRITES_BYTES_MAX;
    let mut lines = Vec::with_capacity(writes.len().min(WRITES_MAX));
    for write in writes.iter().take(WRITES_MAX) {
        let line = write_line(operation, write, places);
        let size =
            line.path.len() + line.step.as_ref().map_or(0, String::len) + line.argument.as_ref().map_or(0, String::len);
        let Some(left) = room.checked_sub(size) else { break };
        room = left;
        lines.push(line);
    }
    let more = writes.len().saturating_sub(lines.len());
    (lines, more)
}

fn write_line(operation: &'static Operation, write: &Write<'_>, places: &Places) -> WriteLine {
    let mut is_cut = false;
    let mut bounded = |text: &str| {
        let short = text.get(..text.floor_char_boundary(NAME_BYTES_MAX)).unwrap_or_default();
        is_cut |= short.len() != text.len();
        short.to_owned()
    };
    let path = bounded(write.path.as_str());
    let step = write.step.as_ref().map(|step| bounded(&format!("{}.{}", step.interface, step.step)));
    let argument = write.step.as_ref().and_then(|step| step.argument.as_deref()).map(&mut bounded);
    let value = write.value.map(|value| value_line(operation, write, value, places));
    WriteLine { op: write.op.as_str(), path, step, argument, secret: write.secret, cut: is_cut, value }
}

fn value_line(operation: &'static Operation, write: &Write<'_>, value: &Json<'_>, places: &Places) -> ValueLine {
    let kind = value.kind();
    if write.secret {
        return ValueLine { kind, ..ValueLine::default() };
    }
    let facts = value_facts(value, places);
    let field = operation.written_field(&write.path).filter(|field| !field.secret);
    let has_length = matches!(value, Json::String(_) | Json::Array(_) | Json::Object(_));
    ValueLine {
        kind,
        length: has_length.then_some(facts.length),
        boolean: facts.boolean,
        integer: facts
            .integer
            .filter(|_| field.is_some_and(|field| matches!(field.kind, Kind::Integer | Kind::StrictInteger))),
        string: value.as_str().filter(|_| facts.shown).and_then(|text| known_word(field, &write.path, text)),
        spelling: facts.spelling,
        places: facts.places.into_iter().map(str::to_owned).collect(),
        url: facts.url.map(UrlLine::from),
    }
}

/// The program's own word that the text is; the empty text says nothing and is told.
fn known_word(field: Option<&'static Field>, path: &Pointer, text: &str) -> Option<&'static str> {
    if text.is_empty() {
        return Some("");
    }
    let listed =
        field.filter(|field| field.kind == Kind::Enum).map(|field| field.values.as_slice()).unwrap_or_default();
    let of_catalogue = || listed.iter().map(|value| value.value.as_str()).find(|known| *known == text);
    let of_list = || path.segments().last().and_then(|key| words::word(words::of_field(&key), text));
    of_catalogue().or_else(of_list)
}

impl From<UrlOrigin> for UrlLine {
    fn from(origin: UrlOrigin) -> Self {
        let UrlOrigin { plain, scheme, host, port, userinfo } = origin;
        let address = host.as_deref().and_then(|host| host.parse().ok());
        Self { plain, scheme, host, address, port, userinfo }
    }
}

#[cfg(test)]
mod tests;
