//! The Cedar schema, written from the catalogue.

use std::fmt::Write as _;

use super::filter::lists_of_node;
use super::resource::{NODE_BOOLEANS, NODE_STRINGS};
use crate::catalog::{BodyKind, Group, Kind, Operation, Parameter, ResourceType, Segment, catalog};

/// The suffix of the action that is asked once for each write.
pub(super) const WRITE_SUFFIX: &str = ":write";
/// The action group of all writes.
pub(super) const WRITE_GROUP: &str = "write";
/// The id of the one `Api`.
pub(super) const API_ID: &str = "ironic";

pub(super) const GROUPS: [Group; 13] = [
    Group::Discover,
    Group::Read,
    Group::Power,
    Group::Provision,
    Group::Configure,
    Group::Network,
    Group::Console,
    Group::Media,
    Group::Destroy,
    Group::Passthru,
    Group::Automate,
    Group::Ramdisk,
    Group::Event,
];

pub(super) const RESOURCE_TYPES: [ResourceType; 15] = [
    ResourceType::Api,
    ResourceType::Collection,
    ResourceType::Node,
    ResourceType::Port,
    ResourceType::Portgroup,
    ResourceType::Chassis,
    ResourceType::Driver,
    ResourceType::Conductor,
    ResourceType::VolumeConnector,
    ResourceType::VolumeTarget,
    ResourceType::Allocation,
    ResourceType::DeployTemplate,
    ResourceType::Runbook,
    ResourceType::InspectionRule,
    ResourceType::Shard,
];

/// The action that is asked for a field that a role may see unmasked. It is in no group: `read` does not include it.
pub(super) const SECRETS_READ: &str = "secrets:read";

/// The action that is asked before a caller is told what dry-run would have refused. It is in no group either.
pub(super) const SHADOW_READ: &str = "shadow:read";

const HEAD: &str = r#"// What irongate's policies may speak of. Generated from the catalogue (`irongate schema cedar`); do not edit.
// The manual is docs/policy.md.

// A role that a binding of the configuration gives.
entity Role;

// Whoever a credential proved the caller to be. Its id is "scheme:name", such as "basic:alice"; who presented no
// credential is Principal::"anonymous".
entity Principal in [Role] {
  name: String,
  scheme: String,
  roles: Set<String>,
  // Of a Keystone token; who came otherwise has none of these. Ids are Keystone's, and so are the roles.
  user_id?: String,
  user_domain_id?: String,
  project_id?: String,          // project scope
  project_domain_id?: String,
  domain_id?: String,           // domain scope
  system?: Bool,                // system scope
  keystone_roles?: Set<String>,
};

// Resources. `id` is the identifier in the request, in lower case. Optional attributes are looked up from Ironic where a
// policy reads them; they are absent where the object does not exist, has no such value, or Ironic does not know the field.
"#;

const TYPES: &str = r#"
// One write of a request's body.
type Write = {
  path: String,    // JSON Pointer, such as "/driver_info/redfish_address"
  op: String,      // "add", "replace", "remove"
  field: String,   // the first segment of the path, unescaped
  key: String,     // the last segment of the path, unescaped
  siblings: Set<String>,  // the places that the same request sets, paths of one or two segments
  secret: Bool,    // then the value shows its kind and length only
  secret_reference: Bool,  // as a text of an inspection rule it, or a key before it, may bring a secret: "{node.driver_info}"
  value?: Value,   // absent for "remove"
  step?: Step,     // for a clean, deploy or service step and its arguments
  target?: Node,   // for a write that puts the object at a node ("/node_uuid", "/parent_node", ...): that node
};

type Value = {
  kind: String,      // "null", "boolean", "integer", "number", "string", "array", "object"
  length: Long,      // bytes of a string, items of an array, members of an object; else 0
  string?: String,   // strings up to 4096 bytes
  integer?: Long,    // integers, and strings that spell one
  boolean?: Bool,    // booleans, and whatever else Ironic reads as one ("true", "no", 0, ...)
  spelling?: String, // of a string: "word" (A-Z a-z 0-9 . _ : @ / -), "line" (printable ASCII), "text" (anything else)
  places: Set<String>,  // the configured places, and "local", that the host, address or file is in; empty for a secret
  url?: Url,         // strings that look like a URL
};

