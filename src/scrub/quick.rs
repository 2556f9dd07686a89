//! The usual case: members of an object with known keys and short values in plain letters, wholly within the chunk,
//! with nothing to do. What is not usual is left untouched for [`super::stream`] and [`super::string`], which treat
//! every case; the tests compare the two ways by cutting answers into chunks.

use super::WINDOW_BYTES;
use super::frame::Frame;
use super::key::KeyClass;
use super::link::foreign_bytes;
use super::place::length_bit;
use super::rules::Plan;
use super::stream::{Expect, Input, Scrubber};
use super::table::Ends;

/// How far a value was read.
enum Value {
    /// It is over, and this comes next.
    Over(usize),
    /// It is not usual.
    Unusual,
}

impl Scrubber {
    /// Reads members while they are usual; the input stands at a key's quote. Leaves the input before the first thing
    /// that is not: a key, a value, or what follows one.
    pub(super) fn usual_members(&mut self, plan: &Plan, input: &mut Input<'_>, out: &mut Vec<u8>) {
        let Some(frame) = self.frames.last().copied() else { return };
        let calm = !frame.exempt && self.dropping.is_none() && self.holds.is_empty() && !self.looks_at_all;
        let links = plan.links && !frame.free;
        loop {
            let start = input.at + 1;
            let (end, _) = input.scan.plain(start);
            let Some(key) = input.bytes.get(start..end) else { return };
            let ends = Ends::of(key);
            let Some(class) = self.rules.keys.known(key, ends).or_else(|| self.learnt.find(key, ends)) else { return };
            input.at = match input.bytes.get(end..) {
                Some([b'"', b':', b' ', ..]) => end + 3,
                Some([b'"', b':', ..]) => end + 2,
                Some(_) | None => return,
            };
            self.expect = Expect::Value;
            let watched = frame.lengths & length_bit(key.len()) != 0;
            if watched || !calm {
                self.member = frame.member(plan, self.frames.len(), class, key);
                return;
            }
            let Value::Over(next) = self.usual_value(class, links, input, out) else {
                self.member = frame.member_unwatched(class);
                return;
            };
            self.expect = Expect::CommaOrEnd;
            input.at = match input.bytes.get(next..) {
                Some([b',', b' ', b'"', ..]) => next + 2,
                Some([b',', b'"', ..]) => next + 1,
                Some(_) | None => {
                    input.at = next;
                    return;
                }
            };
            self.expect = Expect::Key;
        }
    }

    #[inline]
    fn usual_value(&self, class: KeyClass, links: bool, input: &mut Input<'_>, out: &mut Vec<u8>) -> Value {
        let at = input.at;
        let over = match input.bytes.get(at..) {
            Some([b'"', ..]) => return self.usual_string(class, links, input, out),
            Some([b'n', b'u', b'l', b'l', ..] | [b't', b'r', b'u', b'e', ..]) => at + 4,
            Some([b'f', b'a', b'l', b's', b'e', ..]) => at + 5,
            Some([b'{', b'}', ..] | [b'[', b']', ..]) if class.is_plain() => at + 2,
            Some(_) | None => return Value::Unusual,
        };
        Value::Over(over)
    }

    /// A string that passes, or a link that is only led elsewhere.
    #[inline]
    fn usual_string(&self, class: KeyClass, links: bool, input: &mut Input<'_>, out: &mut Vec<u8>) -> Value {
        let link = links && class == KeyClass::HREF;
        if !link && !class.is_plain() {
            return Value::Unusual;
        }
        let start = input.at + 1;
        let (end, suspect) = input.scan.plain(start);
        if suspect || input.bytes.get(end) != Some(&b'"') || end - start > WINDOW_BYTES {
            return Value::Unusual;
        }
        if link && let Some(length) = foreign_bytes(input.bytes.get(start..end).unwrap_or_default()) {
            out.extend_from_slice(input.bytes.get(input.from..start).unwrap_or_default());
            out.extend_from_slice(self.origin.as_bytes());
            input.from = start + length;
        }
        Value::Over(end + 1)
    }
}

const _: () = assert!(size_of::<Frame>() <= 48, "frames are copied");
