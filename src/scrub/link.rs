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
    let start = ["http://", "https://"].iter().find_map(|scheme| {
        link.get(..scheme.len()).is_some_and(|head| head.eq_ignore_ascii_case(scheme)).then_some(scheme.len())
    })?;
    let rest = link.get(start..)?;
    let authority = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let path = rest.get(authority..)?;
    let path_only = path.split(['?', '#']).next().unwrap_or_default();
    let first = path_only.trim_start_matches('/').split('/').next().unwrap_or_default();
    if path_only.is_empty() || path_only == "/" || ROOTS.contains(&first) {
        return Some(start + authority);
    }
    let prefix = path_only.find("/v1/").or_else(|| path_only.strip_suffix("/v1").map(str::len))?;
    Some(start + authority + prefix)
}
