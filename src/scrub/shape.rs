//! Secrets that are known by their look, inside texts.
//!
//! Every search is linear in the text. What is found is the secret part only: `http://******@host/`,
//! `password=******`, so that the rest of the text keeps its use.

use std::ops::Range;

use regex::{Regex, RegexBuilder};

use super::MASK;
use super::rules::word_pattern;
use super::suspect::tells;
use super::userinfo::user_information;

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
}

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
    pub(super) fn find(&self, text: &str, spans: &mut Vec<Span>) {
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
            add(spans, bytes, self.assignments(text));
        }
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
            let value = value(text.as_bytes(), found.end(), found.as_str());
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

/// Nothing at all, a mask, or what says that there is no value.
fn harmless(value: &[u8]) -> bool {
    value.iter().all(|byte| *byte == b'*')
        || value.strip_prefix(MASK.as_bytes()).is_some_and(closes)
        || [b"none".as_slice(), b"null", b"true", b"false", b"{}", b"[]", b"()"]
            .iter()
            .any(|word| value.eq_ignore_ascii_case(word))
}

/// Whether a text only closes what was opened before it.
fn closes(text: &[u8]) -> bool {
    text.iter().all(|byte| matches!(byte, b')' | b']' | b'}' | b',' | b';' | b'"' | b'\'' | b'\\'))
}

/// What may stand between `Authorization:` and the secret, and whether one word is all that follows it.
const SCHEMES: [(&[u8], bool); 5] =
    [(b"basic ", true), (b"bearer ", true), (b"negotiate ", true), (b"digest ", false), (b"token ", false)];

/// The value that begins at `start`, behind a name and its sign: quoted, a container, the rest of a header, or up to
/// white space or the next assignment of a query.
fn value(text: &[u8], start: usize, named: &str) -> Range<usize> {
    let rest = text.get(start..).unwrap_or_default();
    if let Some((open, end)) = quoted(rest) {
        return start + open..start + end;
    }
    let contains = |part: &[u8]| named.as_bytes().windows(part.len()).any(|window| window.eq_ignore_ascii_case(part));
    let encoded = contains(b"%3d");
    let word_end = |text: &[u8]| text.iter().position(u8::is_ascii_whitespace).unwrap_or(text.len());
    if let Some(b'{' | b'[' | b'(') = rest.first()
        && !encoded
    {
        let end = container_end(rest);
        let after = rest.get(end..).unwrap_or_default();
        let more = after.get(..word_end(after)).unwrap_or_default();
        // What only looked like a container goes on.
        return start..start + end + if closes(more) { 0 } else { more.len() };
    }
    // `Authorization: Basic …`: the scheme stays, what follows is the secret.
    let scheme = SCHEMES
        .iter()
        .find(|(scheme, _)| rest.get(..scheme.len()).is_some_and(|head| head.eq_ignore_ascii_case(scheme)));
    let blanks = |text: &[u8]| text.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let skip = scheme.map_or(0, |(scheme, _)| scheme.len() + blanks(rest.get(scheme.len()..).unwrap_or_default()));
    let body = rest.get(skip..).unwrap_or_default();
    let parts = contains(b"cookie") || (contains(b"authorization") && !scheme.is_some_and(|(_, one_word)| *one_word));
    let end = if parts && !encoded {
        body.iter().position(|byte| matches!(byte, b'\r' | b'\n'))
    } else {
        body.iter().enumerate().position(|(at, byte)| {
            let after = body.get(at + 1..).unwrap_or_default();
            match byte {
                b'&' | b';' => assigns(after, b"="),
                b'%' if encoded => after.get(..2) == Some(b"26") && assigns(after.get(2..).unwrap_or_default(), b"%3"),
                byte => byte.is_ascii_whitespace(),
            }
        })
    };
    start + skip..start + skip + end.unwrap_or(body.len())
}

/// Where in a text that begins with a quote the quoted part begins and ends; without its end it is all.
///
/// `"x"`, or `\"x\"` where the text is itself quoted once more: the end has as many backslashes.
fn quoted(text: &[u8]) -> Option<(usize, usize)> {
    let slashes = text.iter().take_while(|byte| **byte == b'\\').count();
    let quote @ (b'"' | b'\'') = *text.get(slashes)? else { return None };
    let open = slashes + 1;
    let mut before = 0;
    for (at, byte) in text.iter().enumerate().skip(open) {
        if *byte == quote && (before == slashes || (slashes == 0 && before % 2 == 0)) {
            return Some((open, at - before.min(slashes)));
        }
        before = if *byte == b'\\' { before + 1 } else { 0 };
    }
    Some((open, text.len()))
}

/// The end of the container that begins here, behind the bracket that matches its first one; without that, it is all.
/// Quoted parts do not count.
fn container_end(text: &[u8]) -> usize {
    let Some(open) = text.first() else { return 0 };
    let close = match open {
        b'{' => b'}',
        b'[' => b']',
        _ => b')',
    };
    let (mut at, mut depth) = (0, 0_usize);
    while let Some(byte) = text.get(at) {
        let rest = text.get(at..).unwrap_or_default();
        match byte {
            b'"' | b'\'' | b'\\' => match quoted(rest) {
                // Behind the quote, and the backslashes before it.
                Some((opened, end)) => at += end + opened,
                None => at += rest.iter().take_while(|byte| **byte == b'\\').count(),
            },
            byte => {
                at += 1;
                if byte == open {
                    depth += 1;
                } else if *byte == close {
                    depth -= 1;
                    if depth == 0 {
                        return at;
                    }
                }
            }
        }
    }
    text.len()
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
