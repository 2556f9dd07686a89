//! A string, or a window of a long one: checked, and searched for what is to be replaced in it.

use std::ops::Range;

use super::Scrubber;
use super::decide::Treatment;
use super::string::Seen;
use super::text::{Places, unescape};
use crate::scrub::link::foreign;
use crate::scrub::shapes::suspect::suspect;
use crate::scrub::{OVERLAP_BYTES, ScrubError};

/// A replacement in a string as written.
#[derive(Debug, Clone)]
pub(super) struct Edit {
    pub(super) range: Range<usize>,
    /// By irongate's origin; otherwise by the mask.
    pub(super) origin: bool,
}

/// What a treated window allows to give out.
pub(super) struct Treated {
    /// Bytes of the window that are done.
    pub(super) done: usize,
    /// A secret reaches beyond the window: the rest of the string is dropped.
    pub(super) endless: bool,
}

impl Scrubber {
    /// Checks a string whose text does not matter.
    pub(super) fn check(&mut self, raw: &[u8], seen: Seen) -> Result<(), ScrubError> {
        let text = written(raw, true)?;
        if seen.escape {
            unescape(text, true, &mut self.strings.text)?;
        }
        Ok(())
    }

    /// Checks a string (or its window, without `last`) and finds what to replace in it.
    pub(super) fn treat(
        &mut self,
        raw: &[u8],
        seen: Seen,
        treatment: Treatment,
        last: bool,
    ) -> Result<Treated, ScrubError> {
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
        let looks = matches!(treatment, Treatment::Text | Treatment::Listed | Treatment::Link)
            && (seen.escape || seen.wide || self.looks_at_all || suspect(raw, 0, raw.len()));
        strings.spans.clear();
        if looks {
            if treatment == Treatment::Listed {
                self.rules.shapes.find_listed(text, &mut strings.spans);
            } else {
                self.rules.shapes.find(text, &mut strings.spans);
            }
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
        // No cut parts a secret, nor it from the name in front of it.
        for span in &strings.spans {
            if span.known_from < done {
                done = done.max(span.end);
            }
        }
        for span in strings.spans.iter().take_while(|span| span.start < done) {
            if span.end <= link {
                continue;
            }
            if !last && span.end == text.len() {
                endless = true;
            }
            let start = place(span.start.max(link));
            strings.edits.push(Edit { range: start..place(span.end), origin: false });
        }
        let done = if done == text.len() { read } else { place(done) };
        Ok(Treated { done, endless })
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
