//! The types of operations.

use serde::{Deserialize, Serialize};

use super::catalog;
use super::schema::Field;
use crate::json::Pointer;

/// One row of Ironic's API.
#[derive(Debug, Clone)]
pub struct Operation {
    /// Its place in [`super::Catalog::operations`]; other tables are indexed by it.
    pub index: usize,
    /// Stable name, `resource:verb`, such as `node:set_power_state`. It is the Cedar action's id too.
    pub id: String,
    /// The only HTTP method that reaches it.
    pub method: Method,
    /// The canonical path with parameters in braces: `/v1/nodes/{node}/states/power`.
    pub path: String,
    /// `path` in parts; what is forwarded is built from these.
    pub template: Vec<Segment>,
    /// Other documented paths of the same operation (`…/vendor_passthru/{method}`), in parts.
    pub aliases: Vec<Vec<Segment>>,
    /// Whether Ironic gets the first alias and not the canonical path, because it serves only that.
    pub forward_alias: bool,
    /// Whether a slash at the end of the canonical path is taken: clients write `/v1/nodes/?limit=1`. It is not forwarded.
    pub trailing_slash: bool,
    /// The first microversion (`1.N`) that has the operation.
    pub since: u16,
    /// The last one, if it was withdrawn.
    pub until: Option<u16>,
    /// The status that Ironic gives when the caller's microversion is below `since` (404 or 405); `None` where Ironic answers all the same.
    pub too_early_status: Option<u16>,
    /// Microversions below `since` at which Ironic serves it all the same (`continue_inspection` at 1.1).
    pub also_at: Vec<u16>,
    /// The action groups it belongs to.
    pub groups: Vec<Group>,
    /// The type of the resource that a policy sees.
    pub resource: ResourceType,
    /// The path parameter that names that resource; `None` for collections and the API itself.
    pub resource_parameter: Option<String>,
    /// Whether Ironic serves it without a token.
    pub public: bool,
    /// The query parameters it knows, as fields. Anything else is refused.
    pub query: Vec<Field>,
    /// The statuses that Ironic gives to query parameters before their `since`, by name; 406 where none is given.
    pub query_too_early_status: Vec<(String, u16)>,
    /// What its body is.
    pub body: BodyKind,
    /// The largest body in bytes.
    pub body_bytes_max: usize,
    /// The statuses of success.
    pub success: Vec<u16>,
    /// What its answer is.
    pub answer: Answer,
    /// The object in its answer, by the name that [`super::Catalog::object`] takes.
    pub object: Option<String>,
    /// The names of that object's fields, sorted: the columns that `fields` and `sort_key` may name.
    pub columns: Option<Vec<String>>,
    /// The key of the list of these objects, if the answer is a list.
    pub list: Option<String>,
    /// Whether its answer documents names (a driver's properties, say) and holds no values: key names say nothing then.
    pub documents: bool,
    /// Places in its answer whose value is a secret and is masked whole: JSON Pointers with `*` for any key or index.
    pub secret_fields: Vec<String>,
    /// Places in its answer that may hold secrets among other things; names and shapes decide below them. Pointers, as above.
    pub sensitive_fields: Vec<String>,
    /// Ironic's own policy rule names, in the order in which Ironic checks them.
    pub rules: Vec<String>,
}

/// What a request costs and how much it is missed: bounds and rates are per class, and under pressure they are shed in
/// this order, reads first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// Everything that only looks.
    Read,
    /// What changes something.
    Write,
    /// What removes objects.
    Destructive,
    /// What the ramdisk calls: a lost heartbeat fails a deployment.
    Ramdisk,
}

impl Class {
    /// All, in the order in which they are shed.
    pub const ALL: [Self; 4] = [Self::Read, Self::Write, Self::Destructive, Self::Ramdisk];

    /// The word in configuration, records and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Destructive => "destructive",
            Self::Ramdisk => "ramdisk",
        }
    }
}

impl Operation {
    /// Its class: said here once, from its groups and its method.
    pub fn class(&self) -> Class {
        if self.groups.contains(&Group::Ramdisk) {
            Class::Ramdisk
        } else if self.groups.contains(&Group::Destroy) {
            Class::Destructive
        } else if self.method == Method::Get {
            Class::Read
        } else {
            Class::Write
        }
    }

    /// What the catalogue says of a place that this operation writes, if it lists the place.
    pub fn written_field(&self, path: &Pointer) -> Option<&Field> {
        let fields = match &self.body {
            BodyKind::Object { schema, .. } => &schema.fields,
            BodyKind::Patch(name) => &catalog().patch(name)?.fields,
            BodyKind::None | BodyKind::Any => return None,
        };
        let mut segments = path.segments();
        let first = segments.next()?;
        let mut field = fields.iter().find(|field| field.name == first)?;
        for segment in segments {
            field = match &field.items {
                Some(items) => items,
                None => field.fields.iter().find(|field| field.name == segment)?,
            };
        }
        Some(field)
    }
}

