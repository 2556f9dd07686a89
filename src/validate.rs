//! Body → `Call` with its writes.
//!
//! A body is read strictly, checked against the operation's catalogue entry at the request's microversion, and then
//! expanded into writes. What Ironic would refuse whatever its state is refused here with Ironic's status; what depends
//! on state or on Ironic's release is passed on, and Ironic answers. A few things that Ironic takes are refused on
//! purpose: the mask of hidden values, two patch operations on one path, patches inside a step, arguments given twice.

mod arguments;
mod error;
mod mask;
mod patch;
mod shadow;
mod spelling;
mod value;
mod writes;

use http::HeaderMap;
use http::header::CONTENT_TYPE;

pub use error::{InvalidRequest, Place};
pub use shadow::{ShadowChecks, UnknownCheck};
pub use writes::writes;

use crate::call::Route;
use crate::catalog::{BodyKind, Group, Method, Operation, catalog};
use crate::json::{self, Json, Limits};
use crate::policy::Permit;
use error::At;
use shadow::Shadow;
use value::Context;

/// Ironic's own bound on nested containers.
const DEPTH_MAX: usize = 25;

/// Keys and array items of a body. Each leaf is a write that a policy is asked about; real bodies have some hundred.
const VALUES_MAX: usize = 20_000;

/// The same for what the ramdisk sends, which is decided about by top-level key: an inventory with extra data.
const RAMDISK_VALUES_MAX: usize = 200_000;

/// Bytes of the paths of all places that a body sets. Each write has its own, and long keys around many values would make
/// hundreds of megabytes of a few kilobytes; a node with everything in it has some thousand.
const PATHS_BYTES_MAX: usize = 4 << 20;

/// Bytes of one key.
const KEY_BYTES_MAX: usize = 1024;

/// A whole request, understood and valid: the route and its body as a set of writes.
/// Only this module makes one, of a route that is permitted; `authorize` makes a [`PermittedCall`](crate::authorize::PermittedCall)
/// of it, which is what `forward` takes.
#[derive(Debug)]
pub struct Call<'a> {
    route: Route<'a>,
    body: Option<Json<'a>>,
}

impl<'a> Call<'a> {
    /// The head.
    pub fn route(&self) -> &Route<'a> {
        &self.route
    }

    /// The body, parsed.
    pub fn body(&self) -> Option<&Json<'a>> {
        self.body.as_ref()
    }
    /// [`Route::pin`] for its head.
    pub(crate) fn pin(&mut self, identifier: &str, uuid: &str) {
        self.route.pin(identifier, uuid);
    }

    /// [`Route::add_filter`] for its head.
    pub(crate) fn add_filter(&mut self, parameter: &'static str, value: &str) {
        self.route.add_filter(parameter, value);
    }
}

/// The bounds within which a body of `operation` is read.
pub fn limits(operation: &Operation) -> Limits {
    let is_ramdisk = operation.groups.contains(&Group::Ramdisk);
    Limits {
        depth_max: DEPTH_MAX,
        values_max: if is_ramdisk { RAMDISK_VALUES_MAX } else { VALUES_MAX },
        key_bytes_max: KEY_BYTES_MAX,
        string_bytes_max: operation.body_bytes_max,
    }
}

/// Checks the media type of a request that has a body.
///
/// `application/json`, for patches `application/json-patch+json` too; `charset=utf-8` is the only parameter. The ramdisk's
/// inspection data comes without a media type, so there, and only there, it may be absent.
pub fn media_type(operation: &Operation, headers: &HeaderMap) -> Result<(), InvalidRequest> {
    let is_patch = matches!(operation.body, BodyKind::Patch(_));
    let expected = if is_patch { "application/json or application/json-patch+json" } else { "application/json" };
    let wrong = || InvalidRequest::MediaType { expected };
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let value = match (values.next(), values.next()) {
        (None, _) if operation.id == "ramdisk:continue_inspection" => return Ok(()),
        (Some(value), None) => value.to_str().map_err(|_| wrong())?,
        _ => return Err(wrong()),
    };
    let mut parts = value.split(';').map(str::trim_ascii);
    let name = parts.next().unwrap_or_default();
    let is_known = name.eq_ignore_ascii_case("application/json")
        || (is_patch && name.eq_ignore_ascii_case("application/json-patch+json"));
    if !is_known {
        return Err(wrong());
    }
    match (parts.next(), parts.next()) {
        (None, _) => Ok(()),
        (Some(parameter), None) if is_utf8(parameter) => Ok(()),
        _ => Err(InvalidRequest::MediaTypeParameter),
    }
}

fn is_utf8(parameter: &str) -> bool {
    parameter.split_once('=').is_some_and(|(name, value)| {
        let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
        name.eq_ignore_ascii_case("charset") && value.eq_ignore_ascii_case("utf-8")
    })
}

/// Reads `body` and checks it against the route's operation. `None` and an empty body are the same.
///
/// `permit` is the proof that the request as a whole was decided about; what it was permitted by does not matter here.
/// The call borrows from `body`; what Ironic reads in another spelling than it came in has that spelling in it, and a `remove`
/// has no value.
pub fn validate<'a>(route: Route<'a>, body: Option<&'a [u8]>, _: &Permit) -> Result<Call<'a>, InvalidRequest> {
    let body = read(&route, body)?;
    Ok(Call { route, body })
}

