//! Why a head is no route.

use crate::catalog::Method;
use crate::microversion::Microversion;

/// Why a request's head is no route. No variant holds a value of the request; names of query parameters are plain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// The request's target is not a path: a whole URL, an authority, or `*`.
    #[error("send the path alone as the request target")]
    TargetForm,
    /// The path or the query is longer than any that Ironic needs.
    #[error("shorten the path or the query")]
    TargetLength,
    /// `//`
    #[error("remove the empty segment from the path")]
    EmptySegment,
    /// A slash at the end of a path with which no client of Ironic writes one.
    #[error("remove the slash at the end of the path")]
    TrailingSlash,
    /// `.` or `..`
    #[error("remove the dot segment from the path")]
    DotSegment,
    /// `;`
    #[error("remove the semicolon from the path")]
    PathSemicolon,
    /// A character that no path of Ironic has.
    #[error("use only letters, digits and - . _ ~ in the segments of the path")]
    PathCharacter,
    /// A percent-encoding that no path of Ironic needs.
    #[error("remove the percent-encoding from the path")]
    PathEncoding,
    /// `.json` at the end, at a microversion at which Ironic cuts it off.
    #[error(
        "remove .json from the end of the path, or ask for microversion 1.91 or newer, which takes it for a part of the name"
    )]
    PathSuffix,
    /// Ironic's routes without `/v1`.
    #[error("put /v1 before the path")]
    UnversionedPath,
    /// The path goes on behind a route of Ironic.
    #[error("the path has a segment too many, or one that is not known")]
    ArgumentInPath,
    /// No operation has this path.
    #[error("the path is not known")]
    UnknownRoute,
    /// The path is known, but not with this method.
    #[error("use one of the methods {allow}")]
    MethodNotAllowed {
        /// What it is known with.
        allow: Allowed,
    },
    /// Not a misdeed: OPTIONS, which irongate answers itself.
    #[error("the methods are {allow}")]
    Options {
        /// What the path is known with.
        allow: Allowed,
    },
    /// A path parameter that is not spelled as identifiers of its kind are.
    #[error("the path parameter {parameter} must be {expected}")]
    Identifier {
        /// The parameter's name in the catalogue.
        parameter: &'static str,
        /// What it must be.
        expected: &'static str,
    },
    /// A word that stands for a part of the API where a node is meant.
    #[error("the path names a part of the API where a node is expected")]
    ReservedName,
    /// The operation does not exist at the microversion asked for. The status is Ironic's.
    #[error("ask for microversion 1.{since} or newer")]
    NotAtThisVersion {
        /// The first that has it.
        since: u16,
        /// 404, 405 or 406.
        status: u16,
    },
    /// `;` in the query, which Ironic would take for a separator.
    #[error("write the semicolon in the query as %3B")]
    QuerySemicolon,
    /// A character that must be percent-encoded, or a control character.
    #[error("percent-encode what is not plain in the query, and leave out control characters")]
    QueryCharacter,
    /// A percent-encoding that is incomplete or not UTF-8.
    #[error("percent-encode the query as UTF-8")]
    QueryEncoding,
    /// A part of the query that is no `name=value`.
    #[error("write the query as name=value pairs with & between them")]
    QueryPair,
    /// A query parameter whose name is not plain.
    #[error("use only letters, digits, - and _ in the names of query parameters")]
    QueryName,
    /// `_method`, with which Ironic's framework lets a caller change the method.
    #[error("remove _method from the query")]
    MethodOverride,
    /// An identifier or a body's argument in the query.
    #[error("send {0} in the path or the body, not in the query")]
    ArgumentInQuery(String),
    /// A query parameter that the operation does not have.
    #[error("the query parameter {0} is not known here")]
    UnknownQuery(String),
    /// A query parameter that is there twice.
    #[error("give the query parameter {0} once")]
    RepeatedQuery(&'static str),
    /// A query parameter that must be there.
    #[error("give the query parameter {0}")]
    MissingQuery(&'static str),
    /// A query parameter's value that Ironic does not take.
    #[error("the query parameter {parameter} must be {expected}")]
    QueryValue {
        /// Its name.
        parameter: &'static str,
        /// What it must be.
        expected: &'static str,
    },
    /// A query parameter, or its value, that the microversion asked for does not have. The status is Ironic's.
    #[error("ask for microversion 1.{since} or newer to use the query parameter {parameter}")]
    QueryTooEarly {
        /// Its name.
        parameter: &'static str,
        /// The first microversion that has it.
        since: u16,
        /// 400, 404 or 406.
        status: u16,
    },
    /// The microversion is out of range or unreadable: 406, as at Ironic.
    #[error("ask for a microversion from {lowest} to {highest}")]
    VersionNotAcceptable {
        /// The lowest that can be asked for: 1.1, or the pinned one.
        lowest: Microversion,
        /// The highest that can be asked for.
        highest: Microversion,
    },
    /// A microversion that Ironic would read, in a spelling that is not plain.
    #[error("write the microversion as 1.N, without signs, blanks, underscores and leading zeros")]
    VersionSpelling,
    /// More than one microversion, or a version header on more than one line, of which Ironic would take the last.
    #[error("send one microversion, in one line of its header")]
    VersionRepeated,
    /// An `Accept` header that excludes JSON: 406, as at Ironic.
    #[error("accept application/json")]
    NotAcceptable,
    /// An underscore in the name of a version header.
    #[error("write the name of the version header with hyphens")]
    VersionHeaderName,
}

impl RouteError {
    /// The status of the answer. 404, 405 and 406 only where Ironic would give them too.
    pub const fn status(&self) -> u16 {
        match self {
            Self::Options { .. } => 200,
            Self::TargetLength => 414,
            Self::UnknownRoute => 404,
            Self::MethodNotAllowed { .. } => 405,
            Self::VersionNotAcceptable { .. } | Self::NotAcceptable => 406,
            Self::NotAtThisVersion { status, .. } | Self::QueryTooEarly { status, .. } => *status,
            Self::TargetForm
            | Self::EmptySegment
            | Self::TrailingSlash
            | Self::DotSegment
            | Self::PathSemicolon
            | Self::PathCharacter
            | Self::PathEncoding
            | Self::PathSuffix
            | Self::UnversionedPath
            | Self::ArgumentInPath
            | Self::Identifier { .. }
            | Self::ReservedName
            | Self::QuerySemicolon
            | Self::QueryCharacter
            | Self::QueryEncoding
            | Self::QueryPair
            | Self::QueryName
            | Self::MethodOverride
            | Self::ArgumentInQuery(_)
            | Self::UnknownQuery(_)
            | Self::RepeatedQuery(_)
            | Self::MissingQuery(_)
            | Self::QueryValue { .. }
            | Self::VersionSpelling
            | Self::VersionRepeated
            | Self::VersionHeaderName => 400,
        }
    }

    /// The stable word for records, metrics and clients.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TargetForm => "target_form",
            Self::TargetLength => "target_length",
            Self::EmptySegment => "path_empty_segment",
            Self::TrailingSlash => "path_trailing_slash",
            Self::DotSegment => "path_dot_segment",
            Self::PathSemicolon => "path_semicolon",
            Self::PathCharacter => "path_character",
            Self::PathEncoding => "path_encoding",
            Self::PathSuffix => "path_suffix",
            Self::UnversionedPath => "path_unversioned",
            Self::ArgumentInPath => "argument_in_path",
            Self::UnknownRoute => "unknown_route",
            Self::MethodNotAllowed { .. } => "method_not_allowed",
            Self::Options { .. } => "options",
            Self::Identifier { .. } => "identifier",
            Self::ReservedName => "reserved_name",
            Self::NotAtThisVersion { .. } => "not_at_this_version",
            Self::QuerySemicolon => "query_semicolon",
            Self::QueryCharacter => "query_character",
            Self::QueryEncoding => "query_encoding",
            Self::QueryPair => "query_pair",
            Self::QueryName => "query_name",
            Self::MethodOverride => "method_override",
            Self::ArgumentInQuery(_) => "argument_in_query",
            Self::UnknownQuery(_) => "unknown_query",
            Self::RepeatedQuery(_) => "repeated_query",
            Self::MissingQuery(_) => "missing_query",
            Self::QueryValue { .. } => "query_value",
            Self::QueryTooEarly { .. } => "query_too_early",
            Self::VersionNotAcceptable { .. } => "version_not_acceptable",
            Self::VersionSpelling => "version_spelling",
            Self::VersionRepeated => "version_repeated",
            Self::VersionHeaderName => "version_header_name",
            Self::NotAcceptable => "not_acceptable",
        }
    }
}

/// The methods of a path; displays as the value of an `Allow` header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowed {
    methods: Vec<Method>,
    head: bool,
}

impl Allowed {
    /// These methods, and HEAD.
    pub(super) fn new(methods: impl IntoIterator<Item = Method>, head: bool) -> Self {
        let mut methods: Vec<Method> = methods.into_iter().collect();
        methods.sort_unstable();
        methods.dedup();
        Self { methods, head }
    }

    /// What the API has somewhere.
    pub(super) fn all() -> Self {
        Self::new([Method::Get, Method::Post, Method::Put, Method::Patch, Method::Delete], true)
    }

    /// The documented methods, without HEAD.
    pub fn methods(&self) -> &[Method] {
        &self.methods
    }
}

impl std::fmt::Display for Allowed {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, method) in self.methods.iter().enumerate() {
            if index > 0 {
                formatter.write_str(", ")?;
            }
            formatter.write_str(method.as_str())?;
        }
        if self.head { formatter.write_str(", HEAD") } else { Ok(()) }
    }
}
