//! Where the secret begins and ends that a name announces.

use std::ops::Range;

use super::userinfo::sign;
use crate::scrub::MASK;

/// What may stand between `Authorization:` and the secret, and whether one word is all that follows it.
const SCHEMES: [(&[u8], bool); 5] =
    [(b"basic ", true), (b"bearer ", true), (b"negotiate ", true), (b"digest ", false), (b"token ", false)];

/// The value that begins at `start`, behind a name and its sign: quoted, a container, the rest of a header, lines that
/// are indented below the name, or up to white space or the next assignment of a query.
pub(super) fn assigned(text: &[u8], start: usize, named: &str) -> Range<usize> {
    let named = named.trim_ascii_end().as_bytes();
    let encoded = named.last_chunk::<2>().is_some_and(|sign| sign.eq_ignore_ascii_case(b"3d"));
    if !encoded && let Some(value) = below(text, start, named.ends_with(b":")) {
        return value;
    }
    let rest = text.get(start..).unwrap_or_default();
    let (shown, skipped) = if encoded { (0, 0) } else { blanks(rest) };
    let (begin, start) = (start + shown, start + skipped);
    let rest = rest.get(skipped..).unwrap_or_default();
    if let Some((open, end)) = literal(rest) {
        return start + open..start + end;
    }
    let contains = |part: &[u8]| named.windows(part.len()).any(|window| window.eq_ignore_ascii_case(part));
    if let Some(b'{' | b'[' | b'(') = rest.first()
        && !encoded
    {
        let end = container_end(rest);
        let after = rest.get(end..).unwrap_or_default();
        let more = after.get(..word_end(after)).unwrap_or_default();
        // What only looked like a container goes on.
        return begin..start + end + if closes(more) { 0 } else { more.len() };
    }
    // `Authorization: Basic …`: the scheme stays, what follows is the secret.
    let scheme = SCHEMES
        .iter()
        .find(|(scheme, _)| rest.get(..scheme.len()).is_some_and(|head| head.eq_ignore_ascii_case(scheme)));
    let spaces = |text: &[u8]| text.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let skip = scheme.map_or(0, |(scheme, _)| scheme.len() + spaces(rest.get(scheme.len()..).unwrap_or_default()));
    let body = rest.get(skip..).unwrap_or_default();
    let parts = contains(b"cookie") || (contains(b"authorization") && !scheme.is_some_and(|(_, one_word)| *one_word));
    let end = if parts && !encoded {
        body.iter().position(|byte| matches!(byte, b'\r' | b'\n'))
    } else {
        body.iter().enumerate().position(|(at, byte)| {
            let after = |length: usize| body.get(at + length..).unwrap_or_default();
            match byte {
                b'&' | b';' => assigns(after(1), b'='),
                b'%' if encoded => {
                    sign(body, at).is_some_and(|(byte, length)| byte == b'&' && assigns(after(length), b'%'))
                }
                byte => byte.is_ascii_whitespace(),
            }
        })
    };
    let end = start + skip + end.unwrap_or(body.len());
    if skip > 0 { start + skip..end } else { begin..end }
}

/// The value behind a name without a sign, of which `named` is the last part: quoted, or a word. Behind an option that
/// takes none, it is the word after that.
pub(super) fn spoken(text: &[u8], start: usize, named: &str) -> Range<usize> {
    let opens = named.bytes().rev().take_while(|byte| matches!(byte, b'"' | b'\'' | b'\\')).count();
    let start = start - opens;
    let rest = text.get(start..).unwrap_or_default();
    if let Some((open, end)) = literal(rest) {
        return start + open..start + end;
    }
    let mut end = word_end(rest);
    let option = rest.get(..end).and_then(|word| word.strip_prefix(b"-"));
    if option.is_some_and(|word| word.iter().all(|byte| byte.is_ascii_alphabetic() || *byte == b'-')) {
        let after = rest.get(end..).unwrap_or_default();
        let next = after.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        let word = after.get(next..).unwrap_or_default();
        let length = literal(word).map_or_else(|| word_end(word), |(_, close)| close);
        end += if length == 0 { 0 } else { next + length };
    }
    start..start + end
}

/// The text of an XML element that begins at `start`; where none closes it, a word.
pub(super) fn element(text: &[u8], start: usize) -> Range<usize> {
    let rest = text.get(start..).unwrap_or_default();
    if let Some(inner) = rest.strip_prefix(b"<![CDATA[") {
        let begin = start + rest.len() - inner.len();
        return begin..begin + memchr::memmem::find(inner, b"]]>").unwrap_or(inner.len());
    }
    let end = memchr::memchr(b'<', rest).unwrap_or(rest.len());
    let mut close = rest.get(end + 1..).unwrap_or_default().iter().skip_while(|byte| **byte == b'\\');
    let length = if close.next() == Some(&b'/') { end } else { word_end(rest.get(..end).unwrap_or_default()) };
    start..start + length
}

