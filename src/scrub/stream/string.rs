//! Strings: keys and values, whole or cut, short or of any length.
//!
//! A string that ends in the chunk in which it began is looked at where it stands. Another one is collected, up to one
//! window; a longer one is treated window by window, each of which overlaps the one before, so that what is cut by a
//! window's end is seen whole in the next. Windows depend on the string only, never on the chunks.

use std::ops::Range;
use std::sync::Arc;

use super::decide::Treatment;
use super::frame::Named;
use super::omit::OMITTED;
use super::window::Edit;
use super::{Input, Scrubber};
use crate::scrub::names::key::KeyClass;
use crate::scrub::names::named::{REFERENCE_BYTES_MAX, is_looped, is_reference};
use crate::scrub::names::table::Ends;
use crate::scrub::rules::treatment::{SecretTreatment, is_hmac};
use crate::scrub::shapes::Span;
use crate::scrub::shapes::suspect::suspect;
use crate::scrub::{MASK, QUOTED_MASK, ScrubError, WINDOW_BYTES};

/// What a string is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Key,
    Value,
}

/// A string that is being collected.
pub(super) struct StringToken {
    role: Role,
    treatment: Treatment,
    seen: Seen,
    /// The last byte was a backslash.
    split: bool,
    /// A window of it was given out, with the quote in front.
    begun: bool,
    /// It turned into a mask and a closing quote is still due.
    rest_masked: bool,
}

/// What was met on the way to a string's end.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Seen {
    /// A backslash.
    pub(super) escape: bool,
    /// A byte beyond ASCII.
    pub(super) wide: bool,
}

/// Reused buffers.
#[derive(Default)]
pub(super) struct Strings {
    /// The collected part of a string, without quotes.
    partial: Vec<u8>,
    /// The text of a string that was written with escapes.
    pub(super) text: String,
    pub(super) spans: Vec<Span>,
    pub(super) edits: Vec<Edit>,
}

impl Scrubber {
    /// A string begins at the input's place.
    pub(super) fn string(
        &mut self,
        role: Role,
        treatment: Treatment,
        input: &mut Input<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), ScrubError> {
        let quote = input.at;
        let mut seen = Seen::default();
        input.at += 1;
        let found = end(input, input.bytes.len(), &mut seen)?;
        if let Found::End(last) = found
            && last - quote <= WINDOW_BYTES
        {
            input.at = last + 1;
            return self.whole(role, treatment, seen, quote..last, input, out);
        }
        self.flush(input, quote, out);
        input.at = quote + 1;
        input.from = input.at;
        self.strings.partial.clear();
        let seen = Seen::default();
        let token = StringToken { role, treatment, seen, split: false, begun: false, rest_masked: false };
        self.feed(token, input, out)
    }

    /// A string within one chunk: `range` begins with its first quote and ends before its last one.
    fn whole(
        &mut self,
        role: Role,
        treatment: Treatment,
        seen: Seen,
        range: Range<usize>,
        input: &mut Input<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), ScrubError> {
        let start = range.start + 1;
        let raw = input.bytes.get(start..range.end).unwrap_or_default();
        let simple = !seen.escape && !seen.wide;
        match treatment {
            Treatment::Mask if !raw.is_empty() && !simple => self.check(raw, seen)?,
            Treatment::Mask | Treatment::Drop | Treatment::Pass if simple => {}
            Treatment::Mask => {}
            Treatment::Drop | Treatment::Pass => self.check(raw, seen)?,
            Treatment::Text | Treatment::Listed if simple && !self.looks_at_all && !suspect(raw, 0, raw.len()) => {}
            Treatment::Text | Treatment::Listed | Treatment::Link => {
                self.treat(raw, seen, treatment, true)?;
            }
        }
        match role {
            Role::Key => self.key(raw, seen, treatment),
            Role::Value => self.value_text(raw, seen, treatment, out),
        }
        if treatment == Treatment::Mask && (!raw.is_empty() || self.instead == SecretTreatment::Drop) {
            self.flush(input, range.start, out);
            match self.instead {
                SecretTreatment::Drop => self.emit(&[OMITTED], out),
                SecretTreatment::Hmac => {
                    let text = format!("\"{}\"", self.hashed(raw, seen));
                    self.emit(text.as_bytes(), out);
                }
                SecretTreatment::Mask | SecretTreatment::Keep => self.emit(QUOTED_MASK, out),
            }
            self.report.masked += u64::from(!hidden_already(raw));
            input.from = input.at;
        } else if matches!(treatment, Treatment::Text | Treatment::Listed | Treatment::Link)
            && !self.strings.edits.is_empty()
        {
            let edits = std::mem::take(&mut self.strings.edits);
            for edit in &edits {
                self.flush(input, start + edit.range.start, out);
                self.replace(edit, out);
                input.from = start + edit.range.end;
            }
            self.strings.edits = edits;
            self.strings.edits.clear();
        }
        if role == Role::Value {
            self.ended(input, out);
        }
        Ok(())
    }

