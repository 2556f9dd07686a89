//! Lines of a file that grows, is moved away and made anew, or is cut to nothing.

use std::fs::{File, Metadata};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A longer line is no record. In bytes.
const LINE_BYTES_MAX: usize = 1024 * 1024;

pub(super) struct Source {
    reader: Box<dyn BufRead>,
    followed: Option<Followed>,
    /// The part of a line that has come, but for what is beyond the bound.
    partial: Vec<u8>,
    is_too_long: bool,
    number: u64,
}

struct Followed {
    path: PathBuf,
    identity: (u64, u64),
    /// Bytes read.
    position: u64,
    /// It was moved away, and is read to its end.
    ends: bool,
}

pub(super) enum Next {
    /// With its number in its file.
    Line(Vec<u8>, u64),
    TooLong(u64),
    /// There is nothing more at present; of standard input, for ever.
    Nothing,
}

impl Source {
    pub(super) fn input() -> Self {
        Self::of(Box::new(BufReader::new(std::io::stdin())), None)
    }

    pub(super) fn file(path: &Path) -> std::io::Result<Self> {
        let (reader, identity) = open(path)?;
        Ok(Self::of(reader, Some(Followed { path: path.to_owned(), identity, position: 0, ends: false })))
    }

    fn of(reader: Box<dyn BufRead>, followed: Option<Followed>) -> Self {
        Self { reader, followed, partial: Vec::new(), is_too_long: false, number: 0 }
    }

    pub(super) fn is_file(&self) -> bool {
        self.followed.is_some()
    }

    /// The next line. A line without its end waits for it; of standard input the last one is taken without.
    pub(super) fn next_line(&mut self) -> std::io::Result<Next> {
        loop {
            let piece = self.reader.fill_buf()?;
            if piece.is_empty() {
                if self.followed.is_some() {
                    if self.renewed()? {
                        continue;
                    }
                    return Ok(Next::Nothing);
                }
                return Ok(if self.partial.is_empty() && !self.is_too_long { Next::Nothing } else { self.line() });
            }
            let end = memchr::memchr(b'\n', piece);
            let taken = end.map_or(piece.len(), |end| end + 1);
            let text = piece.get(..end.unwrap_or(piece.len())).unwrap_or_default();
            if self.partial.len() + text.len() > LINE_BYTES_MAX {
                self.is_too_long = true;
                self.partial.clear();
            } else if !self.is_too_long {
                self.partial.extend_from_slice(text);
            }
            self.reader.consume(taken);
            if let Some(followed) = &mut self.followed {
                followed.position += taken as u64;
            }
            if end.is_some() {
                return Ok(self.line());
            }
        }
    }

    fn line(&mut self) -> Next {
        self.number += 1;
        let text = std::mem::take(&mut self.partial);
        if std::mem::take(&mut self.is_too_long) { Next::TooLong(self.number) } else { Next::Line(text, self.number) }
    }

    /// Whether there is more after all: the same file anew, or another one of this name in which something stands, so that
    /// nothing comes into the old one any more. The old one is read to its end once more then.
    fn renewed(&mut self) -> std::io::Result<bool> {
        let Some(followed) = &mut self.followed else { return Ok(false) };
        let Ok(metadata) = std::fs::metadata(&followed.path) else { return Ok(false) };
        let is_other = identity(&metadata) != followed.identity;
        let is_cut = !is_other && metadata.is_file() && metadata.len() < followed.position;
        if !(is_cut || (is_other && metadata.len() > 0)) {
            return Ok(false);
        }
        if is_other && !std::mem::replace(&mut followed.ends, true) {
            return Ok(true);
        }
        let Ok((reader, identity)) = open(&followed.path) else { return Ok(false) };
        self.reader = reader;
        (followed.identity, followed.position, followed.ends) = (identity, 0, false);
        self.number = 0;
        self.partial.clear();
        self.is_too_long = false;
        Ok(true)
    }
}

fn open(path: &Path) -> std::io::Result<(Box<dyn BufRead>, (u64, u64))> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    Ok((Box::new(BufReader::new(file)), identity(&metadata)))
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}
