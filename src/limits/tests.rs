use std::net::IpAddr;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::{BodyBudget, LimitError, Limiter, NoRoom, Ticket};
use crate::authenticate::{Principal, SchemeName};
use crate::catalog::{Class, catalog};
use crate::config::{ClassLimits, ClassesLimits, Limits, RoleLimits};

fn principal(name: &str, roles: &[&str]) -> Principal {
    let roles: Vec<String> = roles.iter().map(ToString::to_string).collect();
    Principal::supposed(SchemeName::Basic, name, &roles)
}

fn limiter(limits: &Limits, listener: Option<usize>) -> Limiter {
    let (one, other) = (Arc::from("one"), Arc::from("other"));
    Limiter::new(limits, [(&one, listener), (&other, None)].into_iter())
}

/// A request of a class by a principal on the first listener.
fn ask(limiter: &Limiter, class: Class, principal: &Principal) -> Result<Ticket, LimitError> {
    let mut ticket = limiter.enter(0)?;
    limiter.admit(&mut ticket, 0, class, principal, None)?;
    Ok(ticket)
}

/// How many of a class are let in.
fn places(limiter: &Limiter, class: Class, principal: &Principal) -> (Vec<Ticket>, LimitError) {
    let mut tickets = Vec::new();
    loop {
        match ask(limiter, class, principal) {
            Ok(ticket) => tickets.push(ticket),
            Err(error) => return (tickets, error),
        }
    }
}

#[test]
fn classes_come_from_the_catalogue() {
    for (operation, class) in [
        ("node:get", Class::Read),
        ("node:update", Class::Write),
        ("node:set_power_state", Class::Write),
        ("node:delete", Class::Destructive),
        ("port:delete", Class::Destructive),
        ("ramdisk:lookup", Class::Ramdisk),
        ("ramdisk:heartbeat", Class::Ramdisk),
        ("ramdisk:continue_inspection", Class::Ramdisk),
    ] {
        assert_eq!(catalog().operation(operation).unwrap().class(), class, "{operation}");
    }
}

#[test]
fn reads_are_shed_first_and_heartbeats_last() {
    for (limits, listener, error) in [
        (Limits { requests_max: 20, ..Limits::default() }, None, LimitError::Busy),
        (Limits::default(), Some(20), LimitError::ListenerBusy),
    ] {
        let limiter = limiter(&limits, listener);
        let caller = principal("a", &[]);
        let (_reads, refused) = places(&limiter, Class::Read, &caller);
        assert_eq!((limiter.load().requests(), refused), (15, error));
        let (_writes, refused) = places(&limiter, Class::Destructive, &caller);
        assert_eq!((limiter.load().requests(), refused), (18, error));
        assert_eq!(ask(&limiter, Class::Write, &caller).unwrap_err(), error);
        let (_heartbeats, refused) = places(&limiter, Class::Ramdisk, &caller);
        assert_eq!((limiter.load().requests(), refused), (20, error));
        assert_eq!(ask(&limiter, Class::Read, &caller).unwrap_err(), error);
    }
}

#[test]
fn one_caller_leaves_places_for_others() {
    let limiter = limiter(&Limits { requests_per_caller_max: 3, ..Limits::default() }, None);
    let (many, error) = places(&limiter, Class::Read, &principal("a", &[]));
    assert_eq!((many.len(), error), (3, LimitError::CallerBusy));
    assert!(ask(&limiter, Class::Read, &principal("b", &[])).is_ok());
    drop(many);
    assert!(ask(&limiter, Class::Write, &principal("a", &[])).is_ok());
    assert_eq!(limiter.load().requests(), 0);
}

/// Checks of credentials that do not end, as one request after the other of a class from an address brings them: how many wait,
/// and why the next does not.
fn unproven(limiter: &Limiter, claimed: Option<Class>, address: &str) -> (Vec<impl Sized>, LimitError) {
    let source = address.parse().ok();
    let mut waiting = Vec::new();
    loop {
        let ticket = limiter.enter(0).unwrap();
        let mut check = Box::pin(async move {
            limiter.prove(0, || claimed, source, std::pin::pin!(std::future::pending::<()>())).await
        });
        match check.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Pending => waiting.push((ticket, check)),
            Poll::Ready(ended) => return (waiting, ended.unwrap_err()),
        }
    }
}

