//! What to write instead of what Cedar's validator does not take, where irongate knows better than Cedar: Cedar looks for
//! words that are spelt alike, and knows no lists.

use super::filter::in_scope;
use super::rule::Rule;
use super::schema::{has_writes, write_action};
use crate::catalog::{ResourceType, catalog};

/// How Cedar begins to say that a policy never applies.
pub(super) const IMPOSSIBLE: &str = "policy is impossible";

const OPTIONAL_WRITE: &str =
    "what a write sets is optional, and so is each fact about it: write `context.write has value.string && …` first";
const ONLY_WRITES: &str =
    "only actions that end in \":write\" have it: name one, or write `context has write && …` first";
const LISTS: &str = "a list has no attributes of what it shows: give lists a policy of their own, with a filter such as \
                     `@filter(\"owner = principal.project_id\")`; see \"Lists\" in docs/policy.md";

/// The least likeness (0 to 1, by Jaro and Winkler) of an action's id to one that is suggested for it.
const LIKENESS_MIN: f64 = 0.75;

/// What to write, after Cedar's message and `help`.
pub(super) fn hint(message: &str, help: Option<String>, rule: Option<&Rule>) -> Option<String> {
    if message.contains("attribute `write.") && message.contains("in context") {
        return Some(OPTIONAL_WRITE.to_owned());
    }
    if message.contains("attribute `write") && message.contains("in context") {
        return Some(ONLY_WRITES.to_owned());
    }
    if message.contains("on entity type `Collection`") {
        return Some(LISTS.to_owned());
    }
    if message.starts_with(IMPOSSIBLE) && rule.is_some_and(asks_of_lists) {
        return Some(LISTS.to_owned());
    }
    match unrecognized(message) {
        Some(id) => {
            nearest(id).map(|id| format!("did you mean `Action::{id:?}`? `irongate routes` lists all operations"))
        }
        None => help,
    }
}

/// The action's id in Cedar's message that there is none.
fn unrecognized(message: &str) -> Option<&str> {
    message.split_once("unrecognized action `Action::\"")?.1.split_once('"').map(|(id, _)| id)
}

/// The group or action with the id most like this one.
fn nearest(id: &str) -> Option<String> {
    let ids = catalog().operations().iter().flat_map(|operation| {
        let write = has_writes(operation).then(|| write_action(&operation.id));
        let groups = operation.groups.iter().map(|group| group.as_str().to_owned());
        std::iter::once(operation.id.clone()).chain(write).chain(groups)
    });
    let likeness = ids.map(|known| (strsim::jaro_winkler(id, &known), known));
    let (best, known) = likeness.max_by(|(one, _), (other, _)| one.total_cmp(other))?;
    (best >= LIKENESS_MIN).then_some(known)
}

/// Whether it reads the object, and is about a list.
fn asks_of_lists(rule: &Rule) -> bool {
    let mut about = in_scope(catalog().operations(), &rule.about);
    rule.reads.lookup && about.any(|operation| operation.resource == ResourceType::Collection)
}
