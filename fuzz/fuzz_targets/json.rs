#![no_main]
use irongate::json::{Limits, canonical, parse};
const LIMITS: Limits = Limits { depth_max: 25, values_max: 10_000, key_bytes_max: 1_024, string_bytes_max: 1 << 20 };
// What was read and written anew is read as the same, and written the same.
libfuzzer_sys::fuzz_target!(|text: &[u8]| if let Ok(value) = parse(text, &LIMITS) {
    let written = bytes::Bytes::from(canonical(&value, &bytes::Bytes::copy_from_slice(text)).pieces.concat());
    let again = parse(&written, &LIMITS).expect("our own JSON");
    assert!(canonical(&again, &written).pieces.concat() == written);
});
