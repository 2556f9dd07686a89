//! A JSON Patch (RFC 6902, as far as Ironic takes it) against what may be patched.

use std::borrow::Cow;
use std::collections::HashSet;

use super::DEPTH_MAX;
use super::error::{At, InvalidRequest, Place};

use super::value::{self, Context};
use crate::call::WriteOp;
use crate::catalog::{Field, Kind, PatchSchema};
use crate::json::{Json, Pointer};

/// Operations of one patch. nova sends about 20, a client that replaces a node's every field about 60.
const OPERATIONS_MAX: usize = 1000;

/// Longest segment of a path, in bytes.
const SEGMENT_BYTES_MAX: usize = 255;

/// Checks every operation. The `value` of a `remove`, which means nothing, is taken out.
pub(super) fn check(body: &mut Json<'_>, schema: &PatchSchema, context: &Context<'_>) -> Result<(), InvalidRequest> {
    let Json::Array(operations) = body else {
        return Err(InvalidRequest::WrongKind { field: Place::default(), expected: "an array of operations".into() });
    };
    if operations.len() > OPERATIONS_MAX {
        return Err(InvalidRequest::TooManyOperations { max: OPERATIONS_MAX });
    }
    for (index, operation) in operations.iter_mut().enumerate() {
        check_operation(operation, schema, &At::Root.index(index), context)?;
        refuse_too_deep(operation)?;
    }
    context.shadow.settle(refuse_same_paths(operations, schema))
}

/// The parts of a checked operation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Operation<'o, 'j> {
    pub(super) op: WriteOp,
    pub(super) path: &'o str,
    /// There for `add` and `replace`.
    pub(super) value: Option<&'o Json<'j>>,
}

impl<'o, 'j> Operation<'o, 'j> {
    /// Reads one item of a patch; `None` if it is none, which a checked patch has not.
    pub(super) fn read(item: &'o Json<'j>) -> Option<Self> {
        let op = write_op(item.member("op")?.as_str()?)?;
        let path = item.member("path")?.as_str()?;
        Some(Self { op, path, value: item.member("value").filter(|_| op != WriteOp::Remove) })
    }
}

fn write_op(text: &str) -> Option<WriteOp> {
    [WriteOp::Add, WriteOp::Replace, WriteOp::Remove].into_iter().find(|op| op.as_str() == text)
}

fn check_operation(
    item: &mut Json<'_>,
    schema: &PatchSchema,
    at: &At<'_>,
    context: &Context<'_>,
) -> Result<(), InvalidRequest> {
    let Json::Object(members) = item else {
        return Err(InvalidRequest::WrongKind { field: at.place(), expected: "an object".into() });
    };
    let (mut op, mut path): (_, Option<&str>) = (None, None);
    for (key, member) in members.iter() {
        let at = at.key(key);
        match key.as_ref() {
            "op" => op = Some(read_op(member, &at)?),
            "path" => path = Some(read_path(member, schema, &at)?),
            "value" => {}
            _ => return Err(InvalidRequest::UnknownField { field: at.place() }),
        }
    }
    let op = op.ok_or_else(|| InvalidRequest::MissingField { field: at.key("op").place() })?;
    let path = path.ok_or_else(|| InvalidRequest::MissingField { field: at.key("path").place() })?;
    let target = find(path, schema).map_err(|error| too_new_below(path, op, schema, context).unwrap_or(error))?;
    if context.minor < target.field.since && is_gated(schema, op, target.is_below) {
        let since = target.field.since;
        return Err(InvalidRequest::TooNew { field: place(path), since, status: context.too_new_status });
    }
    if op == WriteOp::Remove {
        members.retain(|(key, _)| key != "value");
        return Ok(());
    }
    let Some((_, new)) = members.iter_mut().find(|(key, _)| key == "value") else {
        return Err(InvalidRequest::MissingField { field: at.key("value").place() });
    };
    match target.value_field() {
        Some(field) => value::check(new, field, &at.key("value"), context),
        None => Ok(()),
    }
}

/// What is stored counts from the object's root: patch upon patch would else nest it deeper than answers are read.
fn refuse_too_deep(item: &Json<'_>) -> Result<(), InvalidRequest> {
    let Some(Operation { path, value: Some(value), .. }) = Operation::read(item) else { return Ok(()) };
    let segments = path.bytes().filter(|byte| *byte == b'/').count();
    match DEPTH_MAX.checked_sub(segments) {
        Some(levels) if fits(value, levels) => Ok(()),
        Some(_) | None => Err(InvalidRequest::TooDeep { field: place(path), max: DEPTH_MAX }),
    }
}

/// Whether a value has at most so many nested containers.
fn fits(value: &Json<'_>, levels: usize) -> bool {
    let below = |value| levels.checked_sub(1).is_some_and(|levels| fits(value, levels));
    match value {
        Json::Array(items) => levels > 0 && items.iter().all(below),
        Json::Object(members) => levels > 0 && members.iter().all(|(_, member)| below(member)),
        Json::Null | Json::Boolean(_) | Json::Integer(_) | Json::Float(_) | Json::String(_) => true,
    }
}

/// What Ironic answers first where a place in a field that the microversion does not have is taken out: it asks which field it is
/// before it asks whether the place can be patched.
fn too_new_below(path: &str, op: WriteOp, schema: &PatchSchema, context: &Context<'_>) -> Option<InvalidRequest> {
    let top = Pointer::segments_of(path).next()?;
    let field = schema.fields.iter().find(|field| field.name == top)?;
    let too_new = op == WriteOp::Remove && context.minor < field.since && is_gated(schema, op, true);
    too_new.then(|| InvalidRequest::TooNew { field: place(path), since: field.since, status: context.too_new_status })
}

