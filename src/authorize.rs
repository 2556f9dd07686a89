//! Asks the decision point: about the call before a byte of its body is read, then about each write.
//!
//! Where a policy that may apply reads the object that the request is about, the object is looked up first. A write that
//! puts an object elsewhere (`node_uuid`, `parent_node`, `owner`, …) is asked about twice: where the object is, and where
//! it would be after all writes of the request. What was looked up is named by its UUID from then on, so that the request
//! goes to the object that was decided about.

mod moved;
mod turns;

use std::sync::{Arc, OnceLock};

use crate::audit::Record;
use crate::authenticate::{Peer, Principal};
use crate::call::{Call, Route, Write};
use crate::catalog::Operation;
use crate::lookup::{Lookup, LookupError};
use crate::microversion::Ceiling;
use crate::policy::{
    AccessRequest, Circumstances, Decision, Denial, Needs, ObjectFacts, Objects, Permit, PolicyEngine, RequestCache,
    ShadowMode, Verdict, WouldBe, queried_node,
};
use crate::rejection::Missing;
use crate::snapshot::{DenialDetail, Snapshot};
use crate::validate;
use moved::{Elsewhere, Moved};
use turns::Turn;

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

/// Below it Ironic knows nodes by UUID only, and says so itself.
const NAMES_SINCE: u16 = 5;

/// The enforcement point's questions about one request.
pub struct Authorizer<'a> {
    snapshot: &'a Snapshot,
    shadow: Option<ShadowMode>,
    principal: &'a Principal,
    circumstances: Circumstances,
    lookup: Lookup<'a>,
    ceiling: Ceiling,
    /// What anybody reads about this operation, candidates included.
    all_needs: OnceLock<Needs>,
    /// What the request as a whole was decided about: the resource, and the node that a list's query names.
    found: OnceLock<(Found, Found)>,
    /// What the decision point found of the request as a whole.
    cache: RequestCache,
}

/// What was looked up of an object.
type Found = Result<Option<Arc<ObjectFacts>>, LookupError>;

