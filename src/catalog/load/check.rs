//! What must hold in the catalogue.

use std::collections::HashSet;

use super::{CatalogError, SECRETS, raw};
use crate::catalog::operation::{BodyKind, Method, Operation, PatchSchema, Segment};
use crate::catalog::schema::{EnumValue, Field, Kind};
use crate::catalog::{MICROVERSION_MAX, MICROVERSION_MIN};

/// One operation in itself.
pub(super) fn operation(operation: &Operation, patches: &[PatchSchema]) -> Result<(), String> {
    versions(operation.since, operation.until)?;
    if operation.groups.is_empty() {
        return Err("it is in no group".to_owned());
    }
    let in_template: Vec<&str> = operation.template.iter().filter_map(parameter).collect();
    if let Some(name) = &operation.resource_parameter
        && !in_template.contains(&name.as_str())
    {
        return Err(format!("the resource parameter {name} is not in the path"));
    }
    for alias in &operation.aliases {
        let in_alias: Vec<&str> = alias.iter().filter_map(parameter).collect();
        if let Some(name) = in_template.iter().find(|name| !in_alias.contains(name)) {
            return Err(format!("an alias lacks the path parameter {name}"));
        }
    }
    for path in std::iter::once(&operation.template).chain(&operation.aliases) {
        unique("path parameter", path.iter().filter_map(parameter))?;
    }
    unique("query parameter", operation.query.iter().map(|field| field.name.as_str()))?;
    for field in &operation.query {
        named(field)?;
        query_kind(field)?;
    }
    for (name, _) in &operation.query_too_early_status {
        if !operation.query.iter().any(|field| field.name == *name) {
            return Err(format!("the query parameter {name} is unknown"));
        }
    }
    for pointer in operation.secret_fields.iter().chain(&operation.sensitive_fields) {
        if !pointer.starts_with('/') {
            return Err(format!("{pointer} is not a JSON Pointer"));
        }
    }
    match &operation.body {
        BodyKind::None | BodyKind::Any => {}
        BodyKind::Object { schema, .. } => schema_of(schema)?,
        BodyKind::Patch(name) if patches.iter().any(|patch| patch.name == *name) => {}
        BodyKind::Patch(name) => return Err(format!("there is no patch named {name}")),
    }
    if operation.method == Method::Get && !matches!(operation.body, BodyKind::None) {
        return Err("a GET has a body".to_owned());
    }
    Ok(())
}

/// All operations together.
pub(super) fn operations(operations: &[Operation]) -> Result<(), CatalogError> {
    let mut ids = HashSet::new();
    let mut paths = HashSet::new();
    for operation in operations {
        let clash = |mistake: &str| CatalogError {
            file: "operations",
            place: operation.id.clone(),
            mistake: mistake.to_owned(),
        };
        if !ids.insert(operation.id.as_str()) {
            return Err(clash("the id is taken"));
        }
        for path in std::iter::once(&operation.template).chain(&operation.aliases) {
            if !paths.insert((operation.method, shape(path))) {
                return Err(clash("the method and path are taken"));
            }
        }
    }
    Ok(())
}

/// What may be patched.
pub(super) fn patches(patches: &[PatchSchema]) -> Result<(), CatalogError> {
    for patch in patches {
        let wrong = |mistake| CatalogError { file: "patch.toml", place: patch.name.clone(), mistake };
        unique("field", patch.fields.iter().map(|field| field.name.as_str())).map_err(wrong)?;
        for field in &patch.fields {
            named(field).map_err(wrong)?;
            schema_of(field).map_err(wrong)?;
            if field.name.contains('/') {
                return Err(wrong(format!("the field {} has a slash", field.name)));
            }
        }
    }
    Ok(())
}

/// The secret map.
pub(super) fn secrets(secrets: &raw::Secrets) -> Result<(), CatalogError> {
    let wrong = |place: &str, mistake: &str| CatalogError {
        file: SECRETS.0,
        place: place.to_owned(),
        mistake: mistake.to_owned(),
    };
    for text in secrets.names.iter().chain(&secrets.words) {
        if text.is_empty() || *text != text.to_lowercase() {
            return Err(wrong(text, "it is not lower case"));
        }
    }
    unique("name", secrets.names.iter().map(String::as_str)).map_err(|mistake| wrong("names", &mistake))?;
    unique("word", secrets.words.iter().map(String::as_str)).map_err(|mistake| wrong("words", &mistake))?;
    for harmless in &secrets.harmless {
        if secrets.names.contains(harmless) || secrets.words.iter().any(|word| harmless.contains(word.as_str())) {
            return Err(wrong(harmless, "it is harmless, but a name or a word hits it"));
        }
    }
    Ok(())
}

