//! The scrubber against a tree of `serde_json` that is walked and written again, and against finding every quote with
//! `memchr` and copying, in the same run.
//!
//! `cargo bench --bench scrub`: a list of nodes with details of about 5 MB, one node of about 4 KB, and one string of
//! base64 as inspection logs have it.

#![recursion_limit = "256"]
#![expect(clippy::expect_used, reason = "a benchmark may panic")]

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use irongate::catalog::catalog;
use irongate::scrub::{MASK, ScrubAdditions, ScrubRules, Scrubber};
use serde_json::{Value, json};

/// Chunks as they come from a connection.
const CHUNK_BYTES: usize = 64 * 1024;

fn node(index: usize) -> Value {
    let uuid = format!("{index:08x}-1d4f-4b0e-9a35-3ca1d7a7f1a0");
    let links = |kind: &str| {
        json!([
            {"href": format!("http://127.0.0.1:6385/v1/nodes/{uuid}{kind}"), "rel": "self"},
            {"href": format!("http://127.0.0.1:6385/nodes/{uuid}{kind}"), "rel": "bookmark"},
        ])
    };
    let interfaces =
        ["bios", "boot", "console", "deploy", "firmware", "inspect", "management", "network", "power", "raid"];
    let mut node = json!({
        "uuid": uuid, "created_at": "2026-01-01T10:00:00+00:00", "updated_at": "2026-02-01T10:00:00+00:00",
        "automated_clean": null, "chassis_uuid": null, "clean_step": {}, "conductor": "conductor-1.example",
        "conductor_group": "", "console_enabled": false, "deploy_step": {}, "description": null,
        "driver": "redfish", "fault": null, "inspection_finished_at": null, "inspection_started_at": null,
        "driver_info": {
            "redfish_address": "https://10.0.0.5:8000", "redfish_system_id": "/redfish/v1/Systems/1",
            "redfish_username": "admin", "redfish_password": "S3cret", "redfish_verify_ca": false,
            "deploy_kernel": "http://10.0.0.1/images/ipa.kernel", "deploy_ramdisk": "http://10.0.0.1/images/ipa.initramfs",
        },
        "driver_internal_info": {
            "agent_url": "https://10.0.0.9:9999", "agent_version": "10.1.0", "agent_last_heartbeat": "2026-02-01T10:00:00",
            "agent_secret_token": "Kx8mT2Qq", "is_whole_disk_image": true, "hardware_manager_version": {"generic": "1.2"},
            "last_power_state_change": "2026-02-01T10:00:00.123456", "deploy_steps": null,
        },
        "extra": {"rack": "r17", "serial": "7C0FFEE", "owner_contact": "team-metal"},
        "instance_info": {
            "image_source": "8f1b6c1e-0f6a-4c53-8a8e-6a2b2c9fd0aa", "root_gb": "100", "swap_mb": "0", "vcpus": "32",
            "display_name": "worker-17", "nova_host_id": "compute-3", "configdrive": "S3cret", "capabilities": "{}",
        },
        "instance_uuid": "8f1b6c1e-0f6a-4c53-8a8e-6a2b2c9fd0ab", "last_error": null, "lessee": null, "links": links(""),
        "maintenance": false, "maintenance_reason": null, "name": format!("node-{index}"), "network_data": {},
        "owner": null, "parent_node": null, "portgroups": links("/portgroups"), "ports": links("/ports"),
        "power_state": "power on",
        "properties": {"cpus": "32", "memory_mb": 131072, "local_gb": 900, "cpu_arch": "x86_64", "capabilities": "boot_mode:uefi"},
        "protected": false, "protected_reason": null, "provision_state": "active", "provision_updated_at": "2026-02-01T10:00:00+00:00",
        "raid_config": {}, "reservation": null, "resource_class": "baremetal", "retired": false, "secure_boot": null,
        "states": links("/states"), "target_power_state": null, "target_provision_state": null, "traits": ["CUSTOM_GOLD"],
        "volume": links("/volume"),
    });
    if let Value::Object(members) = &mut node {
        for interface in interfaces {
            members.insert(format!("{interface}_interface"), json!("redfish"));
        }
    }
    node
}

