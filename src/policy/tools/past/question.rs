//! A past request in Cedar's terms, with the facts that are known.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;

use cedar_policy::{Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, Request, RestrictedExpression};

use super::facts::FactSet;
use super::{PastKeystone, PastRequest, PastStep, PastUrl, PastValue, PastWrite, Told};
use crate::authenticate::SchemeName;
use crate::call::WriteOp;
use crate::catalog::Parameter;
use crate::json::Pointer;
use crate::policy::context::SIBLINGS_MAX;
use crate::policy::filter::heeded;
use crate::policy::schema::{is_identifier, is_list, path_parameters};

type Pairs = BTreeMap<String, RestrictedExpression>;

/// The parts that do not depend on the request.
pub(super) struct PastTerms<'a> {
    pub(super) action: &'a EntityUid,
    pub(super) actions: &'a Entities,
    pub(super) resource_type: &'a EntityTypeName,
    pub(super) fixed_id: &'a str,
}

/// The facts that the record tells of the request, or of the write with this index.
pub(super) fn known(request: &PastRequest, write: Option<usize>) -> FactSet {
    let mut facts = FactSet::NONE;
    let mut tell = |path: &str, known: bool| {
        if known {
            facts.add(path);
        }
    };
    tell("principal.name", true);
    tell("principal.scheme", true);
    tell("principal.roles", true);
    let PastKeystone { user_domain_id, project_id, project_domain_id, domain_id, system, roles } = &request.keystone;
    let elsewhere = request.scheme != SchemeName::Keystone;
    // Of a Keystone caller the name is the user's id.
    tell("principal.user_id", true);
    tell("principal.user_domain_id", elsewhere || user_domain_id.is_told());
    tell("principal.project_id", elsewhere || project_id.is_told());
    tell("principal.project_domain_id", elsewhere || project_domain_id.is_told());
    tell("principal.domain_id", elsewhere || domain_id.is_told());
    tell("principal.system", elsewhere || system.is_told());
    tell("principal.keystone_roles", elsewhere || roles.is_told());
    tell("resource", request.resource_certain);
    tell("resource.id", request.resource_id.is_some() || request.operation.resource_parameter.is_none());
    tell("context.microversion", request.microversion.is_some());
    tell("context.listener", request.listener.is_some());
    tell("context.scheme", true);
    tell("context.now", request.now.is_some());
    tell("context.source", request.source.is_told());
    tell("context.parameters", path_parameters(request.operation).all(|(name, _)| parameter(request, name).is_some()));
    tell("context.query_names", true);
    let values = |name: &String| request.query.iter().any(|(known, _)| known == name);
    tell("context.query", request.query_names.iter().all(values));
    tell("context.places", request.places.is_some());
    // Whether it is there at all.
    tell("context.write", true);
    if let Some(write) = write.and_then(|index| request.writes.get(index)) {
        known_of_write(request, write, &mut tell);
    }
    facts
}

fn known_of_write(request: &PastRequest, write: &PastWrite, tell: &mut impl FnMut(&str, bool)) {
    for path in ["path", "op", "field", "key"] {
        tell(&format!("context.write.{path}"), true);
    }
    tell("context.write.secret", write.secret.is_some());
    tell(
        "context.write.siblings",
        request.writes_complete && request.writes.iter().all(|write| is_set(write).is_some()),
    );
    let step = &write.step;
    tell("context.write.step", step.is_told());
    for path in ["id", "interface", "step"] {
        tell(&format!("context.write.step.{path}"), step.is_told());
    }
    let argument = match step {
        Told::Unknown => false,
        Told::Absent => true,
        Told::Is(step) => step.argument.is_told(),
    };
    tell("context.write.step.argument", argument);
    let value = &write.value;
    tell("context.write.value", write.op == WriteOp::Remove || value.is_told());
    let of_value = |told: &dyn Fn(&PastValue) -> bool| match value {
        Told::Unknown => false,
        Told::Absent => true,
        Told::Is(value) => told(value),
    };
    tell("context.write.value.kind", of_value(&|value| value.kind.is_some()));
    tell("context.write.value.length", of_value(&|value| value.length.is_some()));
    tell("context.write.value.string", of_value(&|value| value.string.is_told()));
    tell("context.write.value.integer", of_value(&|value| value.integer.is_told()));
    tell("context.write.value.boolean", of_value(&|value| value.boolean.is_told()));
    tell("context.write.value.spelling", of_value(&|value| value.spelling.is_told()));
    tell("context.write.value.places", of_value(&|value| value.places.is_some()));
    tell("context.write.value.url", of_value(&|value| value.url.is_told()));
    let of_url = |told: &dyn Fn(&PastUrl) -> bool| {
        of_value(&|value| match &value.url {
            Told::Unknown => false,
            Told::Absent => true,
            Told::Is(url) => told(url),
        })
    };
    tell("context.write.value.url.plain", of_url(&|url| url.plain.is_some()));
    tell("context.write.value.url.scheme", of_url(&|url| url.scheme.is_some()));
    tell("context.write.value.url.host", of_url(&|url| url.host.is_some()));
    tell("context.write.value.url.address", of_url(&|url| url.address.is_told()));
    tell("context.write.value.url.port", of_url(&|url| url.port.is_told()));
    tell("context.write.value.url.userinfo", of_url(&|url| url.userinfo.is_some()));
    tell("context.write.value.url.path", of_url(&|_| false));
}

