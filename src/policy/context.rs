//! An access request in Cedar's terms: identifiers, entities and context.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;
use std::sync::LazyLock;

use cedar_policy::{Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, Request, RestrictedExpression};

use super::AccessRequest;
use super::entities::{EntityBuilder, Literals};
use super::filter::heeded;
use super::places::Places;
use super::reads::{Fact, Reads};
use super::resource::has_attributes;
use super::schema::{is_identifier, is_list, path_parameters};
use super::url::{UrlFacts, url_facts};
use crate::authenticate::{KeystoneFacts, Principal, SchemeName};
use crate::call::{Route, Step, Write};
use crate::catalog::Parameter;
use crate::json::Json;
use crate::policy::reference::brings_secret;

/// Longer strings are not shown to policies, their length is. In bytes.
pub(super) const STRING_BYTES_MAX: usize = 4096;

/// Places that one request may set, paths of one or two segments; a node's create with everything has about 60.
pub(super) const SIBLINGS_MAX: usize = 256;

/// What Cedar is asked.
pub(super) struct CedarQuestion {
    pub(super) request: Request,
    pub(super) entities: Entities,
}

/// Why a question could not be put. Always a denial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotAsked;

/// The parts that do not depend on the caller's request.
pub(super) struct QuestionTerms<'a> {
    pub(super) action: &'a EntityUid,
    /// The action's own entity, with all groups that it is in.
    pub(super) actions: &'a Entities,
    pub(super) resource_type: &'a EntityTypeName,
    /// The resource's id where the request names none.
    pub(super) fixed_id: &'a str,
    /// The caller's roles, those that no policy names left out.
    pub(super) roles: &'a HashSet<EntityUid>,
    pub(super) reads: Reads,
    /// Where the question is about irongate's own doing: then it is not about the request's resource.
    pub(super) aside: Option<Aside<'a>>,
    /// The objects that policies name one by one.
    pub(super) literals: &'a Literals,
}

/// A question about what irongate itself does with the answer.
#[derive(Clone, Copy)]
pub(super) enum Aside<'a> {
    /// Whether the secret in this field may be read.
    Secret(&'a str),
    /// Whether the caller is told what dry-run would have refused.
    Shadow,
}

type Pairs = BTreeMap<String, RestrictedExpression>;

static PRINCIPAL: LazyLock<Option<EntityTypeName>> = LazyLock::new(|| "Principal".parse().ok());

/// Who asks about what, in Cedar's terms: what is the same for all writes of a request.
#[derive(Debug)]
pub(super) struct QuestionEntities {
    principal: EntityUid,
    resource: EntityUid,
    /// The node that a write, or a list's query, names.
    target: Option<EntityUid>,
    pub(super) entities: Entities,
}

/// Puts `request` in Cedar's terms, with the facts that are read.
pub(super) fn question(request: &AccessRequest<'_>, terms: &QuestionTerms<'_>) -> Result<CedarQuestion, NotAsked> {
    let known = entities(request, terms)?;
    Ok(CedarQuestion { request: asked(request, terms, &known)?, entities: known.entities })
}

/// The entities of a question, with the attributes that are read.
pub(super) fn entities(request: &AccessRequest<'_>, terms: &QuestionTerms<'_>) -> Result<QuestionEntities, NotAsked> {
    let principal = principal_uid(request.principal).ok_or(NotAsked)?;
    let named = request.route.resource_id().filter(|_| terms.aside.is_none());
    let asked_id = named.map_or_else(|| terms.fixed_id.to_owned(), str::to_lowercase);
    let mut builder = EntityBuilder::new(terms.literals, terms.reads.fields);
    let target = request.objects.target.filter(|_| terms.reads.target);
    let resource = match request.objects.resource.filter(|_| terms.aside.is_none()) {
        Some(facts) if has_attributes(request.route.operation().resource) => {
            if terms.reads.resource || target.is_some() {
                builder.object(terms.resource_type, facts, &asked_id)?
            } else {
                terms.literals.uid(terms.resource_type, facts)
            }
        }
        Some(_) | None => {
            let uid = EntityUid::from_type_name_and_id(terms.resource_type.clone(), EntityId::new(&asked_id));
            if target.and_then(|facts| builder.node_uid(facts)).as_ref() == Some(&uid) {
                // The write names the resource itself: what is known of the one is known of the other.
                builder.object(terms.resource_type, target.ok_or(NotAsked)?, &asked_id)?;
            } else if terms.reads.resource {
                let attributes = HashMap::from([("id".to_owned(), string(&asked_id))]);
                builder.push(Entity::new(uid.clone(), attributes, HashSet::new()).map_err(|_| NotAsked)?);
            }
            uid
        }
    };
    let target = target.map(|facts| builder.node(facts)).transpose()?;
    builder.push(principal_entity(request.principal, &principal, terms)?);
    let entities = terms.actions.clone().add_entities(builder.entities, None).map_err(|_| NotAsked)?;
    Ok(QuestionEntities { principal, resource, target, entities })
}

