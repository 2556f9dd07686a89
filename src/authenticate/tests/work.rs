//! What checking passwords costs, and whom.

use super::*;

#[tokio::test]
async fn the_work_tells_nothing_about_users() {
    let authenticator = authenticator(|_config| {});
    let check = async |user: &str, password: &str, hashes: u64| {
        let before = authenticator.password_checks();
        let _outcome = ask(&authenticator, &basic(user, password), BASIC).await;
        assert_eq!(authenticator.password_checks() - before, hashes, "{user}");
    };
    // The file's highest cost is 5: one hash of cost 5, or two of cost 4.
    check("admin", "wrong", 1).await;
    check("nobody", "wrong", 1).await;
    check("operator", "wrong", 2).await;
    check("operator", "other", 2).await;
    // A file without users costs as much as a usual one.
    let basic_config = Some(BasicConfig::new("users.htpasswd", "# nobody\n".into()));
    let empty = Authenticator::new(AuthenticatorConfig {
        basic: basic_config,
        bindings: Vec::new(),
        ..AuthenticatorConfig::default()
    })
    .unwrap();
    assert_eq!(ask(&empty, &basic("admin", "x"), BASIC).await.unwrap_err(), AuthnError::Wrong);
    assert_eq!(empty.password_checks(), 1);
    assert_eq!(empty.warnings(), ["users.htpasswd names no user: nobody can log in with HTTP basic"]);
}

#[tokio::test]
async fn results_are_remembered_and_forgotten() {
    let check = async |user: &str, password: &str, change: fn(&mut BasicConfig), hashes: u64| {
        let authenticator = authenticator(change);
        let first =
            ask(&authenticator, &basic(user, password), BASIC).await.map(|principal| principal.name().to_owned());
        for _ in 0..4 {
            let again =
                ask(&authenticator, &basic(user, password), BASIC).await.map(|principal| principal.name().to_owned());
            assert_eq!(again, first);
        }
        assert_eq!(authenticator.password_checks(), hashes, "{user} {password}");
    };
    check("admin", CANARY, |_config| {}, 1).await;
    check("admin", "wrong", |_config| {}, 1).await;
    check("nobody", "wrong", |_config| {}, 1).await;
    check("admin", CANARY, |config| config.verified_for = Duration::ZERO, 5).await;
    check("admin", CANARY, |config| config.verified_for = Duration::MAX, 5).await;
    check("admin", "wrong", |config| config.rejected_for = Duration::ZERO, 5).await;
    // What one credential proved is nothing for another.
    let authenticator = authenticator(|_config| {});
    assert!(ask(&authenticator, &basic("admin", CANARY), BASIC).await.is_ok());
    assert!(ask(&authenticator, &basic("admin", "other"), BASIC).await.is_err());
    assert!(ask(&authenticator, &basic("operator", CANARY), BASIC).await.is_err());
}

/// Sends each credential this often at the same time.
async fn storm(
    authenticator: Arc<Authenticator>,
    credentials: Vec<String>,
    times: usize,
) -> Vec<Result<(), AuthnError>> {
    let mut tasks = tokio::task::JoinSet::new();
    for credential in std::iter::repeat_n(credentials, times).flatten() {
        let authenticator = Arc::clone(&authenticator);
        tasks.spawn(async move { ask(&authenticator, &credential, BASIC).await.map(|_principal| ()) });
    }
    tasks.join_all().await
}

#[tokio::test]
async fn a_stampede_costs_one_check() {
    let authenticator = authenticator(|_config| {});
    let found = storm(Arc::clone(&authenticator), vec![basic("admin", CANARY)], 500).await;
    assert!(found.iter().all(Result::is_ok));
    assert_eq!(authenticator.password_checks(), 1);
    let found = storm(Arc::clone(&authenticator), vec![basic("admin", "wrong")], 500).await;
    assert!(found.iter().all(|outcome| *outcome == Err(AuthnError::Wrong)));
    assert_eq!(authenticator.password_checks(), 2);
}

#[tokio::test]
async fn a_flood_of_new_passwords_is_bounded() {
    let authenticator = authenticator(|config| {
        config.checks_max = 1;
        config.waiting_max = 3;
    });
    assert!(ask(&authenticator, &basic("admin", CANARY), BASIC).await.is_ok());
    let place = occupy(&authenticator);
    let flood = (0..50).map(|number| basic("admin", &number.to_string())).collect::<Vec<_>>();
    let storm = tokio::spawn(storm(Arc::clone(&authenticator), flood, 2));
    settle().await;
    // Who is known goes on.
    assert!(ask(&authenticator, &basic("admin", CANARY), BASIC).await.is_ok());
    drop(place);
    let found = storm.await.unwrap();
    let count = |error| found.iter().filter(|outcome| **outcome == Err(error)).count();
    assert_eq!((count(AuthnError::Wrong), count(AuthnError::Overloaded)), (3 * 2, 47 * 2));
    assert_eq!(authenticator.password_checks(), 1 + 3);
    // What was not checked is not remembered as wrong.
    assert_eq!(ask(&authenticator, &basic("admin", "49"), BASIC).await.unwrap_err(), AuthnError::Wrong);
    assert_eq!(authenticator.password_checks(), 1 + 3 + 1);
}

#[tokio::test]
async fn waiting_has_an_end() {
    let authenticator = authenticator(|config| {
        config.checks_max = 1;
        config.wait_max = Duration::from_millis(1);
    });
    let _place = occupy(&authenticator);
    let found = storm(Arc::clone(&authenticator), vec![basic("admin", CANARY)], 3).await;
    assert_eq!(found, [Err(AuthnError::Overloaded); 3]);
}

#[tokio::test]
async fn a_caller_who_goes_away_takes_nothing_along() {
    let authenticator = authenticator(|config| config.checks_max = 1);
    let one = || tokio::spawn(storm(Arc::clone(&authenticator), vec![basic("admin", CANARY)], 1));
    // Before the check: the next in line leads.
    let place = occupy(&authenticator);
    let (leader, follower) = (one(), one());
    settle().await;
    leader.abort();
    assert!(leader.await.is_err());
    drop(place);
    assert_eq!(follower.await.unwrap(), [Ok(())]);
    assert_eq!(authenticator.password_checks(), 1);
    // During the check: it is finished and remembered.
    let gone = tokio::spawn(storm(Arc::clone(&authenticator), vec![basic("admin", "other")], 1));
    settle().await;
    gone.abort();
    let _cancelled = gone.await;
    assert_eq!(ask(&authenticator, &basic("admin", "other"), BASIC).await.unwrap_err(), AuthnError::Wrong);
    assert_eq!(authenticator.password_checks(), 2);
}

fn occupy(authenticator: &Authenticator) -> tokio::sync::OwnedSemaphorePermit {
    let Some(Scheme::Basic(basic)) = authenticator.scheme(SchemeName::Basic) else { panic!("basic is configured") };
    basic.occupy()
}

/// Lets every task come as far as it can.
async fn settle() {
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}
