//! The catalogue as people and programs read it: `irongate routes`.

use serde::Serialize;

use super::{Answer, BodyKind, Field, Group, Method, Operation, ResourceType, catalog};

/// How the table is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableFormat {
    /// Aligned columns: method, path, id, first microversion, groups, resource.
    Text,
    /// An array with one object an operation, which has everything but the order of the catalogue.
    Json,
}

/// One operation in JSON.
#[derive(Serialize)]
struct Row<'a> {
    id: &'a str,
    method: Method,
    path: &'a str,
    aliases: Vec<String>,
    /// `1.N`, as clients ask for it.
    since: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    also_at: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    too_early_status: Option<u16>,
    groups: &'a [Group],
    resource: ResourceType,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_parameter: Option<&'a str>,
    public: bool,
    query: &'a [Field],
    body: Body<'a>,
    body_bytes_max: usize,
    success: &'a [u16],
    answer: Answer,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    secret_fields: &'a [String],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    sensitive_fields: &'a [String],
    rules: &'a [String],
}

/// A body in JSON.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Body<'a> {
    None,
    Any,
    Object { optional: bool, open: bool, fields: &'a [Field] },
    Patch { of: &'a str, fields: &'a [Field] },
}

/// The operations of the catalogue, in its order.
#[expect(clippy::expect_used, reason = "plain types with text keys serialise, and a test proves it")]
pub fn table(format: TableFormat) -> String {
    match format {
        TableFormat::Text => text(),
        TableFormat::Json => {
            let rows: Vec<Row<'_>> = catalog().operations().iter().map(row).collect();
            let mut text = serde_json::to_string_pretty(&rows).expect("the catalogue serialises");
            text.push('\n');
            text
        }
    }
}

const HEADINGS: [&str; 6] = ["METHOD", "PATH", "OPERATION", "SINCE", "GROUPS", "RESOURCE"];

fn text() -> String {
    let cells = |operation: &Operation| {
        let groups: Vec<&str> = operation.groups.iter().map(|group| group.as_str()).collect();
        [
            operation.method.as_str().to_owned(),
            operation.path.clone(),
            operation.id.clone(),
            version(operation.since),
            groups.join(","),
            operation.resource.as_str().to_owned(),
        ]
    };
    let mut lines = vec![HEADINGS.map(str::to_owned)];
    lines.extend(catalog().operations().iter().map(cells));
    let mut widths = [0; HEADINGS.len()];
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = cell.len().max(*width);
        }
    }
    lines.iter().fold(String::new(), |mut text, line| {
        let padded: Vec<String> = line.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        text.push_str(padded.join("  ").trim_end());
        text.push('\n');
        text
    })
}

fn version(minor: u16) -> String {
    format!("1.{minor}")
}

fn row(operation: &Operation) -> Row<'_> {
    Row {
        id: &operation.id,
        method: operation.method,
        path: &operation.path,
        aliases: operation.aliases.iter().map(|path| super::path_text(path)).collect(),
        since: version(operation.since),
        until: operation.until.map(version),
        also_at: operation.also_at.iter().copied().map(version).collect(),
        too_early_status: operation.too_early_status,
        groups: &operation.groups,
        resource: operation.resource,
        resource_parameter: operation.resource_parameter.as_deref(),
        public: operation.public,
        query: &operation.query,
        body: body(&operation.body),
        body_bytes_max: operation.body_bytes_max,
        success: &operation.success,
        answer: operation.answer,
        secret_fields: &operation.secret_fields,
        sensitive_fields: &operation.sensitive_fields,
        rules: &operation.rules,
    }
}

fn body(body: &BodyKind) -> Body<'_> {
    match body {
        BodyKind::None => Body::None,
        BodyKind::Any => Body::Any,
        BodyKind::Object { schema, optional } => {
            Body::Object { optional: *optional, open: schema.open, fields: &schema.fields }
        }
        BodyKind::Patch(name) => {
            Body::Patch { of: name, fields: catalog().patch(name).map_or(&[], |patch| &patch.fields) }
        }
    }
}
