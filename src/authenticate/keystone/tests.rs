use std::net::IpAddr;

use http::{HeaderMap, HeaderName, StatusCode};
use serde_json::{Value, json};

use super::super::{Authenticator, AuthenticatorConfig, Peer, Principal, RawBinding};
use super::*;
use fake::{Fake, Says};

mod fake;
mod late;
mod memory;
mod reload;
mod signed;
mod tls;

/// Must never be seen in anything printed.
const CANARY: &str = "canary3b9f";
const SCHEMES: &[SchemeName] = &[SchemeName::Keystone, SchemeName::Anonymous];

fn token(number: usize) -> String {
    format!("gAAAA{CANARY}{number:0>100}")
}

fn document(change: impl FnOnce(&mut Value)) -> String {
    let expires = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(3600);
    let mut document = json!({"token": {
        "methods": ["password"],
        "user": {"id": "u1", "name": "alice", "domain": {"id": "default", "name": "Default"}, "password_expires_at": null},
        "expires_at": expires.to_string(),
        "issued_at": "2026-01-01T00:00:00.000000Z",
        "audit_ids": ["x"],
        "project": {"id": "p1", "name": "metal", "domain": {"id": "default", "name": "Default"}},
        "is_domain": false,
        "roles": [{"id": "r1", "name": "member"}, {"id": "r2", "name": "reader"}],
    }});
    change(&mut document["token"]);
    document.to_string()
}

fn good() -> Says {
    Says::Answer(200, document(|_| {}))
}

fn config(fake: &Fake, change: impl FnOnce(&mut KeystoneConfig)) -> KeystoneConfig {
    let url = format!("http://{}/v3", fake.address);
    let mut config = KeystoneConfig::new(&url, None, Duration::from_secs(1)).unwrap();
    config.timeout = Duration::from_secs(2);
    change(&mut config);
    config
}

fn authenticator(fake: &Fake, change: impl FnOnce(&mut KeystoneConfig)) -> Arc<Authenticator> {
    let binding = RawBinding { role: Some("admin".into()), authenticated: Some(true), ..RawBinding::default() };
    let bindings = vec![binding.check(1).unwrap()];
    let keystone = Some(config(fake, change));
    Arc::new(Authenticator::new(AuthenticatorConfig { keystone, bindings, ..AuthenticatorConfig::default() }).unwrap())
}

