//! The looked-up objects of a question as Cedar's entities.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use cedar_policy::{Entity, EntityId, EntityTypeName, EntityUid, RestrictedExpression};

use super::context::NotAsked;
use super::resource::{NodeFields, ObjectFacts};
use super::rule::Rule;

static NODE: LazyLock<Option<EntityTypeName>> = LazyLock::new(|| "Node".parse().ok());

/// The objects that policies name in so many words (`Node::"web-1"`).
#[derive(Debug, Default)]
pub(super) struct Literals(HashSet<EntityUid>);

impl Literals {
    /// Of these rules.
    pub(super) fn of<'r>(rules: impl IntoIterator<Item = &'r Rule>) -> Self {
        Self(rules.into_iter().flat_map(|rule| rule.policy.entity_literals()).collect())
    }

    /// The one id under which a policy meets this object, however a request calls it: its UUID, or its name where
    /// policies name it by that and not by its UUID.
    pub(super) fn uid(&self, kind: &EntityTypeName, facts: &ObjectFacts) -> EntityUid {
        let uid = |id: &str| EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id));
        let by_uuid = uid(&facts.uuid);
        if self.0.contains(&by_uuid) {
            return by_uuid;
        }
        facts.name.as_deref().map(uid).filter(|by_name| self.0.contains(by_name)).unwrap_or(by_uuid)
    }
}

/// The entities that a question needs, each once.
pub(super) struct Cast<'a> {
    literals: &'a Literals,
    /// The attributes that are read.
    fields: NodeFields,
    pub(super) entities: Vec<Entity>,
}

impl<'a> Cast<'a> {
    pub(super) const fn new(literals: &'a Literals, fields: NodeFields) -> Self {
        Self { literals, fields, entities: Vec::new() }
    }

    pub(super) fn push(&mut self, entity: Entity) {
        self.entities.push(entity);
    }

    /// Adds an object and the node that it belongs to. `asked` is what the request calls it.
    pub(super) fn object(
        &mut self,
        kind: &EntityTypeName,
        facts: &ObjectFacts,
        asked: &str,
    ) -> Result<EntityUid, NotAsked> {
        let uid = self.literals.uid(kind, facts);
        let string = |text: &str| RestrictedExpression::new_string(text.to_owned());
        let is_read = |name: &str| self.fields.contains(NodeFields::named(name));
        let mut attributes = HashMap::from([("id".to_owned(), string(asked))]);
        let strings = facts.strings.iter().filter(|(name, _)| is_read(name));
        attributes.extend(strings.map(|(name, text)| ((*name).to_owned(), string(text))));
        let booleans = facts.booleans.iter().filter(|(name, _)| is_read(name));
        attributes.extend(booleans.map(|(name, value)| ((*name).to_owned(), RestrictedExpression::new_bool(*value))));
        let properties = facts.properties.iter().filter(|_| self.fields.contains(NodeFields::properties()));
        let tags: Vec<(String, RestrictedExpression)> =
            properties.map(|(name, text)| (name.clone(), string(text))).collect();
        if let Some(node) = &facts.node {
            attributes.insert("node".to_owned(), RestrictedExpression::new_entity_uid(self.node(node)?));
        }
        let entity = Entity::new_with_tags(uid.clone(), attributes, HashSet::new(), tags).map_err(|_| NotAsked)?;
        self.entities.push(entity);
        Ok(uid)
    }

    /// The id under which policies meet a node.
    pub(super) fn node_uid(&self, facts: &ObjectFacts) -> Option<EntityUid> {
        NODE.as_ref().map(|kind| self.literals.uid(kind, facts))
    }

    /// Adds a node that the request does not name as its resource, once.
    pub(super) fn node(&mut self, facts: &ObjectFacts) -> Result<EntityUid, NotAsked> {
        let kind = NODE.as_ref().ok_or(NotAsked)?;
        let uid = self.literals.uid(kind, facts);
        if self.entities.iter().any(|entity| entity.uid() == uid) {
            return Ok(uid);
        }
        self.object(kind, facts, &facts.uuid)
    }
}