/// The question itself, about what is in `known`, with the facts that are read.
pub(super) fn asked(
    request: &AccessRequest<'_>,
    terms: &QuestionTerms<'_>,
    known: &QuestionEntities,
) -> Result<Request, NotAsked> {
    let context = Context::from_pairs(facts(request, terms, known.target.as_ref())?).map_err(|_| NotAsked)?;
    let (principal, resource) = (known.principal.clone(), known.resource.clone());
    Request::new(principal, terms.action.clone(), resource, context, None).map_err(|_| NotAsked)
}

/// `scheme:name`, or `anonymous`.
pub(super) fn principal_uid(principal: &Principal) -> Option<EntityUid> {
    let id = match principal.scheme() {
        SchemeName::Anonymous => SchemeName::Anonymous.as_str().to_owned(),
        scheme @ (SchemeName::Basic | SchemeName::Keystone | SchemeName::Jwt | SchemeName::Certificate) => {
            format!("{}:{}", scheme.as_str(), principal.name())
        }
    };
    Some(EntityUid::from_type_name_and_id(PRINCIPAL.clone()?, EntityId::new(id)))
}

fn principal_entity(principal: &Principal, uid: &EntityUid, terms: &QuestionTerms<'_>) -> Result<Entity, NotAsked> {
    if !terms.reads.principal {
        return Ok(Entity::new_no_attrs(uid.clone(), terms.roles.clone()));
    }
    let mut attributes = HashMap::from([
        ("name".to_owned(), string(principal.name())),
        ("scheme".to_owned(), string(principal.scheme().as_str())),
        ("roles".to_owned(), RestrictedExpression::new_set(principal.roles().iter().map(|role| string(role)))),
    ]);
    if let Some(facts) = principal.keystone() {
        attributes.extend(keystone_attributes(facts));
    }
    Entity::new(uid.clone(), attributes, terms.roles.clone()).map_err(|_| NotAsked)
}