#[tokio::test]
async fn who_waits_to_be_known_leaves_places_for_others() {
    let limiter = limiter(&Limits { requests_max: 80, ..Limits::default() }, None);
    let (one, refused) = unproven(&limiter, Some(Class::Ramdisk), "10.0.0.1");
    assert_eq!((one.len(), refused), (20, LimitError::Busy));
    // One network of IPv6 is one address.
    let (other, _) = unproven(&limiter, Some(Class::Read), "2001:db8::1");
    let (none, _) = unproven(&limiter, Some(Class::Read), "2001:db8::2");
    assert_eq!((other.len(), none.len(), limiter.load().unproven()), (20, 0, 40));
    let (third, refused) = unproven(&limiter, Some(Class::Ramdisk), "10.0.0.3");
    assert_eq!((third.len(), refused), (0, LimitError::Busy));
    // Who need not wait is not told apart.
    let known = limiter.prove(0, || None, "10.0.0.1".parse().ok(), std::pin::pin!(std::future::ready(7))).await;
    assert_eq!(known, Ok(7));
    assert_eq!(limiter.load().refused_busy(Some(Class::Ramdisk)), 2);
    drop((one, other));
    assert_eq!((limiter.load().unproven(), limiter.load().requests()), (0, 0));
    assert_eq!(unproven(&limiter, None, "10.0.0.1").0.len(), 20);
}

#[tokio::test]
async fn a_claim_does_not_take_the_places_of_the_ramdisk() {
    for (claimed, most) in
        [(Some(Class::Ramdisk), 36), (Some(Class::Destructive), 36), (Some(Class::Read), 30), (None, 30)]
    {
        for (limits, listener, error) in [
            (Limits { requests_max: 40, ..Limits::default() }, None, LimitError::Busy),
            (Limits::default(), Some(40), LimitError::ListenerBusy),
        ] {
            let limiter = limiter(&limits, listener);
            let caller = principal("a", &[]);
            let _held: Vec<_> = (0..most - 2).map(|_| ask(&limiter, Class::Ramdisk, &caller).unwrap()).collect();
            let (waiting, refused) = unproven(&limiter, claimed, "10.0.0.1");
            assert_eq!((waiting.len(), refused), (2, error), "{claimed:?}");
            assert!(ask(&limiter, Class::Ramdisk, &caller).is_ok());
        }
    }
}

#[test]
fn every_place_is_given_back() {
    let limits = Limits {
        requests_max: 10,
        class: ClassesLimits {
            write: ClassLimits { requests_max: Some(2), ..ClassLimits::default() },
            ..ClassesLimits::default()
        },
        role: vec![RoleLimits { role: "exporter".to_owned(), requests_max: 1 }],
        ..Limits::default()
    };
    let limiter = limiter(&limits, None);
    let (operator, exporter) = (principal("o", &["operator"]), principal("e", &["auditor", "exporter"]));
    for _ in 0..3 {
        let (tickets, error) = places(&limiter, Class::Write, &operator);
        assert_eq!((tickets.len(), error), (2, LimitError::ClassBusy));
        let (more, error) = places(&limiter, Class::Read, &exporter);
        assert_eq!((more.len(), error), (1, LimitError::RoleBusy));
        assert_eq!((limiter.load().requests_of(Class::Write), limiter.load().requests_of(Class::Read)), (2, 1));
        drop((tickets, more));
        assert_eq!(limiter.load().requests(), 0);
    }
    assert_eq!(limiter.load().refused_busy(Some(Class::Write)), 3);
    assert_eq!(limiter.load().refused_busy(Some(Class::Read)), 3);
}

#[test]
fn counts_and_buckets_outlive_a_reload() {
    let rate = ClassLimits { rate_per_minute: Some(1), burst: Some(2), ..ClassLimits::default() };
    let class = ClassesLimits { destructive: rate, ..ClassesLimits::default() };
    let role = vec![RoleLimits { role: "operator".to_owned(), requests_max: 2 }];
    let limits = Limits { requests_max: 4, class, role, ..Limits::default() };
    let before = limiter(&limits, Some(3));
    let caller = principal("a", &["operator"]);
    let held = ask(&before, Class::Destructive, &caller).unwrap();

    let mut after = limiter(&limits, Some(3));
    after.inherit(&before);
    let _second = ask(&after, Class::Destructive, &caller).unwrap();
    assert_eq!(after.load().requests(), 2);
    assert_eq!(ask(&after, Class::Ramdisk, &caller).unwrap_err(), LimitError::RoleBusy);
    drop(held);
    assert!(matches!(ask(&after, Class::Destructive, &caller).unwrap_err(), LimitError::Rate { .. }));
    assert_eq!(after.load().rate_limited(Class::Destructive), 1);

    // Another rate begins with full buckets.
    let mut other = limits;
    other.class.destructive.burst = Some(3);
    let mut changed = limiter(&other, Some(3));
    changed.inherit(&after);
    assert!(ask(&changed, Class::Destructive, &caller).is_ok());
}

