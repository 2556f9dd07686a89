//! The usual case: members of an object with known keys and short values in plain letters, wholly within the chunk,
//! with nothing to do. What is not usual is left untouched for [`crate::scrub::stream`] and [`crate::scrub::stream::string`], which treat
//! every case; the tests compare the two ways by cutting answers into chunks.

use super::echo::{Expected, Kind};
use super::frame::Frame;
use super::links::LINK_DEPTH;
use super::number::Number;
use super::scan::Scan;
use super::string::hidden_already;
use super::{DEPTH_MAX, Expect, Input, Scrubber};
use crate::scrub::names::key::KeyClass;
use crate::scrub::names::table::Ends;
use crate::scrub::rules::place::key_bit;
use crate::scrub::rules::treatment::SecretTreatment;
use crate::scrub::rules::{Plan, Roots, ScrubRules};
use crate::scrub::shapes::suspect::suspect;
use crate::scrub::{MASK, QUOTED_MASK, WINDOW_BYTES};

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
    /// Nothing is exempt, an argument, dropped or held back, and there is room for what may be nested.
    calm: bool,
    /// The keys that make a difference, as [`key_bit`]s; all if it is not calm.
    watched: u64,
    /// Links may be read here.
    links: bool,
    /// Secrets are masked, and every key of a secret has one.
    masks: bool,
}

/// A value that was read.
struct Value {
    end: usize,
    /// It passed, as it would have anywhere under its key.
    passed: bool,
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
    pub(super) fn usual_members(&mut self, plan: &Plan, rules: &ScrubRules, input: &mut Input<'_>, out: &mut Vec<u8>) {
        // Every string is searched then, keys too.
        if self.looks_at_all {
            return;
        }
        let Some(mut around) = self.around(plan, rules) else { return };
        let bytes = input.bytes;
        // Where a key begins, behind its quote.
        let mut start = input.at + 1;
        (input.at, self.expect) = loop {
            let followed = self.echo.follow(bytes.get(start..).unwrap_or_default(), around.watched);
            start += followed.passed;
            let ended = if followed.ends {
                start
            } else {
                let known = followed.key.or_else(|| self.known_key(rules, &mut input.scan, bytes, start));
                let Some(key) = known else { break (start - 1, Expect::Key) };
                let at = start + key.value;
                let value = self.usual_value(rules, &around, &key, at, input, out);
                let next = value.as_ref().map(|value| next_member(bytes, value.end));
                if self.echo.records() {
                    let (end, kind) = match (&value, &next) {
                        (Some(Value { passed: true, .. }), Some(Next::Member(next))) => (*next, Kind::Passes),
                        (Some(Value { passed: true, end }), Some(Next::End)) => (*end + 1, Kind::PassesLast),
                        _ => (at, Kind::Other),
                    };
                    self.echo.record(bytes.get(start..end).unwrap_or_default(), &key, kind);
                }
                match (value, next) {
                    (Some(_), Some(Next::Member(next))) => {
                        start = next;
                        continue;
                    }
                    (Some(value), Some(Next::End)) => value.end,
                    (Some(value), _) => break (value.end, Expect::CommaOrEnd),
                    (None, _) => {
                        self.value_comes(plan, &key, bytes, start);
                        if !(around.calm && bytes.get(at..at + 2) == Some(b"{\"") && self.enter(plan, key.class)) {
                            break (at, Expect::Value);
                        }
                        start = at + 2;
                        let Some(inner) = self.around(plan, rules) else { break (at + 1, Expect::Key) };
                        around = inner;
                        continue;
                    }
                }
            };
            match self.leave(bytes, ended) {
                (_, Next::Member(next)) => start = next,
                (at, Next::End | Next::Other) if self.frames.is_empty() => break (at, Expect::Nothing),
                (at, Next::End | Next::Other) => break (at, Expect::CommaOrEnd),
            }
            let Some(outer) = self.around(plan, rules) else { break (start - 1, Expect::Key) };
            around = outer;
        };
    }

    fn around(&self, plan: &Plan, rules: &ScrubRules) -> Option<Around> {
        let (frame, depth) = (self.frames.last()?, self.frames.len());
        // Lists of arguments name secrets, and their values refer to some.
        let usual = !frame.exempt && !frame.below_arguments;
        let calm = usual && self.dropping.is_none() && self.holds.is_empty() && depth + LINK_DEPTH <= DEPTH_MAX;
        Some(Around {
            calm,
            watched: if calm { frame.watched } else { u64::MAX },
            links: calm && self.links_usual(plan, frame),
            masks: rules.others == SecretTreatment::Mask && (depth > 1 || plan.roots == Roots::Keys),
        })
    }

