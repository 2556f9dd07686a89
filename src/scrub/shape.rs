//! Secrets that are known by their look, inside texts.
//!
//! Every search is linear in the text. What is found is the secret part only: `http://******@host/`,
//! `password=******`, so that the rest of the text keeps its use.

use std::ops::Range;

use regex::{Regex, RegexBuilder};

use super::MASK;
use super::public_key::is_public_key;
use super::rules::word_pattern;
use super::suspect::tells;
use super::userinfo::user_information;
use super::value::{assigned, closes, element, entries, spoken};

/// A secret part of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Span {
    /// Where that begins by which it is known: its name, a scheme, or itself.
    pub(super) known_from: usize,
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Span {
    /// Known by itself.
    fn whole(range: Range<usize>) -> Self {
        Self::within(range.start, range)
    }

    pub(super) const fn within(known_from: usize, range: Range<usize>) -> Self {
        Self { known_from, start: range.start, end: range.end }
    }

    /// With the stars beside it: a mask is known again by standing alone.
    fn take_stars(&mut self, text: &[u8]) {
        let star = |byte: &&u8| **byte == b'*';
        self.start -= text.get(..self.start).unwrap_or_default().iter().rev().take_while(star).count();
        self.end += text.get(self.end..).unwrap_or_default().iter().take_while(star).count();
        self.known_from = self.known_from.min(self.start);
    }

    const fn moved(self, by: usize) -> Self {
        Self { known_from: self.known_from + by, start: self.start + by, end: self.end + by }
    }
}

