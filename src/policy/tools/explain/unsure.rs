//! Questions about objects of which nothing is known: the answer is sure only if it is the same whatever they are.

use std::sync::Arc;

use serde_json::Value;

use super::{Applicability, ask};
use crate::policy::AccessRequest;
use crate::policy::engine::PolicyEngine;
use crate::policy::filter::Fit;
use crate::policy::rule::{PolicyMode, Rule};
use crate::policy::tools::past::{Bound, UnknownObjects, bound_by, reads_objects};

/// The policies that the answer hangs on; `None` if it is sure.
pub(super) fn hangs_on(
    engine: &PolicyEngine,
    request: &AccessRequest<'_>,
    unknown: UnknownObjects,
) -> Option<Vec<Arc<str>>> {
    if unknown == UnknownObjects::default() {
        return None;
    }
    let (mut permitted, mut permits, mut forbids) = (false, Vec::new(), Vec::new());
    for rule in engine.about(request.route.operation(), request.write.is_some()) {
        let unmet = |rule: &Rule| {
            let filter = rule.filter.as_ref().filter(|_| request.write.is_none());
            filter.is_some_and(|filter| filter.fit(request.principal, request.route) == Fit::No)
        };
        if rule.mode != PolicyMode::Enforce || unmet(rule) {
            continue;
        }
        let (narrowly, widely) = outcomes(engine, request, rule, unknown);
        match (narrowly, widely, rule.is_permit()) {
            // A condition that cannot be evaluated denies.
            (Applicability::Error, Applicability::Error, _) | (Applicability::Applies, _, false) => return None,
            (Applicability::Applies, Applicability::Applies | Applicability::DoesNotApply, true) => permitted = true,
            (Applicability::DoesNotApply, Applicability::DoesNotApply, _) => {}
            (Applicability::DoesNotApply, Applicability::Applies, true) => permits.push(Arc::clone(&rule.id)),
            _ => forbids.push(Arc::clone(&rule.id)),
        }
    }
    match (permitted, permits.is_empty(), forbids.is_empty()) {
        (false, true, _) | (true, _, true) => None,
        (true, _, false) => Some(forbids),
        (false, false, _) => {
            permits.extend(forbids);
            permits.sort();
            Some(permits)
        }
    }
}

/// Whether the policy applies whatever the objects are, and whether it may.
fn outcomes(
    engine: &PolicyEngine,
    request: &AccessRequest<'_>,
    rule: &Rule,
    unknown: UnknownObjects,
) -> (Applicability, Applicability) {
    let named = !unknown.resource || is_told_apart(request, rule);
    let is_known = |expression: &Value| !reads_objects(expression, unknown, named);
    let outcome = |bound| {
        bound_by(&rule.policy, named, &is_known, bound)
            .map_or(Applicability::Error, |policy| ask(engine, request, &policy))
    };
    let (kindly, harshly) = (outcome(Bound::Kindly), outcome(Bound::Harshly));
    if rule.is_permit() { (harshly, kindly) } else { (kindly, harshly) }
}

/// Whether the request's identifier alone tells if its object is one that the policy names: an object has one name, and may have any
/// UUID beside it.
fn is_told_apart(request: &AccessRequest<'_>, rule: &Rule) -> bool {
    let Some(identifier) = request.route.resource_id() else { return true };
    let is_uuid = |text: &str| uuid::Uuid::try_parse(text).is_ok();
    rule.named.iter().filter(|uid| uid.type_name().basename() == request.route.operation().resource.as_str()).all(
        |uid| {
            let named = uid.id().unescaped();
            named.eq_ignore_ascii_case(identifier) || is_uuid(named) == is_uuid(identifier)
        },
    )
}
