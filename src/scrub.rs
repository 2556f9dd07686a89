//! Ironic's answer → what the caller may see.
//!
//! A [`Scrubber`] takes an answer's JSON in chunks of any size and gives out the same JSON with secrets masked and links
//! that point to irongate. It never builds a tree, and it refuses what is not well-formed. What is a secret is said by
//! [`ScrubRules`]: exact places and key names of the catalogue, and shapes of texts; `docs/secrets.md` is the map.
//! Errors are not passed on but [rebuilt](rebuild).
//!
//! | module | is |
//! |---|---|
//! | `stream` | the reader: chunks in, chunks out; its parts by what they read |
//! | `rules` | what is done with what, and for whom: places of each operation, treatments by role |
//! | `names` | which names say that their value is a secret |
//! | `shapes` | which parts of a text are a secret by their look |
//! | `link`, `hidden`, `shadow` | where a link points; what is masked already; what rules in shadow would have masked |
//! | `error` | an error made anew, in words that are known to be harmless |
//! | `reference` | the same rules on a tree, slow and plain: tests hold the reader to it |

mod error;
mod hidden;
mod link;
mod names;
#[cfg(any(test, fuzzing))]
pub mod reference;
mod rules;
mod shadow;
mod shapes;
mod stream;

#[cfg(test)]
mod tests;

pub use error::{FAULTSTRING_BYTES_MAX, rebuild};
pub use hidden::holds_hidden;
pub use link::rewrite_location;
pub use names::name::{KeyName, names_a_secret};
pub use rules::treatment::{
    HmacKey, RoleTreatment, SecretTreatment, ShortKey, TreatmentError, Treatments, is_hmac, line,
};
pub use rules::{ScrubAdditions, ScrubRules};
pub use shadow::ShadowCount;
pub use stream::{DEPTH_MAX, Scrubber};

/// What a masked value becomes.
pub const MASK: &str = "******";
/// The same, as JSON.
const QUOTED_MASK: &[u8] = b"\"******\"";

/// Strings up to this length (as written, in bytes) are searched for shapes as a whole, longer ones in windows of it.
const WINDOW_BYTES: usize = 64 * 1024;
/// How much of a window the next one sees again: a secret up to this length is found wherever it is.
const OVERLAP_BYTES: usize = 16 * 1024;
/// How much is held back for a value whose name has not come yet.
const HELD_BYTES_MAX: usize = 16 * 1024;

/// A mistake in [`ScrubAdditions`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScrubRuleError {
    /// A word would hit nearly every key.
    #[error("the word \"{0}\" is too short: give at least three letters or digits")]
    ShortWord(String),
    /// A place that is none.
    #[error(
        "the field \"{0}\" is no place: begin with a slash and leave no segment empty, as in /driver_info/my_field"
    )]
    NotAPointer(String),
    /// More places than are kept.
    #[error("there are too many fields: give at most {max}, or use words")]
    TooManyFields {
        /// How many there may be.
        max: usize,
    },
    /// A regular expression that does not compile.
    #[error("the shape \"{shape}\" is no regular expression: {reason}")]
    Shape {
        /// The entry.
        shape: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A regular expression that matches nothing at all, everywhere.
    #[error("the shape \"{0}\" matches the empty text: make it need at least one character")]
    EmptyShape(String),
    /// The words do not fit into one search.
    #[error("the words do not compile: {0}")]
    Words(String),
}

/// Why an answer cannot be passed on. Never holds text of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ScrubError {
    /// Something that cannot stand where it is.
    #[error("the answer is not JSON")]
    Syntax,
    /// A number that is none.
    #[error("the answer has a malformed number")]
    Number,
    /// A word other than `true`, `false` and `null`.
    #[error("the answer has an unknown word")]
    Word,
    /// A control character in a string.
    #[error("the answer has a control character in a string")]
    Control,
    /// A malformed escape.
    #[error("the answer has a malformed escape")]
    Escape,
    /// Not UTF-8.
    #[error("the answer is not UTF-8")]
    Utf8,
    /// Nested deeper than what is read at all.
    #[error("the answer is nested too deeply")]
    Depth,
    /// Text after the value.
    #[error("the answer goes on after its end")]
    Trailing,
    /// It ended too early.
    #[error("the answer is incomplete")]
    Truncated,
    /// An operation whose places do not compile: none of the catalogue.
    #[error("the operation has no scrub plan")]
    Unplanned,
}

/// What was done to an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ScrubReport {
    /// Values masked, wholly or in part; a value with two secrets counts twice.
    pub masked: u64,
}
