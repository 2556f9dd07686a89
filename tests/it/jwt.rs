//! Signed tokens: keys behind a URL that rotate, go away and come back, and what is refused.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::listeners::load_sample;
use crate::support::client::pause;
use crate::support::{Answer, FakeIronic, Irongate};

const ISSUER: &str = "https://issuer.test";

/// A key with its id.
struct Key {
    id: &'static str,
    pair: EcdsaKeyPair,
}

impl Key {
    fn new(id: &'static str) -> Self {
        Self { id, pair: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap() }
    }

    fn public(&self) -> Value {
        let point = self.pair.public_key().as_ref();
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        json!({"kty": "EC", "crv": "P-256", "use": "sig", "kid": self.id, "x": encode(&point[1..33]), "y": encode(&point[33..])})
    }

    fn token_of(&self, id: &str, claims: &Value) -> String {
        let header = json!({"alg": "ES256", "typ": "JWT", "kid": id});
        let encode = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let message = format!("{}.{}", encode(&header), encode(claims));
        let signature = self.pair.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
    }

    fn token(&self) -> String {
        self.token_of(self.id, &claims())
    }
}

fn claims() -> Value {
    let now = jiff::Timestamp::now().as_second();
    json!({"iss": ISSUER, "aud": ["irongate"], "exp": now + 600, "iat": now, "sub": "alice", "groups": ["admins"],
           "kubernetes.io": {"namespace": "metal3"}})
}

/// Publishes a JWK set on loopback.
struct Publisher {
    url: String,
    answer: Arc<Mutex<(u16, String)>>,
    asked: Arc<AtomicUsize>,
}

impl Publisher {
    fn start(keys: &[&Key]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/keys", listener.local_addr().unwrap());
        let (answer, asked) = (Arc::new(Mutex::new((200, String::new()))), Arc::new(AtomicUsize::new(0)));
        let publisher = Self { url, answer: Arc::clone(&answer), asked: Arc::clone(&asked) };
        publisher.publish(keys);
        std::thread::spawn(move || {
            while let Ok((mut stream, _)) = listener.accept() {
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let mut line = String::new();
                while reader.read_line(&mut line).is_ok_and(|count| count > 2) {
                    line.clear();
                }
                asked.fetch_add(1, Ordering::SeqCst);
                let (status, body) = answer.lock().unwrap().clone();
                let head = format!(
                    "HTTP/1.1 {status} Yes\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
                    body.len()
                );
                drop(stream.write_all((head + &body).as_bytes()));
            }
        });
        publisher
    }

    fn publish(&self, keys: &[&Key]) {
        let keys: Vec<Value> = keys.iter().map(|key| key.public()).collect();
        *self.answer.lock().unwrap() = (200, json!({ "keys": keys }).to_string());
    }