/// Puts the request, or its write with this index, to Cedar.
pub(super) fn question(
    request: &PastRequest,
    write: Option<usize>,
    terms: &PastTerms<'_>,
) -> Option<(Request, Entities)> {
    let id = match request.scheme {
        SchemeName::Anonymous => SchemeName::Anonymous.as_str().to_owned(),
        scheme @ (SchemeName::Basic | SchemeName::Keystone | SchemeName::Jwt | SchemeName::Certificate) => {
            format!("{}:{}", scheme.as_str(), request.name)
        }
    };
    let principal = uid("Principal", &id)?;
    let parents: Option<HashSet<EntityUid>> = request.roles.iter().map(|role| uid("Role", role)).collect();
    let principal_entity = Entity::new(principal.clone(), principal_attributes(request), parents?).ok()?;
    let id = request.resource_id.as_deref().map_or_else(|| terms.fixed_id.to_owned(), str::to_lowercase);
    let resource = EntityUid::from_type_name_and_id(terms.resource_type.clone(), EntityId::new(&id));
    let attributes = HashMap::from([("id".to_owned(), string(&id))]);
    let resource_entity = Entity::new(resource.clone(), attributes, HashSet::new()).ok()?;
    let entities = terms.actions.clone().add_entities([principal_entity, resource_entity], None).ok()?;
    let write = match write {
        Some(index) => Some(request.writes.get(index)?),
        None => None,
    };
    let context = Context::from_pairs(context(request, write)?).ok()?;
    Some((Request::new(principal, terms.action.clone(), resource, context, None).ok()?, entities))
}

fn principal_attributes(request: &PastRequest) -> HashMap<String, RestrictedExpression> {
    let set = |texts: &[String]| RestrictedExpression::new_set(texts.iter().map(|text| string(text)));
    let roles = request.roles.iter().map(|role| string(role));
    let mut attributes = HashMap::from([
        ("name".to_owned(), string(&request.name)),
        ("scheme".to_owned(), string(request.scheme.as_str())),
        ("roles".to_owned(), RestrictedExpression::new_set(roles)),
    ]);
    if request.scheme != SchemeName::Keystone {
        return attributes;
    }
    let PastKeystone { user_domain_id, project_id, project_domain_id, domain_id, system, roles } = &request.keystone;
    attributes.insert("user_id".to_owned(), string(&request.name));
    for (name, told) in [
        ("user_domain_id", user_domain_id),
        ("project_id", project_id),
        ("project_domain_id", project_domain_id),
        ("domain_id", domain_id),
    ] {
        if let Told::Is(text) = told {
            attributes.insert(name.to_owned(), string(text));
        }
    }
    if let Told::Is(system) = system {
        attributes.insert("system".to_owned(), RestrictedExpression::new_bool(*system));
    }
    if let Told::Is(roles) = roles {
        attributes.insert("keystone_roles".to_owned(), set(roles));
    }
    attributes
}

