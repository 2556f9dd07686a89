//! Asks the decision point: about the call before a byte of its body is read, then about each write.
//!
//! Where a policy that may apply reads the object that the request is about, the object is looked up first. A write that
//! puts an object elsewhere (`node_uuid`, `parent_node`, `owner`, …) is asked about twice: where the object is, and where
//! it would be.

use std::sync::Arc;

use crate::audit::Record;
use crate::authenticate::{Peer, Principal};
use crate::call::{Call, Route, Write};
use crate::catalog::{Operation, ResourceType};
use crate::lookup::{self, Lookup, LookupError, Move};
use crate::microversion::Ceiling;
use crate::policy::{
    AccessRequest, Circumstances, Decision, Denial, Needs, ObjectFacts, Objects, Permit, PolicyEngine, ShadowMode,
    Verdict, WouldBe,
};
use crate::rejection::Missing;
use crate::snapshot::{DenialDetail, Snapshot};
use crate::validate;

/// A call of which the request and every write is permitted: what [`crate::forward`] takes. Only this module makes one.
#[derive(Debug)]
pub struct PermittedCall<'a>(Call<'a>);

impl<'a> PermittedCall<'a> {
    /// What was permitted.
    pub fn call(&self) -> &Call<'a> {
        &self.0
    }
}

/// A denial that is enforced, with what was asked: the caller is told both.
#[derive(Debug)]
pub struct Refusal {
    /// Why.
    pub denial: Denial,
    /// About which operation.
    pub operation: &'static Operation,
    /// About which write of it: its path, if that is plain. `None` for the request as a whole.
    pub write: Option<Box<str>>,
    /// What the caller is told instead, if the denial is concealed.
    pub missing: Option<Box<Missing>>,
    /// How much of this the caller is told.
    pub detail: DenialDetail,
}

/// Longer or odder paths are not repeated to the caller: a key may be any text.
const SHOWN_PATH_BYTES_MAX: usize = 128;

/// The enforcement point's questions about one request.
pub struct Authorizer<'a> {
    snapshot: &'a Snapshot,
    shadow: Option<ShadowMode>,
    principal: &'a Principal,
    circumstances: Circumstances,
    lookup: Lookup<'a>,
    ceiling: Ceiling,
}

/// What was looked up of an object.
type Found = Result<Option<Arc<ObjectFacts>>, LookupError>;

/// What one write, or the request, is asked about with.
struct Question<'q> {
    route: &'q Route<'q>,
    write: Option<&'q Write<'q>>,
    /// All writes of the request, once they are known.
    siblings: &'q [Write<'q>],
    /// What the active policies, and what the candidates read.
    needs: Needs,
    resource: Found,
    target: Found,
    /// The resource as the write would leave it, if that puts it elsewhere.
    moved: Option<ObjectFacts>,
}

impl<'a> Authorizer<'a> {
    /// For one request of `principal`.
    pub fn new(
        snapshot: &'a Snapshot,
        principal: &'a Principal,
        peer: &Peer,
        listener: &Arc<str>,
        lookup: Lookup<'a>,
        ceiling: Ceiling,
    ) -> Self {
        Self {
            snapshot,
            shadow: snapshot.shadow.or_else(|| snapshot.binding_shadow.filter(|_| principal.in_shadow())),
            principal,
            circumstances: Circumstances {
                source: peer.address,
                now: jiff::Timestamp::now().as_second(),
                listener: Arc::clone(listener),
                places: Arc::clone(&snapshot.places),
            },
            lookup,
            ceiling,
        }
    }

    /// The request as a whole.
    pub async fn call(&self, route: &Route<'_>, record: &mut Record) -> Result<Permit, Refusal> {
        if self.shadow.is_some() {
            record.in_shadow();
        }
        let operation = route.operation();
        let needs = self.needs(&self.snapshot.policies, operation, false);
        let resource = self.resource(route).await;
        let question = Question { route, write: None, siblings: &[], needs, resource, target: Ok(None), moved: None };
        let permit = self.settle(&question, record).map_err(|denial| self.refusal(denial, route, None))?;
        record.permit(&permit);
        Ok(permit)
    }

