//! Strings: keys and values, whole or cut, short or of any length.
//!
//! A string that ends in the chunk in which it began is looked at where it stands. Another one is collected, up to one
//! window; a longer one is treated window by window, each of which overlaps the one before, so that what is cut by a
//! window's end is seen whole in the next. Windows depend on the string only, never on the chunks.

use std::ops::Range;
use std::sync::Arc;

use super::key::KeyClass;
use super::link::foreign;
use super::stream::{Input, Scrubber, Treatment};
use super::text::{Places, unescape};
use super::{MASK, OVERLAP_BYTES, QUOTED_MASK, ScrubError, WINDOW_BYTES};

/// The longest argument that may name the ones after it, in bytes.
const ARGUMENT_NAME_BYTES_MAX: usize = 256;

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
struct Seen {
    /// A byte without which no shape matches.
    suspect: bool,
    /// A backslash.
    escape: bool,
    /// A byte beyond ASCII.
    wide: bool,
}

/// Reused buffers.
#[derive(Default)]
pub(super) struct Strings {
    /// The collected part of a string, without quotes.
    partial: Vec<u8>,
    /// The text of a string that was written with escapes.
    text: String,
    spans: Vec<Range<usize>>,
    edits: Vec<Edit>,
}

/// A replacement in a string as written.
#[derive(Debug, Clone)]
struct Edit {
    range: Range<usize>,
    /// By irongate's origin; otherwise by the mask.
    origin: bool,
}

