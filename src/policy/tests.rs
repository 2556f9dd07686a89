//! Everything about the decision point that is not beside its code.

mod attributes;
mod decide;
mod documented;
mod load;
mod secrets;
mod shipped;
mod sliced;
mod strict;
mod tidy;

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use super::*;
use crate::call::{Step, WriteOp};
use crate::catalog::{Operation, catalog};
use crate::json::{Json, Pointer};

/// An access request in short. Path parameters are `x-1` unless given.
#[derive(Clone)]
struct Ask {
    name: &'static str,
    roles: Vec<&'static str>,
    operation: &'static Operation,
    parameters: Vec<(&'static str, &'static str)>,
    query: Vec<(&'static str, &'static str)>,
    microversion: u16,
    write: Option<AskWrite>,
    /// The other writes of the same request.
    others: Vec<AskWrite>,
    source: Option<&'static str>,
    now: i64,
    listener: &'static str,
    resource: Option<ObjectFacts>,
    target: Option<ObjectFacts>,
}

#[derive(Debug, Clone)]
struct AskWrite {
    path: &'static str,
    op: WriteOp,
    value: Option<Json<'static>>,
    step: Option<(&'static str, &'static str, Option<&'static str>)>,
    secret: bool,
}

impl AskWrite {
    fn written(&self) -> Write<'_> {
        let step = |(interface, step, argument): (_, _, Option<&str>)| Step {
            interface,
            step,
            argument: argument.map(str::to_owned),
        };
        Write {
            op: self.op,
            path: Pointer::parse(self.path).unwrap(),
            value: self.value.as_ref(),
            step: self.step.map(step),
            secret: self.secret,
            withheld: false,
        }
    }
}

