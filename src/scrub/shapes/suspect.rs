//! Tells texts that cannot hold a secret's shape from those that must be searched, 16 bytes at a time.
//!
//! Every shape needs one of a few bytes: `@` (or `%`) for user information in URLs, `=` or `%` for assignments, `J` for
//! JSON web tokens (`eyJ`), `A` for Fernet tokens (`gAAAAA`) and the header of a private key, `$` for hashes, `<` for
//! elements, `'` for quoted words (a `"` is written with a backslash in JSON); or a hyphen that may begin an option
//! (` -v`, `--password`), or a colon that may assign ([`may_assign`]). Phrases need a word ([`speaks`]).

use wide::i8x16;

use super::phrase::speaks;

const PART: usize = 16;
/// No shorter text has a phrase with a value in it.
const SPOKEN_BYTES_MIN: usize = 11;

/// Whether the text between two places of `bytes`, which is plain ASCII, may hold a secret's shape.
#[inline]
pub(in crate::scrub) fn suspect(bytes: &[u8], start: usize, end: usize) -> bool {
    match bytes.get(start..).and_then(<[u8]>::first_chunk) {
        Some(part) if end - start <= PART => {
            noted(part) & !(u32::MAX << (end - start)) != 0 && look(bytes.get(start..end).unwrap_or_default())
        }
        Some(_) | None => search(bytes.get(start..end).unwrap_or_default()),
    }
}

#[inline(never)]
fn search(text: &[u8]) -> bool {
    let (parts, _) = text.as_chunks();
    match text.last_chunk() {
        Some(last) => (parts.iter().any(|part| noted(part) != 0) || noted(last) != 0) && look(text),
        None => look(text),
    }
}

/// Looks at every colon.
#[inline(never)]
fn look(text: &[u8]) -> bool {
    // Whether a letter that tells was met.
    let mut told = false;
    // Whether a hyphen would begin an option: behind a space or another one. Without a space in the text none has a value.
    let mut parted = 0;
    let (mut options, mut spaced) = (false, false);
    for at in (0..text.len()).step_by(PART) {
        let rest = text.get(at..).unwrap_or_default();
        let mut padded = [0; PART];
        let part = rest.first_chunk().unwrap_or_else(|| {
            padded.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
            &padded
        });
        let Sets { marks, colons, hyphens, spaces } = sets(part);
        let parts = hyphens | spaces;
        if marks != 0 {
            return true;
        }
        options |= hyphens & (parts << 1 | parted) != 0;
        spaced |= spaces != 0;
        parted = parts >> (PART - 1) & 1;
        let tells = telling(part);
        // What stands in front of all letters that tell assigns nothing.
        let behind = if told { u32::MAX } else { u32::MAX.checked_shl(tells.trailing_zeros()).unwrap_or(0) };
        if any_assigns(text, at, colons & behind) {
            return true;
        }
        told |= tells != 0;
    }
    spaced && (options || (text.len() >= SPOKEN_BYTES_MIN && speaks(text)))
}

/// What a part of a text holds; bit *i* stands for byte *i*.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sets {
    marks: u32,
    colons: u32,
    hyphens: u32,
    spaces: u32,
}

#[inline]
fn sets(part: &[u8; PART]) -> Sets {
    let bytes = lanes(part);
    // `$` and `%` differ in their last bit only.
    let signs = (bytes & all(0xfe)).simd_eq(all(b'$')) | bytes.simd_eq(all(b'\''));
    let of = |byte: u8| bytes.simd_eq(all(byte)).to_bitmask();
    Sets { marks: (letters(bytes) | signs).to_bitmask(), colons: of(b':'), hyphens: of(b'-'), spaces: of(b' ') }
}

/// What calls for a [look]: marks, colons, and spaces, without which there is no option but at the beginning.
#[inline]
fn noted(part: &[u8; PART]) -> u32 {
    let bytes = lanes(part);
    // From the space to `'`: `!`, `"`, `#` and `&` are rare.
    let signs = (bytes & all(0xf8)).simd_eq(all(b' '));
    (letters(bytes) | signs | bytes.simd_eq(all(b':'))).to_bitmask()
}

#[inline]
fn letters(bytes: i8x16) -> i8x16 {
    // `@` and `A`, `<` and `=` differ in their last bit only.
    let even = bytes & all(0xfe);
    even.simd_eq(all(b'@')) | even.simd_eq(all(b'<')) | bytes.simd_eq(all(b'J'))
}

/// The letters that [tell](tells), as bits.
#[inline]
fn telling(part: &[u8; PART]) -> u32 {
    let lower = lanes(part) | all(0x20);
    let letters = lower.simd_gt(all(b'f')) & lower.simd_lt(all(b'{'));
    (letters & !lower.simd_eq(all(b't'))).to_bitmask()
}

#[inline]
fn lanes(part: &[u8; PART]) -> i8x16 {
    i8x16::new(part.map(u8::cast_signed))
}

#[inline]
fn all(byte: u8) -> i8x16 {
    i8x16::splat(byte.cast_signed())
}

fn any_assigns(text: &[u8], from: usize, mut colons: u32) -> bool {
    while colons != 0 {
        if may_assign(text, from + colons.trailing_zeros() as usize) {
            return true;
        }
        colons &= colons - 1;
    }
    false
}

/// Whether the colon at a place may assign a secret: whether a name may end before it.
///
/// Names of secrets have a letter that [tells], so that times, hardware addresses and ports are none; and a scheme
/// (`://`) is none. A quote or bracket may stand behind a name, and blanks.
fn may_assign(text: &[u8], colon: usize) -> bool {
    let (before, after) = text.split_at_checked(colon).unwrap_or_default();
    if after.starts_with(b"://") {
        return false;
    }
    for (back, byte) in before.iter().rev().enumerate() {
        match KINDS.get(usize::from(*byte)) {
            Some(Kind::Tells) => return true,
            Some(Kind::Name) => {}
            Some(Kind::Blank) => return back == 0,
            Some(Kind::Other) | None => return false,
        }
    }
    false
}

