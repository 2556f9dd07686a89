//! Who gets a place at all: connections in all, from one address and on one listener, and TLS handshakes.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::descriptors::Descriptors;
use super::pulse::Closing;
use crate::config::Limits;
use crate::limits::{Budget, Counter, NoRoom, network};

/// Locks between which the addresses are shared out; each is held for one look-up, when a connection comes or goes.
const SHARDS: usize = 16;
/// One address has this part of all handshakes.
const ADDRESS_PART: usize = 8;
/// How long a handshake may take while most places for handshakes are taken.
const HANDSHAKE_WHEN_CROWDED: Duration = Duration::from_secs(2);

/// Why a connection is closed before it is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TurnedAway {
    /// Not from `source_networks`.
    Source,
    /// `connections_max` of `[limits]`.
    Full,
    /// `connections_max` of the listener.
    ListenerFull,
    /// `connections_per_address_max`.
    AddressFull,
    /// No turn for a handshake came in time.
    HandshakesFull,
    /// The handshake failed or took too long.
    Handshake,
}

impl TurnedAway {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Source, Self::Full, Self::ListenerFull, Self::AddressFull, Self::HandshakesFull, Self::Handshake];

    /// The stable word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Source => "source_not_admitted",
            Self::Full => "connections_full",
            Self::ListenerFull => "listener_full",
            Self::AddressFull => "address_full",
            Self::HandshakesFull => "handshakes_full",
            Self::Handshake => "handshake_failed",
        }
    }
}

/// A count for each of a few reasons.
#[derive(Debug)]
struct Tally<const N: usize>([AtomicU64; N]);

impl<const N: usize> Default for Tally<N> {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl<const N: usize> Tally<N> {
    fn add(&self, place: usize) -> u64 {
        self.0.get(place).map_or(0, |count| count.fetch_add(1, Ordering::Relaxed).wrapping_add(1))
    }

    fn count(&self, place: usize) -> u64 {
        self.0.get(place).map_or(0, |count| count.load(Ordering::Relaxed))
    }
}

/// Connections of all workers, counted.
#[derive(Debug)]
pub struct Gate {
    connections: Counter,
    listeners: Vec<Counter>,
    handshakes: Budget,
    answers: AtomicUsize,
    descriptors: Descriptors,
    hasher: RandomState,
    addresses: [Mutex<HashMap<IpAddr, Arc<Address>>>; SHARDS],
    turned_away: Tally<{ TurnedAway::ALL.len() }>,
    closed: Tally<{ Closing::ALL.len() }>,
}

/// What one address has.
#[derive(Debug, Default)]
struct Address {
    connections: Counter,
    handshakes: Budget,
}

/// A connection's place; dropped, it is free again.
#[derive(Debug)]
pub(super) struct Seat {
    gate: Arc<Gate>,
    listener: usize,
    address: Option<(IpAddr, Arc<Address>)>,
    connections_max: usize,
    listener_max: usize,
    address_max: usize,
}

/// A turn for a handshake.
pub(super) struct Turn<'a> {
    _all: Place<'a>,
    _address: Option<Place<'a>>,
    /// For the handshake.
    pub(super) deadline: Duration,
}

/// One of the handshakes that a budget counts.
struct Place<'a>(&'a Budget);

impl<'a> Place<'a> {
    async fn of(handshakes: &'a Budget, max: usize, wait: Duration) -> Result<Self, NoRoom> {
        handshakes.take(1, max, wait).await?;
        Ok(Self(handshakes))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.release(1);
    }
}

impl Gate {
    pub(super) fn new(listeners: usize, descriptors: Descriptors) -> Self {
        Self {
            connections: Counter::default(),
            listeners: (0..listeners).map(|_| Counter::default()).collect(),
            handshakes: Budget::default(),
            answers: AtomicUsize::new(0),
            descriptors,
            hasher: RandomState::new(),
            addresses: std::array::from_fn(|_| Mutex::default()),
            turned_away: Tally::default(),
            closed: Tally::default(),
        }
    }

    /// Open connections.
    pub fn connections(&self) -> usize {
        self.connections.count()
    }

    /// TLS handshakes under way.
    pub fn handshakes(&self) -> usize {
        self.handshakes.used()
    }

    /// Answers that are on their way out.
    pub fn answers(&self) -> usize {
        self.answers.load(Ordering::Relaxed)
    }

