//! What a policy says of a write by its place alone, understood well enough to be asked without Cedar.
//!
//! Most policies about writes look at the place first: `context.write.path == "/x" && …`. Cedar evaluates `&&` from the left,
//! and conditions in their order, and stops at the first that is false: where the leading tests of the place fail, the
//! policy neither applies nor errs, whatever stands behind them. A test that is not understood here is left to Cedar. The
//! property test holds all of this to plain Cedar.

use serde_json::Value;

use crate::call::{Step, Write};

/// How much of a write a policy's conditions look at.
#[derive(Debug, Clone)]
pub(super) enum Depends {
    /// At nothing of it.
    Request,
    /// At its place, and perhaps at more.
    Write {
        /// The leading tests of the place; where one fails, the policy does not apply.
        guard: Vec<Test>,
        /// Whether there is nothing else.
        whole: bool,
    },
}

/// The place of a write, as policies see it.
pub(super) struct PlaceOf<'w> {
    path: &'w str,
    op: &'static str,
    field: std::borrow::Cow<'w, str>,
    key: std::borrow::Cow<'w, str>,
    step: Option<&'w Step<'w>>,
}

/// A test of a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Test {
    Constant(bool),
    Equals(Part, Box<str>),
    /// Literal pieces; between any two, anything.
    Like(Part, Box<[Box<str>]>),
    OneOf(Part, Box<[Box<str>]>),
    /// Whether it is a step or an argument of one.
    HasStep,
    /// Whether it is an argument of a step.
    HasArgument,
    Not(Box<Self>),
    All(Box<Self>, Box<Self>),
    Any(Box<Self>, Box<Self>),
}

/// A fact about a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Path,
    Op,
    Field,
    Key,
}

impl Depends {
    /// Of a policy's conditions as Cedar writes them in JSON, if it can; `reads_write` tells whether they look at
    /// `context.write`.
    pub(super) fn of(conditions: Option<&[Value]>, reads_write: bool) -> Self {
        if !reads_write {
            return Self::Request;
        }
        let mut guard = Vec::new();
        let Some(conditions) = conditions else { return Self::Write { guard, whole: false } };
        for condition in conditions {
            let Some(body) = condition.get("body") else { return Self::Write { guard, whole: false } };
            if condition.get("kind").and_then(Value::as_str) == Some("unless") {
                match Test::read(body) {
                    Some(test) => guard.push(Test::Not(Box::new(test))),
                    None => return Self::Write { guard, whole: false },
                }
                continue;
            }
            for part in conjuncts(body) {
                match Test::read(part) {
                    Some(test) => guard.push(test),
                    None => return Self::Write { guard, whole: false },
                }
            }
        }
        Self::Write { guard, whole: true }
    }
}

impl<'w> PlaceOf<'w> {
    pub(super) fn new(write: &'w Write<'_>) -> Self {
        Self {
            path: write.path.as_str(),
            op: write.op.as_str(),
            field: write.path.segments().next().unwrap_or_default(),
            key: write.path.segments().last().unwrap_or_default(),
            step: write.step.as_ref(),
        }
    }

    fn part(&self, part: Part) -> &str {
        match part {
            Part::Path => self.path,
            Part::Op => self.op,
            Part::Field => &self.field,
            Part::Key => &self.key,
        }
    }
}

impl Test {
    pub(super) fn holds(&self, place: &PlaceOf<'_>) -> bool {
        match self {
            Self::Constant(constant) => *constant,
            Self::Equals(part, text) => *place.part(*part) == **text,
            Self::Like(part, pieces) => is_like(place.part(*part), pieces),
            Self::OneOf(part, texts) => texts.iter().any(|text| **text == *place.part(*part)),
            Self::HasStep => place.step.is_some(),
            Self::HasArgument => place.step.is_some_and(|step| step.argument.is_some()),
            Self::Not(test) => !test.holds(place),
            Self::All(one, other) => one.holds(place) && other.holds(place),
            Self::Any(one, other) => one.holds(place) || other.holds(place),
        }
    }

