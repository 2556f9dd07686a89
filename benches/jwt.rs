//! What a signed token costs: remembered, and for the first time. `cargo bench --bench jwt`.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a benchmark fails by panicking")]

use std::hint::black_box;
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use criterion::{Criterion, criterion_group, criterion_main};
use http::HeaderMap;
use irongate::authenticate::{
    Authenticator, AuthenticatorConfig, JwtAlgorithm, JwtConfig, JwtIssuer, JwtKeys, KeySet, Peer, RawBinding,
    SchemeName,
};
use irongate::json::Pointer;

const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";
const SCHEMES: &[SchemeName] = &[SchemeName::Jwt];
const TOKENS: usize = 2000;

/// As long as a service account's token, about 1 KiB.
fn headers(pair: &EcdsaKeyPair, number: usize) -> HeaderMap {
    let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let claims = format!(
        r#"{{"iss":"{ISSUER}","aud":["irongate"],"exp":4000000000,"nbf":1700000000,"jti":"{number:0>36}",
        "sub":"system:serviceaccount:metal3:baremetal-operator","kubernetes.io":{{"namespace":"metal3",
        "pod":{{"name":"baremetal-operator-5d8f7c9b6d-x2x7k","uid":"{number:0>36}"}},
        "node":{{"name":"worker-1.example.org","uid":"{number:0>36}"}},
        "serviceaccount":{{"name":"baremetal-operator","uid":"{number:0>36}"}}}}}}"#
    );
    let message = format!("{}.{}", encode(r#"{"alg":"ES256","kid":"one"}"#), encode(&claims));
    let signature = pair.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
    let value = format!("Bearer {message}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()));
    [(http::header::AUTHORIZATION, value.parse().unwrap())].into_iter().collect()
}

fn authenticator(pair: &EcdsaKeyPair, remembered_max: usize) -> Authenticator {
    let point = pair.public_key().as_ref();
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let set = format!(
        r#"{{"keys": [{{"kty": "EC", "crv": "P-256", "kid": "one", "x": "{}", "y": "{}"}}]}}"#,
        encode(&point[1..33]),
        encode(&point[33..])
    );
    let issuer = JwtIssuer {
        issuer: ISSUER.to_owned(),
        audiences: vec!["irongate".to_owned()],
        keys: JwtKeys::Fixed(KeySet::from_jwks(set.as_bytes(), &JwtAlgorithm::DEFAULT).unwrap()),
        leeway: Duration::from_secs(30),
        name_claim: Pointer::from_segments(["sub"]),
        name_prefix: String::new(),
    };
    let binding: RawBinding = toml::from_str(&format!(
        "role = \"operator\"\nissuer = \"{ISSUER}\"\nclaims = {{ \"/kubernetes.io/namespace\" = \"metal3\" }}"
    ))
    .unwrap();
    let jwt = JwtConfig { remembered_max, ..JwtConfig::new(vec![issuer]) };
    let bindings = vec![binding.check(1).unwrap()];
    Authenticator::new(AuthenticatorConfig { jwt: Some(jwt), bindings, ..AuthenticatorConfig::default() }).unwrap()
}

fn tokens(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let peer = Peer { address: "192.0.2.1".parse().ok(), tls: true, certificate: None };
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let known: Vec<HeaderMap> = (0..TOKENS).map(|number| headers(&pair, number)).collect();
    let mut group = criterion.benchmark_group("jwt");
    // With room for one token, every other one is checked anew.
    for (name, remembered_max) in [("a remembered token", 2 * TOKENS), ("a token for the first time (ES256)", 1)] {
        let authenticator = authenticator(&pair, remembered_max);
        for headers in &known {
            runtime.block_on(authenticator.authenticate(headers, &peer, SCHEMES)).unwrap();
        }
        let mut next = (0..TOKENS).cycle().step_by(977);
        group.bench_function(name, |bench| {
            bench.iter(|| {
                let headers = &known[next.next().unwrap()];
                black_box(runtime.block_on(authenticator.authenticate(black_box(headers), &peer, SCHEMES))).unwrap()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, tokens);
criterion_main!(benches);