/// JSON with a space after commas and colons, as Ironic writes it.
fn written(value: &Value, out: &mut String) {
    match value {
        Value::Object(members) => {
            out.push('{');
            for (index, (key, value)) in members.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { ", " });
                out.push_str(&format!("\"{key}\": "));
                written(value, out);
            }
            out.push('}');
        }
        Value::Array(elements) => {
            out.push('[');
            for (index, value) in elements.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { ", " });
                written(value, out);
            }
            out.push(']');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => out.push_str(&value.to_string()),
    }
}

fn text(value: &Value) -> Vec<u8> {
    let mut out = String::new();
    written(value, &mut out);
    out.into_bytes()
}

fn streamed(rules: &Arc<ScrubRules>, origin: &Arc<str>, id: &str, answer: &[u8], out: &mut Vec<u8>) -> u64 {
    let operation = catalog().operation(id).expect("an operation of the catalogue");
    let mut scrubber = Scrubber::new(Arc::clone(rules), operation, Arc::clone(origin));
    for chunk in answer.chunks(CHUNK_BYTES) {
        out.clear();
        scrubber.push(chunk, out).expect("a well-formed answer");
        black_box(&out);
    }
    scrubber.finish(out).expect("a complete answer").masked
}

fn quotes(answer: &[u8], out: &mut Vec<u8>) -> usize {
    let count = |chunk: &[u8]| memchr::memchr2_iter(b'"', b'\\', chunk).count();
    answer
        .chunks(CHUNK_BYTES)
        .map(|chunk| {
            out.clear();
            out.extend_from_slice(black_box(chunk));
            count(chunk)
        })
        .sum()
}

/// What a proxy without this module would do: key names only.
fn tree(answer: &[u8]) -> Vec<u8> {
    fn walk(value: &mut Value) {
        match value {
            Value::Object(members) => {
                for (key, value) in members.iter_mut() {
                    if ["password", "token", "secret", "configdrive"].iter().any(|word| key.contains(word)) {
                        *value = Value::String(MASK.to_owned());
                    } else {
                        walk(value);
                    }
                }
            }
            Value::Array(elements) => elements.iter_mut().for_each(walk),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let mut value = serde_json::from_slice(answer).expect("a well-formed answer");
    walk(&mut value);
    serde_json::to_vec(&value).expect("JSON")
}

fn scrub(criterion: &mut Criterion) {
    let rules = Arc::new(ScrubRules::new(&ScrubAdditions::default()).expect("the shipped rules"));
    let origin: Arc<str> = "https://irongate.example:6385".into();
    let one = text(&node(17));
    let mut nodes = Vec::new();
    while nodes.len() * one.len() < 5_000_000 {
        nodes.push(node(nodes.len()));
    }
    let list = text(&json!({ "nodes": nodes }));
    let logs = text(&json!({"inventory": {}, "plugin_data": {"logs": "QUJDZGVmMTIz".repeat(400_000)}}));
    for (name, id, answer) in
        [("list_5MB", "node:list_detail", &list), ("node", "node:get", &one), ("logs", "node:inventory:get", &logs)]
    {
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Bytes(answer.len() as u64));
        let mut out = Vec::with_capacity(2 * CHUNK_BYTES);
        group.bench_function("stream", |bencher| {
            bencher.iter(|| streamed(&rules, &origin, id, black_box(answer), &mut out));
        });
        // No reader of JSON can do with less: every quote is found, and all is copied.
        group.bench_function("quotes", |bencher| bencher.iter(|| quotes(black_box(answer), &mut out)));
        group.bench_function("tree", |bencher| bencher.iter(|| tree(black_box(answer))));
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).measurement_time(std::time::Duration::from_secs(3));
    targets = scrub
}
criterion_main!(benches);