/// What a byte before a colon is.
#[derive(Clone, Copy)]
enum Kind {
    /// A letter that [tells].
    Tells,
    /// Another part of a name.
    Name,
    /// What may stand between a name and the colon.
    Blank,
    Other,
}

const KINDS: [Kind; 256] = {
    let mut kinds = [Kind::Other; 256];
    let mut byte = 0_u8;
    loop {
        #[expect(clippy::indexing_slicing, reason = "a byte is below 256; the compiler runs this")]
        let kind = &mut kinds[byte as usize];
        if tells(byte) {
            *kind = Kind::Tells;
        } else if byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-') {
            *kind = Kind::Name;
        } else if matches!(byte, b' ' | b'\'' | b']') {
            *kind = Kind::Blank;
        }
        if byte == u8::MAX {
            break kinds;
        }
        byte += 1;
    }
};

/// Whether a byte is a letter that times, numbers and addresses do not have: beyond hexadecimal, and no `t`.
pub(in crate::scrub) const fn tells(byte: u8) -> bool {
    matches!(byte | 0x20, b'g'..=b's' | b'u'..=b'z')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The plain twin.
    fn scalar(part: &[u8; PART]) -> Sets {
        let set = |among: &[u8]| (0..PART).map(|bit| u32::from(among.contains(&part[bit])) << bit).sum();
        Sets { marks: set(b"$%@A=J<'"), colons: set(b":"), hyphens: set(b"-"), spaces: set(b" ") }
    }

    fn scalar_telling(part: &[u8; PART]) -> u32 {
        (0..PART).map(|bit| u32::from(tells(part[bit])) << bit).sum()
    }

    /// The plain twin of the whole.
    fn scalar_suspect(text: &[u8]) -> bool {
        let option = |pair: &[u8]| b" -".contains(&pair[0]) && pair[1] == b'-';
        let marked = text.iter().any(|byte| b"$%@A=J<'".contains(byte));
        let options = text.windows(2).any(option) && text.contains(&b' ');
        let spoken = text.len() >= SPOKEN_BYTES_MIN && text.contains(&b' ') && speaks(text);
        let told = |at: usize| text[..at].iter().any(|byte| tells(*byte));
        marked || options || spoken || (0..text.len()).any(|at| text[at] == b':' && told(at) && may_assign(text, at))
    }

    proptest! {
        #[test]
        fn a_text_is_as_suspect_as_byte_by_byte(text in "[a-f0-9T:zst '/._-]{0,70}|[a-z0-9 -]{0,50}|[ -~]{0,40}", more in "[ -~]{0,20}") {
            let bytes = format!("{more}{text}{more}");
            let found = suspect(bytes.as_bytes(), more.len(), more.len() + text.len());
            prop_assert_eq!(found, scalar_suspect(text.as_bytes()), "{}", text);
        }

        #[test]
        fn the_fast_sets_equal_the_plain_ones(part in proptest::array::uniform::<_, 16>(prop_oneof![
            any::<u8>(), proptest::sample::select(b":$%@A=J#&BKI<>' -;,(".to_vec()),
        ])) {
            prop_assert_eq!(sets(&part), scalar(&part));
            let Sets { marks, colons, spaces, .. } = scalar(&part);
            let rare = (0..PART).map(|bit| u32::from(b"!\"#&".contains(&part[bit])) << bit).sum::<u32>();
            prop_assert_eq!(noted(&part), marks | colons | spaces | rare);
            prop_assert_eq!(telling(&part), scalar_telling(&part));
        }
    }

    #[test]
    fn every_byte_has_the_same_sets() {
        for byte in 0..=u8::MAX {
            let part = [byte; PART];
            assert_eq!((sets(&part), telling(&part)), (scalar(&part), scalar_telling(&part)), "{byte}");
        }
    }

    #[test]
    fn marks_count_within_the_text_only() {
        for length in 0..60 {
            for at in 0..length {
                let mut bytes = vec![b'x'; length];
                bytes[at] = b'=';
                for (start, end) in [(0, length), (at, at + 1), (0, at), (at + 1, length)] {
                    assert_eq!(suspect(&bytes, start, end), (start..end).contains(&at), "{length} {at} {start} {end}");
                }
            }
        }
    }

    #[test]
    fn colons_that_may_assign() {
        for (text, expected) in [
            ("token:x", true),
            ("run x --password y", true),
            ("the password of the node -v x", true),
            ("<password>x</password>", true),
            ("password 'x'", true),
            ("power on", false),
            ("attribute /extra/password with value x", true),
            ("raw 0x06 0x47 0x02", true),
            ("a node - or two-three - is here", true),
            ("0c5a2a52-1d4f-4b0e-9a35-3ca1d7a7f1a0", false),
            ("the node-17 is on", false),
            ("passwd:x", true),
            ("pwd: x", true),
            ("password1:x", true),
            ("x_pass_1-a.0:x", true),
            ("token :x", true),
            ("'token':x", true),
            ("['token']:x", true),
            ("token:/x", true),
            ("10:00 and token:x", true),
            ("http://x", false),
            ("10:00", false),
            ("2026-01-01T10:00:00+00:00", false),
            ("52:54:00:ab:cd:ef", false),
            ("[fe80::1", false),
            ("//192.0.2.1:80", false),
        ] {
            assert_eq!(suspect(text.as_bytes(), 0, text.len()), expected, "{text}");
        }
    }
}
