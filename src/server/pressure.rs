//! The numbers of limits: what is under way, what was refused, what was turned away.

use std::sync::Arc;

use super::gate::{Gate, TurnedAway};
use super::pulse::Closing;
use crate::catalog::Class;
use crate::metrics::{Kind, Metrics};
use crate::snapshot::Current;

/// Tells `metrics` about them.
pub(super) fn register(metrics: &Metrics, current: &Arc<Current>, gate: &Arc<Gate>) {
    let load = Arc::clone(current.load().limiter.load());
    let now = Arc::clone(&load);
    metrics.family(
        "irongate_class_inflight_requests",
        "Permitted requests under way, by class",
        Kind::Gauge,
        &["class"],
        move |samples| {
            for class in Class::ALL {
                samples.put(&[class.as_str()], now.requests_of(class) as u64);
            }
        },
    );
    let now = Arc::clone(&load);
    metrics.family(
        "irongate_rate_limited",
        "Requests that came too often for their caller's rate, by class",
        Kind::Counter,
        &["class"],
        move |samples| {
            for class in Class::ALL {
                samples.put(&[class.as_str()], now.rate_limited(class));
            }
        },
    );
    let now = Arc::clone(&load);
    metrics.family(
        "irongate_shed",
        "Requests that were refused because too many were under way, by class",
        Kind::Counter,
        &["class"],
        move |samples| {
            for class in Class::ALL {
                samples.put(&[class.as_str()], now.refused_busy(Some(class)));
            }
            samples.put(&["unknown"], now.refused_busy(None));
        },
    );
    metrics.gauge("irongate_body_bytes_in_use", "Bytes of request bodies in memory, or promised", move || {
        f64::from(u32::try_from(load.body_bytes()).unwrap_or(u32::MAX))
    });
    let now = Arc::clone(gate);
    metrics.gauge("irongate_answers_sending", "Answers that are not handed over to their end", move || {
        f64::from(u32::try_from(now.answers()).unwrap_or(u32::MAX))
    });
    let now = Arc::clone(gate);
    metrics.gauge("irongate_tls_handshakes", "TLS handshakes under way", move || {
        f64::from(u32::try_from(now.handshakes()).unwrap_or(u32::MAX))
    });
    let now = Arc::clone(gate);
    metrics.family(
        "irongate_connections_turned_away",
        "Connections that were not served, by reason",
        Kind::Counter,
        &["reason"],
        move |samples| {
            for reason in TurnedAway::ALL {
                samples.put(&[reason.as_str()], now.turned_away(reason));
            }
        },
    );
    let now = Arc::clone(gate);
    metrics.family(
        "irongate_connections_closed",
        "Connections that were served and then closed by irongate, by reason",
        Kind::Counter,
        &["reason"],
        move |samples| {
            for reason in Closing::ALL {
                samples.put(&[reason.as_str()], now.closed(reason));
            }
        },
    );
}