    /// `None`: looks at something else, or is of a form that is not known here.
    fn read(expression: &Value) -> Option<Self> {
        let (name, operands) = expression.as_object().filter(|members| members.len() == 1)?.iter().next()?;
        let side = |side: &str| operands.get(side);
        let both = || Some((Box::new(Self::read(side("left")?)?), Box::new(Self::read(side("right")?)?)));
        match name.as_str() {
            "Value" => operands.as_bool().map(Self::Constant),
            "!" => Some(Self::Not(Box::new(Self::read(side("arg")?)?))),
            "&&" => both().map(|(one, other)| Self::All(one, other)),
            "||" => both().map(|(one, other)| Self::Any(one, other)),
            "==" | "!=" => {
                let (left, right) = (side("left")?, side("right")?);
                let equals = match (part(left), part(right)) {
                    (Some(part), None) => Self::Equals(part, literal(right)?.into()),
                    (None, Some(part)) => Self::Equals(part, literal(left)?.into()),
                    (Some(_), Some(_)) | (None, None) => return None,
                };
                Some(if name == "==" { equals } else { Self::Not(Box::new(equals)) })
            }
            "like" => Some(Self::Like(part(side("left")?)?, pieces(side("pattern")?.as_array()?)?)),
            "contains" => {
                let texts = side("left")?.get("Set")?.as_array()?.iter().map(|item| literal(item).map(Into::into));
                Some(Self::OneOf(part(side("right")?)?, texts.collect::<Option<_>>()?))
            }
            // A write always has one.
            "has" if is_context(side("left")?) && side("attr")?.as_str() == Some("write") => Some(Self::Constant(true)),
            "has" if is_write(side("left")?) => match names(side("attr")?)?.as_slice() {
                ["step"] => Some(Self::HasStep),
                ["step", "argument"] => Some(Self::HasArgument),
                _ => None,
            },
            _ => None,
        }
    }
}

/// `a && b && c` in its parts, in the order in which they are evaluated.
pub(super) fn conjuncts(body: &Value) -> Vec<&Value> {
    match body.get("&&") {
        Some(both) => {
            let sides = ["left", "right"].into_iter().filter_map(|side| both.get(side));
            sides.flat_map(conjuncts).collect()
        }
        None => vec![body],
    }
}

/// `context.write.path` and its like.
fn part(expression: &Value) -> Option<Part> {
    let access = expression.get(".")?;
    if !is_write(access.get("left")?) {
        return None;
    }
    match access.get("attr")?.as_str()? {
        "path" => Some(Part::Path),
        "op" => Some(Part::Op),
        "field" => Some(Part::Field),
        "key" => Some(Part::Key),
        _ => None,
    }
}

fn is_context(expression: &Value) -> bool {
    expression.get("Var").and_then(Value::as_str) == Some("context")
}

/// `context.write`.
fn is_write(expression: &Value) -> bool {
    let access = expression.get(".");
    access.and_then(|access| access.get("left")).is_some_and(is_context)
        && access.and_then(|access| access.get("attr")).and_then(Value::as_str) == Some("write")
}

/// What `has` asks for: one name, or several with dots between.
fn names(attribute: &Value) -> Option<Vec<&str>> {
    match attribute.as_array() {
        Some(names) => names.iter().map(Value::as_str).collect(),
        None => attribute.as_str().map(|name| vec![name]),
    }
}

fn literal(expression: &Value) -> Option<&str> {
    expression.get("Value")?.as_str()
}

/// The literal pieces of a pattern: one more than it has wildcards.
fn pieces(pattern: &[Value]) -> Option<Box<[Box<str>]>> {
    let mut pieces = vec![String::new()];
    for part in pattern {
        if part.as_str() == Some("Wildcard") {
            pieces.push(String::new());
        } else {
            pieces.last_mut()?.push_str(part.get("Literal")?.as_str()?);
        }
    }
    Some(pieces.into_iter().map(Into::into).collect())
}

