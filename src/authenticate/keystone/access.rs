//! Access rules of application credentials: to which requests a credential is limited.
//!
//! Read as keystonemiddleware does: service type, method and path must all be those of a rule. In a path, `*` and `{name}`
//! stand for one segment's characters, `**` for anything. A pattern's other characters stand for themselves.

use super::super::identity::KeystoneFacts;

/// The type of Ironic's service in rules.
const SERVICE: &str = "baremetal";

/// A part of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Byte(u8),
    /// One byte or more, without a slash.
    Segment,
    /// Anything, slashes too.
    Any,
}

/// Whether the rules admit this request: there are none, or one matches.
///
/// A request of a chain, which a proven service brings with its own token, is not the credential's own and is not limited.
pub(in super::super) fn admits(facts: &KeystoneFacts, method: &str, path: &str) -> bool {
    let rules = facts.application_credential.as_ref().and_then(|credential| credential.access_rules.as_ref());
    let Some(rules) = rules else { return true };
    if !facts.service_roles.is_empty() {
        return true;
    }
    rules.iter().any(|rule| {
        &*rule.service == SERVICE && &*rule.method == method && matches(rule.path.as_bytes(), path.as_bytes())
    })
}

/// Walks the path with the set of all places in the pattern that could be reached: linear in both, whatever the pattern.
fn matches(pattern: &[u8], path: &[u8]) -> bool {
    let Some(parts) = parts(pattern) else { return false };
    let mut reached = vec![false; parts.len() + 1];
    if let Some(start) = reached.first_mut() {
        *start = true;
    }
    skip(&parts, &mut reached);
    for byte in path {
        let mut next = vec![false; parts.len() + 1];
        for (place, part) in parts.iter().enumerate() {
            if reached.get(place) != Some(&true) {
                continue;
            }
            let (stays, moves) = match part {
                Part::Byte(expected) => (false, expected == byte),
                Part::Segment => (*byte != b'/', *byte != b'/'),
                Part::Any => (true, true),
            };
            mark(&mut next, place, stays);
            mark(&mut next, place + 1, moves);
        }
        skip(&parts, &mut next);
        reached = next;
    }
    reached.last() == Some(&true)
}

fn mark(places: &mut [bool], place: usize, reached: bool) {
    if let Some(known) = places.get_mut(place) {
        *known |= reached;
    }
}

/// `**` may stand for nothing.
fn skip(parts: &[Part], reached: &mut [bool]) {
    for (place, part) in parts.iter().enumerate() {
        if *part == Part::Any && reached.get(place) == Some(&true) {
            mark(reached, place + 1, true);
        }
    }
}

/// `None`: a brace is open or closes nothing. Such a rule admits nothing.
fn parts(pattern: &[u8]) -> Option<Vec<Part>> {
    let mut parts = Vec::with_capacity(pattern.len());
    let mut rest = pattern;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        parts.push(match first {
            b'*' => match rest.strip_prefix(b"*") {
                Some(after) => {
                    rest = after;
                    Part::Any
                }
                None => Part::Segment,
            },
            b'{' => {
                let end = rest.iter().position(|byte| *byte == b'}')?;
                rest = rest.get(end + 1..)?;
                Part::Segment
            }
            b'}' => return None,
            byte => Part::Byte(*byte),
        });
    }
    Some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, path: &str, expected: bool) {
        assert_eq!(matches(pattern.as_bytes(), path.as_bytes()), expected, "{pattern} {path}");
    }

    #[test]
    fn patterns_are_those_of_keystone() {
        check("/v1/nodes", "/v1/nodes", true);
        check("/v1/nodes", "/v1/nodes/", false);
        check("/v1/nodes", "/v1/nodesx", false);
        check("/v1/nodes", "/V1/nodes", false);
        check("/v1/nodes/*", "/v1/nodes/n1", true);
        check("/v1/nodes/*", "/v1/nodes/", false);
        check("/v1/nodes/*", "/v1/nodes/n1/states", false);
        check("/v1/nodes/{node}", "/v1/nodes/n1", true);
        check("/v1/nodes/{node}/states/{x}", "/v1/nodes/n1/states/power", true);
        check("/v1/nodes/{node}/states/{x}", "/v1/nodes/n1/n2/states/power", false);
        check("/v1/**", "/v1/nodes/n1/states", true);
        check("/v1/**", "/v1/", true);
        check("/v1/**", "/v1", false);
        check("**", "/v1/nodes", true);
        check("**", "", true);
        check("*", "/v1", false);
        check("/v1/no*s", "/v1/nodes", true);
        check("/v1/***", "/v1/a/b", true);
        check("/v1/nod.s", "/v1/nodes", false);
        check("/v1/nodes.*", "/v1/nodes", false);
        check("/v1/{node", "/v1/{node", false);
        check("/v1/node}", "/v1/node}", false);
        check("", "", true);
        check("", "/", false);
    }

    #[test]
    fn a_nasty_pattern_is_not_slow() {
        let pattern = "**a".repeat(40);
        check(&pattern, &"a".repeat(8000), true);
        check(&pattern, &"b".repeat(8000), false);
    }
}
