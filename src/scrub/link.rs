//! Links that lead back through irongate.

use memchr::{memchr2, memchr3};

/// Whether Ironic serves its API below this first segment of a path (without a version too).
const fn is_root(segment: &[u8]) -> bool {
    matches!(
        segment,
        b"v1"
            | b"nodes"
            | b"ports"
            | b"portgroups"
            | b"chassis"
            | b"drivers"
            | b"volume"
            | b"lookup"
            | b"heartbeat"
            | b"conductors"
            | b"allocations"
            | b"events"
            | b"deploy_templates"
            | b"shards"
            | b"runbooks"
            | b"inspection_rules"
            | b"continue_inspection"
    )
}

/// The value of a `Location` header with irongate's own `origin` (scheme and authority, without a slash at its end) in
/// front of the path: `http://anything:6385/v1/nodes` becomes `{origin}/v1/nodes`. A path prefix of Ironic's
/// `public_endpoint` goes too, and so does a query. `None` if the value is no link to Ironic's API: then it must not be passed on.
pub fn rewrite_location(value: &str, origin: &str) -> Option<String> {
    let path = value.get(foreign(value)?..)?;
    // What Ironic made has neither a query nor a fragment, and nothing else may lead a secret along.
    let path = path.get(..memchr2(b'?', b'#', path.as_bytes()).unwrap_or(path.len()))?;
    Some(format!("{origin}{path}"))
}

/// How many bytes of a link to Ironic's API stand in front of the path that irongate serves.
pub(super) fn foreign(link: &str) -> Option<usize> {
    foreign_bytes(link.as_bytes())
}

/// As [`foreign`], of a text that may be no UTF-8.
#[inline]
pub(super) fn foreign_bytes(link: &[u8]) -> Option<usize> {
    let is = |scheme: &[u8]| link.get(..scheme.len()).is_some_and(|head| head.eq_ignore_ascii_case(scheme));
    let start = if is(b"http://") {
        7
    } else if is(b"https://") {
        8
    } else {
        return None;
    };
    let rest = link.get(start..)?;
    let authority = memchr3(b'/', b'?', b'#', rest).unwrap_or(rest.len());
    let path = rest.get(authority..)?;
    if path.starts_with(b"/v1/") {
        return Some(start + authority);
    }
    let inner = path.get(1..).unwrap_or_default();
    let first = inner.get(..memchr3(b'/', b'?', b'#', inner).unwrap_or(inner.len()))?;
    let path = path.get(..memchr2(b'?', b'#', path).unwrap_or(path.len()))?;
    if path.len() <= 1 || is_root(first) {
        return Some(start + authority);
    }
    let prefix = memchr::memmem::find(path, b"/v1/").or_else(|| path.strip_suffix(b"/v1").map(<[u8]>::len))?;
    Some(start + authority + prefix)
}
