//! Finds where the plain part of a string ends, 64 bytes at a time.
//!
//! A block of 64 bytes becomes two bit sets: bytes that need a decision (quote, backslash, control, beyond ASCII) and
//! bytes without which no secret's shape can match. Both are kept until the reader leaves the block, so that short
//! strings cost a few bit operations each. The loops over a block are written so that the compiler makes vector code
//! of them; a plain twin is what the tests compare with.

const BLOCK: usize = 64;

/// The bit sets of one block; bit *i* stands for byte *i*.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Masks {
    stop: u64,
    suspect: u64,
}

/// Reads one chunk, mostly forwards.
pub(super) struct Scan<'c> {
    bytes: &'c [u8],
    /// Where the block begins whose sets are kept.
    base: usize,
    masks: Masks,
}

impl<'c> Scan<'c> {
    pub(super) fn new(bytes: &'c [u8]) -> Self {
        Self { bytes, base: usize::MAX, masks: Masks { stop: 0, suspect: 0 } }
    }

    /// The first byte at or after `from` that needs a decision (or a place beyond the chunk's end), and whether a byte
    /// before it may belong to a secret's shape.
    #[inline]
    pub(super) fn plain(&mut self, from: usize) -> (usize, bool) {
        let mut at = from;
        let mut suspect = 0;
        loop {
            let base = at & !(BLOCK - 1);
            if base != self.base {
                if base >= self.bytes.len() {
                    return (self.bytes.len(), suspect != 0);
                }
                self.load(base);
            }
            let shift = at & (BLOCK - 1);
            let stops = self.masks.stop >> shift;
            let suspects = self.masks.suspect >> shift;
            if stops != 0 {
                let count = stops.trailing_zeros();
                suspect |= suspects & !(u64::MAX << count);
                return (at + count as usize, suspect != 0);
            }
            suspect |= suspects;
            at = base + BLOCK;
        }
    }

    #[inline(never)]
    fn load(&mut self, base: usize) {
        let mut padded = [0; BLOCK + 2];
        let around = match base.checked_sub(1).and_then(|before| self.bytes.get(before..)?.first_chunk()) {
            Some(around) => around,
            None => {
                // At the chunk's ends: beyond them is NUL, which stops, so that nothing is found there. In front there
                // may have been a letter.
                let (first, rest) = padded.split_at_mut(1);
                first.fill(base.checked_sub(1).and_then(|before| self.bytes.get(before)).copied().unwrap_or(b'z'));
                let bytes = self.bytes.get(base..).unwrap_or_default();
                rest.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
                &padded
            }
        };
        self.masks = masks(around);
        self.base = base;
    }
}

/// Whether a byte ends the plain part of a string.
#[cfg(test)]
const fn stops(byte: u8) -> bool {
    byte < 0x20 || byte >= 0x80 || byte == b'"' || byte == b'\\'
}

/// Whether a secret's shape needs this byte: `@` for user information in URLs, `=`, `:` after a word, space, `'` and
/// `%` for assignments, `J` for JSON web tokens (`eyJ`), `A` for Fernet tokens (`gAAAAA`), `$` for hashes, space for
/// PEM headers. 1 if so. A few rare signs are in too, where that is cheaper.
#[inline]
fn marks(byte: u8) -> u8 {
    // Two ranges: from space to `'`, and `@` with `A`.
    u8::from(byte & 0xf8 == 0x20) | u8::from(byte & 0xfe == 0x40) | u8::from(byte == b'=') | u8::from(byte == b'J')
}

#[cfg(test)]
const fn names(byte: u8) -> bool {
    byte | 0x20 > b'f' && byte < 0x80
}

/// The sets of one block, which stands between one byte before it and one after it.
///
/// A colon is suspect when it follows a letter beyond hexadecimal and no slash comes next: `token:x`, but neither a
/// time, a hardware address nor `http://`.
#[inline]
fn masks(around: &[u8; BLOCK + 2]) -> Masks {
    let mut stop = [0; BLOCK];
    let mut mark = [0; BLOCK];
    let bytes = around.iter().zip(around.iter().skip(1)).zip(around.iter().skip(2));
    for ((stop, mark), ((before, byte), after)) in stop.iter_mut().zip(&mut mark).zip(bytes) {
        // Signed: what is below 0x20 or has the highest bit set.
        *stop = u8::from(byte.cast_signed() < 0x20) | u8::from(*byte == b'"') | u8::from(*byte == b'\\');
        let letter = (before | 0x20).cast_signed() > b'f'.cast_signed();
        *mark = marks(*byte) | (u8::from(*byte == b':') & u8::from(letter) & u8::from(*after != b'/'));
    }
    Masks { stop: pack(&stop), suspect: pack(&mark) }
}

/// Bytes of 0 and 1 as bits.
#[inline]
fn pack(bytes: &[u8; BLOCK]) -> u64 {
    let (words, _) = bytes.as_chunks::<8>();
    let mut bits = 0;
    for (index, word) in words.iter().enumerate() {
        // The product's top byte gathers the lowest bit of each byte, without a carry.
        bits |= (u64::from_le_bytes(*word).wrapping_mul(0x0102_0408_1020_4080) >> 56) << (8 * index);
    }
    bits
}

#[cfg(test)]
fn scalar(around: &[u8; BLOCK + 2]) -> Masks {
    let mut sets = Masks { stop: 0, suspect: 0 };
    for bit in 0..BLOCK {
        let (before, byte, after) = (around[bit], around[bit + 1], around[bit + 2]);
        let colon = byte == b':' && names(before) && after != b'/';
        sets.stop |= u64::from(stops(byte)) << bit;
        sets.suspect |= u64::from(marks(byte) != 0 || colon) << bit;
    }
    sets
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_fast_sets_equal_the_plain_ones(block in proptest::array::uniform::<_, 66>(any::<u8>())) {
            prop_assert_eq!(masks(&block), scalar(&block));
        }
    }

    #[test]
    fn every_byte_has_the_same_sets() {
        for byte in 0..=u8::MAX {
            assert_eq!(masks(&[byte; BLOCK + 2]), scalar(&[byte; BLOCK + 2]), "{byte}");
        }
    }

    #[test]
    fn stops_are_found_across_blocks_and_at_the_end() {
        for length in 0..200 {
            let mut bytes = vec![b'x'; length];
            assert_eq!(Scan::new(&bytes).plain(0), (length, false), "{length}");
            bytes.push(b'"');
            assert_eq!(Scan::new(&bytes).plain(0), (length, false), "{length}");
            if length > 0 {
                bytes[length / 2] = b'=';
                assert_eq!(Scan::new(&bytes).plain(0), (length, true), "{length}");
                assert_eq!(Scan::new(&bytes).plain(length / 2 + 1), (length, false), "{length}");
            }
        }
    }
}