type Url = {
  plain: Bool,         // false: readers may disagree about it; then its path is empty, and often only the scheme is told
  scheme: String,      // lower case
  host: String,        // lower case, no brackets; "" if there is none
  address?: ipaddr,    // the host, if it is an address
  port?: Long,
  path: String,
  userinfo: Bool,      // whether there is a "user:password@"
};

type Step = {
  id: String,          // "interface.step"
  interface: String,
  step: String,
  argument?: String,   // the name of the step's argument that is written
};

// Action groups.
"#;

/// The schema of the embedded catalogue, in Cedar's own syntax.
pub fn cedar_schema() -> String {
    schema_of(catalog().operations())
}

/// The schema of these operations.
pub(super) fn schema_of(operations: &[Operation]) -> String {
    schema_about(operations, &|_| true)
}

/// The same where only those actions apply to anything, besides irongate's own: all are known, most can never be asked.
pub(super) fn schema_about(operations: &[Operation], applies: &dyn Fn(&str) -> bool) -> String {
    let mut text = HEAD.to_owned();
    for resource in RESOURCE_TYPES {
        entity(&mut text, resource);
    }
    text.push_str(TYPES);
    for group in GROUPS {
        push(&mut text, format_args!("action {};\n", quoted(group.as_str())));
    }
    push(&mut text, format_args!("action {};\n\n// Operations.\n", quoted(WRITE_GROUP)));
    for operation in operations {
        operation_actions(&mut text, operation, applies);
    }
    text.push_str("// Each field of `[[scrub.role]]` with `treatment = \"keep\"`; \"/driver_info/redfish_password\", for example.\n");
    let context = format!("{COMMON_CONTEXT}    parameters: {{}},\n    query: {{}},\n");
    action(&mut text, SECRETS_READ, &[], ResourceType::Api, &context, "    field: String,\n");
    text.push_str(
        "// Whether a caller is told, in a header of the answer, which rule would have denied its request.\n",
    );
    action(&mut text, SHADOW_READ, &[], ResourceType::Api, &context, "");
    text
}

const COMMON_CONTEXT: &str = "    microversion: Long,\n    listener: String,\n    scheme: String,\n    now: datetime,\n    \
                              source?: ipaddr,\n";
fn entity(text: &mut String, resource: ResourceType) {
    let more = match resource {
        ResourceType::Node => {
            let strings = NODE_STRINGS.iter().map(|name| format!("  {name}?: String,\n"));
            let booleans = NODE_BOOLEANS.iter().map(|name| format!("  {name}?: Bool,\n"));
            let attributes: String = strings.chain(booleans).collect();
            push(
                text,
                format_args!(
                    "// Its tags are its properties.\nentity Node {{\n  id: String,\n{attributes}}} tags String;\n"
                ),
            );
            return;
        }
        ResourceType::Port | ResourceType::Portgroup => ", uuid?: String, name?: String, node?: Node",
        ResourceType::VolumeConnector | ResourceType::VolumeTarget => ", uuid?: String, node?: Node",
        ResourceType::Allocation => {
            ", uuid?: String, name?: String, owner?: String, resource_class?: String, node?: Node"
        }
        ResourceType::Api
        | ResourceType::Collection
        | ResourceType::Chassis
        | ResourceType::Driver
        | ResourceType::Conductor
        | ResourceType::DeployTemplate
        | ResourceType::Runbook
        | ResourceType::InspectionRule
        | ResourceType::Shard => "",
    };
    push(text, format_args!("entity {} {{ id: String{more} }};\n", resource.as_str()));
}

