//! Cases for `irongate policy test`, made from records: what the caller did, and what it never did.
//!
//! A record holds no values, so a case's values are made up from what the catalogue says of their place. Whoever writes
//! the cases runs them first and leaves out those that irongate would not take as valid requests.

use serde_json::{Map, Value, json};

use super::{Learned, Subject};
use crate::audit::read::{RecordLine, ValueLine, WriteLine};
use crate::authenticate::SchemeName;
use crate::catalog::{BodyKind, Field, Kind, Operation, Parameter, Segment, catalog};
use crate::history;
use crate::json::Pointer;

const UUID: &str = "1be26c0b-03f2-4d2e-ae87-c02d7f33c123";
const MAC: &str = "52:54:00:12:34:56";

/// A case that may be written.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// What it shows.
    pub name: String,
    /// `GET /v1/nodes?limit=1`.
    pub request: String,
    /// `1.N`; the highest if `None`.
    pub microversion: Option<String>,
    /// The body.
    pub body: Option<Value>,
    /// Whether it is to be permitted, or denied because no policy permits it.
    pub permit: bool,
}

/// What the caller did, one case a kind of request; then what it never did.
pub fn candidates(learned: &Learned<'_>) -> Vec<Candidate> {
    let mut cases = Vec::new();
    for used in learned.used.operations.values() {
        for record in &used.samples {
            cases.push(Candidate {
                name: format!("used: {}", used.operation.id),
                request: request(used.operation, Some(record)),
                microversion: record.microversion.clone(),
                body: body(used.operation, &record.writes),
                permit: true,
            });
        }
    }
    for operation in catalog().operations() {
        if !learned.used.operations.contains_key(operation.id.as_str()) {
            let request = request(operation, None);
            cases.push(Candidate {
                name: "never used".to_owned(),
                request,
                microversion: None,
                body: None,
                permit: false,
            });
        }
    }
    if let Some(update) = learned.used.operations.get("node:update") {
        let path = "/driver_info/never_written";
        if !update.places.keys().any(|key| key.place == super::places::Place::Below("/driver_info".to_owned())) {
            cases.push(Candidate {
                name: "never written".to_owned(),
                request: request(update.operation, None),
                microversion: None,
                body: Some(json!([{"op": "add", "path": path, "value": "x"}])),
                permit: false,
            });
        }
    }
    cases
}

/// The file of these cases.
pub fn render(learned: &Learned<'_>, cases: &[Candidate]) -> String {
    let who = match &learned.subject {
        Subject::Role(role) => json!({"roles": [role], "user": "somebody", "scheme": "basic"}),
        Subject::Caller { scheme: SchemeName::Anonymous, .. } => json!({"scheme": "anonymous"}),
        Subject::Caller { scheme, name } => json!({"user": name, "scheme": scheme.as_str(), "roles": []}),
    };
    let mut text = format!(
        "# Made with the policy beside it: what was used is permitted, what was not is denied.\ndefaults: {who}\n\ncases:\n"
    );
    let mut position = 0;
    while let Some(case) = cases.get(position) {
        // Requests without a body and with the same expectation stand together.
        let alike = cases.iter().skip(position).take_while(|other| {
            (&other.name, other.permit, &other.microversion) == (&case.name, case.permit, &case.microversion)
                && other.body.is_none()
                && case.body.is_none()
        });
        let alike: Vec<&Candidate> = alike.collect();
        text.push_str(&format!("  - name: {}\n", json!(case.name)));
        match alike.as_slice() {
            [] | [_] => text.push_str(&format!("    request: {}\n", json!(case.request))),
            several => {
                text.push_str("    requests:\n");
                several.iter().for_each(|case| text.push_str(&format!("      - {}\n", json!(case.request))));
            }
        }
        if let Some(microversion) = &case.microversion {
            text.push_str(&format!("    microversion: {}\n", json!(microversion)));
        }
        if let Some(body) = &case.body {
            text.push_str(&format!("    body: {body}\n"));
        }
        text.push_str(if case.permit { "    expect: permit\n" } else { "    expect: deny\n    reason: no_permit\n" });
        position += alike.len().max(1);
    }
    text
}

fn request(operation: &Operation, record: Option<&RecordLine>) -> String {
    let mut target: String = operation
        .template
        .iter()
        .map(|segment| match segment {
            Segment::Literal(text) => format!("/{text}"),
            Segment::Parameter(name, kind) => format!("/{}", parameter(name, *kind, record)),
        })
        .collect();
    if target.is_empty() {
        target.push('/');
    }
    let names: Vec<&String> = match record {
        Some(record) => record.query.iter().collect(),
        None => operation.query.iter().filter(|field| field.required).map(|field| &field.name).collect(),
    };
    for (index, name) in names.into_iter().enumerate() {
        let recorded = record.and_then(|record| record.query_values.get(name)).map(history::text);
        let value = recorded.unwrap_or_else(|| query_value(operation, name));
        target.push_str(&format!("{}{}={}", if index == 0 { '?' } else { '&' }, encoded(name), encoded(&value)));
    }
    format!("{} {target}", operation.method.as_str())
}

