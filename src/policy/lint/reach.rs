//! Permits that are never reached, or never needed.

use std::collections::{BTreeMap, BTreeSet};

use super::super::finding::{PolicyFinding, Severity};
use super::super::rule::{About, PolicyMode, Rule, Who};
use super::super::slice::ActionGroups;
use crate::catalog::Operation;

/// Appends a warning for each permit that an unconditional forbid takes away, and for each that other unconditional
/// permits of the same role make pointless. What depends on conditions is not decided here.
pub(super) fn reach(operations: &[Operation], rules: &[Rule], findings: &mut Vec<PolicyFinding>) {
    let actions = ActionGroups::of_all(operations);
    let enforced = || rules.iter().filter(|rule| rule.mode == PolicyMode::Enforce);
    let forbids: Vec<(&Rule, BTreeSet<usize>)> = enforced()
        .filter(|rule| !rule.is_permit() && rule.is_unconditional())
        .map(|rule| (rule, about(rule, &actions)))
        .collect();
    let mut open: BTreeMap<&str, BTreeMap<usize, usize>> = BTreeMap::new();
    for rule in enforced().filter(|rule| rule.is_permit() && rule.is_unconditional()) {
        let Who::Role(role) = &rule.who else { continue };
        let counts = open.entry(role).or_default();
        for action in about(rule, &actions) {
            *counts.entry(action).or_default() += 1;
        }
    }
    for rule in enforced().filter(|rule| rule.is_permit()) {
        let counts = if let Who::Role(role) = &rule.who { open.get(&**role) } else { None };
        if forbids.is_empty() && counts.is_none() {
            continue;
        }
        let own = about(rule, &actions);
        if let Some((forbid, _)) = forbids.iter().find(|(forbid, met)| meets(forbid, rule) && own.is_subset(met)) {
            findings.push(rule.finding(
                Severity::Warning,
                format!("this permit is never reached: {:?} forbids all of it to the same callers", forbid.id),
                "take one of them away: a forbid always wins".to_owned(),
            ));
            continue;
        }
        // It is one of those that are counted, if it has no condition of its own.
        let others = usize::from(rule.is_unconditional());
        let needless = counts.is_some_and(|counts| {
            !own.is_empty() && own.iter().all(|action| counts.get(action).is_some_and(|count| *count > others))
        });
        if needless {
            findings.push(rule.finding(
                Severity::Warning,
                "this permit is dead: other policies permit all of it to the same role, without condition".to_owned(),
                "take it away, or narrow the others".to_owned(),
            ));
        }
    }
}

fn about(rule: &Rule, actions: &[ActionGroups]) -> BTreeSet<usize> {
    let is_met = |action: &ActionGroups| match &rule.about {
        About::Any => true,
        About::Exactly(id) => *id == action.id,
        About::Within(ids) => ids.iter().any(|id| action.all.contains(id)),
    };
    actions.iter().enumerate().filter(|(_, action)| is_met(action)).map(|(index, _)| index).collect()
}

/// Whether the forbid is for all callers of the permit.
fn meets(forbid: &Rule, permit: &Rule) -> bool {
    match (&forbid.who, &permit.who) {
        (Who::Everyone { .. }, _) => true,
        (Who::Role(one), Who::Role(other)) => one == other,
        (Who::Role(_) | Who::Other, _) => false,
    }
}