fn context(request: &PastRequest, write: Option<&PastWrite>) -> Option<Pairs> {
    let names = request.query_names.iter().map(|name| string(name));
    let mut pairs = Pairs::from([
        ("scheme".to_owned(), string(request.scheme.as_str())),
        ("query_names".to_owned(), RestrictedExpression::new_set(names)),
        ("query".to_owned(), record(query(request))?),
    ]);
    if let Some(minor) = request.microversion {
        pairs.insert("microversion".to_owned(), RestrictedExpression::new_long(minor.into()));
    }
    if let Some(listener) = &request.listener {
        pairs.insert("listener".to_owned(), string(listener));
    }
    if let Some(now) = request.now {
        let time = jiff::Timestamp::from_second(now).ok()?;
        pairs.insert("now".to_owned(), RestrictedExpression::new_datetime(time.to_string()));
    }
    if let Told::Is(source) = request.source {
        pairs.insert("source".to_owned(), address(source));
    }
    let parameters = path_parameters(request.operation).filter_map(|(name, kind)| {
        let text = parameter(request, name)?;
        let folded = if kind == Parameter::Trait { text.to_owned() } else { text.to_lowercase() };
        Some((name.to_owned(), RestrictedExpression::new_string(folded)))
    });
    pairs.insert("parameters".to_owned(), record(parameters)?);
    if let Some(places) = &request.places {
        pairs.insert("places".to_owned(), RestrictedExpression::new_set(places.iter().map(|place| string(place))));
    }
    if let Some(write) = write {
        pairs.insert("write".to_owned(), write_facts(request, write)?);
    }
    Some(pairs)
}

/// A path parameter: the resource's own, or another that was recorded.
fn parameter<'a>(request: &'a PastRequest, name: &str) -> Option<&'a str> {
    if request.operation.resource_parameter.as_deref() == Some(name) {
        return request.resource_id.as_deref();
    }
    request.parameters.iter().find(|(known, _)| known == name).map(|(_, text)| text.as_str())
}

/// What Ironic heeds, which the names alone decide. Parameters whose value is not known are there with no text, so that `has` is
/// right about them.
fn query(request: &PastRequest) -> Pairs {
    let others = || request.query_names.iter().map(String::as_str);
    request
        .query_names
        .iter()
        .filter(|name| heeded(request.operation, name, others))
        .map(|name| {
            let text = request.query.iter().find(|(known, _)| known == name).map_or("", |(_, text)| text.as_str());
            let kind = request.operation.query.iter().find(|field| field.name == *name).map(|field| field.kind);
            let value = match kind {
                Some(kind) if is_list(kind) => RestrictedExpression::new_set(text.split(',').map(string)),
                Some(kind) if is_identifier(kind) => RestrictedExpression::new_string(text.to_lowercase()),
                _ => string(text),
            };
            (name.clone(), value)
        })
        .collect()
}

fn write_facts(request: &PastRequest, write: &PastWrite) -> Option<RestrictedExpression> {
    let pointer = Pointer::parse(&write.path).ok()?;
    let mut pairs = Pairs::from([
        ("path".to_owned(), string(&write.path)),
        ("op".to_owned(), string(write.op.as_str())),
        ("field".to_owned(), string(&pointer.segments().next().unwrap_or_default())),
        ("key".to_owned(), string(&pointer.segments().last().unwrap_or_default())),
    ]);
    // Too many are not there: what reads them cannot decide, and only that, as for a request that is served.
    if let Some(siblings) = siblings(request, write) {
        pairs.insert("siblings".to_owned(), siblings);
    }
    if let Some(secret) = write.secret {
        pairs.insert("secret".to_owned(), RestrictedExpression::new_bool(secret));
    }
    if let Told::Is(step) = &write.step {
        pairs.insert("step".to_owned(), step_facts(step)?);
    }
    if let (Told::Is(value), false) = (&write.value, write.op == WriteOp::Remove) {
        pairs.insert("value".to_owned(), value_facts(value)?);
    }
    record(pairs)
}

