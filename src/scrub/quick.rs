//! The usual case: members of an object with known keys and short values in plain letters, wholly within the chunk,
//! with nothing to do. What is not usual is left untouched for [`super::stream`] and [`super::string`], which treat
//! every case; the tests compare the two ways by cutting answers into chunks.

use super::echo::{Followed, Kind};
use super::frame::{Frame, Member};
use super::key::KeyClass;
use super::number::Number;
use super::place::length_bit;
use super::rules::{Plan, ScrubRules};
use super::scan::Scan;
use super::stream::{DEPTH_MAX, Expect, Input, Scrubber};
use super::suspect::suspect;
use super::table::Ends;
use super::treatment::SecretTreatment;
use super::{QUOTED_MASK, WINDOW_BYTES};

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

/// What the object at hand says about its members.
struct Around {
    /// Nothing is exempt, dropped or held back, and no text is searched that is not suspect.
    calm: bool,
    /// The lengths of keys that make a difference; all if it is not calm.
    watched: u64,
    /// Arrays of links may be read here, and links.
    links: bool,
    /// A secret that is masked already passes as it is.
    masks: bool,
}

/// A key of which all is known.
struct Key {
    length: u64,
    class: KeyClass,
    /// Where its value begins.
    value: usize,
}

/// What follows a value.
enum Next {
    /// A member, whose key begins here, behind its quote.
    Member(usize),
    /// The end of the object.
    End,
    /// Something that is not usual.
    Other,
}

impl Scrubber {
    /// Reads members while they are usual, those of objects in objects too; the input stands at a key's quote. Leaves the
    /// input before the first thing that is not: a key, a value, or what follows one.
    #[inline(never)]
    pub(super) fn usual_members(
        &mut self,
        plan: &Plan,
        rules: &ScrubRules,
        input: &mut Input<'_>,
        out: &mut Vec<u8>,
    ) {
        let Some(mut around) = self.around(plan, rules) else { return };
        let bytes = input.bytes;
        let mut scan = input.scan;
        // Where a key begins, behind its quote.
        let mut start = input.at + 1;
        // What comes at `at`, once the loop is left.
        let (at, expect) = loop {
            let mut at;
            match self.echo.follow(bytes.get(start..).unwrap_or_default(), around.watched) {
                Followed::Members { bytes, ends: false } => {
                    start += bytes;
                    continue;
                }
                Followed::Members { bytes, ends: true } => at = start + bytes,
                followed => {
                    let key = match followed {
                        Followed::Key { length, value, class } => Some(Key { length, class, value: start + value }),
                        Followed::Lost | Followed::Members { .. } => self.known_key(rules, &mut scan, bytes, start),
                    };
                    let Some(key) = key else { break (start - 1, Expect::Key) };
                    at = key.value;
                    let Some(head) = four_at(bytes, at) else { break self.at_value(plan, &key, bytes, start) };
                    let value = match around.calm && around.watched & key.length == 0 {
                        true if head & ONE == u32::from(b'"') => string_end(bytes, &mut scan, at, key.class, around.masks),
                        true => plain_end(bytes, at, head, key.class),
                        false => None,
                    };
                    let passed = value.is_some();
                    let value = value.or_else(|| {
                        let links = around.links && around.watched & key.length == 0;
                        if links && key.class == KeyClass::HREF && head & ONE == u32::from(b'"') {
                            self.link(&mut scan, at + 1, input, out).map(|end| end + 1)
                        } else if links && key.class == KeyClass::default() && head & TWO == four(*b"[{\0\0") {
                            self.links(&mut scan, at, input, out)
                        } else {
                            None
                        }
                    });
                    let next = value.map(|end| next_member(bytes, end));
                    if self.echo.records() {
                        let (end, kind) = match next {
                            Some(Next::Member(next)) if passed => (next, Kind::Passes),
                            Some(Next::End) if passed => (value.unwrap_or(at) + 1, Kind::PassesLast),
                            _ => (at, Kind::Other),
                        };
                        let written = bytes.get(start..end).unwrap_or_default();
                        self.echo.record(written, at - start, key.length, key.class, kind);
                    }
                    match (value, next) {
                        (Some(_), Some(Next::Member(next))) => {
                            start = next;
                            continue;
                        }
                        (Some(end), Some(Next::End)) => at = end,
                        (Some(end), _) => break (end, Expect::CommaOrEnd),
                        (None, _) => {
                            let left = self.at_value(plan, &key, bytes, start);
                            if around.calm && head & TWO == four(*b"{\"\0\0") && self.enter(plan, key.class) {
                                start = at + 2;
                                let Some(inner) = self.around(plan, rules) else { return };
                                around = inner;
                                continue;
                            }
                            break left;
                        }
                    }
                }
            }
            // The object ends, and mostly others do not.
            let next = loop {
                self.frames.pop();
                at += 1;
                match next_member(bytes, at) {
                    _ if self.frames.last().is_none_or(|frame| !frame.object) => break Next::Other,
                    Next::End => {}
                    next => break next,
                }
            };
            match next {
                Next::Member(next) => start = next,
                Next::End | Next::Other if self.frames.is_empty() => break (at, Expect::Nothing),
                Next::End | Next::Other => break (at, Expect::CommaOrEnd),
            }
            let Some(outer) = self.around(plan, rules) else { return };
            around = outer;
        };
        self.expect = expect;
        input.at = at;
        input.scan = scan;
    }