    /// Collects a string that was cut, or is longer than a window.
    pub(super) fn feed(
        &mut self,
        mut token: StringToken,
        input: &mut Input<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), ScrubError> {
        loop {
            if token.split {
                // The byte after a backslash is judged with its escape.
                let Some(byte) = input.bytes.get(input.at) else { break };
                self.strings.collect(&[*byte]);
                input.at += 1;
                token.split = false;
            }
            let begin = input.at;
            let room = (WINDOW_BYTES + 1).saturating_sub(self.strings.partial.len());
            let limit = input.bytes.len().min(begin + room);
            let found = end(input, limit, &mut token.seen)?;
            let (Found::End(until) | Found::Cut(until) | Found::Split(until)) = found;
            self.strings.collect(input.bytes.get(begin..until).unwrap_or_default());
            input.at = until;
            if matches!(found, Found::End(_)) {
                input.at += 1;
                input.from = input.at;
                return self.collected(token, input, out);
            }
            token.split = matches!(found, Found::Split(_));
            if self.strings.partial.len() > WINDOW_BYTES {
                self.window(&mut token, out)?;
            } else if input.at >= input.bytes.len() {
                break;
            }
        }
        input.from = input.at;
        self.suspend(token);
        Ok(())
    }

    /// A collected string is over.
    fn collected(
        &mut self,
        mut token: StringToken,
        input: &mut Input<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), ScrubError> {
        let raw = std::mem::take(&mut self.strings.partial);
        let treatment = token.treatment;
        match treatment {
            Treatment::Text | Treatment::Listed | Treatment::Link => {
                self.treat(&raw, token.seen, treatment, true)?;
            }
            Treatment::Mask | Treatment::Drop | Treatment::Pass => self.check(&raw, token.seen)?,
        }
        match token.role {
            Role::Key if token.begun => self.keyed(KeyClass::SECRET, b""),
            Role::Key => self.key(&raw, token.seen, treatment),
            Role::Value if token.begun => self.long_name(out),
            Role::Value => self.value_text(&raw, token.seen, treatment, out),
        }
        if self.dropping.is_none() {
            self.give(&mut token, &raw, raw.len(), out);
            if token.treatment != Treatment::Drop || token.rest_masked {
                self.emit(b"\"", out);
            }
        }
        self.strings.partial = raw;
        self.strings.partial.clear();
        if token.role == Role::Value {
            self.ended(input, out);
        }
        Ok(())
    }

    /// Gives out the first part of a string that is longer than a window.
    fn window(&mut self, token: &mut StringToken, out: &mut Vec<u8>) -> Result<(), ScrubError> {
        let raw = std::mem::take(&mut self.strings.partial);
        let window = raw.get(..WINDOW_BYTES).unwrap_or_default();
        let treated = self.treat(window, token.seen, token.treatment, false)?;
        if self.instead == SecretTreatment::Hmac {
            // It is not whole: the mask has to do.
            self.instead = SecretTreatment::Mask;
        }
        if self.crowded(treated.done) && self.overflow(out) {
            token.treatment = Treatment::Drop;
        }
        if self.dropping.is_none() {
            self.give(token, window, treated.done, out);
        }
        token.begun = true;
        if treated.endless {
            token.rest_masked = true;
            token.treatment = Treatment::Drop;
        }
        self.strings.partial = raw;
        self.strings.partial.drain(..treated.done);
        Ok(())
    }

