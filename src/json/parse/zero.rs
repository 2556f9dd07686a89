//! `-0`, which is an integer to Ironic and minus zero to the tokeniser.
//!
//! Python reads `-0` as the integer 0, and `-0.0` as a double that keeps its sign. `serde_json` gives `-0.0` for both, and
//! where in the text it stood is not known any more. So a body with such a number, which no client sends, is gone through
//! once more: its numbers are in the text in the order in which they are in the tree.

use crate::json::Json;

/// Makes integers of those zeros of `value` that are written `-0` in `text`, which it was read from.
pub(super) fn settle(value: &mut Json<'_>, text: &[u8]) {
    visit(value, &mut NegativeZeros { rest: text });
}

fn visit(value: &mut Json<'_>, literals: &mut NegativeZeros<'_>) {
    match value {
        Json::Float(number) if *number == 0.0 && number.is_sign_negative() => {
            if literals.next() == Some(b"-0") {
                *value = Json::Integer(0);
            }
        }
        Json::Array(items) => items.iter_mut().for_each(|item| visit(item, literals)),
        Json::Object(members) => members.iter_mut().for_each(|(_, member)| visit(member, literals)),
        Json::Null | Json::Boolean(_) | Json::Integer(_) | Json::Float(_) | Json::String(_) => {}
    }
}

/// The numbers of a valid JSON text that are minus zero, as they are written.
struct NegativeZeros<'t> {
    rest: &'t [u8],
}

impl<'t> Iterator for NegativeZeros<'t> {
    type Item = &'t [u8];

    fn next(&mut self) -> Option<&'t [u8]> {
        loop {
            let at = memchr::memchr2(b'"', b'-', self.rest)?;
            let (start, after) = self.rest.split_at_checked(at).and_then(|(_, found)| found.split_first())?;
            if *start == b'"' {
                self.rest = behind_string(after);
                continue;
            }
            // The sign of an exponent: the word before it is a number that begins without one.
            let of_exponent = at.checked_sub(1).and_then(|before| self.rest.get(before));
            if matches!(of_exponent, Some(b'e' | b'E')) {
                self.rest = after;
                continue;
            }
            let in_number = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-');
            let length = after.iter().take_while(|byte| in_number(byte)).count();
            let (literal, rest) = self.rest.split_at_checked(at)?.1.split_at_checked(length + 1)?;
            self.rest = rest;
            let number = std::str::from_utf8(literal).ok().and_then(|literal| literal.parse::<f64>().ok());
            if number == Some(0.0) {
                return Some(literal);
            }
        }
    }
}

/// What comes behind a string of which the first quote is past.
fn behind_string(mut text: &[u8]) -> &[u8] {
    while let Some(at) = memchr::memchr2(b'"', b'\\', text) {
        let escaped = text.get(at) == Some(&b'\\');
        text = text.get(at + 1 + usize::from(escaped)..).unwrap_or_default();
        if !escaped {
            break;
        }
    }
    text
}
