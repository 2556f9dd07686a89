//! irongate's own validation against the JSON Schemas of the catalogue, compiled by a library that knows nothing of it:
//! on random bodies, good and wrong in places, both say the same.

use std::cell::RefCell;
use std::collections::HashMap;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{UUID, route};
use crate::catalog::json_schema::{Form, body};
use crate::catalog::{BodyKind, Field, Kind, Operation, catalog};
use crate::validate::read;

/// Microversions between which fields, values and targets come and go.
const MINORS: [u16; 9] = [1, 18, 34, 58, 70, 72, 94, 104, 115];

/// A sequence of small numbers from a seed (SplitMix64): a case is found again by its seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % u64::try_from(bound).unwrap()).unwrap()
    }

    fn percent(&mut self, chance: usize) -> bool {
        self.below(100) < chance
    }

    fn pick<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())].clone()
    }

    fn odd(&mut self) -> Value {
        let texts = [
            "",
            " ",
            "x",
            "true",
            " Yes\t",
            "OFF",
            "2",
            "7",
            " +7 ",
            "-0",
            "0",
            "00012",
            "7.0",
            "1_0",
            "a b",
            "A",
            "CUSTOM_A",
            "custom",
            UUID,
            "52:54:00:12:34:56",
            "52:54:00:12:34:5G",
            "power on",
            "naïve",
            "a~b",
            "main",
            "\n",
            "b\n",
        ];
        match self.below(14) {
            0 => Value::Null,
            1 => json!(self.percent(50)),
            // No 1.0: JSON Schema does not tell it from 1, Ironic's booleans do.
            2 => json!(self.pick(&[0, 1, -1, 7, 9999, 10_000, i64::MAX, i64::MIN])),
            3 => json!(self.pick(&[3.0, -0.5, 0.5, 1.5, 2.0, -2.0, 9999.5, 1e15])),
            4 => json!([]),
            5 => json!({}),
            6 => json!([self.pick(&texts)]),
            7 => json!([{}]),
            8 => json!({"a": 1}),
            9 => json!("x".repeat(self.pick(&[32, 33, 36, 37, 64, 65, 80, 81, 255, 256]))),
            10 => json!("é".repeat(self.pick(&[32, 33, 255, 256]))),
            _ => json!(self.pick(&texts)),
        }
    }

    fn good(&mut self, field: &Field) -> Value {
        match field.kind {
            Kind::String if field.pattern.is_some() => {
                json!(self.pick(&["https://192.0.2.1/", "HTTP:x", "nfs://a", "ftp://a", "", "://", "http"]))
            }
            Kind::String
            | Kind::Name
            | Kind::UuidOrName
            | Kind::StringOrBoolean
            | Kind::StringList
            | Kind::HostPort => {
                json!("text")
            }
            Kind::Any | Kind::ArrayOrObject => self.odd(),
            Kind::StrictInteger => {
                let known = field.values.first().map_or("7", |known| known.value.as_str());
                if self.percent(40) { json!(known) } else { json!(self.pick(&[0, 1, 7])) }
            }
            Kind::StrictBoolean | Kind::Boolean => json!(true),
            Kind::Integer => json!(self.pick(&[1, 7])),
            Kind::Uuid => json!(UUID),
            Kind::Mac => json!("52:54:00:12:34:56"),
            Kind::Trait => json!("CUSTOM_A"),
            Kind::Enum => json!(self.pick(&field.values).value),
            Kind::Map => json!({"a": {"b": 1}}),
            Kind::StringOrObject if field.fields.is_empty() || self.percent(50) => json!("Zm9v"),
            Kind::Object if !field.arguments.is_empty() => Value::Object(self.ruled(field)),
            Kind::StringOrObject | Kind::Object => Value::Object(self.members(&field.fields)),
            Kind::Array | Kind::Steps => {
                let count = self.below(3);
                let item = field.items.as_deref();
                Value::Array((0..count).map(|_| item.map_or(Value::Null, |item| self.value(item))).collect())
            }
        }
    }

    /// An action or a condition, its arguments mostly those of its `op`.
    fn ruled(&mut self, field: &Field) -> Map<String, Value> {
        let mut members = self.members(&field.fields);
        let Some(op) = members.get("op").and_then(Value::as_str) else { return members };
        let Some(arguments) = field.arguments.get(op.trim_start_matches('!')) else { return members };
        let names: Vec<&String> = arguments.required.iter().chain(&arguments.optional).collect();
        let args = match self.below(8) {
            0 => self.odd(),
            1 => Value::Array((0..self.below(4)).map(|_| self.odd()).collect()),
            2 => json!({"nothing": 1}),
            _ => {
                let kept = |name: &&String| arguments.required.contains(name);
                let some = self.percent(20);
                Value::Object(
                    names
                        .into_iter()
                        .filter(|name| if some { name.len() % 2 == 0 } else { kept(name) })
                        .map(|name| (name.clone(), json!(1)))
                        .collect(),
                )
            }
        };
        members.insert("args".to_owned(), args);
        members
    }

    fn value(&mut self, field: &Field) -> Value {
        if self.percent(15) { self.odd() } else { self.good(field) }
    }

    fn members(&mut self, fields: &[Field]) -> Map<String, Value> {
        let mut members = Map::new();
        for field in fields {
            if self.percent(if field.required { 93 } else { 20 }) {
                members.insert(field.name.clone(), self.value(field));
            }
        }
        if self.percent(4) {
            members.insert("nothing".to_owned(), self.odd());
        }
        members
    }

    fn operation(&mut self, fields: &[Field], taken: &mut Vec<String>) -> Value {
        let field = self.pick(fields);
        let inner = field.fields.first().map_or_else(|| "/a".to_owned(), |inner| format!("/{}", inner.name));
        let tail = self.pick(&[
            "",
            "",
            "",
            inner.as_str(),
            "/a",
            "/0",
            "/-",
            "/a/b",
            "/",
            "/01",
            "/a.b",
            "/~1",
            "/a~",
            "~",
            "/99999",
        ]);
        let path = if self.percent(4) { "/nothing".to_owned() } else { format!("/{}{tail}", field.name) };
        let mut operation = Map::new();
        operation.insert("op".to_owned(), json!(self.pick(&["add", "replace", "add", "replace", "remove", "test"])));
        let item = field.items.as_deref().filter(|_| !tail.is_empty());
        operation.insert("value".to_owned(), self.value(item.unwrap_or(&field)));
        operation.insert("path".to_owned(), json!(path));
        if taken.contains(&path) || self.percent(3) {
            operation.remove(self.pick(&["op", "path"]));
        }
        if self.percent(5) {
            operation.remove("value");
        }
        if self.percent(2) {
            operation.insert("nothing".to_owned(), json!(1));
        }
        taken.push(path);
        if self.percent(2) { self.odd() } else { Value::Object(operation) }
    }

    fn body(&mut self, operation: &Operation) -> Value {
        if self.percent(2) {
            return self.odd();
        }
        match &operation.body {
            BodyKind::Object { schema, .. } => Value::Object(self.members(&schema.fields)),
            BodyKind::Patch(name) => {
                let fields = &catalog().patch(name).unwrap().fields;
                let (count, mut taken) = (self.below(3), Vec::new());
                Value::Array((0..count).map(|_| self.operation(fields, &mut taken)).collect())
            }
            BodyKind::Any => self.odd(),
            BodyKind::None => json!({}),
        }
    }
}