/// What one write, or the request, is asked about with.
struct Question<'q> {
    route: &'q Route<'q>,
    write: Option<&'q Write<'q>>,
    /// All writes of the request, once they are known.
    siblings: &'q [Write<'q>],
    /// What the active policies read.
    needs: Needs,
    resource: &'q Found,
    /// The node that the write, or a list's query, names.
    target: &'q Found,
    /// The resource as the request would leave it, if this write puts it elsewhere, and what it would belong to.
    elsewhere: &'q [Elsewhere<'q>],
    /// There it would have more properties than can be shown.
    overfull: bool,
    /// What is the same for the request and all its writes, about the resource where it is.
    cache: Option<&'q RequestCache>,
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
            shadow: snapshot.waiver(principal.in_shadow()),
            principal,
            circumstances: Circumstances {
                source: peer.address,
                now: jiff::Timestamp::now().as_second(),
                listener: Arc::clone(listener),
                places: Arc::clone(&snapshot.places),
            },
            lookup,
            ceiling,
            all_needs: OnceLock::new(),
            found: OnceLock::new(),
            cache: RequestCache::default(),
        }
    }

    /// Whether objects are looked up before it can be decided about the request.
    pub fn looks_up(&self, route: &Route<'_>) -> bool {
        let needs = self.all_needs(route.operation());
        (needs.resource.is_some() && route.resource_id().is_some())
            || (needs.target.is_some() && queried_node(route).is_some())
    }

    /// The request as a whole.
    pub async fn call(&self, route: &Route<'_>, record: &mut Record) -> Result<Permit, Refusal> {
        if self.shadow.is_some() {
            record.in_shadow();
        }
        let operation = route.operation();
        let needs = self.needs(&self.snapshot.policies, operation, false);
        let (resource, target) = (self.resource(route).await, self.queried(route).await);
        let (resource, target) = self.found.get_or_init(|| (resource, target));
        let cache = Some(&self.cache);
        let (siblings, elsewhere, overfull) = (&[], &[], false);
        let question = Question { route, write: None, siblings, needs, resource, target, elsewhere, overfull, cache };
        let permit = self.settle(&question, None, record).map_err(|denial| self.refusal(denial, route, None))?;
        record.permit(&permit);
        Ok(permit)
    }

    /// Each of its writes; all must be permitted. `permit` is what the request as a whole was permitted with.
    pub async fn writes<'c>(
        &self,
        mut call: Call<'c>,
        permit: &Permit,
        record: &mut Record,
    ) -> Result<PermittedCall<'c>, Refusal> {
        let writes = validate::writes(&call);
        record.writes(call.route().operation(), &writes, &self.circumstances.places);
        let route = call.route();
        let needs = self.needs(&self.snapshot.policies, route.operation(), true);
        let asked = self.found.get().map_or((Ok(None), Ok(None)), Clone::clone);
        let (resource, queried) = if writes.is_empty() {
            asked
        } else {
            (same(&asked.0, self.resource(route).await), same(&asked.1, self.queried(route).await))
        };
        // What was found of the request holds for its writes as long as the resource is what it was.
        let anew = RequestCache::default();
        let unchanged = self.found.get().is_some_and(|(before, _)| *before == resource);
        let cache = if unchanged { &self.cache } else { &anew };
        let moved = self.moved(route, &writes, &resource).await;
        let kind = route.operation().resource;
        let (engines, mut turn) = (1 + self.snapshot.candidates.len(), Turn::default());
        for (index, write) in writes.iter().enumerate() {
            let elsewhere = moved.elsewhere(kind, index);
            turn.let_others_in((1 + elsewhere.len()) * engines).await;
            let question = Question {
                route,
                write: Some(write),
                siblings: &writes,
                needs,
                resource: &resource,
                target: moved.target(index),
                elsewhere: &elsewhere,
                overfull: moved.overfull && !elsewhere.is_empty(),
                cache: Some(cache),
            };
            let path = write.path.as_str();
            let permit = self
                .settle(&question, Some(path), record)
                .map_err(|denial| self.refusal(denial, route, Some(shown(path))))?;
            record.permit(&permit);
        }
        drop(moved);
        drop(writes);
        let (resource, queried) = (resource.ok().flatten(), queried.ok().flatten());
        if self.shadow.is_none() && (resource.is_some() || queried.is_some()) {
            // What only shadow policies and candidates read changes nothing.
            let deciding = self.needs(&self.snapshot.policies, call.route().operation(), false).union(needs);
            let decided = [deciding.resource.and(resource), deciding.target.and(queried)];
            for found in decided.into_iter().flatten() {
                pin(&mut call, &found);
            }
        }
        if let Some(added) = permit.filter() {
            // In dry-run nothing of a request changes.
            record.filter(added.parameter);
            if self.shadow.is_none() {
                call.add_filter(added.parameter, &added.value);
            }
        }
        Ok(PermittedCall(call))
    }

    /// Whether the caller is told what would have been denied.
    pub fn tells_shadow(&self, route: &Route<'_>) -> bool {
        self.snapshot.policies.tells_shadow(&self.aside(route))
    }

    /// Whether the secret in `field` (a JSON Pointer) may be seen as it is.
    pub fn secret(&self, route: &Route<'_>, field: &str) -> bool {
        self.snapshot.policies.reads_secret(&self.aside(route), field)
    }

    /// What is asked about with questions of irongate's own.
    fn aside<'r>(&'r self, route: &'r Route<'r>) -> AccessRequest<'r> {
        AccessRequest {
            principal: self.principal,
            route,
            write: None,
            siblings: &[],
            circumstances: &self.circumstances,
            objects: Objects::default(),
        }
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
        engine.needs(operation, self.principal, writes)
    }

    /// What anybody reads, candidates included.
    fn all_needs(&self, operation: &Operation) -> Needs {
        *self.all_needs.get_or_init(|| self.find_needs(operation))
    }

    fn find_needs(&self, operation: &Operation) -> Needs {
        let engines = std::iter::once(&self.snapshot.policies)
            .chain(self.snapshot.candidates.iter().map(|other| &other.policies));
        engines.fold(Needs::default(), |needs, engine| {
            let of = |writes| engine.shadow_needs(operation, self.principal, writes);
            needs.union(of(false)).union(of(true))
        })
    }

    async fn resource(&self, route: &Route<'_>) -> Found {
        match self.all_needs(route.operation()).resource {
            Some(fields) => self.lookup.resource(route, fields).await,
            None => Ok(None),
        }
    }

    /// The node whose belongings a list's query asks for.
    async fn queried(&self, route: &Route<'_>) -> Found {
        let Some(node) = queried_node(route) else { return Ok(None) };
        match self.all_needs(route.operation()).target {
            Some(fields) => self.lookup.node(node, fields).await,
            None => Ok(None),
        }
    }

    /// Where writes put their object, and the nodes that they name.
    async fn moved<'w>(&self, route: &Route<'_>, writes: &'w [Write<'w>], resource: &Found) -> Moved<'w> {
        let needs = self.all_needs(route.operation());
        let fields = match (needs.resource, needs.target) {
            (Some(one), Some(other)) => Some(one.union(other)),
            (one, other) => one.or(other),
        };
        let resource = resource.as_ref().ok().and_then(Option::as_ref);
        Moved::of(route, writes, resource, fields, Some(&self.lookup)).await
    }

    /// Decides. In dry-run a denial is recorded and waived.
    fn settle(&self, question: &Question<'_>, path: Option<&str>, record: &mut Record) -> Result<Permit, Denial> {
        let verdict = if question.is_missing_for(question.needs) {
            self.snapshot.policies.without_attributes()
        } else {
            self.ask(&self.snapshot.policies, question)
        };
        self.compare(question, &verdict.decision, record);
        match verdict.decision {
            Decision::Permit(permit) => {
                if let Some(WouldBe::Deny(denial)) = &verdict.would_be {
                    record.would_deny(denial, path);
                }
                Ok(permit)
            }
            Decision::Deny(denial) => {
                if let Some(WouldBe::Permit(policies)) = &verdict.would_be {
                    record.would_permit(policies);
                }
                let Some(shadow) = self.shadow else { return Err(denial) };
                record.would_deny(&denial, path);
                Ok(denial.waive(shadow))
            }
        }
    }

    /// About the object where it is, and where it would be. The first denial counts.
    fn ask(&self, engine: &PolicyEngine, question: &Question<'_>) -> Verdict {
        let known = |found: &'_ Found| found.as_ref().ok().and_then(Clone::clone);
        let (resource, target) = (known(question.resource), known(question.target));
        let decide = |resource: Option<&ObjectFacts>, cache: Option<&RequestCache>| {
            engine.decide(&AccessRequest {
                principal: self.principal,
                route: question.route,
                write: question.write,
                siblings: question.siblings,
                circumstances: &self.circumstances,
                objects: Objects { resource, target: target.as_deref(), cache },
            })
        };
        let mut verdict = decide(resource.as_deref(), question.cache);
        for (place, cache) in question.elsewhere {
            if matches!(verdict.decision, Decision::Deny(_)) {
                break;
            }
            let there = decide(Some(place), *cache);
            // A shadow denial here is not forgotten for a permit there.
            let would_be_denied = matches!(verdict.would_be, Some(WouldBe::Deny(_)));
            if !would_be_denied || matches!(there.decision, Decision::Deny(_)) {
                verdict = there;
            }
        }
        verdict
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
    /// Whether something that is read could not be looked up, or is more than can be read.
    fn is_missing_for(&self, needs: Needs) -> bool {
        let resource = needs.resource.is_some() && self.resource.is_err();
        // A write is decided about at its new place too where the old one matters.
        let target = (needs.target.is_some() || needs.resource.is_some()) && self.target.is_err();
        let after = self.overfull && needs.reads_properties();
        resource || target || after
    }
}

/// What is looked up again has to be what the request was decided about: a name may have moved on in between.
fn same(before: &Found, now: Found) -> Found {
    if uuid(before) == uuid(&now) { now } else { Err(LookupError) }
}

fn uuid(found: &Found) -> Option<Option<&str>> {
    found.as_ref().ok().map(|known| known.as_ref().map(|facts| facts.uuid.as_str()))
}

/// Names an object by the UUID that was decided about, where the request names it otherwise.
fn pin(call: &mut Call<'_>, found: &ObjectFacts) {
    if call.route().microversion().minor() < NAMES_SINCE {
        return;
    }
    if let Some(name) = &found.name {
        call.pin(name, found.address());
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
