//! The paths of the catalogue as a tree. Literals beat parameters; the number of segments is fixed.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::{Allowed, RouteError, has_head, method};
use crate::catalog::{Operation, Segment, catalog};

/// What a path ends in: an operation, by its canonical path or by an alias.
#[derive(Debug, Clone, Copy)]
pub(super) struct End {
    pub(super) operation: &'static Operation,
    pub(super) alias: Option<usize>,
}

/// A place in the tree.
#[derive(Debug, Default)]
pub(super) struct Place {
    literals: HashMap<&'static str, Place>,
    parameter: Option<Box<Place>>,
    ends: Vec<End>,
}

static TABLE: LazyLock<Place> = LazyLock::new(|| {
    let mut root = Place::default();
    for operation in catalog().operations() {
        root.insert(&operation.template, End { operation, alias: None });
        for (index, path) in operation.aliases.iter().enumerate() {
            root.insert(path, End { operation, alias: Some(index) });
        }
    }
    root
});

/// The place of a path, if operations end there; else why not.
pub(super) fn find(segments: &[&str]) -> Result<&'static Place, RouteError> {
    let table: &'static Place = &TABLE;
    if let Some(place) = table.descend(segments) {
        return Ok(place);
    }
    let versioned: Vec<&str> = std::iter::once("v1").chain(segments.iter().copied()).collect();
    if table.descend(&versioned).is_some() {
        return Err(RouteError::UnversionedPath);
    }
    // Ironic takes further segments for arguments. `/v1` itself has none.
    let goes_on =
        (2..segments.len()).any(|length| segments.get(..length).is_some_and(|part| table.descend(part).is_some()));
    Err(if goes_on { RouteError::ArgumentInPath } else { RouteError::UnknownRoute })
}

impl Place {
    fn insert(&mut self, path: &'static [Segment], end: End) {
        let mut place = self;
        for segment in path {
            place = match segment {
                Segment::Literal(text) => place.literals.entry(text).or_default(),
                Segment::Parameter(..) => place.parameter.get_or_insert_default(),
            };
        }
        place.ends.push(end);
    }

    fn descend<'t>(&'t self, segments: &[&str]) -> Option<&'t Self> {
        let Some((first, rest)) = segments.split_first() else {
            return (!self.ends.is_empty()).then_some(self);
        };
        let by_literal = self.literals.get(*first).and_then(|place| place.descend(rest));
        by_literal.or_else(|| self.parameter.as_deref().and_then(|place| place.descend(rest)))
    }

    /// The operation that this method reaches here.
    pub(super) fn end(&self, asked: &http::Method) -> Option<End> {
        let asked = method(asked, self.has_head())?;
        self.ends.iter().find(|end| end.operation.method == asked).copied()
    }

    /// All methods that reach an operation here.
    pub(super) fn allowed(&self) -> Allowed {
        Allowed::new(self.ends.iter().map(|end| end.operation.method), self.has_head())
    }

    /// What is reached here by any method.
    pub(super) fn operations(&self) -> impl Iterator<Item = &'static Operation> {
        self.ends.iter().map(|end| end.operation)
    }

    fn has_head(&self) -> bool {
        self.ends.iter().any(|end| has_head(end.operation))
    }
}
