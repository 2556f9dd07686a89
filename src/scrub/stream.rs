//! The reader: structure, places and what is to be done with each value.

mod decide;
mod echo;
mod frame;
mod hold;
mod links;
mod loops;
mod number;
mod omit;
mod quick;
mod scan;
mod string;
mod text;
mod window;

use std::sync::Arc;

use crate::catalog::Operation;

use super::names::key::KeyClass;
use super::names::table::Learnt;
use super::rules::treatment::SecretTreatment;
use super::rules::{Plan, ScrubRules};
use super::{QUOTED_MASK, ScrubError, ScrubReport};
use decide::Treatment;
use echo::Echo;
use frame::{Frame, Member};
use hold::Holds;
use number::{Number, word};
use omit::{OMITTED, Omitter};
use scan::Scan;
use string::{Role, StringToken, Strings};

/// The deepest nesting of objects and arrays that is shown; what is deeper is masked.
pub const DEPTH_MAX: usize = 64;
/// The deepest nesting that is read: no more than what Python can write, and what a scrubber may keep.
pub(super) const DEPTH_READ_MAX: usize = 1024;

/// One answer's scrubber: takes chunks of JSON of any size, gives out the same JSON without its secrets.
///
/// It keeps at most 256 KiB, whatever the answer's size. After an error it is of no more use: the answer must not be
/// continued.
pub struct Scrubber {
    rules: Arc<ScrubRules>,
    plan: Option<Arc<Plan>>,
    origin: Arc<str>,
    frames: Vec<Frame>,
    expect: Expect,
    token: Token,
    /// The key's and the place's word about the value that comes next.
    member: Member,
    /// Set while a masked object or array is read: its depth.
    dropping: Option<usize>,
    strings: Strings,
    learnt: Learnt,
    echo: Echo,
    /// What was replaced in the last link.
    led: Vec<u8>,
    holds: Holds,
    /// Whether every string is searched, for the operator's shapes.
    looks_at_all: bool,
    /// What becomes of the secret at hand.
    instead: SecretTreatment,
    /// There if anything is left out for this caller.
    omitter: Option<Box<Omitter>>,
    report: ScrubReport,
    failed: Option<ScrubError>,
}

/// What may come next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expect {
    Value,
    ElementOrEnd,
    Key,
    KeyOrEnd,
    Colon,
    CommaOrEnd,
    Nothing,
}

/// A token that the last chunk left open.
enum Token {
    None,
    String(StringToken),
    Number { state: Number, masked: bool },
    Word { rest: &'static [u8] },
}

/// A chunk and how far it is read.
struct Input<'c> {
    bytes: &'c [u8],
    scan: Scan<'c>,
    /// The next byte to read.
    at: usize,
    /// The next byte to give out.
    from: usize,
}

impl Scrubber {
    /// For an answer of `operation`. `origin` is irongate's own scheme and authority as the caller sees it
    /// (`https://irongate.example:6385`, no slash at its end), for links.
    pub fn new(rules: Arc<ScrubRules>, operation: &Operation, origin: Arc<str>) -> Self {
        let plan = rules.plan(operation);
        let looks_at_all = rules.shapes.always();
        let failed = if plan.is_none() { Some(ScrubError::Unplanned) } else { None };
        let member = Member::root(plan.as_deref());
        let omitter = rules.omits().then(Box::default);
        Self {
            rules,
            plan,
            origin,
            frames: Vec::with_capacity(16),
            expect: Expect::Value,
            token: Token::None,
            member,
            dropping: None,
            strings: Strings::default(),
            learnt: Learnt::default(),
            echo: Echo::default(),
            led: Vec::new(),
            holds: Holds::default(),
            looks_at_all,
            instead: SecretTreatment::Mask,
            omitter,
            report: ScrubReport::default(),
            failed,
        }
    }

