//! `irongate policy explain`: why a request is permitted or denied.

mod curl;

use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use http::request::Parts;
use serde_json::Value;

use super::{FINDINGS, Format, USAGE, complain, load, print, say, sources};
use crate::authenticate::{Principal, SchemeName};
use crate::call::{Route, Write, WriteOp};
use crate::catalog::{Operation, Parameter, ResourceType, Segment, catalog};
use crate::json::Pointer;
use crate::lookup::{self, Move, Moves};
use crate::microversion::{self, Ceiling};
use crate::policy::{
    AccessRequest, Circumstances, Decision, Explanation, ObjectFacts, Objects, Outcome, Places, PolicyEngine, explain,
};
use crate::{route, validate};

#[derive(Debug, Args)]
pub(super) struct Explain {
    /// The configuration whose policies are asked.
    #[arg(long, value_name = "FILE", env = "IRONGATE_CONFIG", required_unless_present = "policies")]
    config: Option<PathBuf>,
    /// Directories with *.cedar files, or single files, instead.
    #[arg(long, value_name = "PATH", num_args = 1..)]
    policies: Vec<PathBuf>,
    /// The request's method.
    #[arg(long, default_value = "GET")]
    method: String,
    /// The request's path; the query may stand in it.
    #[arg(long, required_unless_present_any = ["request", "record", "curl"])]
    path: Option<String>,
    /// The request's query.
    #[arg(long)]
    query: Option<String>,
    /// A file with the request's body.
    #[arg(long, value_name = "FILE")]
    body: Option<PathBuf>,
    /// The microversion; `latest`, if neither this nor the request says one.
    #[arg(long, value_name = "1.N")]
    microversion: Option<String>,
    /// The request as a line for curl: its method, URL, headers with the microversion, and body. Nothing is sent; who asks
    /// is said with --role, --scheme and --name.
    #[arg(long, value_name = "LINE", conflicts_with_all = ["path", "request", "record", "body", "query"])]
    curl: Option<String>,
    /// A file with a whole request as HTTP/1.1 has it, instead of method, path, query and body.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["path", "record"])]
    request: Option<PathBuf>,
    /// An audit file; with --request-id. Records hold no values: conditions on values and on the query are answered as
    /// if these were absent.
    #[arg(long, value_name = "FILE", requires = "request_id", conflicts_with = "path")]
    record: Option<PathBuf>,
    /// The request id of a record.
    #[arg(long, value_name = "req-UUID")]
    request_id: Option<String>,
    /// A role of the caller; repeat it for several.
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,
    /// How the caller was authenticated.
    #[arg(long, value_enum, default_value = "basic")]
    scheme: Scheme,
    /// The caller's name within the scheme.
    #[arg(long, default_value = "somebody")]
    name: String,
    /// The id of the project that the caller's Keystone token is scoped to.
    #[arg(long, value_name = "ID")]
    project: Option<String>,
    /// The caller's Keystone token has system scope.
    #[arg(long, conflicts_with = "project")]
    system: bool,
    /// The caller's address.
    #[arg(long, value_name = "ADDRESS")]
    source: Option<IpAddr>,
    /// The listener's name.
    #[arg(long, default_value = "public")]
    listener: String,
    /// A file with the object as Ironic shows it (JSON); what belongs to a node has that under `node`.
    #[arg(long, value_name = "FILE")]
    resource: Option<PathBuf>,
    /// A file with the node that the writes name as their target, as Ironic shows it (JSON).
    #[arg(long, value_name = "FILE")]
    target: Option<PathBuf>,
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Scheme {
    Anonymous,
    Basic,
    Keystone,
    Jwt,
    Certificate,
}

impl Scheme {
    const fn name(self) -> SchemeName {
        match self {
            Self::Anonymous => SchemeName::Anonymous,
            Self::Basic => SchemeName::Basic,
            Self::Keystone => SchemeName::Keystone,
            Self::Jwt => SchemeName::Jwt,
            Self::Certificate => SchemeName::Certificate,
        }
    }
}

/// What is asked about, and by whom.
struct Asked {
    head: Parts,
    body: Option<Vec<u8>>,
    principal: Principal,
    /// Of a record: the places that were written, whose values are not known.
    recorded: Vec<(WriteOp, Pointer)>,
    notes: Vec<String>,
}

pub(super) fn run(arguments: &Explain) -> ExitCode {
    let loaded = match (&arguments.config, arguments.policies.is_empty()) {
        (_, false) => sources(&arguments.policies).map(|sources| (sources, Arc::default())),
        (Some(file), true) => load(file).map(|config| (config.policies, config.places)),
        (None, true) => return complain(&[]),
    };
    let (sources, places) = match loaded {
        Ok(loaded) => loaded,
        Err(code) => return code,
    };
    let engine = match PolicyEngine::load(&sources) {
        Ok(engine) => engine,
        Err(findings) => {
            findings.iter().for_each(|finding| say(&finding.to_string()));
            return ExitCode::from(USAGE);
        }
    };
    match answer(arguments, &engine, places) {
        Ok((text, true)) => print(&text),
        Ok((text, false)) => {
            print(&text);
            ExitCode::from(FINDINGS)
        }
        Err(message) => {
            say(&format!("error: {message}"));
            ExitCode::from(USAGE)
        }
    }
}

/// The whole answer, and whether everything is permitted.
fn answer(arguments: &Explain, engine: &PolicyEngine, places: Arc<Places>) -> Result<(String, bool), String> {
    let mut asked = match &arguments.record {
        Some(file) => recorded(arguments, file)?,
        None => written(arguments)?,
    };
    let route = route::find(&asked.head, Ceiling::default()).map_err(|error| error.to_string())?;
    let operation = route.operation();
    let resource = arguments.resource.as_deref().map(|file| object(file, operation.resource)).transpose()?;
    let target = arguments.target.as_deref().map(|file| object(file, ResourceType::Node)).transpose()?;
    let needs = engine.needs(operation, asked.principal.roles(), false).union(engine.needs(
        operation,
        asked.principal.roles(),
        true,
    ));
    if needs.resource.is_some() && resource.is_none() {
        asked.notes.push("policies read the object: give it with --resource FILE; here it is unknown".to_owned());
    }
    if needs.target.is_some() && target.is_none() {
        asked
            .notes
            .push("policies read the target of writes: give it with --target FILE; here it is unknown".to_owned());
    }
    let circumstances = Circumstances {
        source: arguments.source,
        now: jiff::Timestamp::now().as_second(),
        listener: Arc::from(arguments.listener.as_str()),
        places,
    };
    let question = Question {
        engine,
        principal: &asked.principal,
        circumstances: &circumstances,
        objects: Objects { resource: resource.as_ref(), target: target.as_ref(), sitting: None },
    };
    let mut explanations = vec![question.explain(&route, None, &[])];
    match question.decide(&route) {
        Decision::Deny(_) => {
            if asked.body.is_some() || !asked.recorded.is_empty() {
                asked.notes.push("the request itself is denied, so its writes are not asked about".to_owned());
            }
        }
        Decision::Permit(_) if !asked.recorded.is_empty() => {
            let writes: Vec<Write<'_>> = asked
                .recorded
                .iter()
                .map(|(op, path)| Write { op: *op, path: path.clone(), value: None, step: None, secret: false })
                .collect();
            explanations.extend(writes.iter().map(|write| question.explain(&route, Some(write), &writes)));
        }
        Decision::Permit(permit) => {
            if let Some(added) = permit.filter() {
                asked.notes.push(format!("irongate adds {}={} to the query", added.parameter, added.value));
            }
            let call = validate::validate(route, asked.body.as_deref(), &permit)
                .map_err(|error| format!("the body is refused before any policy is asked: {error}"))?;
            let writes = validate::writes(&call);
            explanations.extend(writes.iter().map(|write| question.explain(call.route(), Some(write), &writes)));
            if let Some(known) = &resource {
                let after = question.after(known, target.as_ref(), call.route(), &writes);
                if !after.is_empty() {
                    asked.notes.push(
                        "writes that put the object elsewhere are asked about twice: where it is, and where it would be"
                            .to_owned(),
                    );
                }
                explanations.extend(after);
            }
        }
    }
    let permitted = explanations.iter().all(|explanation| explanation.decision == "permit");
    let text = match arguments.format {
        Format::Json => {
            let document = serde_json::json!({
                "decision": if permitted { "permit" } else { "deny" }, "notes": asked.notes, "questions": explanations,
            });
            format!("{document:#}\n")
        }
        Format::Text => text(&explanations, &asked.notes),
    };
    Ok((text, permitted))
}

struct Question<'a> {
    engine: &'a PolicyEngine,
    principal: &'a Principal,
    circumstances: &'a Circumstances,
    objects: Objects<'a>,
}

