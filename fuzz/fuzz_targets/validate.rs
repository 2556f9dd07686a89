//! Bodies and JSON Patches of every operation: what is accepted and written anew is accepted again and says the same.
#![no_main]
use bytes::Bytes;
use irongate::catalog::catalog;
use irongate::json::canonical;
use irongate::microversion::Ceiling;
use irongate::{route, validate};

const UUID: &str = "8ed9fb71-8a3c-4f6f-9d5b-1f0f1d0c0a01";

libfuzzer_sys::fuzz_target!(|input: (u8, u8, &[u8])| {
    let (operation, minor, text) = input;
    let operations = catalog().operations();
    let operation = &operations[usize::from(operation) % operations.len()];
    let path: Vec<&str> =
        operation.path.split('/').map(|segment| if segment.starts_with('{') { UUID } else { segment }).collect();
    let version = format!("1.{}", 1 + u16::from(minor) % 115);
    let request = http::Request::builder()
        .method(operation.method.as_str())
        .uri(path.join("/"))
        .header("x-openstack-ironic-api-version", version);
    let Ok(request) = request.body(()) else { return };
    let (head, ()) = request.into_parts();
    let found = || route::find(&head, Ceiling::new(None, None));
    let Ok(first) = found() else { return };
    let Ok(call) = validate::undecided(first, Some(text)) else { return };
    let Some(body) = call.body() else { return };
    let written = Bytes::from(canonical(body, &Bytes::copy_from_slice(text)).pieces.concat());
    let again = validate::undecided(found().unwrap(), Some(&written)).expect("our own body");
    assert!(canonical(again.body().unwrap(), &written).pieces.concat() == written, "the body changes");
    let (writes, same) = (validate::writes(&call), validate::writes(&again));
    assert_eq!(writes.len(), same.len());
    for (one, other) in writes.iter().zip(&same) {
        assert!(one.op == other.op && one.path == other.path, "the writes change");
    }
});