/// As [`validate`], but with checks that are only tried out: the code of the first of them that would have refused the
/// body comes with the call.
pub fn validate_shadowed<'a>(
    route: Route<'a>,
    body: Option<&'a [u8]>,
    _: &Permit,
    checks: ShadowChecks,
) -> Result<(Call<'a>, Option<&'static str>), InvalidRequest> {
    let shadow = Shadow::new(checks);
    let body = read_with(&route, body, &shadow)?;
    Ok((Call { route, body }, shadow.first()))
}

/// [`validate`] without the proof of a decision, for fuzzing only.
#[cfg(fuzzing)]
pub fn undecided<'a>(route: Route<'a>, body: Option<&'a [u8]>) -> Result<Call<'a>, InvalidRequest> {
    let body = read(&route, body)?;
    Ok(Call { route, body })
}

/// Reads and checks a body as [`validate`] does, without a decision and so without a [`Call`]: for measuring.
pub fn read<'a>(route: &Route<'_>, body: Option<&'a [u8]>) -> Result<Option<Json<'a>>, InvalidRequest> {
    read_with(route, body, &Shadow::default())
}

fn read_with<'a>(
    route: &Route<'_>,
    body: Option<&'a [u8]>,
    shadow: &Shadow,
) -> Result<Option<Json<'a>>, InvalidRequest> {
    let operation = route.operation();
    let Some(text) = body.filter(|text| !text.is_empty()) else {
        check_missing(operation)?;
        return Ok(None);
    };
    if matches!(operation.body, BodyKind::None) {
        return Err(InvalidRequest::BodyNotTaken);
    }
    if text.len() > operation.body_bytes_max {
        return Err(InvalidRequest::TooLarge { bytes_max: operation.body_bytes_max });
    }
    let mut body = json::parse(text, &limits(operation))?;
    check(route, &mut body, shadow)?;
    if !operation.groups.contains(&Group::Ramdisk) {
        if writes::paths_bytes(operation, &body) > PATHS_BYTES_MAX {
            return Err(InvalidRequest::PathsTooLong { max: PATHS_BYTES_MAX });
        }
        shadow.settle(mask::refuse(&body, &At::Root))?;
    }
    Ok(Some(body))
}

/// Ironic takes a missing body for an empty object.
fn check_missing(operation: &Operation) -> Result<(), InvalidRequest> {
    match &operation.body {
        BodyKind::None | BodyKind::Any | BodyKind::Object { optional: true, .. } => Ok(()),
        BodyKind::Object { schema, .. } if schema.fields.iter().all(|field| !field.required) => Ok(()),
        BodyKind::Object { .. } | BodyKind::Patch(_) => Err(InvalidRequest::BodyMissing),
    }
}

fn check(route: &Route<'_>, body: &mut Json<'_>, shadow: &Shadow) -> Result<(), InvalidRequest> {
    let operation = route.operation();
    let context = Context {
        minor: route.microversion().minor(),
        too_new_status: too_new_status(operation),
        converts: operation.method == Method::Put,
        shadow,
    };
    match &operation.body {
        BodyKind::None => Err(InvalidRequest::BodyNotTaken),
        BodyKind::Any => {
            check_passthru(body)?;
            check_keys(route, body, true)
        }
        BodyKind::Object { schema, .. } => {
            check_keys(route, body, schema.open)?;
            value::check(body, schema, &At::Root, &context)
        }
        BodyKind::Patch(name) => match catalog().patch(name) {
            Some(schema) => patch::check(body, schema, &context),
            None => Err(InvalidRequest::BodyNotTaken),
        },
    }
}

/// Ironic hands the members of a vendor method's body to the driver as named arguments, so that it must have some or be none.
fn check_passthru(body: &Json<'_>) -> Result<(), InvalidRequest> {
    match body {
        Json::Object(_) | Json::Null => Ok(()),
        Json::Boolean(_) | Json::Integer(_) | Json::Float(_) | Json::String(_) | Json::Array(_) => {
            Err(InvalidRequest::WrongKind { field: Place::default(), expected: "an object, or null".into() })
        }
    }
}

/// Where Ironic answers 406 to a field or value that the microversion does not have; elsewhere it is 400.
fn too_new_status(operation: &Operation) -> u16 {
    match operation.id.as_str() {
        "node:create"
        | "node:update"
        | "node:set_power_state"
        | "node:set_provision_state"
        | "port:create"
        | "port:update"
        | "portgroup:create"
        | "portgroup:update" => 406,
        _ => 400,
    }
}

/// An argument has one place: Ironic merges body and query, so that no key may repeat one of the query. `_method` is no
/// argument anywhere.
fn check_keys(route: &Route<'_>, body: &Json<'_>, open: bool) -> Result<(), InvalidRequest> {
    let Json::Object(members) = body else { return Ok(()) };
    for (key, _) in members {
        let field = || At::Root.key(key).place();
        if open && key == "_method" {
            return Err(InvalidRequest::ReservedName { field: field() });
        }
        if route.query().any(|(name, _)| name == key) {
            return Err(InvalidRequest::ArgumentTwice { field: field() });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
