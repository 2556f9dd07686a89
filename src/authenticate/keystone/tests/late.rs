//! A user's token that has expired, brought by a service.

use super::*;

/// Whose they are: good, expired, a service's, another service's that Keystone will not have ask.
const GOOD: usize = 1;
const EXPIRED: usize = 2;
const SERVICE: usize = 3;
const FORBIDDEN: usize = 4;

fn header(name: &str, number: usize) -> String {
    format!("{name}: {}\r\n", token(number)).to_lowercase()
}

fn expired(seconds: i64) -> String {
    let ago = jiff::Timestamp::now() - jiff::SignedDuration::from_secs(seconds);
    document(|token| token["expires_at"] = json!(ago.to_string()))
}

/// Like the real one: an expired token cannot ask, and is told of only to who may ask about others and says that he wants it.
fn keystone(head: &str) -> (u16, String) {
    let asks = |number| head.contains(&header("x-auth-token", number));
    let about = |number| head.contains(&header("x-subject-token", number));
    let late = head.starts_with("get /v3/auth/tokens?nocatalog&allow_expired=1 ");
    if asks(EXPIRED) {
        (401, String::new())
    } else if about(EXPIRED) && asks(FORBIDDEN) {
        (403, String::new())
    } else if about(EXPIRED) {
        if late { (200, expired(60)) } else { (404, String::new()) }
    } else {
        (200, document(|token| token["roles"] = json!([{"name": "service"}])))
    }
}

async fn both(authenticator: &Authenticator, user: usize, service: usize) -> Result<Principal, AuthnError> {
    let (user, service) = (token(user), token(service));
    ask(authenticator, &[("X-Auth-Token", &user), ("X-Service-Token", &service)]).await
}

#[tokio::test]
async fn a_service_may_bring_an_expired_token() {
    let fake = Fake::start(Says::Judge(keystone)).await;
    let authenticator = authenticator(&fake, |_| {});
    check("alone", ask_token(&authenticator, &token(EXPIRED)).await, Err(KeystoneError::Rejected));
    let principal = both(&authenticator, EXPIRED, SERVICE).await.unwrap();
    assert_eq!(principal.keystone().unwrap().service_roles, ["service".into()]);
    let last = fake.heads().pop().unwrap().to_lowercase();
    assert!(last.starts_with("get /v3/auth/tokens?nocatalog&allow_expired=1 "), "{last}");
    assert!(last.contains(&header("x-auth-token", SERVICE)) && last.contains("openstack-identity-access-rules: 1.0"));
    // Remembered, and nothing of it helps the token alone or in other company.
    let calls = fake.calls();
    check("again", both(&authenticator, EXPIRED, SERVICE).await, Ok(()));
    check("alone again", ask_token(&authenticator, &token(EXPIRED)).await, Err(KeystoneError::Rejected));
    assert_eq!(fake.calls(), calls);
    check("a service that may not ask", both(&authenticator, EXPIRED, FORBIDDEN).await, Err(KeystoneError::Rejected));
    check("a good one", both(&authenticator, GOOD, SERVICE).await, Ok(()));
    let late = fake.heads().iter().filter(|head| head.contains("allow_expired")).count();
    assert_eq!(late, 2, "only expired tokens are asked about so");
}

#[tokio::test]
async fn only_what_proves_a_role_counts() {
    let fake = Fake::start(Says::Judge(keystone)).await;
    let lax = authenticator(&fake, |config| {
        config.service_roles = vec!["other".into()];
        config.service_roles_required = false;
    });
    check("no role", both(&lax, EXPIRED, SERVICE).await, Err(KeystoneError::Rejected));
    let strict = authenticator(&fake, |config| config.service_roles = vec!["other".into()]);
    check("a role is required", both(&strict, EXPIRED, SERVICE).await, Err(KeystoneError::ServiceRole));
    // An expired service token proves nothing at all.
    let authenticator = authenticator(&fake, |_| {});
    check("expired itself", both(&authenticator, GOOD, EXPIRED).await, Err(KeystoneError::ServiceToken));
    assert!(!fake.heads().iter().any(|head| head.contains("allow_expired")));
}

#[tokio::test]
async fn the_time_is_bounded() {
    let fake = Fake::start(Says::Judge(keystone)).await;
    let with = |seconds| super::authenticator(&fake, |config| config.allow_expired = Duration::from_secs(seconds));
    check("a minute ago, and more is allowed", both(&with(70), EXPIRED, SERVICE).await, Ok(()));
    // Whatever Keystone's own window is.
    check("longer ago than allowed", both(&with(50), EXPIRED, SERVICE).await, Err(KeystoneError::Rejected));
    let calls = fake.calls();
    check("never", both(&with(0), EXPIRED, SERVICE).await, Err(KeystoneError::Rejected));
    assert_eq!(fake.calls(), calls + 2, "the service's token and the user's, once each");
    // What is remembered ends with the window, too.
    let clock = Clock::stopped();
    let authenticator = super::authenticator(&fake, |config| {
        config.allow_expired = Duration::from_secs(70);
        config.clock = clock.clone();
    });
    check("just within", both(&authenticator, EXPIRED, SERVICE).await, Ok(()));
    clock.advance(Duration::from_secs(11));
    let calls = fake.calls();
    check("no more", both(&authenticator, EXPIRED, SERVICE).await, Err(KeystoneError::Rejected));
    assert!(fake.calls() > calls, "it was asked again");
    fake.now_says(Says::Judge(|head| if head.contains("allow_expired") { (200, expired(71)) } else { keystone(head) }));
    check("no more", both(&authenticator, EXPIRED, SERVICE).await, Err(KeystoneError::Rejected));
}

#[tokio::test]
async fn a_service_that_is_good_no_more() {
    let fake = Fake::start(Says::Judge(keystone)).await;
    let authenticator = authenticator(&fake, |_| {});
    check("good", both(&authenticator, GOOD, SERVICE).await, Ok(()));
    // Still remembered here, and revoked there.
    fake.now_says(Says::Judge(|_| (401, String::new())));
    check("revoked", both(&authenticator, EXPIRED, SERVICE).await, Err(KeystoneError::ServiceToken));
    fake.now_says(Says::Judge(
        |head| if head.contains("allow_expired") { (500, String::new()) } else { keystone(head) },
    ));
    check("Keystone fails", both(&authenticator, EXPIRED, SERVICE).await, Err(KeystoneError::Status));
    fake.now_says(Says::Judge(keystone));
    check("and is back", both(&authenticator, EXPIRED, SERVICE).await, Ok(()));
}

#[tokio::test]
async fn a_stampede_with_an_expired_token_makes_three_calls() {
    let fake = Fake::start(Says::Judge(keystone)).await;
    let authenticator = authenticator(&fake, |_| {});
    let asked: Vec<_> = (0..100)
        .map(|_| {
            let authenticator = Arc::clone(&authenticator);
            tokio::spawn(async move { both(&authenticator, EXPIRED, SERVICE).await.is_ok() })
        })
        .collect();
    for answer in asked {
        assert!(answer.await.unwrap());
    }
    assert_eq!(fake.calls(), 3, "the service's token, the user's, and the user's by the service's");
}
