//! Secrets that are known by their look, inside texts.
//!
//! Every search is linear in the text. What is found is the secret part only: `http://******@host/`,
//! `password=******`, so that the rest of the text keeps its use.

use std::ops::Range;

use regex::{Regex, RegexBuilder};

use super::rules::word_pattern;
use super::suspect::tells;
use super::userinfo::user_information;

/// The shapes, compiled.
pub(super) struct Shapes {
    assignment: Regex,
    token: Regex,
    fernet: Regex,
    private_key: Regex,
    hash: Regex,
    own: Vec<Regex>,
    /// A word has no letter by which an assignment is noticed.
    untold: bool,
}

/// Words that name a secret in front of `=` or `:`, besides those that name one as a key.
const ASSIGNED_WORDS: &[&str] =
    &["passw", "passphrase", "pwd", "passcode", "authorization", "signature", "cookie", "x-amz-credential"];
/// Names that are too short to be parts of others.
const ASSIGNED_NAMES: &str = r"(?:\b|%26|%3f)(?:sig|pass|pw|psk|auth|key|inst\.rootpw)|_(?:pass|pw|psk)";

const TOKEN: &str = r"eyJ[A-Za-z0-9_-]{6,}(?:\.eyJ[A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]*)*|(?:\.[A-Za-z0-9_-]*){4,})";
const FERNET: &str = r"gAAAAA[A-Za-z0-9_-]{40,}(?:=|%3[Dd]){0,2}";
/// Without its end, a key reaches to the end of the text.
const PRIVATE_KEY: &str =
    r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----(?su:.)*?(?:-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|\z)";
/// Password hashes of crypt(3).
const HASH: &str = r"\$(?:1|2[abxy]?|5|6|7|y|gy|md5|sha1|apr1|argon2(?:id?|d))\$[A-Za-z0-9./$=,+-]{16,}";
/// Memory of a search, per thread and shape.
const CACHE_BYTES: usize = 1 << 18;
/// The largest compiled shape of an operator.
const OWN_BYTES_MAX: usize = 1 << 20;
/// The most secrets of one shape that are masked one by one in a text (a window of it, if it is long).
const SPANS_MAX: usize = 256;

impl Shapes {
    /// The shipped shapes with `words` as names of assigned secrets, and the operator's own.
    pub(super) fn new<'a>(words: impl Iterator<Item = &'a str>, own: Vec<Regex>) -> Result<Self, regex::Error> {
        let words: Vec<&str> = words.chain(ASSIGNED_WORDS.iter().copied()).collect();
        let untold = words.iter().any(|word| {
            let last = word.rsplit(|c: char| c.is_ascii() && !c.is_ascii_alphanumeric()).next().unwrap_or_default();
            !last.bytes().any(|byte| tells(byte) || !byte.is_ascii())
        });
        let words: Vec<String> = words.into_iter().map(word_pattern).collect();
        let assignment = format!(
            r#"(?i)(?:(?:{})[A-Za-z0-9_.-]*|{ASSIGNED_NAMES})(?:\\*["'\]])*[ \t]*(?:=>|=|:|%3d)[ \t]*"#,
            words.join("|")
        );
        Ok(Self {
            assignment: compile(&assignment)?,
            token: compile(TOKEN)?,
            fernet: compile(FERNET)?,
            private_key: compile(PRIVATE_KEY)?,
            hash: compile(HASH)?,
            own,
            untold,
        })
    }

    /// Whether texts that are not [suspect](super::suspect) need a look too.
    pub(super) fn always(&self) -> bool {
        !self.own.is_empty() || self.untold
    }

    /// Replaces `spans` by the secret parts of `text`: in order, apart from each other, not empty. In a text with more
    /// than [`SPANS_MAX`] of one shape, all from the last of them to the end is one.
    pub(super) fn find(&self, text: &str, spans: &mut Vec<Range<usize>>) {
        let bytes = text.as_bytes();
        let holds = |needle: u8| memchr::memchr(needle, bytes).is_some();
        let mut matches = |shape: &Regex| add(spans, bytes, shape.find_iter(text).map(|found| found.range()));
        if memchr::memmem::find(bytes, b"eyJ").is_some() {
            matches(&self.token);
        }
        if memchr::memmem::find(bytes, b"gAAAAA").is_some() {
            matches(&self.fernet);
        }
        if memchr::memmem::find(bytes, b"-----BEGIN ").is_some() {
            matches(&self.private_key);
        }
        if holds(b'$') {
            matches(&self.hash);
        }
        for shape in &self.own {
            let parts = shape.captures_iter(text).filter_map(|found| found.get(1).or_else(|| found.get(0)));
            add(spans, bytes, parts.map(|part| part.range()));
        }
        if holds(b'@') || (holds(b'%') && memchr::memmem::find(bytes, b"40").is_some()) {
            add(spans, bytes, user_information(bytes));
        }
        if holds(b'=') || holds(b':') || holds(b'%') {
            add(spans, bytes, self.assignments(text));
        }
        spans.sort_unstable_by_key(|span| (span.start, span.end));
        spans.dedup_by(|next, kept| {
            let joins = next.start <= kept.end;
            if joins {
                kept.end = kept.end.max(next.end);
            }
            joins
        });
    }

    fn assignments<'t>(&'t self, text: &'t str) -> impl Iterator<Item = Range<usize>> + 't {
        let mut from = 0;
        std::iter::from_fn(move || {
            let mut found = self.assignment.find_at(text, from)?;
            while found.as_str().ends_with(':') && text.get(found.end()..).is_some_and(|rest| rest.starts_with("//")) {
                // A scheme that sounds like a secret.
                found = self.assignment.find_at(text, found.end())?;
            }
            let encoded =
                found.as_str().get(found.len().saturating_sub(3)..).is_some_and(|end| end.eq_ignore_ascii_case("%3d"));
            let value = value(text.as_bytes(), found.end(), encoded);
            from = value.end.max(found.end());
            Some(value)
        })
    }
}