/// What a treated window allows to give out.
struct Treated {
    /// Bytes of the window that are done.
    done: usize,
    /// A secret reaches beyond the window: the rest of the string is dropped.
    endless: bool,
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
            Treatment::Text if simple && !seen.suspect && !self.looks_at_all => {}
            Treatment::Text | Treatment::Link => {
                self.treat(raw, seen, treatment, true)?;
            }
        }
        match role {
            Role::Key => self.key(raw, seen, treatment),
            Role::Value => self.value_text(raw, seen, treatment, out),
        }
        if treatment == Treatment::Mask && !raw.is_empty() {
            self.flush(input, range.start, out);
            self.emit(QUOTED_MASK, out);
            self.report.masked += u64::from(raw != MASK.as_bytes());
            input.from = input.at;
        } else if matches!(treatment, Treatment::Text | Treatment::Link) && !self.strings.edits.is_empty() {
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
            Treatment::Text | Treatment::Link => {
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
            Treatment::Mask if raw.is_empty() => self.emit(b"\"", out),
            Treatment::Mask => {
                self.emit(b"\"", out);
                self.emit(MASK.as_bytes(), out);
                self.report.masked += u64::from(raw != MASK.as_bytes());
                // The rest of it is read only; the closing quote is still due.
                token.treatment = Treatment::Drop;
                token.rest_masked = true;
            }
            Treatment::Pass | Treatment::Text | Treatment::Link => {
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

    fn replace(&mut self, edit: &Edit, out: &mut Vec<u8>) {
        if edit.origin {
            let origin = Arc::clone(&self.origin);
            self.emit(origin.as_bytes(), out);
        } else {
            self.report.masked += 1;
            self.emit(MASK.as_bytes(), out);
        }
    }

    /// A key is over. Its text is in the buffer if it was written with escapes.
    fn key(&mut self, raw: &[u8], seen: Seen, treatment: Treatment) {
        if matches!(treatment, Treatment::Drop | Treatment::Pass) {
            return self.keyed(KeyClass::default(), raw);
        }
        let text = std::mem::take(&mut self.strings.text);
        let key = if seen.escape { text.as_str() } else { std::str::from_utf8(raw).unwrap_or_default() };
        let class = self.rules.keys.judge(key);
        if !seen.escape && !seen.suspect {
            self.learnt.learn(raw, class);
        }
        self.keyed(class, key.as_bytes());
        self.strings.text = text;
    }

    /// A string value is over: it may name its siblings. Its text is in the buffer if it was written with escapes.
    #[inline]
    fn value_text(&mut self, raw: &[u8], seen: Seen, treatment: Treatment, out: &mut Vec<u8>) {
        let Some(frame) = self.frames.last() else { return };
        if matches!(treatment, Treatment::Drop | Treatment::Pass)
            || !(frame.argument_list || (frame.object && self.member.class.has(KeyClass::NAMES)))
        {
            return;
        }
        let text = if seen.escape { self.strings.text.as_str() } else { std::str::from_utf8(raw).unwrap_or_default() };
        let secret = self.rules.keys.names_a_secret(text);
        if frame.object {
            self.named(secret, out);
        } else if secret && text.len() < ARGUMENT_NAME_BYTES_MAX && !text.contains(char::is_whitespace) {
            // One argument names what the next ones hold; a text that happens to speak of secrets does not.
            self.named(true, out);
        }
    }

    /// A value longer than a window is over: if it names its siblings, nobody knows how.
    fn long_name(&mut self, out: &mut Vec<u8>) {
        if self.member.class.has(KeyClass::NAMES) && self.frames.last().is_some_and(|frame| frame.object) {
            self.named(true, out);
        }
    }

    /// Checks a string whose text does not matter.
    fn check(&mut self, raw: &[u8], seen: Seen) -> Result<(), ScrubError> {
        let text = written(raw, true)?;
        if seen.escape {
            unescape(text, true, &mut self.strings.text)?;
        }
        Ok(())
    }

    /// Checks a string (or its window, without `last`) and finds what to replace in it.
    fn treat(&mut self, raw: &[u8], seen: Seen, treatment: Treatment, last: bool) -> Result<Treated, ScrubError> {
        let strings = &mut self.strings;
        strings.edits.clear();
        let written = written(raw, last)?;
        let mut read = written.len();
        let text = if seen.escape {
            read = unescape(written, last, &mut strings.text)?;
            strings.text.as_str()
        } else {
            written
        };
        let looks = matches!(treatment, Treatment::Text | Treatment::Link)
            && (seen.suspect || seen.escape || self.looks_at_all);
        strings.spans.clear();
        if looks {
            self.rules.shapes.find(text, &mut strings.spans);
        }
        let link = if treatment == Treatment::Link && last { foreign(text).unwrap_or(0) } else { 0 };
        // What a window leaves for the next one: its last part, but no piece of a secret.
        let mut done =
            if last { text.len() } else { text.floor_char_boundary(text.len().saturating_sub(OVERLAP_BYTES)) };
        let mut endless = false;
        let mut places = seen.escape.then(|| Places::new(raw));
        let mut place = |offset: usize| places.as_mut().map_or(offset, |places| places.find(offset));
        if link > 0 {
            strings.edits.push(Edit { range: 0..place(link), origin: true });
        }
        for span in &strings.spans {
            if span.start >= done {
                break;
            }
            if span.end <= link {
                continue;
            }
            if !last && span.end == text.len() {
                endless = true;
            }
            done = done.max(span.end);
            let start = place(span.start.max(link));
            strings.edits.push(Edit { range: start..place(span.end), origin: false });
        }
        let done = if done == text.len() { read } else { place(done) };
        Ok(Treated { done, endless })
    }
}

impl Strings {
    #[cfg(test)]
    pub(super) fn bytes_kept(&self) -> usize {
        let spans = self.spans.capacity() * size_of::<Range<usize>>() + self.edits.capacity() * size_of::<Edit>();
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

/// The string as written, checked to be UTF-8. Without `last` a character that is cut at the end is left out.
fn written(raw: &[u8], last: bool) -> Result<&str, ScrubError> {
    match std::str::from_utf8(raw) {
        Ok(text) => Ok(text),
        Err(error) if error.error_len().is_none() && !last => {
            let (valid, _) = raw.split_at(error.valid_up_to());
            std::str::from_utf8(valid).map_err(|_| ScrubError::Utf8)
        }
        Err(_) => Err(ScrubError::Utf8),
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
        let (stop, suspect) = input.scan.plain(at);
        seen.suspect |= suspect;
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