/// The methods that Ironic documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "the names say it all")]
pub enum Method {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

impl Method {
    /// The method as it stands in a request.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

/// One part of a path template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// Matched exactly.
    Literal(String),
    /// A parameter of this name, whose spelling is checked as [`Parameter`] says.
    Parameter(String, Parameter),
}

/// What a path parameter's text may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Parameter {
    /// UUID or logical name; for nodes, without the reserved names.
    UuidOrName,
    /// UUID only.
    Uuid,
    /// A trait.
    Trait,
    /// A driver's, a vendor method's or a shard's name: like a logical name.
    Text,
    /// A conductor's host name, which may hold `:` and `[]`.
    Host,
    /// `name@component`.
    Indicator,
    /// Device types of virtual media, separated by commas.
    DeviceTypes,
}

/// Action groups: what a policy grants when it does not list operations one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Group {
    /// Version discovery and health: what a client needs before it can do anything.
    Discover,
    /// Reads without side effects.
    Read,
    /// Power, NMI, boot device, boot mode, secure boot, indicators.
    Power,
    /// Provision state changes and maintenance: deploy, clean, rescue, service, undeploy.
    Provision,
    /// Creates and updates of objects, traits, RAID, allocations.
    Configure,
    /// VIF attachment and detachment.
    Network,
    /// Console reads and switches.
    Console,
    /// Virtual media.
    Media,
    /// Deletes of objects.
    Destroy,
    /// Vendor passthru of nodes and drivers.
    Passthru,
    /// Code that Ironic runs on many nodes: deploy templates, runbooks, inspection rules (writes).
    Automate,
    /// What the ramdisk calls: lookup, heartbeat, continue_inspection.
    Ramdisk,
    /// Events from the networking service.
    Event,
}

impl Group {
    /// The word for policies and tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Discover => "discover",
            Self::Read => "read",
            Self::Power => "power",
            Self::Provision => "provision",
            Self::Configure => "configure",
            Self::Network => "network",
            Self::Console => "console",
            Self::Media => "media",
            Self::Destroy => "destroy",
            Self::Passthru => "passthru",
            Self::Automate => "automate",
            Self::Ramdisk => "ramdisk",
            Self::Event => "event",
        }
    }
}

/// The entity types that policies see as resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, Serialize)]
#[expect(missing_docs, reason = "the names are Ironic's own")]
pub enum ResourceType {
    /// The API itself: discovery, health, the ramdisk's routes, events.
    Api,
    /// A list of objects, or the place where one is created; its id is the plural (`nodes`).
    Collection,
    Node,
    Port,
    Portgroup,
    Chassis,
    Driver,
    Conductor,
    VolumeConnector,
    VolumeTarget,
    Allocation,
    DeployTemplate,
    Runbook,
    InspectionRule,
    Shard,
}

impl ResourceType {
    /// The entity type's name in policies.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Api => "Api",
            Self::Collection => "Collection",
            Self::Node => "Node",
            Self::Port => "Port",
            Self::Portgroup => "Portgroup",
            Self::Chassis => "Chassis",
            Self::Driver => "Driver",
            Self::Conductor => "Conductor",
            Self::VolumeConnector => "VolumeConnector",
            Self::VolumeTarget => "VolumeTarget",
            Self::Allocation => "Allocation",
            Self::DeployTemplate => "DeployTemplate",
            Self::Runbook => "Runbook",
            Self::InspectionRule => "InspectionRule",
            Self::Shard => "Shard",
        }
    }
}

/// What an operation takes as its body.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "some hundred of them, made once")]
pub enum BodyKind {
    /// None: a body is refused.
    None,
    /// An object with the fields of this schema ([`super::Kind::Object`]); `optional` when no body at all is taken too.
    Object {
        /// Its keys.
        schema: Field,
        /// Whether the body may be left out.
        optional: bool,
    },
    /// A JSON Patch for the resource of this name ([`super::Catalog::patch`]).
    Patch(String),
    /// Any JSON, or none: vendor passthru.
    Any,
}

/// What may be patched on a resource.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PatchSchema {
    /// The resource: `node`, `port`, …
    pub name: String,
    /// Top-level fields. A [`super::Kind::Map`] may be patched below its top level too. `name` has no slash.
    pub fields: Vec<Field>,
    /// Whether fields that are not listed may be patched (none, at present).
    #[serde(default)]
    pub open: bool,
}

/// An object in answers.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnswerObject {
    /// Its name: `node`, `console`, …
    pub name: String,
    /// Its known fields. A newer Ironic may send more.
    pub fields: Vec<AnswerField>,
    /// As [`Operation::secret_fields`], below the object.
    #[serde(default)]
    pub secret: Vec<String>,
    /// As [`Operation::sensitive_fields`], below the object.
    #[serde(default)]
    pub sensitive: Vec<String>,
}

/// A field of an object in answers.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnswerField {
    /// Its key.
    pub name: String,
    /// The first microversion (`1.N`) that shows it.
    #[serde(default = "first")]
    pub since: u16,
}

const fn first() -> u16 {
    super::MICROVERSION_MIN
}

/// What an operation answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Nothing.
    Empty,
    /// JSON, scrubbed as it passes.
    Json,
    /// What the ramdisk gets: its agent token passes.
    Lookup,
    /// Version documents: links and versions are adapted.
    Discovery,
}
