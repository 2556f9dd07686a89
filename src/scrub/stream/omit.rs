//! Leaves members and items out of JSON that is given out in pieces.
//!
//! The scrubber writes one byte that no JSON has, [`OMITTED`], in place of a value that is to be dropped. What leads to a
//! value (a comma, a key, a colon) is held back here until its first byte is seen.

/// Stands for a value that is dropped.
pub(super) const OMITTED: u8 = 0;
/// The longest lead that is held back: keys of secrets are shorter, and a longer one is given out with a mask behind it.
const LEAD_BYTES_MAX: usize = 4096;

/// What has been seen of one answer.
#[derive(Debug, Default)]
pub(super) struct Omitter {
    /// From the comma or the opening bracket on, while no value has come.
    lead: Vec<u8>,
    leading: bool,
    in_string: bool,
    escaped: bool,
    /// For each open object or array: whether it has given out an entry.
    given: Vec<Level>,
}

#[derive(Debug, Clone, Copy)]
struct Level {
    object: bool,
    given: bool,
}

impl Omitter {
    /// Takes what the scrubber gave out and appends what is left of it.
    pub(super) fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        for byte in bytes {
            self.byte(*byte, out);
        }
    }

    fn byte(&mut self, byte: u8, out: &mut Vec<u8>) {
        if self.in_string {
            self.put(byte, out);
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
            return;
        }
        match byte {
            b'{' | b'[' => {
                self.value_begins(out);
                out.push(byte);
                self.given.push(Level { object: byte == b'{', given: false });
                self.begin_lead();
            }
            b'}' | b']' => {
                // What was held is white space, or the comma of an entry that never came (which is no JSON, and cut).
                self.end_lead(out);
                self.given.pop();
                out.push(byte);
            }
            b',' => {
                self.end_lead(out);
                self.begin_lead();
            }
            b'"' => {
                // A first string in an object's entry is its key.
                let key = self.leading && self.object() && !self.lead.contains(&b'"');
                if !key {
                    self.value_begins(out);
                }
                self.in_string = true;
                self.put(byte, out);
            }
            OMITTED if self.leading => {
                self.lead.clear();
                self.leading = false;
            }
            // The whole answer, or behind a key that is too long to be held.
            OMITTED => out.extend_from_slice(crate::scrub::QUOTED_MASK),
            b' ' | b'\t' | b'\n' | b'\r' | b':' => self.put(byte, out),
            byte => {
                self.value_begins(out);
                out.push(byte);
            }
        }
    }

    fn object(&self) -> bool {
        self.given.last().is_some_and(|level| level.object)
    }

    fn begin_lead(&mut self) {
        self.lead.clear();
        self.leading = true;
    }

    /// Nothing came of it: only its white space is left.
    fn end_lead(&mut self, out: &mut Vec<u8>) {
        if self.leading {
            out.append(&mut self.lead);
            self.leading = false;
        }
    }

    /// An entry is given out: with a comma if it is not the first.
    fn value_begins(&mut self, out: &mut Vec<u8>) {
        if !self.leading {
            return;
        }
        if let Some(level) = self.given.last_mut()
            && std::mem::replace(&mut level.given, true)
        {
            out.push(b',');
        }
        self.end_lead(out);
    }

    fn put(&mut self, byte: u8, out: &mut Vec<u8>) {
        if self.leading && self.lead.len() >= LEAD_BYTES_MAX {
            self.value_begins(out);
        }
        if self.leading { self.lead.push(byte) } else { out.push(byte) }
    }
}

#[cfg(test)]
mod tests {
    use super::Omitter;

    /// `~` stands for the byte.
    #[track_caller]
    fn check(given: &str, expected: &str) {
        let given = given.replace('~', "\0");
        for size in [1, 2, 3, 7, given.len().max(1)] {
            let (mut omitter, mut out) = (Omitter::default(), Vec::new());
            for chunk in given.as_bytes().chunks(size) {
                omitter.push(chunk, &mut out);
            }
            assert_eq!(String::from_utf8(out).unwrap(), expected, "{given} in pieces of {size}");
        }
    }

    #[test]
    fn entries_are_left_out_with_their_commas() {
        check(r#"{"a":~}"#, "{}");
        check(r#"{"a":~,"b":1}"#, r#"{"b":1}"#);
        check(r#"{"b":1,"a":~}"#, r#"{"b":1}"#);
        check(r#"{"b":1,"a":~,"c":2}"#, r#"{"b":1,"c":2}"#);
        check(r#"{"a":~,"b":~,"c":{"d":~,"e":[1,~,2]},"f":~}"#, r#"{"c":{"e":[1,2]}}"#);
        check(r#"[~,~]"#, "[]");
        check(r#"[~,"x",{"a":~}]"#, r#"["x",{}]"#);
        check(r#"{"a,\"]{":~,"b":"x,y"}"#, r#"{"b":"x,y"}"#);
        check("~", "\"******\"");
    }

    #[test]
    fn all_else_is_unchanged() {
        for text in [
            r#"{"a":"b, \" } ] \\","c":[1,true,null,-2.5e3,"x"],"d":{},"e":[]}"#,
            r#"[[],[[]],{"a":[{}]}]"#,
            "\"text\"",
            "12",
        ] {
            check(text, text);
        }
        check("{ \"a\" : 1 , \"b\" : [ ] }", "{ \"a\" : 1 , \"b\" : [ ] }");
    }
}
