//! The names of secrets that are not in the catalogue's list: one list for keys and for texts.

use std::borrow::Cow;

use regex::Regex;

/// Names that count as a whole only.
pub(in crate::scrub) const NAMES: &str = "auth psk irmc_snmp_security raw_bytes user_data key_data";
/// Parts of names, in prose too.
pub(in crate::scrub) const WORDS: &str = "pwd passcode pre_shared_key kg_key client_key master_key host_key otp_seed";
/// A part of names that is as often a word of prose.
pub(in crate::scrub) const PROSE_WORD: &str = "authorization";
/// Words of their own only, with or without a number: `bmc_pass`, `userPass1`, but not `bypass` and `passthru`.
pub(in crate::scrub) const PARTS: &str = "pass|psk|pw|creds?|community";
/// The same as they begin in `userPass`.
pub(in crate::scrub) const CAPITAL_PARTS: &str = "Pass|Psk|Pw|Creds?|Community";

/// Words that hold a secret's by chance: a device that is passed through, counted passes, power down, a keyboard.
const COMPOUNDS: &str = concat!(
    r"(?i:keyboard|pass[-_. ]?(?:thru|through|count))|",
    r"(?i:pwdn(?:en|enabled?|mode|ctrl)?[0-9]*)(?<end>[^A-Za-z0-9]|$)|[Pp]wdn(?<next>[A-Z])"
);

/// What each of [`COMPOUNDS`] has.
const HINTS: [&[u8; 4]; 5] = [b"oard", b"thru", b"thro", b"coun", b"pwdn"];

/// A word as a pattern: its separators match each other or nothing.
pub(in crate::scrub) fn word_pattern(word: &str) -> String {
    let mut pattern = String::with_capacity(word.len() + 8);
    for c in word.chars() {
        match c {
            '_' | '-' | '.' | ' ' => pattern.push_str("[-_. ]?"),
            c => pattern.push_str(&regex::escape(c.encode_utf8(&mut [0; 4]))),
        }
    }
    pattern
}

/// What finds [`COMPOUNDS`].
pub(in crate::scrub) struct Compounds(Regex);

impl Compounds {
    pub(in crate::scrub) fn new() -> Result<Self, regex::Error> {
        Regex::new(COMPOUNDS).map(Self)
    }

    /// Whether a name in which `words` found a secret's holds it by chance only.
    pub(in crate::scrub) fn explain(&self, name: &str, words: &Regex) -> bool {
        // Names without any part of a compound are the rule, and quickly told.
        if !name.as_bytes().windows(4).any(|part| HINTS.iter().any(|hint| part.eq_ignore_ascii_case(*hint))) {
            return false;
        }
        match self.0.replace_all(name, "-$end$next") {
            Cow::Borrowed(_) => false,
            Cow::Owned(rest) => !words.is_match(&rest),
        }
    }
}
