//! What a remembered Keystone token costs: the whole of `authenticate` on its way, beside a plain SHA-256 and a hash map.
//!
//! `cargo bench --bench keystone`. A Keystone in this process vouches for 10,000 tokens first.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a benchmark fails by panicking")]

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use criterion::{Criterion, criterion_group, criterion_main};
use http::HeaderMap;
use irongate::authenticate::{Authenticator, AuthenticatorConfig, KeystoneConfig, Peer, RawBinding, SchemeName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const TOKENS: usize = 10_000;
const SCHEMES: &[SchemeName] = &[SchemeName::Keystone];
const BODY: &str = r#"{"token": {"user": {"id": "u", "name": "alice", "domain": {"id": "default", "name": "Default"}},
"expires_at": "2099-01-01T00:00:00.000000Z", "roles": [{"id": "r", "name": "member"}],
"project": {"id": "p", "name": "metal", "domain": {"id": "default", "name": "Default"}}}}"#;

/// As long as a real Fernet token for a project.
fn token(number: usize) -> String {
    format!("gAAAA{number:0>178}")
}

fn headers(number: usize) -> HeaderMap {
    [("x-auth-token".parse().unwrap(), token(number).parse().unwrap())].into_iter().collect()
}

/// Vouches for everything.
async fn keystone() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v3", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut read = [0; 4096];
                let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{BODY}", BODY.len());
                while stream.read(&mut read).await.is_ok_and(|count| count > 0) {
                    if stream.write_all(answer.as_bytes()).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    url
}

fn remembered(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let peer = Peer { address: "192.0.2.1".parse().ok(), tls: true, certificate: None };
    let (authenticator, known) = runtime.block_on(async {
        let mut config = KeystoneConfig::new(&keystone().await, None, Duration::from_secs(1)).unwrap();
        config.remembered_max = 2 * TOKENS;
        config.revocation_window = Duration::from_secs(3600);
        let binding = RawBinding { role: Some("operator".into()), authenticated: Some(true), ..RawBinding::default() };
        let mut settings =
            AuthenticatorConfig { bindings: vec![binding.check(1).unwrap()], ..AuthenticatorConfig::default() };
        settings.keystone = Some(config);
        let authenticator = Arc::new(Authenticator::new(settings).unwrap());
        let known: Vec<HeaderMap> = (0..TOKENS).map(headers).collect();
        for headers in &known {
            authenticator.authenticate(headers, &peer, SCHEMES).await.unwrap();
        }
        (authenticator, known)
    });
    let mut group = criterion.benchmark_group("keystone/10000 tokens");
    let mut next = (0..TOKENS).cycle().step_by(7919);
    group.bench_function("authenticate a remembered token", |bench| {
        bench.to_async(Current(&runtime)).iter(|| {
            let headers = &known[next.next().unwrap()];
            let (authenticator, peer) = (&authenticator, &peer);
            async move { black_box(authenticator.authenticate(headers, peer, SCHEMES).await).is_ok() }
        });
    });
    let key =
        aws_lc_rs::hmac::Key::generate(aws_lc_rs::hmac::HMAC_SHA256, &aws_lc_rs::rand::SystemRandom::new()).unwrap();
    let texts: Vec<String> = (0..TOKENS).map(token).collect();
    let plain: HashMap<Vec<u8>, usize> = texts
        .iter()
        .enumerate()
        .map(|(number, text)| (digest(&SHA256, text.as_bytes()).as_ref().to_vec(), number))
        .collect();
    let mut next = (0..TOKENS).cycle().step_by(7919);
    group.bench_function("plain SHA-256 and HashMap", |bench| {
        bench.iter(|| plain.get(digest(&SHA256, black_box(texts[next.next().unwrap()].as_bytes())).as_ref()).copied());
    });
    group.bench_function("HMAC-SHA-256 alone", |bench| {
        bench.iter(|| aws_lc_rs::hmac::sign(&key, black_box(texts[0].as_bytes())));
    });
    group.finish();
    assert_eq!(authenticator.token_validations(), TOKENS as u64, "every measured call was answered from memory");
}

/// Runs criterion's futures on one thread, as a worker does.
struct Current<'a>(&'a tokio::runtime::Runtime);

impl criterion::async_executor::AsyncExecutor for Current<'_> {
    fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.0.block_on(future)
    }
}

criterion_group!(benches, remembered);
criterion_main!(benches);
