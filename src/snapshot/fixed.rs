//! What a running irongate cannot change: what its threads and sockets were made with.

use crate::config::{Config, Tracing};

/// Words that say what was configured, each with a name for it. None of them is a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fixed(Vec<(String, String)>);

impl Fixed {
    pub(super) fn of(config: &Config) -> Self {
        let (upstream, audit) = (&config.upstream, &config.audit);
        let mut told = vec![
            ("workers".to_owned(), config.workers.to_string()),
            ("admin.address".to_owned(), format!("{:?}", config.admin)),
            ("audit".to_owned(), format!("{:?}", (&audit.sink, &audit.cadf, audit.queue_bytes_max))),
            ("tracing".to_owned(), config.tracing.as_ref().map_or_else(String::new, traces)),
            ("upstream.endpoints".to_owned(), format!("{:?}", upstream.endpoints)),
            ("TLS towards the upstream".to_owned(), upstream.tls.is_some().to_string()),
        ];
        let times = (
            (upstream.connect_timeout, upstream.send_timeout, upstream.answer_timeout, upstream.idle_timeout),
            (upstream.transfer_timeout, upstream.ejection, upstream.probe_interval),
            (upstream.connections_idle_max, upstream.connection_idle_timeout),
        );
        told.push(("deadlines and connections of the upstream".to_owned(), format!("{times:?}")));
        for listener in &config.listeners {
            told.push((format!("the address of listener {}", listener.name), listener.address.to_string()));
        }
        Self(told)
    }

    /// The names of what is different in `next`.
    pub(super) fn changed(&self, next: &Self) -> Vec<String> {
        let same = |name: &str, value: &str| self.0.iter().any(|(known, is)| known == name && is == value);
        next.0.iter().filter(|(name, value)| !same(name, value)).map(|(name, _)| name.clone()).collect()
    }
}

/// What the exporter was made with; of its CA only that there is one, as towards Ironic.
fn traces(tracing: &Tracing) -> String {
    format!("{} {} {:?} {:?}", tracing.endpoint, tracing.tls.is_some(), tracing.ratio, tracing.trusted_listeners)
}