fn headers(rows: &[(&str, &str)]) -> HeaderMap {
    let row = |(name, value): &(&str, &str)| (HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
    rows.iter().map(row).collect()
}

async fn ask(authenticator: &Authenticator, rows: &[(&str, &str)]) -> Result<Principal, AuthnError> {
    let peer = Peer { address: "192.0.2.1".parse::<IpAddr>().ok(), tls: true, certificate: None };
    authenticator.authenticate(&headers(rows), &peer, SCHEMES).await
}

async fn ask_token(authenticator: &Authenticator, token: &str) -> Result<Principal, AuthnError> {
    ask(authenticator, &[("X-Auth-Token", token)]).await
}

/// One answer of Keystone's, and what the caller hears.
#[track_caller]
fn check(named: &str, found: Result<Principal, AuthnError>, expected: Result<(), KeystoneError>) {
    assert_eq!(found.map(|_| ()), expected.map_err(AuthnError::Keystone), "{named}");
}

#[tokio::test]
async fn a_good_token_proves_what_keystone_says() {
    let fake = Fake::start(good()).await;
    let authenticator = authenticator(&fake, |_| {});
    let principal = ask_token(&authenticator, &token(1)).await.unwrap();
    assert_eq!((principal.scheme(), principal.name()), (SchemeName::Keystone, "u1"));
    assert_eq!(principal.roles(), ["admin".into()]);
    let facts = principal.keystone().unwrap();
    assert_eq!((&*facts.user_name, &*facts.user_domain_id, facts.scope()), ("alice", "default", "project"));
    assert_eq!(facts.roles, ["member".into(), "reader".into()]);
    assert!(!facts.is_admin_project && !facts.system);
    assert_eq!(principal.token().unwrap().user(), token(1).as_str());
    let head = fake.heads().remove(0).to_lowercase();
    assert!(head.starts_with("get /v3/auth/tokens?nocatalog http/1.1\r\n"), "{head}");
    for header in ["x-auth-token", "x-subject-token"] {
        assert!(head.contains(&format!("{header}: {}\r\n", token(1).to_lowercase())), "{head}");
    }
    assert!(head.contains("openstack-identity-access-rules: 1.0\r\n"), "{head}");
    // Remembered.
    ask_token(&authenticator, &token(1)).await.unwrap();
    assert_eq!((fake.calls(), authenticator.token_validations()), (1, 1));
}

#[tokio::test]
async fn what_keystone_says_decides() {
    type Change = fn(&mut Value);
    let good: &[(&str, Change)] = &[
        ("project", |_| {}),
        ("system", |token| {
            token["project"].take();
            token["system"] = json!({"all": true});
        }),
        ("domain", |token| {
            token["project"].take();
            token["domain"] = json!({"id": "d", "name": "D"});
        }),
        ("no roles", |token| token["roles"] = json!([])),
        ("trust", |token| token["OS-TRUST:trust"] = json!({"id": "t", "impersonation": false})),
    ];
    let bad: &[(&str, Change, KeystoneError)] = &[
        ("unscoped", |token| drop(token["project"].take()), KeystoneError::Unscoped),
        ("two scopes", |token| token["system"] = json!({"all": true}), KeystoneError::Nonsense),
        ("part of the system", |token| token["system"] = json!({"all": false}), KeystoneError::Nonsense),
        ("expired", |token| token["expires_at"] = json!("2020-01-01T00:00:00.000000Z"), KeystoneError::Rejected),
        ("no expiry", |token| drop(token["expires_at"].take()), KeystoneError::Nonsense),
        ("odd expiry", |token| token["expires_at"] = json!("tomorrow"), KeystoneError::Nonsense),
        ("no user", |token| drop(token["user"].take()), KeystoneError::Nonsense),
        ("no user id", |token| token["user"]["id"] = json!(""), KeystoneError::Nonsense),
        ("long name", |token| token["user"]["name"] = json!("x".repeat(2000)), KeystoneError::Nonsense),
        ("no domain", |token| drop(token["user"]["domain"].take()), KeystoneError::Nonsense),
        ("roles of another kind", |token| token["roles"] = json!({"name": "admin"}), KeystoneError::Nonsense),
        ("a role without a name", |token| token["roles"] = json!([{"id": "x"}]), KeystoneError::Nonsense),
        ("admin project as text", |token| token["is_admin_project"] = json!("true"), KeystoneError::Nonsense),
        ("bound to a certificate", |token| token["oauth2_credential"] = json!({"x5t#S256": "x"}), KeystoneError::Bound),
    ];
    let fake = Fake::start(Says::Nothing).await;
    for (named, change) in good {
        fake.now_says(Says::Answer(200, document(change)));
        check(named, ask_token(&authenticator(&fake, |_| {}), &token(1)).await, Ok(()));
    }
    for (named, change, expected) in bad {
        fake.now_says(Says::Answer(200, document(change)));
        check(named, ask_token(&authenticator(&fake, |_| {}), &token(1)).await, Err(*expected));
    }
}

#[tokio::test]
async fn every_scope_is_told_apart() {
    let found = async |change: fn(&mut Value)| {
        let fake = Fake::start(Says::Answer(200, document(change))).await;
        let principal = ask_token(&authenticator(&fake, |_| {}), &token(1)).await.unwrap();
        principal.keystone().unwrap().clone()
    };
    let project = found(|token| token["is_admin_project"] = json!(true)).await;
    assert_eq!((project.scope(), project.is_admin_project, project.system), ("project", true, false));
    assert_eq!(&*project.project.unwrap().name, "metal");
    let system = found(|token| {
        token["project"].take();
        token["system"] = json!({"all": true});
    });
    let system = system.await;
    assert_eq!((system.scope(), system.system, system.project, system.is_admin_project), ("system", true, None, false));
    let domain = found(|token| {
        token["project"].take();
        token["domain"] = json!({"id": "d1", "name": "D"});
    });
    let domain = domain.await;
    assert_eq!((domain.scope(), &*domain.domain.unwrap().id, domain.project), ("domain", "d1", None));
    let trust = found(|token| token["OS-TRUST:trust"] = json!({"id": "t1", "impersonation": false})).await;
    assert_eq!(trust.trust_id.as_deref(), Some("t1"));
    let limited = found(|token| token["application_credential"] = json!({"id": "a1", "access_rules": []})).await;
    let limited = limited.application_credential.unwrap();
    assert_eq!((&*limited.id, limited.access_rules), ("a1", Some(Vec::new())));
}

#[tokio::test]
async fn nonsense_is_never_a_permit() {
    let error = |code: u16| format!("{{\"error\": {{\"code\": {code}}}}}\n");
    let rows = [
        ("html", Says::Answer(200, "<html>maintenance</html>".into()), KeystoneError::Nonsense),
        ("nothing", Says::Answer(200, String::new()), KeystoneError::Nonsense),
        ("other json", Says::Answer(200, "{}".into()), KeystoneError::Nonsense),
        ("a list", Says::Answer(200, "[]".into()), KeystoneError::Nonsense),
        ("missing fields", Says::Answer(200, r#"{"token": {"user": {"id": "x"}}}"#.into()), KeystoneError::Nonsense),
        ("twice", Says::Answer(200, format!("{0}{0}", document(|_| {}))), KeystoneError::Nonsense),
        ("huge", Says::Answer(200, document(|token| token["x"] = "x".repeat(1 << 20).into())), KeystoneError::Nonsense),
        ("201", Says::Answer(201, document(|_| {})), KeystoneError::Status),
        ("204", Says::Answer(204, String::new()), KeystoneError::Status),
        ("300", Says::Answer(300, document(|_| {})), KeystoneError::Status),
        ("403", Says::Answer(403, error(403)), KeystoneError::Status),
        ("429", Says::Answer(429, error(429)), KeystoneError::Status),
        ("500", Says::Answer(500, error(500)), KeystoneError::Status),
        ("503", Says::Answer(503, error(503)), KeystoneError::Status),
        ("401", Says::Answer(401, error(401)), KeystoneError::Rejected),
        ("404", Says::Answer(404, error(404)), KeystoneError::Rejected),
        ("another's", Says::With(200, "X-Subject-Token: gAAAAother\r\n", document(|_| {})), KeystoneError::Nonsense),
        ("closed", Says::Close, KeystoneError::Unreachable),
        ("silent", Says::Nothing, KeystoneError::TimedOut),
    ];
    let fake = Fake::start(Says::Nothing).await;
    for (named, says, expected) in rows {
        fake.now_says(says);
        let authenticator = authenticator(&fake, |config| config.timeout = Duration::from_secs(1));
        let found = ask_token(&authenticator, &token(1)).await;
        let error = found.as_ref().unwrap_err();
        assert_eq!(error.retry_after().is_some(), error.status() == StatusCode::SERVICE_UNAVAILABLE, "{named}");
        check(named, found, Err(expected));
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Fake::start(good()).await;
    let location: &'static str = format!("Location: http://{}/v3/auth/tokens\r\n", elsewhere.address).leak();
    for status in [301, 302, 303, 307, 308] {
        let fake = Fake::start(Says::With(status, location, String::new())).await;
        check("redirect", ask_token(&authenticator(&fake, |_| {}), &token(1)).await, Err(KeystoneError::Status));
    }
    assert_eq!(elsewhere.calls(), 0);
}

#[tokio::test]
async fn a_stampede_makes_one_call() {
    let fake = Fake::start(Says::Slow(Duration::from_millis(100), document(|_| {}))).await;
    let authenticator = authenticator(&fake, |_| {});
    let ask = |_| {
        let authenticator = Arc::clone(&authenticator);
        tokio::spawn(async move { ask_token(&authenticator, &token(1)).await.is_ok() })
    };
    let asked: Vec<_> = (0..500).map(ask).collect();
    for answer in asked {
        assert!(answer.await.unwrap());
    }
    assert_eq!(fake.calls(), 1);
}

#[tokio::test]
async fn a_caller_who_hangs_up_does_not_take_the_answer_along() {
    let fake = Fake::start(Says::Slow(Duration::from_millis(200), document(|_| {}))).await;
    let authenticator = authenticator(&fake, |_| {});
    let first = tokio::spawn({
        let authenticator = Arc::clone(&authenticator);
        async move { ask_token(&authenticator, &token(1)).await.is_ok() }
    });
    while fake.calls() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    first.abort();
    check("the second", ask_token(&authenticator, &token(1)).await, Ok(()));
    assert_eq!(fake.calls(), 1);
}

#[tokio::test]
async fn odd_texts_cost_keystone_nothing() {
    let fake = Fake::start(good()).await;
    let authenticator = authenticator(&fake, |_| {});
    let long = "a".repeat(9000);
    let rows = [
        "secret".to_owned(),
        "d34db33fd34db33fd34db33fd34db33f".to_owned(),
        "gAAAAshort".to_owned(),
        format!("{} ", token(1)).trim_end().replace("canary", "can ry"),
        token(1).replace("canary", "can/ry"),
        token(1).replace("canary", "can%ry"),
        format!("{}===", token(1)),
        format!("gAAAA{long}"),
        format!("{long}.a.b"),
        "a.b".to_owned(),
        "a.b.c.d".to_owned(),
        "a..c".to_owned(),
        "a.b.c=".to_owned(),
        "a.b.c\u{e9}".to_owned(),
    ];
    for text in rows {
        let mut headers = HeaderMap::new();
        headers.insert("x-auth-token", HeaderValue::from_bytes(text.as_bytes()).unwrap());
        let found =
            authenticator.authenticate(&headers, &Peer { address: None, tls: true, certificate: None }, SCHEMES).await;
        check(&text, found, Err(KeystoneError::Shape));
    }
    assert_eq!(fake.calls(), 0);
    check("padded", ask_token(&authenticator, &format!("{}==", token(1))).await, Ok(()));
}

#[tokio::test]
async fn a_service_token_must_be_one() {
    let fake = Fake::start(good()).await;
    let authenticator = authenticator(&fake, |config| config.service_roles = vec!["reader".into()]);
    let both = [("X-Auth-Token", token(1)), ("X-Service-Token", token(2))];
    let both: Vec<(&str, &str)> = both.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let principal = ask(&authenticator, &both).await.unwrap();
    assert_eq!(principal.keystone().unwrap().service_roles, ["member".into(), "reader".into()]);
    assert_eq!(principal.token().unwrap().service().unwrap(), token(2).as_str());
    check("alone", ask(&authenticator, &both[1..]).await, Err(KeystoneError::ServiceTokenAlone));
    let garbage = [both[0], ("X-Service-Token", "garbage")];
    check("garbage", ask(&authenticator, &garbage).await, Err(KeystoneError::ServiceToken));

    let strict = super::tests::authenticator(&fake, |_| {});
    check("no service role", ask(&strict, &both).await, Err(KeystoneError::ServiceRole));
    let lax = super::tests::authenticator(&fake, |config| config.service_roles_required = false);
    assert!(ask(&lax, &both).await.unwrap().keystone().unwrap().service_roles.is_empty());
    fake.now_says(Says::Answer(404, "{}".into()));
    check("bad", ask(&super::tests::authenticator(&fake, |_| {}), &both).await, Err(KeystoneError::ServiceToken));
}

/// A Keystone gives one body to all who ask, so this one is token and validation alike.
#[tokio::test]
async fn irongates_own_user_may_ask() {
    let own = "X-Subject-Token: gAAAAown\r\n";
    let credential = ServiceCredential::read(
        &"username = 'g'\nuser_domain_name = 'D'\npassword = 'canary3b9f'\nproject_name = 'p'\nproject_domain_name = 'D'"
            .into(),
    );
    let fake = Fake::start(Says::With(201, own, document(|_| {}))).await;
    let authenticator = authenticator(&fake, |config| config.service = credential.ok());
    // The validation's status is not 200, and its token is another.
    check("201", ask_token(&authenticator, &token(1)).await, Err(KeystoneError::Status));
    fake.now_says(good());
    check("good", ask_token(&authenticator, &token(2)).await, Ok(()));
    let heads = fake.heads();
    assert!(heads[0].starts_with("POST /v3/auth/tokens?nocatalog "), "{heads:?}");
    assert!(heads[2].to_lowercase().contains("x-auth-token: gaaaaown\r\n"), "{heads:?}");
    assert_eq!(heads.len(), 3, "the own token is kept");
    fake.now_says(Says::Answer(404, "{}".into()));
    check("unknown", ask_token(&authenticator, &token(3)).await, Err(KeystoneError::Rejected));
    fake.now_says(Says::Answer(401, "{}".into()));
    check("own token refused", ask_token(&authenticator, &token(4)).await, Err(KeystoneError::OwnCredential));
    fake.now_says(Says::Answer(403, "{}".into()));
    check("no right", ask_token(&authenticator, &token(5)).await, Err(KeystoneError::OwnCredential));
}

#[test]
fn service_credentials() {
    let read = |text: &str| ServiceCredential::read(&text.into()).map(|credential| credential.request().to_owned());
    assert_eq!(
        read("application_credential_id = 'i'\napplication_credential_secret = 's\"'").unwrap(),
        r#"{"auth":{"identity":{"methods":["application_credential"],"application_credential":{"id":"i","secret":"s\""}}}}"#
    );
    assert_eq!(
        read("username='u'\nuser_domain_name='D'\npassword='w'\nproject_name='p'\nproject_domain_name='E'").unwrap(),
        r#"{"auth":{"identity":{"methods":["password"],"password":{"user":{"name":"u","domain":{"name":"D"},"password":"w"}}},"scope":{"project":{"name":"p","domain":{"name":"E"}}}}}"#
    );
    for wrong in ["", "u:w", "username='u'\npassword='w'", "application_credential_id='i'"] {
        assert_eq!(read(wrong), Err(ServiceCredentialError), "{wrong}");
    }
}

#[tokio::test]
async fn while_keystone_is_away_others_are_told_at_once() {
    let (fake, clock) = (Fake::start(good()).await, Clock::stopped());
    let authenticator = authenticator(&fake, |config| {
        config.timeout = Duration::from_secs(1);
        config.clock = clock.clone();
    });
    check("good", ask_token(&authenticator, &token(0)).await, Ok(()));
    for (number, says, expected) in [
        (1, Says::Close, KeystoneError::Unreachable),
        (2, Says::Close, KeystoneError::Unreachable),
        (3, Says::Nothing, KeystoneError::TimedOut),
    ] {
        fake.now_says(says);
        check("fails", ask_token(&authenticator, &token(number)).await, Err(expected));
    }
    let calls = fake.calls();
    clock.advance(Duration::from_millis(999));
    for number in 10..60 {
        check("at once", ask_token(&authenticator, &token(number)).await, Err(KeystoneError::Unreachable));
        check("remembered", ask_token(&authenticator, &token(0)).await, Ok(()));
    }
    assert_eq!(fake.calls(), calls);
    fake.now_says(good());
    clock.advance(Duration::from_millis(1));
    check("back", ask_token(&authenticator, &token(100)).await, Ok(()));
    check("for all", ask_token(&authenticator, &token(101)).await, Ok(()));
}

#[tokio::test]
async fn a_flood_of_new_tokens_is_bounded() {
    let fake = Fake::start(Says::Slow(Duration::from_millis(300), document(|_| {}))).await;
    let authenticator = authenticator(&fake, |config| {
        config.connections_max = 2;
        config.validations_max = 5;
        config.timeout = Duration::from_secs(10);
    });
    let ask = |number| {
        let authenticator = Arc::clone(&authenticator);
        tokio::spawn(async move { ask_token(&authenticator, &token(number)).await.map(|_| ()) })
    };
    let mut busy = 0;
    let asked: Vec<_> = (0..20).map(ask).collect();
    for answer in asked {
        busy += usize::from(answer.await.unwrap() == Err(AuthnError::Keystone(KeystoneError::Busy)));
    }
    assert_eq!((busy, fake.calls()), (15, 5));
}

#[tokio::test]
async fn keystone_that_is_not_there() {
    let fake = Fake::start(good()).await;
    let url = "http://127.0.0.1:1/v3";
    let authenticator =
        authenticator(&fake, |config| *config = KeystoneConfig::new(url, None, Duration::from_secs(1)).unwrap());
    let found = ask_token(&authenticator, &token(1)).await;
    assert_eq!(found.as_ref().unwrap_err().retry_after(), Some(2));
    check("refused", found, Err(KeystoneError::Unreachable));
}

#[tokio::test]
async fn the_token_is_not_printed() {
    let fake = Fake::start(good()).await;
    let authenticator = authenticator(&fake, |_| {});
    let printed = format!("{:?}", ask_token(&authenticator, &token(1)).await.unwrap());
    fake.now_says(Says::Answer(404, token(2)));
    let refused = ask_token(&authenticator, &token(2)).await.unwrap_err();
    let printed = format!("{printed} {refused} {refused:?} {}", refused.public_message());
    assert!(!printed.contains(CANARY), "{printed}");
}

#[test]
fn urls() {
    #[track_caller]
    fn check(url: &str, expected: Option<&str>) {
        let config = KeystoneConfig::new(url, None, Duration::from_secs(1));
        assert_eq!(config.ok().map(|config| config.www_authenticate_uri).as_deref(), expected, "{url}");
    }
    check("http://keystone:5000/v3", Some("http://keystone:5000"));
    check("https://keystone.example/identity/v3/", Some("https://keystone.example:443/identity"));
    check("http://[::1]:5000/v3", Some("http://[::1]:5000"));
    for wrong in [
        "",
        "keystone",
        "keystone:5000/v3",
        "ftp://keystone/v3",
        "http://keystone:5000",
        "http://keystone:5000/v2.0",
        "http://user:word@keystone:5000/v3",
        "http://keystone:5000/v3?x=y",
        "http://keystone:5000/v3#x",
    ] {
        check(wrong, None);
    }
}

#[test]
fn challenges_are_those_of_keystonemiddleware() {
    assert_eq!(challenge("http://keystone:5000").unwrap(), "Keystone uri=\"http://keystone:5000\"");
    for wrong in ["", "a\"b", "a b", "a\nb"] {
        assert!(challenge(wrong).is_err(), "{wrong:?}");
    }
}
