//! Which keys hold secrets, by name.

use std::sync::LazyLock;

use regex::Regex;

use crate::catalog::catalog;

/// The catalogue's names (as a whole) and words (anywhere in the key), without case, as one automaton.
static SECRET: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let words = catalog().secret_words().iter().map(|word| regex::escape(word));
    let names = catalog().secret_names().iter().map(|name| format!(r"\A{}\z", regex::escape(name)));
    let alternatives: Vec<String> = words.chain(names).collect();
    Regex::new(&format!("(?i){}", alternatives.join("|"))).ok()
});

/// Whether a value under this key is a secret wherever it occurs. If in doubt, it is.
pub(super) fn is_secret_key(key: &str) -> bool {
    SECRET.as_ref().is_none_or(|regex| regex.is_match(key))
}
