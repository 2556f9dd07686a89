use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
    RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use super::*;

mod keys;

const ISSUER: &str = "https://issuer.test";
const NOW: i64 = 1_800_000_000;
/// Must never be seen in anything printed.
const CANARY: &str = "canary-5d1c";

/// Keys that tokens are signed with.
struct Keys {
    p256: EcdsaKeyPair,
    p384: EcdsaKeyPair,
    ed: Ed25519KeyPair,
    rsa: RsaKeyPair,
}

impl Keys {
    fn new() -> Self {
        Self {
            p256: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap(),
            p384: EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap(),
            ed: Ed25519KeyPair::generate().unwrap(),
            rsa: RsaKeyPair::generate(KeySize::Rsa2048).unwrap(),
        }
    }

    fn sign(&self, algorithm: &str, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        let rsa = |padding| {
            let mut signature = vec![0; self.rsa.public_modulus_len()];
            self.rsa.sign(padding, &random, message, &mut signature).unwrap();
            signature
        };
        match algorithm {
            "ES256" => self.p256.sign(&random, message).unwrap().as_ref().to_vec(),
            "ES384" => self.p384.sign(&random, message).unwrap().as_ref().to_vec(),
            "EdDSA" => self.ed.sign(message).as_ref().to_vec(),
            "RS256" => rsa(&RSA_PKCS1_SHA256),
            "PS256" => rsa(&RSA_PSS_SHA256),
            // What an attacker has: the public key as the secret.
            "HS256" => {
                let key = hmac::Key::new(hmac::HMAC_SHA256, self.p256.public_key().as_ref());
                hmac::sign(&key, message).as_ref().to_vec()
            }
            _ => Vec::new(),
        }
    }

    /// Signed as `signed_as`, whatever the header says.
    fn token_of(&self, signed_as: &str, header: &str, claims: &str) -> String {
        let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let signature = URL_SAFE_NO_PAD.encode(self.sign(signed_as, message.as_bytes()));
        format!("{message}.{signature}")
    }

    fn token(&self, claims: &Value) -> String {
        self.token_of("ES256", r#"{"alg":"ES256","kid":"p256"}"#, &claims.to_string())
    }

    fn jwks(&self) -> Value {
        let ec = |key: &EcdsaKeyPair, crv: &str, kid: &str| {
            let point = key.public_key().as_ref();
            let (x, y) = point[1..].split_at(point.len() / 2);
            json!({"kty": "EC", "crv": crv, "kid": kid, "x": encode(x), "y": encode(y)})
        };
        let rsa = self.rsa.public_key();
        json!({"keys": [
            ec(&self.p256, "P-256", "p256"),
            ec(&self.p384, "P-384", "p384"),
            {"kty": "OKP", "crv": "Ed25519", "kid": "ed", "use": "sig", "x": encode(self.ed.public_key().as_ref())},
            {"kty": "RSA", "kid": "rsa", "alg": "RS256", "key_ops": ["verify"],
             "n": encode(rsa.modulus().big_endian_without_leading_zero()),
             "e": encode(rsa.exponent().big_endian_without_leading_zero())},
        ]})
    }
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn claims() -> Value {
    json!({"iss": ISSUER, "aud": "irongate", "exp": NOW + 600, "nbf": NOW - 60, "sub": "alice",
           "groups": ["admins", "others"], "kubernetes.io": {"namespace": "metal3"}})
}

/// The usual claims with these changed; null takes one away.
fn with(changes: &Value) -> Value {
    let mut claims = claims();
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        } else {
            claims[name] = value.clone();
        }
    }
    claims
}

fn scheme(keys: KeySet) -> Jwt {
    let issuer = JwtIssuer {
        issuer: ISSUER.to_owned(),
        audiences: vec!["irongate".to_owned(), "baremetal".to_owned()],
        keys: JwtKeys::Fixed(keys),
        leeway: Duration::from_secs(30),
        name_claim: Pointer::from_segments(["sub"]),
        name_prefix: "idp:".to_owned(),
    };
    Jwt::new(JwtConfig::new(vec![issuer])).unwrap()
}

fn all(keys: &Keys) -> Jwt {
    let set = KeySet::from_jwks(keys.jwks().to_string().as_bytes(), &JwtAlgorithm::DEFAULT).unwrap();
    scheme(set)
}