fn read_op(member: &Json<'_>, at: &At<'_>) -> Result<WriteOp, InvalidRequest> {
    let Some(text) = member.as_str() else {
        return Err(InvalidRequest::WrongKind { field: at.place(), expected: "a string".into() });
    };
    write_op(text)
        .ok_or_else(|| InvalidRequest::NotListed { field: at.place(), expected: "add, replace, remove".to_owned() })
}

/// The path of an operation, which is then a pointer.
fn read_path<'p>(member: &'p Json<'_>, schema: &PatchSchema, at: &At<'_>) -> Result<&'p str, InvalidRequest> {
    let Some(text) = member.as_str() else {
        return Err(InvalidRequest::WrongKind { field: at.place(), expected: "a string".into() });
    };
    let spelling = || InvalidRequest::PathSpelling { field: at.place() };
    // Ironic constrains every path but an allocation's; there a key below `extra` may hold more, `~1` included.
    let is_plain: fn(u8) -> bool = match schema.name.as_str() {
        "allocation" => |byte| byte.is_ascii_graphic(),
        _ => |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'/'),
    };
    let fits = |segment: &str| (1..=SEGMENT_BYTES_MAX).contains(&segment.len());
    let is_pointer = || !text.contains('~') || Pointer::parse(text).is_ok();
    if text.bytes().all(is_plain) && text.starts_with('/') && text.split('/').skip(1).all(fits) && is_pointer() {
        Ok(text)
    } else {
        Err(spelling())
    }
}

/// A field that may be patched, and the way below it.
struct Target<'s> {
    field: &'s Field,
    /// Whether the path goes on below the field.
    is_below: bool,
    /// The field's own field that the path goes to, where the catalogue has them.
    member: Option<&'s Field>,
}

impl<'s> Target<'s> {
    /// What a value at the path is checked against; `None` where it is free-form.
    fn value_field(&self) -> Option<&'s Field> {
        match self.is_below {
            false => Some(self.field),
            true if is_list(self.field) => self.field.items.as_deref(),
            true => self.member,
        }
    }
}

const fn is_list(field: &Field) -> bool {
    matches!(field.kind, Kind::Steps | Kind::Array)
}

/// A path as it may be shown.
fn place(path: &str) -> Place {
    Pointer::parse(path).map(|pointer| Place::from(&pointer)).unwrap_or_default()
}

fn find<'s>(path: &str, schema: &'s PatchSchema) -> Result<Target<'s>, InvalidRequest> {
    let mut segments = Pointer::segments_of(path);
    let top: Cow<'_, str> = segments.next().unwrap_or_default();
    let Some(field) = schema.fields.iter().find(|field| field.name == top) else {
        return Err(InvalidRequest::NotPatchable { field: place(path) });
    };
    let Some(second) = segments.next() else { return Ok(Target { field, is_below: false, member: None }) };
    let below = |whole: Pointer| InvalidRequest::NotPatchableBelow { field: place(path), whole: Place::from(&whole) };
    if matches!(field.kind, Kind::Map | Kind::Any) {
        return Ok(Target { field, is_below: true, member: None });
    }
    if field.kind == Kind::Object {
        let member = field.fields.iter().find(|member| member.name == second);
        return match (member, segments.next()) {
            (Some(_), None) => Ok(Target { field, is_below: true, member }),
            (Some(member), Some(_)) => Err(below(Pointer::from_segments([&*top, member.name.as_str()]))),
            (None, _) => Err(InvalidRequest::NotPatchable { field: place(path) }),
        };
    }
    if !is_list(field) || !is_index(&second) {
        return Err(below(Pointer::from_segments([&*top])));
    }
    // A part of a step says nothing without the step's name, and the name may not change under its arguments: a policy
    // would decide about a step that it does not see.
    if segments.next().is_some() {
        return Err(below(Pointer::from_segments([&*top, &*second])));
    }
    Ok(Target { field, is_below: true, member: None })
}

fn is_index(segment: &str) -> bool {
    segment == "-"
        || segment == "0"
        || (segment.len() <= 4 && !segment.starts_with('0') && segment.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Where Ironic looks at a field's microversion: see `patch.version_gate` of the facts. What it lets through is
/// understood at every microversion, and decided about like anything else.
fn is_gated(schema: &PatchSchema, op: WriteOp, is_below: bool) -> bool {
    let writes_the_field = op != WriteOp::Remove && !is_below;
    match schema.name.as_str() {
        "node" => writes_the_field,
        "port" => writes_the_field || op == WriteOp::Remove,
        _ => true,
    }
}

/// One operation for a path, so that what was decided about is what is stored; no client sends two. Lists are excepted,
/// where `/steps/-` and `/steps/0` mean another item each time.
fn refuse_same_paths(operations: &[Json<'_>], schema: &PatchSchema) -> Result<(), InvalidRequest> {
    let paths = operations.iter().filter_map(Operation::read).map(|operation| operation.path);
    let in_list = |path: &str| {
        let top = path.split('/').nth(1).unwrap_or_default();
        schema.fields.iter().any(|field| field.name == top && is_list(field)) && path.len() > top.len() + 1
    };
    let same = |path: &str| InvalidRequest::SamePath { field: place(path) };
    if operations.len() <= 24 {
        let mut seen: [&str; 24] = [""; 24];
        for (path, slot) in paths.zip(0..) {
            if seen.contains(&path) && !in_list(path) {
                return Err(same(path));
            }
            if let Some(free) = seen.get_mut::<usize>(slot) {
                *free = path;
            }
        }
        return Ok(());
    }
    let mut seen = HashSet::with_capacity(operations.len());
    for path in paths {
        if !seen.insert(path) && !in_list(path) {
            return Err(same(path));
        }
    }
    Ok(())
}
