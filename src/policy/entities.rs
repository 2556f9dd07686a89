//! The looked-up objects of a question as Cedar's entities.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::LazyLock;

use cedar_policy::{Entity, EntityId, EntityTypeName, EntityUid, Policy, RestrictedExpression};

use super::context::NotAsked;
use super::resource::{NodeFields, ObjectFacts, Objects};

static NODE: LazyLock<Option<EntityTypeName>> = LazyLock::new(|| "Node".parse().ok());

/// The objects that policies name in so many words (`Node::"web-1"`).
#[derive(Debug, Default)]
pub(super) struct Literals(HashSet<EntityUid>);

/// Names that policies use beside the UUID of the same object, each with the id by that.
pub(super) type Aliases = BTreeMap<EntityUid, EntityUid>;

impl Literals {
    /// Of these policies' [`named`] objects.
    pub(super) fn of<'p>(named: impl IntoIterator<Item = &'p EntityUid>) -> Self {
        Self(named.into_iter().cloned().collect())
    }

    /// The id under which these policies meet an object, however a request calls it: its UUID, or its name where they name
    /// it by that and not by its UUID. Where they name it by both, the names have to be replaced ([`Self::aliases`]).
    pub(super) fn uid(&self, kind: &EntityTypeName, facts: &ObjectFacts) -> EntityUid {
        match self.ids(kind, facts) {
            (by_uuid, Some(by_name)) if !self.0.contains(&by_uuid) => by_name,
            (by_uuid, _) => by_uuid,
        }
    }

    /// The names of those of these objects that the policies name by their UUID too.
    pub(super) fn aliases(&self, resource_type: &EntityTypeName, objects: Objects<'_>) -> Aliases {
        if self.0.is_empty() {
            return Aliases::new();
        }
        let resource = objects.resource.map(|facts| (resource_type, facts));
        let nodes = objects.resource.and_then(|facts| facts.node.as_deref()).into_iter().chain(objects.target);
        let nodes = nodes.filter_map(|facts| Some((NODE.as_ref()?, facts)));
        let alias = |(kind, facts)| match self.ids(kind, facts) {
            (by_uuid, Some(by_name)) if self.0.contains(&by_uuid) => Some((by_name, by_uuid)),
            _ => None,
        };
        resource.into_iter().chain(nodes).filter_map(alias).collect()
    }

    /// The id by its UUID, and that by its name where the policies name it so.
    fn ids(&self, kind: &EntityTypeName, facts: &ObjectFacts) -> (EntityUid, Option<EntityUid>) {
        let uid = |id: &str| EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id));
        (uid(&facts.uuid), facts.name.as_deref().map(uid).filter(|by_name| self.0.contains(by_name)))
    }
}

/// The objects that a policy names.
pub(super) fn named(policy: &Policy) -> Vec<EntityUid> {
    let is_object = |uid: &EntityUid| !["Role", "Action"].contains(&uid.type_name().basename());
    policy.entity_literals().into_iter().filter(is_object).collect()
}

/// The entities that a question needs, each once.
pub(super) struct EntityBuilder<'a> {
    literals: &'a Literals,
    /// The attributes that are read.
    fields: NodeFields,
    pub(super) entities: Vec<Entity>,
}

impl<'a> EntityBuilder<'a> {
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