impl Question<'_> {
    fn request<'q>(
        &'q self,
        route: &'q Route<'q>,
        write: Option<&'q Write<'q>>,
        siblings: &'q [Write<'q>],
    ) -> AccessRequest<'q> {
        AccessRequest {
            principal: self.principal,
            route,
            write,
            siblings,
            circumstances: self.circumstances,
            objects: self.objects,
        }
    }

    fn explain(&self, route: &Route<'_>, write: Option<&Write<'_>>, siblings: &[Write<'_>]) -> Explanation {
        explain(self.engine, &self.request(route, write, siblings))
    }

    /// The writes that put the object elsewhere, asked about there.
    fn after(
        &self,
        resource: &ObjectFacts,
        target: Option<&ObjectFacts>,
        route: &Route<'_>,
        writes: &[Write<'_>],
    ) -> Vec<Explanation> {
        let kind = route.operation().resource;
        let resource = Arc::new(resource.clone());
        let mut moves = Moves::default();
        for write in writes {
            let place = lookup::moves(route, write).map(|place| {
                let node = match &place {
                    Move::To(identifier) => target.filter(|node| node.is_called(identifier)).cloned().map(Arc::new),
                    Move::Away | Move::Attribute(..) => None,
                };
                (place, node)
            });
            moves.push(kind, Some(&resource), place);
        }
        let mut explanations = Vec::new();
        for (index, write) in writes.iter().enumerate() {
            for place in moves.elsewhere(kind, index) {
                let objects =
                    Objects { resource: Some(&place), target: moves.target(index).map(|node| &**node), sitting: None };
                let there = Question {
                    engine: self.engine,
                    principal: self.principal,
                    circumstances: self.circumstances,
                    objects,
                };
                explanations.push(there.explain(route, Some(write), writes));
            }
        }
        explanations
    }

    fn decide(&self, route: &Route<'_>) -> Decision {
        self.engine.decide(&self.request(route, None, &[])).decision
    }
}

/// A request from the command line or from a file.
fn written(arguments: &Explain) -> Result<Asked, String> {
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
            let microversion = microversion.or(line.microversion.as_deref()).unwrap_or("latest");
            (head(&line.method, &line.target, microversion)?, line.body)
        }
        (None, None) => {
            let path = arguments.path.as_deref().unwrap_or_default();
            let target = match &arguments.query {
                Some(query) => format!("{path}?{query}"),
                None => path.to_owned(),
            };
            let body = arguments.body.as_deref().map(read).transpose()?;
            (head(&arguments.method, &target, microversion.unwrap_or("latest"))?, body)
        }
    };
    Ok(Asked { head, body, principal, recorded: Vec::new(), notes: Vec::new() })
}

