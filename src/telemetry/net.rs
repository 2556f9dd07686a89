//! The last net: what is logged by mistake is masked and counted before it is written.
//!
//! Log lines are fixed messages with fields of known-safe types; nothing should ever be caught here. Records hold texts
//! that callers chose (names of objects, keys of bodies): each goes through the net by itself, so that nothing that
//! irongate says of its own beside it reads like a part of it. The net
//! knows the shapes of secrets that the scrubber knows ([`crate::scrub`]), but shares no code with it: a fault there is
//! none here. One expression, linear in the line, is searched for in the line as it will be written; a match never
//! reaches over the end of a JSON string and never cuts an escape, so that a masked line is still JSON.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use regex::Regex;

use crate::scrub::MASK;

/// Lines in which something was masked since the start.
static MASKED_LINES: AtomicU64 = AtomicU64::new(0);

/// The first group that took part is the secret. `None` cannot happen (a test compiles it); then nothing is logged.
static SHAPES: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let assignment = format!("{NAME}(?:{ASSIGNS}{VALUE}|{SAID})");
    let pattern = [USER_INFORMATION, &assignment, SCHEME, TOKEN, FERNET, PRIVATE_KEY, HASH].join("|");
    Regex::new(&pattern).ok()
});

/// User information alone.
static URL: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(USER_INFORMATION).ok());

const USER_INFORMATION: &str = r#"://([^/?#\s"'\\@]*@?[^/?#\s"'\\@]+)@"#;
/// Names of secrets.
const NAME: &str = concat!(
    r"(?i:passw|passphrase|passcode|pwd|pswd|rootpw|userpw|secret|token|credential|authorization|signature|cookie|",
    r"configdrive|community|temp_url_sig|kg_key|(?:api|auth|priv|private|access|session|deploy|ssh)[-_]?key)",
    r"[A-Za-z0-9_.-]*"
);
/// What assigns: an equals sign, or a colon after a quoted name.
const ASSIGNS: &str = r#"(?:(?:\\?["'])?[ \t]*(?:=|%3[Dd])|\\?["'][ \t]*:)[ \t]*(?:\\?["'])?"#;
/// Pairs of a backslash and what it escapes are never parted.
const VALUE: &str = r#"(?:(?i:basic|bearer|digest)[ ]+)?((?:[^\s"'&;,{}\[\]\\]|\\[^"'])+)"#;
/// A colon after a plain name may be prose, or a file and its line.
const SAID: &str =
    r#"[ \t]*:[ \t]*(?:\\?["'])?(?:(?i:basic|bearer|digest)[ ]+)?(?<said>(?:[^\s"'&;,{}\[\]\\]|\\[^"'])+)"#;
/// Credentials as a header has them. A word without a digit or an equals sign is prose.
const SCHEME: &str = r"(?-u:\b)(?i:basic|bearer) +([A-Za-z0-9+/._~-]*[0-9=][A-Za-z0-9+/=._~-]*)";
const TOKEN: &str = r"(eyJ[A-Za-z0-9_-]{6,}(?:\.[A-Za-z0-9_-]*)+)";
const FERNET: &str = r"(gAAAAA[A-Za-z0-9_-]{40,}=*)";
/// With what comes after its first line: the line alone is what documentation says.
const PRIVATE_KEY: &str = r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY[A-Z ]*-----((?:[A-Za-z0-9+/=:,\s-]|\\[nrt])*[A-Za-z0-9+/=]{16}(?:[A-Za-z0-9+/=:,\s-]|\\[nrt])*)";
const HASH: &str = r"(\$(?:1|2[abxy]?|5|6|7|y|gy|apr1|argon2(?:id?|d))\$[A-Za-z0-9./$=+-]{16,})";

/// Lines in which something was masked since the start. It should be zero; anything else is a bug to be reported.
pub fn masked_log_lines() -> u64 {
    MASKED_LINES.load(Ordering::Relaxed)
}

/// The line as it may be written.
pub(crate) fn cast(line: String) -> String {
    match mask(&line) {
        None => line,
        Some(masked) => {
            MASKED_LINES.fetch_add(1, Ordering::Relaxed);
            masked
        }
    }
}

/// A text that a caller chose with the mask in place of secrets, if there are any. It does not count: it is no mistake of
/// the program.
pub(crate) fn free_text(text: &str) -> Option<String> {
    // As it will be written, for which the shapes are made.
    let quoted = serde_json::Value::from(text).to_string();
    let masked = mask(&quoted)?;
    Some(serde_json::from_str(&masked).unwrap_or_else(|_| MASK.to_owned()))
}

/// A setting with the mask in place of who logs in, if it is a URL with user information.
pub(crate) fn setting(text: &str) -> Option<String> {
    let found = URL.as_ref()?.captures(text)?.get(1)?;
    Some(format!("{}{MASK}{}", text.get(..found.start())?, text.get(found.end()..)?))
}

/// The line with the mask in place of secrets, if there are any.
pub(super) fn mask(line: &str) -> Option<String> {
    let Some(shapes) = &*SHAPES else { return Some("{}\n".to_owned()) };
    let mut masked = String::new();
    let mut from = 0;
    for found in shapes.captures_iter(line) {
        let Some(secret) = found.iter().skip(1).flatten().next() else { continue };
        if harmless(secret.as_str()) || (found.name("said").is_some() && prose(secret.as_str())) {
            continue;
        }
        masked.push_str(line.get(from..secret.start()).unwrap_or_default());
        masked.push_str(MASK);
        from = secret.end();
    }
    if from == 0 {
        return None;
    }
    masked.push_str(line.get(from..).unwrap_or_default());
    Some(masked)
}

/// A mask already, or a word that says that there is no value.
fn harmless(value: &str) -> bool {
    value.bytes().all(|byte| byte == b'*') || ["none", "null", "true", "false"].contains(&value)
}

/// A word, or the number of a line.
fn prose(value: &str) -> bool {
    value.bytes().all(|byte| byte.is_ascii_lowercase())
        || value.bytes().all(|byte| byte.is_ascii_digit() || byte == b':')
}

/// Standard error behind the net. The subscriber writes a whole line at once.
pub(super) struct Net;

impl std::io::Write for Net {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        let text = cast(String::from_utf8_lossy(line).into_owned());
        std::io::stderr().lock().write_all(text.as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stderr().lock().flush()
    }
}
