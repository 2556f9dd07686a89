//! JSON Schemas (draft 2020-12) of bodies, patches and parameters at a microversion, from the catalogue.
//!
//! They say the same as irongate's own validation, which a test proves on random bodies; validation itself does not use
//! them, because walking the catalogue is faster. What a schema cannot say is left to validation: two patch operations
//! on one path, the mask of hidden values, bounds of numbers that are spelled as text beyond the usual ones.

use serde_json::{Map, Value, json};

use super::{BodyKind, Field, Kind, LIST_ITEMS_MAX, Method, Operation, Parameter, PatchSchema, catalog};

/// Whether a field that the microversion does not have is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Left out: for people and for programs that write requests.
    Documented,
    /// Taken while it is null or empty, as validation does.
    Exact,
}

/// The schema of an operation's body at `1.minor`; `None` if it takes none.
pub fn body(operation: &Operation, minor: u16, form: Form) -> Option<Value> {
    let writer = Writer { minor, form, converts: operation.method == Method::Put };
    match &operation.body {
        BodyKind::None => None,
        BodyKind::Any => Some(json!({"type": ["object", "null"]})),
        BodyKind::Object { schema, .. } => Some(writer.object(&schema.fields, schema.open)),
        BodyKind::Patch(name) => catalog().patch(name).map(|patch| writer.patch(patch)),
    }
}