    /// Gives out the first `done` bytes of a collected string with their edits.
    fn give(&mut self, token: &mut StringToken, raw: &[u8], done: usize, out: &mut Vec<u8>) {
        match token.treatment {
            Treatment::Drop => {}
            Treatment::Mask if self.instead == SecretTreatment::Drop => {
                self.emit(&[OMITTED], out);
                self.report.masked += u64::from(!hidden_already(raw));
                token.treatment = Treatment::Drop;
            }
            Treatment::Mask if raw.is_empty() => self.emit(b"\"", out),
            Treatment::Mask => {
                self.emit(b"\"", out);
                let text = match self.instead {
                    SecretTreatment::Hmac => self.hashed(raw, token.seen),
                    SecretTreatment::Mask | SecretTreatment::Drop | SecretTreatment::Keep => MASK.to_owned(),
                };
                self.emit(text.as_bytes(), out);
                self.report.masked += u64::from(!hidden_already(raw));
                // The rest of it is read only; the closing quote is still due.
                token.treatment = Treatment::Drop;
                token.rest_masked = true;
            }
            Treatment::Pass | Treatment::Text | Treatment::Listed | Treatment::Link => {
                if !token.begun {
                    self.emit(b"\"", out);
                }
                let edits = std::mem::take(&mut self.strings.edits);
                let mut from = 0;
                for edit in &edits {
                    self.emit(raw.get(from..edit.range.start).unwrap_or_default(), out);
                    self.replace(edit, out);
                    from = edit.range.end;
                }
                self.emit(raw.get(from..done).unwrap_or_default(), out);
                self.strings.edits = edits;
                self.strings.edits.clear();
            }
        }
    }

    /// The HMAC of a whole string, whose text is in the buffer if it was written with escapes. Of the mask there is none,
    /// nor of what may be more than one string: halves of surrogate pairs are all the same.
    fn hashed(&self, raw: &[u8], seen: Seen) -> String {
        let text = if seen.escape { self.strings.text.as_bytes() } else { raw };
        let several = seen.escape && self.strings.text.contains(char::REPLACEMENT_CHARACTER);
        let key = self.rules.key.as_ref().filter(|_| text != MASK.as_bytes() && !several);
        key.map_or_else(|| MASK.to_owned(), |key| key.text(text))
    }

    fn replace(&mut self, edit: &Edit, out: &mut Vec<u8>) {
        if edit.origin {
            let origin = Arc::clone(&self.origin);
            self.emit(origin.as_bytes(), out);
        } else {
            self.report.masked += 1;
            self.secret_argument();
            self.emit(MASK.as_bytes(), out);
        }
    }

    /// A key is over. Its text is in the buffer if it was written with escapes.
    fn key(&mut self, raw: &[u8], seen: Seen, treatment: Treatment) {
        let text = std::mem::take(&mut self.strings.text);
        let key = if seen.escape { text.as_str() } else { std::str::from_utf8(raw).unwrap_or_default() };
        if matches!(treatment, Treatment::Drop | Treatment::Pass) {
            self.keyed(KeyClass::default(), key.as_bytes());
            self.strings.text = text;
            return;
        }
        let known = if seen.escape { None } else { self.rules.keys.known().find(raw, Ends::of(raw)) };
        let class = known.unwrap_or_else(|| self.rules.keys.judge(key));
        let looped = is_looped(key);
        if !seen.escape && !looped && !suspect(raw, 0, raw.len()) {
            self.learnt.learn(raw, class);
        }
        let below_arguments = self.frames.last().is_some_and(|frame| frame.below_arguments);
        self.keyed(if looped && below_arguments { class.and(KeyClass::SECRET) } else { class }, key.as_bytes());
        self.strings.text = text;
    }

