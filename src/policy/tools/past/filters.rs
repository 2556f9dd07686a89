//! `@filter` of permits, as far as a record tells whether its request met it.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::facts::FactSet;
use super::{PastRequest, Told};
use crate::authenticate::SchemeName;
use crate::policy::filter::{Filter, Fit, Value};
use crate::policy::rule::Rule;

/// Permits with a filter that a request does not meet, or of which its record does not tell; by index.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Doubtful {
    unmet: Vec<usize>,
    untold: Vec<(usize, FactSet)>,
}

impl Doubtful {
    pub(super) fn of<'r>(rules: impl Iterator<Item = (usize, &'r Rule)>, request: &PastRequest) -> Self {
        let mut found = Self::default();
        for (index, rule) in rules {
            let Some(filter) = &rule.filter else { continue };
            match is_met(filter, request) {
                Ok(true) => {}
                Ok(false) => found.unmet.push(index),
                Err(missing) => found.untold.push((index, missing)),
            }
        }
        found
    }

    pub(super) fn is_unmet(&self, index: usize) -> bool {
        self.unmet.contains(&index)
    }

    pub(super) fn is_untold(&self, index: usize) -> bool {
        self.untold.iter().any(|(untold, _)| *untold == index)
    }

    /// What has to be known of the filters of these.
    pub(super) fn missing(&self, rules: &BTreeSet<usize>) -> FactSet {
        let untold = self.untold.iter().filter(|(index, _)| rules.contains(index));
        untold.fold(FactSet::NONE, |facts, (_, missing)| facts.union(*missing))
    }
}

/// The facts that a rule's filter reads.
pub(super) fn read_by(rule: &Rule) -> FactSet {
    let Some(filter) = &rule.filter else { return FactSet::NONE };
    ["context.query", "context.query_names", "context.microversion"]
        .into_iter()
        .chain((filter.value == Value::ProjectId).then_some("principal.project_id"))
        .fold(FactSet::NONE, |facts, path| facts.union(FactSet::named(path)))
}

/// Whether the request met the filter, or would have with what irongate adds. Otherwise what the record would have to tell.
fn is_met(filter: &Filter, request: &PastRequest) -> Result<bool, FactSet> {
    let Some(minor) = request.microversion else { return Err(FactSet::named("context.microversion")) };
    let mut missing = FactSet::NONE;
    let is_keystone = request.scheme == SchemeName::Keystone;
    let value: Option<Arc<str>> = match &filter.value {
        Value::ProjectId if is_keystone => match &request.keystone.project_id {
            Told::Is(id) => Some(id.as_str().into()),
            Told::Absent => None,
            Told::Unknown => {
                missing.add("principal.project_id");
                Some("unknown".into())
            }
        },
        // Of a Keystone caller the name is the user's id.
        Value::UserId if is_keystone => Some(request.name.as_str().into()),
        Value::ProjectId | Value::UserId => None,
        Value::Name => Some(request.name.as_str().into()),
        Value::Text(text) => Some(Arc::from(&**text)),
    };
    let names = || request.query_names.iter().map(String::as_str);
    let mut said = request.query.iter().find(|(name, _)| *name == *filter.parameter).map(|(_, text)| text.as_str());
    if said.is_none() && names().any(|name| name == &*filter.parameter) {
        missing.add("context.query");
    }
    // What is not known is taken to fit: what does not even then, does not.
    if missing != FactSet::NONE && names().any(|name| name == &*filter.parameter) {
        said = value.as_deref();
    }
    let fits = filter.fit_of(value.clone(), request.operation, minor, names, said) != Fit::No;
    if fits && missing != FactSet::NONE { Err(missing) } else { Ok(fits) }
}