fn keystone_attributes(facts: &KeystoneFacts) -> Vec<(String, RestrictedExpression)> {
    let mut pairs = vec![
        ("user_id", string(&facts.user_id)),
        ("user_domain_id", string(&facts.user_domain_id)),
        ("system", RestrictedExpression::new_bool(facts.system)),
        ("keystone_roles", RestrictedExpression::new_set(facts.roles.iter().map(|role| string(role)))),
    ];
    if let Some(project) = &facts.project {
        pairs.push(("project_id", string(&project.id)));
        pairs.push(("project_domain_id", string(&project.domain_id)));
    }
    if let Some(domain) = &facts.domain {
        pairs.push(("domain_id", string(&domain.id)));
    }
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn facts(
    request: &AccessRequest<'_>,
    terms: &QuestionTerms<'_>,
    target: Option<&EntityUid>,
) -> Result<Pairs, NotAsked> {
    let AccessRequest { principal, route, write, siblings, circumstances, objects } = request;
    let siblings = || match objects.cache {
        Some(cache) => cache.siblings(|| sibling_paths(siblings)),
        None => sibling_paths(siblings),
    };
    let mut pairs = Pairs::new();
    let mut fact = |key: &str, value: &dyn Fn() -> Result<RestrictedExpression, NotAsked>| {
        if terms.reads.context(key) {
            pairs.insert(key.to_owned(), value()?);
        }
        Ok(())
    };
    fact("microversion", &|| Ok(RestrictedExpression::new_long(route.microversion().minor().into())))?;
    fact("listener", &|| Ok(string(&circumstances.listener)))?;
    fact("scheme", &|| Ok(string(principal.scheme().as_str())))?;
    fact("now", &|| datetime(circumstances.now))?;
    if let Some(source) = circumstances.source {
        fact("source", &|| Ok(address(source)))?;
    }
    if let Some(aside) = terms.aside {
        fact("parameters", &|| record([]))?;
        fact("query", &|| record([]))?;
        if let Aside::Secret(field) = aside {
            fact("field", &|| Ok(string(field)))?;
        }
        return Ok(pairs);
    }
    fact("parameters", &|| parameters(route))?;
    fact("query", &|| query(route))?;
    if let (None, Some(node)) = (write, target) {
        fact("node", &|| Ok(RestrictedExpression::new_entity_uid(node.clone())))?;
    }
    fact("query_names", &|| Ok(RestrictedExpression::new_set(route.query().map(|(name, _)| string(name)))))?;
    fact("places", &|| Ok(RestrictedExpression::new_set(circumstances.places.names().map(string))))?;
    if let Some(write) = write {
        fact("write", &|| write_facts(write, &siblings, &circumstances.places, target, terms.reads))?;
    }
    Ok(pairs)
}

/// Identifiers are in lower case, because Ironic's database may compare them without case and a forbid must not be
/// escaped by it. Traits are upper case by their own rule.
fn parameters(route: &Route<'_>) -> Result<RestrictedExpression, NotAsked> {
    let mut pairs = Pairs::new();
    for (name, kind) in path_parameters(route.operation()) {
        let text = route.parameter(name).ok_or(NotAsked)?;
        let folded = if kind == Parameter::Trait { text.to_owned() } else { text.to_lowercase() };
        pairs.insert(name.to_owned(), RestrictedExpression::new_string(folded));
    }
    record(pairs)
}

fn query(route: &Route<'_>) -> Result<RestrictedExpression, NotAsked> {
    let mut pairs = Pairs::new();
    for (name, text) in route.query() {
        if !heeded(route.operation(), name, || route.query().map(|(other, _)| other)) {
            continue;
        }
        let field = route.operation().query.iter().find(|field| field.name == name).ok_or(NotAsked)?;
        let value = if is_list(field.kind) {
            RestrictedExpression::new_set(text.split(',').map(string))
        } else if is_identifier(field.kind) {
            RestrictedExpression::new_string(text.to_lowercase())
        } else {
            string(text)
        };
        // Twice the same parameter would have two meanings.
        if pairs.insert(name.to_owned(), value).is_some() {
            return Err(NotAsked);
        }
    }
    record(pairs)
}

/// Whether a write counts as a sibling of others, and has some: a path of one or two segments that is no item of a list,
/// which may have many, none of them a place that a policy asks for.
fn is_shallow(write: &Write<'_>) -> bool {
    let is_item = || write.path.segments().last().is_some_and(|key| key.parse::<u32>().is_ok());
    write.path.as_str().bytes().filter(|byte| *byte == b'/').count() <= 2 && !is_item()
}

/// The places that these writes set, looked for once for all of them. Bounded, because each has them: of a request with more
/// a policy that reads a write cannot decide.
fn sibling_paths(siblings: &[Write<'_>]) -> Option<RestrictedExpression> {
    let is_set = |write: &&Write<'_>| write.value.is_some_and(|value| !matches!(value, Json::Null));
    let set = siblings.iter().filter(is_set).filter(|other| is_shallow(other));
    let paths: Vec<&str> = set.map(|other| other.path.as_str()).take(SIBLINGS_MAX + 1).collect();
    (paths.len() <= SIBLINGS_MAX).then(|| RestrictedExpression::new_set(paths.into_iter().map(string)))
}

fn write_facts(
    write: &Write<'_>,
    siblings: &dyn Fn() -> Option<RestrictedExpression>,
    places: &Places,
    target: Option<&EntityUid>,
    reads: Reads,
) -> Result<RestrictedExpression, NotAsked> {
    let mut pairs = Pairs::new();
    let mut fact = |fact: Fact, key: &str, value: &dyn Fn() -> Result<RestrictedExpression, NotAsked>| {
        if reads.write(fact) {
            pairs.insert(key.to_owned(), value()?);
        }
        Ok(())
    };
    fact(Fact::PATH, "path", &|| Ok(string(write.path.as_str())))?;
    fact(Fact::OP, "op", &|| Ok(string(write.op.as_str())))?;
    fact(Fact::FIELD, "field", &|| Ok(segment(write.path.segments().next())))?;
    fact(Fact::KEY, "key", &|| Ok(segment(write.path.segments().last())))?;
    fact(Fact::SECRET, "secret", &|| Ok(RestrictedExpression::new_bool(write.secret)))?;
    fact(Fact::SECRET_REFERENCE, "secret_reference", &|| Ok(RestrictedExpression::new_bool(brings_secret(write))))?;
    fact(Fact::SIBLINGS, "siblings", &|| {
        if is_shallow(write) { siblings().ok_or(NotAsked) } else { Ok(RestrictedExpression::new_set([])) }
    })?;
    if let Some(value) = write.value {
        fact(Fact::VALUE, "value", &|| value_facts(value, write.secret, places, reads))?;
    }
    if let Some(target) = target {
        fact(Fact::TARGET, "target", &|| Ok(RestrictedExpression::new_entity_uid(target.clone())))?;
    }
    if let Some(step) = &write.step {
        fact(Fact::STEP, "step", &|| step_facts(step))?;
    }
    record(pairs)
}

fn step_facts(step: &Step<'_>) -> Result<RestrictedExpression, NotAsked> {
    let mut pairs = Pairs::from([
        ("id".to_owned(), RestrictedExpression::new_string(format!("{}.{}", step.interface, step.step))),
        ("interface".to_owned(), string(step.interface)),
        ("step".to_owned(), string(step.step)),
    ]);
    if let Some(argument) = &step.argument {
        pairs.insert("argument".to_owned(), string(argument));
    }
    record(pairs)
}

fn value_facts(
    value: &Json<'_>,
    secret: bool,
    places: &Places,
    reads: Reads,
) -> Result<RestrictedExpression, NotAsked> {
    let mut pairs = Pairs::new();
    let mut fact = |fact: Fact, key: &str, value: &dyn Fn() -> Result<RestrictedExpression, NotAsked>| {
        if reads.write(fact) {
            pairs.insert(key.to_owned(), value()?);
        }
        Ok(())
    };
    let length = match value {
        Json::String(text) => text.len(),
        Json::Array(items) => items.len(),
        Json::Object(members) => members.len(),
        Json::Null | Json::Boolean(_) | Json::Integer(_) | Json::Float(_) => 0,
    };
    fact(Fact::KIND, "kind", &|| Ok(string(value.kind())))?;
    fact(Fact::LENGTH, "length", &|| Ok(RestrictedExpression::new_long(i64::try_from(length).map_err(|_| NotAsked)?)))?;
    if secret {
        fact(Fact::PLACES, "places", &|| Ok(RestrictedExpression::new_set([])))?;
        return record(pairs);
    }
    if let Some(boolean) = as_boolean(value) {
        fact(Fact::BOOLEAN, "boolean", &|| Ok(RestrictedExpression::new_bool(boolean)))?;
    }
    if let Some(integer) = as_integer(value) {
        fact(Fact::INTEGER, "integer", &|| Ok(RestrictedExpression::new_long(integer)))?;
    }
    let shown = shown(value);
    if let Some(text) = shown {
        fact(Fact::STRING, "string", &|| Ok(string(text)))?;
        fact(Fact::SPELLING, "spelling", &|| Ok(string(spelling(text))))?;
    }
    if !reads.write(Fact::URL) && !reads.write(Fact::PLACES) {
        return record(pairs);
    }
    let url = value.as_str().and_then(|text| url_facts(text, shown.is_some()));
    fact(Fact::PLACES, "places", &|| {
        let places = shown.map(|text| places.of(text, url.as_ref())).unwrap_or_default();
        Ok(RestrictedExpression::new_set(places.into_iter().map(string)))
    })?;
    if let Some(url) = url {
        fact(Fact::URL, "url", &|| url_record(&url, reads))?;
    }
    record(pairs)
}

/// The text of a string that policies see.
pub(super) fn shown<'j>(value: &'j Json<'_>) -> Option<&'j str> {
    value.as_str().filter(|text| text.len() <= STRING_BYTES_MAX)
}

fn url_record(facts: &UrlFacts<'_>, reads: Reads) -> Result<RestrictedExpression, NotAsked> {
    let mut pairs = Pairs::new();
    let mut fact = |fact: Fact, key: &str, value: &dyn Fn() -> RestrictedExpression| {
        if reads.write(fact) {
            pairs.insert(key.to_owned(), value());
        }
    };
    fact(Fact::URL_PLAIN, "plain", &|| RestrictedExpression::new_bool(facts.plain));
    fact(Fact::URL_SCHEME, "scheme", &|| string(&facts.scheme));
    fact(Fact::URL_HOST, "host", &|| string(&facts.host));
    fact(Fact::URL_PATH, "path", &|| string(facts.path));
    fact(Fact::URL_USERINFO, "userinfo", &|| RestrictedExpression::new_bool(facts.userinfo));
    if let Some(host) = facts.address {
        fact(Fact::URL_ADDRESS, "address", &|| address(host));
    }
    if let Some(port) = facts.port {
        fact(Fact::URL_PORT, "port", &|| RestrictedExpression::new_long(port.into()));
    }
    record(pairs)
}

/// How plainly a string is written, for values that end up in a command, a script or a boot loader's menu.
pub(super) fn spelling(text: &str) -> &'static str {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b':' | b'@' | b'/' | b'-');
    if text.bytes().all(is_word) {
        "word"
    } else if text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
        "line"
    } else {
        "text"
    }
}