fn read(file: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(file).map_err(|error| format!("{} cannot be read: {error}", file.display()))
}

fn head(method: &str, target: &str, microversion: &str) -> Result<Parts, String> {
    let request = http::Request::builder().method(method).uri(target).header(microversion::HEADER, microversion);
    let request = request.body(()).map_err(|error| format!("this is no request: {error}"))?;
    Ok(request.into_parts().0)
}

/// `METHOD target`, headers, an empty line, the body. Lines may end with LF alone. Of the headers, those that tell the
/// microversion count.
fn whole_request(bytes: &[u8], microversion: Option<&str>) -> Result<(Parts, Option<Vec<u8>>), String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "the request is not UTF-8 text".to_owned())?;
    let text = text.replace("\r\n", "\n");
    let (top, body) = text.split_once("\n\n").unwrap_or((&text, ""));
    let mut lines = top.lines();
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (Some(method), Some(target)) = (words.next(), words.next()) else {
        return Err("a request begins with its method and target: GET /v1/nodes HTTP/1.1".to_owned());
    };
    let mut request = http::Request::builder().method(method).uri(target);
    if let Some(microversion) = microversion {
        request = request.header(microversion::HEADER, microversion);
    } else {
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            let name = name.trim();
            let tells = [microversion::HEADER, microversion::SHARED_HEADER];
            if tells.iter().any(|known| name.eq_ignore_ascii_case(known.as_str())) {
                request = request.header(name, value.trim());
            }
        }
    }
    let request = request.body(()).map_err(|error| format!("this is no request: {error}"))?;
    let body = body.trim_end_matches('\n');
    Ok((request.into_parts().0, (!body.is_empty()).then(|| body.as_bytes().to_vec())))
}

