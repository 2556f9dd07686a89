#![no_main]
use irongate::{catalog::catalog, scrub::{ScrubAdditions, ScrubRules, Scrubber}};
use std::sync::{Arc, LazyLock};
static RULES: LazyLock<Arc<ScrubRules>> = LazyLock::new(|| Arc::new(ScrubRules::new(&ScrubAdditions::default()).unwrap()));
fn scrub(text: &[u8], size: usize) -> Option<Vec<u8>> {
    let (mut one, mut out) = (Scrubber::new(Arc::clone(&RULES), &catalog().operations()[11], "https://i".into()), Vec::new());
    text.chunks(size).try_for_each(|chunk| one.push(chunk, &mut out)).ok()?;
    one.finish(&mut out).ok().map(|_| out)
}
// What comes out does not depend on where the chunks are cut.
libfuzzer_sys::fuzz_target!(|input: (&[u8], u8)| assert!(scrub(input.0, usize::MAX) == scrub(input.0, 1 + input.1 as usize)));
