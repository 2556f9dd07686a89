//! Looks objects up at Ironic, where a policy reads more of them than the identifier in the request.
//!
//! irongate asks for itself: a `GET` of the object with the fields that the policies read, over the worker's own
//! connections, as whom `[upstream] identity` says and without any other header of the caller. What came is remembered for a
//! moment ([`ObjectCache`]), each caller's token for itself. A decision is about the attributes as they were when they were
//! looked up; Ironic may change the object before it meets the request. The request goes to the object that was decided
//! about, by its UUID, whoever has its name by then.

mod cache;
mod moves;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use serde_json::Value;
use uuid::Uuid;

use crate::authenticate::ProvedToken;
use crate::call::Route;
use crate::catalog::{MICROVERSION_MAX, Method, ResourceType};
use crate::config::UpstreamIdentity;
use crate::forward::{Upstream, UpstreamError};
use crate::microversion::Microversion;
use crate::policy::{NodeFields, ObjectFacts, has_attributes};
use crate::request_id::RequestId;

pub use cache::{ObjectCache, View};
pub use moves::{Move, Moves, moves};

use cache::Known;

/// An answer with more is refused: a node's properties are a few hundred bytes.
const ANSWER_BYTES_MAX: usize = 256 * 1024;
/// The first microversion that tells each of a node's states by its own name.
const STATES_SINCE: u16 = 39;
/// The first microversion with `fields`.
const FIELDS_SINCE: u16 = 8;
/// The first microversion that takes every name that a node can have; before, those that are host names.
const EVERY_NAME_SINCE: u16 = 10;
/// The first microversion that takes `.json` at the end of a path for a part of a name.
const WHOLE_NAMES_SINCE: u16 = 91;
/// The longest name that Ironic takes, in characters.
const NAME_LENGTH_MAX: usize = 255;

/// The attributes could not be had, so there is no decision. Never "there is no such object".
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the object's attributes could not be looked up")]
pub struct LookupError;

/// Looks up for one request.
#[derive(Debug)]
pub struct Lookup<'a> {
    upstream: &'a Upstream,
    /// How long an answer is good for.
    age_max: Duration,
    request_id: RequestId,
    identity: &'a UpstreamIdentity,
    /// The caller's, where the upstream is asked with it.
    token: Option<&'a ProvedToken>,
    view: std::sync::OnceLock<View>,
}

impl<'a> Lookup<'a> {
    /// For one request, whose id Ironic's log shows. `token` is what proved its caller, if a token did.
    pub fn new(
        upstream: &'a Upstream,
        age_max: Duration,
        request_id: RequestId,
        identity: &'a UpstreamIdentity,
        token: Option<&'a ProvedToken>,
    ) -> Self {
        let token = match identity {
            UpstreamIdentity::Token => token,
            UpstreamIdentity::Basic(_) | UpstreamIdentity::None => None,
        };
        Self { upstream, age_max, request_id, identity, token, view: std::sync::OnceLock::new() }
    }

    /// The object that the request is about. `None`: Ironic knows no such object, or the resource is of a type
    /// without attributes.
    ///
    /// # Errors
    /// [`LookupError`] if Ironic does not answer, or not what was asked.
    pub async fn resource(
        &self,
        route: &Route<'_>,
        fields: NodeFields,
    ) -> Result<Option<Arc<ObjectFacts>>, LookupError> {
        let kind = route.operation().resource;
        match route.resource_id().filter(|_| has_attributes(kind)) {
            Some(identifier) => self.object(kind, identifier, fields).await,
            None => Ok(None),
        }
    }

    /// A node by the identifier that a body holds. What cannot be an identifier is no node.
    ///
    /// # Errors
    /// As [`Self::resource`].
    pub async fn node(&self, identifier: &str, fields: NodeFields) -> Result<Option<Arc<ObjectFacts>>, LookupError> {
        if !is_identifier(identifier) {
            return Ok(None);
        }
        self.object(ResourceType::Node, identifier, fields).await
    }

