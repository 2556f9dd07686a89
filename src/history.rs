//! Records as past requests: what `irongate policy learn`, `replay` and `report` begin with.

use std::io::{self, BufRead};
use std::sync::Arc;

use crate::audit::read::{
    KeystoneLine, LineError, PrincipalLine, QueryValue, RecordLine, UrlLine, ValueLine, WriteLine,
};
use crate::authenticate::SchemeName;
use crate::call::WriteOp;
use crate::catalog::{BodyKind, Operation, ResourceType, catalog};
use crate::microversion;
use crate::plain::plain;
use crate::policy::{PastKeystone, PastRequest, PastStep, PastUrl, PastValue, PastWrite, Told};
use crate::scrub::MASK;

/// A longer line is no record; in bytes. A record with everything that it may hold has about 64 KiB.
pub const LINE_BYTES_MAX: usize = 1024 * 1024;

const SCHEMES: [SchemeName; 5] =
    [SchemeName::Anonymous, SchemeName::Basic, SchemeName::Keystone, SchemeName::Jwt, SchemeName::Certificate];

/// What became of a request, as far as it says something about rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fate {
    /// It went on to Ironic, in dry-run also against the policies.
    LetThrough,
    /// A policy, or that none permits, refused it.
    Denied,
}

/// Why a record says nothing about rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Aside {
    /// Nobody was proven, or the request was not understood, or was refused for what it held, or by a limit.
    Refused,
    /// It ended before all was decided: the caller went away, or irongate failed.
    Unfinished,
    /// It names an operation or a way to authenticate that this irongate does not know.
    Unfamiliar,
}

impl Aside {
    /// What a reader is told of these records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused for other reasons than a policy",
            Self::Unfinished => "ended before all was decided",
            Self::Unfamiliar => "of operations that this irongate does not know",
        }
    }
}

/// Lines that are no records, and records that are not about rights.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Skipped {
    /// Not JSON, too long, or with fields of other types.
    pub malformed: u64,
    /// Of another kind, such as log lines in the same file.
    pub other_kind: u64,
    /// Of a newer version.
    pub newer: u64,
}

impl Skipped {
    /// Notes a line that is no record.
    pub const fn note(&mut self, error: LineError) {
        match error {
            LineError::Malformed => self.malformed += 1,
            LineError::OtherKind => self.other_kind += 1,
            LineError::Newer => self.newer += 1,
        }
    }
}

/// Hands each line to `take`, one at a time; a line that is too long comes as `None`.
///
/// # Errors
/// What the file system says.
pub fn each_line(mut input: impl BufRead, mut take: impl FnMut(Option<&[u8]>)) -> io::Result<()> {
    let mut line = Vec::new();
    let mut too_long = false;
    loop {
        let buffer = input.fill_buf()?;
        if buffer.is_empty() {
            if !line.is_empty() || too_long {
                take(Some(line.as_slice()).filter(|_| !too_long));
            }
            return Ok(());
        }
        let end = memchr::memchr(b'\n', buffer);
        let piece = buffer.get(..end.unwrap_or(buffer.len())).unwrap_or_default();
        let used = piece.len() + usize::from(end.is_some());
        if end.is_some() && line.is_empty() && !too_long {
            // The usual case: the line is in the buffer as a whole.
            if !piece.is_empty() {
                take(Some(piece));
            }
            input.consume(used);
            continue;
        }
        too_long |= line.len() + piece.len() > LINE_BYTES_MAX;
        if !too_long {
            line.extend_from_slice(piece);
        }
        input.consume(used);
        if end.is_some() {
            if !line.is_empty() || too_long {
                take(Some(line.as_slice()).filter(|_| !too_long));
            }
            line.clear();
            too_long = false;
        }
    }
}

