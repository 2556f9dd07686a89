//! Finds where the plain part of a string ends, 64 bytes at a time.
//!
//! A block of 64 bytes becomes a bit set of the bytes that need a decision: quotes, backslashes, control characters,
//! bytes beyond ASCII. It is kept until the reader leaves the block, so that short strings cost a few bit operations
//! each. Vectors of 16 bytes are what every x86-64 and every aarch64 has; a plain twin is what the tests compare with.

use wide::i8x16;

const BLOCK: usize = 64;

/// Reads one chunk, mostly forwards.
#[derive(Clone, Copy)]
pub(super) struct Scan<'c> {
    bytes: &'c [u8],
    /// Where the block begins whose set is kept.
    base: usize,
    /// Bit *i* stands for byte *i* of the block.
    stops: u64,
}

impl<'c> Scan<'c> {
    pub(super) fn new(bytes: &'c [u8]) -> Self {
        Self { bytes, base: usize::MAX, stops: 0 }
    }

    /// The first byte at or after `from` that needs a decision, or the chunk's end.
    #[inline]
    pub(super) fn plain(&mut self, from: usize) -> usize {
        let mut at = from;
        loop {
            let base = at & !(BLOCK - 1);
            if base != self.base {
                if base >= self.bytes.len() {
                    return self.bytes.len();
                }
                self.stops = load(self.bytes, base);
                self.base = base;
            }
            let stops = self.stops >> (at & (BLOCK - 1));
            if stops != 0 {
                return at + stops.trailing_zeros() as usize;
            }
            at = base + BLOCK;
        }
    }
}

/// The set of the block at `base`.
#[inline]
fn load(bytes: &[u8], base: usize) -> u64 {
    let rest = bytes.get(base..).unwrap_or_default();
    rest.first_chunk().map_or_else(|| load_last(rest), stops)
}

#[cold]
fn load_last(rest: &[u8]) -> u64 {
    // Beyond the chunk's end is NUL, which stops, so that nothing is found there.
    let mut padded = [0; BLOCK];
    padded.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    stops(&padded)
}

#[inline]
fn stops(block: &[u8; BLOCK]) -> u64 {
    let all = |byte: u8| i8x16::splat(byte.cast_signed());
    let (parts, _) = block.as_chunks::<16>();
    parts.iter().enumerate().fold(0, |stops, (index, part)| {
        let bytes = i8x16::new(part.map(u8::cast_signed));
        // Signed: what is below 0x20 or has the highest bit set.
        let stop = bytes.simd_lt(all(0x20)) | bytes.simd_eq(all(b'"')) | bytes.simd_eq(all(b'\\'));
        stops | (u64::from(stop.to_bitmask()) << (16 * index))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The plain twin.
    fn scalar(block: &[u8; BLOCK]) -> u64 {
        let stops = |byte: u8| !(0x20..0x80).contains(&byte) || byte == b'"' || byte == b'\\';
        (0..BLOCK).map(|bit| u64::from(stops(block[bit])) << bit).sum()
    }

    proptest! {
        #[test]
        fn the_fast_set_equals_the_plain_one(block in proptest::array::uniform::<_, 64>(any::<u8>())) {
            prop_assert_eq!(stops(&block), scalar(&block));
        }
    }

    #[test]
    fn every_byte_has_the_same_set() {
        for byte in 0..=u8::MAX {
            assert_eq!(stops(&[byte; BLOCK]), scalar(&[byte; BLOCK]), "{byte}");
        }
    }

    #[test]
    fn stops_are_found_across_blocks_and_at_the_end() {
        for length in 0..200 {
            let mut bytes = vec![b'x'; length];
            assert_eq!(Scan::new(&bytes).plain(0), length, "{length}");
            bytes.push(b'"');
            for from in [0, length / 2, length] {
                assert_eq!(Scan::new(&bytes).plain(from), length, "{length} from {from}");
            }
        }
    }
}
