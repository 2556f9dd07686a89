//! Texts for people: on a terminal, on a page.

use std::sync::LazyLock;

use regex::Regex;

/// Controls, what turns the direction of a text, and what is not seen at all, tags and selectors of variants among them.
static HIDDEN: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]").ok());

/// The text on one line, with nothing in it that steers a terminal, turns text around, or hides: each such character is
/// shown as U+FFFD. Names and keys may hold any character that somebody chose.
pub fn plain(text: &str) -> String {
    match &*HIDDEN {
        Some(hidden) => hidden.replace_all(text, "\u{fffd}").into_owned(),
        // Cannot happen: a test compiles it.
        None => text.escape_debug().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn nothing_steers_turns_or_hides() {
        for hidden in [
            '\0',
            '\n',
            '\t',
            '\u{7}',
            '\u{1b}',
            '\u{7f}',
            '\u{9b}',
            '\u{ad}',
            '\u{34f}',
            '\u{61c}',
            '\u{115f}',
            '\u{180e}',
            '\u{200b}',
            '\u{200e}',
            '\u{202e}',
            '\u{2028}',
            '\u{2060}',
            '\u{2066}',
            '\u{3164}',
            '\u{fe0f}',
            '\u{feff}',
            '\u{fff9}',
            '\u{e000}',
            '\u{e0041}',
            '\u{e0100}',
        ] {
            assert_eq!(plain(&format!("a{hidden}b")), "a\u{fffd}b", "{hidden:?}");
        }
        for text in ["", "/extra/a b", "naïve 名前 🙂", "\u{fffd}"] {
            assert_eq!(plain(text), text);
        }
    }
}
