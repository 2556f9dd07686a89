//! One case, taken the same way as a request: route, decision, validation, writes, a decision about each.

use std::collections::BTreeSet;
use std::sync::Arc;

use http::Request;

use crate::authenticate::{Principal, SchemeName};
use crate::catalog::ResourceType;
use crate::lookup::{self, Move, Moves};
use crate::microversion::{self, Ceiling};
use crate::policy::{
    AccessRequest, Case, CaseObjects, Circumstances, Decision, ExpectedOutcome, Objects, Permit, Places, PolicyEngine,
    Verdict, Who, WouldBe, queried_node,
};
use crate::route;
use crate::validate;

/// The time in cases that name none: 2026-01-01T00:00:00Z.
const NOW: i64 = 1_767_225_600;

/// What came of one case.
#[derive(Debug)]
pub(in crate::cli) struct Run {
    /// The file of cases.
    pub(in crate::cli) file: String,
    /// The case.
    pub(in crate::cli) case: Case,
    /// What was decided, in one line.
    pub(in crate::cli) found: String,
    /// What was expected instead; `None` if all is well.
    pub(in crate::cli) failure: Option<String>,
    /// The ids of the policies that made a decision.
    pub(in crate::cli) decisive: BTreeSet<Arc<str>>,
}

/// What irongate would do.
enum Outcome {
    Permit,
    Deny { reason: &'static str, rules: Vec<Arc<str>>, write: String },
    Refuse(String),
}

#[derive(Default)]
struct Notes {
    permits: BTreeSet<Arc<str>>,
    /// What would be added to the query.
    filter: Option<String>,
    /// Shadow policies that would deny.
    would_deny: BTreeSet<Arc<str>>,
    /// Shadow policies that would permit.
    would_permit: BTreeSet<Arc<str>>,
}

/// Runs one case.
pub(super) fn run(engine: &PolicyEngine, file: &str, case: Case, places: &Arc<Places>, objects: &CaseObjects) -> Run {
    let mut notes = Notes::default();
    let outcome = ask(engine, &case, places, objects, &mut notes);
    let failure = compare(&case, &outcome, &notes);
    let mut decisive = notes.would_deny.clone();
    decisive.extend(notes.would_permit.iter().cloned());
    let found = match &outcome {
        Outcome::Permit => {
            decisive.extend(notes.permits.iter().cloned());
            format!("permit by {}", list(notes.permits.iter()))
        }
        Outcome::Deny { reason, rules, write } => {
            decisive.extend(rules.iter().cloned());
            let place = if write.is_empty() { "the request".to_owned() } else { format!("the write of {write}") };
            let by = if rules.is_empty() { String::new() } else { format!(" by {}", list(rules.iter())) };
            format!("deny of {place}, {reason}{by}")
        }
        Outcome::Refuse(message) => format!("refuse: {message}"),
    };
    Run { file: file.to_owned(), case, found, failure, decisive }
}

fn ask(engine: &PolicyEngine, case: &Case, places: &Arc<Places>, objects: &CaseObjects, notes: &mut Notes) -> Outcome {
    let bytes = match case.body.as_ref().map(serde_json::to_vec).transpose() {
        Ok(bytes) => bytes,
        Err(error) => return Outcome::Refuse(error.to_string()),
    };
    let version = case.who.microversion.clone().unwrap_or_else(|| Ceiling::default().highest().to_string());
    let request = Request::builder()
        .method(case.method.as_str())
        .uri(case.target.as_str())
        .header(microversion::HEADER, version)
        .body(());
    let head = match request {
        Ok(request) => request.into_parts().0,
        Err(error) => return Outcome::Refuse(error.to_string()),
    };
    let route = match route::find(&head, Ceiling::default()) {
        Ok(route) => route,
        Err(error) => return Outcome::Refuse(error.to_string()),
    };
    let principal = principal(&case.who);
    let circumstances = Circumstances {
        source: case.who.source,
        now: case.who.now.map_or(NOW, jiff::Timestamp::as_second),
        listener: case.who.listener.as_deref().unwrap_or("public").into(),
        places: Arc::clone(places),
    };
    let kind = route.operation().resource;
    let resource = route.resource_id().and_then(|identifier| objects.find(kind, identifier)).cloned();
    let queried = queried_node(&route).and_then(|identifier| objects.find(ResourceType::Node, identifier));
    let question = AccessRequest {
        principal: &principal,
        route: &route,
        write: None,
        siblings: &[],
        circumstances: &circumstances,
        objects: Objects { resource: resource.as_deref(), target: queried.map(|node| &**node), cache: None },
    };
    let permit = match settle(engine.decide(&question), "", notes) {
        Ok(permit) => permit,
        Err(outcome) => return outcome,
    };
    notes.filter = permit.filter().map(|added| format!("{}={}", added.parameter, added.value));
    let call = match validate::validate(route, bytes.as_deref(), &permit) {
        Ok(call) => call,
        Err(error) => return Outcome::Refuse(error.to_string()),
    };
    let writes = validate::writes(&call);
    let mut moves = Moves::default();
    for write in &writes {
        let place = lookup::moves(call.route(), write).map(|place| {
            let node = match &place {
                Move::To(identifier) | Move::Also(identifier) => objects.find(ResourceType::Node, identifier).cloned(),
                Move::Within(identifier) => {
                    objects.find(ResourceType::Portgroup, identifier).and_then(|group| group.node.clone())
                }
                Move::Away | Move::Attribute(..) => None,
            };
            (place, node)
        });
        moves.push(kind, resource.as_ref(), place);
    }
    let overfull = moves.overfull() && engine.needs(call.route().operation(), &principal, true).reads_properties();
    for (index, write) in writes.iter().enumerate() {
        let elsewhere = moves.elsewhere(kind, index);
        if overfull
            && !elsewhere.is_empty()
            && let Err(outcome) = settle(engine.without_attributes(), write.path.as_str(), notes)
        {
            return outcome;
        }
        let places = std::iter::once(resource.clone()).chain(elsewhere.into_iter().map(Some));
        for resource in places {
            let question = AccessRequest {
                principal: &principal,
                route: call.route(),
                write: Some(write),
                siblings: &writes,
                circumstances: &circumstances,
                objects: Objects {
                    resource: resource.as_deref(),
                    target: moves.target(index).map(|node| &**node),
                    cache: None,
                },
            };
            if let Err(outcome) = settle(engine.decide(&question), write.path.as_str(), notes) {
                return outcome;
            }
        }
    }
    Outcome::Permit
}

fn settle(verdict: Verdict, write: &str, notes: &mut Notes) -> Result<Permit, Outcome> {
    match &verdict.would_be {
        Some(WouldBe::Deny(denial)) => notes.would_deny.extend(denial.policies.iter().cloned()),
        Some(WouldBe::Permit(policies)) => notes.would_permit.extend(policies.iter().cloned()),
        None => {}
    }
    match verdict.decision {
        Decision::Permit(permit) => {
            notes.permits.extend(permit.policies().iter().cloned());
            Ok(permit)
        }
        Decision::Deny(denial) => Err(Outcome::Deny {
            reason: denial.reason.as_str(),
            rules: denial.policies.to_vec(),
            write: write.to_owned(),
        }),
    }
}

fn principal(who: &Who) -> Principal {
    let roles = who.roles.as_deref().unwrap_or_default();
    let nobody = who.user.is_none() && roles.is_empty();
    let scoped = who.project.is_some() || who.system.is_some();
    let usual = if scoped { SchemeName::Keystone } else { SchemeName::Basic };
    let scheme = who.scheme.unwrap_or(if nobody { SchemeName::Anonymous } else { usual });
    let name = who.user.as_deref().unwrap_or(if nobody { SchemeName::Anonymous.as_str() } else { "user" });
    Principal::supposed_within(scheme, name, roles, who.project.as_deref(), who.system.unwrap_or(false))
}

/// What was expected, if it is not what was found.
fn compare(case: &Case, outcome: &Outcome, notes: &Notes) -> Option<String> {
    let expected = &case.expected;
    let wanted = |known: &Arc<str>| expected.rule.as_ref().is_some_and(|rule| **known == **rule);
    let as_expected = match (expected.outcome, outcome) {
        (ExpectedOutcome::Permit, Outcome::Permit) => expected.rule.is_none() || notes.permits.iter().any(wanted),
        (ExpectedOutcome::Refuse, Outcome::Refuse(_)) => true,
        (ExpectedOutcome::Deny, Outcome::Deny { reason, rules, write }) => {
            (expected.rule.is_none() || rules.iter().any(wanted))
                && expected.reason.as_ref().is_none_or(|wanted| wanted == reason)
                && expected.write.as_ref().is_none_or(|wanted| wanted == write)
        }
        (ExpectedOutcome::Permit | ExpectedOutcome::Refuse | ExpectedOutcome::Deny, _) => false,
    };
    let shadow_as_expected =
        expected.shadow.as_ref().is_none_or(|rule| notes.would_deny.iter().any(|known| **known == **rule));
    let filter_as_expected =
        expected.filter.as_ref().is_none_or(|filter| *filter == notes.filter.clone().unwrap_or_default());
    if as_expected && shadow_as_expected && filter_as_expected {
        return None;
    }
    let mut text = match expected.outcome {
        ExpectedOutcome::Permit => "permit",
        ExpectedOutcome::Deny => "deny",
        ExpectedOutcome::Refuse => "refuse",
    }
    .to_owned();
    if let Some(write) = &expected.write {
        text.push_str(&if write.is_empty() {
            " of the request".to_owned()
        } else {
            format!(" of the write of {write}")
        });
    }
    if let Some(reason) = &expected.reason {
        text.push_str(&format!(", {reason}"));
    }
    if let Some(rule) = &expected.rule {
        text.push_str(&format!(" by {rule}"));
    }
    if let Some(rule) = &expected.shadow {
        let would = list(notes.would_deny.iter());
        text.push_str(&format!(", and that {rule} would deny (would deny: {would})"));
    }
    if let Some(filter) = &expected.filter {
        let found = notes.filter.as_deref().unwrap_or("nothing");
        text.push_str(&format!(", with {filter:?} added to the query (added: {found})"));
    }
    Some(text)
}

fn list<'r>(rules: impl Iterator<Item = &'r Arc<str>>) -> String {
    let rules: Vec<&str> = rules.map(|rule| &**rule).collect();
    if rules.is_empty() { "nothing".to_owned() } else { rules.join(", ") }
}
