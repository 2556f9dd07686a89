//! The record as a CADF event (DMTF DSP0262), as OpenStack's audit middleware writes them: the same facts for consumers
//! that know that form. `docs/audit.md` has the table.

use std::fmt::Write as _;

use serde::Serialize;

use super::facts::WriteLine;
use super::free::FreeText;
use super::line::{Line, WouldBe};
use crate::catalog::{Method, Operation, ResourceType, Segment, catalog};
use crate::rejection::DEFAULT_DENY;

/// Where nothing is known, as in CADF's taxonomies.
const UNKNOWN: &str = "unknown";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Event<'a> {
    #[serde(rename = "typeURI")]
    type_uri: &'static str,
    event_type: &'static str,
    id: String,
    event_time: String,
    name: &'static str,
    action: String,
    outcome: &'static str,
    initiator: Initiator<'a>,
    target: Resource<'a>,
    observer: Resource<'static>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Reason>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_path: Option<String>,
    tags: Vec<String>,
    attachments: [Attachment<'a>; 1],
}

#[derive(Serialize)]
struct Initiator<'a> {
    #[serde(rename = "typeURI")]
    type_uri: &'static str,
    id: &'a str,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    domain: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    project_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<Host>,
    credential: Credential,
    request_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    global_request_id: Option<String>,
}

#[derive(Serialize)]
struct Host {
    address: String,
}

/// The credential itself is never known here.
#[derive(Serialize)]
struct Credential {
    #[serde(rename = "type")]
    kind: &'static str,
    token: &'static str,
    identity_status: &'static str,
}

#[derive(Serialize)]
struct Resource<'a> {
    #[serde(rename = "typeURI")]
    type_uri: &'a str,
    id: &'a str,
    name: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Reason {
    reason_type: &'static str,
    reason_code: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy_id: Option<String>,
}

#[derive(Serialize)]
struct Attachment<'a> {
    #[serde(rename = "typeURI")]
    type_uri: &'static str,
    name: &'static str,
    content: Content<'a>,
}

/// What CADF has no place for.
#[derive(Serialize)]
struct Content<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    operation: Option<&'static str>,
    decision: &'static str,
    mode: &'static str,
    revision: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    stage: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    would_be: Option<&'a WouldBe>,
    #[serde(skip_serializing_if = "<[WriteLine]>::is_empty")]
    writes: &'a [WriteLine],
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream_request_id: Option<String>,
    outcome: &'static str,
}

impl<'a> Event<'a> {
    pub(super) fn of(line: &'a Line) -> Self {
        let operation = line.operation.and_then(|id| catalog().operation(id));
        let request_id = line.request_id.to_string();
        let tags = std::iter::once(format!("request_id?value={request_id}"))
            .chain(line.global_request_id.map(|id| format!("global_request_id?value={id}")));
        Self {
            type_uri: "http://schemas.dmtf.org/cloud/audit/1.0/event",
            event_type: "activity",
            id: request_id.trim_start_matches("req-").to_owned(),
            event_time: line.time.strftime("%Y-%m-%dT%H:%M:%S.%6f+0000").to_string(),
            name: "irongate",
            action: operation.map_or_else(|| UNKNOWN.to_owned(), action),
            outcome: match line.status {
                Some(200..=399) => "success",
                Some(_) => "failure",
                None => UNKNOWN,
            },
            initiator: initiator(line),
            target: target(line),
            observer: Resource { type_uri: "service/security/audit/filter", id: "irongate", name: "irongate" },
            reason: line.status.map(|status| reason(line, status)),
            request_path: operation.map(|operation| path(operation, line)),
            tags: tags.collect(),
            attachments: [Attachment {
                type_uri: "data/security/policy",
                name: "irongate",
                content: Content {
                    operation: line.operation,
                    decision: line.decision,
                    mode: line.mode,
                    revision: &line.revision,
                    stage: line.stage,
                    reason: line.reason,
                    would_be: line.would_be.as_ref(),
                    writes: &line.writes,
                    upstream_request_id: line.upstream_request_id.map(|id| id.to_string()),
                    outcome: line.outcome,
                },
            }],
        }
    }
}

