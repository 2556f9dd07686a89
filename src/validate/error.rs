//! Why a request is not taken.

use std::borrow::Cow;
use std::fmt;

use crate::json::{JsonError, Pointer};

/// A request that Ironic's API does not have, or that irongate does not pass on. Holds no value of the request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRequest {
    /// The body is not strict JSON.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// The media type is none that the operation takes.
    #[error("send the body as Content-Type: {expected}")]
    MediaType {
        /// The media types that it takes.
        expected: &'static str,
    },
    /// A `charset` that is not UTF-8, or another parameter of the media type.
    #[error("the only parameter that Content-Type may have is charset=utf-8")]
    MediaTypeParameter,
    /// The body is larger than the operation's bound.
    #[error("the body is larger than {bytes_max} bytes")]
    TooLarge {
        /// The bound, in bytes.
        bytes_max: usize,
    },
    /// A body where none is taken.
    #[error("the operation takes no body")]
    BodyNotTaken,
    /// No body where one is needed.
    #[error("the operation needs a body")]
    BodyMissing,
    /// A value of another JSON type.
    #[error("{field}: expected {expected}")]
    WrongKind {
        /// Where.
        field: Place,
        /// What is taken.
        expected: Cow<'static, str>,
    },
    /// A string that is not spelled as such values are.
    #[error("{field}: expected {expected}")]
    WrongFormat {
        /// Where.
        field: Place,
        /// What is taken.
        expected: Cow<'static, str>,
    },
    /// A value, length or count beyond its bounds.
    #[error("{field}: expected {expected}")]
    OutOfBounds {
        /// Where.
        field: Place,
        /// The bounds.
        expected: Cow<'static, str>,
    },
    /// A string that is none of the listed ones.
    #[error("{field}: expected one of {expected}")]
    NotListed {
        /// Where.
        field: Place,
        /// The values taken at the request's microversion, separated by commas.
        expected: String,
    },
    /// A key that the object does not have.
    #[error("{field}: there is no such field")]
    UnknownField {
        /// Where.
        field: Place,
    },
    /// A key that must be there.
    #[error("{field}: the field is missing")]
    MissingField {
        /// Where.
        field: Place,
    },
    /// A field or value that the request's microversion does not have yet.
    #[error("{field}: needs microversion 1.{since} or newer")]
    TooNew {
        /// Where.
        field: Place,
        /// The first microversion (`1.N`) that has it.
        since: u16,
        /// What Ironic answers here: 406 or 400.
        status: u16,
    },
    /// A field that the request's microversion does not have any more.
    #[error("{field}: withdrawn after microversion 1.{until}")]
    Withdrawn {
        /// Where.
        field: Place,
        /// The last microversion (`1.N`) that has it.
        until: u16,
        /// What Ironic answers here: 406 or 400.
        status: u16,
    },
    /// An argument that this `target` does not take.
    #[error("{field}: only taken with target {expected}")]
    NotForTarget {
        /// Where.
        field: Place,
        /// The targets that take it, separated by commas.
        expected: String,
    },
    /// A key of an open body that names an argument which the query gives already.
    #[error("{field}: the query holds this argument already")]
    ArgumentTwice {
        /// Where.
        field: Place,
    },
    /// A key that web frameworks take as an instruction.
    #[error("{field}: not taken as a field's name")]
    ReservedName {
        /// Where.
        field: Place,
    },
    /// A patch operation's path that is not a plain JSON Pointer.
    #[error("{field}: expected a path like /field or /field/key, of letters, digits, \"_\" and \"-\"")]
    PathSpelling {
        /// Where the path is written: `/0/path`.
        field: Place,
    },
    /// A patch operation on a field that may not be patched.
    #[error("{field}: not a field that can be patched")]
    NotPatchable {
        /// The path that was to be patched.
        field: Place,
    },
    /// A patch operation below a field that is written as a whole.
    #[error("{field}: only {whole} as a whole can be patched")]
    NotPatchableBelow {
        /// The path that was to be patched.
        field: Place,
        /// The highest place that can be patched.
        whole: Place,
    },
    /// Two operations of one patch on the same path.
    #[error("{field}: patched twice; send one operation for a path")]
    SamePath {
        /// The path.
        field: Place,
    },
    /// Too many operations in one patch.
    #[error("the patch has more than {max} operations")]
    TooManyOperations {
        /// The bound.
        max: usize,
    },
    /// Places whose paths are too long in all: each is decided about by its path.
    #[error("the paths of all places that the body sets have more than {max} bytes; use fewer or shorter keys")]
    PathsTooLong {
        /// The bound, in bytes.
        max: usize,
    },
    /// A value that would be nested deeper than a body may be.
    #[error("{field}: with its path, the value is nested more than {max} levels deep")]
    TooDeep {
        /// Where.
        field: Place,
        /// The bound: segments of the path and levels of the value together.
        max: usize,
    },
    /// A value with the mask of hidden values in it.
    #[error(
        "{field}: the mask of a hidden value would be stored as the value; leave the field out or send the real value"
    )]
    MaskAsValue {
        /// Where.
        field: Place,
    },
}

