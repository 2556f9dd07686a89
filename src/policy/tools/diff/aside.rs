//! What changes beside who may do what: who sees secrets and what dry-run would deny, and which denials are hidden.

use std::collections::BTreeSet;

use super::{Asked, Change, ChangeKind, Place, Side, State, literals};
use crate::catalog::{Operation, ResourceType};
use crate::policy::rule::Who;
use crate::policy::schema::{API_ID, SECRETS_READ, SHADOW_READ, has_writes};
use crate::policy::slice::ActionGroups;

/// Appends what changes for a role of what irongate asks on its own account.
pub(super) fn changes(before: &Side<'_>, after: &Side<'_>, role: &str, changes: &mut Vec<Change>) {
    let shadow = |side: &Side<'_>| side.aside(ActionGroups::shadow(), Place::Whole, role);
    let (one, other) = (shadow(before), shadow(after));
    if one != other {
        changes.push(Change::of(role, SHADOW_READ, &one, &other));
    }
    let secret = |side: &Side<'_>, place: Place<'_>| side.aside(ActionGroups::secrets(), place, role);
    let (one, other) = (secret(before, Place::Whole), secret(after, Place::Whole));
    let ranks = |one: &State, other: &State| (one.rank(), other.rank());
    let fields: BTreeSet<String> = before.fields().chain(after.fields()).collect();
    let of_fields = fields.into_iter().filter_map(|field| {
        let place = Place::Secret(&field);
        let states = (secret(before, place), secret(after, place));
        let says_more = states.0 != states.1 && ranks(&states.0, &states.1) != ranks(&one, &other);
        says_more.then(|| Change { path: Some(field), ..Change::of(role, SECRETS_READ, &states.0, &states.1) })
    });
    let of_fields: Vec<Change> = of_fields.collect();
    if one != other && (one.rank() != other.rank() || of_fields.is_empty()) {
        changes.push(Change::of(role, SECRETS_READ, &one, &other));
    }
    changes.extend(of_fields);
}

/// Whether other denials of this operation are hidden from a role than before.
pub(super) fn concealed(before: &Side<'_>, after: &Side<'_>, operation: &Operation, role: &str) -> Option<Change> {
    let forbids = |side: &'_ Side<'_>, hide| side.forbids(operation, role, hide);
    let (one, other) = (forbids(before, true), forbids(after, true));
    let is_other = one.is_empty() != other.is_empty()
        || !one.is_disjoint(&forbids(after, false))
        || !other.is_disjoint(&forbids(before, false));
    let word = |hidden: &BTreeSet<String>| if hidden.is_empty() { "told" } else { "hidden" };
    is_other.then(|| Change {
        kind: ChangeKind::Concealed,
        before: word(&one),
        after: word(&other),
        ..Change::of(role, &operation.id, &State::Denied, &State::Denied)
    })
}

impl Side<'_> {
    fn aside(&self, groups: ActionGroups, place: Place<'_>, role: &str) -> State {
        self.state(&Asked { groups, resource: ResourceType::Api, id: API_ID.to_owned(), place }, role)
    }

    /// The secrets that the policies about them name.
    fn fields(&self) -> impl Iterator<Item = String> {
        let groups = ActionGroups::secrets();
        let rules =
            self.rules.iter().filter(move |(rule, ..)| groups.concerns(&rule.about) && rule.reads.context("field"));
        rules.flat_map(|(_, text, _)| {
            let mut found = BTreeSet::new();
            literals(&serde_json::from_str(text).unwrap_or_default(), &mut found);
            found
        })
    }

    /// The forbids that may deny this operation to this role, and hide that or not.
    fn forbids(&self, operation: &Operation, role: &str, hide: bool) -> BTreeSet<String> {
        let request = ActionGroups::request(operation);
        let write = has_writes(operation).then(|| ActionGroups::write(operation));
        let is_about = |about| request.concerns(about) || write.as_ref().is_some_and(|write| write.concerns(about));
        let forbids = self.rules.iter().filter(|(rule, ..)| {
            let is_for = match &rule.who {
                Who::Everyone { .. } | Who::Other => true,
                Who::Role(known) => **known == *role,
            };
            let is_meant = rule.conceal == hide && !rule.is_permit() && is_for;
            is_meant && rule.may_be_about(operation.resource) && is_about(&rule.about)
        });
        forbids.map(|(_, text, _)| text.clone()).collect()
    }
}
