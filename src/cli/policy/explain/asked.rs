//! What `policy explain` is asked about: from the command line, a file, or a record.

use std::path::Path;
use std::sync::Arc;

use http::request::Parts;
use serde_json::Value;

use super::{Explain, curl};
use crate::audit::read::RecordLine;
use crate::authenticate::{Principal, SchemeName};
use crate::call::WriteOp;
use crate::catalog::{Operation, Parameter, ResourceType, Segment, catalog};
use crate::history;
use crate::json::Pointer;
use crate::microversion;
use crate::policy::{ObjectFacts, PolicySource};
use crate::replay::{Decided, Replay};

/// What is asked about, and by whom.
pub(super) struct Asked {
    pub(super) head: Parts,
    pub(super) body: Option<Vec<u8>>,
    pub(super) principal: Principal,
    /// Of a record: the places that were written, whose values are not known.
    pub(super) recorded: Vec<(WriteOp, Pointer)>,
    pub(super) notes: Vec<String>,
    /// What is known of a recorded request's decision; nothing of a request that is whole.
    pub(super) verdict: Option<&'static str>,
}

/// A request from the command line or from a file.
pub(super) fn written(arguments: &Explain) -> Result<Asked, String> {
    let roles = &arguments.roles;
    let scoped = arguments.project.is_some() || arguments.system;
    let scheme = if scoped { SchemeName::Keystone } else { arguments.scheme.name() };
    let project = arguments.project.as_deref();
    let principal = Principal::supposed_within(scheme, &arguments.name, roles, project, arguments.system);
    let microversion = arguments.microversion.as_deref();
    let (head, body) = match (&arguments.request, &arguments.curl) {
        (Some(file), _) => whole_request(&read(file)?, microversion)?,
        (None, Some(line)) => {
            let line = curl::Line::parse(line, read)?;
            let headers = line.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            (head_of(&line.method, &line.target, microversion, headers)?, line.body)
        }
        (None, None) => {
            let path = arguments.path.as_deref().unwrap_or_default();
            let target = match &arguments.query {
                Some(query) => format!("{path}?{query}"),
                None => path.to_owned(),
            };
            let body = arguments.body.as_deref().map(read).transpose()?;
            (head(&arguments.method, &target, Some(microversion.unwrap_or("latest")))?, body)
        }
    };
    Ok(Asked { head, body, principal, recorded: Vec::new(), notes: Vec::new(), verdict: None })
}

pub(super) fn read(file: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(file).map_err(|error| format!("{} cannot be read: {error}", file.display()))
}

/// Without a microversion it is a request without that header.
fn head(method: &str, target: &str, microversion: Option<&str>) -> Result<Parts, String> {
    head_of(method, target, microversion, std::iter::empty())
}

/// Of the headers, `Accept` counts, and those that tell the microversion, unless it is given beside them.
fn head_of<'a>(
    method: &str,
    target: &str,
    microversion: Option<&str>,
    headers: impl Iterator<Item = (&'a str, &'a str)>,
) -> Result<Parts, String> {
    let mut request = http::Request::builder().method(method).uri(target);
    let mut read = vec![http::header::ACCEPT];
    match microversion {
        Some(microversion) => request = request.header(microversion::HEADER, microversion),
        None => read.extend([microversion::HEADER, microversion::SHARED_HEADER]),
    }
    for (name, value) in headers {
        if read.iter().any(|known| name.eq_ignore_ascii_case(known.as_str())) {
            request = request.header(name, value);
        }
    }
    let request = request.body(()).map_err(|error| format!("this is no request: {error}"))?;
    Ok(request.into_parts().0)
}

/// `METHOD target`, headers, an empty line, the body. Lines may end with LF alone.
fn whole_request(bytes: &[u8], microversion: Option<&str>) -> Result<(Parts, Option<Vec<u8>>), String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "the request is not UTF-8 text".to_owned())?;
    let text = text.replace("\r\n", "\n");
    let (top, body) = text.split_once("\n\n").unwrap_or((&text, ""));
    let mut lines = top.lines();
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (Some(method), Some(target)) = (words.next(), words.next()) else {
        return Err("a request begins with its method and target: GET /v1/nodes HTTP/1.1".to_owned());
    };
    let headers = lines.filter_map(|line| line.split_once(':')).map(|(name, value)| (name.trim(), value.trim()));
    let body = body.trim_end_matches('\n');
    let body = (!body.is_empty()).then(|| body.as_bytes().to_vec());
    Ok((head_of(method, target, microversion, headers)?, body))
}

