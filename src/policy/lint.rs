//! Policies that are valid Cedar and yet do not do what their author expects.

mod dead;
mod fact;
mod reach;
mod wildcard;

use std::collections::{BTreeMap, BTreeSet, HashSet};

use cedar_policy::{EntityUid, ResourceConstraint};

use super::finding::{PolicyFinding, Severity};
use super::hint::IMPOSSIBLE;
use super::rule::{About, PolicyMode, Rule, Who};
use super::schema::{API_ID, fixed_id, has_writes, write_action};
use super::slice::{ActionGroups, Slices};
use crate::catalog::{Method, Operation, ResourceType};

/// Appends what is found. `rules` are sorted by id, each id once.
pub(super) fn lint(operations: &[Operation], rules: &[Rule], findings: &mut Vec<PolicyFinding>) {
    let collections: BTreeSet<String> =
        operations.iter().filter(|operation| operation.resource == ResourceType::Collection).map(fixed_id).collect();
    unmet(rules, findings);
    let known = fact::known(operations);
    let written = dead::Written::new(operations);
    for rule in rules {
        for uid in rule.policy.entity_literals() {
            findings.extend(identifier(rule, &uid, &collections));
        }
        findings.extend(open(rule));
        fact::unknown(rule, &known, findings);
        wildcard::wildcards(rule, findings);
        dead::comparisons(rule, &written, findings);
    }
    halves(operations, rules, findings);
    aliases(rules, findings);
    reach::reach(operations, rules, findings);
}

/// What Cedar warns of, that a policy never applies, is an error in a forbid: somebody thinks that it guards something. A policy
/// with an error is called impossible too, and is left to that.
fn unmet(rules: &[Rule], findings: &mut [PolicyFinding]) {
    let errors = findings.iter().filter(|finding| finding.severity == Severity::Error);
    let broken: HashSet<Option<String>> = errors.map(|finding| finding.policy.clone()).collect();
    for finding in findings.iter_mut().filter(|finding| finding.message.starts_with(IMPOSSIBLE)) {
        let rule = rules.iter().find(|rule| finding.policy.as_deref() == Some(&*rule.id));
        if rule.is_some_and(|rule| !rule.is_permit()) && !broken.contains(&finding.policy) {
            finding.severity = Severity::Error;
        }
    }
}

/// Identifiers that can never match. In a forbid they would be holes, so they are errors.
fn identifier(rule: &Rule, uid: &EntityUid, collections: &BTreeSet<String>) -> Option<PolicyFinding> {
    let id = uid.id().unescaped();
    let kind = uid.type_name().basename();
    let error = |message: &str, hint: String| Some(rule.finding(Severity::Error, format!("{uid} {message}"), hint));
    match kind {
        "Role" | "Action" => None,
        "Principal" => {
            let schemes = ["basic:", "keystone:", "jwt:", "certificate:"];
            if schemes.contains(&id) {
                return error("is nobody: it has no name", "write the caller's name after the colon".to_owned());
            }
            let known = schemes.iter().any(|scheme| id.starts_with(scheme));
            if known || id == "anonymous" {
                return None;
            }
            // As a record has it, in two words.
            if id.starts_with("anonymous:") {
                return error("is nobody: who proved nothing has no name", "write Principal::\"anonymous\"".to_owned());
            }
            error(
                "is nobody: a principal's id starts with its scheme",
                format!(
                    "write Principal::\"basic:{}\", or keystone:, jwt:, certificate:; or \"anonymous\"",
                    id.escape_debug()
                ),
            )
        }
        "Api" if id != API_ID => error("does not exist", format!("write Api::\"{API_ID}\"")),
        "Collection" if !collections.contains(id) => {
            let known: Vec<&str> = collections.iter().map(String::as_str).collect();
            error("does not exist", format!("the collections are {}", known.join(", ")))
        }
        _ if id != id.to_lowercase() => error(
            "never matches: identifiers are compared in lower case",
            format!("write {kind}::{:?}", id.to_lowercase()),
        ),
        _ => None,
    }
}

/// A permit for everyone who did not say so.
fn open(rule: &Rule) -> Option<PolicyFinding> {
    let everyone = rule.who == Who::Everyone { said: false } && !rule.reads.principal;
    (everyone && rule.is_permit() && rule.mode != PolicyMode::Off).then(|| {
        rule.finding(
            Severity::Warning,
            "this permit is open to everyone, also without a credential".to_owned(),
            "name a role (`principal in Role::\"…\"`), or write `principal is Principal` if everyone is meant"
                .to_owned(),
        )
    })
}

