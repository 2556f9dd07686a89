//! User information of URLs in texts, in every spelling in which one may stand in another: `http://u:p@h`,
//! `?url=http%3A%2F%2Fu%3Ap%40h`, and encoded once more; with slashes as JSON may write them, `http:\/\/u:p@h`.

use super::Span;

/// The user information of every URL: all between `://` and the authority's last `@`, in order.
///
/// Linear: no byte is read again but for those of an authority's beginning.
pub(in crate::scrub) fn user_information(text: &[u8]) -> impl Iterator<Item = Span> {
    let mut from = 0;
    std::iter::from_fn(move || {
        loop {
            let (scheme, start, encoded) = scheme_end(text, from)?;
            let (end, read) = authority(text, start, encoded);
            from = read.max(start);
            if let Some(end) = end {
                return Some(Span::within(scheme, start..end));
            }
        }
    })
}

/// Where the next `://` begins and ends, and whether any part of it is encoded.
fn scheme_end(text: &[u8], from: usize) -> Option<(usize, usize, bool)> {
    let mut at = from;
    loop {
        at += memchr::memchr2(b':', b'%', text.get(at..)?)?;
        let (mut end, mut slashes) = (at, 0);
        let whole = [b':', b'/', b'/'].into_iter().all(|expected| {
            let escapes = if expected == b'/' { backslashes(text, end) } else { 0 };
            match sign(text, end + escapes) {
                Some((byte, length)) if byte == expected => {
                    end += escapes + length;
                    slashes += escapes;
                    true
                }
                Some(_) | None => false,
            }
        });
        if whole {
            return Some((at, end, end - at - slashes > 3));
        }
        // Backslashes are read once.
        at += 1 + backslashes(text, at + 1);
    }
}

/// Where the user information that begins at `start` ends, if there is any, and how far it was looked for.
fn authority(text: &[u8], start: usize, encoded: bool) -> (Option<usize>, usize) {
    let mut at = start;
    // The last `@`, as it is and encoded.
    let (mut plain, mut soft) = (None, None);
    let mut port = None;
    let bracketed = text.get(start) == Some(&b'[');
    let mut within = true;
    loop {
        // A backslash in front of a slash is none of its own.
        let escapes = backslashes(text, at);
        if text.get(at + escapes) == Some(&b'/') {
            at += escapes;
        } else if escapes > 0 {
            (at, port) = (at + escapes, port.map(|_| false));
        }
        let Some((byte, length)) = sign(text, at) else { break };
        let hidden = length > 1;
        match byte {
            byte if !hidden && byte.is_ascii_whitespace() => break,
            // A parameter of a query ends, and with it what is encoded in it.
            b'&' if encoded && !hidden => break,
            b'/' | b'?' | b'#' if within && (encoded || !hidden) => {
                // A password with a slash in it: what stands after the colon is no port.
                if plain.is_some() || soft.is_some() || bracketed || port != Some(false) {
                    break;
                }
                within = false;
            }
            b'@' if hidden && !encoded => soft = Some(at).filter(|_| within).or(soft),
            b'@' => plain = Some(at),
            b':' if within && (encoded || !hidden) => port = Some(true),
            byte if within && !byte.is_ascii_digit() => port = port.map(|_| false),
            _ => {}
        }
        at += length;
    }
    let end = plain.or(soft);
    (end, end.unwrap_or(at))
}

/// How many backslashes begin at a place.
fn backslashes(text: &[u8], at: usize) -> usize {
    text.get(at..).unwrap_or_default().iter().take_while(|byte| **byte == b'\\').count()
}

/// The byte at a place, decoded if it is encoded (`%40`, `%2540`, …), and how many bytes it is written with.
pub(in crate::scrub) fn sign(text: &[u8], at: usize) -> Option<(u8, usize)> {
    let byte = *text.get(at)?;
    if byte != b'%' {
        return Some((byte, 1));
    }
    let mut digits = at + 1;
    while text.get(digits..).is_some_and(|rest| rest.starts_with(b"25")) {
        digits += 2;
    }
    let hex = |at: usize| text.get(at).and_then(|digit| char::from(*digit).to_digit(16));
    let decoded = match (hex(digits), hex(digits + 1)) {
        (Some(high), Some(low)) => u8::try_from(high * 16 + low).ok(),
        _ => None,
    };
    Some(decoded.map_or((byte, 1), |decoded| (decoded, digits + 2 - at)))
}

#[cfg(test)]
mod tests {
    use super::user_information;

    /// `‹…›` is the user information.
    #[track_caller]
    fn check(marked: &str) {
        let text = marked.replace(['‹', '›'], "");
        let mut shown = String::new();
        let mut from = 0;
        for found in user_information(text.as_bytes()) {
            let (before, part) = (text.get(from..found.start).unwrap(), text.get(found.start..found.end).unwrap());
            shown += &format!("{before}‹{part}›");
            from = found.end;
        }
        assert_eq!(shown + text.get(from..).unwrap(), marked);
    }

    #[test]
    fn is_found_in_every_spelling() {
        for marked in [
            "http://‹u:p›@h/x http://‹u›@h",
            "http://‹us%65r:p%40ss›@h/x",
            "http://‹u:p›%40h/x",
            "http://‹u›%2540h/x",
            "http://‹u%2Fv›@h/x",
            "http://‹u:a/b›@h/x",
            "http://‹u:a@b›@h/x@y",
            "x?url=http%3A%2F%2F‹u%3Ap›%40h%2Fx&a=b@c",
            "x?url=http%3a%2f%2f‹u:p›@h/x",
            "x?url=http:%2F%2F‹u%3Ap%2Fq›%40h",
            "x?url=http%253A%252F%252F‹u%253Ap›%2540h%252Fx",
            "x?a=https%3A//‹u:p›%40h&b=https%3A//‹u:p›%40h",
            "http://h/x?y=http://‹u:p›@h",
            "://‹:p›@",
            r"http:\/\/‹u:p›@h\/x http:\\/\\/‹u:p›@h\\/x@y",
            r"http:\/\/‹u:a\/b›@h",
            r"http://‹u\v:p\›@h",
        ] {
            check(marked);
        }
    }

    #[test]
    fn is_not_found_where_there_is_none() {
        for text in [
            "http://h:80/a@b",
            "http://[::1]:80/a@b",
            "http://h/?x=%40",
            "x?url=http%3A%2F%2Fh%3A80%2Fx%40y",
            r"http:\/\/h:80\/a@b",
            r"http:\/\/h\/a@b",
            "me@example.org",
            "50%:40@",
            "%",
            "%3A%2F%2",
            "a://b c@d",
            "",
        ] {
            check(text);
        }
    }

    #[test]
    fn is_looked_for_in_linear_time() {
        // Quadratic, these would take minutes.
        for piece in ["://", "://a:b/", "%3A%2F%2F", "%25", ":%2525", "://u:", "://x@", ":\\", "://\\", r":\/\/u:"] {
            let text = piece.repeat(400_000);
            assert!(user_information(text.as_bytes()).count() <= 400_000);
        }
    }
}
