//! The shipped policies: what each role may do.

use super::super::strict::schema;
use super::super::*;
use super::{Ask, ask, check_golden, list, repository_file, text};
use crate::catalog::catalog;

fn engine() -> PolicyEngine {
    PolicyEngine::load(&shipped()).unwrap_or_else(|findings| panic!("{}", list(&findings)))
}

#[test]
fn every_file_is_embedded_and_without_findings() {
    let mut files: Vec<String> = Vec::new();
    for folder in ["roles", "guard"] {
        let Ok(entries) = std::fs::read_dir(repository_file("policies").join(folder)) else { continue };
        let names = entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
        files.extend(names.filter(|name| name.ends_with(".cedar")).map(|name| format!("{folder}/{name}")));
    }
    files.sort();
    let mut embedded: Vec<String> = shipped().into_iter().map(|source| source.name).collect();
    embedded.sort();
    assert_eq!(embedded, files);
    assert_eq!(list(&validate(&shipped())), "");
}

/// `docs/guard.md` has each guard policy, with its mode and its advisories, and each says what they are.
#[test]
fn the_guard_policies_are_as_documented() {
    let annotation = |head: &str, name: &str| -> Option<String> {
        let (_, value) = head.split_once(&format!("@{name}(\""))?;
        Some(value.split('"').next()?.to_owned())
    };
    let mut written = Vec::new();
    for source in shipped().iter().filter(|source| source.name.starts_with("guard/")) {
        for head in source.text.split("\n@id(").skip(1) {
            let head = format!("@id({}", head.split("\nforbid").next().unwrap());
            let id = annotation(&head, "id").unwrap();
            let mode = annotation(&head, "mode").unwrap_or_else(|| panic!("{id} has no @mode"));
            assert!(annotation(&head, "reason").is_some(), "{id} has no @reason");
            written.push((id, mode, annotation(&head, "advisory").unwrap_or_default()));
        }
    }
    let page = std::fs::read_to_string(repository_file("docs/guard.md")).unwrap();
    let mut told = Vec::new();
    for row in page.lines().filter(|line| line.starts_with("| `guard.")) {
        let cells: Vec<&str> = row.trim_end_matches('|').split('|').skip(1).map(str::trim).collect();
        let ids: Vec<&str> = cells[0].split('`').skip(1).step_by(2).collect();
        let theme = ids[0].rsplit_once('.').unwrap().0;
        let modes: Vec<&str> = cells[1].split(", ").collect();
        for (index, id) in ids.iter().enumerate() {
            let id = if id.starts_with('.') { format!("{theme}{id}") } else { (*id).to_owned() };
            let mode = modes.get(index).or(modes.last()).unwrap();
            told.push((id, (*mode).to_owned(), cells[3].to_owned()));
        }
    }
    written.sort();
    told.sort();
    assert_eq!(told, written);
}

#[test]
fn the_schema_is_committed_and_valid() {
    schema(catalog().operations()).unwrap();
    check_golden("policies/irongate.cedarschema", &cedar_schema());
}

#[test]
fn every_group_and_type_of_the_catalogue_is_in_the_schema() {
    for operation in catalog().operations() {
        assert!(super::super::schema::RESOURCE_TYPES.contains(&operation.resource), "{}", operation.id);
        assert!(operation.groups.iter().all(|group| super::super::schema::GROUPS.contains(group)), "{}", operation.id);
        assert!(!operation.groups.is_empty(), "{} is in no group", operation.id);
        assert!(!operation.id.ends_with(":write"), "{}", operation.id);
    }
}

#[test]
fn the_matrix_is_as_committed() {
    let engine = engine();
    check_golden("tests/golden/permissions.txt", &matrix(&engine, &engine.matrix_roles()));
}

/// The matrix is computed from scopes; this asks for each cell.
#[test]
fn the_matrix_tells_what_decisions_are() {
    let engine = engine();
    for operation in catalog().operations() {
        for role in engine.matrix_roles() {
            let line = matrix(&engine, std::slice::from_ref(&role));
            let line = line.lines().find(|line| line.split(' ').next() == Some(&operation.id)).unwrap().to_owned();
            if line.ends_with('?') {
                continue;
            }
            let name: &'static str = String::leak(role.to_string());
            let roles: &[&'static str] = if name == "anonymous" { &[] } else { &[name] };
            let permitted = ask(roles, &operation.id).decision(&engine).starts_with("permit");
            assert_eq!(permitted, !line.ends_with('-'), "{role} {}", operation.id);
        }
    }
}

#[test]
fn roles_do_their_work_and_no_more() {
    #[rustfmt::skip]
    let rows: [(&[&'static str], &str, bool); 34] = [
        (&[], "api:root", true),
        (&[], "api:v1", true),
        (&[], "api:healthcheck", false),
        (&[], "node:list", false),
        (&[], "ramdisk:lookup", false),
        (&["unknown"], "node:get", false),
        (&["auditor"], "api:root", true),
        (&["auditor"], "node:list", true),
        (&["auditor"], "node:get", true),
        (&["auditor"], "node:vif:list", true),
        (&["auditor"], "node:get_console", false),
        (&["auditor"], "node:update", false),
        (&["auditor"], "node:set_power_state", false),
        (&["auditor"], "node:vendor_passthru:get", false),
        (&["auditor"], "ramdisk:lookup", false),
        (&["operator"], "node:create", true),
        (&["operator"], "node:update", true),
        (&["operator"], "node:set_power_state", true),
        (&["operator"], "node:set_provision_state", true),
        (&["operator"], "node:get_console", true),
        (&["operator"], "node:vif:detach", true),
        (&["operator"], "node:delete", false),
        (&["operator"], "allocation:delete", false),
        (&["operator"], "deploy_template:create", false),
        (&["operator"], "driver:vendor_passthru:post", false),
        (&["operator"], "ramdisk:heartbeat", false),
        (&["operator", "auditor"], "node:delete", false),
        (&["ramdisk"], "api:v1", true),
        (&["ramdisk"], "ramdisk:lookup", true),
        (&["ramdisk"], "ramdisk:heartbeat", true),
        (&["ramdisk"], "node:get", false),
        (&["admin"], "node:delete", true),
        (&["admin"], "runbook:create", true),
        (&["admin"], "ramdisk:heartbeat", true),
    ];
    let engine = engine();
    for (roles, operation, permitted) in rows {
        let decision = ask(roles, operation).decision(&engine);
        assert_eq!(decision.starts_with("permit "), permitted, "{roles:?} {operation}: {decision}");
    }
}

#[test]
fn writes_follow_their_requests() {
    let engine = engine();
    assert_eq!(ask(&["metal3"], "node:create").decision(&engine), "permit metal3.enrol");
    let write = |roles: &[&'static str], operation: &str| -> Ask { ask(roles, operation).add("/extra/x", text("1")) };
    assert_eq!(write(&["admin"], "node:update").decision(&engine), "permit admin.everything");
    assert_eq!(write(&["operator"], "node:update").decision(&engine), "permit operator.work");
    assert_eq!(write(&["ramdisk"], "ramdisk:heartbeat").decision(&engine), "permit ramdisk.agent");
    assert_eq!(write(&["auditor"], "node:update").decision(&engine), "deny no_permit");
    assert_eq!(write(&[], "node:update").decision(&engine), "deny no_permit");
}