fn parameter(name: &str, kind: Parameter, record: Option<&RecordLine>) -> String {
    let known = record.and_then(|record| {
        let own = record.resource.as_ref().and_then(|resource| resource.id.as_ref());
        record.parameters.get(name).or(own)
    });
    let plain =
        |text: &&String| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'));
    let known = known.filter(plain).cloned();
    match kind {
        Parameter::UuidOrName | Parameter::Uuid => UUID.to_owned(),
        Parameter::Trait => known.unwrap_or_else(|| "CUSTOM_TRAIT".to_owned()),
        Parameter::Text => known.unwrap_or_else(|| "some".to_owned()),
        Parameter::Host => known.unwrap_or_else(|| "some.example".to_owned()),
        Parameter::Indicator => "led@chassis".to_owned(),
        Parameter::DeviceTypes => "cdrom".to_owned(),
    }
}

fn query_value(operation: &Operation, name: &str) -> String {
    let field = operation.query.iter().find(|field| field.name == name);
    match field.map(|field| field.kind) {
        Some(Kind::Uuid | Kind::UuidOrName) => UUID.to_owned(),
        Some(Kind::Mac) => MAC.to_owned(),
        Some(Kind::Integer) => "1".to_owned(),
        Some(Kind::Boolean | Kind::StrictBoolean) => "true".to_owned(),
        Some(Kind::Enum) => field.and_then(|field| field.values.first()).map_or("x", |value| &value.value).to_owned(),
        Some(Kind::HostPort) => "192.0.2.1".to_owned(),
        _ => "x".to_owned(),
    }
}

fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'~');
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// A body with these writes; `None` where there are none.
fn body(operation: &Operation, writes: &[WriteLine]) -> Option<Value> {
    if writes.is_empty() {
        return None;
    }
    if let BodyKind::Patch(_) = operation.body {
        let steps = writes.iter().map(|write| match write.op.as_str() {
            "remove" => json!({"op": "remove", "path": write.path}),
            op => json!({"op": op, "path": write.path, "value": value(operation, write)}),
        });
        return Some(steps.collect());
    }
    let mut body = Value::Object(Map::new());
    for write in writes {
        set(&mut body, &write.path, value(operation, write));
    }
    Some(body)
}

/// Puts a value at its place; what is on the way is made: a list where the place is an index.
fn set(root: &mut Value, path: &str, value: Value) {
    let Ok(pointer) = Pointer::parse(path) else { return };
    let segments: Vec<String> = pointer.segments().map(std::borrow::Cow::into_owned).collect();
    let mut place = root;
    for segment in &segments {
        let index: Option<usize> = segment.parse().ok().filter(|index| *index < 1000);
        if place.is_null() || place.as_object().is_some_and(|members| members.is_empty() && index.is_some()) {
            *place = if index.is_some() { Value::Array(Vec::new()) } else { Value::Object(Map::new()) };
        }
        place = match (place, index) {
            (Value::Array(items), Some(index)) => {
                while items.len() <= index {
                    items.push(Value::Null);
                }
                match items.get_mut(index) {
                    Some(item) => item,
                    None => return,
                }
            }
            (Value::Object(members), _) => members.entry(segment.clone()).or_insert(Value::Null),
            _ => return,
        };
    }
    // A step was put there before its arguments, and a container before what is in it.
    if place.is_null() || !value.is_null() {
        *place = value;
    }
}

fn value(operation: &Operation, write: &WriteLine) -> Value {
    let default = ValueLine::default();
    let recorded = write.value.as_ref().unwrap_or(&default);
    if let (Some((interface, step)), None, "object") =
        (write.step.as_deref().and_then(|step| step.split_once('.')), &write.argument, recorded.kind.as_str())
    {
        let is_step = write.path.rsplit('/').next().is_some_and(|key| key == "-" || key.parse::<u32>().is_ok());
        if is_step && interface == "inspection_rule" {
            return json!({"op": step});
        }
        if is_step {
            return json!({"interface": interface, "step": step});
        }
    }
    let path = Pointer::parse(&write.path).ok();
    let field = path.and_then(|path| operation.written_field(&path));
    match recorded.kind.as_str() {
        "null" => Value::Null,
        "boolean" => json!(recorded.boolean.unwrap_or(true)),
        "integer" => json!(recorded.integer.or(field.and_then(|field| field.min)).unwrap_or(1)),
        "number" => json!(1.5),
        "array" => json!([]),
        "object" => json!({}),
        _ => json!(recorded.string.clone().unwrap_or_else(|| string(field, recorded))),
    }
}

fn string(field: Option<&Field>, recorded: &ValueLine) -> String {
    match field.map(|field| field.kind) {
        Some(Kind::Uuid | Kind::UuidOrName) => UUID.to_owned(),
        Some(Kind::Mac) => MAC.to_owned(),
        Some(Kind::Trait) => "CUSTOM_TRAIT".to_owned(),
        Some(Kind::Enum) => field.and_then(|field| field.values.first()).map_or("x", |value| &value.value).to_owned(),
        Some(Kind::Integer) => "1".to_owned(),
        _ if recorded.boolean.is_some() => recorded.boolean.unwrap_or_default().to_string(),
        _ => "example".to_owned(),
    }
}
