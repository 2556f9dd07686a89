use std::fmt::Debug;
use std::sync::LazyLock;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use http::{HeaderName, StatusCode};
use secrecy::SecretString;
use serde::Deserialize;

use super::*;

mod binding;
mod order;
mod work;

crate::telemetry::unprintable!(
    super::basic::Basic,
    super::credential::Authorization<'static>,
    super::credential::BasicCredential,
    super::credential::Presented<'static>,
    super::fingerprint::FingerprintKey,
    super::htpasswd::PasswordHash,
    super::identity::Identity,
    super::jwt::JwtFacts,
    super::keystone::Keystone,
);

/// Must never be seen in anything printed.
const CANARY: &str = "canary-3b9f";
const ALL: &[SchemeName] = &[SchemeName::Basic, SchemeName::Anonymous];
const BASIC: &[SchemeName] = &[SchemeName::Basic];
const OPEN: &[SchemeName] = &[SchemeName::Anonymous];

/// admin at cost 5, operator at cost 4.
static HTPASSWD: LazyLock<String> = LazyLock::new(|| {
    let admin = hash(&CANARY.into(), 5).unwrap();
    let operator = hash(&"other".into(), 4).unwrap();
    format!("# users\n\nadmin:{admin}\r\noperator:{operator}\nüser:{operator}\n")
});

fn config() -> BasicConfig {
    BasicConfig::new("users.htpasswd", SecretString::from(HTPASSWD.as_str()))
}

fn bindings(toml: &str) -> Result<Vec<Binding>, BindingError> {
    #[derive(Deserialize)]
    struct File {
        binding: Vec<RawBinding>,
    }
    check_bindings(toml::from_str::<File>(toml).unwrap().binding)
}

fn authenticator(change: impl FnOnce(&mut BasicConfig)) -> Arc<Authenticator> {
    let mut basic = config();
    change(&mut basic);
    let bindings = bindings(
        r#"
        [[binding]]
        role = "admin"
        users = ["admin", "gone"]
        [[binding]]
        name = "inside"
        roles = ["reader", "admin"]
        authenticated = true
        source_networks = ["10.0.0.0/8", "2001:db8::1"]
        [[binding]]
        role = "ramdisk"
        anonymous = true
        "#,
    );
    Arc::new(
        Authenticator::new(AuthenticatorConfig {
            basic: Some(basic),
            bindings: bindings.unwrap(),
            ..AuthenticatorConfig::default()
        })
        .unwrap(),
    )
}

