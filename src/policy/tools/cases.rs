//! Cases: what policies are expected to decide, written in YAML beside them. Read here, run by `irongate policy test`.
//!
//! `docs/policy.md` is the manual. A file has defaults for its cases and the cases; a case is one request, or a list of
//! requests with the same expectation.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;

use crate::authenticate::SchemeName;
use crate::catalog::{ResourceType, catalog};
use crate::policy::places::{PlaceError, Places};
use crate::policy::resource::{ObjectFacts, has_attributes};
use crate::policy::schema::RESOURCE_TYPES;

/// A file of cases, checked.
#[derive(Debug)]
pub struct CaseFile {
    /// The places that the policies see.
    pub places: Places,
    /// What Ironic holds.
    pub objects: CaseObjects,
    /// In the order of the file; a case with several requests is several.
    pub cases: Vec<Case>,
}

/// The objects of a file of cases: what a look-up would find.
#[derive(Debug, Default)]
pub struct CaseObjects(Vec<(ResourceType, Arc<ObjectFacts>)>);

impl CaseObjects {
    /// As Ironic shows each (JSON); `type` is that of the resource, `Node` unless it is given.
    ///
    /// # Errors
    /// What is wrong with one of them.
    pub fn new(raw: Vec<serde_json::Value>) -> Result<Self, String> {
        let mut objects = Self::default();
        let mut belonging = Vec::new();
        for value in raw {
            let named = value.get("type").map_or(Some(ResourceType::Node.as_str()), serde_json::Value::as_str);
            let kind = RESOURCE_TYPES.into_iter().find(|kind| Some(kind.as_str()) == named && has_attributes(*kind));
            let kind =
                kind.ok_or("an object's type is Node, Port, Portgroup, VolumeConnector, VolumeTarget or Allocation")?;
            known_keys(kind, &value)?;
            if kind == ResourceType::Node {
                let facts = ObjectFacts::node(&value).ok_or("a node has a uuid, and each field its type")?;
                objects.0.push((kind, Arc::new(facts)));
            } else {
                belonging.push((kind, value));
            }
        }
        for (kind, value) in belonging {
            let node = match value.get("node_uuid").and_then(serde_json::Value::as_str) {
                Some(uuid) => Some(objects.find(ResourceType::Node, uuid).cloned().ok_or("node_uuid names no node")?),
                None => None,
            };
            let facts = ObjectFacts::of_node(&value, node).ok_or("an object has a uuid, and each field its type")?;
            objects.0.push((kind, Arc::new(facts)));
        }
        Ok(objects)
    }

    /// What Ironic would find by this name or UUID.
    pub fn find(&self, kind: ResourceType, identifier: &str) -> Option<&Arc<ObjectFacts>> {
        self.0.iter().find(|(known, facts)| *known == kind && facts.is_called(identifier)).map(|(_, facts)| facts)
    }
}

/// A key that Ironic does not show would be an attribute that is never there: a case would deny for the wrong reason.
fn known_keys(kind: ResourceType, object: &serde_json::Value) -> Result<(), String> {
    let name = match kind {
        ResourceType::Node => "node",
        ResourceType::Port => "port",
        ResourceType::Portgroup => "portgroup",
        ResourceType::VolumeConnector => "volume_connector",
        ResourceType::VolumeTarget => "volume_target",
        ResourceType::Allocation => "allocation",
        ResourceType::Api
        | ResourceType::Collection
        | ResourceType::Driver
        | ResourceType::Conductor
        | ResourceType::Shard
        | ResourceType::Chassis
        | ResourceType::DeployTemplate
        | ResourceType::Runbook
        | ResourceType::InspectionRule => return Ok(()),
    };
    let Some(answer) = catalog().object(name) else { return Ok(()) };
    let is_known = |key: &str| key == "type" || answer.fields.iter().any(|field| field.name == key);
    let unknown = object.as_object().into_iter().flatten().map(|(key, _)| key).find(|key| !is_known(key));
    unknown.map_or(Ok(()), |key| Err(format!("{} has no field {key:?}", kind.as_str())))
}

/// One request and what is expected of it.
#[derive(Debug, Clone)]
pub struct Case {
    /// 1-based line where the case begins.
    pub line: usize,
    /// What it shows.
    pub name: String,
    /// Who asks.
    pub who: Who,
    /// `GET`, …
    pub method: String,
    /// Path and query.
    pub target: String,
    /// The body, if there is one.
    pub body: Option<serde_json::Value>,
    /// What is expected.
    pub expected: Expected,
}

