//! Reads the embedded TOML files.

mod check;
mod raw;

use std::collections::{BTreeMap, HashMap};

use super::operation::{Answer, BodyKind, Operation, Parameter, Segment};
use super::schema::{Arguments, Field, Kind};
use super::{AnswerObject, Catalog, MICROVERSION_MIN};
use raw::{RawBody, RawOperation};

/// The largest body of an operation that says nothing else, in bytes: what Ironic itself takes.
const BODY_BYTES_MAX: usize = 1 << 20;

/// A mistake in the embedded catalogue.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {place}: {mistake}")]
pub struct CatalogError {
    /// The file below `src/catalog/`.
    file: &'static str,
    /// The operation's id, the patch's or the field's name; empty for the file as a whole.
    place: String,
    /// What is wrong with it.
    mistake: String,
}

/// One embedded file: its name and its text.
type File = (&'static str, &'static str);

/// Embeds files of `src/catalog/`.
macro_rules! files {
    ($($name:literal),+ $(,)?) => {
        &[$(($name, include_str!(concat!("../catalog/", $name)))),+]
    };
}

/// The operations' files, in the order in which they are listed to people.
const OPERATIONS: &[File] = files![
    "api.toml",
    "ramdisk.toml",
    "node.toml",
    "node_states.toml",
    "node_attachments.toml",
    "vendor_passthru.toml",
    "port.toml",
    "portgroup.toml",
    "chassis.toml",
    "driver.toml",
    "volume.toml",
    "allocation.toml",
    "automation.toml",
];
const PARAMETERS: File = ("parameters.toml", include_str!("../catalog/parameters.toml"));
const QUERY: File = ("query.toml", include_str!("../catalog/query.toml"));
const PATCH: File = ("patch.toml", include_str!("../catalog/patch.toml"));
const ARGUMENTS: File = ("arguments.toml", include_str!("../catalog/arguments.toml"));
const ANSWERS: File = ("answers.toml", include_str!("../catalog/answers.toml"));
const SECRETS: File = ("secrets.toml", include_str!("../catalog/secrets.toml"));

/// The embedded catalogue.
#[expect(clippy::expect_used, reason = "the text is part of the program, and a test proves that it loads")]
pub(super) fn embedded() -> Catalog {
    load().expect("the embedded catalogue loads")
}

/// Reads and checks the embedded files.
pub(super) fn load() -> Result<Catalog, CatalogError> {
    let parameters = read::<raw::Parameters>(PARAMETERS)?.parameters;
    let sets = read::<BTreeMap<String, Vec<Field>>>(QUERY)?;
    let mut patches = read::<raw::Patches>(PATCH)?.patch;
    let arguments = read::<ArgumentTables>(ARGUMENTS)?;
    for field in patches.iter_mut().flat_map(|patch| &mut patch.fields) {
        give_arguments(field, &arguments).map_err(|mistake| CatalogError {
            file: PATCH.0,
            place: field.name.clone(),
            mistake,
        })?;
    }
    let objects = read::<raw::Objects>(ANSWERS)?.object;
    let secrets = read::<raw::Secrets>(SECRETS)?;
    let mut operations = Vec::new();
    for &file in OPERATIONS {
        for raw in read::<raw::Operations>(file)?.operation {
            let place = raw.id.clone();
            let mut operation = build(raw, operations.len(), &parameters, &sets, &objects)
                .map_err(|mistake| CatalogError { file: file.0, place: place.clone(), mistake })?;
            if let BodyKind::Object { schema, .. } = &mut operation.body {
                give_arguments(schema, &arguments).map_err(|mistake| CatalogError {
                    file: file.0,
                    place: place.clone(),
                    mistake,
                })?;
            }
            check::operation(&operation, &patches).map_err(|mistake| CatalogError { file: file.0, place, mistake })?;
            operations.push(operation);
        }
    }
    check::operations(&operations)?;
    check::patches(&patches)?;
    check::secrets(&secrets)?;
    let by_id: HashMap<String, usize> =
        operations.iter().map(|operation| (operation.id.clone(), operation.index)).collect();
    Ok(Catalog {
        operations,
        by_id,
        patches,
        objects,
        secrets: secrets.names,
        words: secrets.words,
        harmless: secrets.harmless,
    })
}

fn read<T: serde::de::DeserializeOwned>((file, text): File) -> Result<T, CatalogError> {
    toml::from_str(text).map_err(|error| CatalogError { file, place: String::new(), mistake: error.to_string() })
}

/// The tables of `arguments.toml`, by name and then by `op`.
type ArgumentTables = BTreeMap<String, BTreeMap<String, Arguments>>;

