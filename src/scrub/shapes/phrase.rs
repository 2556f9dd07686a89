//! Values of secrets as sentences have them: `attribute /driver_info/redfish_password with value …`, `The value '…' for the
//! property AdminPassword`, lists that are compared with a secret, and bytes that are sent to a BMC.

use std::ops::Range;

use regex::Regex;

use super::value::{container_end, line_end, literal};
use super::{Span, compile};
use crate::scrub::MASK;
use crate::scrub::names::key::Keys;
use crate::scrub::names::named::{REFERENCE_BYTES_MAX, is_reference};

/// A name, then its value.
const NAMED: &str = concat!(
    r"(?i)(?:attribute|property|setting|parameter|option|field|argument|path)\s+(?<name>[!-+\--:<-~]+),?\s+",
    r"(?:with|to|from|has)\s+(?:an?\s+|the\s+)?(?:[a-z]+\s+)?value\s+(?:of\s+|is\s+)?"
);
/// A value, the end of a line, and a name behind a value.
const VALUED: &str = concat!(
    r"(?i)\bvalues?\b|\n|\s(?:of|for|to|in)\s+(?:the\s+)?(?:[a-z]+\s+)?",
    r"(?:attribute|property|setting|parameter|option|field|argument)\s+[!-+\--:<-~]+"
);
/// What may stand in the place of a value and is none.
const FILLERS: &[&[u8]] = &[b"provided", b"given", b"supplied", b"specified", b"requested", b"set", b"is", b"was"];
/// A list of values.
const COMPARED: &str = r#"(?i)\bvalues?(?:\\*["'])?\s*[:=]?\s*[\[(]"#;
/// Bytes for a BMC: the command that sets a password among them.
const RAW: &str =
    r#"(?i)\braw(?:[-_ ]?bytes)?[\s:='"\\]{1,4}(0x[0-9a-f]{1,2}(?:[\s,]+(?:0x[0-9a-f]{1,2}|[0-9]{1,3}\b))+)"#;

/// Whether a text may hold a phrase.
pub(super) fn speaks(text: &[u8]) -> bool {
    values(text) || raw(text)
}

fn values(text: &[u8]) -> bool {
    memchr::memmem::find(text, b"alue").is_some()
}

fn raw(text: &[u8]) -> bool {
    memchr::memmem::find(text, b" 0x").is_some()
}

/// The phrases, compiled.
pub(super) struct Phrases {
    named: Regex,
    valued: Regex,
    compared: Regex,
    raw: Regex,
}

impl Phrases {
    pub(super) fn new() -> Result<Self, regex::Error> {
        Ok(Self { named: compile(NAMED)?, valued: compile(VALUED)?, compared: compile(COMPARED)?, raw: compile(RAW)? })
    }

    /// Tells what it finds, a kind at a time.
    pub(super) fn find(&self, text: &str, keys: &Keys, mut found: impl FnMut(&mut dyn Iterator<Item = Span>)) {
        if values(text.as_bytes()) {
            found(&mut self.named(text, keys));
            found(&mut self.valued(text, keys));
            found(&mut self.compared(text, keys));
        }
        if raw(text.as_bytes()) {
            let bytes = self.raw.captures_iter(text);
            let spans = bytes.filter_map(|found| Some(Span::within(found.get(0)?.start(), found.get(1)?.range())));
            found(&mut { spans });
        }
    }

    fn named<'t>(&'t self, text: &'t str, keys: &'t Keys) -> impl Iterator<Item = Span> + 't {
        let mut from = 0;
        std::iter::from_fn(move || {
            loop {
                let found = self.named.captures_at(text, from)?;
                let (whole, name) = (found.get(0)?, found.name("name")?);
                from = whole.end();
                if names_a_secret(name.as_str(), keys) {
                    let value = value(text.as_bytes(), whole.end());
                    from = value.end.max(from);
                    return Some(Span::within(whole.start(), value));
                }
            }
        })
    }

    /// A value reaches from the first word for one to the name, within a line.
    fn valued<'t>(&'t self, text: &'t str, keys: &'t Keys) -> impl Iterator<Item = Span> + 't {
        let mut begun: Option<Range<usize>> = None;
        self.valued.find_iter(text).filter_map(move |found| {
            let part = found.as_str();
            if part == "\n" {
                begun = None;
            } else if part.starts_with(['v', 'V']) {
                begun.get_or_insert(found.range());
            } else if let Some(begun) = begun.take()
                && names_a_secret(part.rsplit(|c: char| c.is_ascii_whitespace()).next()?, keys)
            {
                let said = text.get(begun.end..found.start())?;
                let start = begun.end + said.len() - said.trim_ascii_start().len();
                let said = said.trim_ascii().as_bytes();
                if FILLERS.iter().any(|filler| said.eq_ignore_ascii_case(filler)) {
                    return None;
                }
                let inner = literal(said).map_or(0..said.len(), |(open, end)| open..end);
                let whole = inner.end + inner.start >= said.len();
                let inner = if whole { inner } else { 0..said.len() };
                return Some(Span::within(begun.start, start + inner.start..start + inner.end));
            }
            None
        })
    }

    /// Lists in which a reference names a secret.
    fn compared<'t>(&'t self, text: &'t str, keys: &'t Keys) -> impl Iterator<Item = Span> + 't {
        let mut from = 0;
        std::iter::from_fn(move || {
            loop {
                let found = self.compared.find_at(text, from)?;
                let start = found.end() - 1;
                let list = text.get(start..)?;
                let list = list.get(..container_end(list.as_bytes()))?;
                from = start + list.len();
                if refers(list, keys) {
                    return Some(Span::within(found.start(), start..from));
                }
            }
        })
    }
}

/// Whether a text that is a name, perhaps in quotes or at the end of a sentence, is a secret's.
fn names_a_secret(name: &str, keys: &Keys) -> bool {
    let name = name.trim_matches(|c| matches!(c, '\'' | '"' | '\\' | '.' | ':' | ')'));
    !name.is_empty() && keys.names_a_secret(name)
}

/// The value that begins at `start`: quoted, a container, or the rest of the line.
fn value(text: &[u8], start: usize) -> Range<usize> {
    let rest = text.get(start..).unwrap_or_default();
    if let Some((open, end)) = literal(rest) {
        return start + open..start + end;
    }
    let length = match rest.first() {
        Some(b'{' | b'[' | b'(') => container_end(rest),
        _ if rest.starts_with(MASK.as_bytes()) => MASK.len(),
        _ => line_end(rest),
    };
    start..start + length
}

/// Whether a list holds a reference to a secret.
fn refers(list: &str, keys: &Keys) -> bool {
    memchr::memchr_iter(b'{', list.as_bytes()).any(|open| {
        let head = list.get(open..).unwrap_or_default();
        let head = head.get(..head.floor_char_boundary(REFERENCE_BYTES_MAX)).unwrap_or_default();
        let reference = head.find('}').and_then(|end| head.get(..=end));
        reference.is_some_and(|reference| is_reference(reference) && keys.names_a_secret(reference))
    })
}
