//! `[limits]`: bounds with their units; every one has a default.

use serde::{Deserialize, Serialize};

use crate::catalog::Class;

/// Bounds. `docs/limits.md` says of each what it protects and what the caller gets.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Connections at once, all workers together.
    pub connections_max: usize,
    /// Of these from one address (an IPv6 network of 64 bits counts as one).
    pub connections_per_address_max: usize,
    /// TLS handshakes at once, all workers together.
    pub handshakes_max: usize,
    /// To finish the TLS handshake, waiting for its turn included.
    pub handshake_timeout_seconds: u64,
    /// To send a request's head; on HTTP/1.1 and for the first request on HTTP/2 from the end of what was before.
    pub header_timeout_seconds: u64,
    /// How long a connection is kept on which nothing is under way.
    pub idle_timeout_seconds: u64,
    /// Between two pieces of a request's body.
    pub body_idle_timeout_seconds: u64,
    /// To send a request's whole body.
    pub body_timeout_seconds: u64,
    /// How long an answer waits for its reader to take more of it.
    pub send_timeout_seconds: u64,
    /// Headers of one request.
    pub headers_max: usize,
    /// Bytes of all header names and values of one request.
    pub header_bytes_max: usize,
    /// Bytes of path and query.
    pub target_bytes_max: usize,
    /// Concurrent streams of one h2 connection.
    pub streams_max: u32,
    /// Requests that one h2 connection may begin and cancel.
    pub resets_max: u32,
    /// Bytes of request bodies in memory, all workers together. A sixteenth is kept for bodies up to 64 KiB.
    pub body_bytes_max: usize,
    /// How long a body waits for such room.
    pub body_wait_seconds: u64,
    /// Requests under way, all workers together.
    pub requests_max: usize,
    /// Of these of one caller: a principal, or an address of those who are anonymous.
    pub requests_per_caller_max: usize,
    /// Bounds by class.
    pub class: ClassesLimits,
    /// Bounds by role.
    pub role: Vec<RoleLimits>,
    /// After TERM, how long requests are still accepted while readiness is off already.
    pub drain_delay_seconds: u64,
    /// To finish what runs after that.
    pub drain_timeout_seconds: u64,
}

/// Bounds of each class.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClassesLimits {
    /// Of requests that only look.
    pub read: ClassLimits,
    /// Of requests that change something.
    pub write: ClassLimits,
    /// Of requests that remove objects.
    pub destructive: ClassLimits,
    /// Of the ramdisk's requests.
    pub ramdisk: ClassLimits,
}

impl ClassesLimits {
    /// Those of a class.
    pub const fn of(&self, class: Class) -> &ClassLimits {
        match class {
            Class::Read => &self.read,
            Class::Write => &self.write,
            Class::Destructive => &self.destructive,
            Class::Ramdisk => &self.ramdisk,
        }
    }
}

/// Bounds of one class; each is absent by default.
#[derive(Debug, Clone, Copy, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClassLimits {
    /// Requests under way, all workers together.
    pub requests_max: Option<usize>,
    /// Requests of one principal in a minute, in the long run.
    pub rate_per_minute: Option<u32>,
    /// Requests of one principal at once; `rate_per_minute` where absent.
    pub burst: Option<u32>,
}

/// Bounds of the callers with a role.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RoleLimits {
    /// The role.
    pub role: String,
    /// Requests under way, all workers together.
    pub requests_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 3_000,
            connections_per_address_max: 1_500,
            handshakes_max: 1_000,
            handshake_timeout_seconds: 10,
            header_timeout_seconds: 15,
            idle_timeout_seconds: 60,
            body_idle_timeout_seconds: 30,
            body_timeout_seconds: 300,
            send_timeout_seconds: 60,
            headers_max: 100,
            header_bytes_max: 16 * 1024,
            target_bytes_max: 8 * 1024,
            streams_max: 100,
            resets_max: 100,
            body_bytes_max: 96 * 1024 * 1024,
            body_wait_seconds: 10,
            requests_max: 1_000,
            requests_per_caller_max: 250,
            class: ClassesLimits::default(),
            role: Vec::new(),
            drain_delay_seconds: 0,
            drain_timeout_seconds: 30,
        }
    }
}

/// The longest time that a setting may be: a day.
pub(super) const SECONDS_MAX: u64 = 86_400;
/// The most connections that may be allowed, and the largest rate.
pub(super) const CONNECTIONS_MAX: u64 = 1_000_000;
/// The most requests under way that may be allowed: each may need a connection to Ironic.
pub(super) const REQUESTS_MAX: u64 = 100_000;
/// Memory that may be given to anything: a terabyte.
pub(super) const BYTES_MAX: u64 = 1 << 40;

