//! A policy without the parts of its conditions that read what is not known.

use cedar_policy::Policy;
use serde_json::{Value, json};

use super::facts::{FactSet, names_resource, read_by};

/// Which way the unknown parts are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::policy) enum Bound {
    /// For the caller: permits apply where they may, forbids only where they must.
    Kindly,
    /// Against the caller: permits apply only where they must, forbids where they may.
    Harshly,
}

/// The policy with every part that reads something beyond `known` replaced by what `bound` says. `None` if Cedar does not
/// take the result, which is treated as a denial.
pub(super) fn bound(policy: &Policy, known: FactSet, bound: Bound) -> Option<Policy> {
    let is_known = |expression: &Value| read_by(expression).without(known) == FactSet::NONE;
    bound_by(policy, known.has("resource"), &is_known, bound)
}

/// The same where `is_known` tells of an expression whether all that it reads is known, and `resource` whether the scope's resource
/// is.
pub(in crate::policy) fn bound_by(
    policy: &Policy,
    resource: bool,
    is_known: &dyn Fn(&Value) -> bool,
    bound: Bound,
) -> Option<Policy> {
    let is_permit = policy.effect() == cedar_policy::Effect::Permit;
    // Whether it is to apply wherever it may.
    let widely = is_permit == (bound == Bound::Kindly);
    let mut json = policy.to_json().ok()?;
    if names_resource(&json) && !resource {
        let scope = json.get_mut("resource")?;
        *scope = match scope.get("entity_type") {
            Some(kind) => json!({"op": "is", "entity_type": kind}),
            None => json!({"op": "All"}),
        };
        if !widely {
            json.get_mut("conditions")?.as_array_mut()?.insert(0, json!({"kind": "when", "body": {"Value": false}}));
        }
    }
    for condition in json.get_mut("conditions")?.as_array_mut()? {
        let towards = widely == (condition.get("kind")?.as_str()? == "when");
        let body = condition.get_mut("body")?;
        *body = bend(body, is_known, towards);
    }
    Policy::from_json(Some(policy.id().clone()), json).ok()
}

/// The expression with unknown parts taken so that the whole is true (`towards`) or false wherever it may be.
fn bend(expression: &Value, is_known: &dyn Fn(&Value) -> bool, towards: bool) -> Value {
    if is_known(expression) {
        return expression.clone();
    }
    let operator = expression.as_object().and_then(|members| members.iter().next());
    let part = |operands: &Value, name: &str, towards: bool| {
        operands.get(name).map_or(json!({"Value": towards}), |operand| bend(operand, is_known, towards))
    };
    match operator {
        Some((name, operands)) if name == "&&" || name == "||" => {
            json!({name: {"left": part(operands, "left", towards), "right": part(operands, "right", towards)}})
        }
        Some((name, operands)) if name == "!" => json!({"!": {"arg": part(operands, "arg", !towards)}}),
        Some((name, operands)) if name == "if-then-else" => {
            let (then, other) = (part(operands, "then", towards), part(operands, "else", towards));
            match operands.get("if").filter(|condition| is_known(condition)) {
                Some(condition) => json!({"if-then-else": {"if": condition, "then": then, "else": other}}),
                // Either branch may be the one.
                None if towards => json!({"||": {"left": then, "right": other}}),
                None => json!({"&&": {"left": then, "right": other}}),
            }
        }
        _ => json!({"Value": towards}),
    }
}
