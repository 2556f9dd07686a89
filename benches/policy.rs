//! Decisions against a naive use of Cedar on the same policies, in the same run.
//!
//! `cargo bench --bench policy`: a decision that depends on the role alone, the worst (a patch of eight places under 60
//! policies with attributes of the node), and the load of 10,000 policies.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a benchmark fails by panicking and prints")]

use std::collections::HashSet;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use cedar_policy::{
    Authorizer, Context, Entities, Entity, EntityId, EntityUid, PolicySet, Request, RestrictedExpression, Schema,
};
use criterion::{Criterion, criterion_group, criterion_main};
use irongate::authenticate::{
    Authenticator, AuthenticatorConfig, Peer, Principal, RawBinding, SchemeName, check_bindings,
};
use irongate::call::Call;
use irongate::microversion::Ceiling;
use irongate::policy::{
    AccessRequest, Circumstances, Decision, ObjectFacts, Objects, PolicyEngine, PolicySource, RequestCache,
    cedar_schema,
};
use irongate::{route, validate};

/// The places of the patch.
const PATHS: [&str; 8] = [
    "/name",
    "/extra/rack",
    "/extra/contact",
    "/properties/cpus",
    "/properties/memory_mb",
    "/driver_info/redfish_address",
    "/driver_info/redfish_username",
    "/driver_info/deploy_kernel",
];

