//! OPEN FIRST: the whole way of a request.
//!
//! `Pipeline::enforce` names the steps, and each needs what the one before proved: only `authenticate` makes a
//! [`Principal`], only `route` a [`Route`], only a decision makes a [`Permit`], which `validate` asks for before it makes a
//! [`Call`], and `forward` takes only a [`PermittedCall`], which `authorize` makes of a call whose every write was decided
//! about.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{ALLOW, EXPECT, HOST, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version};
use hyper::body::Incoming;

use crate::answer::{self, Terms};
use crate::audit::{Audit, Opening, Record, RecordOf};
use crate::authenticate::{AuthnError, Peer, Principal, SchemeName};
use crate::authorize::{Authorizer, PermittedCall, Refusal};
use crate::body::{self, Body, ReadDeadlines};
use crate::call::{Call, Route};
use crate::config::UpstreamIdentity;
use crate::forward::{Forwarded, Upstream, UpstreamError};
use crate::framing;
use crate::header::{IRONGATE_WOULD_DENY, OPENSTACK_REQUEST_ID, X_OPENSTACK_REQUEST_ID};
use crate::json;
use crate::limits::Ticket;
use crate::listener::ListenerState;
use crate::lookup::{Forget, Lookup};
use crate::metrics::WorkerMetrics;
use crate::microversion::Ceiling;
use crate::policy::{DenialReason, Permit};
use crate::rejection::Rejection;
use crate::request_id::RequestIds;
use crate::route::{self, RouteError};
use crate::snapshot::Snapshot;
use crate::trace::{Phase, Tracer};
use crate::validate;

/// What one worker needs to serve requests.
#[derive(Debug)]
pub struct Pipeline {
    /// This worker's way to Ironic.
    pub upstream: Upstream,
    /// Where records go.
    pub audit: Audit,
    /// What this worker counts.
    pub metrics: Arc<WorkerMetrics>,
    /// Begins traces, where they are configured.
    pub tracer: Option<Arc<Tracer>>,
}

/// How a request came in: the snapshot that it keeps, its listener in it, its peer, and how both sides name it.
struct Arrival<'a> {
    snapshot: &'a Snapshot,
    listener: &'a ListenerState,
    peer: &'a Peer,
    /// Up to which microversion callers are served.
    ceiling: Ceiling,
    ids: RequestIds,
    origin: Arc<str>,
}

impl Pipeline {
    /// Answers one request. Its record is opened first and rides in the answer's body.
    pub async fn handle(
        &self,
        request: Request<Incoming>,
        snapshot: &Snapshot,
        listener: &ListenerState,
        peer: &Peer,
    ) -> Response<Body> {
        let ids = RequestIds::read(request.headers());
        let opening = Opening {
            listener: Arc::clone(&listener.name),
            source: peer.address,
            http: if request.version() == Version::HTTP_2 { "HTTP/2" } else { "HTTP/1.1" },
            mode: snapshot.mode(),
            terms: snapshot.audit,
            revision: Arc::clone(&snapshot.revision),
        };
        let mut record = Record::open(&self.audit, opening, &ids);
        record.measure(self.metrics.request(listener.index));
        if let Some(tracer) = &self.tracer {
            record.trace(tracer.begin(&listener.name, request.headers()));
        }
        let (ceiling, origin) = (self.ceiling(snapshot), origin(&request, listener, peer));
        let arrival = Arrival { snapshot, listener, peer, ceiling, ids, origin };
        let (head, mut incoming) = request.into_parts();
        let mut ticket = None;
        let mut response = match self.enforce(&head, &mut incoming, &arrival, &mut record, &mut ticket).await {
            Ok(response) => response,
            Err(rejection) => {
                // What is refused takes no place from others, however long it takes to say so.
                drop(ticket.take());
                record.reject(&rejection);
                // A refusal is answered once it can be recorded, where the configuration says so.
                self.audit.room(RecordOf::Denial, &snapshot.audit).await.ok();
                // A caller that is still sending when its stream ends may never look at the answer: a small body is
                // let in first. Who waits for 100-continue has sent none.
                if !head.headers.contains_key(EXPECT)
                    && let Some(_leftover) = snapshot.limiter.leftover()
                {
                    body::discard(&mut incoming).await;
                }
                rejection.response().map(|body| body.with_unread(incoming))
            }
        };
        if let Ok(id) = HeaderValue::from_str(&arrival.ids.own.to_string()) {
            response.headers_mut().insert(X_OPENSTACK_REQUEST_ID, id.clone());
            response.headers_mut().insert(OPENSTACK_REQUEST_ID, id);
        }
        record.status(response.status());
        response.map(|body| body.with_record(record).with_ticket(ticket))
    }

