//! A head that is let in has one reading: plain names and values, one of each header that counts, one host.
#![no_main]
use http::{HeaderName, HeaderValue, Request, Version};
use irongate::config::Limits;
use irongate::framing::check;

libfuzzer_sys::fuzz_target!(|input: (&str, bool, Vec<(&[u8], &[u8])>)| {
    let (target, second, headers) = input;
    let version = if second { Version::HTTP_2 } else { Version::HTTP_11 };
    let Ok(request) = Request::builder().version(version).uri(target).body(()) else { return };
    let (mut head, ()) = request.into_parts();
    for (name, value) in headers {
        let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) else { continue };
        head.headers.append(name, value);
    }
    let limits = Limits::default();
    if check(&head, &limits).is_err() {
        return;
    }
    for (name, value) in &head.headers {
        assert!(name.as_str().bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'), "{name}");
        assert!(value.as_bytes().iter().all(|byte| matches!(byte, b' '..=b'~' | b'\t')), "{name}");
    }
    for name in ["host", "authorization", "content-length", "content-type", "x-auth-token"] {
        assert!(head.headers.get_all(name).iter().count() <= 1, "{name} twice");
    }
    for name in ["transfer-encoding", "upgrade"] {
        assert!(!head.headers.contains_key(name), "{name}");
    }
    if let (Some(host), Some(authority)) = (head.headers.get("host"), head.uri.authority()) {
        assert!(host.as_bytes().eq_ignore_ascii_case(authority.as_str().as_bytes()), "two hosts");
    }
    assert!(second || head.headers.contains_key("host"), "no host");
});