#[test]
fn each_caller_has_a_bucket_for_each_class() {
    let rate = ClassLimits { rate_per_minute: Some(6), burst: Some(1), ..ClassLimits::default() };
    let class = ClassesLimits { read: rate, ramdisk: rate, ..ClassesLimits::default() };
    let limiter = limiter(&Limits { class, ..Limits::default() }, None);
    let anonymous = Principal::supposed(SchemeName::Anonymous, "anonymous", &[]);
    let certain = |name: &str, class| ask(&limiter, class, &principal(name, &[])).map(drop);
    assert_eq!(certain("a", Class::Read), Ok(()));
    let Err(LimitError::Rate { seconds }) = certain("a", Class::Read) else { panic!("the bucket is empty") };
    assert!((1..=11).contains(&seconds), "{seconds}");
    assert_eq!(certain("b", Class::Read), Ok(()));
    assert_eq!(certain("a", Class::Ramdisk), Ok(()));
    for _ in 0..100 {
        assert_eq!(certain("a", Class::Write), Ok(()), "without a rate there is no bucket");
    }
    // Who is nobody in particular is told apart by address; one IPv6 network is one caller.
    let from = |address: &str| {
        let address: IpAddr = address.parse().unwrap();
        let mut ticket = limiter.enter(0).unwrap();
        limiter.admit(&mut ticket, 0, Class::Ramdisk, &anonymous, Some(address)).is_ok()
    };
    assert!(from("10.0.0.1") && from("10.0.0.2") && from("2001:db8::1") && from("2001:db8:0:1::1"));
    assert!(!from("10.0.0.1") && !from("2001:db8::2"));
}

#[tokio::test]
async fn bodies_share_a_bounded_room() {
    const LARGE: usize = 1024 * 1024;
    let budget = BodyBudget::default();
    let room = || budget.room(4 * LARGE, Duration::ZERO, None);
    let (mut first, mut second, mut third) = (room(), room(), room());
    first.hold(3 * LARGE).await.unwrap();
    assert_eq!(second.hold(LARGE).await, Err(NoRoom));
    assert_eq!(third.hold(5 * LARGE).await, Err(NoRoom), "it can never fit");
    // Small ones have room of their own.
    third.hold(1000).await.unwrap();
    assert_eq!(budget.bytes(), 3 * LARGE + 1000);
    drop(first);
    second.hold(LARGE).await.unwrap();
    // One that grows is counted once.
    third.hold(LARGE).await.unwrap();
    assert_eq!(budget.bytes(), 2 * LARGE);
    drop((second, third));
    assert_eq!(budget.bytes(), 0);
}

#[tokio::test]
async fn a_body_waits_for_room_and_a_waiter_that_leaves_holds_nothing() {
    let budget = BodyBudget::default();
    let room = || budget.room(1_000_000, Duration::from_secs(60), None);
    let (mut holding, mut waiting, mut leaving) = (room(), room(), room());
    holding.hold(900_000).await.unwrap();
    assert!(tokio::time::timeout(Duration::from_millis(10), leaving.hold(900_000)).await.is_err());
    drop(leaving);
    let (held, ()) = tokio::join!(waiting.hold(900_000), async {
        tokio::task::yield_now().await;
        drop(holding);
    });
    held.unwrap();
    assert_eq!(budget.bytes(), 900_000);
    drop(waiting);
    assert_eq!(budget.bytes(), 0);
}

#[tokio::test]
async fn one_caller_has_a_part_of_either_room() {
    // 62,500 bytes for small bodies, 937,500 for large ones; a quarter of each for one caller.
    for (bytes, fits) in [(5_000, 3), (70_000, 3), (900_000, 1)] {
        let (all, many, other) = (BodyBudget::default(), BodyBudget::default(), BodyBudget::default());
        let room = |caller| all.room(1_000_000, Duration::ZERO, Some(caller));
        let mut held = Vec::new();
        for place in 0..fits + 3 {
            let mut one = room(&many);
            let taken = one.hold(bytes).await;
            assert_eq!(taken.is_ok(), place < fits, "{bytes}: {place}");
            held.push(one);
        }
        assert_eq!((many.bytes(), all.bytes()), (fits * bytes, fits * bytes));
        // Who holds nothing yet finds room, unless one body alone has it all; and then nothing is kept of the attempt.
        let mut first = room(&other);
        assert_eq!(first.hold(bytes).await.is_ok(), bytes < 900_000);
        assert_eq!(other.bytes(), if bytes < 900_000 { bytes } else { 0 });
        drop((held, first));
        assert_eq!((many.bytes(), other.bytes(), all.bytes()), (0, 0, 0));
    }
}

#[test]
fn few_refused_requests_may_go_on_sending() {
    let limiter = limiter(&Limits::default(), None);
    let places: Vec<_> = std::iter::from_fn(|| limiter.leftover()).collect();
    assert_eq!(places.len(), 100);
    drop(places);
    assert!(limiter.leftover().is_some());
}