    /// The steps of a request, in their order.
    async fn enforce(
        &self,
        head: &Parts,
        incoming: &mut Incoming,
        arrival: &Arrival<'_>,
        record: &mut Record,
        ticket: &mut Option<Ticket>,
    ) -> Result<Response<Body>, Rejection> {
        let Arrival { snapshot, listener, peer, .. } = arrival;
        let ticket = ticket.insert(snapshot.limiter.enter(listener.index)?);
        framing::check(head, &snapshot.limits)?;
        listener.take(peer)?;
        listener.serve(head)?;
        if head.method == Method::OPTIONS {
            return options(head, arrival.ceiling);
        }
        let (principal, route) = arrival.identify(head, record).await?;
        let lookup = arrival.lookup(&self.upstream, &principal);
        let authorizer = Authorizer::new(snapshot, &principal, peer, &listener.name, lookup, arrival.ceiling);
        let permit = arrival.decide(&authorizer, &route, &principal, ticket, record).await?;

        // The body has its room until Ironic has answered.
        let mut room = snapshot.limiter.bodies(ticket);
        let bytes_max = route.operation().body_bytes_max;
        let bytes = body::read(incoming, bytes_max, deadlines(snapshot), &mut room).await?;
        let call = arrival.understand(route, &permit, &head.headers, &bytes, record)?;
        record.begin_phase(Phase::Decide);
        let refuse = |refusal| arrival.refuse(refusal, &principal);
        let call = authorizer.writes(call, &permit, record).await.map_err(refuse)?;

        let answer = self.ask_ironic(&call, &bytes, &authorizer, &principal, arrival, record).await?;
        Ok(if head.method == Method::HEAD { answer::without_body(answer) } else { answer })
    }

    /// Up to which microversion callers are served.
    fn ceiling(&self, snapshot: &Snapshot) -> Ceiling {
        match snapshot.microversion_pin {
            Some(pin) => Ceiling::pinned(pin),
            None => Ceiling::new(Some(snapshot.microversion_max), self.upstream.state().microversion_max()),
        }
    }

    /// Has the call carried out, and makes the caller's answer of Ironic's. Nothing is asked that could not be recorded,
    /// where the configuration says so.
    async fn ask_ironic(
        &self,
        call: &PermittedCall<'_>,
        bytes: &Bytes,
        authorizer: &Authorizer<'_>,
        principal: &Principal,
        arrival: &Arrival<'_>,
        record: &mut Record,
    ) -> Result<Response<Body>, Rejection> {
        let Arrival { snapshot, peer, ids, origin, .. } = arrival;
        let route = call.call().route();
        self.audit.room(RecordOf::call(route.operation()), &snapshot.audit).await?;

        let canonical = call.call().body().map(|body| json::canonical(body, bytes));
        let _forget = Forget::of(&self.upstream, route);
        let asked = Instant::now();
        record.begin_phase(Phase::Upstream);
        let forwarded = Forwarded {
            request_id: ids.upstream(),
            source: peer.address,
            origin,
            token: principal.token(),
            identity: &snapshot.upstream_identity,
            traceparent: record.traceparent(),
        };
        let (answered, lease) = self.upstream.forward(call, canonical, &forwarded).await?;
        let rules = snapshot.scrub.rules(principal.roles(), |field| authorizer.secret(route, field));
        let terms = Terms {
            operation: route.operation(),
            rules: &rules,
            origin,
            idle_timeout: self.upstream.idle_timeout(),
            transfer_timeout: self.upstream.transfer_timeout(),
            ceiling: arrival.ceiling,
        };
        self.upstream.state().note_answer(answered.headers());
        let mut answer = answer::write(answered, lease, &terms, record, asked).await?;
        if let Some(rule) = record.would_be_denied_by()
            && authorizer.tells_shadow(route)
            && let Ok(rule) = HeaderValue::from_str(rule)
        {
            answer.headers_mut().insert(IRONGATE_WOULD_DENY, rule);
        }
        if answer.status() == StatusCode::UNAUTHORIZED {
            arrival.challenge(principal, answer.headers_mut())?;
        }
        Ok(answer)
    }
}

