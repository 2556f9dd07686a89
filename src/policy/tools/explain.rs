//! Why a question is answered as it is: every policy about the action, and where the first part of it fails.

mod unsure;

use cedar_policy::{Authorizer, Effect, Policy};
use serde::Serialize;
use serde_json::{Value, json};

use super::past::UnknownObjects;
use crate::policy::engine::PolicyEngine;
use crate::policy::guard::conjuncts;
use crate::policy::rule::{PolicyMode, Rule, Who};
use crate::policy::{AccessRequest, Decision};

/// An answer with its reasons. It quotes policies, and of the request its identifiers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The action that was asked about.
    pub action: String,
    /// The path of the write, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub write: Option<String>,
    /// `permit`, `deny`, or `unknown` where it hangs on an object that is not known.
    pub decision: &'static str,
    /// The kind of denial.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// The policies that decided, or that it hangs on.
    pub decided_by: Vec<String>,
    /// Every policy whose action scope matches, those in other modes than `enforce` included; by id.
    pub policies: Vec<Considered>,
    /// What would have to be different, nearest first; empty where it is permitted.
    pub would_permit: Vec<String>,
}

/// What one policy made of the question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Considered {
    /// Its id.
    pub policy: String,
    /// `permit` or `forbid`.
    pub effect: &'static str,
    /// `enforce`, `shadow` or `off`.
    pub mode: &'static str,
    /// Where it stands.
    pub file: String,
    /// 1-based.
    pub line: usize,
    /// Whether it applies.
    pub outcome: Applicability,
    /// Where it fails, if it does not apply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<Part>,
}

/// Whether a policy applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Applicability {
    /// Scope and conditions hold.
    Applies,
    /// Something does not.
    DoesNotApply,
    /// A condition cannot be evaluated, which denies.
    Error,
}

/// A part of a policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Part {
    /// `principal`, `resource`, `when`, `unless` or `filter`.
    pub part: &'static str,
    /// Its text; of a filter also why it is not met.
    pub source: String,
}

/// Answers, and tells why. What hangs on objects that are not known is `unknown`.
pub fn explain(engine: &PolicyEngine, request: &AccessRequest<'_>, unknown: UnknownObjects) -> Explanation {
    let (decision, reason, decided_by) =
        match (unsure::hangs_on(engine, request, unknown), engine.decide(request).decision) {
            (Some(policies), _) => ("unknown", None, policies),
            (None, Decision::Permit(permit)) => ("permit", None, permit.policies().to_vec()),
            (None, Decision::Deny(denial)) => ("deny", Some(denial.reason.as_str()), denial.policies.to_vec()),
        };
    let mut policies = Vec::new();
    let mut advice = Vec::new();
    for rule in engine.about(request.route.operation(), request.write.is_some()) {
        let examined = Examined::new(engine, request, rule);
        if decision != "permit" && rule.mode == PolicyMode::Enforce {
            advice.extend(examined.advice());
        }
        policies.push(examined.considered());
    }
    advice.sort();
    let operation = &request.route.operation().id;
    Explanation {
        action: if request.write.is_some() {
            crate::policy::schema::write_action(operation)
        } else {
            operation.clone()
        },
        write: request.write.map(|write| write.path.as_str().to_owned()),
        decision,
        reason,
        decided_by: decided_by.iter().map(ToString::to_string).collect(),
        policies,
        would_permit: advice.into_iter().map(|(_, text)| text).collect(),
    }
}

/// One policy, asked alone.
fn ask(engine: &PolicyEngine, request: &AccessRequest<'_>, policy: &Policy) -> Applicability {
    let Some((question, set, entities)) = engine.question(request, policy) else { return Applicability::Error };
    let response = Authorizer::new().is_authorized(&question, &set, &entities);
    if response.diagnostics().errors().next().is_some() {
        Applicability::Error
    } else if response.diagnostics().reason().next().is_some() {
        Applicability::Applies
    } else {
        Applicability::DoesNotApply
    }
}

/// One policy with what was found out about it.
struct Examined<'e> {
    engine: &'e PolicyEngine,
    request: &'e AccessRequest<'e>,
    rule: &'e Rule,
    outcome: Applicability,
    failed: Option<Part>,
    text: Value,
}

impl<'e> Examined<'e> {
    fn new(engine: &'e PolicyEngine, request: &'e AccessRequest<'e>, rule: &'e Rule) -> Self {
        let text = rule.policy.to_json().unwrap_or_default();
        let mut examined = Self { engine, request, rule, outcome: Applicability::Error, failed: None, text };
        examined.outcome = examined.ask(&rule.policy);
        if examined.outcome != Applicability::Applies {
            examined.failed = examined.first_failure();
        } else if let Some(part) = examined.unmet_filter() {
            (examined.outcome, examined.failed) = (Applicability::DoesNotApply, Some(part));
        }
        examined
    }

    fn ask(&self, policy: &Policy) -> Applicability {
        ask(self.engine, self.request, policy)
    }

    /// Cedar does not know of filters.
    fn unmet_filter(&self) -> Option<Part> {
        let filter = self.rule.filter.as_ref().filter(|_| self.request.write.is_none())?;
        let failure = filter.failure(self.request.principal, self.request.route)?;
        let text = self.rule.policy.annotation("filter").unwrap_or_default();
        Some(Part { part: "filter", source: format!("@filter({text:?}): {failure}") })
    }

