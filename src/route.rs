//! A request's head → [`Route`]: which operation of the catalogue it is, with which identifiers and query.
//!
//! Paths and queries are taken in their plain spelling only. What Ironic, or a server in front of it, could read in
//! another way than irongate is refused; nothing is cleaned. The route is then written anew by [`Route::target`], so
//! what was decided about is what Ironic gets:
//!
//! - An alias (`…/vendor_passthru/{method}`) becomes the canonical path, its argument a query parameter. Where Ironic
//!   serves only the alias it is forwarded as such; what policies see is the same.
//! - Booleans, integers, hardware addresses and lists of names are written in one spelling.
//! - Each query parameter occurs once.

mod accept;
mod error;
mod identifier;
mod path;
mod query;
mod table;
mod target;
mod text;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use http::request::Parts;

use crate::catalog::{Answer, Class, Method, Operation, Segment};
use crate::microversion::{Ceiling, Microversion};

pub use error::{Allowed, RouteError};

/// Answers before Ironic looks at what is accepted.
const HEALTH: &str = "api:healthcheck";

/// Behind `vendor_passthru` it is the list of methods and no method.
const METHODS: &str = "methods";

/// A request's head, understood: an operation of the catalogue, its identifiers, its query and its microversion.
/// Only this module makes one.
#[derive(Debug)]
pub struct Route<'a> {
    operation: &'static Operation,
    /// Which path of the operation the caller used: `None` the canonical one, else the index of the alias. Ironic gets
    /// the canonical one, and what only the alias has in its path is in the query.
    alias: Option<usize>,
    /// Path parameters by the name in the template, decoded.
    parameters: Vec<(&'static str, Cow<'a, str>)>,
    /// Query parameters in the order of the request, decoded, in one spelling, each once and in the catalogue.
    query: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    microversion: Microversion,
}

/// Finds the operation that a request's head asks for.
///
/// A `HEAD` of the version documents is a route of their `GET`: Ironic is asked with `GET`, the answer goes without its body.
///
/// # Errors
/// [`RouteError`], one variant per misdeed. [`RouteError::Options`] is not a misdeed: it is for the pipeline to answer.
pub fn find(head: &Parts, ceiling: Ceiling) -> Result<Route<'_>, RouteError> {
    let (segments, slash) = match path::read(head)? {
        path::Target::Server => return server(head),
        path::Target::Path { segments, slash } => (segments, slash),
    };
    // Ironic, too, refuses a microversion before it looks for a route. OPTIONS it answers before either.
    let microversion =
        if head.method == http::Method::OPTIONS { None } else { Some(Microversion::read(&head.headers, ceiling)?) };
    path::suffix(segments.last().copied(), microversion)?;
    let place = table::find(&segments)?;
    let Some(microversion) = microversion else {
        return Err(RouteError::Options { allow: place.allowed() });
    };
    let table::End { operation, alias } =
        place.end(&head.method).ok_or_else(|| RouteError::MethodNotAllowed { allow: place.allowed() })?;
    if slash && !operation.trailing_slash {
        return Err(RouteError::TrailingSlash);
    }
    available(operation, microversion)?;
    if !accept::takes_json(&head.headers) && operation.id != HEALTH {
        return Err(RouteError::NotAcceptable);
    }
    let (parameters, folded) = parameters(operation, alias, &segments)?;
    let query = query::read(operation, microversion, head.uri.query(), folded)?;
    forwarded_in_path(operation, &query, microversion)?;
    Ok(Route { operation, alias, parameters, query, microversion })
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

    /// The identifier of the resource that a policy sees, if the operation is about one.
    pub fn resource_id(&self) -> Option<&str> {
        self.operation.resource_parameter.as_deref().and_then(|name| self.parameter(name))
    }
    /// Names an object by its UUID instead of a name (in lower case), wherever the request names it: in the path, or in the
    /// query that lists what belongs to it. Only `authorize` may, of what was decided about.
    pub(crate) fn pin(&mut self, identifier: &str, uuid: &str) {
        let in_path = self.operation.resource_parameter.as_deref();
        let path = self.parameters.iter_mut().filter(|(name, _)| Some(*name) == in_path).map(|(_, text)| text);
        let query = self.query.iter_mut().filter(|(name, _)| name == "node").map(|(_, text)| text);
        for text in path.chain(query).filter(|text| text.to_lowercase() == identifier) {
            *text = Cow::Owned(uuid.to_owned());
        }
    }

    /// Adds a filter to a list's query. Only `authorize` may, where a permit has it for an obligation.
    pub(crate) fn add_filter(&mut self, parameter: &'static str, value: &str) {
        self.query.push((Cow::Borrowed(parameter), Cow::Owned(value.to_owned())));
    }
}

