//! What a write makes of the attributes that policies read.

use std::borrow::Cow;

use super::context::as_boolean;
use super::resource::{NODE_BOOLEANS, NODE_STRINGS, NodeFields, ObjectFacts};
use crate::call::Write;
use crate::catalog::ResourceType;
use crate::json::Json;

/// Attributes of nodes that no write names: Ironic sets them, or [`crate::lookup::Move::To`] tells more of them.
const NOT_WRITTEN: [&str; 3] = ["uuid", "provision_state", "parent_node"];

/// An attribute that a write changes, and what it will be; `None`: it will not be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attribute<'a> {
    /// A string.
    Text(&'static str, Option<&'a str>),
    /// A boolean.
    Flag(&'static str, Option<bool>),
    /// One of a node's properties.
    Property(Cow<'a, str>, Option<String>),
    /// All of a node's properties: none of them is left.
    Properties,
}

impl<'a> Attribute<'a> {
    /// What this write to an object of this type changes.
    pub fn written(kind: ResourceType, write: &'a Write<'_>) -> Option<Self> {
        let mut segments = write.path.segments();
        let field = segments.next()?;
        let (key, deeper) = (segments.next(), segments.next().is_some());
        let known = |names: &[&'static str]| names.iter().copied().find(|name| *name == field);
        let text = |name| Self::Text(name, write.value.and_then(Json::as_str));
        match (kind, &key) {
            (ResourceType::Node, Some(_)) if field == "properties" && !deeper => {
                Some(Self::Property(key?, write.value.and_then(property)))
            }
            (_, Some(_)) => None,
            (ResourceType::Node, None) if field == "properties" => Some(Self::Properties),
            (ResourceType::Node, None) => known(&NODE_STRINGS)
                .filter(|name| !NOT_WRITTEN.contains(name))
                .map(text)
                .or_else(|| Some(Self::Flag(known(&NODE_BOOLEANS)?, write.value.and_then(as_boolean)))),
            (ResourceType::Port | ResourceType::Portgroup, None) => known(&["name"]).map(text),
            (ResourceType::Allocation, None) => known(&["name", "owner"]).map(text),
            (
                ResourceType::Api
                | ResourceType::Collection
                | ResourceType::Chassis
                | ResourceType::Driver
                | ResourceType::Conductor
                | ResourceType::VolumeConnector
                | ResourceType::VolumeTarget
                | ResourceType::DeployTemplate
                | ResourceType::Runbook
                | ResourceType::InspectionRule
                | ResourceType::Shard,
                None,
            ) => None,
        }
    }

    /// Whether policies that read these fields see the change. The name may stand in any policy.
    pub fn is_read(&self, fields: NodeFields) -> bool {
        match self {
            Self::Text("name", _) => true,
            Self::Text(name, _) | Self::Flag(name, _) => fields.contains(NodeFields::named(name)),
            Self::Property(..) | Self::Properties => fields.contains(NodeFields::properties()),
        }
    }
}

/// As Ironic would tell it, see [`ObjectFacts::node`].
fn property(value: &Json<'_>) -> Option<String> {
    match value {
        Json::String(text) => Some(text.clone().into_owned()),
        Json::Integer(integer) => Some(integer.to_string()),
        Json::Float(number) => Some(format!("{number:?}")),
        Json::Boolean(boolean) => Some(boolean.to_string()),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}

impl ObjectFacts {
    /// Makes of the object what such a write leaves of it.
    pub fn change(&mut self, attribute: &Attribute<'_>) {
        match attribute {
            Attribute::Text("name", name) => {
                self.name = name.map(str::to_lowercase);
                set(&mut self.strings, "name", self.name.clone());
            }
            Attribute::Text(name, text) => set(&mut self.strings, name, text.map(str::to_owned)),
            Attribute::Flag(name, flag) => set(&mut self.booleans, name, *flag),
            Attribute::Property(key, text) => set(&mut self.properties, key.clone().into_owned(), text.clone()),
            Attribute::Properties => self.properties.clear(),
        }
    }
}

fn set<K: Ord, V>(map: &mut std::collections::BTreeMap<K, V>, key: K, value: Option<V>) {
    match value {
        Some(value) => drop(map.insert(key, value)),
        None => drop(map.remove(&key)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::WriteOp;
    use crate::json::Pointer;

    /// The node after a write, as a policy would be told.
    fn after(path: &str, value: Option<&Json<'_>>) -> Option<ObjectFacts> {
        let op = if value.is_some() { WriteOp::Add } else { WriteOp::Remove };
        let write =
            Write { op, path: Pointer::parse(path).unwrap(), value, step: None, secret: false, withheld: false };
        Attribute::written(ResourceType::Node, &write).map(|attribute| {
            let mut node = node("{}");
            node.change(&attribute);
            node
        })
    }

    fn node(more: &str) -> ObjectFacts {
        let mut answer = serde_json::json!({
            "uuid": "u-1", "name": "web-1", "owner": "a", "driver": "ipmi", "protected": true,
            "properties": {"rack": "r1", "n": 4},
        });
        let more: serde_json::Value = serde_json::from_str(more).unwrap();
        answer.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        ObjectFacts::node(&answer).unwrap()
    }

    #[test]
    fn a_write_leaves_what_ironic_would_tell() {
        let text = |text: &'static str| Json::String(text.into());
        for (path, value, expected) in [
            ("/owner", Some(text("b")), r#"{"owner": "b"}"#),
            ("/owner", Some(Json::Null), r#"{"owner": null}"#),
            ("/owner", None, r#"{"owner": null}"#),
            ("/name", Some(text("DB-1")), r#"{"name": "db-1"}"#),
            ("/name", None, r#"{"name": null}"#),
            ("/driver", Some(text("redfish")), r#"{"driver": "redfish"}"#),
            ("/resource_class", Some(text("x")), r#"{"resource_class": "x"}"#),
            ("/instance_uuid", Some(text("i")), r#"{"instance_uuid": "i"}"#),
            ("/protected", Some(Json::Boolean(false)), r#"{"protected": false}"#),
            ("/protected", Some(text("False")), r#"{"protected": false}"#),
            ("/retired", Some(Json::Boolean(true)), r#"{"retired": true}"#),
            ("/maintenance", None, r#"{"maintenance": null}"#),
            ("/properties/rack", Some(text("r2")), r#"{"properties": {"rack": "r2", "n": 4}}"#),
            ("/properties/n", Some(Json::Float(1.5)), r#"{"properties": {"rack": "r1", "n": 1.5}}"#),
            ("/properties/n", Some(Json::Array(Vec::new())), r#"{"properties": {"rack": "r1", "n": []}}"#),
            ("/properties/rack", None, r#"{"properties": {"n": 4}}"#),
            ("/properties/a~1b", Some(Json::Boolean(true)), r#"{"properties": {"rack": "r1", "n": 4, "a/b": true}}"#),
            ("/properties", Some(Json::Object(Vec::new())), r#"{"properties": {}}"#),
        ] {
            assert_eq!(after(path, value.as_ref()), Some(node(expected)), "{path} {expected}");
        }
        for path in
            ["/extra/owner", "/properties/caps/rack", "/owner/x", "/provision_state", "/uuid", "/parent_node", ""]
        {
            assert_eq!(after(path, Some(&text("x"))), None, "{path}");
        }
    }

    #[test]
    fn every_attribute_of_a_node_is_written_by_its_name() {
        for name in NODE_STRINGS.into_iter().chain(NODE_BOOLEANS) {
            let write = Write {
                op: WriteOp::Add,
                path: Pointer::parse(&format!("/{name}")).unwrap(),
                value: None,
                step: None,
                secret: false,
                withheld: false,
            };
            let written = Attribute::written(ResourceType::Node, &write);
            assert_eq!(written.is_some(), !NOT_WRITTEN.contains(&name), "{name}");
            let read = NodeFields::named(name);
            assert!(written.is_none_or(|attribute| attribute.is_read(read)), "{name}");
        }
    }
}