fn peer(address: &str) -> Peer {
    Peer { address: address.parse().ok(), tls: true, certificate: None }
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

fn headers(rows: &[(&str, &[u8])]) -> HeaderMap {
    let row =
        |(name, value): &(&str, &[u8])| (HeaderName::try_from(*name).unwrap(), HeaderValue::from_bytes(value).unwrap());
    let mut headers = HeaderMap::new();
    for (name, value) in rows.iter().map(row) {
        headers.append(name, value);
    }
    headers
}

async fn ask(
    authenticator: &Authenticator,
    authorization: &str,
    schemes: &[SchemeName],
) -> Result<Principal, AuthnError> {
    authenticator.authenticate(&headers(&[("authorization", authorization.as_bytes())]), &peer("-"), schemes).await
}

#[tokio::test]
async fn every_misdeed_has_its_variant() {
    use AuthnError as E;
    let authenticator = authenticator(|_config| {});
    let check = async |rows: &[(&str, &[u8])], schemes: &[SchemeName], expected: Result<&str, AuthnError>| {
        let found = authenticator.authenticate(&headers(rows), &peer("-"), schemes).await;
        let shown = format!("{found:?}");
        assert!(!shown.contains(CANARY), "{shown}");
        assert_eq!(found.as_ref().map(Principal::name).map_err(|error| *error), expected, "{rows:?}");
    };
    let admin = basic("admin", CANARY);
    let admin = admin.as_bytes();
    let bytes = |credential: &[u8]| format!("Basic {}", STANDARD.encode(credential)).into_bytes();
    let malformed = |fault| Err(E::Malformed(fault));

    check(&[], ALL, Ok("anonymous")).await;
    check(&[], OPEN, Ok("anonymous")).await;
    check(&[], BASIC, Err(E::Missing)).await;
    check(&[], &[], Err(E::Missing)).await;
    check(&[("authorization", admin)], ALL, Ok("admin")).await;
    check(&[("authorization", admin)], &[SchemeName::Keystone, SchemeName::Basic], Ok("admin")).await;
    check(&[("authorization", basic("üser", "other").as_bytes())], BASIC, Ok("üser")).await;
    let spaced = [b"bAsIc   ".as_slice(), &admin[6..]].concat();
    check(&[("authorization", &spaced)], BASIC, Ok("admin")).await;

    // Wrong: also where anonymous callers are served.
    for (user, password) in [("admin", "other"), ("nobody", "other"), ("Admin", CANARY), ("admin ", CANARY)] {
        check(&[("authorization", basic(user, password).as_bytes())], ALL, Err(E::Wrong)).await;
    }

    // Other schemes.
    for value in ["Bearer x", "Bearer", "Digest username=\"admin\"", "Negotiate x", "Basically x", "x", ""] {
        check(&[("authorization", value.as_bytes())], ALL, Err(E::NotServed)).await;
        check(&[("authorization", value.as_bytes())], OPEN, Err(E::Unwanted)).await;
    }
    check(&[("authorization", admin)], OPEN, Err(E::Unwanted)).await;
    check(&[("authorization", admin)], &[], Err(E::Unwanted)).await;
    check(&[("x-auth-token", b"fake-token")], ALL, Err(E::NotServed)).await;
    check(&[("x-auth-token", b"")], ALL, Err(E::NotServed)).await;
    check(&[("x-auth-token", b"fake-token")], OPEN, Err(E::Unwanted)).await;
    check(&[("x-service-token", b"t")], ALL, Err(E::NotServed)).await;

    // keystoneauth's word for no token.
    check(&[("x-auth-token", b"notused")], OPEN, Ok("anonymous")).await;
    check(&[("x-auth-token", b"notused")], BASIC, Err(E::Missing)).await;
    check(&[("x-auth-token", b"notused"), ("authorization", admin)], BASIC, Ok("admin")).await;
    check(&[("x-auth-token", b"Notused")], OPEN, Err(E::Unwanted)).await;
    check(&[("x-service-token", b"notused")], OPEN, Err(E::Unwanted)).await;

    // Two.
    check(&[("authorization", admin), ("authorization", admin)], ALL, Err(E::Repeated)).await;
    check(&[("authorization", admin), ("Authorization", b"Bearer x")], ALL, Err(E::Repeated)).await;
    check(&[("x-auth-token", b"notused"), ("x-auth-token", b"t")], OPEN, Err(E::Repeated)).await;
    check(&[("x-service-token", b"t"), ("x-service-token", b"t")], OPEN, Err(E::Repeated)).await;
    check(&[("authorization", admin), ("x-auth-token", b"t")], ALL, Err(E::Contradicting)).await;
    check(&[("authorization", admin), ("x-service-token", b"t")], ALL, Err(E::Contradicting)).await;

    // Malformed.
    for value in ["Basic", "Basic ", "Basic ====", "Basic ä", "Basic YWRtaW4=x", "Basic YWRtaW4=, Basic YWRtaW4="] {
        check(&[("authorization", value.as_bytes())], ALL, malformed(Malformed::Base64)).await;
    }
    for unpadded in [STANDARD_NO_PAD.encode("user:pass"), STANDARD_NO_PAD.encode("user:passw")] {
        let expected = if unpadded.len() % 4 == 0 { Err(E::Wrong) } else { malformed(Malformed::Base64) };
        check(&[("authorization", format!("Basic {unpadded}").as_bytes())], ALL, expected).await;
    }
    check(&[("authorization", &[admin, b" "].concat())], ALL, malformed(Malformed::Base64)).await;
    check(&[("authorization", &[&admin[..6], b"\t", &admin[6..]].concat())], ALL, malformed(Malformed::Base64)).await;
    check(&[("authorization", &bytes(b"admin"))], ALL, malformed(Malformed::Colon)).await;
    check(&[("authorization", &bytes(b"adm\xffin:x"))], ALL, malformed(Malformed::Utf8)).await;
    for text in ["ad\0min:x", "admin:x\0", "admin:x\n", "admin:\u{85}", "\u{7f}:x"] {
        check(&[("authorization", &bytes(text.as_bytes()))], ALL, malformed(Malformed::ControlCharacter)).await;
    }
    for text in [":", "admin:", ":x"] {
        check(&[("authorization", &bytes(text.as_bytes()))], ALL, malformed(Malformed::Empty)).await;
    }
    let long = |user, password| basic(&"u".repeat(user), &"p".repeat(password)).into_bytes();
    check(&[("authorization", &long(1024, 72))], ALL, Err(E::Wrong)).await;
    check(&[("authorization", &long(1025, 1))], ALL, malformed(Malformed::LongUser)).await;
    check(&[("authorization", &long(1, 73))], ALL, malformed(Malformed::LongPassword)).await;
    check(&[("authorization", &long(1, 1095))], ALL, malformed(Malformed::LongPassword)).await;
    check(&[("authorization", &long(1025, 1000))], ALL, malformed(Malformed::Long)).await;
    check(&[("authorization", &[b'B'; 60_000])], ALL, Err(E::NotServed)).await;
}

#[test]
fn every_misdeed_has_its_answer() {
    let rows = [
        (AuthnError::Missing, 401, "credential_missing"),
        (AuthnError::Malformed(Malformed::Colon), 401, "credential_malformed"),
        (AuthnError::Wrong, 401, "credential_wrong"),
        (AuthnError::NotServed, 401, "credential_not_served"),
        (AuthnError::Unwanted, 400, "credential_unwanted"),
        (AuthnError::Repeated, 400, "credential_repeated"),
        (AuthnError::Contradicting, 400, "credentials_contradict"),
        (AuthnError::Overloaded, 503, "authentication_overloaded"),
        (AuthnError::Interrupted, 503, "authentication_interrupted"),
    ];
    for (error, status, code) in rows {
        assert_eq!((error.status().as_u16(), error.code()), (status, code));
        assert_eq!(error.retry_after().is_some(), error.status() == StatusCode::SERVICE_UNAVAILABLE);
        assert!(!error.public_message().is_empty());
    }
}

#[test]
fn challenges_are_those_of_the_listener() {
    let authenticator = authenticator(|config| config.realm = "Metal, all of it".to_owned());
    let check = |schemes: &[SchemeName], expected: &[&str]| {
        assert_eq!(authenticator.challenges(schemes, None).collect::<Vec<_>>(), expected);
    };
    check(ALL, &["Basic realm=\"Metal, all of it\", charset=\"UTF-8\""]);
    check(OPEN, &[]);
    check(&[SchemeName::Keystone], &[]);
    for realm in ["", "a\"b", "a\\b", "a\r\nx: y", "ä"] {
        let basic = BasicConfig { realm: realm.to_owned(), ..config() };
        let found = Authenticator::new(AuthenticatorConfig {
            basic: Some(basic),
            bindings: Vec::new(),
            ..AuthenticatorConfig::default()
        })
        .err();
        assert_eq!(found, Some(AuthenticatorError::Realm(realm.to_owned())));
    }
    assert!(authenticator.serves(SchemeName::Basic) && authenticator.serves(SchemeName::Anonymous));
    assert!(!authenticator.serves(SchemeName::Keystone));
    assert_eq!(authenticator.warnings(), ["binding admin-1: users.htpasswd has no user \"gone\""]);
}

#[tokio::test]
async fn roles_come_from_all_bindings_that_match() {
    let authenticator = authenticator(|_config| {});
    let check = async |user: Option<(&str, &str)>, address: &str, roles: &[&str], names: &[&str]| {
        let value = user.map(|(user, password)| basic(user, password));
        let headers = value.map_or_else(HeaderMap::new, |value| headers(&[("authorization", value.as_bytes())]));
        let principal = authenticator.authenticate(&headers, &peer(address), ALL).await.unwrap();
        assert_eq!(principal.roles().iter().map(AsRef::as_ref).collect::<Vec<&str>>(), roles, "{user:?} {address}");
        assert_eq!(principal.bindings().iter().map(AsRef::as_ref).collect::<Vec<&str>>(), names, "{user:?} {address}");
    };
    let (admin, operator) = (Some(("admin", CANARY)), Some(("operator", "other")));
    check(admin, "192.0.2.1", &["admin"], &["admin-1"]).await;
    check(admin, "10.1.2.3", &["admin", "reader"], &["admin-1", "inside"]).await;
    check(admin, "a unix socket", &["admin"], &["admin-1"]).await;
    check(operator, "192.0.2.1", &[], &[]).await;
    check(operator, "::ffff:10.1.2.3", &["admin", "reader"], &["inside"]).await;
    check(operator, "2001:db8::1", &["admin", "reader"], &["inside"]).await;
    check(operator, "2001:db8::2", &[], &[]).await;
    check(None, "10.1.2.3", &["ramdisk"], &["ramdisk-3"]).await;
}

#[tokio::test]
async fn a_user_named_anonymous_is_not_anonymous() {
    let line = format!("anonymous:{}", hash(&"x".into(), 4).unwrap());
    let bindings = bindings(r#"binding = [{ role = "ramdisk", anonymous = true }]"#).unwrap();
    let basic_config = BasicConfig::new("f", line.into());
    let authenticator = Authenticator::new(AuthenticatorConfig {
        basic: Some(basic_config),
        bindings,
        ..AuthenticatorConfig::default()
    })
    .unwrap();
    let principal = ask(&authenticator, &basic("anonymous", "x"), ALL).await.unwrap();
    assert_eq!((principal.scheme(), principal.roles().len()), (SchemeName::Basic, 0));
}

#[test]
fn htpasswd_lines_are_checked() {
    use HtpasswdFault as F;
    let check = |text: &str, line: usize, fault: F| {
        let basic = BasicConfig::new("users.htpasswd", text.into());
        let found = Authenticator::new(AuthenticatorConfig {
            basic: Some(basic),
            bindings: Vec::new(),
            ..AuthenticatorConfig::default()
        })
        .err()
        .unwrap();
        let error = HtpasswdError { file: "users.htpasswd".to_owned(), line, fault };
        assert_eq!(found, AuthenticatorError::Htpasswd(error));
        let shown = format!("{found} {found:?}");
        assert!(shown.starts_with(&format!("users.htpasswd:{line}: ")) && !shown.contains(CANARY), "{shown}");
    };
    let good = hash(&CANARY.into(), 4).unwrap();
    check(CANARY, 1, F::Colon);
    check(&format!("# users\n\nadmin:{CANARY}"), 3, F::Kind);
    for (kind, fault) in [("$2x$", F::Kind), ("$apr1$", F::Kind), ("{SHA}", F::Kind), ("$6$", F::Kind), ("", F::Kind)] {
        check(&format!("admin:{kind}{CANARY}"), 1, fault);
    }
    check(&format!("admin:{}", good.strip_suffix(char::is_alphanumeric).unwrap_or("$2y$")), 1, F::Damaged);
    check(&format!("admin:{good}:{CANARY}"), 1, F::Damaged);
    check(&format!("admin:{}", good.replace("$04$", "$0x$")), 1, F::Damaged);
    check(&format!("admin:{}", good.replace("$04$", "$03$")), 1, F::Cost(3));
    check(&format!("admin:{}", good.replace("$04$", "$15$")), 1, F::Cost(15));
    check(&format!("admin:{good}\nadmin:{good}"), 2, F::Duplicate(1));
    for user in ["", " admin", "admin ", "ad\u{1}min", &"u".repeat(1025)] {
        check(&format!("{user}:{good}"), 1, F::User);
    }
}

#[tokio::test]
async fn every_kind_of_bcrypt_hash_is_taken() {
    let good = hash(&CANARY.into(), 4).unwrap();
    for kind in ["$2a$", "$2b$", "$2y$"] {
        let line = format!("admin:{}  \n", good.replace("$2y$", kind));
        let basic_config = Some(BasicConfig::new("f", line.into()));
        let authenticator = Authenticator::new(AuthenticatorConfig {
            basic: basic_config,
            bindings: Vec::new(),
            ..AuthenticatorConfig::default()
        });
        assert!(ask(&authenticator.unwrap(), &basic("admin", CANARY), BASIC).await.is_ok(), "{kind}");
    }
    // Made by another implementation (Python's bcrypt).
    let line = "someone:$2b$04$83iDIj9fHxpBt8EE3Iw5oOOgqGm5Q8n4VeSXzvXq1tL4vmn.0Bsj.";
    let basic_config = Some(BasicConfig::new("f", line.into()));
    let authenticator = Authenticator::new(AuthenticatorConfig {
        basic: basic_config,
        bindings: Vec::new(),
        ..AuthenticatorConfig::default()
    })
    .unwrap();
    assert!(ask(&authenticator, &basic("someone", "pässword: with colon"), BASIC).await.is_ok());
    assert!(ask(&authenticator, &basic("someone", "pässword: with"), BASIC).await.is_err());
    for (password, cost, expected) in [
        ("", 4, HashError::Password),
        ("a\nb", 4, HashError::Password),
        (&*"p".repeat(73), 4, HashError::Password),
        ("p", 3, HashError::Cost(3)),
        ("p", 15, HashError::Cost(15)),
    ] {
        assert_eq!(hash(&password.into(), cost), Err(expected));
    }
}

/// What holds secrets has no `Debug`: the inherent constant is taken only where there is one.
#[test]
fn what_holds_secrets_cannot_be_printed() {
    trait Silent {
        const PRINTS: bool = false;
    }
    struct Probe<T>(std::marker::PhantomData<T>);
    impl<T> Silent for Probe<T> {}
    impl<T: Debug> Probe<T> {
        const PRINTS: bool = true;
    }
    const { assert!(Probe::<AuthnError>::PRINTS, "the probe works") };
    const { assert!(!Probe::<BasicConfig>::PRINTS) };
    const { assert!(!Probe::<AuthenticatorConfig>::PRINTS) };
    const { assert!(!Probe::<Authenticator>::PRINTS) };
    const { assert!(!Probe::<JwtFacts>::PRINTS) };
    const { assert!(!Probe::<JwtConfig>::PRINTS) };
    const { assert!(!Probe::<Jwt>::PRINTS) };
    const { assert!(!Probe::<Identity>::PRINTS) };
    const { assert!(!Probe::<super::basic::Basic>::PRINTS) };
    const { assert!(!Probe::<super::credential::BasicCredential>::PRINTS) };
    const { assert!(!Probe::<super::htpasswd::PasswordHash>::PRINTS) };
}
