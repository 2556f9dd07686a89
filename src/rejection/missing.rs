//! A denial that looks like a missing object: `@conceal`.

use crate::catalog::{Operation, ResourceType};
use crate::microversion::{Ceiling, Microversion};
use crate::scrub::{self, ScrubRules};

/// What the caller sees instead of a denial: what irongate makes of Ironic's own 404 for this object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    pub(super) status: u16,
    pub(super) text: String,
    pub(super) microversion: Microversion,
    pub(super) ceiling: Ceiling,
}

impl Missing {
    /// For the object that the request calls `identifier`.
    pub fn new(
        operation: &Operation,
        identifier: Option<&str>,
        microversion: Microversion,
        ceiling: Ceiling,
        rules: &ScrubRules,
    ) -> Self {
        let fault = serde_json::json!({
            "faultcode": "Client",
            "faultstring": faultstring(operation, identifier),
            "debuginfo": null,
        });
        let body = serde_json::json!({ "error_message": fault.to_string() }).to_string();
        // The same way that Ironic's own answer goes.
        let status = if operation.id == "node:allocation:get" { 400 } else { 404 };
        let text = scrub::rebuild(status, Some("application/json"), body.as_bytes(), rules);
        Self { status, text, microversion, ceiling }
    }
}

/// The lists below a node for which Ironic has other words.
const OF_A_NODE: [&str; 4] =
    ["node:ports:list", "node:ports:list_detail", "node:portgroups:list", "node:portgroups:list_detail"];

/// Ironic's words (`ironic.common.exception`).
fn faultstring(operation: &Operation, identifier: Option<&str>) -> String {
    let Some(identifier) = identifier else { return "Resource could not be found.".to_owned() };
    // Where Ironic looks for ports and port groups of a node that is missing, it misses a port group.
    if OF_A_NODE.contains(&operation.id.as_str()) {
        return "Portgroup None could not be found.".to_owned();
    }
    let kind = match operation.resource {
        ResourceType::Node => "Node",
        ResourceType::Port => "Port",
        ResourceType::Portgroup => "Portgroup",
        ResourceType::Chassis => "Chassis",
        ResourceType::Conductor => "Conductor",
        ResourceType::VolumeConnector => "Volume connector",
        ResourceType::VolumeTarget => "Volume target",
        ResourceType::Allocation => "Allocation",
        ResourceType::DeployTemplate => "Deploy template",
        ResourceType::Runbook => "Runbook",
        ResourceType::InspectionRule => "Rule",
        ResourceType::Driver => {
            return format!("Could not find the following driver(s) or hardware type(s): {identifier}.");
        }
        ResourceType::Shard | ResourceType::Api | ResourceType::Collection => {
            return "Resource could not be found.".to_owned();
        }
    };
    format!("{kind} {identifier} could not be found.")
}