    fn fail(&self) {
        *self.answer.lock().unwrap() = (500, "no".to_owned());
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

fn start(ironic: &FakeIronic, url: &str, more: &str) -> Irongate {
    let tables = format!(
        "[[authentication.jwt]]\nissuer = \"{ISSUER}\"\naudiences = [\"irongate\"]\njwks_url = \"{url}\"\n{more}\n\
         [[binding]]\nname = \"admins\"\nrole = \"admin\"\nissuer = \"{ISSUER}\"\n\
         claims = {{ groups = \"admins\", \"/kubernetes.io/namespace\" = \"metal3\" }}\n"
    );
    Irongate::changed(&ironic.endpoint(), &tables, |text| {
        text.replace("[\"basic\", \"anonymous\"]", "[\"basic\", \"jwt\", \"anonymous\"]")
    })
}

fn ask(irongate: &Irongate, token: &str) -> Answer {
    irongate.ask_with("", "GET", "/v1/nodes", &format!("Authorization: Bearer {token}\r\n"), None)
}

fn check(irongate: &Irongate, token: &str, status: u16, code: &str) -> Answer {
    let answer = ask(irongate, token);
    assert_eq!((answer.status, answer.code().as_str()), (status, code), "{answer:?}");
    assert!(!answer.body.contains(token) && !answer.head.contains(token));
    answer
}

#[test]
fn keys_rotate_without_a_restart() {
    let (ironic, first, second, forger) = (FakeIronic::plain(), Key::new("one"), Key::new("two"), Key::new("one"));
    let publisher = Publisher::start(&[&first]);
    let irongate = start(&ironic, &publisher.url, "refetch_seconds = 1\nrefresh_seconds = 3\n");
    let old = first.token();
    for _ in 0..3 {
        check(&irongate, &old, 200, "");
    }
    let record = &irongate.records(1)[0];
    assert_eq!(record["principal"]["scheme"], "jwt");
    assert_eq!(record["principal"]["name"], "alice");
    assert_eq!(record["principal"]["roles"], json!(["admin"]));
    assert_eq!(record["principal"]["bindings"], json!(["admins"]));
    assert_eq!(publisher.asked(), 1);
    check(&irongate, &forger.token(), 401, "token_signature");

    // Ids that nobody knows cost one fetch an interval, however many come.
    for number in 0..50 {
        check(&irongate, &forger.token_of(&format!("x{number}"), &claims()), 401, "token_key_unknown");
    }
    assert!(publisher.asked() <= 3, "{}", publisher.asked());

    // A new key is found when its first token comes.
    publisher.publish(&[&second]);
    pause(Duration::from_millis(1100));
    let new = second.token();
    check(&irongate, &new, 200, "");
    // The old key is gone, and so are the tokens that were good with it.
    check(&irongate, &old, 401, "token_key_unknown");

    // An issuer that fails changes nothing for those whose keys are known, after a reload either.
    publisher.fail();
    pause(Duration::from_millis(3100));
    check(&irongate, &new, 200, "");
    pause(Duration::from_millis(300));
    check(&irongate, &new, 200, "");
    irongate.reload(|text| text);
    check(&irongate, &new, 200, "");
    let log = irongate.log();
    for token in [&old, &new] {
        assert!(!log.contains(token.as_str()) && !log.contains(token.rsplit_once('.').unwrap().1));
    }
}

#[test]
fn an_issuer_that_never_answered_is_no_permit() {
    let (ironic, key) = (FakeIronic::plain(), Key::new("one"));
    let publisher = Publisher::start(&[&key]);
    publisher.fail();
    let irongate = start(&ironic, &publisher.url, "");
    for _ in 0..20 {
        let answer = check(&irongate, &key.token(), 503, "token_keys_unavailable");
        assert_eq!(answer.header("retry-after").as_deref(), Some("5"));
        assert_eq!(answer.header("www-authenticate"), None);
    }
    assert!(publisher.asked() <= 3, "{}", publisher.asked());
    assert!(ironic.arrived().is_empty());
    // It is asked again.
    publisher.publish(&[&key]);
    pause(Duration::from_millis(2500));
    check(&irongate, &key.token(), 200, "");
}

#[test]
fn what_is_wrong_is_told_in_the_challenge() {
    let (ironic, key) = (FakeIronic::plain(), Key::new("one"));
    let publisher = Publisher::start(&[&key]);
    let irongate = start(&ironic, &publisher.url, "leeway_seconds = 0\n");
    let with = |name: &str, value: Value| {
        let mut claims = claims();
        claims[name] = value;
        key.token_of("one", &claims)
    };
    let expired = with("exp", json!(1_700_000_000));
    let rows = [
        (expired.as_str(), "token_expired"),
        (&with("aud", json!("other")), "token_audience"),
        (&with("iss", json!("https://other.test")), "token_issuer"),
        (&with("nbf", json!(4_000_000_000_i64)), "token_not_yet_valid"),
        (&with("exp", json!("soon")), "token_claims"),
        ("a.b.c", "token_malformed"),
        ("", "token_malformed"),
        (&"a".repeat(9000), "token_malformed"),
    ];
    for (token, code) in rows {
        let answer = ask(&irongate, token);
        assert_eq!((answer.status, answer.code().as_str()), (401, code), "{answer:?}");
        let challenges: Vec<&str> =
            answer.head.lines().filter(|line| line.to_lowercase().starts_with("www-authenticate")).collect();
        assert_eq!(challenges.len(), 2, "{challenges:?}");
        assert!(challenges[1].contains("Bearer realm=\"Baremetal API\", error=\"invalid_token\""), "{challenges:?}");
    }
    // No credential: asked for one, and nothing is wrong.
    let answer = irongate.ask("", "GET", "/v1/nodes", None);
    assert_eq!(answer.status, 401);
    assert!(answer.head.contains("Bearer realm=\"Baremetal API\"\r\n"), "{}", answer.head);
    // Somebody without a role.
    let nobody = with("groups", json!(["guests"]));
    assert_eq!(ask(&irongate, &nobody).status, 403);
    let twice = format!("Authorization: Bearer {}\r\nX-Auth-Token: t\r\n", key.token());
    let answer = irongate.ask_with("", "GET", "/v1/nodes", &twice, None);
    assert_eq!((answer.status, answer.code().as_str()), (400, "credentials_contradict"));
    assert!(ironic.arrived().is_empty());
}

#[test]
fn whoami_tells_principal_roles_and_bindings() {
    let (ironic, key) = (FakeIronic::plain(), Key::new("one"));
    let publisher = Publisher::start(&[&key]);
    let irongate = start(&ironic, &publisher.url, "");
    let directory = irongate.directory.path();
    let config = directory.join("irongate.toml");
    let whoami = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_irongate"))
            .args(["whoami", "--config", config.to_str().unwrap()])
            .args(arguments)
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
    };
    let token = key.token();
    let file = directory.join("headers");
    std::fs::write(&file, format!("Authorization: Bearer {token}\n")).unwrap();
    let (code, out, err) = whoami(&["--header-file", file.to_str().unwrap()]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert!(out.contains("jwt:alice") && out.contains("admins") && !out.contains(&token), "{out}");
    let (code, out, _) = whoami(&["--header-file", file.to_str().unwrap(), "--format", "json"]);
    let told: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (code, &told["roles"], &told["bindings"], &told["proved"]),
        (0, &json!(["admin"]), &json!(["admins"]), &json!(true))
    );

    let (code, out, err) = whoami(&["--header", &format!("Authorization: Bearer {token}x"), "--format", "json"]);
    assert!(err.contains("--header-file") && !format!("{out}{err}").contains(&token), "{out}{err}");
    let told: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &told["failure"]["status"]), (1, &json!(401)), "{out}");
    let (code, out, _) = whoami(&["--user", "operator"]);
    assert!(code == 0 && out.contains("operator") && out.contains("nothing was proved"), "{out}");
    let (code, out, _) = whoami(&["--user", "stranger"]);
    assert!(code == 1 && out.contains("401 credential_wrong"), "{out}");
    let (code, out, _) = whoami(&[]);
    assert!(code == 1 && out.contains("principal  anonymous\n"), "{out}");
    // What the listener would refuse is refused before anything is said of roles.
    let written = std::fs::read_to_string(&config).unwrap();
    let tables = "[[listener]]\nname = \"tokens\"\naddress = \"127.0.0.1:0\"\nschemes = [\"jwt\"]\n\
                  [[listener]]\nname = \"near\"\naddress = \"127.0.0.1:0\"\nschemes = [\"basic\"]\n\
                  source_networks = [\"192.0.2.0/24\"]\n\
                  [[listener]]\nname = \"open\"\naddress = \"127.0.0.1:0\"\nschemes = [\"anonymous\"]\n\
                  [[binding]]\nrole = \"auditor\"\nauthenticated = true\n";
    std::fs::write(&config, format!("{written}{tables}")).unwrap();
    for (arguments, code, word) in [
        (&["--user", "operator"][..], 0, "auditor, operator"),
        (&["--user", "stranger"], 1, "401 credential_wrong"),
        (&["--user", "operator", "--listener", "tokens"], 1, "401 credential_not_served"),
        (&["--user", "operator", "--listener", "open"], 1, "400 credential_unwanted"),
        (&["--user", "operator", "--listener", "near", "--source", "192.0.2.1"], 0, "auditor"),
        (&["--user", "operator", "--listener", "near", "--source", "10.0.0.1"], 1, "403 source_not_admitted"),
    ] {
        let (found, out, _) = whoami(arguments);
        assert!(found == code && out.contains(word), "{arguments:?}: {out}");
    }
    assert_eq!(whoami(&["--listener", "nowhere"]).0, 2);
    assert_eq!(whoami(&["--header", "nonsense"]).0, 2);
    assert_eq!(whoami(&["--certificate", "none.crt"]).0, 2);
}

