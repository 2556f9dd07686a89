use std::collections::{BTreeMap, BTreeSet};

use super::*;

#[test]
fn the_embedded_catalogue_loads() {
    match load::load() {
        Ok(catalog) => assert_eq!(catalog.operations().len(), 136),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn every_operation_is_found_by_its_id() {
    for operation in catalog().operations() {
        assert_eq!(catalog().operation(&operation.id).map(|found| found.index), Some(operation.index));
    }
    assert!(catalog().operation("node:reboot").is_none());
}

#[test]
fn operations_per_family() {
    let mut counts = BTreeMap::new();
    for operation in catalog().operations() {
        *counts.entry(operation.id.split(':').next().unwrap()).or_insert(0) += 1;
    }
    let expected = [
        ("allocation", 5),
        ("api", 3),
        ("chassis", 8),
        ("conductor", 2),
        ("deploy_template", 5),
        ("driver", 10),
        ("event", 1),
        ("inspection_rule", 5),
        ("node", 57),
        ("port", 6),
        ("portgroup", 8),
        ("ramdisk", 3),
        ("runbook", 10),
        ("shard", 2),
        ("volume", 11),
    ];
    assert_eq!(counts, BTreeMap::from(expected));
}

#[test]
fn operations_per_resource() {
    let mut counts = BTreeMap::new();
    for operation in catalog().operations() {
        *counts.entry(format!("{:?}", operation.resource)).or_insert(0) += 1;
        assert_eq!(
            operation.resource_parameter.is_none(),
            matches!(operation.resource, ResourceType::Api | ResourceType::Collection),
            "{}",
            operation.id
        );
    }
    let expected = [
        ("Allocation", 3),
        ("Api", 6),
        ("Chassis", 5),
        ("Collection", 28),
        ("Conductor", 1),
        ("DeployTemplate", 3),
        ("Driver", 9),
        ("InspectionRule", 3),
        ("Node", 55),
        ("Port", 3),
        ("Portgroup", 5),
        ("Runbook", 8),
        ("Shard", 1),
        ("VolumeConnector", 3),
        ("VolumeTarget", 3),
    ];
    assert_eq!(counts, expected.into_iter().map(|(name, count)| (name.to_owned(), count)).collect());
}

#[test]
fn groups_by_method() {
    for operation in catalog().operations() {
        let id = &operation.id;
        let has = |group| operation.groups.contains(&group);
        if operation.method != Method::Get {
            assert!(!has(Group::Read) && !has(Group::Discover), "{id} writes");
        }
        if has(Group::Destroy) {
            assert_eq!(operation.method, Method::Delete, "{id}");
        }
        assert_eq!(has(Group::Ramdisk) || has(Group::Discover), operation.public, "{id}");
    }
}

#[test]
fn what_is_public_takes_no_token() {
    let public: BTreeSet<&str> = catalog()
        .operations()
        .iter()
        .filter(|operation| operation.public)
        .map(|operation| operation.id.as_str())
        .collect();
    let expected =
        ["api:healthcheck", "api:root", "api:v1", "ramdisk:continue_inspection", "ramdisk:heartbeat", "ramdisk:lookup"];
    assert_eq!(public, BTreeSet::from(expected));
}

#[test]
fn large_bodies_are_exceptions() {
    let large: Vec<(&str, usize)> = catalog()
        .operations()
        .iter()
        .filter(|operation| operation.body_bytes_max != 1 << 20)
        .map(|operation| (operation.id.as_str(), operation.body_bytes_max))
        .collect();
    let expected = [
        ("ramdisk:continue_inspection", 16 << 20),
        ("node:set_provision_state", (64_usize << 20).div_ceil(3) * 4 + (1 << 20)),
    ];
    assert_eq!(large, expected);
}

#[test]
fn answers_have_fields_that_no_secret_word_hits() {
    let catalog = catalog();
    let hits = |name: &str| {
        let name = name.to_lowercase();
        catalog.secret_names().contains(&name) || catalog.secret_words().iter().any(|word| name.contains(word.as_str()))
    };
    // The agent's token is the point of the lookup; the flag beside it is only a boolean.
    let meant = BTreeSet::from(["agent_token", "agent_token_required"]);
    for operation in catalog.operations() {
        let fields = operation.object.as_deref().and_then(|name| catalog.object(name)).map(|object| &object.fields);
        for field in fields.into_iter().flatten() {
            assert!(!hits(&field.name), "{}: {}", operation.id, field.name);
        }
        for field in &operation.query {
            assert!(!hits(&field.name), "{}: {}", operation.id, field.name);
        }
    }
    for object in &catalog.objects {
        for field in &object.fields {
            assert!(!hits(&field.name) || meant.contains(field.name.as_str()), "{}: {}", object.name, field.name);
        }
    }
    for patch in catalog.patches() {
        for field in &patch.fields {
            assert!(!hits(&field.name), "{}: {}", patch.name, field.name);
        }
    }
}

/// Letters beyond ASCII can become ASCII in lower case: what is compared in lower case does not take them.
#[test]
fn what_is_folded_is_ascii() {
    fn folded<'f>(fields: &'f [Field], found: &mut Vec<&'f Field>) {
        for field in fields {
            found.extend(field.folded.then_some(field));
            folded(&field.fields, found);
        }
    }
    let mut found = Vec::new();
    for operation in catalog().operations() {
        match &operation.body {
            BodyKind::Object { schema, .. } => folded(&schema.fields, &mut found),
            BodyKind::Patch(name) => folded(&catalog().patch(name).unwrap().fields, &mut found),
            BodyKind::None | BodyKind::Any => {}
        }
    }
    assert_eq!(found.len(), 4);
    for field in found {
        let pattern = field.pattern.as_ref().unwrap();
        assert!(pattern.matches("Rack-1") && !pattern.matches("Rac\u{212a}-1"), "{}", field.name);
    }
}

#[test]
fn secrets_are_hit() {
    let names = [
        "ipmi_hex_kg_key",
        "irmc_snmp_community",
        "deploy_key",
        "rootpwd",
        "X-Auth-Key",
        "redfish_session_key",
        "X-Auth-Token",
        "adminPass",
        "clientSecret",
    ];
    for name in names {
        let lower = name.to_lowercase();
        let hit = catalog().secret_names().contains(&lower)
            || catalog().secret_words().iter().any(|word| lower.contains(word.as_str()));
        assert!(hit, "{name}");
    }
}

#[test]
fn the_text_table_has_a_line_for_each_operation() {
    let text = table(TableFormat::Text);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 137);
    let power = lines.iter().find(|line| line.contains(" node:set_power_state ")).unwrap();
    let words: Vec<&str> = power.split_whitespace().collect();
    assert_eq!(words, ["PUT", "/v1/nodes/{node}/states/power", "node:set_power_state", "1.1", "power", "Node"]);
    assert!(lines.iter().all(|line| line.trim_end() == *line));
}

#[test]
fn the_json_table_has_everything() {
    let rows: serde_json::Value = serde_json::from_str(&table(TableFormat::Json)).unwrap();
    assert_eq!(rows.as_array().unwrap().len(), 136);
    let passthru = rows.as_array().unwrap().iter().find(|row| row["id"] == "node:vendor_passthru:post").unwrap();
    assert_eq!(passthru["aliases"][0], "/v1/nodes/{node}/vendor_passthru/{method}");
    assert_eq!(passthru["body"]["kind"], "any");
    let update = rows.as_array().unwrap().iter().find(|row| row["id"] == "node:update").unwrap();
    assert_eq!(update["body"]["of"], "node");
    assert_eq!(update["body"]["fields"].as_array().unwrap().len(), 37);
    assert_eq!(update["query"][0]["name"], "reset_interfaces");
    assert_eq!(update["query"][0]["since"], 45);
}

#[test]
fn paths_in_text_are_the_paths_of_the_files() {
    for operation in catalog().operations() {
        assert_eq!(path_text(&operation.template), operation.path);
    }
}
