//! What comes out does not depend on where the chunks are cut, for any operation, and JSON stays JSON; neither does it where
//! the same comes again and again, as in lists.
#![no_main]
use std::sync::{Arc, LazyLock};

use irongate::catalog::catalog;
use irongate::scrub::{ScrubAdditions, ScrubRules, Scrubber};

static RULES: LazyLock<Arc<ScrubRules>> =
    LazyLock::new(|| Arc::new(ScrubRules::new(&ScrubAdditions::default()).unwrap()));

fn scrub(text: &[u8], operation: u8, size: usize) -> Option<Vec<u8>> {
    let operations = catalog().operations();
    let operation = &operations[usize::from(operation) % operations.len()];
    let (mut one, mut out) = (Scrubber::new(Arc::clone(&RULES), operation, "https://i".into()), Vec::new());
    text.chunks(size).try_for_each(|chunk| one.push(chunk, &mut out)).ok()?;
    one.finish(&mut out).ok().map(|_| out)
}

libfuzzer_sys::fuzz_target!(|input: (u8, u8, &[u8])| {
    let (operation, size, text) = input;
    check(operation, size, text);
    if text.first() == Some(&b'{') {
        let items = vec![text; 4].join(b", ".as_slice());
        // One byte of the last item differs.
        let mut list = [b"{\"nodes\": [".as_slice(), &items, b"]}"].concat();
        let last = list.len() - 2 - text.len();
        if let Some(byte) = list.get_mut(last + usize::from(size) % text.len()) {
            *byte = byte.wrapping_add(operation);
        }
        check(operation, size, &list);
    }
});

fn check(operation: u8, size: u8, text: &[u8]) {
    let whole = scrub(text, operation, usize::MAX);
    assert!(whole == scrub(text, operation, 1 + usize::from(size)), "chunks make a difference");
    if let Some(out) = whole {
        // What is JSON for others (numbers of any size are for the scrubber) stays JSON.
        let json = |text: &[u8]| serde_json::from_slice::<serde::de::IgnoredAny>(text).is_ok();
        assert!(json(&out) || !json(text), "no JSON comes out");
    }
}
