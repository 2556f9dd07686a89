//! The streaming scrubber and the reference on a tree say the same, whatever the chunks.
#![no_main]
use std::sync::{Arc, LazyLock};

use irongate::catalog::catalog;
use irongate::json::{Limits, parse};
use irongate::scrub::reference::reference;
use irongate::scrub::{ScrubAdditions, ScrubRules, Scrubber};
use serde_json::Value;

/// The longest string is a whole window, the deepest nesting the scrubber's.
const LIMITS: Limits = Limits { depth_max: 60, values_max: 10_000, key_bytes_max: 1_000, string_bytes_max: 60_000 };
const ORIGIN: &str = "https://i";

static RULES: LazyLock<Arc<ScrubRules>> =
    LazyLock::new(|| Arc::new(ScrubRules::new(&ScrubAdditions::default()).unwrap()));

libfuzzer_sys::fuzz_target!(|input: (u8, &[u8])| {
    let (size, text) = input;
    // No duplicate keys, which a tree does not have.
    if parse(text, &LIMITS).is_err() {
        return;
    }
    let Ok(value) = serde_json::from_slice::<Value>(text) else { return };
    let operation = catalog().operation("node:inventory:get").unwrap();
    let (mut one, mut out) = (Scrubber::new(Arc::clone(&RULES), operation, ORIGIN.into()), Vec::new());
    text.chunks(1 + usize::from(size)).for_each(|chunk| one.push(chunk, &mut out).expect("well-formed JSON"));
    one.finish(&mut out).expect("complete JSON");
    let shown: Value = serde_json::from_slice(&out).expect("JSON");
    assert_eq!(shown, reference(&RULES, ORIGIN, &value), "{}", String::from_utf8_lossy(text));
});