    /// A string value is over: it may name its siblings. Its text is in the buffer if it was written with escapes.
    #[inline]
    fn value_text(&mut self, raw: &[u8], seen: Seen, treatment: Treatment, out: &mut Vec<u8>) {
        let Some(frame) = self.frames.last() else { return };
        if matches!(treatment, Treatment::Drop | Treatment::Pass)
            || !(frame.argument_list || (frame.object && self.member.class.has(KeyClass::NAMES)))
        {
            if frame.below_arguments && frame.object && treatment == Treatment::Text {
                self.reference(raw, seen);
            }
            return;
        }
        let text = if seen.escape { self.strings.text.as_str() } else { std::str::from_utf8(raw).unwrap_or_default() };
        // In a loop's arguments, the name may be any.
        let any = frame.below_arguments && (frame.object || frame.index == 1) && is_looped(text);
        let secret = any || self.rules.names_a_secret(text);
        if frame.object {
            self.named(secret, out);
        } else if secret && text.len() < REFERENCE_BYTES_MAX && !text.contains(char::is_whitespace) {
            // One argument names what the next ones hold; a text that happens to speak of secrets does not.
            let late = frame.index > 1 && frame.named != Named::Secret;
            self.named(true, out);
            if let Some(frame) = self.frames.last_mut() {
                frame.named_late |= late;
            }
        }
    }

    /// A value of arguments may refer to a secret: then what it is compared with is one.
    fn reference(&mut self, raw: &[u8], seen: Seen) {
        let class = self.member.class;
        let text = if seen.escape { self.strings.text.as_str() } else { std::str::from_utf8(raw).unwrap_or_default() };
        if class.has(KeyClass::VALUES)
            && !class.has(KeyClass::COMPARED)
            && is_reference(text)
            && self.rules.names_a_secret(text)
        {
            self.refers();
        }
    }

    /// A value longer than a window is over: if it names its siblings, nobody knows how.
    fn long_name(&mut self, out: &mut Vec<u8>) {
        if self.member.class.has(KeyClass::NAMES) && self.frames.last().is_some_and(|frame| frame.object) {
            self.named(true, out);
        }
    }
}

/// The mask, or an HMAC of ours: what is hidden already does not count again.
pub(super) fn hidden_already(raw: &[u8]) -> bool {
    raw == MASK.as_bytes() || std::str::from_utf8(raw).is_ok_and(is_hmac)
}

impl Strings {
    #[cfg(test)]
    pub(super) fn bytes_kept(&self) -> usize {
        let spans = self.spans.capacity() * size_of::<Span>() + self.edits.capacity() * size_of::<Edit>();
        self.partial.capacity() + self.text.capacity() + spans
    }

    /// Collects without taking more memory than a window needs.
    fn collect(&mut self, bytes: &[u8]) {
        let needed = self.partial.len() + bytes.len();
        if needed > self.partial.capacity() {
            let size = needed.max((2 * self.partial.capacity()).min(WINDOW_BYTES + 1));
            self.partial.reserve_exact(size - self.partial.len());
        }
        self.partial.extend_from_slice(bytes);
    }
}

/// How the search for a string's end came out.
#[derive(Debug, Clone, Copy)]
enum Found {
    /// The closing quote is here.
    End(usize),
    /// The limit was reached.
    Cut(usize),
    /// The limit was reached right after a backslash.
    Split(usize),
}

/// Searches from the input's place up to `limit` for the end of a string.
#[inline]
fn end(input: &mut Input<'_>, limit: usize, seen: &mut Seen) -> Result<Found, ScrubError> {
    let mut at = input.at;
    loop {
        let stop = input.scan.plain(at);
        if stop >= limit {
            return Ok(Found::Cut(limit));
        }
        match input.bytes.get(stop) {
            Some(b'"') => return Ok(Found::End(stop)),
            Some(b'\\') => {
                seen.escape = true;
                if stop + 1 >= limit {
                    return Ok(Found::Split(limit));
                }
                at = stop + 2;
            }
            Some(0x80..) => {
                seen.wide = true;
                at = stop + 1;
            }
            Some(_) | None => return Err(ScrubError::Control),
        }
    }
}
