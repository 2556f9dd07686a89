//! What a remembered Keystone token costs: the whole of `authenticate` on its way, beside a plain SHA-256 and a hash map; and
//! what 1,000 new tokens a second cost the callers whose tokens are remembered, on the same worker.
//!
//! `cargo bench --bench keystone`. A Keystone in this process, on a thread of its own, vouches for everything.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a benchmark fails by panicking")]
#![expect(clippy::print_stdout, reason = "a benchmark tells what it found")]

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

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

/// Vouches for everything, after a while.
fn keystone(wait: Duration) -> String {
    let (told, url) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(vouch(wait, &told));
    });
    url.recv().unwrap()
}

async fn vouch(wait: Duration, told: &std::sync::mpsc::Sender<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    told.send(format!("http://{}/v3", listener.local_addr().unwrap())).unwrap();
    while let Ok((mut stream, _)) = listener.accept().await {
        tokio::spawn(async move {
            let mut read = [0; 4096];
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{BODY}", BODY.len());
            while stream.read(&mut read).await.is_ok_and(|count| count > 0) {
                if !wait.is_zero() {
                    tokio::time::sleep(wait).await;
                }
                if stream.write_all(answer.as_bytes()).await.is_err() {
                    return;
                }
            }
        });
    }
}

/// Who asks a Keystone that takes this long.
fn authenticator(wait: Duration) -> Arc<Authenticator> {
    let mut config = KeystoneConfig::new(&keystone(wait), None, Duration::from_secs(1)).unwrap();
    config.remembered_max = 2 * TOKENS;
    config.revocation_window = Duration::from_secs(3600);
    let binding = RawBinding { role: Some("operator".into()), authenticated: Some(true), ..RawBinding::default() };
    let mut settings =
        AuthenticatorConfig { bindings: vec![binding.check(1).unwrap()], ..AuthenticatorConfig::default() };
    settings.keystone = Some(config);
    Arc::new(Authenticator::new(settings).unwrap())
}

fn peer() -> Peer {
    Peer { address: "192.0.2.1".parse().ok(), tls: true, certificate: None }
}

fn remembered(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let peer = peer();
    let (authenticator, known) = runtime.block_on(async {
        let authenticator = authenticator(Duration::ZERO);
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

/// Latencies of remembered tokens, one after another on one worker, whose turn may be another's in between.
async fn others(authenticator: &Authenticator, known: &[HeaderMap], time: Duration) -> Vec<Duration> {
    let peer = peer();
    let (mut found, end) = (Vec::new(), Instant::now() + time);
    for headers in known.iter().cycle() {
        let begun = Instant::now();
        if begun >= end {
            break;
        }
        tokio::task::yield_now().await;
        authenticator.authenticate(headers, &peer, SCHEMES).await.unwrap();
        found.push(begun.elapsed());
    }
    found
}

/// 1,000 new tokens a second beside them: p50, p99 and p99.9 with and without, in turns of the same run.
fn disturbed(_criterion: &mut Criterion) {
    const TURN: Duration = Duration::from_secs(2);
    const WAIT: Duration = Duration::from_millis(5);
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let authenticator = authenticator(WAIT);
    let known: Vec<HeaderMap> = (0..100).map(headers).collect();
    let mut found = [Vec::new(), Vec::new()];
    let mut fresh = TOKENS;
    let mut refused = 0;
    runtime.block_on(async {
        for headers in &known {
            authenticator.authenticate(headers, &peer(), SCHEMES).await.unwrap();
        }
        for turn in 0..6 {
            let with = turn % 2;
            let flood = tokio::spawn({
                let authenticator = Arc::clone(&authenticator);
                async move {
                    let mut asked = tokio::task::JoinSet::new();
                    let mut tick = tokio::time::interval(Duration::from_millis(10));
                    let begun = Instant::now();
                    while with == 1 && begun.elapsed() < TURN {
                        tick.tick().await;
                        for number in fresh..fresh + 10 {
                            let authenticator = Arc::clone(&authenticator);
                            asked.spawn(async move {
                                authenticator.authenticate(&headers(number), &peer(), SCHEMES).await.is_err()
                            });
                        }
                        fresh += 10;
                    }
                    let refused = asked.join_all().await.into_iter().filter(|refused| *refused).count();
                    (fresh, refused)
                }
            });
            found[with].extend(others(&authenticator, &known, TURN).await);
            let (next, turned_away) = flood.await.unwrap();
            (fresh, refused) = (next, refused + turned_away);
        }
    });
    let asked = fresh - TOKENS;
    println!("keystone/new tokens beside: {asked} in 6 s of 12 s, {refused} of them refused");
    assert_eq!(
        authenticator.token_validations(),
        (known.len() + asked - refused) as u64,
        "others were never asked about"
    );
    let quantile = |times: &mut Vec<Duration>, part: f64| {
        times.sort_unstable();
        times[((times.len() - 1) as f64 * part) as usize].as_nanos() as f64 / 1000.0
    };
    for (name, part) in [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)] {
        let [without, with] = [0, 1].map(|place| quantile(&mut found[place], part));
        println!(
            "keystone/new tokens beside: {name} {without:.2} µs without, {with:.2} µs with: {:.2}",
            with / without
        );
    }
}

/// Runs criterion's futures on one thread, as a worker does.
struct Current<'a>(&'a tokio::runtime::Runtime);

impl criterion::async_executor::AsyncExecutor for Current<'_> {
    fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.0.block_on(future)
    }
}

criterion_group!(benches, remembered, disturbed);
criterion_main!(benches);
