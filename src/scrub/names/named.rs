//! Texts that name a place, as inspection rules have them: `/extra/auth`, `driver_info.auth`, `{node.extra[auth]}`.

/// The longest text that refers to a value, in bytes.
pub(in crate::scrub) const REFERENCE_BYTES_MAX: usize = 256;
/// What the references of an inspection rule begin with.
const ROOTS: [&str; 4] = ["node", "inventory", "plugin_data", "item"];

const fn parts_at(c: char) -> bool {
    matches!(c, '/' | '.' | '[' | ']' | '{' | '}' | '\'' | '"' | '!' | ':')
}

/// Whether a text may name a place of more than one key.
pub(in crate::scrub) fn is_path(text: &str) -> bool {
    text.contains(parts_at)
}

/// The keys that a text names, one below the other.
pub(in crate::scrub) fn parts(text: &str) -> impl Iterator<Item = &str> + Clone {
    text.split(parts_at).filter(|part| !part.is_empty())
}

/// Whether a text is nothing but a reference to a value, which takes its place later.
pub(in crate::scrub) fn is_reference(text: &str) -> bool {
    let inner = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap_or_default();
    text.len() < REFERENCE_BYTES_MAX
        && inner.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.[]'\"!:".contains(&byte))
        && ROOTS.iter().any(|root| inner.strip_prefix(root).is_some_and(|rest| rest.starts_with(['.', '['])))
}

/// Whether a text holds a part of what its action is done with in turn.
pub(in crate::scrub) fn is_looped(text: &str) -> bool {
    memchr::memmem::find(text.as_bytes(), b"{item").is_some()
}

/// Exact places of secrets, for comparison with texts.
#[derive(Debug, Clone, Default)]
pub(in crate::scrub) struct NamedPlaces(Vec<Vec<String>>);

impl NamedPlaces {
    /// Adds a place: a JSON Pointer with `*` for any one segment.
    pub(in crate::scrub) fn add(&mut self, pointer: &str) {
        let pointer = pointer.replace("~1", "/").replace("~0", "~");
        let place: Vec<String> = parts(&pointer).map(str::to_owned).collect();
        if !place.is_empty() && !self.0.contains(&place) {
            self.0.push(place);
        }
    }

    /// Whether a text names one of them, or something below one.
    pub(in crate::scrub) fn named_by(&self, text: &str) -> bool {
        let mut rest = parts(text);
        loop {
            let begins = |place: &Vec<String>| {
                let mut keys = rest.clone();
                place.iter().all(|known| keys.next().is_some_and(|key| known == "*" || known.eq_ignore_ascii_case(key)))
            };
            if self.0.iter().any(begins) {
                return true;
            }
            if rest.next().is_none() {
                return false;
            }
        }
    }
}
