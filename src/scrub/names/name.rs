//! The names of secrets, for what callers write: the list by which answers are masked, without an operator's additions.

use std::sync::LazyLock;

use super::key::{KeyClass, Keys};
use super::table::Ends;
use crate::catalog::catalog;

/// `None` cannot happen: every snapshot compiles the same list.
static SHIPPED: LazyLock<Option<Keys>> = LazyLock::new(|| {
    let names = catalog().secret_names().iter().map(String::as_str);
    let words = catalog().secret_words().iter().map(String::as_str);
    Keys::new(names, words, std::iter::empty()).ok()
});

/// What a key says about its value. If in doubt, that it is a secret.
#[derive(Debug, Clone, Copy)]
pub struct KeyName(KeyClass);

impl KeyName {
    /// The key's.
    pub fn of(key: &str) -> Self {
        Self(SHIPPED.as_ref().map_or(KeyClass::SECRET, |keys| {
            let bytes = key.as_bytes();
            keys.known().find(bytes, Ends::of(bytes)).unwrap_or_else(|| keys.judge(key))
        }))
    }

    /// Its value is a secret, wherever it occurs.
    pub const fn is_secret(self) -> bool {
        self.0.has(KeyClass::SECRET)
    }

    /// Its value is a secret below a step's arguments.
    pub const fn is_secret_argument(self) -> bool {
        self.0.has(KeyClass::SECRET_ARGUMENT)
    }

    /// Its value names what stands beside it, as `name` does.
    pub const fn names_others(self) -> bool {
        self.0.has(KeyClass::NAMES)
    }

    /// Its value belongs to a name that stands beside it, as `value` does.
    pub const fn is_named(self) -> bool {
        self.0.has(KeyClass::VALUES)
    }
}

/// Whether a text names a secret, as a key would.
pub fn names_a_secret(text: &str) -> bool {
    SHIPPED.as_ref().is_none_or(|keys| keys.names_a_secret(text))
}
