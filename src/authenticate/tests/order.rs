//! Whatever the order of a listener's schemes: two credentials are refused, and one is judged by its own scheme.

use super::*;

/// Bound, so that the scheme is served; nobody listens there and no row may ask.
const NOWHERE: &str = "http://127.0.0.1:1/v3";
/// Keys of no use: what is asked here is who looks at a token, not who signed it.
const KEYS: &str =
    r#"{"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "one", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

fn all_schemes() -> Arc<Authenticator> {
    let issuer = JwtIssuer {
        issuer: "https://issuer.test".to_owned(),
        audiences: vec!["irongate".to_owned()],
        keys: JwtKeys::Fixed(KeySet::from_jwks(KEYS.as_bytes(), &JwtAlgorithm::DEFAULT).unwrap()),
        leeway: Duration::ZERO,
        name_claim: crate::json::Pointer::from_segments(["sub"]),
        name_prefix: String::new(),
    };
    let config = AuthenticatorConfig {
        basic: Some(config()),
        jwt: Some(JwtConfig::new(vec![issuer])),
        keystone: Some(KeystoneConfig::new(NOWHERE, None, Duration::from_secs(1)).unwrap()),
        bindings: Vec::new(),
    };
    Arc::new(Authenticator::new(config).unwrap())
}

/// Every order of every set of these.
fn orders(of: &[SchemeName]) -> Vec<Vec<SchemeName>> {
    let mut found = vec![Vec::new()];
    for (place, first) in of.iter().enumerate() {
        let rest: Vec<SchemeName> = [&of[..place], &of[place + 1..]].concat();
        found.extend(orders(&rest).into_iter().map(|order| [&[*first][..], &order].concat()));
    }
    found
}

#[tokio::test]
async fn two_credentials_are_refused_in_every_order() {
    use SchemeName as S;
    let authenticator = all_schemes();
    let admin = basic("admin", CANARY);
    let (bearer, token) = ("Bearer e30.e30.AA", format!("gAAAA{}", "x".repeat(100)));
    let (admin, bearer, token) = (admin.as_bytes(), bearer.as_bytes(), token.as_bytes());
    let pairs: &[&[(&str, &[u8])]] = &[
        &[("authorization", admin), ("x-auth-token", token)],
        &[("x-auth-token", token), ("authorization", admin)],
        &[("authorization", bearer), ("x-auth-token", token)],
        &[("authorization", bearer), ("x-service-token", token)],
        &[("authorization", admin), ("x-auth-token", token), ("x-service-token", token)],
        &[("authorization", b"Digest x"), ("x-auth-token", token)],
        &[("authorization", b""), ("x-auth-token", token)],
        &[("authorization", admin), ("x-auth-token", b"")],
        // Its word for no token makes none of a service's.
        &[("authorization", admin), ("x-auth-token", b"notused"), ("x-service-token", token)],
    ];
    let repeated: &[&[(&str, &[u8])]] = &[
        &[("authorization", admin), ("authorization", bearer)],
        &[("Authorization", bearer), ("AUTHORIZATION", admin)],
        &[("x-auth-token", token), ("X-Auth-Token", token)],
        &[("x-auth-token", token), ("x-auth-token", b"notused")],
        &[("x-auth-token", token), ("x-service-token", token), ("X-SERVICE-TOKEN", token)],
        &[("x-auth-token", token), ("x-auth-token", token), ("authorization", admin)],
    ];
    let all = orders(&[S::Basic, S::Jwt, S::Keystone, S::Anonymous]);
    assert_eq!(all.len(), 65);
    for schemes in &all {
        for (rows, expected) in [(pairs, AuthnError::Contradicting), (repeated, AuthnError::Repeated)] {
            for row in rows {
                let found = authenticator.authenticate(&headers(row), &peer("-"), schemes).await;
                assert_eq!(found.map(|_principal| ()), Err(expected), "{row:?} {schemes:?}");
            }
        }
    }
    assert_eq!((authenticator.password_checks(), authenticator.token_validations()), (0, 0));
    assert_eq!(authenticator.signature_checks(), 0);
}

/// The scheme that judges, the header, and what comes of it.
type Row<'a> = (SchemeName, &'a str, &'a [u8], Result<&'a str, AuthnError>);

#[tokio::test]
async fn one_credential_is_judged_by_its_own_scheme_in_every_order() {
    use SchemeName as S;
    let authenticator = all_schemes();
    let good = basic("admin", CANARY);
    let rows: &[Row<'_>] = &[
        (S::Basic, "authorization", good.as_bytes(), Ok("admin")),
        (S::Basic, "authorization", b"Basic !", Err(AuthnError::Malformed(Malformed::Base64))),
        (S::Jwt, "authorization", b"Bearer x", Err(AuthnError::Token(JwtFault::Compact))),
        (S::Keystone, "x-auth-token", b"odd", Err(AuthnError::Keystone(KeystoneError::Shape))),
        (S::Keystone, "x-auth-token", b"", Err(AuthnError::Keystone(KeystoneError::Shape))),
        (S::Keystone, "x-service-token", b"t", Err(AuthnError::Keystone(KeystoneError::ServiceTokenAlone))),
    ];
    for schemes in orders(&[S::Basic, S::Jwt, S::Keystone, S::Anonymous]) {
        let closed = !schemes.iter().any(|scheme| *scheme != S::Anonymous);
        for (scheme, name, value, expected) in rows {
            let expected = match (schemes.contains(scheme), closed) {
                (true, _) => *expected,
                (false, false) => Err(AuthnError::NotServed),
                (false, true) => Err(AuthnError::Unwanted),
            };
            let found = authenticator.authenticate(&headers(&[(*name, *value)]), &peer("-"), &schemes).await;
            let found = found.as_ref().map(Principal::name).map_err(|error| *error);
            assert_eq!(found, expected, "{name} {schemes:?}");
        }
    }
}