#[test]
fn the_documented_kubernetes_sample_can_be_loaded() {
    let config = load_sample("authentication.md", "# service accounts of Kubernetes");
    let jwt = config.jwt.unwrap();
    assert_eq!(jwt.issuers[0].issuer, "https://kubernetes.default.svc.cluster.local");
    assert_eq!(config.bindings.iter().filter(|binding| binding.issuer().is_some()).count(), 1);
}

#[test]
fn issuers_are_checked_when_they_are_loaded() {
    let check = |issuer: &str, remedy: &str| {
        let directory = tempfile::tempdir().unwrap();
        let key = Key::new("one");
        std::fs::write(directory.path().join("keys.json"), json!({"keys": [key.public()]}).to_string()).unwrap();
        let table = format!("[[authentication.jwt]]\n{issuer}\n");
        let file = crate::support::configuration_with(directory.path(), "unix:ironic.sock", "", &table);
        let errors = irongate::config::load(&file).map(|_config| ());
        let shown = errors.map_err(|errors| errors.iter().map(|error| format!("{error}\n")).collect::<String>());
        match shown {
            Ok(()) => assert_eq!(remedy, "", "{issuer}"),
            Err(shown) => assert!(!remedy.is_empty() && shown.contains(remedy), "{issuer}: {shown}"),
        }
    };
    let base = "issuer = \"i\"\naudiences = [\"a\"]\n";
    let with = |more: &str| format!("{base}{more}");
    check(&with("jwks_file = \"keys.json\""), "");
    check(&with("jwks_file = \"keys.json\"\nalgorithms = [\"ES256\"]"), "");
    check(base, "one of jwks_url, jwks_file and public_key_file");
    check(&with("jwks_file = \"keys.json\"\npublic_key_file = \"keys.json\""), "one of jwks_url");
    check(&with("jwks_file = \"missing.json\""), "missing.json");
    check(&with("jwks_file = \"htpasswd\""), "no JWK set");
    check(&with("public_key_file = \"keys.json\""), "no public key");
    check(&with("jwks_file = \"keys.json\"\nalgorithms = [\"RS256\"]"), "no key can be used");
    check(&with("jwks_file = \"keys.json\"\nalgorithms = []"), "algorithms is empty");
    check(&with("jwks_file = \"keys.json\"\nalgorithms = [\"HS256\"]"), "expected one of `RS256`");
    check(&with("jwks_file = \"keys.json\"\nalgorithms = [\"none\"]"), "expected one of `RS256`");
    check(&with("jwks_file = \"keys.json\"\nleeway_seconds = 61"), "between 0 and 60");
    check(&with("jwks_file = \"keys.json\"\nname_claim = \"/a~x\""), "JSON Pointer");
    check(&with("jwks_file = \"keys.json\"\nrefresh_seconds = 5"), "go with jwks_url");
    check("issuer = \"i\"\naudiences = []\njwks_file = \"keys.json\"", "at least one");
    check("issuer = \"\"\naudiences = [\"a\"]\njwks_file = \"keys.json\"", "`iss`");
    check(&with("jwks_url = \"http://issuer.test/keys\""), "https:// with ca_file");
    check(&with("jwks_url = \"https://issuer.test/keys\""), "needs ca_file");
    check(&with("jwks_url = \"http://127.0.0.1:1/keys\""), "");
    check(&with("jwks_url = \"http://127.0.0.1:1/keys\"\nca_file = \"keys.json\""), "goes with an https://");
    check(&with("jwks_url = \"ftp://127.0.0.1/keys\""), "plain URL");
    check(&with("jwks_url = \"http://user:pw@127.0.0.1/keys\""), "plain URL");
    check(&with("jwks_url = \"http://127.0.0.1:1/keys\"\nstale_seconds = 300"), "longer than refresh_seconds");
    let twice = format!("{base}jwks_file = \"keys.json\"\n[[authentication.jwt]]\n{base}jwks_file = \"keys.json\"");
    check(&twice, "make them one");
}
