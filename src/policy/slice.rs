//! Which policies can apply to which action.

use std::collections::{BTreeMap, BTreeSet};

use super::rule::{About, Rule};
use super::schema::{SECRETS_READ, SHADOW_READ, WRITE_GROUP, has_writes, write_action};
use crate::catalog::Operation;

/// The rules by the action that their scope names; numbers are indices of the rules.
#[derive(Debug, Default)]
pub(super) struct Slices<'r> {
    any: Vec<usize>,
    exactly: BTreeMap<&'r str, Vec<usize>>,
    within: BTreeMap<&'r str, Vec<usize>>,
}

/// An action and everything that it is in, itself included.
#[derive(Debug, Clone)]
pub(super) struct ActionGroups {
    pub(super) id: String,
    pub(super) all: Vec<String>,
}

impl ActionGroups {
    /// Of the request.
    pub(super) fn request(operation: &Operation) -> Self {
        let mut all = vec![operation.id.clone()];
        all.extend(operation.groups.iter().map(|group| group.as_str().to_owned()));
        Self { id: operation.id.clone(), all }
    }

    /// Of a secret that may be read.
    pub(super) fn secrets() -> Self {
        Self { id: SECRETS_READ.to_owned(), all: vec![SECRETS_READ.to_owned()] }
    }

    /// Of what dry-run would have refused.
    pub(super) fn shadow() -> Self {
        Self { id: SHADOW_READ.to_owned(), all: vec![SHADOW_READ.to_owned()] }
    }

    /// Of each write of it.
    pub(super) fn write(operation: &Operation) -> Self {
        let id = write_action(&operation.id);
        let mut all = Self::request(operation).all;
        all.extend([id.clone(), WRITE_GROUP.to_owned()]);
        Self { id, all }
    }

    /// Of all requests, and of the writes of those that have any.
    pub(super) fn of_all(operations: &[Operation]) -> Vec<Self> {
        let both = |operation| {
            let write = has_writes(operation).then(|| Self::write(operation));
            std::iter::once(Self::request(operation)).chain(write)
        };
        operations.iter().flat_map(both).collect()
    }
}

impl<'r> Slices<'r> {
    pub(super) fn new(rules: &'r [Rule]) -> Self {
        let mut slices = Self::default();
        for (index, rule) in rules.iter().enumerate() {
            match &rule.about {
                About::Any => slices.any.push(index),
                About::Exactly(id) => slices.exactly.entry(id).or_default().push(index),
                About::Within(ids) => {
                    for id in ids {
                        slices.within.entry(id).or_default().push(index);
                    }
                }
            }
        }
        slices
    }

    /// The rules whose action scope matches, in order, each once.
    pub(super) fn about(&self, action: &ActionGroups) -> Vec<usize> {
        let mut found: BTreeSet<usize> = self.any.iter().copied().collect();
        found.extend(self.exactly.get(action.id.as_str()).into_iter().flatten());
        found.extend(action.all.iter().filter_map(|group| self.within.get(group.as_str())).flatten());
        found.into_iter().collect()
    }
}

impl ActionGroups {
    /// Whether a scope that speaks of these actions speaks of this one.
    pub(super) fn concerns(&self, about: &About) -> bool {
        match about {
            About::Any => true,
            About::Exactly(id) => *id == self.id,
            About::Within(ids) => ids.iter().any(|id| self.all.contains(id)),
        }
    }
}
