//! The keys that tokens are verified with.

use super::*;

#[tokio::test]
async fn keys_of_one_id_are_told_apart_by_algorithm_and_bounded() {
    use JwtFault as F;
    let (keys, other, stranger) = (Keys::new(), Keys::new(), Keys::new());
    let set = |members: Vec<Value>| {
        let members: Vec<Value> = members
            .into_iter()
            .map(|mut key| {
                key["kid"] = json!("same");
                key
            })
            .collect();
        scheme(KeySet::from_jwks(json!({"keys": members}).to_string().as_bytes(), &JwtAlgorithm::DEFAULT).unwrap())
    };
    let (p256, p384) = (keys.jwks()["keys"][0].clone(), keys.jwks()["keys"][1].clone());
    let of_other = other.jwks()["keys"][0].clone();
    let check = async |jwt: &Jwt, signer: &Keys, algorithm: &str, expected: Result<(), F>| {
        let header = format!(r#"{{"alg":"{algorithm}","kid":"same"}}"#);
        let token = signer.token_of(algorithm, &header, &claims().to_string());
        assert_eq!(jwt.verify(token.as_bytes(), NOW).await.map(|_verified| ()), expected, "{algorithm}");
    };
    // Two of a kind, as while keys rotate badly: both are tried, and nothing else is.
    let two = set(vec![p256.clone(), of_other]);
    check(&two, &keys, "ES256", Ok(())).await;
    check(&two, &other, "ES256", Ok(())).await;
    check(&two, &stranger, "ES256", Err(F::Signature)).await;
    // Of two kinds: each for its own algorithm.
    let kinds = set(vec![p256.clone(), p384]);
    check(&kinds, &keys, "ES256", Ok(())).await;
    check(&kinds, &keys, "ES384", Ok(())).await;
    check(&kinds, &keys, "EdDSA", Err(F::Key)).await;
    // A signature check is dear: a set in which one id stands for many keys is not searched.
    let many = set(vec![p256; 5]);
    check(&many, &keys, "ES256", Err(F::Key)).await;
    assert_eq!(many.signature_checks(), 0);
}

#[tokio::test]
async fn each_issuer_has_keys_of_its_own() {
    let (ours, theirs) = (Keys::new(), Keys::new());
    let issuer = |name: &str, keys: &Keys| JwtIssuer {
        issuer: name.to_owned(),
        audiences: vec!["irongate".to_owned()],
        // The same key ids in both sets.
        keys: JwtKeys::Fixed(KeySet::from_jwks(keys.jwks().to_string().as_bytes(), &JwtAlgorithm::DEFAULT).unwrap()),
        leeway: Duration::ZERO,
        name_claim: Pointer::from_segments(["sub"]),
        name_prefix: format!("{name}:"),
    };
    let jwt = Jwt::new(JwtConfig::new(vec![issuer("a", &ours), issuer("b", &theirs)])).unwrap();
    let check = async |named: &str, signer: &Keys, expected: Result<&str, JwtFault>| {
        let token = signer.token(&with(&json!({ "iss": named })));
        let found = jwt.verify(token.as_bytes(), NOW).await.map(|verified| verified.name.to_string());
        assert_eq!(found.as_deref().map_err(|fault| *fault), expected, "{named}");
    };
    check("a", &ours, Ok("a:alice")).await;
    check("b", &theirs, Ok("b:alice")).await;
    check("a", &theirs, Err(JwtFault::Signature)).await;
    check("b", &ours, Err(JwtFault::Signature)).await;
    check("c", &ours, Err(JwtFault::Issuer)).await;
}

#[tokio::test]
async fn key_ids_are_bounded_texts() {
    let keys = Keys::new();
    let jwt = all(&keys);
    let check = async |id: &str, expected: JwtFault| {
        let header = format!(r#"{{"alg":"ES256","kid":{id}}}"#);
        let token = keys.token_of("ES256", &header, &claims().to_string());
        assert_eq!(jwt.verify(token.as_bytes(), NOW).await.map(|_verified| ()), Err(expected), "{id}");
    };
    for odd in
        ["null", "[]", "{}", "7", "\"p256\\u0000\"", "\"p256\",\"kid\":\"p256\"", &format!("\"{}\"", "k".repeat(513))]
    {
        check(odd, JwtFault::Header).await;
    }
    for unknown in ["\"\"", "\"P256\"", "\"p256 \"", "\"../p256\"", &format!("\"{}\"", "k".repeat(512))] {
        check(unknown, JwtFault::Key).await;
    }
    assert_eq!(jwt.signature_checks(), 0);
}

#[test]
fn sets_of_keys_are_checked() {
    use JwtKeyError as E;
    let keys = Keys::new();
    let check = |set: &str, expected: Result<usize, E>| {
        let found = KeySet::from_jwks(set.as_bytes(), &JwtAlgorithm::DEFAULT);
        assert_eq!(found.map(|set| set.len()), expected, "{set}");
    };
    let good = keys.jwks();
    check(&good.to_string(), Ok(4));
    for odd in ["", "[]", "{}", r#"{"keys": {}}"#, r#"{"keys": [], "keys": []}"#] {
        check(odd, Err(E::NoSet));
    }
    check(r#"{"keys": []}"#, Err(E::NoUsable));
    check(&json!({"keys": vec![json!({}); 65]}).to_string(), Err(E::Many(64)));
    let one = |place: usize, changes: Value| {
        let mut key = good["keys"][place].clone();
        for (name, value) in changes.as_object().unwrap() {
            key[name] = value.clone();
        }
        json!({"keys": [good["keys"][(place + 1) % 4], key]}).to_string()
    };
    check(&one(0, json!({})), Ok(2));
    check(&one(0, json!({"d": "AA"})), Err(E::Private(2)));
    check(&one(0, json!({"kty": "oct", "k": "AA"})), Err(E::Private(2)));
    // Left out: for encryption, of another algorithm than the issuer's, of another kind, or damaged.
    check(&one(0, json!({"use": "enc"})), Ok(1));
    check(&one(0, json!({"key_ops": ["encrypt"]})), Ok(1));
    check(&one(0, json!({"alg": "ES384"})), Ok(1));
    check(&one(0, json!({"alg": "HS256"})), Ok(1));
    check(&one(0, json!({"alg": "none"})), Ok(1));
    check(&one(3, json!({"alg": "PS256"})), Ok(1));
    check(&one(0, json!({"crv": "secp256k1"})), Ok(1));
    check(&one(0, json!({"x": "AA"})), Ok(1));
    check(&one(2, json!({"x": encode(&[0; 31])})), Ok(1));
    check(&one(3, json!({"n": encode(&[0xff; 255])})), Ok(1));
    check(&one(3, json!({"n": encode(&[&[0; 8][..], &[0xff; 248]].concat())})), Ok(1));
    check(&one(3, json!({"n": encode(&[0xff; 1025])})), Ok(1));
    check(&one(3, json!({"e": encode(&[1])})), Ok(1));
    check(&one(3, json!({"e": encode(&[2])})), Ok(1));
    check(&one(0, json!({"kid": 1})), Ok(1));
}

#[tokio::test]
async fn public_keys_in_pem_are_taken() {
    use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
    use base64::engine::general_purpose::STANDARD;
    let keys = Keys::new();
    let pem = |der: &[u8]| format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der));
    let p256 = pem(AsDer::<PublicKeyX509Der<'_>>::as_der(keys.p256.public_key()).unwrap().as_ref());
    let ed = pem(AsDer::<PublicKeyX509Der<'_>>::as_der(keys.ed.public_key()).unwrap().as_ref());
    let rsa = pem(AsDer::<PublicKeyX509Der<'_>>::as_der(keys.rsa.public_key()).unwrap().as_ref());
    let check = async |text: &str, algorithm: &str, expected: Result<(), JwtFault>| {
        let jwt = scheme(KeySet::from_pem(text.as_bytes(), &JwtAlgorithm::DEFAULT).unwrap());
        // Kubernetes names its keys; a file of keys does not.
        let header = format!(r#"{{"alg":"{algorithm}","kid":"anything"}}"#);
        let token = keys.token_of(algorithm, &header, &claims().to_string());
        assert_eq!(jwt.verify(token.as_bytes(), NOW).await.map(|_verified| ()), expected, "{algorithm}");
    };
    check(&p256, "ES256", Ok(())).await;
    check(&ed, "EdDSA", Ok(())).await;
    check(&rsa, "RS256", Ok(())).await;
    check(&rsa, "PS256", Err(JwtFault::Key)).await;
    check(&rsa, "ES256", Err(JwtFault::Key)).await;
    check(&format!("{rsa}{p256}"), "ES256", Ok(())).await;
    let refused = |text: &str, allowed: &[JwtAlgorithm], expected: JwtKeyError| {
        assert_eq!(KeySet::from_pem(text.as_bytes(), allowed).err(), Some(expected));
    };
    refused("", &JwtAlgorithm::DEFAULT, JwtKeyError::NoPem);
    refused(&p256, &[JwtAlgorithm::RS256], JwtKeyError::BadPem);
    refused(&pem(b"garbage"), &JwtAlgorithm::DEFAULT, JwtKeyError::BadPem);
    refused(&p256.repeat(5), &JwtAlgorithm::DEFAULT, JwtKeyError::Many(4));
}
