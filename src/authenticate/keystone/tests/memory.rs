//! How long what Keystone said is believed.

use super::*;

#[tokio::test]
async fn bad_tokens_are_remembered_shortly() {
    let fake = Fake::start(Says::Answer(404, "{}".into())).await;
    let authenticator = authenticator(&fake, |config| config.rejected_for = Duration::from_secs(1));
    for _ in 0..3 {
        check("bad", ask_token(&authenticator, &token(1)).await, Err(KeystoneError::Rejected));
    }
    assert_eq!(fake.calls(), 1);
    fake.now_says(good());
    tokio::time::sleep(Duration::from_millis(1050)).await;
    check("good by now", ask_token(&authenticator, &token(1)).await, Ok(()));
}

#[tokio::test]
async fn a_revoked_token_is_refused_after_the_window() {
    let fake = Fake::start(good()).await;
    let authenticator = authenticator(&fake, |config| config.revocation_window = Duration::from_secs(1));
    check("good", ask_token(&authenticator, &token(1)).await, Ok(()));
    fake.now_says(Says::Answer(404, "{}".into()));
    check("within the window", ask_token(&authenticator, &token(1)).await, Ok(()));
    tokio::time::sleep(Duration::from_millis(1050)).await;
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
    let expires = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(1);
    let fake = Fake::start(Says::Answer(200, document(|token| token["expires_at"] = json!(expires.to_string())))).await;
    let authenticator = authenticator(&fake, |_| {});
    check("good", ask_token(&authenticator, &token(1)).await, Ok(()));
    tokio::time::sleep(Duration::from_millis(1050)).await;
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
