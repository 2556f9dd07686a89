//! What stands between a string's quotes: its text, and where a place of the text is in what was written.

use crate::scrub::ScrubError;

/// What half of a surrogate pair is in a text: it is no character, but JSON may have it.
const HALF: char = char::REPLACEMENT_CHARACTER;
/// The length of an escape by number.
const UNIT_BYTES: usize = 6;

/// Writes the text of `raw` (without quotes) to `text` and says how much of `raw` it is. Without `last`, an escape or a
/// pair of them that is cut at the end is left for the next window.
///
/// Half of a pair becomes U+FFFD: what stands beside it is looked at, and it passes itself as it was written.
pub(super) fn unescape(raw: &str, last: bool, text: &mut String) -> Result<usize, ScrubError> {
    text.clear();
    let mut at = 0;
    while let Some(rest) = raw.get(at..).filter(|rest| !rest.is_empty()) {
        match memchr::memchr(b'\\', rest.as_bytes()) {
            None => {
                text.push_str(rest);
                return Ok(raw.len());
            }
            Some(plain) => {
                text.push_str(rest.get(..plain).unwrap_or_default());
                at += plain;
            }
        }
        match escape(raw.get(at..).unwrap_or_default().as_bytes())? {
            Some((c, length)) => {
                text.push(c);
                at += length;
            }
            // Cut by the string's end: half a pair, or half an escape.
            None if last && raw.len() - at >= UNIT_BYTES => {
                text.push(HALF);
                at += UNIT_BYTES;
            }
            None if last => return Err(ScrubError::Escape),
            None => return Ok(at),
        }
    }
    Ok(at)
}

/// One escape (or surrogate pair) at the beginning of `raw`: its character and length. `None` if it is cut.
fn escape(raw: &[u8]) -> Result<Option<(char, usize)>, ScrubError> {
    let c = match raw.get(1) {
        None => return Ok(None),
        Some(b'"') => '"',
        Some(b'\\') => '\\',
        Some(b'/') => '/',
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(b'u') => return unicode(raw),
        Some(_) => return Err(ScrubError::Escape),
    };
    Ok(Some((c, 2)))
}

fn unicode(raw: &[u8]) -> Result<Option<(char, usize)>, ScrubError> {
    let Some(high) = unit(raw)? else { return Ok(None) };
    if let Some(c) = char::from_u32(high) {
        return Ok(Some((c, UNIT_BYTES)));
    }
    let second = raw.get(UNIT_BYTES..).unwrap_or_default();
    if high >= 0xdc00 || !b"\\u".starts_with(second.get(..second.len().min(2)).unwrap_or_default()) {
        return Ok(Some((HALF, UNIT_BYTES)));
    }
    let Some(low) = unit(second)? else { return Ok(None) };
    let pair = (0xdc00..0xe000).contains(&low).then(|| 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00));
    Ok(Some(pair.and_then(char::from_u32).map_or((HALF, UNIT_BYTES), |c| (c, 2 * UNIT_BYTES))))
}

/// The four hexadecimal digits after `\u`.
fn unit(raw: &[u8]) -> Result<Option<u32>, ScrubError> {
    let digits = raw.get(2..).unwrap_or_default();
    let mut unit = 0;
    for index in 0..4 {
        let Some(digit) = digits.get(index) else { return Ok(None) };
        unit = unit * 16 + char::from(*digit).to_digit(16).ok_or(ScrubError::Escape)?;
    }
    Ok(Some(unit))
}

/// Walks through a well-formed string as written, along with its text.
pub(super) struct Places<'r> {
    raw: &'r [u8],
    at: usize,
    text: usize,
}

impl<'r> Places<'r> {
    pub(super) const fn new(raw: &'r [u8]) -> Self {
        Self { raw, at: 0, text: 0 }
    }

    /// Where in the written string the text's byte `offset` is; offsets must not go back.
    pub(super) fn find(&mut self, offset: usize) -> usize {
        while self.text < offset {
            let rest = self.raw.get(self.at..).unwrap_or_default();
            let plain = memchr::memchr(b'\\', rest).unwrap_or(rest.len()).min(offset - self.text);
            self.at += plain;
            self.text += plain;
            if self.text == offset || plain == rest.len() {
                break;
            }
            match escape(self.raw.get(self.at..).unwrap_or_default()) {
                Ok(Some((c, length))) => {
                    self.at += length;
                    self.text += c.len_utf8();
                }
                // Half a pair at the string's end.
                Ok(None) => {
                    self.at = (self.at + UNIT_BYTES).min(self.raw.len());
                    self.text += HALF.len_utf8();
                }
                Err(_) => break,
            }
        }
        self.at
    }
}
