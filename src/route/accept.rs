//! `Accept`: whether the caller takes JSON, by the rules of Ironic's framework.

use http::HeaderMap;
use http::header::ACCEPT;

/// The only media type that Ironic answers with.
const JSON: &str = "application/json";

/// Whether JSON may be answered. Ironic says no before it carries out anything; what it cannot read it overlooks.
pub(super) fn takes_json(headers: &HeaderMap) -> bool {
    let mut lines = headers.get_all(ACCEPT).iter().map(|line| line.to_str().unwrap_or_default());
    let (first, second) = (lines.next().unwrap_or_default(), lines.next());
    if second.is_none() && (first.is_empty() || first == "*/*" || first.starts_with(JSON)) {
        return true;
    }
    // The plainest of the ranges that hold JSON decides.
    let mut best: Option<(u8, bool)> = None;
    for line in headers.get_all(ACCEPT) {
        let line = line.to_str().unwrap_or_default();
        if line.starts_with(',') {
            return true;
        }
        for range in line.split(',') {
            let Some((fits, is_wanted)) = read(range.trim_ascii()) else { return true };
            if fits > best.map_or(0, |(fits, _)| fits) {
                best = Some((fits, is_wanted));
            }
        }
    }
    // Behind an exact beginning Ironic looks at no more.
    first.starts_with(JSON) || best.is_some_and(|(_, is_wanted)| is_wanted)
}

/// How closely a range holds JSON (3 by name, 2 by its first half, 1 with everything, 0 not), and whether it is wanted at all.
/// `None` for what is no range.
fn read(range: &str) -> Option<(u8, bool)> {
    if range.is_empty() {
        return Some((0, false));
    }
    let mut parts = range.split(';').map(str::trim_ascii);
    let name = parts.next()?;
    let (kind, subtype) = name.split_once('/')?;
    let is_token = |text: &str| !text.is_empty() && text.bytes().all(is_token);
    if !is_token(kind) || !is_token(subtype) {
        return None;
    }
    let (mut is_plain, mut weighed) = (true, None);
    for part in parts {
        let (name, value) = part.split_once('=')?;
        if weighed.is_some() {
            // An extension.
            continue;
        }
        if name.eq_ignore_ascii_case("q") {
            weighed = Some(weight(value)?);
            continue;
        }
        if !is_token(name) || !is_token(value) {
            return None;
        }
        is_plain = false;
    }
    let fits = match name {
        "*/*" => 1,
        _ if kind.eq_ignore_ascii_case("application") && subtype == "*" => 2,
        // JSON with a parameter is another type; what holds everything holds it whatever stands behind.
        _ if name.eq_ignore_ascii_case(JSON) && is_plain => 3,
        _ => 0,
    };
    Some((fits, weighed.unwrap_or(true)))
}

/// Whether a weight (`0.5`, `1`, `0.000`) is above zero; `None` for what is none.
fn weight(text: &str) -> Option<bool> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_number = fraction.len() <= 3 && fraction.bytes().all(|byte| byte.is_ascii_digit());
    match whole {
        "0" if is_number => Some(fraction.bytes().any(|byte| byte != b'0')),
        "1" if is_number && fraction.bytes().all(|byte| byte == b'0') => Some(true),
        _ => None,
    }
}

const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
        )
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn json_is_taken_or_not() {
        let check = |lines: &[&str], expected: bool| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(ACCEPT, HeaderValue::from_str(line).unwrap());
            }
            assert_eq!(takes_json(&headers), expected, "{lines:?}");
        };
        let taken = [
            "",
            "*/*",
            "application/json",
            "Application/JSON",
            "application/*",
            "text/html, */*;q=0.1",
            "garbage",
            "a/b/c",
            "text/html;q=2",
            "application/json;version=1",
            "application/json;q=0",
            "application/json, */*;q=0",
            "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
            "application/*;q=0.1, */*;q=0",
            "text/html, application/json;q=0.001",
            "*/*;charset=utf-8",
            "application/*;version=1;q=0.1",
            "*/*;q=0.1;extension=1",
            "text/html;q=0.5;",
            ",text/html",
        ];
        for line in taken {
            check(&[line], true);
        }
        let refused = [
            "text/html",
            "application/xml",
            "image/png",
            "*/*;q=0",
            "*/*;q=0.000",
            "text/*, image/*",
            "application/vnd.openstack.ironic.v1+json",
            "text/html, application/json;q=0",
            "*/*, application/json;q=0",
            "*/*, application/*;q=0.0",
            "text/html, application/json;version=1",
            "text/html,",
            "*/json",
        ];
        for line in refused {
            check(&[line], false);
        }
        check(&[], true);
        check(&["text/html", "application/json"], true);
        check(&["text/html", "text/plain"], false);
    }
}