/// What became of the request.
///
/// # Errors
/// Why the record says nothing about rights.
pub fn fate(record: &RecordLine) -> Result<(Fate, &'static Operation), Aside> {
    let operation = record.operation.as_deref().ok_or(Aside::Refused)?;
    if record.principal.is_none() {
        return Err(Aside::Refused);
    }
    let operation = catalog().operation(operation).ok_or(Aside::Unfamiliar)?;
    match (record.decision.as_str(), record.stage.as_deref()) {
        // An object could not be looked up: no policy said no.
        ("deny", _) if record.reason.as_deref() == Some("resource_unavailable") => Err(Aside::Unfinished),
        ("deny", _) => Ok((Fate::Denied, operation)),
        // What came after all decisions: Ironic and its answer.
        ("permit", None | Some("forward")) => {
            let forwarded = record.upstream_status.is_some() || record.stage.is_some();
            let undecided = !forwarded && record.writes.is_empty() && takes_body(operation);
            if undecided { Err(Aside::Unfinished) } else { Ok((Fate::LetThrough, operation)) }
        }
        ("permit" | "none", Some("internal")) => Err(Aside::Unfinished),
        ("none", None) => Err(Aside::Unfinished),
        _ => Err(Aside::Refused),
    }
}

/// Whether the operation's requests have writes.
pub const fn takes_body(operation: &Operation) -> bool {
    match operation.body {
        BodyKind::None => false,
        BodyKind::Object { .. } | BodyKind::Patch(_) | BodyKind::Any => true,
    }
}

/// Whether a name stands as the caller wrote it: none has stars, so that the mask is irongate's.
fn is_whole(name: &str) -> bool {
    !name.contains(MASK)
}

/// How the caller was authenticated.
pub fn scheme(principal: &PrincipalLine) -> Option<SchemeName> {
    SCHEMES.into_iter().find(|scheme| scheme.as_str() == principal.scheme)
}

/// The request behind a record.
pub fn past(record: &RecordLine, fate: Fate, operation: &'static Operation) -> Result<PastRequest, Aside> {
    let principal = record.principal.as_ref().ok_or(Aside::Refused)?;
    let scheme = scheme(principal).ok_or(Aside::Unfamiliar)?;
    let writes: Vec<PastWrite> = record.writes.iter().filter(|write| !write.cut).filter_map(write).collect();
    let whole = writes.len() == record.writes.len() && record.writes_more == 0;
    // A request that was denied as a whole was never read.
    let unread = fate == Fate::Denied && record.writes.is_empty() && takes_body(operation);
    Ok(PastRequest {
        scheme,
        name: principal.name.clone(),
        roles: principal.roles.iter().map(|role| Arc::from(role.as_str())).collect(),
        keystone: principal.keystone.as_ref().map(keystone).unwrap_or_default(),
        operation,
        resource_id: record.resource.as_ref().and_then(|resource| resource.id.clone()).filter(|id| is_whole(id)),
        resource_certain: !has_other_names(operation.resource),
        parameters: record
            .parameters
            .iter()
            .filter(|(_, text)| is_whole(text))
            .map(|(name, text)| (name.clone(), text.clone()))
            .collect(),
        microversion: record.microversion.as_deref().and_then(microversion::minor),
        listener: Some(record.listener.clone()).filter(|name| !name.is_empty()),
        now: Some(record.time.as_second()),
        source: record.source.map_or(Told::Absent, Told::Is),
        query_names: record.query.clone(),
        query: record.query_values.iter().map(|(name, value)| (name.clone(), text(value))).collect(),
        places: None,
        writes,
        writes_complete: whole && !unread,
    })
}

/// The value of a query parameter as it stood in the request.
pub fn text(value: &QueryValue) -> String {
    match value {
        QueryValue::Text(text) => text.clone(),
        QueryValue::List(items) => items.join(","),
    }
}

/// A text of a record for people: [plain], and not too long.
pub fn shown(text: &str) -> String {
    const LENGTH_MAX: usize = 200;
    let end = text.char_indices().nth(LENGTH_MAX).map(|(end, _)| end);
    let more = if end.is_some() { "…" } else { "" };
    format!("{}{more}", plain(text.get(..end.unwrap_or(text.len())).unwrap_or_default()))
}

/// Whether a policy that names one object may mean it by another identifier than the request's.
const fn has_other_names(kind: ResourceType) -> bool {
    match kind {
        ResourceType::Api
        | ResourceType::Collection
        | ResourceType::Driver
        | ResourceType::Conductor
        | ResourceType::Shard => false,
        ResourceType::Node
        | ResourceType::Port
        | ResourceType::Portgroup
        | ResourceType::Chassis
        | ResourceType::VolumeConnector
        | ResourceType::VolumeTarget
        | ResourceType::Allocation
        | ResourceType::DeployTemplate
        | ResourceType::Runbook
        | ResourceType::InspectionRule => true,
    }
}