/// What a record tells of its request.
fn recorded(arguments: &Explain, file: &Path) -> Result<Asked, String> {
    let id = arguments.request_id.as_deref().unwrap_or_default();
    let text = String::from_utf8_lossy(&read(file)?).into_owned();
    let records = text.lines().filter(|line| line.contains(id)).filter_map(|line| serde_json::from_str(line).ok());
    let record = records
        .into_iter()
        .find(|record: &Value| record.get("request_id").and_then(Value::as_str) == Some(id))
        .ok_or_else(|| format!("{} has no record of this request id", file.display()))?;
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
    let mut notes = vec!["a record holds no values: those of the query and of writes are unknown here".to_owned()];
    if let Some(revision) = word("/revision") {
        notes.push(format!("recorded: {} under revision {revision}", word("/decision").unwrap_or("none")));
    }
    let head = head(
        operation.method.as_str(),
        &path_of(operation, word("/resource/id")),
        word("/microversion").unwrap_or("latest"),
    )?;
    Ok(Asked {
        head,
        body: None,
        principal: Principal::supposed(scheme, word("/principal/name").unwrap_or_default(), &roles),
        recorded: recorded.collect(),
        notes,
    })
}

/// A path of the operation; what the record does not tell gets a stand-in.
fn path_of(operation: &Operation, identifier: Option<&str>) -> String {
    let parts = operation.template.iter().map(|segment| match segment {
        Segment::Literal(text) => format!("/{text}"),
        Segment::Parameter(name, _) if operation.resource_parameter.as_ref() == Some(name) => {
            format!("/{}", identifier.unwrap_or("unknown"))
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

fn object(file: &Path, kind: ResourceType) -> Result<ObjectFacts, String> {
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

fn text(explanations: &[Explanation], notes: &[String]) -> String {
    let mut text = String::new();
    for note in notes {
        push(&mut text, format_args!("note: {note}\n"));
    }
    for Explanation { action, write, decision, reason, decided_by, policies, would_permit } in explanations {
        let place = write.as_ref().map(|path| format!(" {path}")).unwrap_or_default();
        let reason = reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
        let by = if decided_by.is_empty() { String::new() } else { format!(" by {}", decided_by.join(", ")) };
        push(&mut text, format_args!("{action}{place}: {decision}{reason}{by}\n"));
        for policy in policies {
            let outcome = match policy.outcome {
                Outcome::Applies => "applies",
                Outcome::DoesNotApply => "does not apply",
                Outcome::Error => "cannot be evaluated",
            };
            let mode = if policy.mode == "enforce" { String::new() } else { format!(" [{}]", policy.mode) };
            push(
                &mut text,
                format_args!(
                    "  {} {}{mode}: {outcome}  ({}:{})\n",
                    policy.effect, policy.policy, policy.file, policy.line
                ),
            );
            if let Some(part) = &policy.failed {
                let scope = if matches!(part.part, "when" | "unless") { "" } else { "scope " };
                push(&mut text, format_args!("      fails at {scope}{}: {}\n", part.part, part.source));
            }
        }
        if !would_permit.is_empty() {
            push(&mut text, format_args!("  what would permit it:\n"));
            for advice in would_permit {
                push(&mut text, format_args!("    {advice}\n"));
            }
        }
    }
    text
}

fn push(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = text.write_fmt(arguments);
}