/// The shapes, compiled.
pub(super) struct Shapes {
    assignment: Regex,
    spoken: Regex,
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
const ASSIGNED_NAMES: &str = concat!(
    r"(?:\b|%(?:25)*26|%(?:25)*3f)(?:sig|auth|key|inst\.rootpw|(?:pass|pw|psk|creds?)[0-9]*)|",
    r"_(?:pass|pw|psk|creds?)[0-9]*"
);
/// What assigns.
const SIGNS: &str = r"(?:[!+:?]?={1,3}[>~]?|:|%(?:25)*3d)";
/// Words that name a secret without a sign too, where an option, an element or a quote follows: not those that are as
/// often a word of prose.
const SPOKEN_WORDS: &[&str] = &["passphrase", "pwd", "passcode"];
/// Names that are too short for prose, in options and elements.
const SPOKEN_NAMES: &str = r"(?:\b|_)(?:pass|pw|psk|creds?)";

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
        let words: Vec<&str> = words.collect();
        let spoken_words: Vec<String> = words.iter().chain(SPOKEN_WORDS).map(|word| word_pattern(word)).collect();
        let words: Vec<&str> = words.into_iter().chain(ASSIGNED_WORDS.iter().copied()).collect();
        let untold = words.iter().any(|word| {
            let last = word.rsplit(|c: char| c.is_ascii() && !c.is_ascii_alphanumeric()).next().unwrap_or_default();
            !last.bytes().any(|byte| tells(byte) || !byte.is_ascii())
        });
        let words: Vec<String> = words.into_iter().map(word_pattern).collect();
        let assignment =
            format!(r#"(?i)(?:(?:{})[A-Za-z0-9_.-]*|{ASSIGNED_NAMES})(?:\\*["'\]])*\s*{SIGNS}[ \t]*"#, words.join("|"));
        let words = spoken_words.join("|");
        let named = format!("(?:{words}|{SPOKEN_NAMES})");
        let spoken = [
            // `--password X`, and in a list `'--password', 'X'`.
            format!(r#"--[A-Za-z0-9_.-]*{named}[0-9]*(?:\\*["']\s*,\s*|\s+)"#),
            // `<password>X</password>`
            format!(r"<[A-Za-z0-9_.:-]*{named}[A-Za-z0-9_.-]*(?:\s[ -;=?-~]{{0,48}})?>"),
            // `password 'X'`, `password -v X`, `'password', '-v', 'X'`
            format!(r#"(?:{words})[0-9]*\s+(?:\\*["']|--?[A-Za-z_]+[\s=]\s*)"#),
            format!(r#"(?:{words})[0-9]*\\*["']\s*,\s*\\*["']--?[A-Za-z_]+\\*["']\s*,\s*"#),
        ];
        Ok(Self {
            assignment: compile(&assignment)?,
            spoken: compile(&format!("(?i){}", spoken.join("|")))?,
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
    pub(super) fn find(&self, text: &str, spans: &mut Vec<Span>) {
        self.search(text, false, spans);
    }

    /// The same in a list of `name:value`, parted by commas: one name does not tell what the next entry is.
    pub(super) fn find_listed(&self, text: &str, spans: &mut Vec<Span>) {
        self.search(text, true, spans);
    }

    fn search(&self, text: &str, listed: bool, spans: &mut Vec<Span>) {
        let bytes = text.as_bytes();
        let holds = |needle: u8| memchr::memchr(needle, bytes).is_some();
        let mut matches =
            |shape: &Regex| add(spans, bytes, shape.find_iter(text).map(|found| Span::whole(found.range())));
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
            let parts = shape.captures_iter(text).filter_map(|found| {
                let whole = found.get(0)?;
                Some(Span::within(whole.start(), found.get(1).unwrap_or(whole).range()))
            });
            add(spans, bytes, parts);
        }
        if holds(b'@') || (holds(b'%') && memchr::memmem::find(bytes, b"40").is_some()) {
            add(spans, bytes, user_information(bytes));
        }
        if holds(b'=') || holds(b':') || holds(b'%') {
            if listed {
                let assigned = |(at, entry)| self.assignments(entry).map(move |span| span.moved(at));
                add(spans, bytes, entries(text).flat_map(assigned));
            } else {
                add(spans, bytes, self.assignments(text));
            }
        }
        if holds(b'-') || holds(b'<') || holds(b'\'') || holds(b'"') {
            add(spans, bytes, self.spoken(text));
        }
        spans.iter_mut().for_each(|span| span.take_stars(bytes));
        spans.sort_unstable_by_key(|span| (span.start, span.end));
        spans.dedup_by(|next, kept| {
            let joins = next.start <= kept.end;
            if joins {
                kept.end = kept.end.max(next.end);
                kept.known_from = kept.known_from.min(next.known_from);
            }
            joins
        });
    }

    fn assignments<'t>(&'t self, text: &'t str) -> impl Iterator<Item = Span> + 't {
        let mut from = 0;
        std::iter::from_fn(move || {
            let mut found = self.assignment.find_at(text, from)?;
            while found.as_str().ends_with(':') && text.get(found.end()..).is_some_and(|rest| rest.starts_with("//")) {
                // A scheme that sounds like a secret.
                found = self.assignment.find_at(text, found.end())?;
            }
            let value = assigned(text.as_bytes(), found.end(), found.as_str());
            from = value.end.max(found.end());
            Some(Span::within(found.start(), value))
        })
    }

    /// Secrets that follow their name without a sign: as option, element, or quoted.
    fn spoken<'t>(&'t self, text: &'t str) -> impl Iterator<Item = Span> + 't {
        let mut from = 0;
        std::iter::from_fn(move || {
            let found = self.spoken.find_at(text, from)?;
            let value = match found.as_str().as_bytes() {
                [b'<', .., b'>'] => element(text.as_bytes(), found.end()),
                _ => spoken(text.as_bytes(), found.end(), found.as_str()),
            };
            from = value.end.max(found.end());
            Some(Span::within(found.start(), value))
        })
    }
}

/// Adds what is no mask and no empty word already.
fn add(spans: &mut Vec<Span>, text: &[u8], found: impl Iterator<Item = Span>) {
    let mut count = 0;
    for mut span in found {
        if harmless(text.get(span.start..span.end).unwrap_or_default()) {
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

/// Nothing at all, a mask, what says that there is no value, or what is public.
fn harmless(value: &[u8]) -> bool {
    value.iter().all(|byte| *byte == b'*')
        || is_public_key(value)
        || value.strip_prefix(MASK.as_bytes()).is_some_and(closes)
        || [b"none".as_slice(), b"null", b"true", b"false", b"{}", b"[]", b"()"]
            .iter()
            .any(|word| value.eq_ignore_ascii_case(word))
}