fn parameter(segment: &Segment) -> Option<&str> {
    match segment {
        Segment::Literal(_) => None,
        Segment::Parameter(name, _) => Some(name),
    }
}

/// A path with its parameters' names blotted out: two paths of one shape cannot be told apart.
fn shape(path: &[Segment]) -> String {
    path.iter().fold(String::new(), |mut shape, segment| {
        shape.push('/');
        shape.push_str(match segment {
            Segment::Literal(text) => text,
            Segment::Parameter(..) => "{}",
        });
        shape
    })
}

fn named(field: &Field) -> Result<(), String> {
    if field.name.is_empty() { Err("a field has no name".to_owned()) } else { Ok(()) }
}

/// A field and all below it.
fn schema_of(field: &Field) -> Result<(), String> {
    let wrong = |mistake: &str| Err(format!("the field {:?}: {mistake}", field.name));
    versions(field.since, field.until)?;
    if field.pattern.is_some() == field.like.is_empty() {
        return wrong("a pattern and its words belong together");
    }
    if field.pattern.is_some()
        && !matches!(field.kind, Kind::String | Kind::StringOrBoolean | Kind::StringOrObject | Kind::StrictInteger)
    {
        return wrong("only text has a pattern");
    }
    if !field.types.is_empty() && field.kind != Kind::Any {
        return wrong("only the kind any has types");
    }
    const TYPES: [&str; 5] = ["null", "boolean", "string", "array", "object"];
    if let Some(unknown) = field.types.iter().find(|known| !TYPES.contains(&known.as_str())) {
        return wrong(&format!("the type {unknown} is unknown"));
    }
    if let Some(lost) = field
        .fields
        .iter()
        .flat_map(|below| &below.needs)
        .find(|needed| !field.fields.iter().any(|below| below.name == **needed))
    {
        return wrong(&format!("the needed field {lost} is unknown"));
    }
    if let Some(op) = field.fields.iter().find(|below| below.name == "op" && !field.arguments.is_empty()) {
        let plain = |known: &EnumValue| known.value.trim_start_matches('!').to_owned();
        let due: HashSet<String> = op.values.iter().map(plain).collect();
        if due != field.arguments.keys().cloned().collect() {
            return wrong("the table of arguments has other names than op");
        }
    }
    if let (Some(min), Some(max)) = (field.min, field.max)
        && min > max
    {
        return wrong("min is above max");
    }
    if (field.kind == Kind::Enum) == field.values.is_empty() && field.kind != Kind::StrictInteger {
        return wrong("values and the kind enum belong together");
    }
    if matches!(field.kind, Kind::Array | Kind::Steps) != field.items.is_some() {
        return wrong("items and the kinds array and steps belong together");
    }
    if !field.fields.is_empty() && !matches!(field.kind, Kind::Object | Kind::StringOrObject) {
        return wrong("only objects have fields");
    }
    for value in field.values.iter().chain(&field.targets) {
        versions(value.since, None)?;
    }
    unique("value", field.values.iter().map(|EnumValue { value, .. }| value.as_str()))?;
    unique("field", field.fields.iter().map(|below| below.name.as_str()))?;
    for below in &field.fields {
        named(below)?;
        schema_of(below)?;
    }
    field.items.as_deref().map_or(Ok(()), schema_of)
}

/// A query parameter's kind is one that the router can check in text.
fn query_kind(field: &Field) -> Result<(), String> {
    if field.kind.is_text() {
        schema_of(field)
    } else {
        Err(format!("the query parameter {} has a body's kind", field.name))
    }
}

fn versions(since: u16, until: Option<u16>) -> Result<(), String> {
    let known = MICROVERSION_MIN..=MICROVERSION_MAX;
    if !known.contains(&since) || until.is_some_and(|until| !known.contains(&until) || until < since) {
        return Err("since or until is no microversion of the catalogue".to_owned());
    }
    Ok(())
}

fn unique<'a>(what: &str, names: impl Iterator<Item = &'a str>) -> Result<(), String> {
    let mut seen = HashSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(format!("the {what} {name} is there twice"));
        }
    }
    Ok(())
}
