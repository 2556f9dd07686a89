//! Links that lead back through irongate.

/// The first path segments under which Ironic serves its API, without a version too.
const ROOTS: &[&str] = &[
    "v1",
    "nodes",
    "ports",
    "portgroups",
    "chassis",
    "drivers",
    "volume",
    "lookup",
    "heartbeat",
    "conductors",
    "allocations",
    "events",
    "deploy_templates",
    "shards",
    "runbooks",
    "inspection_rules",
    "continue_inspection",
];

/// The value of a `Location` header with irongate's own `origin` (scheme and authority, without a slash at its end) in
/// front of the path: `http://anything:6385/v1/nodes` becomes `{origin}/v1/nodes`. A path prefix of Ironic's
/// `public_endpoint` goes too. `None` if the value is no link to Ironic's API: then it must not be passed on.
pub fn rewrite_location(value: &str, origin: &str) -> Option<String> {
    let path = value.get(foreign(value)?..)?;
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
    let authority = rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#')).unwrap_or(rest.len());
    let path = rest.get(authority..)?;
    if path.starts_with(b"/v1/") {
        return Some(start + authority);
    }
    let end = path.iter().position(|byte| matches!(byte, b'?' | b'#')).unwrap_or(path.len());
    let path = path.get(..end)?;
    let first = path.get(1..).unwrap_or_default();
    let first = first.split(|byte| *byte == b'/').next().unwrap_or_default();
    if path.len() <= 1 || ROOTS.iter().any(|root| root.as_bytes() == first) {
        return Some(start + authority);
    }
    let prefix = memchr::memmem::find(path, b"/v1/").or_else(|| path.strip_suffix(b"/v1").map(<[u8]>::len))?;
    Some(start + authority + prefix)
}
