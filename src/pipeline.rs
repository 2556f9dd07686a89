//! OPEN FIRST: the whole way of a request.
//!
//! `Pipeline::enforce` is one line for each step, and each line needs what the line before proved: only
//! `authenticate` makes a [`Principal`], only `route` a [`Route`](crate::route::Route), only a decision makes a
//! [`Permit`](crate::policy::Permit), which `validate` asks for before it makes a [`Call`](crate::validate::Call), and
//! `forward` takes only a [`PermittedCall`], which `authorize` makes of a call whose every write was decided about.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::header::{ALLOW, EXPECT, HOST, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version};
use hyper::body::Incoming;

use crate::answer::{self, Terms};
use crate::audit::{Audit, Class, Opening, Record};
use crate::authenticate::{AuthnError, Peer, Principal, SchemeName};
use crate::authorize::{Authorizer, Refusal};
use crate::body::{self, Body, ReadDeadlines};
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
use crate::policy::DenialReason;
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

/// What one request meets: the snapshot that it keeps, its listener in it, and its peer.
pub struct Scene<'a> {
    snapshot: &'a Snapshot,
    listener: &'a ListenerState,
    peer: &'a Peer,
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
        record.measure(self.metrics.request(snapshot.listener_index(listener)));
        if let Some(tracer) = &self.tracer {
            record.trace(tracer.begin(&listener.name, request.headers()));
        }
        let scene = Scene { snapshot, listener, peer, ids, origin: origin(&request, listener, peer) };
        let (head, mut incoming) = request.into_parts();
        let mut ticket = None;
        let mut response = match self.enforce(&head, &mut incoming, &scene, &mut record, &mut ticket).await {
            Ok(response) => response,
            Err(rejection) => {
                // What is refused takes no place from others, however long it takes to say so.
                drop(ticket.take());
                record.reject(&rejection);
                // A refusal is answered once it can be recorded, where the configuration says so.
                self.audit.admit(Class::Denial, &snapshot.audit).await.ok();
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
        if let Ok(id) = HeaderValue::from_str(&scene.ids.own.to_string()) {
            response.headers_mut().insert(X_OPENSTACK_REQUEST_ID, id.clone());
            response.headers_mut().insert(OPENSTACK_REQUEST_ID, id);
        }
        record.status(response.status());
        response.map(|body| body.with_record(record).with_ticket(ticket))
    }

    async fn enforce(
        &self,
        head: &Parts,
        incoming: &mut Incoming,
        scene: &Scene<'_>,
        record: &mut Record,
        ticket: &mut Option<Ticket>,
    ) -> Result<Response<Body>, Rejection> {
        let Scene { snapshot, listener, peer, .. } = scene;
        let ceiling = match snapshot.microversion_pin {
            Some(pin) => Ceiling::pinned(pin),
            None => Ceiling::new(Some(snapshot.microversion_max), self.upstream.state().microversion_max()),
        };

        let ticket = ticket.insert(snapshot.limiter.enter(listener.index)?);
        framing::check(head, &snapshot.limits)?;
        listener.admit(peer)?;
        listener.serve(head)?;
        if head.method == Method::OPTIONS {
            return options(head, ceiling);
        }
        record.enter(Phase::Authenticate);
        let check = pin!(snapshot.authenticator.authenticate(&head.headers, peer, &listener.schemes));
        let claimed = || route::claimed_class(head);
        let principal = snapshot
            .limiter
            .prove(listener.index, claimed, peer.address, check)
            .await?
            .map_err(|error| Rejection::Authentication(error, scene.challenges(Some(error))))?;
        record.leave();
        record.principal(&principal);
        let route = route::find(head, ceiling).map_err(|error| Rejection::Route(error, ceiling))?;
        record.route(&route);
        principal.admits(&route).map_err(|error| Rejection::Authentication(error, scene.challenges(Some(error))))?;
        let operation = route.operation();

        record.enter(Phase::Decide);
        let identity = &snapshot.upstream_identity;
        let age_max = snapshot.resource_cache;
        let lookup = Lookup::new(&self.upstream, age_max, scene.ids.upstream(), identity, principal.token());
        let authorizer = Authorizer::new(snapshot, &principal, peer, &listener.name, lookup, ceiling);
        let mut admit = || snapshot.limiter.admit(ticket, listener.index, operation.class(), &principal, peer.address);
        let looks_up = authorizer.looks_up(&route);
        // Who makes irongate ask Ironic is counted before, whatever the answer: a denial costs as much as a permit.
        if looks_up {
            admit()?;
        }
        let permit = authorizer.call(&route, record).await.map_err(|refusal| scene.refuse(refusal, &principal))?;
        record.leave();
        if !looks_up {
            admit()?;
        }
        let mut room = snapshot.limiter.bodies(ticket);
        let bytes = body::read(incoming, operation.body_bytes_max, deadlines(snapshot), &mut room).await?;
        record.request_bytes(bytes.len());
        let invalid = |error| Rejection::Invalid(error, ceiling);
        if !bytes.is_empty() {
            validate::media_type(operation, &head.headers).map_err(invalid)?;
        }
        let (call, would_refuse) =
            validate::validate_shadowed(route, Some(&bytes), &permit, snapshot.shadow_checks).map_err(invalid)?;
        record.would_refuse(would_refuse);
        record.enter(Phase::Decide);
        let call =
            authorizer.writes(call, &permit, record).await.map_err(|refusal| scene.refuse(refusal, &principal))?;

        self.audit.admit(Class::of(operation), &snapshot.audit).await?;

        let canonical = call.call().body().map(|body| json::canonical(body, &bytes));
        let _forget = Forget::of(&self.upstream, call.call().route());
        let asked = Instant::now();
        record.enter(Phase::Upstream);
        let forwarded = Forwarded {
            request_id: scene.ids.upstream(),
            source: peer.address,
            origin: &scene.origin,
            token: principal.token(),
            identity: &snapshot.upstream_identity,
            traceparent: record.traceparent(),
        };
        let (answered, lease) = self.upstream.forward(&call, canonical, &forwarded).await?;
        let rules = snapshot.scrub.rules(principal.roles(), |field| authorizer.secret(call.call().route(), field));
        let terms = Terms {
            operation,
            rules: &rules,
            origin: &scene.origin,
            idle_timeout: self.upstream.idle_timeout(),
            transfer_timeout: self.upstream.transfer_timeout(),
            ceiling,
        };
        self.upstream.state().note_answer(answered.headers());
        let mut answer = answer::write(answered, lease, &terms, record, asked).await?;
        if let Some(rule) = record.would_be_denied_by()
            && authorizer.tells_shadow(call.call().route())
            && let Ok(rule) = HeaderValue::from_str(rule)
        {
            answer.headers_mut().insert(IRONGATE_WOULD_DENY, rule);
        }
        if answer.status() == StatusCode::UNAUTHORIZED {
            scene.challenge(&snapshot.upstream_identity, &principal, answer.headers_mut())?;
        }
        Ok(if head.method == Method::HEAD { answer::without_body(answer) } else { answer })
    }
}

impl Scene<'_> {
    fn challenges(&self, tried: Option<AuthnError>) -> Vec<HeaderValue> {
        self.snapshot.authenticator.challenges(&self.listener.schemes, tried).collect()
    }

    /// Ironic's 401 is the caller's where the caller's token was sent; anything else is irongate's own trouble.
    fn challenge(
        &self,
        identity: &UpstreamIdentity,
        principal: &Principal,
        headers: &mut HeaderMap,
    ) -> Result<(), UpstreamError> {
        let callers = match identity {
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
