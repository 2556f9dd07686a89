//! [`Route`] → the path and query that Ironic gets.

use http::uri::PathAndQuery;

use super::query::value::is_repeated;
use crate::call::Route;
use crate::catalog::{Kind, Segment};

/// The hexadecimal digits of percent-encodings.
const HEXADECIMAL: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];

impl Route<'_> {
    /// The path and query for Ironic: the operation's own path (or its first alias, where Ironic serves only that), and
    /// the query parameters that are not in the path, in the order of the request: each once, but for a list that Ironic
    /// would read otherwise in one.
    ///
    /// A route of this target is this route again.
    #[expect(
        clippy::expect_used,
        reason = "plain segments and percent-encoded values, bounded by `find`, are a valid target"
    )]
    pub fn target(&self) -> PathAndQuery {
        let mut target = String::with_capacity(128);
        let operation = self.operation();
        let alias = operation.aliases.first().filter(|_| operation.forward_alias);
        let template = alias.unwrap_or(&operation.template);
        for segment in template {
            target.push('/');
            match segment {
                Segment::Literal(text) => target.push_str(text),
                Segment::Parameter(name, _) => {
                    let text = self.parameter(name).or_else(|| self.query_value(name));
                    encode(&mut target, text.unwrap_or_default(), b"@:");
                }
            }
        }
        if target.is_empty() {
            target.push('/');
        }
        let in_path = |name: &str| {
            alias.is_some() && template.iter().any(|part| matches!(part, Segment::Parameter(known, _) if known == name))
        };
        let mut joint = '?';
        for (name, value) in self.query().filter(|(name, _)| !in_path(name)) {
            let mut push = |value: &str| {
                target.push(std::mem::replace(&mut joint, '&'));
                target.push_str(name);
                target.push('=');
                encode(&mut target, value, b"");
            };
            if self.is_list(name) && is_repeated(value) {
                value.split(',').for_each(push);
            } else {
                push(value);
            }
        }
        PathAndQuery::try_from(target).expect("a valid path and query")
    }

    fn is_list(&self, name: &str) -> bool {
        self.operation().query.iter().any(|field| field.name == name && field.kind == Kind::StringList)
    }

    fn query_value(&self, name: &str) -> Option<&str> {
        self.query().find(|(known, _)| *known == name).map(|(_, value)| value)
    }
}

/// Appends the text; what is neither unreserved nor in `plain` is percent-encoded.
fn encode(target: &mut String, text: &str, plain: &[u8]) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') || plain.contains(&byte) {
            target.push(char::from(byte));
        } else {
            target.push('%');
            for digit in [byte >> 4, byte & 15] {
                target.extend(HEXADECIMAL.get(usize::from(digit)));
            }
        }
    }
}
