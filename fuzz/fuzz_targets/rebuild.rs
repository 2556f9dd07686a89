//! Whatever Ironic's error is, what is made of it is short, and shows neither what stood in quotes nor markup.
#![no_main]
use std::sync::LazyLock;

use irongate::scrub::{FAULTSTRING_BYTES_MAX, ScrubAdditions, ScrubRules, rebuild};

static RULES: LazyLock<ScrubRules> = LazyLock::new(|| ScrubRules::new(&ScrubAdditions::default()).unwrap());
const CANARY: &str = "Zq7+canary/4==";

libfuzzer_sys::fuzz_target!(|input: (u16, bool, &str)| {
    let (status, json, text) = input;
    let content_type = if json { "application/json" } else { "text/html" };
    // As it is, and as the text of a fault, with a quoted value in it.
    let quoted = format!("{text} '{CANARY}' is not valid");
    let fault = serde_json::json!({"faultcode": "Client", "faultstring": quoted, "debuginfo": CANARY});
    let wrapped = serde_json::json!({"error_message": fault.to_string()}).to_string();
    for body in [text, &wrapped] {
        let rebuilt = rebuild(400 + status % 200, Some(content_type), body.as_bytes(), &RULES);
        assert!(rebuilt.len() <= FAULTSTRING_BYTES_MAX);
        if !text.contains(CANARY) {
            assert!(!rebuilt.contains(CANARY), "{text:?} became {:?}", rebuilt);
        }
    }
});