#[tokio::test]
async fn claims_are_checked() {
    use JwtFault as F;
    let keys = Keys::new();
    let jwt = all(&keys);
    let check = async |changes: Value, expected: Result<&str, F>| {
        let token = keys.token(&with(&changes));
        let found = jwt.verify(token.as_bytes(), NOW).await.map(|verified| verified.name.to_string());
        assert_eq!(found.as_deref().map_err(|fault| *fault), expected, "{changes}");
    };
    check(json!({}), Ok("idp:alice")).await;
    check(json!({"sub": "system:serviceaccount:metal3:ironic"}), Ok("idp:system:serviceaccount:metal3:ironic")).await;

    check(json!({"iss": null}), Err(F::ClaimMissing)).await;
    check(json!({"iss": 1}), Err(F::ClaimType)).await;
    check(json!({"iss": "https://issuer.test/"}), Err(F::Issuer)).await;
    check(json!({"iss": "https://Issuer.test"}), Err(F::Issuer)).await;

    check(json!({"aud": null}), Err(F::ClaimMissing)).await;
    check(json!({"aud": "other"}), Err(F::Audience)).await;
    check(json!({"aud": "irongate2"}), Err(F::Audience)).await;
    check(json!({"aud": []}), Err(F::Audience)).await;
    check(json!({"aud": ["other", "baremetal"]}), Ok("idp:alice")).await;
    check(json!({"aud": ["irongate", 1]}), Err(F::ClaimType)).await;
    check(json!({"aud": {"irongate": true}}), Err(F::ClaimType)).await;

    check(json!({"exp": null}), Err(F::ClaimMissing)).await;
    check(json!({"exp": "2000000000"}), Err(F::ClaimType)).await;
    check(json!({"exp": NOW - 29}), Ok("idp:alice")).await;
    check(json!({"exp": NOW - 30}), Err(F::Expired)).await;
    check(json!({"exp": 2_000_000_000.5}), Ok("idp:alice")).await;
    check(json!({"exp": 1e16}), Err(F::ClaimType)).await;
    check(json!({"exp": 1e300}), Err(F::Claims)).await;
    check(json!({"exp": i64::MAX}), Ok("idp:alice")).await;
    check(json!({"exp": i64::MIN}), Err(F::Expired)).await;
    check(json!({"nbf": NOW + 30}), Ok("idp:alice")).await;
    check(json!({"nbf": NOW + 31}), Err(F::NotYetValid)).await;
    check(json!({"nbf": "now"}), Err(F::ClaimType)).await;
    check(json!({"nbf": null}), Ok("idp:alice")).await;
    check(json!({"iat": true}), Err(F::ClaimType)).await;
    check(json!({"jti": 7}), Err(F::ClaimType)).await;

    check(json!({"sub": null}), Err(F::ClaimMissing)).await;
    check(json!({"sub": 1}), Err(F::ClaimType)).await;
    check(json!({"sub": ""}), Err(F::Name)).await;
    check(json!({"sub": "a\nb"}), Err(F::Name)).await;
    check(json!({"sub": "a".repeat(513)}), Err(F::Name)).await;
}

