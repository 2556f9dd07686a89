//! Reading and validating a request: irongate's own way (bytes → strict JSON → catalogue) beside a tree of serde_json that
//! a JSON Schema library validates, on the same bytes. The library's schemas are generated from the same catalogue.
//!
//!     cargo bench --bench validate

#![expect(clippy::expect_used, reason = "a benchmark that cannot begin should end")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use http::Request;
use http::request::Parts;
use irongate::catalog::catalog;
use irongate::catalog::json_schema::{self, Form};
use irongate::microversion::Ceiling;
use irongate::{route, validate};

const PATCH: &str = r#"[{"op": "add", "path": "/instance_info/image_source", "value": "https://images.example.org/4f6f9d5b-1f0f"}, {"op": "add", "path": "/instance_uuid", "value": "8ed9fb71-8a3c-4f6f-9d5b-1f0f1d0c0a01"}, {"op": "replace", "path": "/extra/tenant", "value": "blue team"}, {"op": "remove", "path": "/instance_info/old_checksum_of_image"}]"#;

fn head(method: &str, target: &str) -> Parts {
    let request = Request::builder().method(method).uri(target).header("x-openstack-ironic-api-version", "1.115");
    request.body(()).expect("a plain request").into_parts().0
}

/// A node create of about 2 KB, as an inventory tool sends it.
fn create() -> String {
    let mut driver_info = serde_json::Map::new();
    let mut extra = serde_json::Map::new();
    for index in 0..12 {
        driver_info.insert(format!("redfish_setting_{index}"), format!("https://192.0.2.{index}/redfish/v1").into());
        extra
            .insert(format!("rack_position_{index}"), serde_json::json!({"row": index, "slot": "left", "free": false}));
    }
    serde_json::json!({
        "driver": "redfish", "name": "metal-0001", "uuid": "8ed9fb71-8a3c-4f6f-9d5b-1f0f1d0c0a01",
        "resource_class": "metal.large", "conductor_group": "east", "owner": "8ed9fb718a3c4f6f9d5b1f0f1d0c0a01",
        "driver_info": driver_info, "extra": extra, "automated_clean": true, "boot_interface": "ipxe",
        "deploy_interface": "direct", "network_interface": "neutron", "raid_interface": "agent",
        "properties": {"cpus": 64, "memory_mb": 524_288, "local_gb": 960, "cpu_arch": "x86_64",
            "capabilities": "boot_mode:uefi,secure_boot:true"},
        "description": "the first of its kind",
    })
    .to_string()
}

fn body(criterion: &mut Criterion, name: &str, operation: &str, method: &str, target: &str, text: &str) {
    let operation = catalog().operation(operation).expect("an operation");
    let head = head(method, target);
    let route = route::find(&head, Ceiling::default()).expect("a route");
    assert_eq!(route.operation().id, operation.id);
    let schema = json_schema::body(operation, 115, Form::Exact).expect("a body");
    let validator = jsonschema::draft202012::new(&schema).expect("a schema");
    let mut group = criterion.benchmark_group(format!("{name} ({} bytes)", text.len()));
    group.bench_function("irongate", |bencher| {
        bencher.iter(|| validate::read(&route, Some(black_box(text.as_bytes()))).expect("valid"));
    });
    group.bench_function("serde_json + jsonschema", |bencher| {
        bencher.iter(|| {
            let tree: serde_json::Value = serde_json::from_slice(black_box(text.as_bytes())).expect("JSON");
            assert!(validator.is_valid(&tree));
            tree
        });
    });
    group.finish();
}

fn query(criterion: &mut Criterion) {
    let head = head("GET", "/v1/nodes?fields=uuid,name,provision_state&limit=100&maintenance=false");
    let schema = json_schema::queries(catalog().operation("node:list").expect("an operation"), 115);
    let validator = jsonschema::draft202012::new(&schema).expect("a schema");
    let mut group = criterion.benchmark_group("GET with three query parameters");
    group.bench_function("irongate (the whole head: path, version, query)", |bencher| {
        bencher.iter(|| route::find(black_box(&head), Ceiling::default()).expect("a route"));
    });
    group.bench_function("url + serde_json + jsonschema (the query alone)", |bencher| {
        bencher.iter(|| {
            let pairs = url::form_urlencoded::parse(black_box(&head).uri.query().unwrap_or_default().as_bytes());
            let tree: serde_json::Value = pairs
                .map(|(name, value)| (name.into_owned(), value.into_owned().into()))
                .collect::<serde_json::Map<_, _>>()
                .into();
            assert!(validator.is_valid(&tree));
            tree
        });
    });
    group.finish();
}

fn all(criterion: &mut Criterion) {
    let node = "/v1/nodes/8ed9fb71-8a3c-4f6f-9d5b-1f0f1d0c0a01";
    body(criterion, "patch of a node", "node:update", "PATCH", node, PATCH);
    body(criterion, "create of a node", "node:create", "POST", "/v1/nodes", &create());
    query(criterion);
}

criterion_group!(benches, all);
criterion_main!(benches);