    /// Takes the next chunk and appends to `out` what may be sent.
    ///
    /// An error is final: what was appended before it may have been sent already, so the answer must be cut.
    pub fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>) -> Result<(), ScrubError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let before = out.len();
        let read = match self.omitter.take() {
            None => self.read(chunk, out),
            Some(mut omitter) => {
                let mut given = Vec::with_capacity(chunk.len());
                let read = self.read(chunk, &mut given);
                omitter.push(&given, out);
                self.omitter = Some(omitter);
                read
            }
        };
        read.inspect_err(|error| {
            self.failed = Some(*error);
            out.truncate(before);
        })
    }

    /// Values masked so far.
    pub const fn masked(&self) -> u64 {
        self.report.masked
    }

    /// The answer is over: checks that it is complete. Nothing is left to append, but `out` is here for symmetry with
    /// [`Scrubber::push`].
    pub fn finish(mut self, out: &mut Vec<u8>) -> Result<ScrubReport, ScrubError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        if let Token::Number { state, .. } = self.token
            && self.frames.is_empty()
            && state.complete()
        {
            self.expect = Expect::Nothing;
            self.token = Token::None;
        }
        let complete = self.expect == Expect::Nothing && matches!(self.token, Token::None);
        match self.omitter.take() {
            None => self.holds.release(out),
            Some(mut omitter) => {
                let mut given = Vec::new();
                self.holds.release(&mut given);
                omitter.push(&given, out);
            }
        }
        if complete { Ok(self.report) } else { Err(ScrubError::Truncated) }
    }

    /// How much memory it keeps between chunks, in bytes.
    #[cfg(test)]
    pub(super) fn bytes_kept(&self) -> usize {
        self.strings.bytes_kept()
            + self.echo.bytes_kept()
            + self.led.capacity()
            + self.holds.bytes_kept()
            + self.frames.capacity() * size_of::<Frame>()
            + size_of::<Self>()
    }

    fn read(&mut self, chunk: &[u8], out: &mut Vec<u8>) -> Result<(), ScrubError> {
        let mut input = Input { bytes: chunk, scan: Scan::new(chunk), at: 0, from: 0 };
        let plan = self.plan.clone().ok_or(ScrubError::Unplanned)?;
        let rules = Arc::clone(&self.rules);
        self.resume(&mut input, out)?;
        while let Some(byte) = chunk.get(input.at) {
            if *byte <= b' ' && matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                input.at += 1;
                continue;
            }
            let expect = self.expect;
            match expect {
                Expect::Value => self.value(&plan, *byte, &mut input, out)?,
                Expect::ElementOrEnd if *byte == b']' => self.close(&mut input, out),
                Expect::ElementOrEnd => self.value(&plan, *byte, &mut input, out)?,
                Expect::KeyOrEnd if *byte == b'}' => self.close(&mut input, out),
                Expect::Key | Expect::KeyOrEnd if *byte == b'"' => {
                    let before = input.at;
                    self.usual_members(&plan, &rules, &mut input, out);
                    if input.at == before {
                        let treatment = self.key_treatment();
                        self.string(Role::Key, treatment, &mut input, out)?;
                    }
                }
                Expect::Colon if *byte == b':' => {
                    input.at += 1;
                    self.expect = Expect::Value;
                }
                Expect::CommaOrEnd => self.separator(*byte, &mut input, out)?,
                Expect::Nothing => return Err(ScrubError::Trailing),
                Expect::Key | Expect::KeyOrEnd | Expect::Colon => return Err(ScrubError::Syntax),
            }
        }
        self.flush(&mut input, chunk.len(), out);
        self.bound(&mut input, out);
        Ok(())
    }

    /// Goes on with the token that the last chunk left open.
    fn resume(&mut self, input: &mut Input<'_>, out: &mut Vec<u8>) -> Result<(), ScrubError> {
        match std::mem::replace(&mut self.token, Token::None) {
            Token::None => Ok(()),
            Token::String(token) => self.feed(token, input, out),
            Token::Number { state, masked } => self.number(state, masked, input, out),
            Token::Word { rest } => self.word(rest, input, out),
        }
    }

    /// Leaves a string open for the next chunk.
    fn suspend(&mut self, token: StringToken) {
        self.token = Token::String(token);
    }

    fn separator(&mut self, byte: u8, input: &mut Input<'_>, out: &mut Vec<u8>) -> Result<(), ScrubError> {
        let object = self.frames.last().is_some_and(|frame| frame.object);
        match byte {
            b',' => {
                input.at += 1;
                self.expect = if object { Expect::Key } else { Expect::Value };
            }
            b'}' if object => self.close(input, out),
            b']' if !object => self.close(input, out),
            _ => return Err(ScrubError::Syntax),
        }
        Ok(())
    }

    /// A value begins.
    fn value(&mut self, plan: &Plan, byte: u8, input: &mut Input<'_>, out: &mut Vec<u8>) -> Result<(), ScrubError> {
        self.bound(input, out);
        let treatment = if self.dropping.is_some() { Treatment::Drop } else { self.treatment(plan, byte) };
        if treatment == Treatment::Mask {
            self.secret_argument();
        } else if treatment == Treatment::Text
            && self.member.class.has(KeyClass::WAITS)
            && !matches!(byte, b't' | b'f' | b'n')
        {
            self.hold(input, out);
        }
        match byte {
            b'"' => self.string(Role::Value, treatment, input, out),
            b'{' | b'[' => self.open(plan, byte == b'{', treatment, input, out),
            b't' | b'f' | b'n' => {
                input.at += 1;
                self.word(word(byte).unwrap_or_default(), input, out)
            }
            byte => {
                let state = Number::begin(byte).ok_or(ScrubError::Syntax)?;
                let masked = treatment == Treatment::Mask;
                if masked {
                    self.mask(input, out);
                }
                input.at += 1;
                self.number(state, masked, input, out)
            }
        }
    }

    fn open(
        &mut self,
        plan: &Plan,
        object: bool,
        treatment: Treatment,
        input: &mut Input<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), ScrubError> {
        if self.frames.len() >= DEPTH_READ_MAX {
            return Err(ScrubError::Depth);
        }
        let too_deep = self.frames.len() >= DEPTH_MAX && self.dropping.is_none();
        if treatment == Treatment::Mask || too_deep {
            if treatment != Treatment::Mask {
                self.instead = SecretTreatment::Mask;
            }
            self.mask(input, out);
            self.dropping = Some(self.frames.len() + 1);
        }
        if object && (1..=2).contains(&self.frames.len()) && self.frames.last().is_some_and(|frame| !frame.object) {
            self.echo.item_begins();
        }
        let frame = self.member.open(plan, self.frames.len(), self.frames.last(), object, treatment == Treatment::Pass);
        self.frames.push(frame);
        input.at += 1;
        self.expect = if object { Expect::KeyOrEnd } else { Expect::ElementOrEnd };
        Ok(())
    }

    /// The innermost object or array ends.
    fn close(&mut self, input: &mut Input<'_>, out: &mut Vec<u8>) {
        self.bound(input, out);
        input.at += 1;
        self.object_ends(out);
        if self.dropping == Some(self.frames.len()) {
            self.dropping = None;
            input.from = input.at;
        }
        let named_late = self.frames.pop().is_some_and(|frame| frame.named_late) && self.holds_value();
        self.ended(input, out);
        if named_late {
            self.named_late();
        }
    }

    /// A value is over.
    #[inline]
    fn ended(&mut self, input: &mut Input<'_>, out: &mut Vec<u8>) {
        self.expect = if self.frames.is_empty() { Expect::Nothing } else { Expect::CommaOrEnd };
        if !self.holds.is_empty() {
            self.held_value_ended(input, out);
        }
        if self.dropping == Some(self.frames.len() + 1) {
            // What was dropped was no container: the rest of a value that was too long to hold.
            self.dropping = None;
            input.from = input.at;
        }
    }

    /// A key is over, and `class` is what it says.
    #[inline]
    fn keyed(&mut self, class: KeyClass, key: &[u8]) {
        self.expect = Expect::Colon;
        if let (Some(frame), Some(plan)) = (self.frames.last(), &self.plan) {
            self.member = frame.member(plan, self.frames.len(), class, key);
        }
    }

    fn number(
        &mut self,
        mut state: Number,
        masked: bool,
        input: &mut Input<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), ScrubError> {
        loop {
            let Some(byte) = input.bytes.get(input.at) else {
                self.token = Token::Number { state, masked };
                if masked {
                    input.from = input.at;
                }
                return Ok(());
            };
            match state.next(*byte) {
                Some(next) => state = next,
                None if state.complete() => break,
                None => return Err(ScrubError::Number),
            }
            input.at += 1;
        }
        if masked {
            input.from = input.at;
        }
        self.ended(input, out);
        Ok(())
    }

    fn word(&mut self, mut rest: &'static [u8], input: &mut Input<'_>, out: &mut Vec<u8>) -> Result<(), ScrubError> {
        while let Some((next, after)) = rest.split_first() {
            let Some(byte) = input.bytes.get(input.at) else {
                self.token = Token::Word { rest };
                return Ok(());
            };
            if byte != next {
                return Err(ScrubError::Word);
            }
            rest = after;
            input.at += 1;
        }
        self.ended(input, out);
        Ok(())
    }

    /// The mask instead of the value that begins here.
    fn mask(&mut self, input: &mut Input<'_>, out: &mut Vec<u8>) {
        self.flush(input, input.at, out);
        let instead = if self.instead == SecretTreatment::Drop { &[OMITTED] } else { QUOTED_MASK };
        self.emit(instead, out);
        self.report.masked += 1;
    }

    /// Gives out what was read up to `until`, unless it is part of something masked.
    #[inline]
    fn flush(&mut self, input: &mut Input<'_>, until: usize, out: &mut Vec<u8>) {
        if self.dropping.is_none()
            && let Some(bytes) = input.bytes.get(input.from..until)
        {
            self.emit(bytes, out);
        }
        input.from = until;
    }

    fn emit(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        self.holds.sink(out).extend_from_slice(bytes);
    }
}

impl std::fmt::Debug for Scrubber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scrubber").field("report", &self.report).field("failed", &self.failed).finish_non_exhaustive()
    }
}