#[tokio::test]
async fn a_token_is_believed_for_its_signature_alone() {
    use JwtFault as F;
    let keys = Keys::new();
    let other = Keys::new();
    let jwt = all(&keys);
    let good = claims().to_string();
    let check = async |signer: &Keys, signed_as: &str, header: &str, expected: Result<(), F>| {
        let token = signer.token_of(signed_as, header, &good);
        assert_eq!(jwt.verify(token.as_bytes(), NOW).await.map(|_verified| ()), expected, "{header}");
    };
    for (algorithm, kid) in [("ES256", "p256"), ("ES384", "p384"), ("EdDSA", "ed"), ("RS256", "rsa")] {
        let header = format!(r#"{{"alg":"{algorithm}","kid":"{kid}","typ":"at+jwt"}}"#);
        check(&keys, algorithm, &header, Ok(())).await;
        check(&other, algorithm, &header, Err(F::Signature)).await;
        check(&keys, "none", &header, Err(F::Compact)).await;
        // There is one key for the algorithm, so it needs no name.
        check(&keys, algorithm, &format!(r#"{{"alg":"{algorithm}"}}"#), Ok(())).await;
        check(&keys, algorithm, &format!(r#"{{"alg":"{algorithm}","kid":"x"}}"#), Err(F::Key)).await;
    }
    // The header does not choose the algorithm.
    for alg in ["none", "None", "HS256", "HS512", "ES512", "ES256K", "es256", "Ed25519", ""] {
        check(&keys, "HS256", &format!(r#"{{"alg":"{alg}","kid":"p256"}}"#), Err(F::Algorithm)).await;
    }
    check(&keys, "PS256", r#"{"alg":"PS256","kid":"rsa"}"#, Err(F::Key)).await;
    check(&keys, "ES384", r#"{"alg":"ES384","kid":"p256"}"#, Err(F::Key)).await;
    check(&keys, "RS256", r#"{"alg":"ES256","kid":"p256"}"#, Err(F::Signature)).await;
    // Nor the key.
    check(&other, "ES256", r#"{"alg":"ES256","kid":"p256","jwk":{"kty":"EC"},"jku":"https://x"}"#, Err(F::Signature))
        .await;

    check(&keys, "ES256", r#"{"alg":"ES256","crit":["b64"],"b64":false}"#, Err(F::Critical)).await;
    check(&keys, "ES256", r#"{"alg":"ES256","crit":[]}"#, Err(F::Critical)).await;
    for header in [
        r#"{"kid":"p256"}"#,
        r#"{"alg":1}"#,
        r#"{"alg":"ES256","kid":1}"#,
        r#"{"alg":"ES256","typ":[]}"#,
        "[]",
        "x",
        "",
    ] {
        check(&keys, "ES256", header, Err(F::Header)).await;
    }
    check(&keys, "ES256", r#"{"alg":"none","alg":"ES256"}"#, Err(F::Header)).await;
}

#[tokio::test]
async fn what_is_no_token_is_refused() {
    use JwtFault as F;
    let keys = Keys::new();
    let jwt = all(&keys);
    let good = keys.token(&claims());
    let check = async |token: &str, expected: F| {
        let found = jwt.verify(token.as_bytes(), NOW).await.map(|_verified| ()).unwrap_err();
        assert_eq!(found, expected, "{token}");
        assert!(!format!("{found} {found:?} {}", found.public_message()).contains(CANARY));
    };
    let (message, signature) = good.rsplit_once('.').unwrap();
    for odd in [
        "",
        ".",
        "..",
        "...",
        "a.b",
        CANARY,
        &format!("{good}."),
        &format!("{good} "),
        &format!("{good}="),
        &format!("{message}.{}", signature.get(1..).unwrap_or_default()),
        &format!("{message}."),
        &good.replacen('.', "..", 1),
        "a.b.c.d.e",
    ] {
        let found = jwt.verify(odd.as_bytes(), NOW).await.map(|_verified| ()).unwrap_err();
        assert!(matches!(found, F::Compact | F::Header | F::Signature), "{odd}: {found:?}");
    }
    check(&"a".repeat(8193), F::Long).await;
    let header = r#"{"alg":"ES256","kid":"p256"}"#;
    for text in [
        "[]",
        "1",
        "",
        "{",
        r#"{"iss":"a","iss":"https://issuer.test"}"#,
        "\u{feff}{}",
        &format!("{{\"{CANARY}\":{}1{}}}", "[".repeat(40), "]".repeat(40)),
    ] {
        check(&keys.token_of("ES256", header, text), F::Claims).await;
    }
    let two = claims().to_string().replacen("\"sub\"", "\"sub\":\"root\",\"sub\"", 1);
    check(&keys.token_of("ES256", header, &two), F::Claims).await;
}

#[tokio::test]
async fn verified_tokens_are_remembered_until_they_expire() {
    let keys = Keys::new();
    let jwt = all(&keys);
    let token = keys.token(&claims());
    for _ in 0..5 {
        assert!(jwt.verify(token.as_bytes(), NOW).await.is_ok());
    }
    assert_eq!(jwt.signature_checks(), 1);
    let later = jwt.verify(token.as_bytes(), NOW + 630).await.map(|_verified| ());
    assert_eq!((later, jwt.signature_checks()), (Err(JwtFault::Expired), 1));
    // What is refused is not remembered, and nothing of it helps another.
    let forged = Keys::new().token(&claims());
    for _ in 0..2 {
        assert_eq!(jwt.verify(forged.as_bytes(), NOW).await.map(|_verified| ()), Err(JwtFault::Signature));
    }
    assert_eq!(jwt.signature_checks(), 3);
}

#[test]
fn challenges_name_what_is_wrong() {
    let jwt = all(&Keys::new());
    let check = |tried: Option<AuthnError>, expected: &str| {
        assert_eq!(jwt.challenge(tried).unwrap(), expected);
    };
    check(None, "Bearer realm=\"Baremetal API\"");
    check(Some(AuthnError::Wrong), "Bearer realm=\"Baremetal API\"");
    check(
        Some(AuthnError::Token(JwtFault::Expired)),
        "Bearer realm=\"Baremetal API\", error=\"invalid_token\", error_description=\"the token has expired\"",
    );
}