thread_local! {
    static COMPILED: RefCell<HashMap<(usize, u16), jsonschema::Validator>> = RefCell::default();
    static SEEN: RefCell<(usize, usize)> = RefCell::default();
}

fn check(operation: &'static Operation, minor: u16, document: &Value) -> Result<(), TestCaseError> {
    let text = document.to_string();
    let ours = read(&route(&operation.id, minor), Some(text.as_bytes()));
    let theirs = COMPILED.with_borrow_mut(|compiled| {
        let validator = compiled.entry((operation.index, minor)).or_insert_with(|| {
            jsonschema::draft202012::new(&body(operation, minor, Form::Exact).unwrap()).expect(&operation.id)
        });
        validator.iter_errors(document).map(|error| error.to_string()).next()
    });
    SEEN.with_borrow_mut(|(taken, refused)| *(if ours.is_ok() { taken } else { refused }) += 1);
    prop_assert_eq!(
        ours.is_ok(),
        theirs.is_none(),
        "{} at 1.{}: {}\n  validation: {:?}\n  schema: {:?}",
        operation.id,
        minor,
        text,
        ours.err(),
        theirs
    );
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn validation_and_schemas_agree(seed in any::<u64>()) {
        let bodied: Vec<&'static Operation> = catalog()
            .operations()
            .iter()
            .filter(|operation| !matches!(operation.body, BodyKind::None))
            .collect();
        let mut dice = Dice(seed);
        let operation = dice.pick(&bodied);
        let minor = dice.pick(&MINORS);
        let document = dice.body(operation);
        check(operation, minor, &document)?;
    }
}

