//! Secrets that are known by their look, inside texts.
//!
//! Every search is linear in the text. What is found is the secret part only: `http://******@host/`,
//! `password=******`, so that the rest of the text keeps its use.

mod pair;
mod phrase;
mod public_key;
pub(in crate::scrub) mod suspect;
pub(in crate::scrub) mod userinfo;
mod value;

use std::ops::Range;
use std::sync::Arc;

use regex::{Match, Regex, RegexBuilder};

use super::MASK;
use super::names::key::Keys;
use super::names::words::{self, Compounds, word_pattern};
use pair::named_values;
use phrase::Phrases;
use public_key::is_public_key;
use suspect::tells;
use userinfo::user_information;
use value::{assigned, closes, element, entries, spoken};

/// A secret part of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::scrub) struct Span {
    /// Where that begins by which it is known: its name, a scheme, or itself.
    pub(in crate::scrub) known_from: usize,
    pub(in crate::scrub) start: usize,
    pub(in crate::scrub) end: usize,
}

impl Span {
    /// Known by itself.
    fn whole(range: Range<usize>) -> Self {
        Self::within(range.start, range)
    }

    pub(in crate::scrub) const fn within(known_from: usize, range: Range<usize>) -> Self {
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
pub(in crate::scrub) struct Shapes {
    keys: Arc<Keys>,
    assignment: Regex,
    compounds: Compounds,
    phrases: Phrases,
    spoken: Regex,
    token: Regex,
    fernet: Regex,
    private_key: Regex,
    hash: Regex,
    iscsi: Regex,
    own: Vec<Regex>,
    /// A word has no letter by which an assignment is noticed.
    untold: bool,
}

/// Words that name a secret in front of `=` or `:`, besides those that name one as a key.
const ASSIGNED_WORDS: &[&str] = &["passw", "passphrase", words::PROSE_WORD, "signature", "cookie", "x-amz-credential"];
/// Names that are too short to be parts of others.
const ASSIGNED_NAMES: &str = r"sig|auth|key|inst\.rootpw";
/// What assigns.
const SIGNS: &str = r"(?:[!+:?]?={1,3}[>~]?|:|%(?:25)*3d)";
/// Words that name a secret without a sign too, where an option, an element or a quote follows, besides those that do as a
/// key: not those that are as often a word of prose.
const SPOKEN_WORDS: &[&str] = &["passphrase"];

const TOKEN: &str = r"eyJ[A-Za-z0-9_-]{6,}(?:\.eyJ[A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]*)*|(?:\.[A-Za-z0-9_-]*){4,})";
/// A token begins with its time, of 2004 or later.
const FERNET: &str = r"gAAAAA[BC][A-Za-z0-9_-]{40,}(?:=|%3[Dd]){0,2}";
/// Without its end, a key reaches to the end of the text.
const PRIVATE_KEY: &str =
    r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----(?su:.)*?(?:-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|\z)";
/// Password hashes of crypt(3).
const HASH: &str = r"\$(?:1|2[abxy]?|5|6|7|y|gy|md5|sha1|apr1|argon2(?:id?|d))\$[A-Za-z0-9./$=,+-]{16,}";
/// Who logs in to an iSCSI target, and as whom the target does, as dracut reads `netroot=iscsi:…`.
const ISCSI: &str = r#"(?u)iscsi:([^\s:@"']+:[^\s:"']+(?::[^\s:"']+:[^\s:"']+)?)@"#;
/// Memory of a search, per thread and shape.
const CACHE_BYTES: usize = 1 << 18;
/// The largest compiled shape of an operator.
const OWN_BYTES_MAX: usize = 1 << 20;
/// The most secrets of one shape that are masked one by one in a text (a window of it, if it is long).
const SPANS_MAX: usize = 256;

impl Shapes {
    /// The shipped shapes with `names` and `words` as names of assigned secrets, and the operator's own.
    pub(in crate::scrub) fn new<'a>(
        names: impl Iterator<Item = &'a str>,
        words: impl Iterator<Item = &'a str>,
        keys: Arc<Keys>,
        own: Vec<Regex>,
    ) -> Result<Self, regex::Error> {
        let words: Vec<&str> = words.chain(words::WORDS.split(' ')).collect();
        let spoken_words: Vec<String> = words.iter().chain(SPOKEN_WORDS).map(|word| word_pattern(word)).collect();
        let words: Vec<&str> = words.into_iter().chain(ASSIGNED_WORDS.iter().copied()).collect();
        let untold = words.iter().any(|word| {
            let last = word.rsplit(|c: char| c.is_ascii() && !c.is_ascii_alphanumeric()).next().unwrap_or_default();
            !last.bytes().any(|byte| tells(byte) || !byte.is_ascii())
        });
        // Names that have one of the words are found by it. In prose, no blank parts them: `user data` is none.
        let unworded = |name: &&str| !words.iter().any(|word| name.contains(word));
        let name_pattern = |name: &str| word_pattern(name).replace("[-_. ]?", "[-_.]?");
        let names: Vec<String> = names.chain(words::NAMES.split(' ')).filter(unworded).map(name_pattern).collect();
        let words: Vec<String> = words.into_iter().map(word_pattern).collect();
        let (words, names, parts) = (words.join("|"), names.join("|"), words::PARTS);
        let end = format!(r#"(?:\\*["'\]])*\s*{SIGNS}[ \t]*"#);
        let assignment = [
            format!("(?:{words})[A-Za-z0-9_.-]*{end}"),
            format!(r"(?:\b|%(?:25)*26|%(?:25)*3f)(?:{ASSIGNED_NAMES}|{names}){end}"),
            format!(r"(?:\b|_|%(?:25)*26|%(?:25)*3f)(?:{parts})[0-9]*(?:_[A-Za-z0-9_.-]*)?{end}"),
            format!("(?-i:[a-z0-9](?:{})[0-9]*(?:[A-Z][A-Za-z0-9_.-]*)?){end}", words::CAPITAL_PARTS),
            // What is a secret where Ironic has it, and elsewhere a word: quoted, or in front of a container.
            format!(r#"\\*["'](?:args|headers|image_url)\\*["']\]?\s*{SIGNS}[ \t]*"#),
            r"\b(?:args|headers)\s*[:=]\s*[\[({]|\bimage_url=".to_owned(),
        ];
        let assignment = assignment.join("|");
        let words = spoken_words.join("|");
        let named = format!(r"(?:{words}|(?:\b|_)(?:{parts}))");
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
            keys,
            assignment: compile(&format!("(?i){assignment}"))?,
            compounds: Compounds::new()?,
            phrases: Phrases::new()?,
            spoken: compile(&format!("(?i){}", spoken.join("|")))?,
            token: compile(TOKEN)?,
            fernet: compile(FERNET)?,
            private_key: compile(PRIVATE_KEY)?,
            hash: compile(HASH)?,
            iscsi: compile(ISCSI)?,
            own,
            untold,
        })
    }

    /// Whether texts that are not [suspect] need a look too.
    pub(in crate::scrub) fn always(&self) -> bool {
        !self.own.is_empty() || self.untold
    }

    /// Replaces `spans` by the secret parts of `text`: in order, apart from each other, not empty. In a text with more
    /// than [`SPANS_MAX`] of one shape, all from the last of them to the end is one.
    pub(in crate::scrub) fn find(&self, text: &str, spans: &mut Vec<Span>) {
        self.search(text, false, spans);
    }

    /// The same in a list of `name:value`, parted by commas: one name does not tell what the next entry is.
    pub(in crate::scrub) fn find_listed(&self, text: &str, spans: &mut Vec<Span>) {
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
        let iscsi = holds(b'@') && memchr::memmem::find(bytes, b"iscsi:").is_some();
        for shape in self.own.iter().chain(iscsi.then_some(&self.iscsi)) {
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
            if holds(b'{') {
                add(spans, bytes, named_values(text, &self.keys).into_iter());
            }
        }
        if holds(b' ') || holds(b'{') {
            self.phrases.find(text, &self.keys, |found| add(spans, bytes, found));
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
        // A scheme that sounds like a secret, or another word.
        let harmless = move |found: &Match<'_>| {
            let scheme =
                found.as_str().ends_with(':') && text.get(found.end()..).is_some_and(|rest| rest.starts_with("//"));
            scheme || self.compounds.explain(found.as_str(), &self.assignment)
        };
        std::iter::from_fn(move || {
            let mut found = self.assignment.find_at(text, from)?;
            while harmless(&found) {
                found = self.assignment.find_at(text, found.end())?;
            }
            let opened = usize::from(found.as_str().ends_with(['{', '[', '(']));
            let named = found.as_str().get(..found.len() - opened).unwrap_or_default();
            let value = assigned(text.as_bytes(), found.end() - opened, named);
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

pub(in crate::scrub) fn compile(pattern: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(pattern).unicode(false).dfa_size_limit(CACHE_BYTES).build()
}

/// Compiles a shape of the operator.
pub(in crate::scrub) fn compile_own(pattern: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(pattern).size_limit(OWN_BYTES_MAX).dfa_size_limit(CACHE_BYTES).build()
}

/// Nothing at all, a mask, what says that there is no value, or what is public.
fn harmless(value: &[u8]) -> bool {
    value.iter().all(|byte| *byte == b'*')
        || is_public_key(value)
        || value.strip_prefix(MASK.as_bytes()).is_some_and(closes)
        || [b"none".as_slice(), b"null", b"true", b"false", b"{}", b"[]", b"()"].iter().any(|word| {
            let parts = value.split_at_checked(word.len());
            parts.is_some_and(|(head, rest)| head.eq_ignore_ascii_case(word) && closes(rest))
        })
}
