//! Names and values that stand apart, in texts: `{'name': 'AdminPassword', 'value': '…'}`, as Python and JSON write them.

use std::ops::Range;

use super::Span;
use super::value::{container_end, literal, quoted};
use crate::scrub::names::key::{KeyClass, Keys};

/// The deepest braces that are told apart.
const LEVELS_MAX: usize = 64;
/// The longest member that is looked at, in bytes.
const KEY_BYTES_MAX: usize = 64;
/// After so many quotes without their end, a text is none of Python's or JSON's.
const OPEN_QUOTES_MAX: usize = 16;

/// The braces that are open.
struct Level {
    start: usize,
    /// A member names a secret.
    secret: bool,
}

/// What a quoted name of a secret names within the same braces, in order. Linear: what is quoted is read once, and what a member
/// holds once for each level that is open.
pub(super) fn named_values(text: &str, keys: &Keys) -> Vec<Span> {
    let bytes = text.as_bytes();
    let (mut levels, mut found): (Vec<Level>, Vec<Span>) = Default::default();
    let mut waiting: Vec<(usize, Range<usize>)> = Vec::new();
    let (mut at, mut open_quotes) = (0, 0);
    while let Some(rest) = bytes.get(at..) {
        if levels.is_empty() {
            let Some(next) = memchr::memchr(b'{', rest) else { break };
            at += next + 1;
            levels.push(Level { start: at - 1, secret: false });
            continue;
        }
        let Some(next) = rest.iter().position(|byte| matches!(byte, b'{' | b'}' | b'"' | b'\'' | b'\\')) else { break };
        at += next;
        let rest = rest.get(next..).unwrap_or_default();
        match rest.first() {
            Some(b'{') if levels.len() >= LEVELS_MAX => break,
            Some(b'{') => {
                levels.push(Level { start: at, secret: false });
                at += 1;
            }
            Some(b'}') => {
                close(&mut levels, &mut waiting, &mut found);
                at += 1;
            }
            _ => {
                let slashes = rest.iter().take_while(|byte| **byte == b'\\').count();
                if is_apostrophe(bytes.get(..at).unwrap_or_default()) {
                    at += slashes + 1;
                    continue;
                }
                let Some((open, end)) = quoted(rest).filter(|(_, end)| *end < rest.len()) else {
                    open_quotes += 1;
                    if open_quotes > OPEN_QUOTES_MAX {
                        break;
                    }
                    at += slashes.max(1);
                    continue;
                };
                let key = rest.get(open..end).unwrap_or_default();
                at += end + open;
                let Some(start) = value_start(bytes, at).filter(|_| key.len() <= KEY_BYTES_MAX) else { continue };
                let class = std::str::from_utf8(key).map_or(KeyClass::default(), |key| keys.normal(key));
                let value = bytes.get(start..).unwrap_or_default();
                let text = literal(value).map(|(open, end)| start + open..start + end);
                if class.has(KeyClass::NAMES)
                    && let Some(text) = text.clone().and_then(|range| bytes.get(range))
                    && std::str::from_utf8(text).is_ok_and(|text| keys.names_a_secret(text))
                    && let Some(level) = levels.last_mut()
                {
                    level.secret = true;
                }
                let covered = |(of, range): &(usize, Range<usize>)| *of == levels.len() && range.end > at;
                if class.has(KeyClass::VALUES) && !waiting.last().is_some_and(covered) {
                    let range = text.unwrap_or_else(|| start..start + bare(value));
                    let endless = range.end == bytes.len();
                    waiting.push((levels.len(), range));
                    if endless {
                        break;
                    }
                }
            }
        }
    }
    while !levels.is_empty() {
        close(&mut levels, &mut waiting, &mut found);
    }
    found.sort_unstable_by_key(|span| span.start);
    found
}

/// Whether a quote behind this is an apostrophe: there is a word before it, and neither a prefix of Python's (`b'…'`) nor the
/// letter of an escape (`\n'…'`).
fn is_apostrophe(before: &[u8]) -> bool {
    let is_letter = |byte: &u8| byte.is_ascii_alphanumeric() || *byte >= 0x80;
    let shortest = before.get(before.len().saturating_sub(3)..).unwrap_or_default();
    let word = shortest.iter().rposition(|byte| !is_letter(byte)).map_or(shortest, |at| shortest.split_at(at + 1).1);
    match word {
        [] => false,
        [letter] if before.ends_with(&[b'\\', *letter]) => false,
        [first] => !b"bBuUrRfF".contains(first),
        [first, second] => !b"bBuUrRfF".contains(first) || !b"bBuUrRfF".contains(second),
        _ => true,
    }
}

/// The innermost braces end.
fn close(levels: &mut Vec<Level>, waiting: &mut Vec<(usize, Range<usize>)>, found: &mut Vec<Span>) {
    let depth = levels.len();
    let Some(level) = levels.pop() else { return };
    while let Some((_, value)) = waiting.pop_if(|(of, _)| *of >= depth) {
        if level.secret {
            found.push(Span::within(level.start, value));
        }
    }
}

/// Where the value of a quoted key begins that ends at `at`, if it is a key.
fn value_start(text: &[u8], at: usize) -> Option<usize> {
    let blanks = |at: usize| text.get(at..).unwrap_or_default().iter().take_while(|byte| byte.is_ascii_whitespace());
    let sign = at + blanks(at).count();
    (text.get(sign) == Some(&b':')).then(|| sign + 1 + blanks(sign + 1).count())
}

/// How long a value is that is not quoted: a container, or up to what parts members.
fn bare(text: &[u8]) -> usize {
    match text.first() {
        Some(b'{' | b'[' | b'(') => container_end(text),
        _ => text.iter().position(|byte| matches!(byte, b',' | b'}' | b'\r' | b'\n')).unwrap_or(text.len()),
    }
}
