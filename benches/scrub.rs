//! The scrubber against a tree of `serde_json` that is walked and written again, against finding every quote with
//! `memchr` and copying, and against copying alone, in the same run.
//!
//! `cargo bench --bench scrub`: a list of nodes with details of about 5 MB that differ in their names and UUIDs only, another
//! of nodes that differ in all that differs in a real cloud, one node of about 4 KB, one string of base64 as
//! inspection logs have it, and a history, whose texts are in words.

#![recursion_limit = "256"]
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a benchmark may panic")]

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

/// A node that differs from others in times, addresses, states, owners, serial numbers, and partly in its driver; what
/// Ironic masks itself is masked.
fn varied(index: usize) -> Value {
    let mut node = node(index);
    let mut seed = (index as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    let time = |next: &mut dyn FnMut(u64) -> u64| {
        let (month, day, hour) = (1 + next(12), 1 + next(28), next(24));
        json!(format!("2026-{month:02}-{day:02}T{hour:02}:{:02}:{:02}+00:00", next(60), next(60)))
    };
    let uuid = |next: &mut dyn FnMut(u64) -> u64| {
        let (end, more) = (next(1 << 24), next(1 << 24));
        json!(format!("{:08x}-{:04x}-4{:03x}-9a35-{end:06x}{more:06x}", next(1 << 31), next(1 << 16), next(1 << 12)))
    };
    for key in ["created_at", "updated_at", "provision_updated_at"] {
        node[key] = time(&mut next);
    }
    for key in ["inspection_finished_at", "inspection_started_at"].into_iter().filter(|_| index.is_multiple_of(2)) {
        node[key] = time(&mut next);
    }
    let mut among = |words: &[&str]| json!(words[usize::try_from(next(words.len() as u64)).unwrap_or(0)]);
    node["resource_class"] = among(&["baremetal", "gold", "silver.large"]);
    node["provision_state"] = among(&["active", "available", "deploying", "manageable"]);
    node["power_state"] = among(&["power on", "power off"]);
    node["conductor"] = json!(format!("conductor-{}.example", next(5)));
    node["name"] = json!(format!("r{:02}-u{:02}-compute", next(60), next(42)));
    node["maintenance"] = json!(next(8) == 0);
    if next(8) == 0 {
        node["maintenance_reason"] = json!("bad module in slot 3, ticket 8812");
        node["last_error"] = json!("Timeout reached while waiting for callback for node; the conductor gave up");
    }
    if next(6) == 0 {
        node["description"] = json!("Reihe S\u{fc}d");
    }
    for key in ["owner", "instance_uuid", "lessee", "chassis_uuid"] {
        node[key] = if next(3) == 0 { Value::Null } else { uuid(&mut next) };
    }
    let address = format!("10.{}.{}.{}", next(4), next(250), next(250));
    let info = &mut node["driver_info"];
    if next(4) == 0 {
        *info = json!({
            "ipmi_address": address, "ipmi_username": "root", "ipmi_password": MASK, "ipmi_port": 623,
            "deploy_kernel": "http://10.0.0.1/images/ipa.kernel", "deploy_ramdisk": "http://10.0.0.1/images/ipa.initramfs",
        });
        node["driver"] = json!("ipmi");
    } else {
        info["redfish_address"] = json!(format!("https://{address}:8000"));
        info["redfish_system_id"] = json!(format!("/redfish/v1/Systems/{}", next(4)));
        info["redfish_password"] = json!(MASK);
    }
    let internal = &mut node["driver_internal_info"];
    internal["agent_url"] = json!(format!("https://10.9.{}.{}:9999", next(250), next(250)));
    internal["agent_last_heartbeat"] = time(&mut next);
    internal["last_power_state_change"] = time(&mut next);
    internal["agent_secret_token"] = json!(MASK);
    node["extra"] = json!({
        "rack": format!("r{}", next(60)), "serial": format!("MXQ{:05X}", next(1 << 20)), "owner_contact": format!("team-{}", next(9)),
    });
    let instance = &mut node["instance_info"];
    instance["image_source"] = uuid(&mut next);
    instance["display_name"] = json!(format!("worker-{}", next(900)));
    instance["configdrive"] = json!(MASK);
    node["properties"]["local_gb"] = json!(next(4000));
    node
}

/// An entry of a node's history: half of it is a text in words.
fn event(index: usize) -> Value {
    let uuid = format!("{index:08x}-2d4f-4b0e-9a35-3ca1d7a7f1a0");
    json!({
        "uuid": uuid, "created_at": "2026-01-01T10:00:00+00:00", "severity": "ERROR", "event_type": "deploying",
        "event": format!(
            "Failed to deploy: node r17-u{index} did not answer within 3600 seconds (step {{'interface': 'deploy', \
             'step': 'write_image', 'priority': 80}}); the agent at https://10.9.1.{}:9999 gave no reason, error {index}",
            index % 250
        ),
        "conductor": "conductor-1.example", "user": null,
        "links": [{"href": format!("http://127.0.0.1:6385/v1/nodes/n/history/{uuid}"), "rel": "self"}],
    })
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

fn copied(answer: &[u8], out: &mut Vec<u8>) {
    for chunk in answer.chunks(CHUNK_BYTES) {
        out.clear();
        out.extend_from_slice(black_box(chunk));
        black_box(&out);
    }
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
    let varied: Vec<Value> = (0..nodes.len()).map(varied).collect();
    let list = text(&json!({ "nodes": nodes }));
    let varied = text(&json!({ "nodes": varied }));
    let logs = text(&json!({"inventory": {}, "plugin_data": {"logs": "QUJDZGVmMTIz".repeat(400_000)}}));
    let history = text(&json!({"history": (0..1000).map(event).collect::<Vec<_>>()}));
    for (name, id, answer) in [
        ("list_5MB", "node:list_detail", &list),
        ("varied_5MB", "node:list_detail", &varied),
        ("node", "node:get", &one),
        ("logs", "node:inventory:get", &logs),
        ("history", "node:history:list", &history),
    ] {
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Bytes(answer.len() as u64));
        let mut out = Vec::with_capacity(2 * CHUNK_BYTES);
        group.bench_function("stream", |bencher| {
            bencher.iter(|| streamed(&rules, &origin, id, black_box(answer), &mut out));
        });
        // One search per quote, and a copy.
        group.bench_function("quotes", |bencher| bencher.iter(|| quotes(black_box(answer), &mut out)));
        // What nobody who hands on an answer can do without.
        group.bench_function("copy", |bencher| bencher.iter(|| copied(black_box(answer), &mut out)));
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