    /// Each of its writes; all must be permitted.
    pub async fn writes<'c>(&self, call: Call<'c>, record: &mut Record) -> Result<PermittedCall<'c>, Refusal> {
        let writes = validate::writes(&call);
        record.writes(&writes);
        let route = call.route();
        let needs = self.needs(&self.snapshot.policies, route.operation(), true);
        // Remembered from the question about the request, unless nothing is to be remembered.
        let mut resource = if writes.is_empty() { Ok(None) } else { self.resource(route).await };
        for write in &writes {
            let mut question = Question {
                route,
                write: Some(write),
                siblings: &writes,
                needs,
                resource,
                target: Ok(None),
                moved: None,
            };
            if let Some(place) = lookup::moves(route, write) {
                self.place(&mut question, &place).await;
            }
            let permit = self
                .settle(&question, record)
                .map_err(|denial| self.refusal(denial, route, Some(shown(write.path.as_str()))))?;
            record.permit(&permit);
            resource = question.resource;
        }
        drop(writes);
        Ok(PermittedCall(call))
    }

    /// Whether the secret in `field` (a JSON Pointer) may be seen as it is.
    pub fn secret(&self, route: &Route<'_>, field: &str) -> bool {
        let request = AccessRequest {
            principal: self.principal,
            route,
            write: None,
            siblings: &[],
            circumstances: &self.circumstances,
            objects: Objects::default(),
        };
        self.snapshot.policies.reads_secret(&request, field)
    }

    fn refusal(&self, denial: Denial, route: &Route<'_>, write: Option<Box<str>>) -> Refusal {
        let operation = route.operation();
        let missing = denial.conceal.then(|| {
            let identifier = route.resource_id();
            let rules = self.snapshot.scrub.rules(self.principal.roles(), |field| self.secret(route, field));
            Box::new(Missing::new(operation, identifier, route.microversion(), self.ceiling, &rules))
        });
        Refusal { denial, operation, write, missing, detail: self.snapshot.denial_detail }
    }

    fn needs(&self, engine: &PolicyEngine, operation: &Operation, writes: bool) -> Needs {
        engine.needs(operation, self.principal.roles(), writes)
    }

    /// What anybody reads, candidates included.
    fn all_needs(&self, operation: &Operation) -> Needs {
        let engines = std::iter::once(&self.snapshot.policies)
            .chain(self.snapshot.candidates.iter().map(|other| &other.policies));
        engines.fold(Needs::default(), |needs, engine| {
            needs.union(self.needs(engine, operation, false)).union(self.needs(engine, operation, true))
        })
    }

    async fn resource(&self, route: &Route<'_>) -> Found {
        match self.all_needs(route.operation()).resource {
            Some(fields) => self.lookup.resource(route, fields).await,
            None => Ok(None),
        }
    }

    /// Looks up where a write puts its object, and notes what the object would be there.
    async fn place(&self, question: &mut Question<'_>, place: &Move<'_>) {
        let operation = question.route.operation();
        let needs = self.all_needs(operation);
        let fields = match (needs.resource, needs.target) {
            (Some(one), Some(other)) => one.union(other),
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => return,
        };
        if let Move::To(identifier) = place {
            question.target = self.lookup.node(identifier, fields).await;
        }
        let target = question.target.as_ref().ok().and_then(Option::as_ref);
        let resource = question.resource.as_ref().ok().and_then(Option::as_ref);
        question.moved = match (resource, place) {
            (Some(resource), Move::Attribute(name, value)) => Some(resource.with(name, *value)),
            // A node is put below another: both must be within the caller's reach.
            (Some(_), Move::To(_)) if operation.resource == ResourceType::Node => {
                target.map(|facts| facts.as_ref().clone())
            }
            (Some(_), Move::Away) if operation.resource == ResourceType::Node => None,
            (Some(resource), Move::To(_) | Move::Away) => Some(resource.moved(target.cloned())),
            (None, _) => None,
        };
    }

    /// Decides. In dry-run a denial is recorded and waived.
    fn settle(&self, question: &Question<'_>, record: &mut Record) -> Result<Permit, Denial> {
        let verdict = if question.is_missing_for(question.needs) {
            self.snapshot.policies.without_attributes()
        } else {
            self.ask(&self.snapshot.policies, question)
        };
        self.compare(question, &verdict.decision, record);
        match verdict.decision {
            Decision::Permit(permit) => {
                if let Some(WouldBe::Deny(denial)) = &verdict.would_be {
                    record.would_deny(denial);
                }
                Ok(permit)
            }
            Decision::Deny(denial) => {
                if let Some(WouldBe::Permit(policies)) = &verdict.would_be {
                    record.would_permit(policies);
                }
                let Some(shadow) = self.shadow else { return Err(denial) };
                record.would_deny(&denial);
                Ok(denial.waive(shadow))
            }
        }
    }

    /// About the object where it is, and where it would be. The first denial counts.
    fn ask(&self, engine: &PolicyEngine, question: &Question<'_>) -> Verdict {
        let known = |found: &'_ Found| found.as_ref().ok().and_then(Clone::clone);
        let (resource, target) = (known(&question.resource), known(&question.target));
        let decide = |resource: Option<&ObjectFacts>| {
            engine.decide(&AccessRequest {
                principal: self.principal,
                route: question.route,
                write: question.write,
                siblings: question.siblings,
                circumstances: &self.circumstances,
                objects: Objects { resource, target: target.as_deref() },
            })
        };
        let here = decide(resource.as_deref());
        match (&here.decision, &question.moved) {
            (Decision::Permit(_), Some(moved)) => {
                let there = decide(Some(moved));
                let would_be_denied = matches!(here.would_be, Some(WouldBe::Deny(_)));
                if would_be_denied && matches!(there.decision, Decision::Permit(_)) { here } else { there }
            }
            (Decision::Permit(_), None) | (Decision::Deny(_), _) => here,
        }
    }

    /// Asks the candidates, and records where they disagree. Nothing that they say is ever used.
    fn compare(&self, question: &Question<'_>, active: &Decision, record: &mut Record) {
        for candidate in &self.snapshot.candidates {
            let needs = self.needs(&candidate.policies, question.route.operation(), question.write.is_some());
            if question.is_missing_for(needs) {
                continue;
            }
            let other = self.ask(&candidate.policies, question).decision;
            if matches!(active, Decision::Permit(_)) != matches!(other, Decision::Permit(_)) {
                candidate.count();
                record.candidate(&candidate.name, active, &other);
            }
        }
    }
}