/// What a record tells of its request, and what these policies make of that.
pub(super) fn recorded(arguments: &Explain, file: &Path, sources: &[PolicySource]) -> Result<Asked, String> {
    let id = arguments.request_id.as_deref().unwrap_or_default();
    let text = String::from_utf8_lossy(&read(file)?).into_owned();
    let lines = text.lines().filter(|line| line.contains(id));
    let (line, record) = lines
        .filter_map(|line| Some((line, serde_json::from_str(line).ok()?)))
        .find(|(_, record): &(&str, Value)| record.get("request_id").and_then(Value::as_str) == Some(id))
        .ok_or_else(|| format!("{} has no record of this request id", file.display()))?;
    let mut told = RecordLine::parse(line.as_bytes()).map_err(|error| format!("{}: {error}", file.display()))?;
    let word = |pointer: &str| record.pointer(pointer).and_then(Value::as_str);
    let operation = word("/operation").ok_or("the request was none of Ironic's API: no policy was asked")?;
    let operation = catalog().operation(operation).ok_or("the record's operation is not in the catalogue")?;
    let scheme = match word("/principal/scheme") {
        Some("basic") => SchemeName::Basic,
        Some("keystone") => SchemeName::Keystone,
        Some("jwt") => SchemeName::Jwt,
        Some("certificate") => SchemeName::Certificate,
        Some(_) | None => SchemeName::Anonymous,
    };
    let strings = |pointer: &str| {
        let list = record.pointer(pointer).and_then(Value::as_array).into_iter().flatten();
        list.filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>()
    };
    let roles = if arguments.roles.is_empty() { strings("/principal/roles") } else { arguments.roles.clone() };
    let writes = record.pointer("/writes").and_then(Value::as_array).into_iter().flatten();
    let recorded = writes.filter_map(|write| {
        let op = match write.get("op")?.as_str()? {
            "add" => WriteOp::Add,
            "replace" => WriteOp::Replace,
            "remove" => WriteOp::Remove,
            _ => return None,
        };
        Some((op, Pointer::parse(write.get("path")?.as_str()?).ok()?))
    });
    let mut notes = Vec::new();
    if let Some(revision) = word("/revision") {
        notes.push(format!("recorded: {} under revision {revision}", word("/decision").unwrap_or("none")));
    }
    if let Some(principal) = &mut told.principal {
        principal.roles.clone_from(&roles);
    }
    let verdict = decided(arguments, &told, sources, &mut notes)?;
    notes.push("below, what the record does not hold (most values) is taken to be absent".to_owned());
    let target = target_of(operation, word("/resource/id"), &told);
    let microversion = Some(word("/microversion").unwrap_or("latest"));
    let head = head(operation.method.as_str(), &target, microversion)?;
    Ok(Asked {
        head,
        body: None,
        principal: Principal::supposed(scheme, word("/principal/name").unwrap_or_default(), &roles),
        recorded: recorded.collect(),
        notes,
        verdict,
    })
}

/// The decision that follows from the record, as `policy replay` has it, and a note on how. `None`: what the record does not
/// hold was given beside it, or the record says nothing about rights.
fn decided(
    arguments: &Explain,
    record: &RecordLine,
    sources: &[PolicySource],
    notes: &mut Vec<String>,
) -> Result<Option<&'static str>, String> {
    let mut replay = Replay::new(sources, false).map_err(|_| "the policies cannot be loaded".to_owned())?;
    let by = |rules: &str| if rules.is_empty() { String::new() } else { format!(" by {rules}") };
    let (verdict, note) = match replay.decide(record) {
        Ok((_, Decided::Permit { rules })) => (Some("permit"), format!("the record says: permit{}", by(&rules))),
        Ok((_, Decided::Deny { rules, reason, path })) => {
            let place = if path.is_empty() { String::new() } else { format!(" of {path}") };
            (Some("deny"), format!("the record says: deny{place} ({reason}){}", by(&rules)))
        }
        Ok((_, Decided::Unknown { rules, missing })) => {
            let given = |fact: &str| {
                (fact.starts_with("resource") && arguments.resource.is_some())
                    || (fact.contains("target") && arguments.target.is_some())
            };
            let known = missing.split(", ").all(given);
            let note = format!("unknown from the record alone: it hangs on {missing}, read{}", by(&rules));
            ((!known).then_some("unknown"), note)
        }
        Err(aside) => (None, format!("no decision follows from the record: {}", aside.as_str())),
    };
    notes.push(note);
    Ok(verdict)
}

/// A path of the operation, and the values of the query that are recorded; what the record does not tell and has to be
/// there gets a stand-in.
fn target_of(operation: &Operation, identifier: Option<&str>, record: &RecordLine) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for field in &operation.query {
        match record.query_values.get(&field.name) {
            Some(value) => drop(query.append_pair(&field.name, &history::text(value))),
            None if field.required => drop(query.append_pair(&field.name, "unknown")),
            None => {}
        }
    }
    let (path, query) = (path_of(operation, identifier, record), query.finish());
    if query.is_empty() { path } else { format!("{path}?{query}") }
}

fn path_of(operation: &Operation, identifier: Option<&str>, record: &RecordLine) -> String {
    let parts = operation.template.iter().map(|segment| match segment {
        Segment::Literal(text) => format!("/{text}"),
        Segment::Parameter(name, _) if operation.resource_parameter.as_ref() == Some(name) => {
            format!("/{}", identifier.unwrap_or("unknown"))
        }
        Segment::Parameter(name, _) if record.parameters.contains_key(name) => {
            format!("/{}", record.parameters.get(name).map_or("unknown", String::as_str))
        }
        Segment::Parameter(_, kind) => match kind {
            Parameter::Uuid => "/00000000-0000-0000-0000-000000000000".to_owned(),
            Parameter::Trait => "/CUSTOM_UNKNOWN".to_owned(),
            Parameter::Indicator => "/unknown@unknown".to_owned(),
            Parameter::UuidOrName | Parameter::Text | Parameter::Host | Parameter::DeviceTypes => "/unknown".to_owned(),
        },
    });
    let path: String = parts.collect();
    if path.is_empty() { "/".to_owned() } else { path }
}

pub(super) fn object(file: &Path, kind: ResourceType) -> Result<ObjectFacts, String> {
    let value: Value = serde_json::from_slice(&read(file)?).map_err(|error| format!("{}: {error}", file.display()))?;
    let facts = if kind == ResourceType::Node {
        ObjectFacts::node(&value)
    } else {
        let node = value.get("node").map(|node| ObjectFacts::node(node).map(Arc::new));
        match node {
            Some(None) => None,
            Some(node) => ObjectFacts::of_node(&value, node),
            None => ObjectFacts::of_node(&value, None),
        }
    };
    facts
        .ok_or_else(|| format!("{} is no object of Ironic: it has no uuid, or a field of another type", file.display()))
}