    /// The key that begins at `start`, if it is one that is known, and what stands before its value is usual.
    #[inline]
    fn known_key(&self, rules: &ScrubRules, scan: &mut Scan<'_>, bytes: &[u8], start: usize) -> Option<Expected> {
        let end = scan.plain(start);
        let ends = Ends::between(bytes, start, end)?;
        let key = bytes.get(start..end)?;
        let class = rules.keys.known().find(key, ends).or_else(|| self.learnt.find(key, ends))?;
        // The closing quote, the colon, mostly a space.
        let lead = four_at(bytes, end)?;
        let spaced = lead & THREE == four(*b"\": \0");
        let value = key.len() + 2 + usize::from(spaced);
        (spaced || lead & TWO == four(*b"\":\0\0")).then(|| Expected { bit: key_bit(key), class, value })
    }

    /// Where the value at `at` ends, if it is a usual one.
    #[inline]
    fn usual_value(
        &mut self,
        rules: &ScrubRules,
        around: &Around,
        key: &Expected,
        at: usize,
        input: &mut Input<'_>,
        out: &mut Vec<u8>,
    ) -> Option<Value> {
        let (bytes, class) = (input.bytes, key.class);
        let head = four_at(bytes, at)?;
        if around.watched & key.bit != 0 {
            return None;
        }
        let scan = &mut input.scan;
        let passed = |end| Value { end, passed: true };
        if head & ONE != u32::from(b'"') {
            return match head & TWO {
                begin if begin == four(*b"[{\0\0") && around.links && class == KeyClass::default() => {
                    self.links(at, input, out).map(|end| Value { end, passed: false })
                }
                begin if begin == four(*b"[\"\0\0") && class.is_plain() && !class.has(KeyClass::ARGS) => {
                    texts_end(bytes, scan, at).map(passed)
                }
                _ => plain_end(bytes, at, head, class).map(passed),
            };
        }
        if class.is_plain() {
            text_end(bytes, scan, at + 1).map(|end| passed(end + 1))
        } else if class == KeyClass::HREF && around.links {
            self.link(at + 1, input, out).map(|end| Value { end: end + 1, passed: false })
        } else if class == KeyClass::NAMES {
            let end = text_end(bytes, scan, at + 1)?;
            let text = std::str::from_utf8(bytes.get(at + 1..end)?).ok()?;
            self.named(rules.names_a_secret(text), out);
            Some(Value { end: end + 1, passed: false })
        } else if class.is_plain_secret() && around.masks {
            self.mask_string(at, input, out)
        } else {
            None
        }
    }

    /// Masks the text of a secret at `at`.
    fn mask_string(&mut self, at: usize, input: &mut Input<'_>, out: &mut Vec<u8>) -> Option<Value> {
        let end = input.scan.plain(at + 1);
        let text = input.bytes.get(at + 1..end)?;
        if input.bytes.get(end) != Some(&b'"') || text.len() >= WINDOW_BYTES {
            return None;
        }
        let passed = text.is_empty() || text == MASK.as_bytes();
        if !passed {
            out.extend_from_slice(input.bytes.get(input.from..at).unwrap_or_default());
            out.extend_from_slice(QUOTED_MASK);
            input.from = end + 1;
            self.report.masked += u64::from(!hidden_already(text));
        }
        Some(Value { end: end + 1, passed })
    }

    /// The value of `key`, which begins at `start`, comes next, and is not usual.
    fn value_comes(&mut self, plan: &Plan, key: &Expected, bytes: &[u8], start: usize) {
        if let Some(frame) = self.frames.last() {
            self.member = if frame.watched & key.bit != 0 {
                // Up to the quote, the colon and maybe a space.
                let text = bytes.get(start..start + key.value).unwrap_or_default();
                let text = text.strip_suffix(b" ").unwrap_or(text);
                frame.member(plan, self.frames.len(), key.class, text.strip_suffix(b"\":").unwrap_or(text))
            } else {
                frame.member_unwatched(key.class)
            };
        }
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

    /// Closes the object whose brace is at `at`, and the objects around it that end there too. What is next in an array,
    /// or behind everything, is not looked at.
    fn leave(&mut self, bytes: &[u8], mut at: usize) -> (usize, Next) {
        loop {
            self.frames.pop();
            at += 1;
            if self.frames.last().is_none_or(|frame| !frame.object) {
                return (at, Next::Other);
            }
            match next_member(bytes, at) {
                Next::End => {}
                next @ (Next::Member(_) | Next::Other) => return (at, next),
            }
        }
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

/// The closing quote of a text without anything to decide.
#[inline]
fn text_end(bytes: &[u8], scan: &mut Scan<'_>, start: usize) -> Option<usize> {
    let end = scan.plain(start);
    let usual = bytes.get(end) == Some(&b'"') && end - start <= WINDOW_BYTES && !suspect(bytes, start, end);
    usual.then_some(end)
}

/// Where an array of such texts ends that begins at `at`.
fn texts_end(bytes: &[u8], scan: &mut Scan<'_>, mut at: usize) -> Option<usize> {
    // One byte before a quote.
    loop {
        let end = text_end(bytes, scan, at + 2)?;
        match bytes.get(end + 1..end + 4)? {
            [b']', ..] => return Some(end + 2),
            b", \"" => at = end + 2,
            _ => return None,
        }
    }
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

const _: () = assert!(size_of::<Frame>() <= 48, "frames are copied");