fn keystone(line: &KeystoneLine) -> PastKeystone {
    let scoped = !line.scope.is_empty();
    // What the scope has not is absent; what it must have and the record has not is not known.
    let of_scope = |text: &Option<String>, scope: &str| match text {
        Some(text) => Told::Is(text.clone()),
        None if scoped && line.scope != scope => Told::Absent,
        None => Told::Unknown,
    };
    let domain = Some(&line.user_domain_id).filter(|id| !id.is_empty());
    PastKeystone {
        user_domain_id: domain.map_or(Told::Unknown, |id| Told::Is(id.clone())),
        project_id: of_scope(&line.project_id, "project"),
        project_domain_id: of_scope(&line.project_domain_id, "project"),
        domain_id: of_scope(&line.domain_id, "domain"),
        system: if scoped { Told::Is(line.scope == "system") } else { Told::Unknown },
        roles: Told::Is(line.roles.clone()),
    }
}

/// `None`: the record's own words are not known, so the write cannot be asked about.
fn write(line: &WriteLine) -> Option<PastWrite> {
    let op = [WriteOp::Add, WriteOp::Replace, WriteOp::Remove].into_iter().find(|op| op.as_str() == line.op)?;
    let told = line.value.is_some() || op == WriteOp::Remove;
    let step = match line.step.as_deref() {
        None => Told::Absent,
        Some(step) => {
            let (interface, step) = step.split_once('.')?;
            let argument = match &line.argument {
                Some(argument) => Told::Is(argument.clone()),
                None if told => Told::Absent,
                None => Told::Unknown,
            };
            Told::Is(PastStep { interface: interface.to_owned(), step: step.to_owned(), argument })
        }
    };
    let value = match &line.value {
        Some(line_value) => Told::Is(value(line_value, line.secret)),
        None if op == WriteOp::Remove => Told::Absent,
        None => Told::Unknown,
    };
    Some(PastWrite { op, path: line.path.clone(), step, secret: told.then_some(line.secret), value })
}

fn value(line: &ValueLine, secret: bool) -> PastValue {
    let kind = Some(line.kind.clone()).filter(|kind| !kind.is_empty());
    let is_string = line.kind == "string";
    if secret {
        return PastValue {
            kind,
            length: None,
            string: Told::Absent,
            integer: Told::Absent,
            boolean: Told::Absent,
            spelling: Told::Absent,
            places: Some(Vec::new()),
            url: Told::Absent,
        };
    }
    let has_length = matches!(line.kind.as_str(), "string" | "array" | "object");
    if has_length && line.length.is_none() {
        // What stood beside it said that it is a secret: policies saw the value, the record withholds it.
        return PastValue {
            kind,
            length: None,
            string: Told::Unknown,
            integer: Told::Unknown,
            boolean: Told::Unknown,
            spelling: Told::Unknown,
            places: None,
            url: Told::Unknown,
        };
    }
    PastValue {
        length: if has_length { line.length.and_then(|length| i64::try_from(length).ok()) } else { Some(0) },
        string: match &line.string {
            Some(text) => Told::Is(text.clone()),
            // A string that policies do not see has no spelling either.
            None if !is_string || line.spelling.is_none() => Told::Absent,
            None => Told::Unknown,
        },
        integer: match line.integer {
            Some(integer) => Told::Is(integer),
            None if is_string || line.kind == "integer" => Told::Unknown,
            None => Told::Absent,
        },
        boolean: line.boolean.map_or(Told::Absent, Told::Is),
        spelling: line.spelling.clone().map_or(Told::Absent, Told::Is),
        places: Some(line.places.clone()),
        url: line.url.as_ref().map_or(Told::Absent, |line| Told::Is(url(line))),
        kind,
    }
}

fn url(line: &UrlLine) -> PastUrl {
    let told = line.host.is_some();
    PastUrl {
        plain: Some(line.plain),
        scheme: line.scheme.clone(),
        host: line.host.clone(),
        address: match line.address {
            Some(address) => Told::Is(address),
            None if told => Told::Absent,
            None => Told::Unknown,
        },
        port: match line.port {
            Some(port) => Told::Is(port),
            None if told => Told::Absent,
            None => Told::Unknown,
        },
        userinfo: Some(line.userinfo),
    }
}
