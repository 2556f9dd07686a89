//! Patterns of strings, compiled when the catalogue is read.

use regex::Regex;
use serde::{Deserialize, Serialize, Serializer};

/// A regular expression that a text matches as a whole.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct Pattern {
    text: String,
    whole: Regex,
}

impl Pattern {
    /// The expression as the catalogue has it, without anchors.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the whole of `text` matches. In time linear to its length.
    pub fn matches(&self, text: &str) -> bool {
        self.whole.is_match(text)
    }
}

impl TryFrom<String> for Pattern {
    type Error = regex::Error;

    fn try_from(text: String) -> Result<Self, regex::Error> {
        let whole = Regex::new(&format!(r"\A(?:{text})\z"))?;
        Ok(Self { text, whole })
    }
}

impl Serialize for Pattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}
