//! What irongate understood of a request: the only thing that is decided about and the only thing that is forwarded.
//!
//! A [`Route`] and a [`Call`] stand where they are made, so that nothing else can make one.

use crate::json::{Json, Pointer};

pub use crate::route::Route;
pub use crate::validate::Call;

/// One write of a request (DESIGN: a request is a set of writes).
///
/// Each place that a create sets is an `add`: objects and lists, and everything in them. A patch operation is a write of its
/// own path and op; when its value is a container, what is in it follows as `add`s below it, so that a policy sees both that
/// the whole was replaced and what came into it. Keyword bodies (`states/power`) are `add`s of their arguments.
#[derive(Debug)]
pub struct Write<'a> {
    /// What is done to the path.
    pub op: WriteOp,
    /// Where: one spelling per place, RFC 6901.
    pub path: Pointer,
    /// What is written; `None` for `remove`.
    pub value: Option<&'a Json<'a>>,
    /// The step that this write is, or is an argument of.
    pub step: Option<Step<'a>>,
    /// Whether the catalogue or the key's name says that the value is a secret: policies then see its kind and length only.
    pub secret: bool,
    /// Whether what stands beside the value says that it is a secret: `name: "AdminPassword"`, or another argument of a
    /// step. Who writes chooses that, so that policies see the value all the same; records tell its kind only.
    pub withheld: bool,
}

/// The three operations of a patch that Ironic knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "RFC 6902's own words")]
pub enum WriteOp {
    Add,
    Replace,
    Remove,
}

impl WriteOp {
    /// RFC 6902's spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Replace => "replace",
            Self::Remove => "remove",
        }
    }
}

/// A clean, deploy or service step, as Ironic names them: `interface.step`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step<'a> {
    /// `bios`, `deploy`, `raid`, …; for inspection rules `inspection_rule`.
    pub interface: &'a str,
    /// The step's name; for inspection rules the action's `op`.
    pub step: &'a str,
    /// For a write below `args`: the top-level argument's name.
    pub argument: Option<String>,
}
