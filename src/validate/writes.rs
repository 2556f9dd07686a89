//! A valid call as a set of writes: what a policy decides about, one by one.

use std::borrow::Cow;

use super::arguments;
use super::patch::Operation;
use crate::call::{Call, Step, Write, WriteOp};
use crate::catalog::{self, Arguments, BodyKind, Field, Group, Kind};
use crate::json::{Json, Pointer};
use crate::scrub::{KeyName, names_a_secret};

/// The interface under which a policy sees the actions and conditions of inspection rules.
const INSPECTION_RULE: &str = "inspection_rule";

/// A longer argument, in bytes, says something and names nothing.
const NAMING_BYTES_MAX: usize = 256;

/// An item's part of a path.
const INDEX_BYTES: usize = "/12345".len();

/// The writes of `call`, in the order of its body.
///
/// - A create or a keyword body: an `add` for each place in it, containers first and what is in them after; an empty body has
///   none.
/// - A patch: each operation as it stands, and an `add` for each place below a container that it writes.
/// - A step: an `add` of the step as a whole, and one for each place in it but its name; all carry the step, and those below
///   its arguments the argument.
/// - What the ramdisk sends: its top-level keys, because an inventory has very many leaves.
pub fn writes<'c>(call: &'c Call<'_>) -> Vec<Write<'c>> {
    let mut expansion = Expansion { out: Vec::new(), path: Pointer::root() };
    let Some(body) = call.body().filter(|body| !is_empty_container(body)) else { return expansion.out };
    match &call.route().operation().body {
        BodyKind::None => {}
        BodyKind::Any => expansion.whole_body(body, &[]),
        BodyKind::Object { schema, .. } => {
            if call.route().operation().groups.contains(&Group::Ramdisk) {
                expansion.top_level(body, &schema.fields);
            } else {
                expansion.whole_body(body, &schema.fields);
            }
        }
        BodyKind::Patch(name) => {
            let fields = catalog::catalog().patch(name).map(|schema| schema.fields.as_slice()).unwrap_or_default();
            if let Json::Array(operations) = body {
                expansion.out.reserve(operations.len());
                for operation in operations.iter().filter_map(Operation::read) {
                    expansion.operation(&operation, fields);
                }
            }
        }
    }
    expansion.out
}

/// About the bytes of the paths of the writes of a body: keys count as they are, though `~` and `/` take two bytes; not for what the ramdisk sends.
pub(super) fn paths_bytes(operation: &catalog::Operation, body: &Json<'_>) -> usize {
    match (&operation.body, body) {
        (BodyKind::Patch(_), Json::Array(operations)) => {
            let read = operations.iter().filter_map(Operation::read);
            read.map(|operation| {
                let at = operation.path.len();
                operation.value.map_or(at, |value| paths_bytes_below(value, at))
            })
            .sum()
        }
        _ => paths_bytes_below(body, 0),
    }
}

/// Those of a value at a path of `at` bytes, and of everything in it.
fn paths_bytes_below(value: &Json<'_>, at: usize) -> usize {
    let below: usize = match value {
        Json::Object(members) => {
            members.iter().map(|(key, member)| paths_bytes_below(member, at + 1 + key.len())).sum()
        }
        Json::Array(items) => items.iter().map(|item| paths_bytes_below(item, at + INDEX_BYTES)).sum(),
        Json::Null | Json::Boolean(_) | Json::Integer(_) | Json::Float(_) | Json::String(_) => 0,
    };
    at + below
}

struct Expansion<'c> {
    out: Vec<Write<'c>>,
    /// Where the expansion stands.
    path: Pointer,
}

/// What the writes below a place have in common.
#[derive(Clone, Default)]
struct Surroundings<'c> {
    step: Option<Step<'c>>,
    secret: bool,
    withheld: bool,
}

impl<'c> Expansion<'c> {
    /// The body's own place is the request, which was asked about before; what stands there without being a container is
    /// a write all the same.
    fn whole_body(&mut self, body: &'c Json<'_>, fields: &'c [Field]) {
        if is_container(body) {
            self.inside(body, fields, Surroundings::default());
        } else {
            self.add(body, Surroundings::default());
        }
    }