fn initiator(line: &Line) -> Initiator<'_> {
    let principal = line.principal.as_ref();
    let keystone = principal.and_then(|principal| principal.keystone.as_ref());
    let id = principal.map_or(UNKNOWN, |principal| principal.name.as_str());
    Initiator {
        type_uri: "service/security/account/user",
        id,
        name: keystone.map_or(id, |keystone| &keystone.user),
        domain: keystone.map(|keystone| &*keystone.user_domain),
        project_id: keystone.and_then(|keystone| keystone.project_id.as_deref()),
        host: line.source.map(|address| Host { address: address.to_string() }),
        credential: Credential {
            kind: principal.map_or(UNKNOWN, |principal| principal.scheme),
            token: "***",
            identity_status: match principal {
                Some(principal) if principal.scheme == "anonymous" => "Indeterminate",
                Some(_) => "Confirmed",
                None => "Invalid",
            },
        },
        request_id: line.request_id.to_string(),
        global_request_id: line.global_request_id.map(|id| id.to_string()),
    }
}

/// The object itself where the request names one, else the service.
fn target(line: &Line) -> Resource<'_> {
    let resource = line.resource.as_ref();
    let id = resource.and_then(|resource| resource.id.as_ref()).map(FreeText::as_str);
    Resource {
        type_uri: resource.map_or("service/compute/baremetal", |resource| type_uri(resource.kind)),
        id: id.unwrap_or("baremetal"),
        name: id.unwrap_or("baremetal"),
    }
}

const fn type_uri(kind: ResourceType) -> &'static str {
    match kind {
        ResourceType::Api => "service/compute/baremetal",
        ResourceType::Collection => "service/compute/baremetal/collection",
        ResourceType::Node => "service/compute/baremetal/node",
        ResourceType::Port => "service/compute/baremetal/port",
        ResourceType::Portgroup => "service/compute/baremetal/portgroup",
        ResourceType::Chassis => "service/compute/baremetal/chassis",
        ResourceType::Driver => "service/compute/baremetal/driver",
        ResourceType::Conductor => "service/compute/baremetal/conductor",
        ResourceType::VolumeConnector => "service/compute/baremetal/volume/connector",
        ResourceType::VolumeTarget => "service/compute/baremetal/volume/target",
        ResourceType::Allocation => "service/compute/baremetal/allocation",
        ResourceType::DeployTemplate => "service/compute/baremetal/deploy_template",
        ResourceType::Runbook => "service/compute/baremetal/runbook",
        ResourceType::InspectionRule => "service/compute/baremetal/inspection_rule",
        ResourceType::Shard => "service/compute/baremetal/shard",
    }
}

/// CADF's verb; for calls beyond create, read, update and delete with the operation's own behind it.
fn action(operation: &Operation) -> String {
    let verb = operation.id.rsplit(':').next().unwrap_or_default();
    match operation.method {
        Method::Get if operation.resource == ResourceType::Collection => "read/list".to_owned(),
        Method::Get => "read".to_owned(),
        Method::Post if verb == "create" => "create".to_owned(),
        Method::Delete if verb == "delete" => "delete".to_owned(),
        Method::Patch => "update".to_owned(),
        Method::Delete => format!("delete/{verb}"),
        Method::Post | Method::Put => format!("update/{verb}"),
    }
}

fn reason(line: &Line, status: u16) -> Reason {
    let policy_id = match line.decision {
        "deny" if line.policies.is_empty() => Some(DEFAULT_DENY.to_owned()),
        "deny" | "permit" if !line.policies.is_empty() => Some(line.policies.join(",")),
        _ => None,
    };
    Reason {
        reason_type: "HTTP",
        reason_code: status.to_string(),
        policy_type: policy_id.is_some().then_some("cedar"),
        policy_id,
    }
}

/// The canonical path, and the query's names; of its values those that the record tells.
fn path(operation: &Operation, line: &Line) -> String {
    let mut text = String::new();
    for segment in &operation.template {
        text.push('/');
        match segment {
            Segment::Literal(literal) => text.push_str(literal),
            Segment::Parameter(name, _) => {
                let own = line.resource.as_ref().and_then(|resource| resource.id.as_ref()).map(FreeText::as_str);
                let is_own = operation.resource_parameter.as_deref() == Some(name);
                text.push_str(line.parameters.of_name(name).or(own.filter(|_| is_own)).unwrap_or("***"));
            }
        }
    }
    if text.is_empty() {
        text.push('/');
    }
    for (index, name) in line.query.iter().enumerate() {
        let separator = if index == 0 { '?' } else { '&' };
        let value = line.query_values.text(name).unwrap_or_else(|| "***".to_owned());
        // Writing into a text cannot fail.
        let _ = write!(text, "{separator}{name}={value}");
    }
    text
}