#[cfg(test)]
impl<'a> Route<'a> {
    /// For unit tests of later steps: the canonical path, without parameters and without a query.
    pub(crate) fn for_test(operation: &'static Operation, minor: u16) -> Self {
        let microversion = Microversion::for_test(minor);
        Self { operation, alias: None, parameters: Vec::new(), query: Vec::new(), microversion }
    }

    pub(crate) fn with_parameters(self, parameters: Vec<(&'static str, Cow<'a, str>)>) -> Self {
        Self { parameters, ..self }
    }

    pub(crate) fn with_query(self, query: &[(&'a str, &'a str)]) -> Self {
        let query = query.iter().map(|(name, value)| (Cow::Borrowed(*name), Cow::Borrowed(*value))).collect();
        Self { query, ..self }
    }
}

/// The operations at a head's path, each with whether the method reaches it; none where the path is none of the catalogue's.
pub fn operations_at(head: &Parts) -> Vec<(&'static Operation, bool)> {
    let Ok(path::Target::Path { segments, .. }) = path::read(head) else { return Vec::new() };
    let Ok(place) = table::find(&segments) else { return Vec::new() };
    let reached = place.end(&head.method).map(|end| end.operation.index);
    place.operations().map(|operation| (operation, reached == Some(operation.index))).collect()
}

/// The class of the operation that a head seems to ask for; none where it is none of the catalogue's. What else is wrong
/// with the request is not looked at.
pub fn claimed_class(head: &Parts) -> Option<Class> {
    operations_at(head).into_iter().find(|(_, reached)| *reached).map(|(operation, _)| operation.class())
}

/// `*` instead of a path: only OPTIONS may say that.
fn server(head: &Parts) -> Result<Route<'_>, RouteError> {
    if head.method == http::Method::OPTIONS {
        Err(RouteError::Options { allow: Allowed::all() })
    } else {
        Err(RouteError::TargetForm)
    }
}

/// Whether the operation exists at this microversion.
fn available(operation: &Operation, microversion: Microversion) -> Result<(), RouteError> {
    let minor = microversion.minor();
    let withdrawn = operation.until.is_some_and(|until| minor > until);
    if (minor >= operation.since && !withdrawn) || operation.also_at.contains(&minor) {
        return Ok(());
    }
    match operation.too_early_status {
        Some(status) => Err(RouteError::NotAtThisVersion { since: operation.since, status }),
        None => Ok(()),
    }
}

/// What is forwarded in the path of an alias is spelled as what came in a path, and names no part of the API.
fn forwarded_in_path(
    operation: &'static Operation,
    query: &[(Cow<'_, str>, Cow<'_, str>)],
    microversion: Microversion,
) -> Result<(), RouteError> {
    let alias = operation.aliases.first().filter(|_| operation.forward_alias);
    for part in alias.into_iter().flatten() {
        let Segment::Parameter(name, kind) = part else { continue };
        let Some((_, text)) = query.iter().find(|(known, _)| known == name) else { continue };
        path::segments(text)?;
        path::suffix(Some(text), Some(microversion))?;
        identifier::read(name, *kind, text)?;
        if text == METHODS {
            return Err(RouteError::Identifier { parameter: name, expected: "a vendor method" });
        }
    }
    Ok(())
}

type Parameters<'a> = Vec<(&'static str, Cow<'a, str>)>;

/// The path's parameters, and those of an alias that belong into the query of the canonical path.
fn parameters<'a>(
    operation: &'static Operation,
    alias: Option<usize>,
    segments: &[&'a str],
) -> Result<(Parameters<'a>, Parameters<'a>), RouteError> {
    let template = alias.and_then(|alias| operation.aliases.get(alias)).unwrap_or(&operation.template);
    let mut parameters = Vec::new();
    let mut folded = Vec::new();
    for (part, text) in template.iter().zip(segments) {
        let Segment::Parameter(name, kind) = part else { continue };
        let value = identifier::read(name, *kind, text)?;
        if operation.template.contains(part) {
            parameters.push((name.as_str(), value));
        } else {
            folded.push((name.as_str(), value));
        }
    }
    Ok((parameters, folded))
}

/// The catalogue's method for a request's; HEAD only where the answer is a version document.
fn method(method: &http::Method, head_too: bool) -> Option<Method> {
    match method.as_str() {
        "GET" => Some(Method::Get),
        "HEAD" if head_too => Some(Method::Get),
        "POST" => Some(Method::Post),
        "PUT" => Some(Method::Put),
        "PATCH" => Some(Method::Patch),
        "DELETE" => Some(Method::Delete),
        _ => None,
    }
}

/// Whether Ironic documents HEAD for the operation.
fn has_head(operation: &Operation) -> bool {
    operation.answer == Answer::Discovery
}
