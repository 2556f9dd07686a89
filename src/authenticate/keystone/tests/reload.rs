//! A new configuration takes over what is remembered, unless something of it decides otherwise.

use super::*;

async fn asked_again(fake: &Fake, first: KeystoneConfig, second: KeystoneConfig) -> bool {
    let with = |keystone| {
        let keystone = Some(keystone);
        Authenticator::new(AuthenticatorConfig { keystone, ..AuthenticatorConfig::default() }).unwrap()
    };
    let (before, mut after) = (with(first), with(second));
    let known = ask_token(&before, &token(1)).await.is_ok();
    assert!(known);
    after.inherit(&before);
    let calls = fake.calls();
    assert_eq!(ask_token(&after, &token(1)).await.is_ok(), known);
    fake.calls() > calls
}

#[tokio::test]
async fn what_is_remembered_holds_while_nothing_decides_otherwise() {
    type Change = fn(&mut KeystoneConfig);
    let rows: &[(&str, bool, Change)] = &[
        ("nothing", false, |_| {}),
        ("the challenge", false, |config| config.www_authenticate_uri = "https://other".into()),
        ("bounds", false, |config| {
            config.timeout = Duration::from_secs(1);
            config.connections_max = 3;
            config.validations_max = 3;
        }),
        // Looked at anew for each request.
        ("service roles", false, |config| config.service_roles = vec!["other".into()]),
        ("the revocation window", true, |config| config.revocation_window = Duration::from_secs(299)),
        ("the time for bad ones", true, |config| config.rejected_for = Duration::from_secs(4)),
        ("the time for expired ones", true, |config| config.allow_expired = Duration::from_secs(4)),
        ("how many", true, |config| config.remembered_max = 9_999),
        ("the CA", true, |config| config.trusted = b"another".to_vec()),
        ("as whom irongate asks", true, |config| {
            let text = "application_credential_id = 'i'\napplication_credential_secret = 's'";
            config.service = ServiceCredential::read(&text.into()).ok();
        }),
    ];
    let fake = Fake::start(good()).await;
    for (named, expected, change) in rows {
        let (before, mut after) = (authenticator(&fake, |_| {}), authenticator(&fake, change));
        let changed = Arc::get_mut(&mut after).unwrap();
        changed.inherit(&before);
        assert_eq!(!same_memory(&before, changed), *expected, "{named}");
        if *named != "as whom irongate asks" {
            let asked = asked_again(&fake, config(&fake, |_| {}), config(&fake, change)).await;
            assert_eq!(asked, *expected, "{named}");
        }
    }
    let [signer, other, ..] = signed::signers();
    let keys = |keys: &[&signed::Signer]| {
        let keys = keys.iter().map(|signer| signer.public.clone()).collect();
        authenticator(&fake, |config| config.jws_keys = keys)
    };
    let agree = |before: Arc<Authenticator>, mut after: Arc<Authenticator>| {
        let after = Arc::get_mut(&mut after).unwrap();
        after.inherit(&before);
        same_memory(&before, after)
    };
    assert!(agree(keys(&[&signer]), keys(&[&signer])));
    assert!(!agree(keys(&[&signer]), keys(&[])), "Fernet tokens are taken now");
    assert!(!agree(keys(&[&signer]), keys(&[&other])), "another key");
    assert!(!agree(keys(&[&signer]), keys(&[&signer, &other])), "a key more");
}

#[tokio::test]
async fn another_keystone_is_asked() {
    let (fake, other) = (Fake::start(good()).await, Fake::start(good()).await);
    assert!(asked_again(&other, config(&fake, |_| {}), config(&other, |_| {})).await);
    let elsewhere = |url: String| KeystoneConfig::new(&url, None, Duration::from_secs(1)).unwrap();
    let first = elsewhere(format!("http://{}/v3", fake.address));
    let second = elsewhere(format!("http://{}/identity/v3", fake.address));
    assert!(asked_again(&fake, first, second).await, "another path");
}

#[tokio::test]
async fn a_refusal_holds_on_too() {
    let fake = Fake::start(Says::Answer(404, "{}".into())).await;
    let (before, mut after) = (authenticator(&fake, |_| {}), authenticator(&fake, |_| {}));
    check("before", ask_token(&before, &token(1)).await, Err(KeystoneError::Rejected));
    Arc::get_mut(&mut after).unwrap().inherit(&before);
    check("after", ask_token(&after, &token(1)).await, Err(KeystoneError::Rejected));
    assert_eq!(fake.calls(), 1);
}

fn same_memory(one: &Authenticator, other: &Authenticator) -> bool {
    let (one, other) = (one.keystone().unwrap(), other.keystone().unwrap());
    Arc::ptr_eq(&one.memory, &other.memory)
}
