//! No target panics, and what a route is written as is a route again, written the same.
#![no_main]
use irongate::{microversion::Ceiling, route};

fn head(target: &str, method: &str) -> Option<http::request::Parts> {
    let request = http::Request::builder().method(method).uri(target).header("x-openstack-ironic-api-version", "1.115");
    Some(request.body(()).ok()?.into_parts().0)
}

libfuzzer_sys::fuzz_target!(|input: (u8, &str)| {
    let (method, target) = (["GET", "POST", "PUT", "PATCH", "DELETE"][usize::from(input.0) % 5], input.1);
    let Some(first) = head(target, method) else { return };
    let Ok(found) = route::find(&first, Ceiling::new(None, None)) else { return };
    let second = head(found.target().as_str(), method).expect("our own target");
    let again = route::find(&second, Ceiling::new(None, None)).expect("our own route");
    assert!(again.target() == found.target());
    assert!(again.operation().id == found.operation().id);
    assert!(found.parameters().eq(again.parameters()) && found.query().eq(again.query()));
});
