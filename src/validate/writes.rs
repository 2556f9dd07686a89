//! A valid call as a set of writes: what a policy decides about, one by one.

use super::patch::Operation;
use super::secret::is_secret_key;
use crate::call::{Call, Step, Write, WriteOp};
use crate::catalog::{self, BodyKind, Field, Group, Kind};
use crate::json::{Json, Pointer};

/// The interface under which a policy sees the actions and conditions of inspection rules.
const INSPECTION_RULE: &str = "inspection_rule";

/// The writes of `call`, in the order of its body.
///
/// - A create or a keyword body: an `add` for each leaf and each empty container below it; an empty body has none.
/// - A patch: each operation as it stands, and below a container that it writes, an `add` for each leaf and each empty
///   container.
/// - A step: an `add` of the step as a whole, and one for each leaf of it but its name; all carry the step, and those below
///   its arguments the argument.
/// - What the ramdisk sends: its top-level keys, because an inventory has very many leaves.
pub fn writes<'c>(call: &'c Call<'_>) -> Vec<Write<'c>> {
    let mut expansion = Expansion { out: Vec::new(), path: Pointer::root() };
    let Some(body) = call.body().filter(|body| !is_empty_container(body)) else { return expansion.out };
    match &call.route().operation().body {
        BodyKind::None => {}
        BodyKind::Any => expansion.leaves(body, &[], Surroundings::default()),
        BodyKind::Object { schema, .. } => {
            if call.route().operation().groups.contains(&Group::Ramdisk) {
                expansion.top_level(body, &schema.fields);
            } else {
                expansion.leaves(body, &schema.fields, Surroundings::default());
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
}

impl<'c> Expansion<'c> {
    /// `fields` are those of the object `value`, if it is one with known keys.
    fn leaves(&mut self, value: &'c Json<'_>, fields: &'c [Field], around: Surroundings<'c>) {
        if !is_container(value) || is_empty_container(value) {
            self.add(value, around);
            return;
        }
        match value {
            Json::Object(members) => {
                for (key, member) in members {
                    let field = fields.iter().find(|field| field.name == *key);
                    self.member(key, member, field, around.clone());
                }
            }
            Json::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.below(&index.to_string(), |this| this.leaves(item, fields, around.clone()));
                }
            }
            Json::Null | Json::Boolean(_) | Json::Integer(_) | Json::Float(_) | Json::String(_) => {}
        }
    }

    fn member(&mut self, key: &str, value: &'c Json<'_>, field: Option<&'c Field>, mut around: Surroundings<'c>) {
        around.secret |= field.is_some_and(|field| field.secret) || is_secret_key(key);
        self.below(key, |this| this.field_value(value, field, around));
    }

    /// The value of `field`, at the path where the expansion stands.
    fn field_value(&mut self, value: &'c Json<'_>, field: Option<&'c Field>, around: Surroundings<'c>) {
        match (field, value) {
            (Some(field), Json::Array(items)) if is_steps(field) && !items.is_empty() => {
                for (index, item) in items.iter().enumerate() {
                    self.below(&index.to_string(), |this| this.step(item, WriteOp::Add, around.secret));
                }
            }
            (Some(field), Json::Array(_)) => {
                let fields = field.items.as_deref().map(|item| item.fields.as_slice()).unwrap_or_default();
                self.leaves(value, fields, around);
            }
            (field, _) => self.leaves(value, field.map(|field| field.fields.as_slice()).unwrap_or_default(), around),
        }
    }

    /// A step at the path where the expansion stands.
    fn step(&mut self, value: &'c Json<'_>, op: WriteOp, secret: bool) {
        let step = named(value);
        self.out.push(Write { op, path: self.path.clone(), value: Some(value), step: step.clone(), secret });
        let Json::Object(members) = value else { return };
        for (key, member) in members {
            match key.as_ref() {
                // The step carries these.
                "interface" | "step" | "op" => {}
                "args" => self.below(key, |this| this.arguments(member, step.as_ref(), secret)),
                _ => self.member(key, member, None, Surroundings { step: step.clone(), secret }),
            }
        }
    }

    fn arguments(&mut self, arguments: &'c Json<'_>, step: Option<&Step<'c>>, secret: bool) {
        let with = |argument: Option<String>| Surroundings {
            step: step.map(|step| Step { argument, ..step.clone() }),
            secret,
        };
        if !is_container(arguments) || is_empty_container(arguments) {
            self.add(arguments, with(None));
            return;
        }
        match arguments {
            Json::Object(members) => {
                for (key, member) in members {
                    self.member(key, member, None, with(Some(key.to_string())));
                }
            }
            Json::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    let index = index.to_string();
                    self.below(&index, |this| this.leaves(item, &[], with(Some(index.clone()))));
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
        let secret = field.is_some_and(|field| field.secret) || path.segments().any(|segment| is_secret_key(&segment));
        drop(top);
        self.path = path;
        match operation.value {
            Some(value) if is_below && field.is_some_and(is_steps) => self.step(value, operation.op, secret),
            value => {
                self.out.push(Write { op: operation.op, path: self.path.clone(), value, step: None, secret });
                if let Some(value) = value.filter(|value| is_container(value) && !is_empty_container(value)) {
                    let field = field.filter(|_| !is_below);
                    self.field_value(value, field, Surroundings { step: None, secret });
                }
            }
        }
        self.path = Pointer::root();
    }

    fn top_level(&mut self, body: &'c Json<'_>, fields: &[Field]) {
        let Json::Object(members) = body else { return self.add(body, Surroundings::default()) };
        for (key, member) in members {
            let secret = is_secret_key(key) || fields.iter().any(|field| field.name == *key && field.secret);
            self.below(key, |this| this.add(member, Surroundings { step: None, secret }));
        }
    }

    fn add(&mut self, value: &'c Json<'_>, around: Surroundings<'c>) {
        let Surroundings { step, secret } = around;
        self.out.push(Write { op: WriteOp::Add, path: self.path.clone(), value: Some(value), step, secret });
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

/// The step's name, in the two forms that Ironic has.
fn named<'c>(step: &'c Json<'_>) -> Option<Step<'c>> {
    let text = |key: &str| step.member(key).and_then(Json::as_str);
    match (text("interface"), text("step"), text("op")) {
        (Some(interface), Some(step), _) => Some(Step { interface, step, argument: None }),
        (_, _, Some(op)) => Some(Step { interface: INSPECTION_RULE, step: op, argument: None }),
        _ => None,
    }
}
