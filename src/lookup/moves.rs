//! Writes that put an object elsewhere: to another node, below another, to another owner, to another value of whatever else
//! policies decide by.

use std::sync::Arc;

use crate::call::{Route, Write};
use crate::catalog::{Method, ResourceType};
use crate::policy::{Attribute, NodeFields, ObjectFacts};

/// The attribute of a node that is below another.
const PARENT_NODE: &str = "parent_node";

/// What a write does to the place of its object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Move<'a> {
    /// It names the node that the object is to belong to.
    To(&'a str),
    /// It takes the object away from its node.
    Away,
    /// It names a node that the request acts on too.
    Also(&'a str),
    /// It names a port group that the object is to be in: it is within the reach of those who reach the group's node.
    Within(&'a str),
    /// It changes an attribute that policies decide by.
    Attribute(Attribute<'a>),
}

/// The writes of a request that put its object elsewhere, in the order of the writes.
#[derive(Debug, Default)]
pub struct Moves<'w> {
    /// What each does, and the node that it names, if there is such a node; `None` for nearly all writes.
    pub each: Vec<Option<(Move<'w>, Option<Arc<ObjectFacts>>)>>,
    /// The object after all of them, if it is known and they put it elsewhere.
    pub after: Option<Arc<ObjectFacts>>,
    /// The object before them, if it is known.
    before: Option<Arc<ObjectFacts>>,
}

/// What this write does to the place of the object that it writes; `None` for nearly all writes.
pub fn moves<'w>(route: &Route<'_>, write: &'w Write<'_>) -> Option<Move<'w>> {
    let operation = route.operation();
    let text = write.value.and_then(|value| value.as_str());
    let to_node = || Some(text.map_or(Move::Away, Move::To));
    match (operation.resource, write.path.as_str()) {
        (ResourceType::Allocation, "/node" | "/node_uuid")
        | (
            ResourceType::Port
            | ResourceType::Portgroup
            | ResourceType::VolumeConnector
            | ResourceType::VolumeTarget
            | ResourceType::Collection,
            "/node_uuid",
        )
        | (ResourceType::Node | ResourceType::Collection, "/parent_node") => to_node(),
        (ResourceType::Collection, "/node") if operation.id == "allocation:create" => to_node(),
        (ResourceType::Collection, "/node_ident") if operation.id == "port:create" => to_node(),
        (ResourceType::Port, "/portgroup_uuid") => text.map(Move::Within),
        (ResourceType::Collection, "/portgroup_uuid") if operation.id == "port:create" => text.map(Move::Within),
        (ResourceType::Collection, path)
            if operation.id == "allocation:create" && path.starts_with("/candidate_nodes/") =>
        {
            to_node()
        }
        (ResourceType::Node, path)
            if operation.id == "node:set_provision_state" && path.contains("/limit_child_node_execution/") =>
        {
            text.map(Move::Also)
        }
        // The body of another operation (a vendor's method, say) may have keys of the same names.
        (kind, _) if operation.method == Method::Patch => Attribute::written(kind, write).map(Move::Attribute),
        _ => None,
    }
}

impl Move<'_> {
    /// Whether policies that read these fields may see a difference.
    pub fn is_read(&self, fields: NodeFields) -> bool {
        match self {
            Self::To(_) | Self::Also(_) | Self::Within(_) | Self::Away => true,
            Self::Attribute(attribute) => attribute.is_read(fields),
        }
    }

    /// Whether it names an object that has to be looked up.
    pub const fn names_another(&self) -> bool {
        matches!(self, Self::To(_) | Self::Also(_) | Self::Within(_))
    }
}