/// As for a request that is served; meaningful only if all writes are known.
fn siblings(request: &PastRequest, write: &PastWrite) -> Option<RestrictedExpression> {
    let is_item = |path: &str| path.rsplit('/').next().is_some_and(|key| key.parse::<u32>().is_ok());
    let is_shallow = |path: &str| path.bytes().filter(|byte| *byte == b'/').count() <= 2 && !is_item(path);
    if !is_shallow(&write.path) {
        return Some(RestrictedExpression::new_set([]));
    }
    let set = request.writes.iter().filter(|other| is_set(other) == Some(true) && is_shallow(&other.path));
    let paths: Vec<&str> = set.map(|other| other.path.as_str()).take(SIBLINGS_MAX + 1).collect();
    if paths.len() > SIBLINGS_MAX {
        return None;
    }
    Some(RestrictedExpression::new_set(paths.into_iter().map(string)))
}

/// Whether the write sets its place to something; `None` if that is not known.
fn is_set(write: &PastWrite) -> Option<bool> {
    match (&write.op, &write.value) {
        (WriteOp::Remove, _) | (_, Told::Absent) => Some(false),
        (_, Told::Unknown) => None,
        (_, Told::Is(value)) => value.kind.as_ref().map(|kind| kind != "null"),
    }
}

fn step_facts(step: &PastStep) -> Option<RestrictedExpression> {
    let mut pairs = Pairs::from([
        ("id".to_owned(), RestrictedExpression::new_string(format!("{}.{}", step.interface, step.step))),
        ("interface".to_owned(), string(&step.interface)),
        ("step".to_owned(), string(&step.step)),
    ]);
    if let Told::Is(argument) = &step.argument {
        pairs.insert("argument".to_owned(), string(argument));
    }
    record(pairs)
}

fn value_facts(value: &PastValue) -> Option<RestrictedExpression> {
    let mut pairs = Pairs::new();
    let mut tell = |name: &str, fact: Option<RestrictedExpression>| {
        if let Some(fact) = fact {
            pairs.insert(name.to_owned(), fact);
        }
    };
    tell("kind", value.kind.as_deref().map(string));
    tell("length", value.length.map(RestrictedExpression::new_long));
    tell("string", value.string.text().map(string));
    tell("spelling", value.spelling.text().map(string));
    if let Told::Is(integer) = value.integer {
        tell("integer", Some(RestrictedExpression::new_long(integer)));
    }
    if let Told::Is(boolean) = value.boolean {
        tell("boolean", Some(RestrictedExpression::new_bool(boolean)));
    }
    let places = value.places.as_ref();
    tell("places", places.map(|places| RestrictedExpression::new_set(places.iter().map(|place| string(place)))));
    if let Told::Is(url) = &value.url {
        tell("url", Some(url_facts(url)?));
    }
    record(pairs)
}

fn url_facts(url: &PastUrl) -> Option<RestrictedExpression> {
    let mut pairs = Pairs::new();
    let mut tell = |name: &str, fact: Option<RestrictedExpression>| {
        if let Some(fact) = fact {
            pairs.insert(name.to_owned(), fact);
        }
    };
    tell("plain", url.plain.map(RestrictedExpression::new_bool));
    tell("scheme", url.scheme.as_deref().map(string));
    tell("host", url.host.as_deref().map(string));
    tell("userinfo", url.userinfo.map(RestrictedExpression::new_bool));
    if let Told::Is(host) = url.address {
        tell("address", Some(address(host)));
    }
    if let Told::Is(port) = url.port {
        tell("port", Some(RestrictedExpression::new_long(port.into())));
    }
    record(pairs)
}

impl<T> Told<T> {
    /// Whether anything is told, and be it that there is none.
    pub const fn is_told(&self) -> bool {
        !matches!(self, Self::Unknown)
    }
}

impl Told<String> {
    fn text(&self) -> Option<&str> {
        match self {
            Self::Is(text) => Some(text),
            Self::Unknown | Self::Absent => None,
        }
    }
}

fn uid(kind: &str, id: &str) -> Option<EntityUid> {
    Some(EntityUid::from_type_name_and_id(kind.parse().ok()?, EntityId::new(id)))
}

fn string(text: &str) -> RestrictedExpression {
    RestrictedExpression::new_string(text.to_owned())
}

fn address(address: IpAddr) -> RestrictedExpression {
    RestrictedExpression::new_ip(address.to_canonical().to_string())
}

fn record(pairs: impl IntoIterator<Item = (String, RestrictedExpression)>) -> Option<RestrictedExpression> {
    RestrictedExpression::new_record(pairs).ok()
}
