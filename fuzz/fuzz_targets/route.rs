#![no_main]
use irongate::{microversion::Ceiling, route};
// No target panics, and what a route is written as is a route again, written the same.
libfuzzer_sys::fuzz_target!(|target: &str| {
    let head = |target: &str| Some(http::Request::get(target).header("x-openstack-ironic-api-version", "1.115").body(()).ok()?.into_parts().0);
    let Some(first) = head(target) else { return };
    let Ok(found) = route::find(&first, Ceiling::new(None, None)) else { return };
    let second = head(found.target().as_str()).expect("our own target");
    assert!(route::find(&second, Ceiling::new(None, None)).expect("our own route").target() == found.target());
});
