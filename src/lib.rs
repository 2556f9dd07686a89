//! irongate: a policy-enforcing reverse proxy in front of OpenStack Ironic.
//!
//! The modules stand in the order in which a request meets them. Open [`pipeline`] first: it tells the whole way of a
//! request on one screen.
//!
//! ```text
//! server → tls → framing → authenticate → route → authorize(call) → limit → validate → authorize(each write)
//!        → forward → scrub → audit
//! ```

pub mod cli;
pub mod config;
pub mod snapshot;

pub mod server;
pub mod tls;
pub mod listener;
pub mod pipeline;
pub mod framing;
pub mod authenticate;
pub mod microversion;
pub mod route;
pub mod authorize;
pub mod lookup;
pub mod policy;
pub mod limits;
pub mod json;
pub mod validate;
pub mod call;
pub mod forward;
pub mod scrub;
pub mod answer;
pub mod audit;
pub mod history;
pub mod replay;
pub mod learn;
pub mod report;

pub mod catalog;
pub mod rejection;
pub mod body;
pub mod header;
pub mod networks;
pub mod plain;
pub mod request_id;
pub mod admin;
pub mod metrics;
pub mod certs;
pub mod telemetry;
pub mod trace;
pub mod version;