    /// The node that a write leads to: the one that it names, or that of the port group that it names.
    ///
    /// # Errors
    /// As [`Self::resource`].
    pub async fn place(&self, place: &Move<'_>, fields: NodeFields) -> Result<Option<Arc<ObjectFacts>>, LookupError> {
        match place {
            Move::To(identifier) | Move::Also(identifier) => self.node(identifier, fields).await,
            Move::Within(identifier) if is_identifier(identifier) => {
                let group = self.object(ResourceType::Portgroup, identifier, fields).await?;
                Ok(group.and_then(|group| group.node.clone()))
            }
            Move::Within(_) | Move::Away | Move::Attribute(..) => Ok(None),
        }
    }

    async fn object(
        &self,
        kind: ResourceType,
        identifier: &str,
        fields: NodeFields,
    ) -> Result<Option<Arc<ObjectFacts>>, LookupError> {
        let Some(known) = self.known(kind, identifier, fields).await? else { return Ok(None) };
        let Some(node) = known.node else { return Ok(Some(known.facts)) };
        // It said that it has one: a node that is not there now is a node that policies know nothing of.
        let node = self.known(ResourceType::Node, &node, fields).await?.ok_or(LookupError)?;
        Ok(Some(Arc::new(known.facts.moved(Some(node.facts)))))
    }

    /// An object without its node, remembered or asked for.
    async fn known(
        &self,
        kind: ResourceType,
        identifier: &str,
        fields: NodeFields,
    ) -> Result<Option<Known>, LookupError> {
        let cache = self.upstream.state().objects();
        // Only a node's fields are chosen.
        let chosen = if kind == ResourceType::Node { fields } else { NodeFields::default() };
        let view = *self.view.get_or_init(|| self.token.map_or(View::OWN, View::of));
        if let Some(known) = cache.find(view, kind, identifier, chosen, self.age_max) {
            return Ok(Some(known));
        }
        let asking = cache.asking();
        let answer = self.ask(kind, identifier, chosen).await;
        cache.note_asked(answer.is_err());
        let Some(answer) = answer? else { return Ok(None) };
        let facts =
            if kind == ResourceType::Node { ObjectFacts::node(&answer) } else { ObjectFacts::of_node(&answer, None) };
        // An answer about another object must not decide about this one.
        let facts = facts.filter(|facts| facts.is_called(identifier)).map(Arc::new).ok_or(LookupError)?;
        let node = match answer.get("node_uuid") {
            None | Some(Value::Null) => None,
            Some(uuid) => Some(uuid.as_str().filter(|uuid| is_identifier(uuid)).ok_or(LookupError)?.into()),
        };
        let known = Known { facts, node: node.filter(|_| kind != ResourceType::Node) };
        if !self.age_max.is_zero() {
            cache.insert(view, kind, identifier, chosen, &known, asking);
        }
        Ok(Some(known))
    }

    /// `None`: 404, or no name for such an object.
    async fn ask(
        &self,
        kind: ResourceType,
        identifier: &str,
        fields: NodeFields,
    ) -> Result<Option<Value>, LookupError> {
        // Ironic's own maximum, not that of the callers: what they may ask for must not hide an attribute from a policy.
        let highest = self.upstream.state().microversion_max().unwrap_or(MICROVERSION_MAX).min(MICROVERSION_MAX);
        let identifier = Some(identifier).filter(|text| is_identifier(text)).ok_or(LookupError)?;
        let (target, microversion) = target(kind, identifier, fields, highest).ok_or(LookupError)?;
        let microversion = Microversion::new(microversion).ok_or(LookupError)?;
        match self.fetch(&target, microversion).await {
            Ok((StatusCode::OK, body)) => serde_json::from_slice(&body).map(Some).map_err(|_| LookupError),
            Ok((StatusCode::NOT_FOUND, _)) => Ok(None),
            Ok((StatusCode::BAD_REQUEST, _)) if self.is_no_name(identifier, &target, microversion).await => Ok(None),
            Ok((status, _)) => {
                tracing::warn!(status = status.as_u16(), "Ironic refuses to tell the attributes that policies read");
                Err(LookupError)
            }
            Err(error) => {
                tracing::warn!(%error, "the attributes that policies read could not be looked up");
                Err(LookupError)
            }
        }
    }