impl Arrival<'_> {
    /// Who asks, and what for.
    async fn identify<'h>(&self, head: &'h Parts, record: &mut Record) -> Result<(Principal, Route<'h>), Rejection> {
        let Arrival { snapshot, listener, peer, .. } = self;
        let fail = |error| Rejection::Authentication(error, self.challenges(Some(error)));
        record.begin_phase(Phase::Authenticate);
        let check = pin!(snapshot.authenticator.authenticate(&head.headers, peer, &listener.schemes));
        let claimed = || route::claimed_class(head);
        let principal = snapshot.limiter.prove(listener.index, claimed, peer.address, check).await?.map_err(fail)?;
        record.end_phase();
        record.principal(&principal);
        let route = route::find(head, self.ceiling).map_err(|error| Rejection::Route(error, self.ceiling))?;
        record.route(&route);
        principal.may_ask(&route).map_err(fail)?;
        Ok((principal, route))
    }

    /// For the objects that policies read.
    fn lookup<'l>(&'l self, upstream: &'l Upstream, principal: &'l Principal) -> Lookup<'l> {
        let Arrival { snapshot, ids, .. } = self;
        Lookup::new(upstream, snapshot.resource_cache, ids.upstream(), &snapshot.upstream_identity, principal.token())
    }

    /// Whether the request as a whole is permitted, and there is a place for it.
    async fn decide(
        &self,
        authorizer: &Authorizer<'_>,
        route: &Route<'_>,
        principal: &Principal,
        ticket: &mut Ticket,
        record: &mut Record,
    ) -> Result<Permit, Rejection> {
        let Arrival { snapshot, listener, peer, .. } = self;
        let class = route.operation().class();
        let mut admit = || snapshot.limiter.admit(ticket, listener.index, class, principal, peer.address);
        record.begin_phase(Phase::Decide);
        let looks_up = authorizer.looks_up(route);
        // Who makes irongate ask Ironic is counted before, whatever the answer: a denial costs as much as a permit.
        if looks_up {
            admit()?;
        }
        let permit = authorizer.call(route, record).await.map_err(|refusal| self.refuse(refusal, principal))?;
        record.end_phase();
        if !looks_up {
            admit()?;
        }
        Ok(permit)
    }

    /// The whole request, if its body is what the operation takes.
    fn understand<'c>(
        &self,
        route: Route<'c>,
        permit: &Permit,
        headers: &HeaderMap,
        bytes: &'c Bytes,
        record: &mut Record,
    ) -> Result<Call<'c>, Rejection> {
        let invalid = |error| Rejection::Invalid(error, self.ceiling);
        record.request_bytes(bytes.len());
        if !bytes.is_empty() {
            validate::media_type(route.operation(), headers).map_err(invalid)?;
        }
        let (call, would_refuse) =
            validate::validate_shadowed(route, Some(bytes), permit, self.snapshot.shadow_checks).map_err(invalid)?;
        record.would_refuse(would_refuse);
        Ok(call)
    }

    fn challenges(&self, tried: Option<AuthnError>) -> Vec<HeaderValue> {
        self.snapshot.authenticator.challenges(&self.listener.schemes, tried).collect()
    }

    /// Ironic's 401 is the caller's where the caller's token was sent; anything else is irongate's own trouble.
    fn challenge(&self, principal: &Principal, headers: &mut HeaderMap) -> Result<(), UpstreamError> {
        let callers = match &self.snapshot.upstream_identity {
            UpstreamIdentity::Token => principal.token().is_some() || principal.scheme() == SchemeName::Anonymous,
            UpstreamIdentity::None | UpstreamIdentity::Basic(_) => false,
        };
        if !callers {
            return Err(UpstreamError::Identity);
        }
        for challenge in self.challenges(None) {
            headers.append(WWW_AUTHENTICATE, challenge);
        }
        Ok(())
    }

    /// Who sent no credential and is denied is asked for one, where the listener takes any.
    fn refuse(&self, refusal: Refusal, principal: &Principal) -> Rejection {
        let challenges = self.challenges(None);
        if refusal.denial.reason == DenialReason::Unavailable {
            return Rejection::Denied(refusal);
        }
        if principal.scheme() == SchemeName::Anonymous && !challenges.is_empty() {
            Rejection::Unauthenticated(refusal, challenges)
        } else {
            Rejection::Denied(refusal)
        }
    }
}

/// `OPTIONS` asks what a path takes; the catalogue knows, Ironic need not be asked. It needs no credential, as at Ironic.
fn options(head: &Parts, ceiling: Ceiling) -> Result<Response<Body>, Rejection> {
    let allow = match route::find(head, ceiling) {
        Err(RouteError::Options { allow }) => allow,
        Err(error) => return Err(Rejection::Route(error, ceiling)),
        Ok(_) => return Err(Rejection::Internal),
    };
    let mut response = Response::new(Body::whole(""));
    if let Ok(value) = HeaderValue::from_str(&allow.to_string()) {
        response.headers_mut().insert(ALLOW, value);
    }
    Ok(response)
}

/// Scheme and authority under which the caller reached irongate; links in answers lead back there.
fn origin<B>(request: &Request<B>, listener: &ListenerState, peer: &Peer) -> Arc<str> {
    if let Some(url) = &listener.public_url {
        return Arc::clone(url);
    }
    let host = request.headers().get(HOST).and_then(|value| value.to_str().ok());
    let authority = request.uri().authority().map(http::uri::Authority::as_str).or(host).unwrap_or("localhost");
    format!("{}://{authority}", if peer.tls { "https" } else { "http" }).into()
}

fn deadlines(snapshot: &Snapshot) -> ReadDeadlines {
    ReadDeadlines {
        idle: Duration::from_secs(snapshot.limits.body_idle_timeout_seconds),
        whole: Duration::from_secs(snapshot.limits.body_timeout_seconds),
    }
}