impl Question<'_> {
    /// Whether something that is read could not be looked up.
    const fn is_missing_for(&self, needs: Needs) -> bool {
        let resource = needs.resource.is_some() && self.resource.is_err();
        // A write is decided about at its new place too where the old one matters.
        let target = (needs.target.is_some() || needs.resource.is_some()) && self.target.is_err();
        resource || target
    }
}

/// The path, or as much of its beginning as is plain.
fn shown(path: &str) -> Box<str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'_' | b'-');
    if path.len() <= SHOWN_PATH_BYTES_MAX && path.bytes().all(plain) {
        return path.into();
    }
    let field = path.split('/').nth(1).filter(|field| field.len() <= SHOWN_PATH_BYTES_MAX && field.bytes().all(plain));
    field.map_or_else(|| "/…".into(), |field| format!("/{field}/…").into())
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn only_plain_paths_are_shown() {
        for (path, expected) in [
            ("/driver_info/redfish_password", "/driver_info/redfish_password"),
            ("/extra/a b", "/extra/…"),
            ("/caf\u{e9}", "/…"),
            ("", ""),
        ] {
            assert_eq!(shown(path).as_ref(), expected);
        }
        assert_eq!(shown(&format!("/extra/{}", "a".repeat(200))).as_ref(), "/extra/…");
    }
}