    async fn fetch(&self, target: &str, microversion: Microversion) -> Result<(StatusCode, Bytes), UpstreamError> {
        let asker = (self.identity, self.token);
        self.upstream.ask(target, microversion, self.request_id, asker, ANSWER_BYTES_MAX).await
    }

    /// Whether it is the name that Ironic answered 400 to: an older one has no object of every name, nor takes it from a caller.
    /// The fields may be at fault as well, and to take that for an object that is not there would hide it from a forbid.
    async fn is_no_name(&self, identifier: &str, target: &str, microversion: Microversion) -> bool {
        let bare = match target.split_once('?') {
            _ if Uuid::try_parse(identifier).is_ok() => return false,
            None => return true,
            Some((path, _)) => path,
        };
        matches!(self.fetch(bare, microversion).await, Ok((StatusCode::BAD_REQUEST, _)))
    }
}

/// Path and query, and the lowest microversion that shows all these fields, as far as Ironic has it.
fn target(kind: ResourceType, identifier: &str, fields: NodeFields, highest: u16) -> Option<(String, u16)> {
    let of_node: &[(&'static str, u16)];
    let (collection, known) = match kind {
        ResourceType::Node => ("nodes", fields.names().collect::<Vec<_>>()),
        ResourceType::Port => ("ports", vec![("uuid", 1), ("name", 88), ("node_uuid", 1)]),
        ResourceType::Portgroup => ("portgroups", vec![("uuid", 23), ("name", 23), ("node_uuid", 23)]),
        ResourceType::VolumeConnector => ("volume/connectors", vec![("uuid", 32), ("node_uuid", 32)]),
        ResourceType::VolumeTarget => ("volume/targets", vec![("uuid", 32), ("node_uuid", 32)]),
        ResourceType::Allocation => {
            of_node = &[("uuid", 52), ("name", 52), ("node_uuid", 52), ("resource_class", 52), ("owner", 60)];
            ("allocations", of_node.to_vec())
        }
        ResourceType::Api
        | ResourceType::Collection
        | ResourceType::Chassis
        | ResourceType::Driver
        | ResourceType::Conductor
        | ResourceType::DeployTemplate
        | ResourceType::Runbook
        | ResourceType::InspectionRule
        | ResourceType::Shard => return None,
    };
    let shown: Vec<(&str, u16)> = known.into_iter().filter(|(_, since)| *since <= highest).collect();
    // Below, `inspect wait` is told as `inspecting`. An Ironic that is older has no other word for it.
    let by_name =
        if shown.iter().any(|(name, _)| *name == "provision_state") { STATES_SINCE.min(highest) } else { FIELDS_SINCE };
    let needed = shown.iter().map(|(_, since)| *since).max()?.max(FIELDS_SINCE).max(by_name);
    let mut lowest = needed.max(EVERY_NAME_SINCE.min(highest));
    if identifier.ends_with(".json") {
        lowest = Some(lowest.max(WHOLE_NAMES_SINCE)).filter(|lowest| *lowest <= highest)?;
    }
    if highest < FIELDS_SINCE {
        return Some((format!("/v1/{collection}/{identifier}"), highest));
    }
    let names: Vec<&str> = shown.iter().map(|(name, _)| *name).collect();
    Some((format!("/v1/{collection}/{identifier}?fields={}", names.join(",")), lowest))
}

/// Whether this can stand in a path and mean there what it means in a body.
fn is_identifier(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    let lower = text.to_ascii_lowercase();
    (1..=NAME_LENGTH_MAX).contains(&text.len())
        && text.bytes().all(is_plain)
        && !["maintenance", "management", "states", "vendor_passthru", "detail", "validate", ".", ".."]
            .contains(&lower.as_str())
}

/// Forgets what a forwarded write may change: now, so that nobody is decided about by what was before, and again when
/// it is dropped, because somebody may have looked it up in between.
#[derive(Debug)]
pub struct Forget<'a> {
    cache: &'a ObjectCache,
    what: Option<(ResourceType, String)>,
}

impl<'a> Forget<'a> {
    /// Reads forget nothing.
    pub fn of(upstream: &'a Upstream, route: &Route<'_>) -> Option<Self> {
        let operation = route.operation();
        if operation.method == Method::Get {
            return None;
        }
        let what = match operation.resource {
            // An allocation changes its node, whichever that is.
            ResourceType::Allocation => None,
            kind if has_attributes(kind) => route.resource_id().map(|identifier| (kind, identifier.to_owned())),
            // A new object is not remembered yet; an allocation changes its node.
            ResourceType::Collection if operation.id != "allocation:create" => return None,
            ResourceType::Api
            | ResourceType::Collection
            | ResourceType::Node
            | ResourceType::Port
            | ResourceType::Portgroup
            | ResourceType::Chassis
            | ResourceType::Driver
            | ResourceType::Conductor
            | ResourceType::VolumeConnector
            | ResourceType::VolumeTarget
            | ResourceType::DeployTemplate
            | ResourceType::Runbook
            | ResourceType::InspectionRule
            | ResourceType::Shard => None,
        };
        let forget = Self { cache: upstream.state().objects(), what };
        forget.now();
        Some(forget)
    }

    fn now(&self) {
        match &self.what {
            Some((kind, identifier)) => self.cache.forget(*kind, identifier),
            None => self.cache.clear(),
        }
    }
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_asked_than_is_needed() {
        let named = |names: &[&str]| {
            let node = serde_json::json!({"uuid": "u"});
            assert!(ObjectFacts::node(&node).is_some());
            names.iter().fold(NodeFields::default(), |all, name| all.union(NodeFields::of(name)))
        };
        let rows = [
            (ResourceType::Node, named(&[]), 115, "/v1/nodes/n?fields=uuid,name", 10),
            (
                ResourceType::Node,
                named(&["driver", "maintenance"]),
                9,
                "/v1/nodes/n?fields=uuid,name,maintenance,driver",
                9,
            ),
            (ResourceType::Node, named(&["owner"]), 115, "/v1/nodes/n?fields=uuid,name,owner", 50),
            (ResourceType::Node, named(&["owner", "shard"]), 60, "/v1/nodes/n?fields=uuid,name,owner", 50),
            (ResourceType::Node, named(&["provision_state"]), 115, "/v1/nodes/n?fields=uuid,name,provision_state", 39),
            (ResourceType::Node, named(&["provision_state"]), 31, "/v1/nodes/n?fields=uuid,name,provision_state", 31),
            (
                ResourceType::Node,
                named(&["provision_state", "owner"]),
                115,
                "/v1/nodes/n?fields=uuid,name,owner,provision_state",
                50,
            ),
            (ResourceType::Node, named(&["owner"]), 6, "/v1/nodes/n", 6),
            (ResourceType::Port, named(&["owner"]), 115, "/v1/ports/n?fields=uuid,name,node_uuid", 88),
            (ResourceType::VolumeTarget, named(&[]), 60, "/v1/volume/targets/n?fields=uuid,node_uuid", 32),
        ];
        for (kind, fields, highest, expected, microversion) in rows {
            assert_eq!(target(kind, "n", fields, highest), Some((expected.to_owned(), microversion)), "{expected}");
        }
        assert_eq!(target(ResourceType::Driver, "n", NodeFields::EVERYTHING, 115), None);
        assert_eq!(target(ResourceType::VolumeTarget, "n", NodeFields::EVERYTHING, 31), None);
        // Below, Ironic cuts the end off and finds another node.
        assert_eq!(
            target(ResourceType::Node, "n.json", NodeFields::of("owner"), 115).map(|(_, minor)| minor),
            Some(91)
        );
        assert_eq!(target(ResourceType::Node, "n.json", NodeFields::of("owner"), 90), None);
    }

    #[test]
    fn only_what_means_the_same_in_a_path_is_looked_up() {
        for good in ["node-1", "1be26c0b-03f2-4d2e-ae87-c02d7f33c123", "a.b_c~d", "n.json", "n.XML"] {
            assert!(is_identifier(good), "{good}");
        }
        for bad in ["", "a/b", "a?b", "detail", "..", "a b", "é", "a%2f"] {
            assert!(!is_identifier(bad), "{bad}");
        }
    }
}
