//! irongate as a whole, in front of a fake Ironic that records what arrives. What Ironic itself makes of a request is
//! the conformance suite's subject (`tests/conformance/`).

#![expect(unreachable_pub, reason = "a test binary has no outside")]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    reason = "a test fails by panicking"
)]

mod support;

mod attributes;
mod audit;
mod canary;
mod candidate;
mod certificate;
mod cli;
mod compression;
mod credentials;
mod crowd;
mod explain;
mod framing;
mod hostile;
mod jwt;
mod keystone;
mod life;
mod limits;
mod listeners;
mod logs;
mod metrics;
mod microversion;
mod operate;
mod service;
mod shadow;
mod sink;
mod tls;
mod tracing;
mod treatment;
mod rollout;
mod upstream;
mod views;