fn operation_actions(text: &mut String, operation: &Operation, applies: &dyn Fn(&str) -> bool) {
    let groups: Vec<String> = operation.groups.iter().map(|group| quoted(group.as_str())).collect();
    let context = context_type(operation);
    push(text, format_args!("// {} {}\n", operation.method.as_str(), operation.path));
    let mut one = |id: &str, parents: &[String], more: &str| {
        if applies(id) {
            action(text, id, parents, operation.resource, &context, more);
        } else {
            named(text, id, parents);
            text.push_str(";\n");
        }
    };
    one(&operation.id, &groups, "");
    if has_writes(operation) {
        // Not a direct member of the groups: it is in them through the operation.
        let parents = [quoted(&operation.id), quoted(WRITE_GROUP)];
        one(&write_action(&operation.id), &parents, "    write: Write,\n");
    }
}

fn named(text: &mut String, id: &str, parents: &[String]) {
    push(text, format_args!("action {}", quoted(id)));
    if !parents.is_empty() {
        push(text, format_args!(" in [{}]", parents.join(", ")));
    }
}

fn action(text: &mut String, id: &str, parents: &[String], resource: ResourceType, context: &str, more: &str) {
    named(text, id, parents);
    push(
        text,
        format_args!(
            " appliesTo {{\n  principal: [Principal],\n  resource: [{}],\n  context: {{\n{context}{more}  }},\n}};\n",
            resource.as_str()
        ),
    );
}

fn context_type(operation: &Operation) -> String {
    let parameters: Vec<String> =
        path_parameters(operation).map(|(name, _)| format!("{}: String", quoted(name))).collect();
    let query: Vec<String> = operation
        .query
        .iter()
        .map(|field| {
            let kind = if is_list(field.kind) { "Set<String>" } else { "String" };
            format!("{}?: {kind}", quoted(&field.name))
        })
        .collect();
    let node = if lists_of_node(operation) { "    node?: Node,\n" } else { "" };
    format!(
        "{COMMON_CONTEXT}    parameters: {{{}}},\n    query: {{{}}},\n{node}    query_names: Set<String>,\n    places: Set<String>,\n",
        parameters.join(", "),
        query.join(", ")
    )
}

/// The path parameters of the canonical path. What only an alias has in its path is a query parameter.
pub(super) fn path_parameters(operation: &Operation) -> impl Iterator<Item = (&str, Parameter)> {
    operation.template.iter().filter_map(|segment| match segment {
        Segment::Literal(_) => None,
        Segment::Parameter(name, kind) => Some((name.as_str(), *kind)),
    })
}

/// Whether a query parameter of this kind is a set of strings for policies.
pub(super) const fn is_list(kind: Kind) -> bool {
    matches!(kind, Kind::StringList)
}

/// Whether a query parameter of this kind is compared in lower case, as identifiers in paths are.
pub(super) const fn is_identifier(kind: Kind) -> bool {
    matches!(kind, Kind::Uuid | Kind::Name | Kind::UuidOrName)
}

/// Whether there is a `:write` action.
pub(super) const fn has_writes(operation: &Operation) -> bool {
    match operation.body {
        BodyKind::None => false,
        BodyKind::Object { .. } | BodyKind::Patch(_) | BodyKind::Any => true,
    }
}

/// The id of the action that is asked for each write of an operation.
pub(super) fn write_action(operation: &str) -> String {
    format!("{operation}{WRITE_SUFFIX}")
}

/// The resource's id where the operation is about no single object: `ironic`, or the collection's plural, which is the
/// last plain word of the path (`nodes` of `/v1/nodes/detail`, `connectors` of `/v1/volume/connectors`).
pub(super) fn fixed_id(operation: &Operation) -> String {
    if operation.resource == ResourceType::Api {
        return API_ID.to_owned();
    }
    let literals = operation.template.iter().filter_map(|segment| match segment {
        Segment::Literal(text) => Some(text.as_str()),
        Segment::Parameter(..) => None,
    });
    literals.rev().find(|text| *text != "detail").unwrap_or(API_ID).to_owned()
}

fn quoted(text: &str) -> String {
    format!("{text:?}")
}

fn push(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = text.write_fmt(arguments);
}