/// What Ironic would read as a boolean, whatever the field: so `"False"` in a free-form map is no way around a forbid.
pub(super) fn as_boolean(value: &Json<'_>) -> Option<bool> {
    match value {
        Json::Boolean(boolean) => Some(*boolean),
        Json::Integer(0) => Some(false),
        Json::Integer(1) => Some(true),
        Json::String(text) if text.len() <= STRING_BYTES_MAX => match text.trim().to_ascii_lowercase().as_str() {
            "true" | "t" | "yes" | "y" | "on" | "1" => Some(true),
            "false" | "f" | "no" | "n" | "off" | "0" => Some(false),
            _ => None,
        },
        Json::String(_) | Json::Null | Json::Integer(_) | Json::Float(_) | Json::Array(_) | Json::Object(_) => None,
    }
}

pub(super) fn as_integer(value: &Json<'_>) -> Option<i64> {
    match value {
        Json::Integer(integer) => Some(*integer),
        Json::String(text) if text.len() <= STRING_BYTES_MAX => text.trim().parse().ok(),
        Json::String(_) | Json::Null | Json::Boolean(_) | Json::Float(_) | Json::Array(_) | Json::Object(_) => None,
    }
}

/// Empty for a write of the whole body.
fn segment(segment: Option<Cow<'_, str>>) -> RestrictedExpression {
    string(&segment.unwrap_or_default())
}

/// An IPv4 address that came in as `::ffff:192.0.2.1` is an IPv4 address: ranges would miss it otherwise.
fn address(address: IpAddr) -> RestrictedExpression {
    RestrictedExpression::new_ip(address.to_canonical().to_string())
}

fn datetime(seconds: i64) -> Result<RestrictedExpression, NotAsked> {
    let timestamp = jiff::Timestamp::from_second(seconds).map_err(|_| NotAsked)?;
    Ok(RestrictedExpression::new_datetime(timestamp.to_string()))
}

fn string(text: &str) -> RestrictedExpression {
    RestrictedExpression::new_string(text.to_owned())
}

fn record(pairs: impl IntoIterator<Item = (String, RestrictedExpression)>) -> Result<RestrictedExpression, NotAsked> {
    RestrictedExpression::new_record(pairs).map_err(|_| NotAsked)
}