    pub(super) fn answer_begins(&self) {
        self.answers.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn answer_ends(&self) {
        self.answers.fetch_sub(1, Ordering::Relaxed);
    }

    /// Connections that were not served for this reason, since the start.
    pub fn turned_away(&self, reason: TurnedAway) -> u64 {
        self.turned_away.count(reason as usize)
    }

    /// Connections that were served and then closed from here for this reason, since the start.
    pub fn closed(&self, reason: Closing) -> u64 {
        self.closed.count(reason as usize)
    }

    /// Notes a connection that is not served. Whoever is not meant to be here can come often: the log tells of the first,
    /// the second, the fourth, …
    pub(super) fn turn_away(&self, reason: TurnedAway, listener: &Arc<str>, address: Option<IpAddr>) {
        let count = self.turned_away.add(reason as usize);
        if count.is_power_of_two() {
            let address = address.map(|address| address.to_string());
            tracing::warn!(reason = reason.as_str(), %listener, address, count, "a connection was turned away");
        }
    }

    /// Notes a connection that is closed from here.
    pub(super) fn close(&self, reason: Closing, listener: &Arc<str>, address: Option<IpAddr>) {
        let count = self.closed.add(reason as usize);
        if count.is_power_of_two() && !reason.is_usual() {
            let address = address.map(|address| address.to_string());
            tracing::warn!(reason = reason.as_str(), %listener, address, count, "a connection was closed");
        }
    }

    /// A place for a connection.
    pub(super) fn seat(
        self: &Arc<Self>,
        listener: usize,
        listener_max: Option<usize>,
        address: Option<IpAddr>,
        limits: &Limits,
    ) -> Result<Seat, TurnedAway> {
        let (connections_max, address_max) = self.descriptors.connections(limits);
        if !self.connections.take(connections_max) {
            return Err(TurnedAway::Full);
        }
        // From here on, dropping the seat gives back what it holds.
        let mut seat = Seat {
            gate: Arc::clone(self),
            listener: usize::MAX,
            address: None,
            connections_max,
            listener_max: listener_max.unwrap_or(usize::MAX),
            address_max,
        };
        if let Some(counter) = self.listeners.get(listener) {
            if !counter.take(seat.listener_max) {
                return Err(TurnedAway::ListenerFull);
            }
            seat.listener = listener;
        }
        if let Some(address) = address.map(network) {
            let counts = {
                let mut shard = self.shard(address).lock().unwrap_or_else(PoisonError::into_inner);
                let counts = Arc::clone(shard.entry(address).or_default());
                if !counts.connections.take(address_max) {
                    return Err(TurnedAway::AddressFull);
                }
                counts
            };
            seat.address = Some((address, counts));
        }
        Ok(seat)
    }

    /// A turn for a handshake: among those of the address first, so that nobody waits for who waits for himself. While
    /// most turns are taken, each is short: who stalls makes room for others.
    pub(super) async fn handshake<'a>(&'a self, seat: &'a Seat, limits: &Limits) -> Result<Turn<'a>, NoRoom> {
        let deadline = Duration::from_secs(limits.handshake_timeout_seconds);
        let address_max = (limits.handshakes_max / ADDRESS_PART).max(1);
        let own = seat.address.as_ref().map(|(_, address)| &address.handshakes);
        let address = match own {
            Some(own) => Some(Place::of(own, address_max, deadline).await?),
            None => None,
        };
        let all = Place::of(&self.handshakes, limits.handshakes_max, deadline).await?;
        let crowded = self.handshakes.used() >= crowd(limits.handshakes_max)
            || own.is_some_and(|own| own.used() > crowd(address_max));
        let deadline = if crowded { deadline.min(HANDSHAKE_WHEN_CROWDED) } else { deadline };
        Ok(Turn { _all: all, _address: address, deadline })
    }

    fn shard(&self, address: IpAddr) -> &Mutex<HashMap<IpAddr, Arc<Address>>> {
        let [first, ..] = &self.addresses;
        let place = usize::try_from(self.hasher.hash_one(address) % SHARDS as u64).unwrap_or(0);
        self.addresses.get(place).unwrap_or(first)
    }
}

/// So many taken places are a crowd.
const fn crowd(max: usize) -> usize {
    max.saturating_sub(max / 8)
}

impl Seat {
    /// Whether places are scarce: in all, on this listener, or for this address.
    pub(super) fn crowded(&self) -> bool {
        let listener = self.gate.listeners.get(self.listener).map_or(0, Counter::count);
        let address = self.address.as_ref().map_or(0, |(_, address)| address.connections.count());
        self.gate.connections.count() >= crowd(self.connections_max)
            || listener >= crowd(self.listener_max)
            || address >= crowd(self.address_max)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.gate.connections.release();
        if let Some(counter) = self.gate.listeners.get(self.listener) {
            counter.release();
        }
        if let Some((address, counts)) = &self.address {
            let mut shard = self.gate.shard(*address).lock().unwrap_or_else(PoisonError::into_inner);
            counts.connections.release();
            if counts.connections.count() == 0 {
                shard.remove(address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Descriptors, Gate, TurnedAway};
    use crate::config::Limits;

    fn gate(listeners: usize) -> Arc<Gate> {
        Arc::new(Gate::new(listeners, Descriptors::of(usize::MAX)))
    }

    #[test]
    fn places_are_bounded_in_all_by_listener_and_by_address() {
        let limits = Limits { connections_max: 5, connections_per_address_max: 2, ..Limits::default() };
        let gate = gate(2);
        let seat = |listener, address: &str| gate.seat(listener, Some(4), Some(address.parse().unwrap()), &limits);
        let first = seat(0, "10.0.0.1").unwrap();
        let second = seat(0, "10.0.0.1").unwrap();
        assert_eq!(seat(0, "10.0.0.1").unwrap_err(), TurnedAway::AddressFull);
        // An IPv6 caller can choose among very many addresses; they count as one.
        let _third = seat(0, "2001:db8::1").unwrap();
        let _fourth = seat(0, "2001:db8::2").unwrap();
        assert_eq!(seat(0, "10.0.0.3").unwrap_err(), TurnedAway::ListenerFull);
        assert_eq!(seat(1, "2001:db8::3").unwrap_err(), TurnedAway::AddressFull);
        let _fifth = seat(1, "10.0.0.3").unwrap();
        assert_eq!(seat(1, "10.0.0.4").unwrap_err(), TurnedAway::Full);
        assert!(first.crowded());
        assert_eq!(gate.connections(), 5);
        drop((first, second));
        assert_eq!(gate.connections(), 3);
        assert_eq!(gate.addresses.iter().map(|shard| shard.lock().unwrap().len()).sum::<usize>(), 2);
        assert!(seat(0, "10.0.0.1").is_ok());
    }

    #[tokio::test]
    async fn handshakes_are_short_when_there_are_many() {
        let limits = Limits { handshakes_max: 4, handshake_timeout_seconds: 10, ..Limits::default() };
        let gate = gate(1);
        // One for each address; unix sockets have none.
        let seat =
            |address: Option<&str>| gate.seat(0, None, address.map(|one| one.parse().unwrap()), &limits).unwrap();
        let (one, same, other, third) =
            (seat(Some("10.0.0.1")), seat(Some("10.0.0.1")), seat(Some("10.0.0.2")), seat(None));
        let none = Limits { handshake_timeout_seconds: 0, ..limits.clone() };
        let mut turns = Vec::new();
        for (seat, seconds) in [(&one, 10), (&other, 10), (&third, 10), (&third, 2)] {
            assert_eq!(gate.handshake(&same, &none).await.is_ok(), turns.is_empty(), "an address has its part");
            let turn = gate.handshake(seat, &limits).await.ok().unwrap();
            assert_eq!(turn.deadline.as_secs(), seconds);
            turns.push(turn);
        }
        assert!(gate.handshake(&third, &none).await.is_err());
        turns.pop();
        assert!(gate.handshake(&third, &none).await.is_ok());
        turns.clear();
        assert_eq!(gate.handshakes(), 0);
    }

    #[tokio::test]
    async fn an_address_with_many_handshakes_waits_for_itself() {
        let limits = Limits { handshakes_max: 64, ..Limits::default() };
        let gate = gate(1);
        let seat = |address: &str| gate.seat(0, None, Some(address.parse().unwrap()), &limits).unwrap();
        let (many, other) = (seat("10.0.0.1"), seat("10.0.0.2"));
        let mut turns = Vec::new();
        for seconds in [10, 10, 10, 10, 10, 10, 10, 2] {
            let turn = gate.handshake(&many, &limits).await.ok().unwrap();
            assert_eq!(turn.deadline.as_secs(), seconds);
            turns.push(turn);
        }
        let none = Limits { handshake_timeout_seconds: 0, ..limits.clone() };
        assert!(gate.handshake(&many, &none).await.is_err());
        assert_eq!(gate.handshake(&other, &none).await.ok().unwrap().deadline.as_secs(), 0);
        assert_eq!(gate.handshakes(), 8);
    }
}