/// Permits for a request without its writes, or for writes without their request: either alone permits nothing.
fn halves(operations: &[Operation], rules: &[Rule], findings: &mut Vec<PolicyFinding>) {
    let slices = Slices::new(rules);
    let mut other_half: BTreeMap<String, (ActionGroups, bool)> = BTreeMap::new();
    for operation in operations.iter().filter(|operation| has_writes(operation)) {
        // What a DELETE has in its body may stand in its query, or be left out.
        if operation.method != Method::Delete {
            other_half.insert(operation.id.clone(), (ActionGroups::write(operation), true));
        }
        other_half.insert(write_action(&operation.id), (ActionGroups::request(operation), false));
    }
    // Of many permits by the same action, mode and callers one stands for all.
    let mut permits: BTreeMap<&str, Vec<&Rule>> = BTreeMap::new();
    for rule in rules.iter().filter(|rule| rule.is_permit() && rule.mode != PolicyMode::Off) {
        let About::Exactly(action) = &rule.about else { continue };
        let Some((other, is_write)) = other_half.get(action) else { continue };
        let others = permits.entry(action).or_insert_with(|| {
            let mut seen = HashSet::new();
            let all = slices.about(other).into_iter().filter_map(|index| rules.get(index));
            all.filter(|other| other.is_permit() && seen.insert((other.mode, &other.who))).collect()
        });
        if others.iter().any(|other| completes(rule, other)) {
            continue;
        }
        let message = if *is_write {
            format!("this permits the request {action:?} but none of its writes, and no other policy does")
        } else {
            format!("this permits writes of {:?}, but no policy permits the request itself", other.id)
        };
        let hint = if *is_write {
            format!(
                "write `action in Action::{action:?}` for all writes, or permit Action::{:?} under conditions",
                other.id
            )
        } else {
            format!("permit `action == Action::{:?}` too", other.id)
        };
        findings.push(rule.finding(Severity::Warning, message, hint));
    }
}

/// Forbids that name an object by one identifier: a request may name it by another (its name, its UUID).
fn aliases(rules: &[Rule], findings: &mut Vec<PolicyFinding>) {
    let forbids = rules.iter().filter(|rule| !rule.is_permit() && rule.mode != PolicyMode::Off);
    let named: Vec<(&Rule, EntityUid)> = forbids
        .filter_map(|rule| match rule.policy.resource_constraint() {
            ResourceConstraint::Eq(uid) | ResourceConstraint::In(uid) | ResourceConstraint::IsIn(_, uid) => {
                Some((rule, uid))
            }
            ResourceConstraint::Any | ResourceConstraint::Is(_) => None,
        })
        .filter(|(_, uid)| NAMED_TYPES.contains(&uid.type_name().basename()))
        .collect();
    let mut identifiers: BTreeMap<(&About, String), BTreeSet<&str>> = BTreeMap::new();
    for (rule, uid) in &named {
        let key = (&rule.about, uid.type_name().to_string());
        identifiers.entry(key).or_default().insert(uid.id().unescaped());
    }
    for (rule, uid) in &named {
        if identifiers.get(&(&rule.about, uid.type_name().to_string())).is_some_and(|ids| ids.len() < 2) {
            findings.push(rule.finding(
                Severity::Warning,
                format!("this forbid does not meet requests that name {uid} by its other identifier"),
                "write a second forbid with the object's UUID (or name), or permit by identifier instead".to_owned(),
            ));
        }
    }
}

/// The types whose objects have a name beside their UUID and are not looked up.
const NAMED_TYPES: [&str; 2] = ["DeployTemplate", "Runbook"];

/// Whether `other` may permit to a caller of `rule` what `rule` leaves out.
fn completes(rule: &Rule, other: &Rule) -> bool {
    let same_mode = other.mode == PolicyMode::Enforce || other.mode == rule.mode;
    let same_callers = match (&rule.who, &other.who) {
        (Who::Role(one), Who::Role(another)) => one == another,
        (Who::Role(_) | Who::Everyone { .. } | Who::Other, _) => true,
    };
    other.is_permit() && same_mode && same_callers
}
