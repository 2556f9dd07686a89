//! JWS tokens: signed by tests' own keys.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
    Ed25519KeyPair, KeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use super::*;

enum Pair {
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

pub(super) struct Signer {
    pair: Pair,
    algorithm: &'static str,
    pub(super) public: JwsKey,
}

/// SubjectPublicKeyInfo without the key's bits.
const P256_HEAD: &str = "3059301306072a8648ce3d020106082a8648ce3d030107034200";
const P384_HEAD: &str = "3076301006072a8648ce3d020106052b81040022036200";
const ED25519_HEAD: &str = "302a300506032b6570032100";

#[expect(clippy::string_slice, reason = "ASCII only")]
fn pem(head: &str, key: &[u8]) -> String {
    let mut der: Vec<u8> =
        (0..head.len()).step_by(2).map(|place| u8::from_str_radix(&head[place..place + 2], 16).unwrap()).collect();
    der.extend_from_slice(key);
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = (0..text.len()).step_by(64).map(|place| &text[place..text.len().min(place + 64)]).collect();
    format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"))
}

fn ecdsa(algorithm: &'static EcdsaSigningAlgorithm, name: &'static str, head: &str) -> Signer {
    let pair = EcdsaKeyPair::generate(algorithm).unwrap();
    let public = JwsKey::from_pem(pem(head, pair.public_key().as_ref()).as_bytes()).unwrap();
    Signer { pair: Pair::Ecdsa(pair), algorithm: name, public }
}

pub(super) fn signers() -> [Signer; 3] {
    let ed25519 = Ed25519KeyPair::generate().unwrap();
    let public = JwsKey::from_pem(pem(ED25519_HEAD, ed25519.public_key().as_ref()).as_bytes()).unwrap();
    [
        ecdsa(&ECDSA_P256_SHA256_FIXED_SIGNING, "ES256", P256_HEAD),
        ecdsa(&ECDSA_P384_SHA384_FIXED_SIGNING, "ES384", P384_HEAD),
        Signer { pair: Pair::Ed25519(ed25519), algorithm: "EdDSA", public },
    ]
}

fn claims(expires_in: i64) -> Value {
    let now = jiff::Timestamp::now().as_second();
    json!({"sub": "u1", "iat": now - 10, "exp": now + expires_in, "openstack_methods": ["password"],
           "openstack_audit_ids": ["x"], "openstack_project_id": "p1"})
}

impl Signer {
    fn sign(&self, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(header), part(claims));
        let signature = match &self.pair {
            Pair::Ecdsa(pair) => pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap().as_ref().to_vec(),
            Pair::Ed25519(pair) => pair.sign(signed.as_bytes()).as_ref().to_vec(),
        };
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn token(&self, expires_in: i64) -> String {
        self.sign(&json!({"alg": self.algorithm, "typ": "JWT"}), &claims(expires_in))
    }
}

#[tokio::test]
async fn only_keystones_own_signatures_reach_it() {
    let [first, second, third] = signers();
    let [stranger, ..] = signers();
    let fake = Fake::start(good()).await;
    let keys: Vec<JwsKey> = [&first, &second, &third].map(|signer| signer.public.clone()).to_vec();
    let authenticator = authenticator(&fake, |config| config.jws_keys = keys);
    for signer in [&first, &second, &third] {
        check(signer.algorithm, ask_token(&authenticator, &signer.token(60)).await, Ok(()));
    }
    assert_eq!(fake.calls(), 3);

    let token = first.token(60);
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let (header, payload) = signed.split_once('.').unwrap();
    let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#);
    let mac = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
    let more = URL_SAFE_NO_PAD.encode(claims(600).to_string());
    let rows = [
        ("a stranger's", stranger.token(60)),
        ("another payload", format!("{header}.{more}.{signature}")),
        ("no signature", format!("{header}.{payload}.AAAA")),
        ("algorithm none", format!("{none}.{payload}.{signature}")),
        ("a shared secret", format!("{mac}.{payload}.{signature}")),
        ("another algorithm", first.sign(&json!({"alg": "ES384", "typ": "JWT"}), &claims(60))),
        ("no algorithm", first.sign(&json!({"typ": "JWT"}), &claims(60))),
        ("expired", first.token(0)),
        ("no expiry", first.sign(&json!({"alg": "ES256"}), &json!({"sub": "u1"}))),
        ("no subject", first.sign(&json!({"alg": "ES256"}), &json!({"exp": 9_999_999_999_u64}))),
        (
            "not yet",
            first.sign(
                &json!({"alg": "ES256"}),
                &json!({"sub": "u1", "exp": 9_999_999_999_u64, "nbf": 9_999_999_998_u64}),
            ),
        ),
    ];
    for (named, token) in rows {
        check(named, ask_token(&authenticator, &token).await, Err(KeystoneError::Signature));
    }
    check("a Fernet token", ask_token(&authenticator, &super::token(1)).await, Err(KeystoneError::Shape));
    assert_eq!(fake.calls(), 3);
}

#[test]
fn keys() {
    let wrong = |text: &str| JwsKey::from_pem(text.as_bytes()).err();
    assert_eq!(wrong(""), Some(JwsKeyError::NotPublic));
    assert_eq!(wrong("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"), Some(JwsKeyError::NotPublic));
    let private = rcgen::KeyPair::generate().unwrap().serialize_pem();
    assert_eq!(wrong(&private), Some(JwsKeyError::NotPublic));
}

#[tokio::test]
async fn a_service_may_bring_an_expired_signed_token() {
    fn keystone(head: &str) -> (u16, String) {
        if head.contains("allow_expired") {
            let ago = jiff::Timestamp::now() - jiff::SignedDuration::from_secs(60);
            (200, document(|token| token["expires_at"] = json!(ago.to_string())))
        } else {
            (200, document(|token| token["roles"] = json!([{"name": "service"}])))
        }
    }
    let [signer, ..] = signers();
    let [stranger, ..] = signers();
    let fake = Fake::start(Says::Judge(keystone)).await;
    let authenticator = authenticator(&fake, |config| {
        config.jws_keys = vec![signer.public.clone()];
        config.allow_expired = Duration::from_secs(100);
    });
    let service = signer.token(600);
    let both = async |user: &str| ask(&authenticator, &[("X-Auth-Token", user), ("X-Service-Token", &service)]).await;
    check("a minute ago", both(&signer.token(-60)).await, Ok(()));
    assert_eq!(fake.calls(), 2, "the service's token, and the user's by it");
    // What cannot be good costs Keystone nothing.
    check("too long ago", both(&signer.token(-101)).await, Err(KeystoneError::Signature));
    check("a stranger's", both(&stranger.token(-60)).await, Err(KeystoneError::Signature));
    let early = json!({"sub": "u1", "exp": 1, "nbf": 9_999_999_999_u64});
    check("not yet", both(&signer.sign(&json!({"alg": "ES256"}), &early)).await, Err(KeystoneError::Signature));
    check("alone", ask_token(&authenticator, &signer.token(-60)).await, Err(KeystoneError::Signature));
    assert_eq!(fake.calls(), 2);
}