/// Each piece in its order, the first at the beginning and the last at the end.
fn is_like(text: &str, pieces: &[Box<str>]) -> bool {
    let Some((first, rest)) = pieces.split_first() else { return false };
    let Some(mut text) = text.strip_prefix(&**first) else { return false };
    let Some((last, middle)) = rest.split_last() else { return text.is_empty() };
    for piece in middle {
        match text.split_once(&**piece) {
            Some((_, after)) => text = after,
            None => return false,
        }
    }
    text.ends_with(&**last)
}

#[cfg(test)]
mod tests {
    use cedar_policy::Policy;

    use super::*;
    use crate::call::WriteOp;
    use crate::json::Pointer;

    fn depends(conditions: &str) -> Depends {
        let policy = Policy::parse(None, format!("permit(principal, action, resource) {conditions};")).unwrap();
        let json = policy.to_json().unwrap();
        Depends::of(json.get("conditions").unwrap().as_array().map(Vec::as_slice), true)
    }

    /// Whether the guard holds at `add /driver_info/redfish_address`, and whether it is all.
    #[track_caller]
    fn check(conditions: &str, expected: (bool, bool)) {
        let write = Write {
            op: WriteOp::Add,
            path: Pointer::parse("/driver_info/redfish_address").unwrap(),
            value: None,
            step: None,
            secret: false,
        };
        let Depends::Write { guard, whole } = depends(conditions) else { panic!("{conditions}") };
        let place = PlaceOf::new(&write);
        assert_eq!((guard.iter().all(|test| test.holds(&place)), whole), expected, "{conditions}");
    }

    #[test]
    fn places_are_tested() {
        check("when { context.write.path == \"/driver_info/redfish_address\" }", (true, true));
        check("when { \"/name\" == context.write.path }", (false, true));
        check("when { context.write.path != \"/name\" }", (true, true));
        check("when { context has write && context.write.field == \"driver_info\" }", (true, true));
        check("when { context.write.key like \"*_address\" && context.write.op == \"add\" }", (true, true));
        check("when { [\"add\", \"remove\"].contains(context.write.op) }", (true, true));
        check("when { !([\"replace\"].contains(context.write.op)) || false }", (true, true));
        check("unless { context.write.path like \"/driver_info/*\" }", (false, true));
        check("unless { context.write.path like \"/driver_info/*\" } when { principal.name == \"x\" }", (false, false));
        check("when { context.write.field == \"extra\" && context.write has value }", (false, false));
        check("when { context.write has value && context.write.field == \"extra\" }", (true, false));
        check("unless { context.write has value }", (true, false));
        check("when { context.write has step && context.write.step.step == \"send_raw\" }", (false, false));
        check("when { context.write has step.argument }", (false, true));
        check("when { context.write has step.step && context.write.field == \"extra\" }", (true, false));
        check("unless { context.write has step } when { context has write.step }", (true, false));
        check("when { if context.write.op == \"add\" then false else true }", (true, false));
    }

    #[test]
    fn patterns_are_cedars() {
        let like = |text: &str, pattern: &str| {
            let condition = format!("when {{ context.write.path like {pattern:?} }}");
            let Depends::Write { guard, .. } = depends(&condition) else { panic!() };
            let place = PlaceOf { path: text, op: "add", field: "".into(), key: "".into(), step: None };
            guard.iter().all(|test| test.holds(&place))
        };
        for (text, pattern, expected) in [
            ("/a/b", "/a/*", true),
            ("/a/", "/a/*", true),
            ("/a", "/a/*", false),
            ("/a/b/c", "/*/c", true),
            ("/a/b/c", "*", true),
            ("", "*", true),
            ("", "", true),
            ("/a", "", false),
            ("/aba", "/*a*a", true),
            ("/aba", "/ab*ba", false),
            ("/abba", "/ab*ba", true),
            ("/caf\u{e9}/x", "/c*\u{e9}*x", true),
        ] {
            assert_eq!(like(text, pattern), expected, "{text} {pattern}");
        }
    }
}
