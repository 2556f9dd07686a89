//! Asks the decision point: about the call before a byte of its body is read, then about each write.

use std::sync::Arc;

use crate::audit::Record;
use crate::authenticate::{Peer, Principal};
use crate::call::{Call, Route};
use crate::catalog::Operation;
use crate::policy::{
    AccessRequest, Circumstances, Decision, Denial, Permit, Places, PolicyEngine, ShadowMode, Verdict, WouldBe,
};
use crate::snapshot::Snapshot;
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
}

/// Longer or odder paths are not repeated to the caller: a key may be any text.
const SHOWN_PATH_BYTES_MAX: usize = 128;

/// The enforcement point's questions about one request.
#[derive(Debug)]
pub struct Authorizer<'a> {
    policies: &'a PolicyEngine,
    shadow: Option<ShadowMode>,
    principal: &'a Principal,
    circumstances: Circumstances,
}

impl<'a> Authorizer<'a> {
    /// For one request of `principal`.
    pub fn new(snapshot: &'a Snapshot, principal: &'a Principal, peer: &Peer, listener: &Arc<str>) -> Self {
        Self {
            policies: &snapshot.policies,
            shadow: snapshot.shadow,
            principal,
            circumstances: Circumstances {
                source: peer.address,
                now: jiff::Timestamp::now().as_second(),
                listener: Arc::clone(listener),
            },
        }
    }

    /// The request as a whole.
    pub fn call(&self, route: &Route<'_>, record: &mut Record) -> Result<Permit, Refusal> {
        let request = AccessRequest {
            principal: self.principal,
            route,
            write: None,
            circumstances: &self.circumstances,
            places: Places::default(),
        };
        let settled = self.settle(self.policies.decide(&request), record);
        let permit = settled.map_err(|denial| Refusal { denial, operation: route.operation(), write: None })?;
        record.permit(&permit);
        Ok(permit)
    }

    /// Each of its writes; all must be permitted.
    pub fn writes<'c>(&self, call: Call<'c>, record: &mut Record) -> Result<PermittedCall<'c>, Refusal> {
        let writes = validate::writes(&call);
        record.writes(&writes);
        for write in &writes {
            let request = AccessRequest {
                principal: self.principal,
                route: call.route(),
                write: Some(write),
                circumstances: &self.circumstances,
                places: Places::default(),
            };
            let permit = self.settle(self.policies.decide(&request), record).map_err(|denial| Refusal {
                denial,
                operation: call.route().operation(),
                write: Some(shown(write.path.as_str())),
            })?;
            record.permit(&permit);
        }
        drop(writes);
        Ok(PermittedCall(call))
    }

    /// In dry-run a denial is recorded and waived.
    fn settle(&self, verdict: Verdict, record: &mut Record) -> Result<Permit, Denial> {
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