/// The rows of `bodies.txt` too, which were compared with Ironic's own validators.
#[test]
fn the_documented_bodies_agree() {
    for row in include_str!("bodies.txt").lines().filter(|row| !row.is_empty() && !row.starts_with('#')) {
        let [operation, minor, code, text] = row.splitn(4, ' ').collect::<Vec<_>>().try_into().expect(row);
        let operation = catalog().operation(operation).expect(row);
        let only_validation =
            ["same_path", "too_deep", "mask_as_value", "argument_twice", "reserved_name"].contains(&code);
        let Ok(document) = serde_json::from_str::<Value>(text) else { continue };
        if code.starts_with("json") || only_validation || matches!(operation.body, BodyKind::None) {
            continue;
        }
        check(operation, minor.parse().unwrap(), &document).unwrap();
    }
    let (taken, refused) = SEEN.with_borrow(|seen| *seen);
    assert!(taken > 100 && refused > 100, "{taken} taken, {refused} refused");
}

/// That the comparison can fail: a schema with one bound changed does not stay unnoticed.
#[test]
fn a_wrong_bound_is_noticed() {
    let check = |operation: &str, pointer: &str, wrong: Value| {
        let operation = catalog().operation(operation).expect(operation);
        let mut schema = body(operation, 115, Form::Exact).expect("a body");
        *schema.pointer_mut(pointer).expect(pointer) = wrong;
        let validator = jsonschema::draft202012::new(&schema).expect(pointer);
        let noticed = (0..20_000).any(|seed| {
            let document = Dice(seed).body(operation);
            let text = document.to_string();
            let is_taken = read(&route(&operation.id, 115), Some(text.as_bytes())).is_ok();
            is_taken != validator.is_valid(&document)
        });
        assert!(noticed, "{} {pointer}", operation.id);
    };
    check("node:set_boot_device", "/properties/boot_device/maxLength", json!(300));
    check("node:set_boot_device", "/properties/boot_device/maxLength", json!(254));
    check("node:set_power_state", "/required", json!([]));
    check("node:set_raid_state", "/properties/logical_disks/minItems", json!(0));
    check("node:set_raid_state", "/properties/logical_disks/items/properties/size_gb/anyOf/0/minimum", json!(1));
    check("node:set_boot_mode", "/properties/target/enum", json!(["bios"]));
    check("node:traits:set", "/properties/traits/items/pattern", json!("."));
    check("ramdisk:heartbeat", "/properties/callback_url/pattern", json!("."));
    check("inspection_rule:create", "/properties/actions/items/allOf", json!([true]));
    check("node:vendor_passthru:post", "/type", json!(["object", "null", "array"]));
    check("chassis:update", "/items/anyOf/0/properties/op/enum", json!(["add"]));
}