/// Puts the tables that a field and those below it name into them.
fn give_arguments(field: &mut Field, tables: &ArgumentTables) -> Result<(), String> {
    if !field.arguments_of.is_empty() {
        let table = tables.get(&field.arguments_of);
        field.arguments =
            table.ok_or_else(|| format!("the table of arguments {} is unknown", field.arguments_of))?.clone();
    }
    field.fields.iter_mut().chain(field.items.as_deref_mut()).try_for_each(|below| give_arguments(below, tables))
}

fn build(
    raw: RawOperation,
    index: usize,
    parameters: &BTreeMap<String, Parameter>,
    sets: &BTreeMap<String, Vec<Field>>,
    objects: &[AnswerObject],
) -> Result<Operation, String> {
    let spelling = |name: &str| raw.parameters.get(name).or_else(|| parameters.get(name)).copied();
    let template = segments(&raw.path, spelling)?;
    let aliases = raw.aliases.iter().map(|path| segments(path, spelling)).collect::<Result<Vec<_>, _>>()?;
    let mut query = Vec::new();
    for name in &raw.query_sets {
        query.extend(sets.get(name).ok_or_else(|| format!("the query set {name} is unknown"))?.iter().cloned());
    }
    query.extend(raw.query);
    let too_early_status =
        if raw.since > MICROVERSION_MIN { Some(raw.too_early_status.unwrap_or(404)) } else { raw.too_early_status };
    let columns = objects.iter().find(|known| Some(&known.name) == raw.object.as_ref()).map(|object| {
        let mut names: Vec<String> = object.fields.iter().map(|field| field.name.clone()).collect();
        names.sort_unstable();
        names
    });
    let (secret_fields, sensitive_fields) = places(raw.object.as_deref(), raw.list.as_deref(), objects)?;
    Ok(Operation {
        index,
        id: raw.id,
        method: raw.method,
        path: raw.path,
        template,
        aliases,
        forward_alias: raw.forward_alias,
        trailing_slash: raw.trailing_slash,
        since: raw.since,
        until: raw.until,
        too_early_status,
        also_at: raw.also_at,
        groups: raw.groups,
        resource: raw.resource,
        resource_parameter: raw.resource_parameter,
        public: raw.public,
        query,
        query_too_early_status: raw.query_too_early_status.into_iter().collect(),
        body: body(raw.body),
        body_bytes_max: raw.body_bytes_max.unwrap_or(BODY_BYTES_MAX),
        success: raw.success,
        answer: raw.answer.unwrap_or(Answer::Json),
        object: raw.object,
        columns,
        list: raw.list,
        documents: raw.documents,
        secret_fields,
        sensitive_fields,
        rules: raw.rules,
    })
}

/// A path in parts; each parameter's spelling is looked up by its name.
fn segments(path: &str, spelling: impl Fn(&str) -> Option<Parameter>) -> Result<Vec<Segment>, String> {
    let text = path.strip_prefix('/').ok_or("the path does not begin with a slash")?;
    if text.is_empty() {
        return Ok(Vec::new());
    }
    text.split('/')
        .map(|part| match part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
            Some(name) => spelling(name)
                .map(|parameter| Segment::Parameter(name.to_owned(), parameter))
                .ok_or_else(|| format!("the path parameter {name} is unknown")),
            None if part.is_empty() => Err("the path has an empty segment".to_owned()),
            None => Ok(Segment::Literal(part.to_owned())),
        })
        .collect()
}

/// Where secrets and possible secrets are in an answer that holds the object named, alone or in a list.
fn places(
    object: Option<&str>,
    list: Option<&str>,
    objects: &[AnswerObject],
) -> Result<(Vec<String>, Vec<String>), String> {
    let Some(name) = object else { return Ok((Vec::new(), Vec::new())) };
    let known =
        objects.iter().find(|known| known.name == name).ok_or_else(|| format!("the object {name} is unknown"))?;
    let below = |pointers: &[String]| {
        pointers
            .iter()
            .map(|pointer| match list {
                Some(list) => format!("/{list}/*{pointer}"),
                None => pointer.clone(),
            })
            .collect()
    };
    Ok((below(&known.secret), below(&known.sensitive)))
}

fn body(raw: Option<RawBody>) -> BodyKind {
    match raw {
        None => BodyKind::None,
        Some(RawBody { patch: Some(name), .. }) => BodyKind::Patch(name),
        Some(RawBody { any: true, .. }) => BodyKind::Any,
        Some(RawBody { fields, open, optional, .. }) => {
            let schema = Field { fields, open, ..Field::of(Kind::Object) };
            BodyKind::Object { schema, optional }
        }
    }
}