/// Lines that are indented below a name that ends its line, or begin with `- ` there: as YAML writes lists, objects and
/// texts (`|`, `>`). None where something else follows.
fn below(text: &[u8], start: usize, colon: bool) -> Option<Range<usize>> {
    let rest = text.get(start..)?;
    let head = rest.iter().take_while(|byte| matches!(byte, b'|' | b'>' | b'+' | b'-' | b'0'..=b'9')).count();
    let head = if matches!(rest.first(), Some(b'|' | b'>')) { head } else { 0 };
    let gap = rest.get(head..)?.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    let (lead, lines) = rest.get(head..)?.split_at_checked(gap)?;
    let indent = lead.iter().rev().position(|byte| *byte == b'\n')?;
    if !colon {
        return None;
    }
    let first = start + head + gap;
    let single =
        matches!(lines.first(), Some(b'"' | b'\'' | b'\\' | b'{' | b'[' | b'(')) || lines.starts_with(MASK.as_bytes());
    if head == 0 && single {
        return None;
    }
    let goes_on = |indent: usize, line: &[u8]| indent > 0 || line.starts_with(b"- ");
    if !goes_on(indent, lines) {
        return Some(start..start + head);
    }
    let mut end = line_end(lines);
    loop {
        let after = lines.get(end..)?;
        let gap = after.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        let (lead, line) = after.split_at_checked(gap)?;
        let own = lead.iter().rev().position(|byte| *byte == b'\n').unwrap_or(gap);
        if line.is_empty() || own < indent || !goes_on(own, line) {
            return Some(first..first + end);
        }
        end += gap + line_end(line);
    }
}

/// How much white space comes first, and how much with that which a text quoted once more writes as `\n`, `\r` or `\t`.
fn blanks(text: &[u8]) -> (usize, usize) {
    let plain = text.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    let mut at = plain;
    while let Some(rest) = text.get(at..) {
        let slashes = rest.iter().take_while(|byte| **byte == b'\\').count();
        at += match rest.get(slashes) {
            Some(byte) if slashes == 0 && byte.is_ascii_whitespace() => 1,
            Some(b'n' | b'r' | b't') if slashes > 0 => slashes + 1,
            Some(_) | None => break,
        };
    }
    (plain, at)
}

fn word_end(text: &[u8]) -> usize {
    text.iter().position(u8::is_ascii_whitespace).unwrap_or(text.len())
}

pub(super) fn line_end(text: &[u8]) -> usize {
    memchr::memchr2(b'\r', b'\n', text).unwrap_or(text.len())
}

/// [`quoted`], with what Python writes in front of the quote: `u'x'`, `b"x"`.
pub(super) fn literal(text: &[u8]) -> Option<(usize, usize)> {
    let kind = text.iter().take(2).take_while(|byte| b"bBfFrRuU".contains(byte)).count();
    quoted(text.get(kind..)?).map(|(open, end)| (kind + open, kind + end))
}

/// Where in a text that begins with a quote the quoted part begins and ends; without its end it is all.
///
/// `"x"`, or `\"x\"` where the text is itself quoted once more: the end has as many backslashes.
pub(super) fn quoted(text: &[u8]) -> Option<(usize, usize)> {
    let slashes = text.iter().take_while(|byte| **byte == b'\\').count();
    let quote @ (b'"' | b'\'') = *text.get(slashes)? else { return None };
    let open = slashes + 1;
    let mark = text.get(..open)?;
    if text.get(open..).is_some_and(|rest| rest.strip_prefix(mark).is_some_and(|rest| rest.starts_with(mark))) {
        // `"""x "y" z"""`
        let inner = text.get(3 * open..)?;
        let end = memchr::memmem::find(inner, text.get(..3 * open)?).unwrap_or(inner.len());
        return Some((3 * open, 3 * open + end));
    }
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
pub(super) fn container_end(text: &[u8]) -> usize {
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

/// The entries of a list of `name:value`, parted by commas, each with its place. What has quotes, brackets or lines is no such
/// list, and one entry.
pub(super) fn entries(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let listed = !text.bytes().any(|byte| b"\"'{[(\\\r\n".contains(&byte));
    let mut next = Some(0);
    std::iter::from_fn(move || {
        let begin = next?;
        let rest = text.get(begin..)?;
        let end = rest.bytes().enumerate().position(|(at, byte)| {
            let after = rest.as_bytes().get(at + 1..).unwrap_or_default();
            listed && byte == b',' && assigns(after.trim_ascii_start(), b':')
        });
        next = end.map(|end| begin + end + 1);
        Some((begin, rest.get(..end.unwrap_or(rest.len()))?))
    })
}

/// Whether a name and then `sign` come next.
fn assigns(text: &[u8], sign: u8) -> bool {
    let name = text
        .iter()
        .take(64)
        .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'~'))
        .count();
    name > 0 && text.get(name) == Some(&sign)
}

/// Whether a text only closes what was opened before it.
pub(super) fn closes(text: &[u8]) -> bool {
    text.iter().all(|byte| matches!(byte, b')' | b']' | b'}' | b',' | b';' | b'"' | b'\'' | b'\\'))
}
