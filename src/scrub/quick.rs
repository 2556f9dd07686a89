//! The usual case: members of an object with known keys and short values in plain letters, wholly within the chunk,
//! with nothing to do. What is not usual is left untouched for [`super::stream`] and [`super::string`], which treat
//! every case; the tests compare the two ways by cutting answers into chunks.

use super::WINDOW_BYTES;
use super::frame::Frame;
use super::key::KeyClass;
use super::link::foreign_bytes;
use super::place::length_bit;
use super::rules::Plan;
use super::scan::Scan;
use super::stream::{DEPTH_MAX, Expect, Input, Scrubber};
use super::suspect::suspect;
use super::table::{Ends, Sequence, Table};

/// Four bytes as one number.
const fn four(bytes: [u8; 4]) -> u32 {
    u32::from_le_bytes(bytes)
}

/// The four bytes from `at` on, if there are so many.
#[inline]
fn four_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().copied().map(four)
}

/// The first bytes of a [`four`].
const ONE: u32 = 0xff;
const TWO: u32 = 0xffff;
const THREE: u32 = 0xff_ffff;

impl Scrubber {
    /// Reads members while they are usual; the input stands at a key's quote. Leaves the input before the first thing
    /// that is not: a key, a value, or what follows one.
    #[inline(never)]
    pub(super) fn usual_members(&mut self, plan: &Plan, known: &Table, input: &mut Input<'_>, out: &mut Vec<u8>) {
        let Some(frame) = self.frames.last() else { return };
        let calm = !frame.exempt
            && self.dropping.is_none()
            && self.holds.is_empty()
            && !self.looks_at_all
            && self.frames.len() < DEPTH_MAX;
        let (lengths, links) = (frame.lengths, plan.links && !frame.free);
        let bytes = input.bytes;
        let mut scan = input.scan;
        let mut at = input.at;
        let mut before = self.before;
        // What comes at `at`, once the loop is left.
        self.expect = loop {
            let start = at + 1;
            let expected =
                self.sequence.after(before).and_then(|place| Some((place, known.is_at(place, bytes, start)?)));
            let (end, class) = match expected {
                Some((place, (end, class))) => {
                    before = place + 1;
                    (end, class)
                }
                None => {
                    let end = scan.plain(start);
                    let Some(ends) = Ends::between(bytes, start, end) else { break Expect::Key };
                    let key = bytes.get(start..end).unwrap_or_default();
                    if let Some((place, class)) = known.place(key, ends) {
                        self.sequence.learn(before, place);
                        before = place + 1;
                        (end, class)
                    } else if let Some(class) = self.learnt.find(key, ends) {
                        before = Sequence::BEGIN;
                        (end, class)
                    } else {
                        break Expect::Key;
                    }
                }
            };
            // The closing quote, the colon, mostly a space.
            let Some(lead) = four_at(bytes, end) else { break Expect::Key };
            let spaced = lead & THREE == four(*b"\": \0");
            if !spaced && lead & TWO != four(*b"\":\0\0") {
                break Expect::Key;
            }
            at = end + 2 + usize::from(spaced);
            if lengths & length_bit(end - start) != 0 || !calm {
                if let Some(frame) = self.frames.last() {
                    let key = bytes.get(start..end).unwrap_or_default();
                    self.member = frame.member(plan, self.frames.len(), class, key);
                }
                break Expect::Value;
            }
            let value = match four_at(bytes, at) {
                Some(head) if head & ONE == u32::from(b'"') => string_end(bytes, &mut scan, at, class),
                Some(head) => plain_end(bytes, at, head, class),
                None => None,
            };
            let Some(next) = value.or_else(|| links.then(|| self.link(&mut scan, at, class, input, out))?) else {
                if let Some(frame) = self.frames.last() {
                    self.member = frame.member_unwatched(class);
                }
                break Expect::Value;
            };
            at = next;
            match four_at(bytes, at) {
                Some(more) if more & THREE == four(*b", \"\0") => at += 2,
                Some(more) if more & TWO == four(*b",\"\0\0") => at += 1,
                Some(_) | None => break Expect::CommaOrEnd,
            }
        };
        self.before = before;
        input.at = at;
        input.scan = scan;
    }

    /// Where a link ends, which is led elsewhere; `None` if it is not a usual one.
    fn link(
        &self,
        scan: &mut Scan<'_>,
        at: usize,
        class: KeyClass,
        input: &mut Input<'_>,
        out: &mut Vec<u8>,
    ) -> Option<usize> {
        let start = at + 1;
        if class != KeyClass::HREF || input.bytes.get(at) != Some(&b'"') {
            return None;
        }
        let end = text_end(input.bytes, scan, start)?;
        if let Some(length) = foreign_bytes(input.bytes.get(start..end)?) {
            out.extend_from_slice(input.bytes.get(input.from..start).unwrap_or_default());
            out.extend_from_slice(self.origin.as_bytes());
            input.from = start + length;
        }
        Some(end + 1)
    }
}

/// Where a string ends that passes.
#[inline]
fn string_end(bytes: &[u8], scan: &mut Scan<'_>, at: usize, class: KeyClass) -> Option<usize> {
    if class.is_plain() { text_end(bytes, scan, at + 1).map(|end| end + 1) } else { None }
}

/// The closing quote of a text without anything to decide.
#[inline]
fn text_end(bytes: &[u8], scan: &mut Scan<'_>, start: usize) -> Option<usize> {
    let end = scan.plain(start);
    let usual = bytes.get(end) == Some(&b'"') && end - start <= WINDOW_BYTES && !suspect(bytes, start, end);
    usual.then_some(end)
}

/// Where a word or an empty container ends.
#[inline]
fn plain_end(bytes: &[u8], at: usize, head: u32, class: KeyClass) -> Option<usize> {
    if head == four(*b"null") || head == four(*b"true") {
        return Some(at + 4);
    }
    if head == four(*b"fals") {
        return (bytes.get(at + 4) == Some(&b'e')).then_some(at + 5);
    }
    let empty = head & TWO == four(*b"{}\0\0") || head & TWO == four(*b"[]\0\0");
    (empty && class.is_plain()).then_some(at + 2)
}

const _: () = assert!(size_of::<Frame>() <= 48, "frames are copied");