impl<'w> Moves<'w> {
    /// Adds the next write's. `resource` is the object before the request, `node` the one that the write names.
    pub fn push(
        &mut self,
        kind: ResourceType,
        resource: Option<&Arc<ObjectFacts>>,
        next: Option<(Move<'w>, Option<Arc<ObjectFacts>>)>,
    ) {
        self.before = resource.cloned();
        if let (Some((place, node)), Some(before)) = (&next, resource)
            && !matches!(place, Move::Also(_) | Move::Within(_))
        {
            // A request may have thousands of writes: the object is copied for the first of them, and then changed.
            let after = Arc::make_mut(self.after.get_or_insert_with(|| Arc::clone(before)));
            match place {
                Move::Attribute(attribute) => after.change(attribute),
                Move::To(identifier) if kind == ResourceType::Node => {
                    after.set(PARENT_NODE, Some(node.as_ref().map_or(*identifier, |node| node.uuid.as_str())));
                }
                Move::Away if kind == ResourceType::Node => after.set(PARENT_NODE, None),
                Move::To(_) | Move::Away | Move::Also(_) | Move::Within(_) => after.node.clone_from(node),
            }
        }
        self.each.push(next);
    }

    /// Whether the writes leave the object with more properties than policies are shown. Then it has none from here on: who
    /// reads them cannot decide, and for the others they make no difference.
    pub fn overfull(&mut self) -> bool {
        let Some(after) = self.after.as_mut().filter(|after| after.has_too_many_properties()) else { return false };
        Arc::make_mut(after).clear_properties();
        true
    }

    /// What else the write at this place in the order has to be permitted at: the object as the request would leave it,
    /// and where a node is put below another, or a step is to run on another, that one, since both must be within the
    /// caller's reach, whether it is there or not. So must the node of a port group: the object as if it were on that node.
    pub fn elsewhere(&self, kind: ResourceType, index: usize) -> Vec<Arc<ObjectFacts>> {
        let Some(Some((place, node))) = self.each.get(index) else { return Vec::new() };
        let other = match place {
            // One that is not there is not told from one that is another's.
            Move::To(identifier) | Move::Also(identifier) if kind == ResourceType::Node => {
                Some(node.as_ref().map_or_else(|| Arc::new(ObjectFacts::missing(identifier)), Arc::clone))
            }
            Move::Within(_) => {
                let object = self.after.as_ref().or(self.before.as_ref());
                object.map(|object| Arc::new(object.moved(node.clone())))
            }
            Move::To(_) | Move::Also(_) | Move::Away | Move::Attribute(_) => None,
        };
        self.after.iter().cloned().chain(other).collect()
    }

    /// The node that the write at this place in the order names.
    pub fn target(&self, index: usize) -> Option<&Arc<ObjectFacts>> {
        self.each.get(index)?.as_ref()?.1.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;
    use crate::call::WriteOp;
    use crate::catalog::{BodyKind, Field, Kind, Operation, catalog};
    use crate::json::{Json, Pointer};

    /// Fields of bodies that hold an identifier, and put nothing elsewhere.
    const NO_PLACES: [(&str, &str); 10] = [
        // The new object's own.
        ("*", "/uuid"),
        // Instances, VIFs and what events tell of are other services' objects.
        ("*", "/instance_uuid"),
        ("event:create", "/events/0/port_id"),
        ("event:create", "/events/0/device_id"),
        ("event:create", "/events/0/binding:host_id"),
        ("node:vif:attach", "/id"),
        // Ironic looks for them among those of the same node.
        ("node:vif:attach", "/port_uuid"),
        ("node:vif:attach", "/portgroup_uuid"),
        // Steps that are kept elsewhere; they run on the resource.
        ("node:set_provision_state", "/runbook"),
        // Policies see the path; chassis have no attributes.
        ("node:create", "/chassis_uuid"),
    ];

    /// The places below a field that hold the identifier of an object.
    fn identifiers(field: &Field, at: &str, found: &mut Vec<String>) {
        if matches!(field.kind, Kind::Uuid | Kind::UuidOrName) {
            found.push(at.to_owned());
        }
        for inner in &field.fields {
            identifiers(inner, &format!("{at}/{}", inner.name), found);
        }
        if let Some(item) = &field.items {
            identifiers(item, &format!("{at}/0"), found);
        }
    }

    fn is_move(operation: &'static Operation, path: &str) -> bool {
        let value = Json::String(Cow::Borrowed("x-1"));
        let route = Route::for_test(operation, 115);
        let path = Pointer::parse(path).unwrap();
        let write = Write { op: WriteOp::Add, path, value: Some(&value), step: None, secret: false, withheld: false };
        moves(&route, &write).is_some()
    }

    #[test]
    fn each_field_that_names_another_object_puts_something_there() {
        for operation in &catalog().operations {
            let mut found = Vec::new();
            let fields = match &operation.body {
                BodyKind::Object { schema, .. } => &schema.fields,
                BodyKind::Patch(name) => &catalog().patch(name).unwrap().fields,
                BodyKind::None | BodyKind::Any => continue,
            };
            for field in fields {
                identifiers(field, &format!("/{}", field.name), &mut found);
            }
            for path in found {
                let known = NO_PLACES.iter().any(|(id, known)| (*id == "*" || *id == operation.id) && *known == path);
                assert!(known || is_move(operation, &path), "{} {path}", operation.id);
            }
        }
    }

    fn node(uuid: &str, owner: &str) -> Arc<ObjectFacts> {
        Arc::new(ObjectFacts::node(&serde_json::json!({"uuid": uuid, "owner": owner, "lessee": "l"})).unwrap())
    }

    #[test]
    fn the_object_after_all_writes() {
        let (own, other) = (node("u-1", "a"), node("u-2", "b"));
        let mut moves = Moves::default();
        moves.push(ResourceType::Node, Some(&own), Some((Move::Attribute(Attribute::Text("owner", Some("c"))), None)));
        moves.push(ResourceType::Node, Some(&own), None);
        moves.push(ResourceType::Node, Some(&own), Some((Move::Attribute(Attribute::Text("lessee", None)), None)));
        moves.push(ResourceType::Node, Some(&own), Some((Move::To("u-2"), Some(Arc::clone(&other)))));
        let mut after = own.as_ref().clone();
        for (attribute, value) in [("owner", Some("c")), ("lessee", None), (PARENT_NODE, Some("u-2"))] {
            after.set(attribute, value);
        }
        assert_eq!(moves.after.as_deref(), Some(&after));
        assert_eq!(moves.elsewhere(ResourceType::Node, 0), [Arc::new(after.clone())]);
        assert!(moves.elsewhere(ResourceType::Node, 1).is_empty());
        assert_eq!(moves.elsewhere(ResourceType::Node, 3), [Arc::new(after), Arc::clone(&other)]);
        assert_eq!(moves.target(3), Some(&other));
        moves.push(ResourceType::Node, Some(&own), Some((Move::Also("Nowhere"), None)));
        assert_eq!(moves.elsewhere(ResourceType::Node, 4)[1], Arc::new(ObjectFacts::missing("nowhere")));
        let port = Arc::new(ObjectFacts::of_node(&serde_json::json!({"uuid": "p"}), Some(own)).unwrap());
        let mut moves = Moves::default();
        moves.push(ResourceType::Port, Some(&port), Some((Move::To("u-2"), Some(Arc::clone(&other)))));
        assert_eq!(moves.after.as_ref().and_then(|after| after.node.clone()), Some(other));
        let mut moves = Moves::default();
        moves.push(ResourceType::Port, Some(&port), Some((Move::To("nowhere"), None)));
        assert_eq!(moves.after.as_ref().map(|after| after.node.clone()), Some(None));
    }

    #[test]
    fn a_port_group_is_within_reach_where_its_node_is() {
        let (own, other) = (node("u-1", "a"), node("u-2", "b"));
        let port = Arc::new(ObjectFacts::of_node(&serde_json::json!({"uuid": "p"}), Some(Arc::clone(&own))).unwrap());
        let group = || Some((Move::Within("g"), Some(Arc::clone(&other))));
        let nodes = |moves: &Moves<'_>, index| -> Vec<_> {
            moves.elsewhere(ResourceType::Port, index).iter().map(|place| place.node.clone()).collect()
        };
        let mut moves = Moves::default();
        moves.push(ResourceType::Port, Some(&port), group());
        assert_eq!(moves.after, None);
        assert_eq!(nodes(&moves, 0), [Some(Arc::clone(&other))]);
        // A later move hides nothing of it.
        moves.push(ResourceType::Port, Some(&port), Some((Move::To("u-1"), Some(Arc::clone(&own)))));
        assert_eq!(nodes(&moves, 0), [Some(Arc::clone(&own)), Some(Arc::clone(&other))]);
        assert_eq!(nodes(&moves, 1), [Some(own)]);
        // No such group: the port is on no node that policies know.
        let mut moves = Moves::default();
        moves.push(ResourceType::Port, Some(&port), Some((Move::Within("g"), None)));
        assert_eq!(nodes(&moves, 0), [None]);
        // On a create there is no object yet, but the group's node is told.
        let mut moves = Moves::default();
        moves.push(ResourceType::Collection, None, group());
        assert!(nodes(&moves, 0).is_empty());
        assert_eq!(moves.target(0), Some(&other));
    }
}