    fn around(&self, plan: &Plan, rules: &ScrubRules) -> Option<Around> {
        let frame = self.frames.last()?;
        let calm = !frame.exempt && self.dropping.is_none() && self.holds.is_empty() && !self.looks_at_all;
        Some(Around {
            calm,
            watched: if calm { frame.lengths } else { u64::MAX },
            links: calm && self.links_usual(plan, frame),
            masks: rules.others == SecretTreatment::Mask,
        })
    }

    /// The key that begins at `start`, if it is one that is known, and what stands before its value is usual.
    #[inline]
    fn known_key(&self, rules: &ScrubRules, scan: &mut Scan<'_>, bytes: &[u8], start: usize) -> Option<Key> {
        let end = scan.plain(start);
        let ends = Ends::between(bytes, start, end)?;
        let key = bytes.get(start..end)?;
        let class = rules.keys.known().find(key, ends).or_else(|| self.learnt.find(key, ends))?;
        // The closing quote, the colon, mostly a space.
        let lead = four_at(bytes, end)?;
        let spaced = lead & THREE == four(*b"\": \0");
        (spaced || lead & TWO == four(*b"\":\0\0")).then(|| Key {
            length: length_bit(end - start),
            class,
            value: end + 2 + usize::from(spaced),
        })
    }

    /// Leaves the reader before the value of `key`, which begins at `start`.
    fn at_value(&mut self, plan: &Plan, key: &Key, bytes: &[u8], start: usize) -> (usize, Expect) {
        if let Some(frame) = self.frames.last() {
            self.member = if frame.exempt || frame.lengths & key.length != 0 {
                // Up to the quote, the colon and maybe a space.
                let text = bytes.get(start..key.value).unwrap_or_default();
                let text = text.strip_suffix(b" ").unwrap_or(text);
                frame.member(plan, self.frames.len(), key.class, text.strip_suffix(b"\":").unwrap_or(text))
            } else {
                frame.member_unwatched(key.class)
            };
        }
        (key.value, Expect::Value)
    }

    /// Opens the object that is the value of the member at hand, if that is all there is to do.
    fn enter(&mut self, plan: &Plan, class: KeyClass) -> bool {
        let depth = self.frames.len();
        let usual = class.is_plain() && self.member.action.is_none() && depth < DEPTH_MAX;
        if usual {
            let frame = self.member.open(plan, depth, self.frames.last(), true, false);
            self.frames.push(frame);
        }
        usual
    }
}

/// What follows a value that ends at `at`.
#[inline]
fn next_member(bytes: &[u8], at: usize) -> Next {
    match four_at(bytes, at) {
        Some(more) if more & THREE == four(*b", \"\0") => Next::Member(at + 3),
        Some(more) if more & TWO == four(*b",\"\0\0") => Next::Member(at + 2),
        Some(more) if more & ONE == u32::from(b'}') => Next::End,
        Some(_) | None => Next::Other,
    }
}

/// Where a string ends that passes.
#[inline]
fn string_end(bytes: &[u8], scan: &mut Scan<'_>, at: usize, class: KeyClass, masks: bool) -> Option<usize> {
    if class.is_plain() {
        return text_end(bytes, scan, at + 1).map(|end| end + 1);
    }
    let masked = masks && class.is_plain_secret() && bytes.get(at..)?.starts_with(QUOTED_MASK);
    masked.then_some(at + QUOTED_MASK.len())
}

/// The closing quote of a text without anything to decide.
#[inline]
fn text_end(bytes: &[u8], scan: &mut Scan<'_>, start: usize) -> Option<usize> {
    let end = scan.plain(start);
    let usual = bytes.get(end) == Some(&b'"') && end - start <= WINDOW_BYTES && !suspect(bytes, start, end);
    usual.then_some(end)
}

/// Where a word, a number or an empty container ends.
#[inline]
fn plain_end(bytes: &[u8], at: usize, head: u32, class: KeyClass) -> Option<usize> {
    if head == four(*b"null") || head == four(*b"true") {
        return Some(at + 4);
    }
    if head == four(*b"fals") {
        return (bytes.get(at + 4) == Some(&b'e')).then_some(at + 5);
    }
    if !class.is_plain() {
        return None;
    }
    let empty = head & TWO == four(*b"{}\0\0") || head & TWO == four(*b"[]\0\0");
    if empty { Some(at + 2) } else { number_end(bytes, at) }
}

/// Where a number ends, with something behind it.
#[inline]
fn number_end(bytes: &[u8], at: usize) -> Option<usize> {
    let mut number = Number::begin(*bytes.get(at)?)?;
    for (end, byte) in bytes.iter().enumerate().skip(at + 1) {
        match number.next(*byte) {
            Some(next) => number = next,
            None => return number.complete().then_some(end),
        }
    }
    None
}

const _: () = assert!(size_of::<Frame>() <= 48 && size_of::<Member>() <= 48, "frames are copied");
