//! irongate's reading of queries against the JSON Schemas of the catalogue, compiled by a library that knows nothing of it: on
//! random queries of every operation, both say the same.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{filled, head};
use crate::catalog::json_schema::queries;
use crate::catalog::{Field, Kind, Operation, catalog};
use crate::microversion::Ceiling;
use crate::route::{RouteError, find};

const MINORS: [u16; 8] = [1, 15, 31, 43, 52, 74, 96, 115];

/// Values for any parameter, in lower case: of lists, a schema knows this spelling only.
const ODD: [&str; 40] = [
    "",
    " ",
    "x",
    "true",
    "false",
    "yes",
    "on",
    "1",
    "0",
    "t",
    " true ",
    "2",
    "7",
    "007",
    "-1",
    "+1",
    "1.5",
    "1_0",
    "uuid",
    "name,uuid",
    " uuid , name ,",
    "uuid,,",
    ",",
    "nothing",
    "uuid,nothing",
    "id",
    "asc",
    "desc",
    "8ed9fb71-8a3c-4f6f-9d5b-1f0f1d0c0a01",
    "8ed9fb718a3c4f6f9d5b1f0f1d0c0a01",
    "52:54:00:12:34:56",
    "52:54:00:12:34:5g",
    "a b",
    "a~b",
    "a/b",
    "n\u{e4}",
    "power failure",
    "some-name",
    "[fe80::1]:6385",
    "999999999999999999",
];

fn good(field: &Field, operation: &Operation, seed: u64) -> String {
    let column = || {
        let columns = operation.columns.as_deref().unwrap_or_default();
        let index = usize::try_from(seed).unwrap_or(0).checked_rem(columns.len());
        index.and_then(|index| columns.get(index)).map_or_else(|| "a".to_owned(), String::clone)
    };
    match field.kind {
        Kind::StringList if field.name == "fields" => column(),
        Kind::String if field.name == "sort_key" => column(),
        Kind::Boolean => "true".to_owned(),
        Kind::Integer => "5".to_owned(),
        Kind::Uuid => super::UUID.to_owned(),
        Kind::Mac => "52:54:00:12:34:56".to_owned(),
        Kind::Enum => field.values[usize::try_from(seed).unwrap() % field.values.len()].value.clone(),
        Kind::Any
        | Kind::String
        | Kind::StrictBoolean
        | Kind::StrictInteger
        | Kind::Name
        | Kind::UuidOrName
        | Kind::Trait
        | Kind::StringOrObject
        | Kind::StringOrBoolean
        | Kind::Object
        | Kind::ArrayOrObject
        | Kind::Map
        | Kind::Array
        | Kind::Steps
        | Kind::StringList
        | Kind::HostPort => "some-name".to_owned(),
    }
}

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

thread_local! {
    static COMPILED: RefCell<HashMap<(usize, u16), jsonschema::Validator>> = RefCell::default();
    static SEEN: RefCell<(BTreeSet<String>, BTreeSet<String>)> = RefCell::default();
}

fn check(operation: &'static Operation, minor: u16, pairs: &[(String, String)]) -> Result<(), TestCaseError> {
    let document: Map<String, Value> = pairs.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    let query: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    let target = format!("{}?{}", filled(&operation.template), query.join("&"));
    let target = if query.is_empty() { filled(&operation.template) } else { target };
    let head = head(operation.method.as_str(), &target, &format!("1.{minor}"));
    let ours = find(&head, Ceiling::default());
    // Not about the query.
    if matches!(ours, Err(RouteError::NotAtThisVersion { .. })) {
        return Ok(());
    }
    // A vendor method goes on in the path, where more is reserved.
    if operation.forward_alias && matches!(ours, Err(RouteError::Identifier { .. } | RouteError::PathSuffix)) {
        return Ok(());
    }
    let theirs = COMPILED.with_borrow_mut(|compiled| {
        let validator = compiled
            .entry((operation.index, minor))
            .or_insert_with(|| jsonschema::draft202012::new(&queries(operation, minor)).expect(&operation.id));
        validator.iter_errors(&Value::Object(document)).map(|error| error.to_string()).next()
    });
    SEEN.with_borrow_mut(|(taken, refused)| {
        (if ours.is_ok() { taken } else { refused }).insert(operation.id.clone());
    });
    prop_assert_eq!(
        ours.is_ok(),
        theirs.is_none(),
        "{} at 1.{}: {}\n  irongate: {:?}\n  schema: {:?}",
        operation.id,
        minor,
        target,
        ours.err(),
        theirs
    );
    Ok(())
}

#[test]
fn queries_and_schemas_agree() {
    let config = ProptestConfig { cases: 60_000, failure_persistence: None, ..ProptestConfig::default() };
    let operations = catalog().operations();
    let one = (0..64_usize, any::<u64>(), 0..100_u8);
    let strategy = (0..operations.len(), 0..MINORS.len(), proptest::collection::vec(one, 0..4), 0..100_u8);
    let mut runner = proptest::test_runner::TestRunner::new(config);
    runner
        .run(&strategy, |(operation, minor, picks, chance)| {
            let operation = &operations[operation];
            let mut pairs: Vec<(String, String)> = Vec::new();
            for field in operation.query.iter().filter(|field| field.required && chance < 90) {
                pairs.push((field.name.clone(), good(field, operation, u64::from(chance))));
            }
            for (index, seed, chance) in picks {
                let field =
                    if operation.query.is_empty() { None } else { operation.query.get(index % operation.query.len()) };
                let odd = ODD[usize::try_from(seed % 40).unwrap()].to_owned();
                let (name, value) = match field {
                    Some(field) if chance < 45 => (field.name.clone(), good(field, operation, seed)),
                    Some(field) if chance < 95 => (field.name.clone(), odd),
                    _ => ("nothing".to_owned(), odd),
                };
                // Twice is another matter, which an object cannot say.
                if !pairs.iter().any(|(known, _)| *known == name) {
                    pairs.push((name, value));
                }
            }
            check(operation, MINORS[minor], &pairs)
        })
        .unwrap();
    SEEN.with_borrow(|(taken, refused)| {
        let with_query = operations.iter().filter(|operation| !operation.query.is_empty());
        for operation in with_query {
            assert!(taken.contains(&operation.id) && refused.contains(&operation.id), "{}", operation.id);
        }
    });
}

/// That the comparison can fail: each of these differs from the right schema for some value of the list.
#[test]
fn a_wrong_bound_is_noticed() {
    let check = |operation: &str, parameter: &str, wrong: Value| {
        let operation = catalog().operation(operation).expect(operation);
        let mut schema = queries(operation, 115);
        *schema.pointer_mut(&format!("/properties/{parameter}")).expect(parameter) = wrong;
        let validator = jsonschema::draft202012::new(&schema).expect(parameter);
        let noticed = ODD.iter().any(|value| {
            let target = format!("{}?{parameter}={}", filled(&operation.template), encoded(value));
            let head = head(operation.method.as_str(), &target, "1.115");
            find(&head, Ceiling::default()).is_ok() != validator.is_valid(&json!({ parameter: value }))
        });
        assert!(noticed, "{} {parameter}", operation.id);
    };
    check("node:list", "limit", json!({"type": "string", "pattern": "^[0-9]+$"}));
    check("node:list", "maintenance", json!({"enum": ["true", "false"]}));
    check("node:list", "sort_dir", json!({"enum": ["asc"]}));
    check("node:list", "sort_key", json!({"type": "string"}));
    check("node:list", "fields", json!({"type": "string"}));
    check("node:list", "instance_uuid", json!({"type": "string"}));
    check("port:list", "address", json!({"type": "string"}));
}