/// The caller and the circumstances.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Who {
    /// How the caller authenticated; `basic`, or `anonymous` where there are neither roles nor a user.
    pub scheme: Option<SchemeName>,
    /// The caller's name.
    pub user: Option<String>,
    /// irongate roles.
    pub roles: Option<Vec<String>>,
    /// The id of the project that a Keystone token is scoped to.
    pub project: Option<String>,
    /// Whether a Keystone token has system scope.
    pub system: Option<bool>,
    /// `1.N`; the highest that irongate knows if it is not given.
    pub microversion: Option<String>,
    /// The caller's address.
    pub source: Option<std::net::IpAddr>,
    /// The listener's name.
    pub listener: Option<String>,
    /// The time, as RFC 3339 has it.
    pub now: Option<jiff::Timestamp>,
}

/// What is expected of a case.
#[derive(Debug, Clone)]
pub struct Expected {
    /// The outcome.
    pub outcome: ExpectedOutcome,
    /// A policy that must be among those that made the decision.
    pub rule: Option<String>,
    /// The kind of denial: `no_permit`, `forbidden`, `indeterminate`.
    pub reason: Option<String>,
    /// The path of the write that must be the one that is denied; empty: the request as a whole.
    pub write: Option<String>,
    /// A shadow policy that must record that it would deny.
    pub shadow: Option<String>,
    /// What irongate must add to the query, `project=p1`; empty: nothing.
    pub filter: Option<String>,
}

/// The outcomes that can be expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExpectedOutcome {
    /// The request and all its writes are permitted.
    Permit,
    /// A policy, or that none permits, denies it.
    Deny,
    /// irongate does not take it at all: no such route, an unknown parameter, an invalid body.
    Refuse,
}

/// What is wrong with a file of cases.
#[derive(Debug, PartialEq, Eq)]
pub struct CaseError {
    /// 1-based, where known.
    pub line: Option<usize>,
    /// What is wrong.
    pub message: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    #[serde(default)]
    places: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    objects: Vec<serde_json::Value>,
    #[serde(default)]
    defaults: Who,
    cases: Vec<RawCase>,
}

/// `flatten` and `deny_unknown_fields` do not go together, so the fields of [`Who`] are repeated.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCase {
    name: String,
    scheme: Option<SchemeName>,
    user: Option<String>,
    roles: Option<Vec<String>>,
    project: Option<String>,
    system: Option<bool>,
    microversion: Option<String>,
    source: Option<std::net::IpAddr>,
    listener: Option<String>,
    now: Option<jiff::Timestamp>,
    request: Option<String>,
    #[serde(default)]
    requests: Vec<String>,
    body: Option<serde_json::Value>,
    expect: ExpectedOutcome,
    rule: Option<String>,
    reason: Option<String>,
    write: Option<String>,
    shadow: Option<String>,
    filter: Option<String>,
}

impl CaseFile {
    /// Reads YAML text.
    ///
    /// # Errors
    /// The first mistake, with its line where it is known.
    pub fn parse(text: &str) -> Result<Self, CaseError> {
        let raw: RawFile = serde_norway::from_str(text).map_err(|error| CaseError {
            line: error.location().map(|location| location.line()),
            message: error.to_string(),
        })?;
        let places = Places::new(&raw.places)
            .map_err(|error: PlaceError| CaseError { line: None, message: error.to_string() })?;
        let objects = CaseObjects::new(raw.objects)
            .map_err(|error| CaseError { line: None, message: format!("objects: {error}") })?;
        let mut lines = case_lines(text).into_iter();
        let mut cases = Vec::new();
        for case in raw.cases {
            let line = lines.next().unwrap_or(1);
            read(case, line, &raw.defaults, &mut cases).map_err(|message| CaseError { line: Some(line), message })?;
        }
        if cases.is_empty() {
            return Err(CaseError { line: None, message: "there are no cases".to_owned() });
        }
        Ok(Self { places, objects, cases })
    }
}