/// 60 policies about writes of nodes: an owner's permits, and forbids about places, values and the node.
fn policies() -> String {
    let mut text = String::from(
        "@id(\"own\") permit (principal in Role::\"owner\", action in Action::\"node:update\", resource)
         when { resource has owner && resource.owner == \"team-a\" };
         @id(\"kept\") forbid (principal, action in Action::\"configure\", resource)
         when { resource is Node && resource has retired && resource.retired };
         @id(\"host\") forbid (principal, action in Action::\"write\", resource)
         when { context.write.path == \"/driver_info/redfish_address\" && context.write has value }
         unless { context.write has value.url && context.write.value.url.scheme == \"https\" };
         @id(\"kernel\") forbid (principal, action in Action::\"write\", resource)
         when { context.write.path == \"/driver_info/deploy_kernel\" && context.write has value }
         unless { context.write has value.url && context.write.value.url.host == \"images.example\" };\n",
    );
    for number in 0..28 {
        text.push_str(&format!(
            "@id(\"p{number}\") forbid (principal, action in Action::\"write\", resource)
             when {{ context.write.path == \"/driver_info/option_{number}\" && context.write has value.string }};
             @id(\"r{number}\") permit (principal in Role::\"role-{number}\", action in Action::\"node:update\", resource)
             when {{ resource has lessee && resource.lessee == \"team-{number}\" }};\n"
        ));
    }
    text
}

fn engine(text: String) -> PolicyEngine {
    match PolicyEngine::load(&[PolicySource { name: "bench.cedar".to_owned(), text }]) {
        Ok(engine) => engine,
        Err(findings) => {
            findings.iter().for_each(|finding| eprintln!("{finding}"));
            std::process::exit(1)
        }
    }
}

/// A patch of a node by its owner, read and checked, with what is known of the node.
struct Patch<'a> {
    principal: &'a Principal,
    circumstances: &'a Circumstances,
    call: Call<'a>,
    node: ObjectFacts,
}

impl<'a> Patch<'a> {
    fn new(principal: &'a Principal, circumstances: &'a Circumstances, body: &'a [u8]) -> Self {
        let head = http::Request::patch("/v1/nodes/node-1").header("x-openstack-ironic-api-version", "1.80");
        let (head, ()) = head.body(()).unwrap().into_parts();
        let head: &'static _ = Box::leak(Box::new(head));
        let route = route::find(head, Ceiling::default()).unwrap();
        let all = engine("permit (principal is Principal, action, resource);".to_owned());
        let node = serde_json::json!({"uuid": "uuid-1", "name": "node-1", "owner": "team-a", "retired": false});
        let asked = AccessRequest {
            principal,
            route: &route,
            write: None,
            siblings: &[],
            circumstances,
            objects: Objects::default(),
        };
        let Decision::Permit(permit) = all.decide(&asked).decision else { std::process::exit(1) };
        let call = validate::validate(route, Some(body), &permit).unwrap();
        Self { principal, circumstances, call, node: ObjectFacts::node(&node).unwrap() }
    }

    /// Asks about the request and each write; how many are permitted.
    fn permitted(&self, engine: &PolicyEngine) -> usize {
        let cache = RequestCache::default();
        let mut permitted = usize::from(self.request(engine, Some(&cache)));
        let writes = validate::writes(&self.call);
        for write in &writes {
            let objects = Objects { resource: Some(&self.node), target: None, cache: Some(&cache) };
            let asked = AccessRequest {
                principal: self.principal,
                route: self.call.route(),
                write: Some(write),
                siblings: &writes,
                circumstances: self.circumstances,
                objects,
            };
            permitted += usize::from(matches!(engine.decide(&asked).decision, Decision::Permit(_)));
        }
        permitted
    }

    fn request(&self, engine: &PolicyEngine, cache: Option<&RequestCache>) -> bool {
        let objects = Objects { resource: Some(&self.node), target: None, cache };
        let asked = AccessRequest {
            principal: self.principal,
            route: self.call.route(),
            write: None,
            siblings: &[],
            circumstances: self.circumstances,
            objects,
        };
        matches!(engine.decide(&asked).decision, Decision::Permit(_))
    }
}

fn circumstances() -> Circumstances {
    Circumstances { source: None, now: 1_767_225_600, listener: Arc::from("public"), places: Arc::default() }
}

/// A caller with the role `owner`.
fn owner() -> Principal {
    let binding = RawBinding { role: Some("owner".to_owned()), anonymous: Some(true), ..RawBinding::default() };
    let bindings = check_bindings(vec![binding]).unwrap();
    let authenticator =
        Authenticator::new(AuthenticatorConfig { basic: None, keystone: None, jwt: None, bindings }).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let peer = Peer { address: None, tls: false, certificate: None };
    runtime.block_on(authenticator.authenticate(&http::HeaderMap::new(), &peer, &[SchemeName::Anonymous])).unwrap()
}

fn body() -> Vec<u8> {
    let value = |path: &str| match path {
        "/driver_info/redfish_address" => "https://bmc.example",
        "/driver_info/deploy_kernel" => "http://images.example/kernel",
        _ => "x",
    };
    let patch = PATHS.iter().map(|path| serde_json::json!({"op": "replace", "path": path, "value": value(path)}));
    serde_json::to_vec(&patch.collect::<Vec<_>>()).unwrap()
}

/// What a proxy does that hands everything to Cedar each time: all policies, all actions, whole entities and context.
fn naive(set: &PolicySet, schema: &Schema, path: &str) -> bool {
    let uid = |kind: &str, id: &str| EntityUid::from_type_name_and_id(kind.parse().unwrap(), EntityId::new(id));
    let text = |text: &str| RestrictedExpression::new_string(text.to_owned());
    let (principal, resource) = (uid("Principal", "basic:alice"), uid("Node", "uuid-1"));
    let attributes = |pairs: &[(&str, RestrictedExpression)]| {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    };
    let roles = RestrictedExpression::new_set([text("owner")]);
    let who = attributes(&[("name", text("alice")), ("scheme", text("basic")), ("roles", roles)]);
    let what = attributes(&[("id", text("uuid-1")), ("uuid", text("uuid-1")), ("owner", text("team-a"))]);
    let entities = [
        Entity::new(principal.clone(), who, HashSet::from([uid("Role", "owner")])).unwrap(),
        Entity::new(resource.clone(), what, HashSet::new()).unwrap(),
    ];
    let entities = Entities::from_entities(entities, Some(schema)).unwrap();
    let field = path.split('/').nth(1).unwrap_or_default();
    let value = RestrictedExpression::new_record([
        ("kind".to_owned(), text("string")),
        ("length".to_owned(), RestrictedExpression::new_long(1)),
        ("string".to_owned(), text("x")),
    ]);
    let write = RestrictedExpression::new_record([
        ("path".to_owned(), text(path)),
        ("op".to_owned(), text("replace")),
        ("field".to_owned(), text(field)),
        ("key".to_owned(), text(path.rsplit('/').next().unwrap_or_default())),
        ("secret".to_owned(), RestrictedExpression::new_bool(false)),
        ("siblings".to_owned(), RestrictedExpression::new_set([])),
        ("value".to_owned(), value.unwrap()),
    ]);
    let context = Context::from_pairs([("write".to_owned(), write.unwrap())]).unwrap();
    let request = Request::new(principal, uid("Action", "node:update:write"), resource, context, None).unwrap();
    Authorizer::new().is_authorized(&request, set, &entities).decision() == cedar_policy::Decision::Allow
}

fn decisions(criterion: &mut Criterion) {
    let engine = engine(policies());
    let constant = self::engine("permit (principal in Role::\"owner\", action, resource);".to_owned());
    let (principal, circumstances) = (owner(), circumstances());
    let text = body();
    let patch = Patch::new(&principal, &circumstances, &text);
    assert_eq!(patch.permitted(&engine), 9, "the request and eight writes are permitted");
    assert_eq!(patch.permitted(&constant), 9);
    criterion
        .bench_function("constant, one question", |bencher| bencher.iter(|| black_box(patch.request(&constant, None))));
    criterion
        .bench_function("constant, nine questions", |bencher| bencher.iter(|| black_box(patch.permitted(&constant))));
    criterion.bench_function("worst, nine questions", |bencher| bencher.iter(|| black_box(patch.permitted(&engine))));

    let set: PolicySet = policies().parse().unwrap();
    let (schema, _) = Schema::from_cedarschema_str(&cedar_schema()).unwrap();
    assert!(naive(&set, &schema, "/name"));
    criterion.bench_function("naive Cedar, one question", |bencher| {
        bencher.iter(|| black_box(naive(&set, &schema, "/name")));
    });
}

fn load(criterion: &mut Criterion) {
    let many: String = (0..10_000)
        .map(|number| {
            format!(
                "@id(\"m{number}\") permit (principal in Role::\"r{}\", action == Action::\"port:update:write\", resource) \
                 when {{ context.write.field == \"f{number}\" }};\n",
                number % 50
            )
        })
        .collect();
    let start = Instant::now();
    let engine = engine(format!("{}{many}", policies()));
    eprintln!("load of 10,060 policies: {:?}", start.elapsed());
    let (principal, circumstances) = (owner(), circumstances());
    let text = body();
    let patch = Patch::new(&principal, &circumstances, &text);
    criterion.bench_function("worst, beside 10,000 policies", |bencher| {
        bencher.iter(|| black_box(patch.permitted(&engine)));
    });
}

criterion_group!(benches, decisions, load);
criterion_main!(benches);