    /// `value` at the path where the expansion stands, and everything in it. `fields` are those of the object `value`, if it
    /// is one with known keys.
    fn place(&mut self, value: &'c Json<'_>, fields: &'c [Field], around: Surroundings<'c>) {
        self.add(value, around.clone());
        self.inside(value, fields, around);
    }

    /// Everything in `value`, but not itself.
    fn inside(&mut self, value: &'c Json<'_>, fields: &'c [Field], around: Surroundings<'c>) {
        match value {
            Json::Object(members) => self.members(members, fields, &around),
            Json::Array(items) => {
                let withheld = around.withheld || (around.step.is_some() && items.iter().any(names_others));
                let around = Surroundings { withheld, ..around };
                for (index, item) in items.iter().enumerate() {
                    self.below(&index.to_string(), |this| this.place(item, fields, around.clone()));
                }
            }
            Json::Null | Json::Boolean(_) | Json::Integer(_) | Json::Float(_) | Json::String(_) => {}
        }
    }

    fn members(&mut self, members: &'c [(Cow<'_, str>, Json<'_>)], fields: &'c [Field], around: &Surroundings<'c>) {
        let in_arguments = around.step.is_some();
        // Looked for once, and only where it makes a difference.
        let mut named = in_arguments.then(|| members.iter().any(|(_, member)| names_others(member)));
        for (key, member) in members {
            let name = KeyName::of(key);
            let is_named = (name.is_named() || in_arguments) && *named.get_or_insert_with(|| names_its_values(members));
            let withheld = around.withheld || is_named || (in_arguments && name.is_secret_argument());
            let field = fields.iter().find(|field| field.name == *key);
            self.member(key, name, member, field, Surroundings { withheld, ..around.clone() });
        }
    }

    fn member(
        &mut self,
        key: &str,
        name: KeyName,
        value: &'c Json<'_>,
        field: Option<&'c Field>,
        mut around: Surroundings<'c>,
    ) {
        around.secret |= field.is_some_and(|field| field.secret) || name.is_secret();
        self.below(key, |this| {
            this.add(value, around.clone());
            this.inside_field(value, field, around);
        });
    }

    /// Everything in the value of `field`, at the path where the expansion stands.
    fn inside_field(&mut self, value: &'c Json<'_>, field: Option<&'c Field>, around: Surroundings<'c>) {
        match (field, value) {
            (Some(field), Json::Array(items)) if is_steps(field) => {
                for (index, item) in items.iter().enumerate() {
                    self.below(&index.to_string(), |this| this.step(item, field, WriteOp::Add, around.secret));
                }
            }
            (Some(field), Json::Array(_)) => {
                let fields = field.items.as_deref().map(|item| item.fields.as_slice()).unwrap_or_default();
                self.inside(value, fields, around);
            }
            (field, _) => self.inside(value, field.map(|field| field.fields.as_slice()).unwrap_or_default(), around),
        }
    }

    /// A step of `field` at the path where the expansion stands.
    fn step(&mut self, value: &'c Json<'_>, field: &'c Field, op: WriteOp, secret: bool) {
        let of_rule = field.items.as_deref().filter(|item| !item.arguments.is_empty());
        let step = named(value, of_rule.is_some());
        let order = of_rule.zip(step.as_ref()).and_then(|(item, step)| arguments::of(item, step.step));
        let whole = Surroundings { step, secret, withheld: false };
        self.push(op, Some(value), whole.clone());
        let Json::Object(members) = value else { return };
        for (key, member) in members {
            match (key.as_ref(), of_rule.is_some()) {
                // The step carries these.
                ("interface" | "step", false) | ("op", true) => {}
                ("args", _) => self.below(key, |this| this.arguments(member, order, &whole)),
                _ => self.member(key, KeyName::of(key), member, None, whole.clone()),
            }
        }
    }

    /// The arguments of a step; those that stand in a list have the names that Ironic gives them, in `order`.
    fn arguments(&mut self, arguments: &'c Json<'_>, order: Option<&Arguments>, around: &Surroundings<'c>) {
        self.add(arguments, around.clone());
        let with = |argument: &str, withheld: bool| Surroundings {
            step: around.step.as_ref().map(|step| Step { argument: Some(argument.to_owned()), ..step.clone() }),
            withheld,
            ..around.clone()
        };
        match arguments {
            Json::Object(members) => {
                let named = members.iter().any(|(_, member)| names_others(member));
                for (key, member) in members {
                    let name = KeyName::of(key);
                    self.member(key, name, member, None, with(key, named || name.is_secret_argument()));
                }
            }
            Json::Array(items) => {
                let named = items.iter().any(names_others);
                for (index, item) in items.iter().enumerate() {
                    let number = index.to_string();
                    let name = order.and_then(|order| order.names().nth(index)).unwrap_or(&number);
                    let withheld = named || KeyName::of(name).is_secret_argument();
                    self.below(&number, |this| this.place(item, &[], with(name, withheld)));
                }
            }
            Json::Null | Json::Boolean(_) | Json::Integer(_) | Json::Float(_) | Json::String(_) => {}
        }
    }