    /// The policy with other parts, asked.
    fn ask_with(&self, changes: &[(&str, Value)]) -> Applicability {
        let mut text = self.text.clone();
        for (part, value) in changes {
            if let Some(members) = text.as_object_mut() {
                members.insert((*part).to_owned(), value.clone());
            }
        }
        Policy::from_json(None, text).map_or(Applicability::Error, |policy| self.ask(&policy))
    }

    fn first_failure(&self) -> Option<Part> {
        let all = json!({"op": "All"});
        if self.ask_with(&[("resource", all.clone()), ("conditions", json!([]))]) != Applicability::Applies {
            return Some(Part { part: "principal", source: scope("principal", self.text.get("principal")) });
        }
        if self.ask_with(&[("conditions", json!([]))]) != Applicability::Applies {
            return Some(Part { part: "resource", source: scope("resource", self.text.get("resource")) });
        }
        self.first_failing_condition()
    }

    fn first_failing_condition(&self) -> Option<Part> {
        let everyone = ("principal", json!({"op": "All"}));
        for condition in self.text.get("conditions").and_then(Value::as_array).into_iter().flatten() {
            let body = condition.get("body")?;
            let unless = condition.get("kind").and_then(Value::as_str) == Some("unless");
            let parts = if unless { vec![body] } else { conjuncts(body) };
            for part in parts {
                let kind = if unless { "unless" } else { "when" };
                let one = ("conditions", json!([{"kind": kind, "body": part}]));
                if self.ask_with(&[everyone.clone(), one]) != Applicability::Applies {
                    return Some(Part { part: kind, source: source(part) });
                }
            }
        }
        None
    }

    /// What would have to be different about this policy for the request to pass, and how near that is.
    fn advice(&self) -> Option<(u8, String)> {
        let id = &self.rule.id;
        match (self.rule.policy.effect(), self.outcome) {
            (Effect::Forbid, Applicability::Applies) => {
                Some((0, format!("{id} must not apply: it forbids this{}", self.conditions())))
            }
            (_, Applicability::Error) => Some((0, format!("{id} must be possible to evaluate: {}", self.failure()))),
            (Effect::Forbid, Applicability::DoesNotApply) | (Effect::Permit, Applicability::Applies) => None,
            (Effect::Permit, Applicability::DoesNotApply) => {
                let failed = self.failed.as_ref()?;
                if failed.part != "principal" {
                    return Some((1, format!("{id} permits it where this holds: {}", self.failure())));
                }
                let condition = self.first_failing_condition();
                let whom = match &self.rule.who {
                    Who::Role(role) => format!("the role {role:?}"),
                    Who::Everyone { .. } | Who::Other => failed.source.clone(),
                };
                Some(match condition {
                    None => (2, format!("{id} permits it to {whom}")),
                    Some(part) => (3, format!("{id} permits it to {whom} where this holds: {}", part.text())),
                })
            }
        }
    }

    fn failure(&self) -> String {
        self.failed.as_ref().map_or_else(|| "all of it".to_owned(), Part::text)
    }

    fn conditions(&self) -> String {
        let conditions = self.text.get("conditions").and_then(Value::as_array).into_iter().flatten();
        let texts: Vec<String> = conditions
            .filter_map(|condition| {
                let kind = condition.get("kind")?.as_str()?;
                Some(format!("{kind} {{ {} }}", source(condition.get("body")?)))
            })
            .collect();
        if texts.is_empty() { String::new() } else { format!(" {}", texts.join(" ")) }
    }

    fn considered(self) -> Considered {
        Considered {
            policy: self.rule.id.to_string(),
            effect: if self.rule.is_permit() { "permit" } else { "forbid" },
            mode: self.rule.mode.as_str(),
            file: self.rule.place.file.to_string(),
            line: self.rule.place.line,
            outcome: self.outcome,
            failed: self.failed,
        }
    }
}

impl Part {
    fn text(&self) -> String {
        match self.part {
            "unless" => format!("not ({})", self.source),
            _ => self.source.clone(),
        }
    }
}

/// An expression in Cedar's own words, on one line.
fn source(body: &Value) -> String {
    let all = json!({"op": "All"});
    let policy = json!({
        "effect": "permit", "principal": all, "action": all, "resource": all,
        "conditions": [{"kind": "when", "body": body}],
    });
    let Ok(policy) = Policy::from_json(None, policy) else { return "?".to_owned() };
    let text = policy.to_string();
    let inner = text.split_once("when {").and_then(|(_, rest)| rest.rsplit_once('}')).map_or("?", |(inner, _)| inner);
    let line: Vec<&str> = inner.split_whitespace().collect();
    line.join(" ")
}

/// A part of the scope in Cedar's own words.
fn scope(variable: &str, constraint: Option<&Value>) -> String {
    let text = |key: &str| constraint.and_then(|constraint| constraint.get(key));
    let entity = |value: Option<&Value>| {
        let part = |key: &str| value.and_then(|value| value.get(key)).and_then(Value::as_str).unwrap_or_default();
        format!("{}::{:?}", part("type"), part("id"))
    };
    match text("op").and_then(Value::as_str) {
        Some("All") | None => variable.to_owned(),
        Some("is") => {
            let kind = text("entity_type").and_then(Value::as_str).unwrap_or_default();
            let within = text("in").and_then(|within| within.get("entity"));
            let within = within.map(|within| format!(" in {}", entity(Some(within)))).unwrap_or_default();
            format!("{variable} is {kind}{within}")
        }
        Some(operator) => format!("{variable} {operator} {}", entity(text("entity"))),
    }
}
