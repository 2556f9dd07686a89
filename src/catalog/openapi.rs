//! The whole API at a microversion as an OpenAPI 3.1 document: `irongate schema openapi`.

use serde_json::{Map, Value, json};

use super::json_schema::{self, Form};
use super::{Answer, BodyKind, Operation, Segment, catalog};

/// The document at `1.minor`, as JSON text with a line end.
pub fn openapi(minor: u16) -> String {
    let mut paths: Map<String, Value> = Map::new();
    for operation in catalog().operations().iter().filter(|operation| is_at(operation, minor)) {
        let path = paths.entry(operation.path.clone()).or_insert_with(|| json!({}));
        if let Some(methods) = path.as_object_mut() {
            methods.insert(operation.method.as_str().to_ascii_lowercase(), row(operation, minor));
        }
    }
    let document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Ironic's bare-metal API as irongate takes it",
            "version": format!("1.{minor}"),
            "description": format!(
                "Every operation at microversion 1.{minor}. Requests name it in the header \
                 `X-OpenStack-Ironic-API-Version: 1.{minor}`; fields and parameters of later microversions are not listed. \
                 Answers may hold more fields than are named here."
            ),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {"schemas": components(minor), "responses": {"Error": error_response()}},
    });
    format!("{document:#}\n")
}

fn is_at(operation: &Operation, minor: u16) -> bool {
    let within = minor >= operation.since && operation.until.is_none_or(|until| minor <= until);
    // `success` is empty where Ironic documents a route that it does not serve.
    (within || operation.also_at.contains(&minor)) && !operation.success.is_empty()
}

fn row(operation: &Operation, minor: u16) -> Value {
    let groups: Vec<&str> = operation.groups.iter().map(|group| group.as_str()).collect();
    let mut row = json!({
        "operationId": operation.id,
        "tags": groups,
        "parameters": parameters(operation, minor),
        "responses": responses(operation),
    });
    if let Some(members) = row.as_object_mut() {
        if let Some(body) = request_body(operation, minor) {
            members.insert("requestBody".to_owned(), body);
        }
        if !operation.rules.is_empty() {
            members.insert("x-ironic-policy-rules".to_owned(), json!(operation.rules));
        }
        if !operation.aliases.is_empty() {
            let aliases: Vec<String> = operation.aliases.iter().map(|path| super::path_text(path)).collect();
            members.insert("x-ironic-aliases".to_owned(), json!(aliases));
        }
    }
    row
}

fn parameters(operation: &Operation, minor: u16) -> Vec<Value> {
    let in_path = operation.template.iter().filter_map(|segment| match segment {
        Segment::Literal(_) => None,
        Segment::Parameter(name, kind) => {
            Some(json!({"name": name, "in": "path", "required": true, "schema": json_schema::parameter(*kind)}))
        }
    });
    let known = operation.query.iter().filter(|field| (field.since..=field.until.unwrap_or(u16::MAX)).contains(&minor));
    let in_query = known.map(|field| {
        json!({
            "name": field.name,
            "in": "query",
            "required": field.required,
            "schema": json_schema::query(operation, field, minor),
        })
    });
    in_path.chain(in_query).collect()
}

fn request_body(operation: &Operation, minor: u16) -> Option<Value> {
    let schema = json_schema::body(operation, minor, Form::Documented)?;
    let required = match &operation.body {
        BodyKind::None | BodyKind::Any => false,
        BodyKind::Patch(_) => true,
        BodyKind::Object { schema, optional } => !optional && schema.fields.iter().any(|field| field.required),
    };
    let mut content = json!({"application/json": {"schema": schema}});
    if let (BodyKind::Patch(_), Some(members)) = (&operation.body, content.as_object_mut()) {
        members.insert("application/json-patch+json".to_owned(), json!({"schema": schema}));
    }
    Some(json!({"required": required, "content": content}))
}

fn responses(operation: &Operation) -> Value {
    let mut responses = Map::new();
    for status in &operation.success {
        let mut response =
            json!({"description": if operation.answer == Answer::Empty { "done" } else { "the answer" }});
        if let (true, Some(members)) = (operation.answer != Answer::Empty, response.as_object_mut()) {
            members.insert("content".to_owned(), json!({"application/json": {"schema": answer(operation)}}));
        }
        responses.insert(status.to_string(), response);
    }
    responses.insert("default".to_owned(), json!({"$ref": "#/components/responses/Error"}));
    Value::Object(responses)
}

fn answer(operation: &Operation) -> Value {
    let Some(object) = &operation.object else { return json!(true) };
    let object = json!({"$ref": format!("#/components/schemas/{object}")});
    match &operation.list {
        Some(list) => json!({
            "type": "object",
            "properties": {list: {"type": "array", "items": object}, "next": {"type": "string"}},
        }),
        None => object,
    }
}

/// The objects of answers by name, with the fields that the microversion shows.
fn components(minor: u16) -> Value {
    let mut schemas = Map::new();
    for object in catalog().objects() {
        let fields = object.fields.iter().filter(|field| field.since <= minor && field.name != "*");
        let properties: Map<String, Value> = fields.map(|field| (field.name.clone(), json!(true))).collect();
        schemas.insert(object.name.clone(), json!({"type": "object", "properties": properties}));
    }
    Value::Object(schemas)
}

/// Ironic's error shape: JSON text inside JSON. irongate's own refusals add a stable code.
fn error_response() -> Value {
    json!({
        "description": "what is wrong, in Ironic's shape; refusals of irongate itself bear a code",
        "content": {"application/json": {"schema": {
            "type": "object",
            "required": ["error_message"],
            "properties": {
                "error_message": {
                    "type": "string",
                    "contentMediaType": "application/json",
                    "contentSchema": {
                        "type": "object",
                        "required": ["faultcode", "faultstring", "debuginfo"],
                        "properties": {
                            "faultcode": {"type": "string"},
                            "faultstring": {"type": "string"},
                            "debuginfo": {"type": ["string", "null"]},
                        },
                    },
                },
                "irongate": {
                    "type": "object",
                    "required": ["code"],
                    "properties": {"code": {"type": "string"}, "rule": {"type": "string"}},
                },
            },
        }}},
    })
}