    fn operation(&mut self, operation: &Operation<'c, '_>, fields: &'c [Field]) {
        // A checked path is a pointer.
        let Ok(path) = Pointer::parse(operation.path) else { return };
        let top = path.segments().next().unwrap_or_default();
        let field = fields.iter().find(|field| field.name == top);
        let is_below = path.segments().nth(1).is_some();
        let secret =
            field.is_some_and(|field| field.secret) || path.segments().any(|segment| KeyName::of(&segment).is_secret());
        drop(top);
        self.path = path;
        match operation.value {
            Some(value) if let Some(field) = field.filter(|field| is_below && is_steps(field)) => {
                self.step(value, field, operation.op, secret);
            }
            value => {
                let around = Surroundings { secret, ..Surroundings::default() };
                self.push(operation.op, value, around.clone());
                if let Some(value) = value {
                    self.inside_field(value, field.filter(|_| !is_below), around);
                }
            }
        }
        self.path = Pointer::root();
    }

    fn top_level(&mut self, body: &'c Json<'_>, fields: &[Field]) {
        let Json::Object(members) = body else { return self.add(body, Surroundings::default()) };
        for (key, member) in members {
            let secret = KeyName::of(key).is_secret() || fields.iter().any(|field| field.name == *key && field.secret);
            self.below(key, |this| this.add(member, Surroundings { secret, ..Surroundings::default() }));
        }
    }

    fn add(&mut self, value: &'c Json<'_>, around: Surroundings<'c>) {
        self.push(WriteOp::Add, Some(value), around);
    }

    fn push(&mut self, op: WriteOp, value: Option<&'c Json<'c>>, around: Surroundings<'c>) {
        let Surroundings { step, secret, withheld } = around;
        self.out.push(Write { op, path: self.path.clone(), value, step, secret, withheld });
    }

    fn below(&mut self, segment: &str, expand: impl FnOnce(&mut Self)) {
        let length = self.path.as_str().len();
        self.path.push(segment);
        expand(self);
        self.path.truncate(length);
    }
}

fn is_steps(field: &Field) -> bool {
    field.kind == Kind::Steps
}

const fn is_container(value: &Json<'_>) -> bool {
    matches!(value, Json::Array(_) | Json::Object(_))
}

const fn is_empty_container(value: &Json<'_>) -> bool {
    match value {
        Json::Array(items) => items.is_empty(),
        Json::Object(members) => members.is_empty(),
        Json::Null | Json::Boolean(_) | Json::Integer(_) | Json::Float(_) | Json::String(_) => false,
    }
}

/// Whether what stands beside a name among these members is a secret: `{"name": "AdminPassword", "value": …}`.
fn names_its_values(members: &[(Cow<'_, str>, Json<'_>)]) -> bool {
    members.iter().any(|(key, member)| KeyName::of(key).names_others() && member.as_str().is_some_and(names_a_secret))
}

/// Whether an argument of a step says that those beside it are secrets: `["/driver_info/redfish_password", …]`.
fn names_others(argument: &Json<'_>) -> bool {
    argument.as_str().is_some_and(|text| {
        text.len() < NAMING_BYTES_MAX && !text.contains(char::is_whitespace) && names_a_secret(text)
    })
}

/// The step's name, in the form that Ironic has there: what an inspection rule does is its `op`, whatever stands beside it.
fn named<'c>(step: &'c Json<'_>, of_rule: bool) -> Option<Step<'c>> {
    let text = |key: &str| step.member(key).and_then(Json::as_str);
    let (interface, step) = if of_rule { (INSPECTION_RULE, text("op")?) } else { (text("interface")?, text("step")?) };
    Some(Step { interface, step, argument: None })
}
