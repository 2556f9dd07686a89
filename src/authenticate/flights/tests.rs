use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;

use super::*;

const ONE: Fingerprint = [1; 32];
const TWO: Fingerprint = [2; 32];

/// Work that waits for leave and remembers what it found.
struct Work {
    flights: Arc<Flights<usize>>,
    remembered: Mutex<Option<usize>>,
    leave: Semaphore,
    led: AtomicUsize,
}

impl Work {
    fn new(running_max: usize) -> Arc<Self> {
        Arc::new(Self {
            flights: Flights::new(running_max),
            remembered: Mutex::default(),
            leave: Semaphore::new(0),
            led: AtomicUsize::new(0),
        })
    }

    fn known(&self) -> Option<usize> {
        *self.remembered.lock().unwrap()
    }

    /// Leads on the caller's own task, as a password check does before it is its turn.
    async fn ask(self: Arc<Self>, fingerprint: Fingerprint) -> Result<usize, NoVerdict> {
        let lead = async |flight: Flight<usize>| {
            let number = self.led.fetch_add(1, Ordering::SeqCst);
            self.leave.acquire().await.unwrap().forget();
            *self.remembered.lock().unwrap() = Some(number);
            flight.land(number);
        };
        self.flights.share(fingerprint, || self.known(), lead).await
    }

    fn running(&self) -> usize {
        self.flights.running().len()
    }
}

/// Lets every task come as far as it can.
async fn settle() {
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn all_who_ask_at_once_share_one() {
    let work = Work::new(1);
    let asked: Vec<_> = (0..500).map(|_| tokio::spawn(Arc::clone(&work).ask(ONE))).collect();
    settle().await;
    work.leave.add_permits(1);
    for answer in asked {
        assert_eq!(answer.await.unwrap(), Ok(0));
    }
    // Who comes later finds it remembered.
    assert_eq!(Arc::clone(&work).ask(ONE).await, Ok(0));
    assert_eq!((work.led.load(Ordering::SeqCst), work.running()), (1, 0));
}

#[tokio::test]
async fn another_leads_where_the_leader_goes_away() {
    let work = Work::new(1);
    let ask = || tokio::spawn(Arc::clone(&work).ask(ONE));
    let (leader, follower, another) = (ask(), ask(), ask());
    settle().await;
    leader.abort();
    assert!(leader.await.is_err());
    work.leave.add_permits(1);
    assert_eq!((follower.await.unwrap(), another.await.unwrap()), (Ok(1), Ok(1)));
    assert_eq!((work.led.load(Ordering::SeqCst), work.running()), (2, 0));
}

#[tokio::test]
async fn no_more_than_may_be_are_under_way() {
    let work = Work::new(1);
    let first = tokio::spawn(Arc::clone(&work).ask(ONE));
    settle().await;
    assert_eq!(Arc::clone(&work).ask(TWO).await, Err(NoVerdict::Full));
    let follower = tokio::spawn(Arc::clone(&work).ask(ONE));
    settle().await;
    work.leave.add_permits(1);
    assert_eq!((first.await.unwrap(), follower.await.unwrap()), (Ok(0), Ok(0)));
}

#[tokio::test]
async fn a_leader_whose_work_dies_is_told_and_nobody_hangs() {
    let flights = Flights::<usize>::new(1);
    let ask = |wait: Duration| {
        let flights = Arc::clone(&flights);
        tokio::spawn(async move {
            let lead = async |flight: Flight<usize>| {
                // On a task of its own that ends without a verdict, as where a worker stops.
                drop(tokio::spawn(async move {
                    tokio::time::sleep(wait).await;
                    drop(flight);
                }));
            };
            flights.share(ONE, || None, lead).await
        })
    };
    let (leader, follower) = (ask(Duration::from_millis(10)), ask(Duration::ZERO));
    for asked in [leader, follower] {
        assert_eq!(asked.await.unwrap(), Err(NoVerdict::Interrupted));
    }
    assert!(flights.running().is_empty());
}

#[tokio::test]
async fn a_verdict_between_two_looks_is_not_missed() {
    let flights = Flights::<usize>::new(1);
    // Remembered after the caller's own look and before it joined.
    let found = flights.share(ONE, || Some(7), async |_flight: Flight<usize>| panic!("nothing is to be done")).await;
    assert_eq!(found, Ok(7));
}