/// The schema of all query parameters at `1.minor`, as an object of their decoded texts.
pub fn queries(operation: &Operation, minor: u16) -> Value {
    let known = operation.query.iter().filter(|field| (field.since..=field.until.unwrap_or(u16::MAX)).contains(&minor));
    let properties: Map<String, Value> =
        known.map(|field| (field.name.clone(), query(operation, field, minor))).collect();
    let required: Vec<&str> =
        operation.query.iter().filter(|field| field.required).map(|field| field.name.as_str()).collect();
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

/// The schema of a query parameter's decoded text at `1.minor`.
///
/// Lists are written in lower case here; as Ironic, irongate takes their items in either.
pub fn query(operation: &Operation, field: &Field, minor: u16) -> Value {
    let columns = operation.columns.as_deref().unwrap_or_default();
    match field.kind {
        Kind::StringList if field.name == "fields" => {
            let item = if columns.is_empty() { "[A-Za-z0-9_]{1,64}".to_owned() } else { columns.join("|") };
            let list = format!(r"^[ ]*({item})?[ ]*(,[ ]*({item})?[ ]*)*$");
            json!({"type": "string", "pattern": list, "description": "names of fields with commas between"})
        }
        Kind::StringList => json!({"type": "string", "description": "names with commas between"}),
        Kind::String if field.name == "sort_key" && !columns.is_empty() => {
            let known: Vec<&str> = columns.iter().map(String::as_str).chain(["", "id"]).collect();
            json!({"type": "string", "enum": known.iter().collect::<std::collections::BTreeSet<_>>()})
        }
        Kind::String => json!({"type": "string", "maxLength": field.max.unwrap_or(4096)}),
        Kind::Boolean => {
            text("^([01tTfFyYnN]|[tT][rR][uU][eE]|[fF][aA][lL][sS][eE]|[oO][nN]|[oO][fF][fF]|[yY][eE][sS]|[nN][oO])$")
        }
        // Beyond 18 digits it depends on the number; there is no such list.
        Kind::Integer if field.min == Some(1) => text("^0*[1-9][0-9]{0,17}$"),
        Kind::Integer => text("^[0-9]{1,18}$"),
        Kind::HostPort => text("^[A-Za-z0-9._~:@\\[\\]-]{1,255}$"),
        Kind::Trait => text(NAME),
        Kind::Any
        | Kind::StrictBoolean
        | Kind::StrictInteger
        | Kind::Uuid
        | Kind::Name
        | Kind::UuidOrName
        | Kind::Mac
        | Kind::Enum
        | Kind::StringOrObject
        | Kind::StringOrBoolean
        | Kind::Object
        | Kind::ArrayOrObject
        | Kind::Map
        | Kind::Array
        | Kind::Steps => Writer { minor, form: Form::Documented, converts: false }.value(field),
    }
}

/// The schema of a path parameter's text.
pub fn parameter(kind: Parameter) -> Value {
    match kind {
        Parameter::Uuid => text(UUID),
        Parameter::UuidOrName | Parameter::Text => text(NAME),
        Parameter::Trait => text(TRAIT),
        Parameter::Host | Parameter::Indicator | Parameter::DeviceTypes => json!({"type": "string", "minLength": 1}),
    }
}

const UUID: &str = "^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}$";
const NAME: &str = "^[A-Za-z0-9._~-]{1,255}$";
const NAME_OR_EMPTY: &str = "^[A-Za-z0-9._~-]{0,255}$";
const MAC: &str = "^[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}$";
const TRAIT: &str = "^[A-Z0-9_]{1,255}$";
const BOOLEAN: &str = "^[ \\t\\n\\f\\r]*([01tTfFyYnN]|[tT][rR][uU][eE]|[fF][aA][lL][sS][eE]|[oO][nN]|[oO][fF][fF]|[yY][eE][sS]|[nN][oO])[ \\t\\n\\f\\r]*$";

struct Writer {
    minor: u16,
    form: Form,
    /// Whether Ironic converts arguments itself: it then takes 0 and 1 as booleans and truncates fractions.
    converts: bool,
}

impl Writer {
    /// An object with these members.
    fn object(&self, fields: &[Field], open: bool) -> Value {
        let mut properties = Map::new();
        for field in fields {
            let known = (field.since..=field.until.unwrap_or(u16::MAX)).contains(&self.minor);
            if known {
                properties.insert(field.name.clone(), self.value(field));
            } else if self.form == Form::Exact {
                properties.insert(field.name.clone(), json!({"allOf": [self.value(field), empty()]}));
            }
        }
        let required: Vec<&str> =
            fields.iter().filter(|field| field.required).map(|field| field.name.as_str()).collect();
        let mut schema = json!({"type": "object", "properties": properties});
        set(&mut schema, "required", (!required.is_empty()).then(|| json!(required)));
        set(&mut schema, "additionalProperties", (!open).then(|| json!(false)));
        let needs: Map<String, Value> = fields
            .iter()
            .filter(|field| !field.needs.is_empty())
            .map(|field| (field.name.clone(), json!(field.needs)))
            .collect();
        set(&mut schema, "dependentRequired", (!needs.is_empty()).then(|| json!(needs)));
        let rules = self.targets(fields);
        set(&mut schema, "allOf", (!rules.is_empty()).then(|| json!(rules)));
        schema
    }

    /// Arguments that only some targets take must be empty with the others.
    fn targets(&self, fields: &[Field]) -> Vec<Value> {
        let Some(target) = fields.iter().find(|field| field.name == "target") else { return Vec::new() };
        let arguments = || fields.iter().filter(|field| !field.targets.is_empty());
        if arguments().next().is_none() {
            return Vec::new();
        }
        let rule = |target: &str| {
            let takes =
                |field: &Field| field.targets.iter().any(|known| known.value == target && self.minor >= known.since);
            let others: Map<String, Value> =
                arguments().filter(|field| !takes(field)).map(|field| (field.name.clone(), empty())).collect();
            json!({
                "if": {"properties": {"target": {"const": target}}, "required": ["target"]},
                "then": {"properties": others},
            })
        };
        let known = target.values.iter().filter(|value| value.since <= self.minor);
        known.map(|value| rule(&value.value)).collect()
    }

    fn value(&self, field: &Field) -> Value {
        let schema = self.not_null(field);
        if field.nullable && field.kind != Kind::Any { json!({"anyOf": [schema, {"type": "null"}]}) } else { schema }
    }

    fn not_null(&self, field: &Field) -> Value {
        let mut schema = match field.kind {
            Kind::Any if field.types.is_empty() => json!(true),
            Kind::Any => json!({"type": field.types}),
            Kind::ArrayOrObject => json!({"type": ["array", "object"]}),
            Kind::String | Kind::HostPort => lengths(json!({"type": "string"}), field),
            Kind::StringList => {
                let list = format!("^[^,]*(,[^,]*){{0,{}}}$", LIST_ITEMS_MAX - 1);
                json!({"anyOf": [
                    {"type": "string", "pattern": list, "description": "names separated by commas"},
                    {"type": "array", "items": {"type": "string"}},
                ]})
            }
            Kind::StrictBoolean => json!({"type": "boolean"}),
            Kind::Boolean if self.converts => {
                json!({"anyOf": [{"type": "boolean"}, text(BOOLEAN), {"type": "integer", "enum": [0, 1]}]})
            }
            Kind::Boolean => json!({"anyOf": [{"type": "boolean"}, text(BOOLEAN)]}),
            Kind::Integer => self.integer(field),
            Kind::StrictInteger => strict_integer(field),
            Kind::Uuid => text(UUID),
            Kind::Name | Kind::UuidOrName if field.min == Some(0) => lengths(text(NAME_OR_EMPTY), field),
            Kind::Name | Kind::UuidOrName => lengths(text(NAME), field),
            Kind::Mac => text(MAC),
            Kind::Trait => text(TRAIT),
            Kind::Enum => {
                let known = field.values.iter().filter(|value| value.since <= self.minor);
                json!({"type": "string", "enum": known.map(|value| value.value.as_str()).collect::<Vec<_>>()})
            }
            Kind::StringOrBoolean => json!({"anyOf": [lengths(json!({"type": "string"}), field), {"type": "boolean"}]}),
            Kind::StringOrObject if field.fields.is_empty() => json!({"type": ["string", "object"]}),
            Kind::StringOrObject => {
                json!({"anyOf": [lengths(json!({"type": "string"}), field), self.object(&field.fields, field.open)]})
            }
            Kind::Object if field.arguments.is_empty() => self.object(&field.fields, field.open),
            Kind::Object => {
                let mut schema = self.object(&field.fields, field.open);
                set(&mut schema, "allOf", Some(json!(arguments(field))));
                schema
            }
            Kind::Map => json!({"type": "object"}),
            Kind::Array | Kind::Steps => {
                let mut schema = json!({"type": "array"});
                set(&mut schema, "items", field.items.as_ref().map(|item| self.value(item)));
                set(&mut schema, "minItems", field.min.map(Value::from));
                set(&mut schema, "maxItems", field.max.map(Value::from));
                schema
            }
        };
        if field.secret {
            set(&mut schema, "writeOnly", Some(json!(true)));
        }
        schema
    }

    /// A number, or digits as text.
    fn integer(&self, field: &Field) -> Value {
        let mut number = json!({"type": if self.converts { "number" } else { "integer" }});
        match field.min {
            // What is truncated to 0 is 0.
            Some(min) if self.converts && min <= 0 => set(&mut number, "exclusiveMinimum", Some(json!(min - 1))),
            min => set(&mut number, "minimum", min.map(Value::from)),
        }
        match field.max {
            Some(max) if self.converts && max >= 0 => set(&mut number, "exclusiveMaximum", Some(json!(max + 1))),
            max => set(&mut number, "maximum", max.map(Value::from)),
        }
        json!({"anyOf": [number, text(&digits(field.min, field.max))]})
    }

    /// A JSON Patch.
    fn patch(&self, patch: &PatchSchema) -> Value {
        let mut variants = Vec::new();
        for field in &patch.fields {
            let early = self.minor < field.since;
            let gates_remove = patch.name != "node";
            let gates_below = !matches!(patch.name.as_str(), "node" | "port");
            let at_top = exactly(&field.name);
            if !early {
                variants.push(written(&at_top, &self.value(field)));
            }
            if !(early && gates_remove) {
                variants.push(removed(&at_top));
            }
            if early && gates_below {
                continue;
            }
            let below = match field.kind {
                Kind::Map | Kind::Any if patch.name == "allocation" => {
                    Some((format!("^/{}(/([!-.0-}}]|~0|~1){{1,255}})+$", field.name), json!(true)))
                }
                Kind::Map | Kind::Any => Some((format!("^/{}(/[A-Za-z0-9_-]{{1,255}})+$", field.name), json!(true))),
                Kind::Array | Kind::Steps => field
                    .items
                    .as_ref()
                    .map(|item| (format!("^/{}/(-|0|[1-9][0-9]{{0,3}})$", field.name), self.value(item))),
                Kind::Object => {
                    for inner in &field.fields {
                        let path = exactly(&format!("{}/{}", field.name, inner.name));
                        variants.push(written(&path, &self.value(inner)));
                        if !(early && gates_remove) {
                            variants.push(removed(&path));
                        }
                    }
                    None
                }
                Kind::String
                | Kind::StrictBoolean
                | Kind::Boolean
                | Kind::Integer
                | Kind::Uuid
                | Kind::Name
                | Kind::UuidOrName
                | Kind::Mac
                | Kind::Trait
                | Kind::Enum
                | Kind::StringOrObject
                | Kind::StringOrBoolean
                | Kind::StrictInteger
                | Kind::ArrayOrObject
                | Kind::StringList
                | Kind::HostPort => None,
            };
            if let Some((path, value)) = below {
                variants.push(written(&text(&path), &value));
                if !(early && gates_remove) {
                    variants.push(removed(&text(&path)));
                }
            }
        }
        json!({"type": "array", "maxItems": 1000, "items": {"anyOf": variants}})
    }
}

/// A JSON integer, or one of the few texts that stand for one.
fn strict_integer(field: &Field) -> Value {
    let mut number = json!({"type": "integer"});
    set(&mut number, "minimum", field.min.map(Value::from));
    set(&mut number, "maximum", field.max.map(Value::from));
    let mut forms = vec![number];
    if !field.values.is_empty() {
        forms.push(json!({"enum": field.values.iter().map(|known| known.value.as_str()).collect::<Vec<_>>()}));
    }
    forms.extend(field.pattern.as_ref().map(|pattern| text(&format!("^(?:{})$", pattern.as_str()))));
    json!({"anyOf": forms})
}

/// What the arguments of each `op` are, with and without the `!` of a condition.
fn arguments(field: &Field) -> Vec<Value> {
    let ops = field.fields.iter().filter(|below| below.name == "op").flat_map(|op| &op.values);
    ops.filter_map(|op| {
        let arguments = field.arguments.get(op.value.trim_start_matches('!'))?;
        let known = arguments.required.iter().chain(&arguments.optional);
        let properties: Map<String, Value> = known.map(|name| (name.clone(), json!(true))).collect();
        Some(json!({
            "if": {"properties": {"op": {"const": op.value}}, "required": ["op"]},
            "then": {"properties": {"args": {
                "properties": properties,
                "required": arguments.required,
                "additionalProperties": false,
                "minItems": arguments.required.len(),
            }}},
        }))
    })
    .collect()
}

fn written(path: &Value, value: &Value) -> Value {
    json!({
        "type": "object",
        "properties": {"op": {"enum": ["add", "replace"]}, "path": path, "value": value},
        "required": ["op", "path", "value"],
        "additionalProperties": false,
    })
}

fn removed(path: &Value) -> Value {
    json!({
        "type": "object",
        "properties": {"op": {"const": "remove"}, "path": path, "value": true},
        "required": ["op", "path"],
        "additionalProperties": false,
    })
}

fn exactly(name: &str) -> Value {
    json!({"type": "string", "const": format!("/{name}")})
}

fn text(pattern: &str) -> Value {
    json!({"type": "string", "pattern": pattern})
}

/// What Ironic looks away from wherever it stands.
fn empty() -> Value {
    json!({"enum": [null, "", [], {}]})
}

fn lengths(mut schema: Value, field: &Field) -> Value {
    set(&mut schema, "minLength", field.min.map(Value::from));
    set(&mut schema, "maxLength", field.max.map(Value::from));
    set(&mut schema, "pattern", field.pattern.as_ref().map(|pattern| json!(format!("^(?:{})$", pattern.as_str()))));
    schema
}

/// Digits as text within bounds; other bounds than these have no plain pattern.
fn digits(min: Option<i64>, max: Option<i64>) -> String {
    let number = match (min, max) {
        (Some(0), Some(9999)) => "\\+?0*[0-9]{1,4}|-0+",
        (Some(0), _) => "\\+?[0-9]{1,18}|-0{1,18}",
        (Some(1..), _) => "\\+?0*[1-9][0-9]{0,17}",
        _ => "[+-]?[0-9]{1,18}",
    };
    format!("^[ \\t\\n\\f\\r]*({number})[ \\t\\n\\f\\r]*$")
}

fn set(schema: &mut Value, key: &str, value: Option<Value>) {
    if let (Some(members), Some(value)) = (schema.as_object_mut(), value) {
        members.insert(key.to_owned(), value);
    }
}