fn read(case: RawCase, line: usize, defaults: &Who, cases: &mut Vec<Case>) -> Result<(), String> {
    let expected = Expected {
        outcome: case.expect,
        rule: case.rule,
        reason: case.reason,
        write: case.write,
        shadow: case.shadow,
        filter: case.filter,
    };
    if expected.outcome != ExpectedOutcome::Deny && (expected.reason.is_some() || expected.write.is_some()) {
        return Err("reason and write go with `expect: deny`".to_owned());
    }
    if expected.outcome == ExpectedOutcome::Refuse && (expected.rule.is_some() || expected.shadow.is_some()) {
        return Err("no rule decides about what is refused before it is understood".to_owned());
    }
    if expected.outcome != ExpectedOutcome::Permit && expected.filter.is_some() {
        return Err("filter goes with `expect: permit`".to_owned());
    }
    let known = ["no_permit", "forbidden", "indeterminate"];
    if expected.reason.as_deref().is_some_and(|reason| !known.contains(&reason)) {
        return Err(format!("reason is one of {}", known.join(", ")));
    }
    let who = Who {
        scheme: case.scheme.or(defaults.scheme),
        user: case.user.or_else(|| defaults.user.clone()),
        roles: case.roles.or_else(|| defaults.roles.clone()),
        project: case.project.or_else(|| defaults.project.clone()),
        system: case.system.or(defaults.system),
        microversion: case.microversion.or_else(|| defaults.microversion.clone()),
        source: case.source.or(defaults.source),
        listener: case.listener.or_else(|| defaults.listener.clone()),
        now: case.now.or(defaults.now),
    };
    let requests: Vec<String> = case.request.into_iter().chain(case.requests).collect();
    if requests.is_empty() {
        return Err("write `request: METHOD PATH`, or a list of them under `requests`".to_owned());
    }
    for request in requests {
        let (method, target) = request
            .split_once(' ')
            .filter(|(method, target)| method.bytes().all(|byte| byte.is_ascii_uppercase()) && target.starts_with('/'))
            .ok_or("a request is a method, a space and a path with its query: GET /v1/nodes?limit=1")?;
        cases.push(Case {
            line,
            name: case.name.clone(),
            who: who.clone(),
            method: method.to_owned(),
            target: target.to_owned(),
            body: case.body.clone(),
            expected: expected.clone(),
        });
    }
    Ok(())
}

/// Where the items of `cases` begin: lines below it that begin with a dash, as far left as the first of them.
fn case_lines(text: &str) -> Vec<usize> {
    let below = text.lines().zip(1..).skip_while(|(line, _)| !line.starts_with("cases:")).skip(1);
    let items = below.filter_map(|(line, number)| {
        let trimmed = line.trim_start();
        trimmed.starts_with("- ").then_some((line.len() - trimmed.len(), number))
    });
    let items: Vec<(usize, usize)> = items.collect();
    let Some((least, _)) = items.first().copied() else { return Vec::new() };
    items.into_iter().filter(|(indent, _)| *indent == least).map(|(_, number)| number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn fails(text: &str, line: Option<usize>, word: &str) {
        let error = CaseFile::parse(text).unwrap_err();
        assert_eq!(error.line, line, "{error:?}");
        assert!(error.message.contains(word), "{error:?}");
    }

    #[test]
    fn defaults_lists_and_lines() {
        let text = "defaults: {roles: [a], microversion: \"1.80\"}\ncases:\n\n  - name: one\n    request: GET /v1/nodes\n    \
                    expect: permit\n  # two\n  - name: two\n    roles: []\n    requests:\n      - PUT /v1/x\n      - GET /\n    expect: deny\n";
        let file = CaseFile::parse(text).unwrap();
        let found: Vec<(usize, &str, &str, Option<usize>)> = file
            .cases
            .iter()
            .map(|case| (case.line, case.name.as_str(), case.target.as_str(), case.who.roles.as_ref().map(Vec::len)))
            .collect();
        assert_eq!(found, [(4, "one", "/v1/nodes", Some(1)), (8, "two", "/v1/x", Some(0)), (8, "two", "/", Some(0))]);
    }

    #[test]
    fn mistakes_are_told() {
        fails("cases:\n  - name: x\n    expect: permit\n", Some(2), "request");
        fails("cases:\n  - name: x\n    request: /v1\n    expect: permit\n", Some(2), "method");
        fails("cases:\n  - name: x\n    request: GET /\n    expect: allow\n", Some(4), "allow");
        fails("cases:\n  - name: x\n    request: GET /\n    expct: deny\n", Some(4), "expct");
        fails("cases:\n  - name: x\n    request: GET /\n    expect: permit\n    write: /x\n", Some(2), "expect: deny");
        fails("cases:\n  - name: x\n    request: GET /\n    expect: deny\n    reason: because\n", Some(2), "no_permit");
        fails("places: {local: [x]}\ncases: []\n", None, "place");
        fails("cases: []\n", None, "no cases");
        fails("objects: [{uuid: u, ownr: p1}]\ncases: []\n", None, "Node has no field \"ownr\"");
        fails("objects: [{type: Port, uuid: u, owner: p1}]\ncases: []\n", None, "Port has no field \"owner\"");
    }
}
