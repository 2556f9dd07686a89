//! How long what Keystone said is believed.

use super::*;

#[tokio::test]
async fn bad_tokens_are_remembered_shortly() {
    let (fake, clock) = (Fake::start(Says::Answer(404, "{}".into())).await, Clock::stopped());
    let authenticator = authenticator(&fake, |config| {
        config.rejected_for = Duration::from_secs(10);
        config.clock = clock.clone();
    });
    check("bad", ask_token(&authenticator, &token(1)).await, Err(KeystoneError::Rejected));
    fake.now_says(good());
    clock.advance(Duration::from_millis(9_999));
    check("still bad", ask_token(&authenticator, &token(1)).await, Err(KeystoneError::Rejected));
    assert_eq!(fake.calls(), 1);
    clock.advance(Duration::from_millis(1));
    check("good by now", ask_token(&authenticator, &token(1)).await, Ok(()));
}

#[tokio::test]
async fn a_revoked_token_is_refused_after_the_window() {
    let (fake, clock) = (Fake::start(good()).await, Clock::stopped());
    let authenticator = authenticator(&fake, |config| {
        config.revocation_window = Duration::from_secs(10);
        config.clock = clock.clone();
    });
    check("good", ask_token(&authenticator, &token(1)).await, Ok(()));
    fake.now_says(Says::Answer(404, "{}".into()));
    clock.advance(Duration::from_millis(9_999));
    check("within the window", ask_token(&authenticator, &token(1)).await, Ok(()));
    clock.advance(Duration::from_millis(1));
    check("after it", ask_token(&authenticator, &token(1)).await, Err(KeystoneError::Rejected));
}

#[tokio::test]
async fn the_window_counts_from_the_question() {
    let fake = Fake::start(Says::Slow(Duration::from_millis(250), document(|_| {}))).await;
    let authenticator = authenticator(&fake, |config| config.revocation_window = Duration::from_millis(200));
    check("good", ask_token(&authenticator, &token(1)).await, Ok(()));
    check("asked again", ask_token(&authenticator, &token(1)).await, Ok(()));
    assert_eq!(fake.calls(), 2);
}

#[tokio::test]
async fn nothing_is_remembered_past_its_expiry() {
    let clock = Clock::stopped();
    let expires = jiff::Timestamp::try_from(clock.today()).unwrap() + jiff::SignedDuration::from_secs(10);
    let fake = Fake::start(Says::Answer(200, document(|token| token["expires_at"] = json!(expires.to_string())))).await;
    let authenticator = authenticator(&fake, |config| {
        config.revocation_window = Duration::from_secs(60);
        config.clock = clock.clone();
    });
    check("good", ask_token(&authenticator, &token(1)).await, Ok(()));
    clock.advance(Duration::from_millis(9_999));
    check("good still", ask_token(&authenticator, &token(1)).await, Ok(()));
    assert_eq!(fake.calls(), 1);
    clock.advance(Duration::from_millis(1));
    check("expired", ask_token(&authenticator, &token(1)).await, Err(KeystoneError::Rejected));
    assert_eq!(fake.calls(), 2);
}

#[tokio::test]
async fn a_flood_of_good_tokens_displaces_none_in_use() {
    let fake = Fake::start(good()).await;
    let authenticator = authenticator(&fake, |config| config.remembered_max = 100);
    for number in 1..=1000 {
        check("in use", ask_token(&authenticator, &token(0)).await, Ok(()));
        check("new", ask_token(&authenticator, &token(number)).await, Ok(()));
    }
    assert_eq!(fake.calls(), 1001, "the one in use was asked about once");
}