fn ask(roles: &[&'static str], operation: &str) -> Ask {
    ask_of(roles, catalog().operation(operation).unwrap_or_else(|| panic!("no operation {operation}")))
}

fn ask_of(roles: &[&'static str], operation: &'static Operation) -> Ask {
    Ask {
        name: "p1",
        roles: roles.to_vec(),
        operation,
        parameters: Vec::new(),
        query: Vec::new(),
        microversion: 115,
        write: None,
        others: Vec::new(),
        source: None,
        now: 1_767_225_600,
        listener: "public",
        resource: None,
        target: None,
    }
}

fn text(text: &'static str) -> Json<'static> {
    Json::String(Cow::Borrowed(text))
}

impl fmt::Debug for Ask {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            roles,
            operation,
            parameters,
            query,
            microversion,
            write,
            others,
            source,
            now,
            listener,
            resource,
            target,
        } = self;
        write!(
            formatter,
            "{name} {roles:?} {} {parameters:?} {query:?} 1.{microversion} {write:?} {others:?} {source:?} {now} {listener} {resource:?} {target:?}",
            operation.id
        )
    }
}

impl Ask {
    fn write(mut self, op: WriteOp, path: &'static str, value: impl Into<Option<Json<'static>>>) -> Self {
        self.write = Some(AskWrite { path, op, value: value.into(), step: None, secret: false });
        self
    }

    fn add(self, path: &'static str, value: Json<'static>) -> Self {
        self.write(WriteOp::Add, path, value)
    }

    fn parameter(mut self, name: &'static str, text: &'static str) -> Self {
        self.parameters.push((name, text));
        self
    }

    fn query(mut self, name: &'static str, text: &'static str) -> Self {
        self.query.push((name, text));
        self
    }

    /// What was looked up of the resource: a node as Ironic tells it.
    fn node(mut self, answer: serde_json::Value) -> Self {
        self.resource = Some(ObjectFacts::node(&answer).unwrap());
        self
    }

    fn target(mut self, answer: serde_json::Value) -> Self {
        self.target = Some(ObjectFacts::node(&answer).unwrap());
        self
    }

    /// Builds the request and hands it to `ask`.
    fn with<T>(&self, ask: impl FnOnce(&AccessRequest<'_>) -> T) -> T {
        let principal = Principal::for_test(self.name, &self.roles);
        let given = |name: &str| self.parameters.iter().find(|(known, _)| *known == name).map(|(_, text)| *text);
        let canonical = self.operation.template.iter().filter_map(|segment| match segment {
            crate::catalog::Segment::Parameter(name, _) => Some(name.as_str()),
            crate::catalog::Segment::Literal(_) => None,
        });
        let mut parameters: Vec<(&'static str, Cow<'_, str>)> =
            canonical.map(|name| (name, Cow::Borrowed(given(name).unwrap_or("x-1")))).collect();
        for (name, text) in &self.parameters {
            if !parameters.iter().any(|(known, _)| known == name) {
                parameters.push((name, Cow::Borrowed(text)));
            }
        }
        let route =
            Route::for_test(self.operation, self.microversion).with_parameters(parameters).with_query(&self.query);
        let siblings: Vec<Write<'_>> = self.write.iter().chain(&self.others).map(AskWrite::written).collect();
        let circumstances = Circumstances {
            source: self.source.map(|source| source.parse::<IpAddr>().unwrap()),
            now: self.now,
            listener: Arc::from(self.listener),
            places: Arc::default(),
        };
        ask(&AccessRequest {
            principal: &principal,
            route: &route,
            write: siblings.first().filter(|_| self.write.is_some()),
            siblings: if self.write.is_some() { &siblings } else { &[] },
            circumstances: &circumstances,
            objects: Objects { resource: self.resource.as_ref(), target: self.target.as_ref(), cache: None },
        })
    }

    fn verdict(&self, engine: &PolicyEngine) -> Verdict {
        self.with(|request| engine.decide(request))
    }

    /// The decision in one line: `permit a b`, `deny forbidden a b: reason`.
    fn decision(&self, engine: &PolicyEngine) -> String {
        match self.verdict(engine).decision {
            Decision::Permit(permit) => format!("permit {}", permit.policies().join(" ")).trim_end().to_owned(),
            Decision::Deny(denial) => denied(&denial),
        }
    }
}

fn denied(denial: &Denial) -> String {
    let mut line = format!("deny {}", denial.reason.as_str());
    for id in denial.policies.iter() {
        line.push(' ');
        line.push_str(id);
    }
    if let Some(explanation) = &denial.explanation {
        line.push_str(": ");
        line.push_str(explanation);
    }
    if denial.conceal {
        line.push_str(" (concealed)");
    }
    line
}

fn source(name: &str, text: &str) -> PolicySource {
    PolicySource { name: name.to_owned(), text: text.to_owned() }
}

#[track_caller]
fn load(policies: &str) -> PolicyEngine {
    let source = source("t.cedar", policies);
    // No text is no file.
    let sources = if policies.is_empty() { &[] } else { std::slice::from_ref(&source) };
    PolicyEngine::load(sources).unwrap_or_else(|findings| panic!("{}", list(&findings)))
}

fn list(findings: &[PolicyFinding]) -> String {
    findings.iter().map(|finding| format!("{finding}\n")).collect()
}

/// A file of the repository, by its path below the root.
fn repository_file(path: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Compares with a committed file, and rewrites it if `UPDATE_GOLDEN` is set.
#[track_caller]
fn check_golden(path: &str, found: &str) {
    let file = repository_file(path);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&file, found).unwrap();
    }
    let expected = std::fs::read_to_string(&file).unwrap_or_default();
    let old: Vec<&str> = expected.lines().collect();
    let new: Vec<&str> = found.lines().collect();
    let lost = old.iter().filter(|line| !new.contains(line)).map(|line| format!("-{line}\n"));
    let gained = new.iter().filter(|line| !old.contains(line)).map(|line| format!("+{line}\n"));
    let difference: String = lost.chain(gained).collect();
    assert!(expected == found, "{path} differs (UPDATE_GOLDEN=1 writes it anew):\n{difference}");
}