/// The place of a field as it may be shown: a JSON Pointer whose odd or long segments are replaced by `?`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place(String);

/// A key that is longer is not shown. Characters.
const SHOWN_MAX: usize = 64;

impl Place {
    /// The pointer's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn push(&mut self, segment: &str) {
        self.0.push('/');
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b':' | b'!');
        if segment.len() <= SHOWN_MAX && segment.bytes().all(plain) {
            self.0.push_str(segment);
        } else {
            self.0.push('?');
        }
    }
}

impl From<&Pointer> for Place {
    fn from(pointer: &Pointer) -> Self {
        let mut place = Self::default();
        for segment in pointer.segments() {
            place.push(&segment);
        }
        place
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.0.is_empty() { "the body" } else { &self.0 })
    }
}

/// The way down to a value while it is checked: a list on the stack, which becomes a [`Place`] only in an error.
#[derive(Debug, Clone, Copy)]
pub(super) enum At<'p> {
    Root,
    Key(&'p At<'p>, &'p str),
    Index(&'p At<'p>, usize),
}

impl<'p> At<'p> {
    pub(super) fn key(&'p self, key: &'p str) -> At<'p> {
        At::Key(self, key)
    }

    pub(super) fn index(&'p self, index: usize) -> At<'p> {
        At::Index(self, index)
    }

    pub(super) fn place(&self) -> Place {
        let mut place = match self {
            At::Root => return Place::default(),
            At::Key(parent, _) | At::Index(parent, _) => parent.place(),
        };
        match self {
            At::Root => {}
            At::Key(_, key) => place.push(key),
            At::Index(_, index) => place.push(&index.to_string()),
        }
        place
    }
}

impl InvalidRequest {
    /// The HTTP status: what Ironic would give where Ironic would refuse too.
    pub const fn status(&self) -> u16 {
        match self {
            Self::MediaType { .. } | Self::MediaTypeParameter => 415,
            Self::TooLarge { .. } => 413,
            Self::TooNew { status, .. } | Self::Withdrawn { status, .. } => *status,
            Self::Json(_)
            | Self::BodyNotTaken
            | Self::BodyMissing
            | Self::WrongKind { .. }
            | Self::WrongFormat { .. }
            | Self::OutOfBounds { .. }
            | Self::NotListed { .. }
            | Self::UnknownField { .. }
            | Self::MissingField { .. }
            | Self::NotForTarget { .. }
            | Self::ArgumentTwice { .. }
            | Self::ReservedName { .. }
            | Self::PathSpelling { .. }
            | Self::NotPatchable { .. }
            | Self::NotPatchableBelow { .. }
            | Self::SamePath { .. }
            | Self::TooManyOperations { .. }
            | Self::PathsTooLong { .. }
            | Self::TooDeep { .. }
            | Self::MaskAsValue { .. } => 400,
        }
    }

    /// The stable word for records and answers.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Json(error) => error.code(),
            Self::MediaType { .. } => "media_type",
            Self::MediaTypeParameter => "media_type_parameter",
            Self::TooLarge { .. } => "body_too_large",
            Self::BodyNotTaken => "body_not_taken",
            Self::BodyMissing => "body_missing",
            Self::WrongKind { .. } => "wrong_kind",
            Self::WrongFormat { .. } => "wrong_format",
            Self::OutOfBounds { .. } => "out_of_bounds",
            Self::NotListed { .. } => "not_listed",
            Self::UnknownField { .. } => "unknown_field",
            Self::MissingField { .. } => "missing_field",
            Self::TooNew { .. } => "too_new",
            Self::Withdrawn { .. } => "withdrawn",
            Self::NotForTarget { .. } => "not_for_target",
            Self::ArgumentTwice { .. } => "argument_twice",
            Self::ReservedName { .. } => "reserved_name",
            Self::PathSpelling { .. } => "path_spelling",
            Self::NotPatchable { .. } => "not_patchable",
            Self::NotPatchableBelow { .. } => "not_patchable_below",
            Self::SamePath { .. } => "same_path",
            Self::TooManyOperations { .. } => "too_many_operations",
            Self::PathsTooLong { .. } => "paths_too_long",
            Self::TooDeep { .. } => "too_deep",
            Self::MaskAsValue { .. } => "mask_as_value",
        }
    }
}
