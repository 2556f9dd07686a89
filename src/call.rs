//! What irongate understood of a request: the only thing that is decided about and the only thing that is forwarded.

use std::borrow::Cow;

use crate::catalog::Operation;
use crate::json::{Json, Pointer};
use crate::microversion::Microversion;

/// A request's head, understood: an operation of the catalogue, its identifiers, its query and its microversion.
/// Only [`crate::route`] makes one.
#[derive(Debug)]
pub struct Route<'a> {
    pub(crate) operation: &'static Operation,
    /// Which path of the operation the caller used: `None` the canonical one, else the index of the alias. Ironic gets
    /// the canonical one, and what only the alias has in its path is in the query.
    pub(crate) alias: Option<usize>,
    /// Path parameters by the name in the template, decoded.
    pub(crate) parameters: Vec<(&'static str, Cow<'a, str>)>,
    /// Query parameters in the order of the request, decoded, in one spelling, each once and in the catalogue.
    pub(crate) query: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    pub(crate) microversion: Microversion,
}

/// A whole request, understood and valid: the route and its body as a set of writes.
/// Only [`crate::validate`] makes one; it is what [`crate::forward`] takes.
#[derive(Debug)]
pub struct Call<'a> {
    pub(crate) route: Route<'a>,
    pub(crate) body: Option<Json<'a>>,
}

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

impl<'a> Route<'a> {
    /// The operation.
    pub fn operation(&self) -> &'static Operation {
        self.operation
    }

    /// The index of the alias that the caller used, if it was not the canonical path.
    pub fn alias(&self) -> Option<usize> {
        self.alias
    }

    /// The microversion at which Ironic will read the request.
    pub fn microversion(&self) -> Microversion {
        self.microversion
    }

    /// A path parameter's decoded text.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| *known == name).map(|(_, text)| text.as_ref())
    }

    /// All path parameters, in template order.
    pub fn parameters(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.parameters.iter().map(|(name, text)| (*name, text.as_ref()))
    }

    /// The query, decoded.
    pub fn query(&self) -> impl Iterator<Item = (&str, &str)> {
        self.query.iter().map(|(name, value)| (name.as_ref(), value.as_ref()))
    }

    /// Names an object by its UUID instead of a name (in lower case), wherever the request names it: in the path, or in the query that lists what
    /// belongs to it.
    pub(crate) fn pin(&mut self, identifier: &str, uuid: &str) {
        let in_path = self.operation.resource_parameter.as_deref();
        for (_, text) in self
            .parameters
            .iter_mut()
            .filter(|(name, text)| Some(*name) == in_path && text.to_lowercase() == identifier)
        {
            *text = Cow::Owned(uuid.to_owned());
        }
        for (_, text) in
            self.query.iter_mut().filter(|(name, text)| name == "node" && text.to_lowercase() == identifier)
        {
            *text = Cow::Owned(uuid.to_owned());
        }
    }

    /// Adds a filter to a list's query.
    pub(crate) fn narrow(&mut self, parameter: &'static str, value: &str) {
        self.query.push((Cow::Borrowed(parameter), Cow::Owned(value.to_owned())));
    }

    /// The identifier of the resource that a policy sees, if the operation is about one.
    pub fn resource_id(&self) -> Option<&str> {
        self.operation.resource_parameter.as_deref().and_then(|name| self.parameter(name))
    }
}

impl<'a> Call<'a> {
    /// The head.
    pub fn route(&self) -> &Route<'a> {
        &self.route
    }

    /// The body, parsed.
    pub fn body(&self) -> Option<&Json<'a>> {
        self.body.as_ref()
    }
}