/// Adds what is no mask and no empty word already.
fn add(spans: &mut Vec<Range<usize>>, text: &[u8], found: impl Iterator<Item = Range<usize>>) {
    let mut count = 0;
    for mut span in found {
        if harmless(text.get(span.clone()).unwrap_or_default()) {
            continue;
        }
        count += 1;
        if count == SPANS_MAX {
            span.end = text.len();
        }
        spans.push(span);
        if count == SPANS_MAX {
            break;
        }
    }
}

fn compile(pattern: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(pattern).unicode(false).dfa_size_limit(CACHE_BYTES).build()
}

/// Compiles a shape of the operator.
pub(super) fn compile_own(pattern: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(pattern).size_limit(OWN_BYTES_MAX).dfa_size_limit(CACHE_BYTES).build()
}

/// Nothing at all, a mask, or a word that says that there is no value.
fn harmless(value: &[u8]) -> bool {
    value.iter().all(|byte| *byte == b'*')
        || [b"none".as_slice(), b"null", b"true", b"false"].iter().any(|word| value.eq_ignore_ascii_case(word))
}

/// The value that begins at `start`: quoted, or up to white space or the next assignment of a query.
fn value(text: &[u8], start: usize, encoded: bool) -> Range<usize> {
    let rest = text.get(start..).unwrap_or_default();
    let slashes = rest.iter().take_while(|byte| **byte == b'\\').count();
    if let Some(quote @ (b'"' | b'\'')) = rest.get(slashes).copied() {
        // `"x"`, or `\"x\"` where the text is itself quoted once more: the end has as many backslashes.
        let open = slashes + 1;
        let mut at = open;
        let mut before = 0;
        while let Some(byte) = rest.get(at) {
            if *byte == quote && (before == slashes || (slashes == 0 && before % 2 == 0)) {
                return start + open..start + at - before.min(slashes);
            }
            before = if *byte == b'\\' { before + 1 } else { 0 };
            at += 1;
        }
        return start + open..text.len();
    }
    // `Authorization: Basic …`: the scheme stays, what follows is the secret.
    let schemes = [b"basic ".as_slice(), b"bearer ", b"digest ", b"negotiate ", b"token "];
    let scheme =
        schemes.iter().find(|scheme| rest.get(..scheme.len()).is_some_and(|head| head.eq_ignore_ascii_case(scheme)));
    let skip = scheme.map_or(0, |scheme| scheme.len());
    let body = rest.get(skip..).unwrap_or_default();
    let end = body.iter().enumerate().position(|(at, byte)| {
        let after = body.get(at + 1..).unwrap_or_default();
        match byte {
            b'&' | b';' => assigns(after, b"="),
            b'%' if encoded => after.get(..2) == Some(b"26") && assigns(after.get(2..).unwrap_or_default(), b"%3"),
            byte => byte.is_ascii_whitespace(),
        }
    });
    start + skip..start + skip + end.unwrap_or(body.len())
}

/// Whether a name and then `sign` come next.
fn assigns(text: &[u8], sign: &[u8]) -> bool {
    let name = text
        .iter()
        .take(64)
        .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'~'))
        .count();
    name > 0 && text.get(name..).is_some_and(|rest| rest.starts_with(sign))
}
