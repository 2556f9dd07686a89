//! Writing: one spelling per value.

use bytes::Bytes;

use super::Json;

/// From this length (bytes) on, a string that needs no copy is not copied. Below it a piece of its own costs more than
/// the copy.
const SLICE_BYTES_MIN: usize = 16 * 1024;

/// A canonical text in pieces: long strings are slices of the body they came from, so that a large body exists once.
///
/// Its `Debug` gives the length only: the text holds secrets.
#[derive(Default)]
pub struct Canonical {
    /// The pieces, in order; none is empty.
    pub pieces: Vec<Bytes>,
    /// Their length in all, which is the new `Content-Length`.
    pub length: usize,
}

impl std::fmt::Debug for Canonical {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Canonical").field("length", &self.length).finish_non_exhaustive()
    }
}

/// Writes `value`, which was parsed from `source`.
///
/// Compact, UTF-8, members in their order, the shortest escapes, floats always with a point or an exponent. A value that
/// came from somewhere else than `source` is written all the same, by copy.
pub fn canonical(value: &Json<'_>, source: &Bytes) -> Canonical {
    let mut writer = Writer { source, buffer: Vec::with_capacity(256), out: Canonical::default() };
    writer.value(value);
    writer.flush();
    writer.out
}

struct Writer<'s> {
    source: &'s Bytes,
    buffer: Vec<u8>,
    out: Canonical,
}

impl Writer<'_> {
    /// Recursion is bounded: the reader's depth limit made the value.
    fn value(&mut self, value: &Json<'_>) {
        match value {
            Json::Null => self.text("null"),
            Json::Boolean(true) => self.text("true"),
            Json::Boolean(false) => self.text("false"),
            Json::Integer(number) => self.text(&number.to_string()),
            // `Debug` gives the shortest text that reads back as the same double, and never one without "." or "e".
            Json::Float(number) => self.text(&format!("{number:?}")),
            Json::String(text) => self.string(text),
            Json::Array(items) => {
                self.text("[");
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        self.text(",");
                    }
                    self.value(item);
                }
                self.text("]");
            }
            Json::Object(members) => {
                self.text("{");
                for (index, (key, member)) in members.iter().enumerate() {
                    if index > 0 {
                        self.text(",");
                    }
                    self.string(key);
                    self.text(":");
                    self.value(member);
                }
                self.text("}");
            }
        }
    }

    fn string(&mut self, text: &str) {
        self.text("\"");
        if text.len() >= SLICE_BYTES_MIN && self.is_in_source(text) && !needs_escapes(text) {
            self.flush();
            self.piece(self.source.slice_ref(text.as_bytes()));
        } else {
            self.escaped(text);
        }
        self.text("\"");
    }

    fn escaped(&mut self, text: &str) {
        let mut rest = text.as_bytes();
        while let Some(at) = rest.iter().position(|byte| must_escape(*byte)) {
            let (plain, tail) = rest.split_at(at);
            self.buffer.extend_from_slice(plain);
            let Some((byte, tail)) = tail.split_first() else { break };
            match byte {
                b'"' => self.text("\\\""),
                b'\\' => self.text("\\\\"),
                b'\n' => self.text("\\n"),
                b'\r' => self.text("\\r"),
                b'\t' => self.text("\\t"),
                control => self.text(&format!("\\u{control:04x}")),
            }
            rest = tail;
        }
        self.buffer.extend_from_slice(rest);
    }

    fn text(&mut self, text: &str) {
        self.buffer.extend_from_slice(text.as_bytes());
    }

    fn flush(&mut self) {
        let written = std::mem::take(&mut self.buffer);
        self.piece(Bytes::from(written));
    }

    fn piece(&mut self, piece: Bytes) {
        if !piece.is_empty() {
            self.out.length += piece.len();
            self.out.pieces.push(piece);
        }
    }

    /// Whether the text lies in the source's own memory; addresses are compared, nothing is read through them.
    fn is_in_source(&self, text: &str) -> bool {
        let source = self.source.as_ptr().addr();
        let text_start = text.as_ptr().addr();
        text_start >= source && text_start + text.len() <= source + self.source.len()
    }
}

/// Looks at every byte, without an early end, so that the compiler makes one pass of wide loads of it.
fn needs_escapes(text: &str) -> bool {
    text.bytes().fold(false, |found, byte| found | must_escape(byte))
}

/// What JSON does not allow to stand for itself in a string.
const fn must_escape(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

#[cfg(test)]
mod tests;
