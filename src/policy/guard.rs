//! What a policy says of a write, understood well enough to be asked without Cedar.
//!
//! Most policies about writes look at the place first: `context.write.path == "/x" && …`, and then at the value. Cedar
//! evaluates `&&` from the left, and conditions in their order, and stops at the first that is false: where one of the leading
//! tests fails, the policy neither applies nor errs, whatever stands behind them. Only comparisons of a fact with
//! a literal are understood, and whether a fact is there; everything else is left to Cedar, and so is whatever asks for a
//! fact that is not there. The property test holds all of this to plain Cedar.

use std::borrow::Cow;
use std::cell::OnceCell;

use serde_json::Value;

use super::context::{shown, spelling};
use super::reads::{attributes, of_context};
use super::url::{UrlFacts, url_facts};
use crate::call::{Step, Write};
use crate::json::Json;

/// How much of a write a policy's conditions look at.
#[derive(Debug, Clone)]
pub(super) enum Depends {
    /// At nothing of it.
    Request,
    /// At what is tested here, and perhaps at more.
    Write {
        /// The leading tests; where one fails, the policy does not apply.
        guard: Vec<Test>,
        /// Whether there is nothing else.
        whole: bool,
    },
}

/// A write as policies see it.
pub(super) struct Seen<'w> {
    path: &'w str,
    op: &'static str,
    field: Cow<'w, str>,
    key: Cow<'w, str>,
    secret: bool,
    value: Option<&'w Json<'w>>,
    step: Option<&'w Step<'w>>,
    /// Found where it is asked for.
    url: OnceCell<Option<UrlFacts<'w>>>,
}

/// A test of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Test {
    Constant(bool),
    Equals(Text, Box<str>),
    /// Literal pieces; between any two, anything.
    Like(Text, Box<[Box<str>]>),
    OneOf(Text, Box<[Box<str>]>),
    Is(Flag),
    Has(Optional),
    Not(Box<Self>),
    All(Box<Self>, Box<Self>),
    Any(Box<Self>, Box<Self>),
}

/// A fact that is a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Text {
    Path,
    Op,
    Field,
    Key,
    Kind,
    String,
    Spelling,
    Scheme,
    Host,
    UrlPath,
}

/// A fact that is true or false.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flag {
    Secret,
    Plain,
    Userinfo,
}

/// A fact that may be missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Optional {
    Value,
    String,
    Spelling,
    Url,
    /// It is a step, or an argument of one.
    Step,
    /// It is an argument of a step.
    Argument,
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

impl<'w> Seen<'w> {
    pub(super) fn new(write: &'w Write<'_>) -> Self {
        Self {
            path: write.path.as_str(),
            op: write.op.as_str(),
            field: write.path.segments().next().unwrap_or_default(),
            key: write.path.segments().last().unwrap_or_default(),
            secret: write.secret,
            value: write.value,
            step: write.step.as_ref(),
            url: OnceCell::new(),
        }
    }

    /// `None`: it is not there.
    fn text(&self, text: Text) -> Option<&str> {
        match text {
            Text::Path => Some(self.path),
            Text::Op => Some(self.op),
            Text::Field => Some(&self.field),
            Text::Key => Some(&self.key),
            Text::Kind => self.value.map(Json::kind),
            Text::String => self.string(),
            Text::Spelling => self.string().map(spelling),
            Text::Scheme => self.url().map(|url| url.scheme.as_str()),
            Text::Host => self.url().map(|url| url.host.as_str()),
            Text::UrlPath => self.url().map(|url| url.path),
        }
    }

    fn flag(&self, flag: Flag) -> Option<bool> {
        match flag {
            Flag::Secret => Some(self.secret),
            Flag::Plain => self.url().map(|url| url.plain),
            Flag::Userinfo => self.url().map(|url| url.userinfo),
        }
    }

    /// `None`: what it would be a part of is not there.
    fn has(&self, fact: Optional) -> Option<bool> {
        match fact {
            Optional::Value => Some(self.value.is_some()),
            Optional::String | Optional::Spelling => self.value.map(|_| self.string().is_some()),
            Optional::Url => self.value.map(|_| self.url().is_some()),
            Optional::Step => Some(self.step.is_some()),
            Optional::Argument => self.step.map(|step| step.argument.is_some()),
        }
    }

    /// The value, if policies may see it.
    fn open(&self) -> Option<&'w Json<'w>> {
        self.value.filter(|_| !self.secret)
    }

