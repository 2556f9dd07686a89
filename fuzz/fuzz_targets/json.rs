//! What was read and written anew is read as the same, and written the same; and what is read is JSON for others too.
#![no_main]
use bytes::Bytes;
use irongate::json::{Limits, canonical, parse};

const LIMITS: Limits = Limits { depth_max: 25, values_max: 10_000, key_bytes_max: 1_024, string_bytes_max: 1 << 20 };

libfuzzer_sys::fuzz_target!(|text: &[u8]| {
    let Ok(value) = parse(text, &LIMITS) else { return };
    assert!(serde_json::from_slice::<serde::de::IgnoredAny>(text).is_ok(), "not JSON");
    let written = Bytes::from(canonical(&value, &Bytes::copy_from_slice(text)).pieces.concat());
    let again = parse(&written, &LIMITS).expect("our own JSON");
    assert!(canonical(&again, &written).pieces.concat() == written);
});