/// What is wrong with this setting, if it is not between these.
pub(super) fn beyond(name: &str, value: u64, least: u64, most: u64) -> Option<String> {
    match value {
        0 if least > 0 => Some(format!("{name} = 0 is too little: at least {least}")),
        value if value > most => Some(format!("{name} = {value} is too much: at most {most}")),
        _ => None,
    }
}

impl Limits {
    /// What is wrong with them, each with its key below `[limits]`, with dots, and what to change.
    pub(super) fn mistakes(&self) -> Vec<(String, String)> {
        let wide = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        let rows = [
            ("connections_max", wide(self.connections_max), 1, CONNECTIONS_MAX),
            ("connections_per_address_max", wide(self.connections_per_address_max), 1, CONNECTIONS_MAX),
            ("handshakes_max", wide(self.handshakes_max), 1, CONNECTIONS_MAX),
            ("handshake_timeout_seconds", self.handshake_timeout_seconds, 1, SECONDS_MAX),
            ("header_timeout_seconds", self.header_timeout_seconds, 1, SECONDS_MAX),
            ("idle_timeout_seconds", self.idle_timeout_seconds, 1, SECONDS_MAX),
            ("body_idle_timeout_seconds", self.body_idle_timeout_seconds, 1, SECONDS_MAX),
            ("body_timeout_seconds", self.body_timeout_seconds, 1, SECONDS_MAX),
            ("send_timeout_seconds", self.send_timeout_seconds, 1, SECONDS_MAX),
            ("headers_max", wide(self.headers_max), 1, 1_000),
            ("header_bytes_max", wide(self.header_bytes_max), 1, 1024 * 1024),
            // As long as `http` takes any.
            ("target_bytes_max", wide(self.target_bytes_max), 1, 65_534),
            ("streams_max", u64::from(self.streams_max), 1, 10_000),
            ("resets_max", u64::from(self.resets_max), 1, CONNECTIONS_MAX),
            ("body_bytes_max", wide(self.body_bytes_max), 1, BYTES_MAX),
            ("body_wait_seconds", self.body_wait_seconds, 0, SECONDS_MAX),
            ("requests_max", wide(self.requests_max), 1, REQUESTS_MAX),
            ("requests_per_caller_max", wide(self.requests_per_caller_max), 1, REQUESTS_MAX),
            ("drain_delay_seconds", self.drain_delay_seconds, 0, SECONDS_MAX),
            ("drain_timeout_seconds", self.drain_timeout_seconds, 0, SECONDS_MAX),
        ];
        let named = |(key, value, least, most): (&'static str, u64, u64, u64)| {
            beyond(&format!("limits.{key}"), value, least, most).map(|mistake| (key.to_owned(), mistake))
        };
        let mut mistakes: Vec<_> = rows.into_iter().filter_map(named).collect();
        for class in Class::ALL {
            let limits = self.class.of(class);
            let word = class.as_str();
            for (key, value, most) in [
                ("requests_max", limits.requests_max.map(wide), REQUESTS_MAX),
                ("rate_per_minute", limits.rate_per_minute.map(u64::from), CONNECTIONS_MAX),
                ("burst", limits.burst.map(u64::from), CONNECTIONS_MAX),
            ] {
                let key = format!("class.{word}.{key}");
                let beyond = value.and_then(|value| beyond(&format!("limits.{key}"), value, 1, most));
                mistakes.extend(beyond.map(|mistake| (key, mistake)));
            }
            if limits.burst.is_some() && limits.rate_per_minute.is_none() {
                let mistake = format!("limits.class.{word}.burst goes with limits.class.{word}.rate_per_minute");
                mistakes.push((format!("class.{word}.burst"), mistake));
            }
        }
        for (place, bound) in self.role.iter().enumerate() {
            let key = format!("role.{place}.requests_max");
            let beyond = beyond(&format!("limits.{key}"), wide(bound.requests_max), 1, REQUESTS_MAX);
            mistakes.extend(beyond.map(|mistake| (key, mistake)));
            if self.role.iter().take(place).any(|earlier| earlier.role == bound.role) {
                let key = format!("role.{place}.role");
                mistakes.push((key, format!("the role {:?} has two entries in [[limits.role]]", bound.role)));
            }
        }
        mistakes
    }
}