    fn string(&self) -> Option<&'w str> {
        self.open().and_then(shown)
    }

    fn url(&self) -> Option<&UrlFacts<'w>> {
        let find = || url_facts(self.open()?.as_str()?, self.string().is_some());
        self.url.get_or_init(find).as_ref()
    }
}

/// Whether all of them hold. `None`: Cedar has to say.
pub(super) fn holds(tests: &[Test], seen: &Seen<'_>) -> Option<bool> {
    for test in tests {
        if !test.holds(seen)? {
            return Some(false);
        }
    }
    Some(true)
}

impl Test {
    /// `None`: what it asks for is not there. For Cedar that is an error, unless something before it has decided already.
    fn holds(&self, seen: &Seen<'_>) -> Option<bool> {
        match self {
            Self::Constant(constant) => Some(*constant),
            Self::Equals(fact, text) => Some(*seen.text(*fact)? == **text),
            Self::Like(fact, pieces) => Some(is_like(seen.text(*fact)?, pieces)),
            Self::OneOf(fact, texts) => {
                let found = seen.text(*fact)?;
                Some(texts.iter().any(|text| **text == *found))
            }
            Self::Is(flag) => seen.flag(*flag),
            Self::Has(fact) => seen.has(*fact),
            Self::Not(test) => Some(!test.holds(seen)?),
            Self::All(one, other) => Some(one.holds(seen)? && other.holds(seen)?),
            Self::Any(one, other) => Some(one.holds(seen)? || other.holds(seen)?),
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
                let equals = match (text(left), text(right)) {
                    (Some(fact), None) => Self::Equals(fact, literal(right)?.into()),
                    (None, Some(fact)) => Self::Equals(fact, literal(left)?.into()),
                    (Some(_), Some(_)) | (None, None) => return None,
                };
                Some(if name == "==" { equals } else { Self::Not(Box::new(equals)) })
            }
            "like" => Some(Self::Like(text(side("left")?)?, pieces(side("pattern")?.as_array()?)?)),
            "contains" => {
                let texts = side("left")?.get("Set")?.as_array()?.iter().map(|item| literal(item).map(Into::into));
                Some(Self::OneOf(text(side("right")?)?, texts.collect::<Option<_>>()?))
            }
            "." => match of_context(operands)?.as_slice() {
                ["write", "secret"] => Some(Self::Is(Flag::Secret)),
                ["write", "value", "url", "plain"] => Some(Self::Is(Flag::Plain)),
                ["write", "value", "url", "userinfo"] => Some(Self::Is(Flag::Userinfo)),
                _ => None,
            },
            "has" => {
                let names = of_context(operands)?;
                let known = names.len().checked_sub(attributes(operands).count())?;
                let tests = (known..names.len()).map(|last| Self::presence(names.get(..=last)?));
                let tests: Vec<Self> = tests.collect::<Option<_>>()?;
                tests.into_iter().reduce(|one, other| Self::All(Box::new(one), Box::new(other)))
            }
            _ => None,
        }
    }

    /// Whether what these names lead to is there, if what the others lead to is.
    fn presence(names: &[&str]) -> Option<Self> {
        match names {
            // A write always has one.
            ["write"] => Some(Self::Constant(true)),
            ["write", "value"] => Some(Self::Has(Optional::Value)),
            ["write", "value", "string"] => Some(Self::Has(Optional::String)),
            ["write", "value", "spelling"] => Some(Self::Has(Optional::Spelling)),
            ["write", "value", "url"] => Some(Self::Has(Optional::Url)),
            ["write", "step"] => Some(Self::Has(Optional::Step)),
            ["write", "step", "argument"] => Some(Self::Has(Optional::Argument)),
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
fn text(expression: &Value) -> Option<Text> {
    Some(match of_context(expression.get(".")?)?.as_slice() {
        ["write", "path"] => Text::Path,
        ["write", "op"] => Text::Op,
        ["write", "field"] => Text::Field,
        ["write", "key"] => Text::Key,
        ["write", "value", "kind"] => Text::Kind,
        ["write", "value", "string"] => Text::String,
        ["write", "value", "spelling"] => Text::Spelling,
        ["write", "value", "url", "scheme"] => Text::Scheme,
        ["write", "value", "url", "host"] => Text::Host,
        ["write", "value", "url", "path"] => Text::UrlPath,
        _ => return None,
    })
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

    use super::super::context::STRING_BYTES_MAX;
    use super::super::rule::evaluated;
    use super::*;
    use crate::call::WriteOp;
    use crate::json::Pointer;

    fn depends(conditions: &str) -> Depends {
        let policy = Policy::parse(None, format!("permit(principal, action, resource) {conditions};")).unwrap();
        let json = evaluated(&policy).to_json().unwrap();
        Depends::of(json.get("conditions").unwrap().as_array().map(Vec::as_slice), true)
    }

    /// Whether the guard holds at `add /driver_info/redfish_address` with this value, and whether it is all.
    #[track_caller]
    fn check_value(value: Option<&Json<'_>>, secret: bool, conditions: &str, expected: (Option<bool>, bool)) {
        let path = Pointer::parse("/driver_info/redfish_address").unwrap();
        let write = Write { op: WriteOp::Add, path, value, step: None, secret, withheld: false };
        let Depends::Write { guard, whole } = depends(conditions) else { panic!("{conditions}") };
        assert_eq!((holds(&guard, &Seen::new(&write)), whole), expected, "{conditions}");
    }

    #[track_caller]
    fn check(conditions: &str, (held, whole): (bool, bool)) {
        check_value(None, false, conditions, (Some(held), whole));
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
        check("when { context.write.field == \"extra\" && context.write has target }", (false, false));
        check("when { context.write has target && context.write.field == \"extra\" }", (true, false));
        check("when { context.write has step && context.write.step.step == \"send_raw\" }", (false, false));
        check("when { context.write has step.argument }", (false, true));
        check("unless { context.write has step } when { context has write.step }", (false, true));
        check("unless { context.write.siblings.contains(\"/name\") }", (true, false));
        check("when { if context.write.op == \"add\" then false else true }", (true, false));
    }

    #[test]
    fn values_are_tested() {
        let (url, word) = (Json::String("https://u@bmc.example/x".into()), Json::String("x".into()));
        let long = Json::String("x".repeat(STRING_BYTES_MAX + 1).into());
        let check = |value: Option<&Json<'_>>, conditions: &str, held: Option<bool>| {
            check_value(value, false, conditions, (held, true));
        };
        let url_is = "when { context.write has value.url && context.write.value.url.plain && \
                      context.write.value.url.scheme == \"https\" && context.write.value.url.host like \"*.example\" && \
                      context.write.value.url.path == \"/x\" && context.write.value.url.userinfo }";
        for (value, held) in [(Some(&url), true), (Some(&word), false), (Some(&Json::Null), false), (None, false)] {
            check(value, url_is, Some(held));
        }
        let string_is = "when { context.write has value.string && context.write.value.string == \"x\" }";
        for (value, held) in
            [(Some(&word), true), (Some(&url), false), (Some(&long), false), (Some(&Json::Null), false)]
        {
            check(value, string_is, Some(held));
        }
        check(Some(&word), "when { context.write.value.kind == \"string\" }", Some(true));
        check(Some(&url), "when { [\"line\"].contains(context.write.value.spelling) }", Some(false));
        // What is asked of a fact that is not there is an error: Cedar's to tell.
        check(None, "when { context.write.value.kind == \"string\" }", None);
        check(Some(&word), "unless { context.write.value.url.plain }", None);
        check(None, "when { context.write.value has string || true }", None);
        check(None, "when { true || context.write.value has string }", Some(true));
        check(None, "unless { context.write.op == \"add\" || context.write.value.kind == \"string\" }", Some(false));
        // Of a secret only the kind is known.
        check_value(Some(&word), true, "when { context.write has value.string }", (Some(false), true));
        check_value(
            Some(&url),
            true,
            "when { context.write.value has url || !context.write.secret }",
            (Some(false), true),
        );
        check_value(Some(&url), true, "when { context.write.value.kind == \"string\" }", (Some(true), true));
    }

    #[test]
    fn patterns_are_cedars() {
        let like = |text: &str, pattern: &str| {
            let condition = format!("when {{ context.write.path like {pattern:?} }}");
            let Depends::Write { guard, .. } = depends(&condition) else { panic!() };
            let path = Pointer::parse("/x").unwrap();
            let write = Write { op: WriteOp::Add, path, value: None, step: None, secret: false, withheld: false };
            holds(&guard, &Seen { path: text, ..Seen::new(&write) })
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
            assert_eq!(like(text, pattern), Some(expected), "{text} {pattern}");
        }
    }
}
