//! Listeners, workers, drain.
//!
//! Each worker is a thread with a current-thread runtime, its own listening sockets (`SO_REUSEPORT`) and its own
//! connections to Ironic: workers share only what is read-only or atomic.

mod compression;
mod connection;
mod descriptors;
mod gate;
mod inherited;
mod listen;
mod numbers;
mod pressure;
mod probe;
mod pulse;
mod status;
pub mod systemd;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::sync::{Semaphore, watch};

use crate::audit::{Audit, AuditError};
use crate::config::{Config, ConfigError, ListenAddress, UpstreamEndpoint};
use crate::forward::{Connector, HostError, Upstream, UpstreamState};
use crate::metrics::Metrics;
use crate::pipeline::Pipeline;
use crate::snapshot::{Current, Snapshot};
use crate::trace::{TraceError, Tracer};

use descriptors::Descriptors;
pub use gate::{Gate, TurnedAway};
pub(crate) use listen::ACCEPT_PAUSE;
use listen::{Listening, SocketFile};
pub use probe::{Target, probe};
pub use pulse::{Closing, Pulse, Sending};
pub use status::Status;

/// So long the end waits for the collector to take the last traces.
const TRACES_WAIT: Duration = Duration::from_secs(2);
/// Far more than the connections that a worker can have; the drain waits for all of them.
const PERMITS: u32 = 1 << 24;

/// Between two signs of life of a worker.
const BEAT: Duration = Duration::from_secs(1);
/// A worker that did not come round for so long hangs.
const HANG: Duration = Duration::from_secs(20);

/// What the threads do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Accept and serve.
    Serve,
    /// Serve what comes, and send callers elsewhere: each answer on HTTP/1.1 ends its connection.
    Leave,
    /// Accept nothing more, finish what runs.
    Drain,
    /// End what runs.
    Cut,
}

impl Phase {
    /// The word of `/status`.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Serve => "serving",
            Self::Leave => "leaving",
            Self::Drain | Self::Cut => "draining",
        }
    }

    /// Whether nothing is accepted any more.
    fn is_drain(&self) -> bool {
        matches!(self, Self::Drain | Self::Cut)
    }
}

/// Why the proxy does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Config(Vec<ConfigError>),
    /// An address.
    #[error("listener {name}: cannot listen on {address}: {source}")]
    Listen {
        /// The listener.
        name: String,
        /// Its address.
        address: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// The audit sink.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The traces' collector.
    #[error("tracing: {0}")]
    Trace(#[from] TraceError),
    /// The endpoint.
    #[error("upstream: {0}")]
    Host(#[from] HostError),
    /// A thread or a runtime.
    #[error("the system refuses a thread or a runtime: {0}")]
    Thread(std::io::Error),
}

/// A running proxy.
pub struct Server {
    /// The snapshot in force.
    pub current: Arc<Current>,
    /// Connections of all workers.
    pub gate: Arc<Gate>,
    /// What is known of Ironic.
    pub state: Arc<UpstreamState>,
    /// Records that could not be written.
    pub audit: Audit,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Ironic's endpoints, for the probe.
    pub targets: Vec<Target>,
    /// Begins traces, where they are configured.
    pub tracer: Option<Arc<Tracer>>,
    /// Where it really listens, in the order of the configuration (port 0 becomes a real one).
    pub addresses: Vec<ListenAddress>,
    /// When it was started.
    started: jiff::Timestamp,
    phase: watch::Sender<Phase>,
    workers: Mutex<Vec<JoinHandle<()>>>,
    sockets: Mutex<Vec<SocketFile>>,
    descriptors: Descriptors,
    since: Instant,
    beats: Vec<Arc<AtomicU64>>,
}

/// What one worker is given.
struct Worker {
    pipeline: Arc<Pipeline>,
    current: Arc<Current>,
    /// Each socket with its listener's place.
    listening: Vec<(usize, Listening)>,
    phase: watch::Receiver<Phase>,
    gate: Arc<Gate>,
    /// For each listener, whether its socket was passed to irongate.
    inherited: Vec<bool>,
    /// Goes on as long as the worker works.
    beat: Arc<AtomicU64>,
    since: Instant,
}

impl Server {
    /// Binds everything and starts the workers.
    pub fn start(config: &Config, file: PathBuf) -> Result<Self, StartError> {
        let snapshot = Snapshot::build(config, &file).map_err(StartError::Config)?;
        let tls = snapshot.upstream_tls.clone().map(|tls| Arc::new(ArcSwap::new(tls)));
        let connector = |target: &UpstreamEndpoint| {
            Connector::following(&target.endpoint, tls.as_ref(), config.upstream.connect_timeout)
        };
        let connectors = config.upstream.endpoints.iter().map(connector).collect::<Result<Vec<_>, _>>()?;
        let audit = Audit::open(&config.audit)?;
        let tracer = config.tracing.as_ref().map(Tracer::start).transpose()?;
        let listen::Bound { workers: listening, addresses, files } = listen::bind(config)?;
        let inherited: Vec<bool> = config
            .listeners
            .iter()
            .map(|listener| matches!(listener.address, ListenAddress::Inherited { .. }))
            .collect();
        let names: Vec<Arc<str>> = config.listeners.iter().map(|listener| Arc::clone(&listener.name)).collect();
        let metrics = Arc::new(Metrics::new(config.workers, &names));
        let current = Arc::new(Current::new(snapshot, config, file, tls, metrics.rules()));
        let state = Arc::new(UpstreamState::new(&config.upstream));
        let descriptors = Descriptors::raised();
        descriptors.tell(&config.limits);
        let gate = Arc::new(Gate::new(config.listeners.len(), descriptors));
        let since = Instant::now();
        let (phase, observed) = watch::channel(Phase::Serve);
        let mut workers = Vec::with_capacity(config.workers);
        let mut beats = Vec::with_capacity(config.workers);
        for (index, listening) in listening.into_iter().enumerate() {
            let counts = metrics.worker(index);
            let beat = Arc::new(AtomicU64::new(0));
            beats.push(Arc::clone(&beat));
            let upstream = Upstream::new(&config.upstream, &connectors, (index, config.workers), Arc::clone(&state));
            let worker = Worker {
                pipeline: Arc::new(Pipeline {
                    upstream,
                    audit: audit.clone(),
                    metrics: counts,
                    tracer: tracer.clone(),
                }),
                current: Arc::clone(&current),
                listening,
                phase: observed.clone(),
                gate: Arc::clone(&gate),
                inherited: inherited.clone(),
                beat: Arc::clone(&beat),
                since,
            };
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(StartError::Thread)?;
            let thread = std::thread::Builder::new().name(format!("worker-{index}"));
            workers.push(thread.spawn(move || runtime.block_on(worker.run())).map_err(StartError::Thread)?);
        }
        let target = |(target, connector): (&UpstreamEndpoint, Connector)| Target {
            connector,
            authority: target.authority.clone(),
            interval: config.upstream.probe_interval,
        };
        let targets = config.upstream.endpoints.iter().zip(connectors).map(target).collect();
        let workers = Mutex::new(workers);
        numbers::register(&metrics, &current, &state, &audit);
        if let Some(tracer) = &tracer {
            numbers::traces(&metrics, &tracer.counts());
        }
        pressure::register(&metrics, &current, &gate);
        Ok(Self {
            current,
            gate,
            state,
            audit,
            metrics,
            tracer,
            targets,
            addresses,
            started: jiff::Timestamp::now(),
            phase,
            workers,
            sockets: Mutex::new(files),
            descriptors,
            since,
            beats,
        })
    }

    /// Begins to leave: readiness is off, and callers are sent elsewhere as they are answered. [`Server::drain`] is next.
    pub fn leave(&self) {
        self.phase.send_if_modified(|phase| {
            let serving = *phase == Phase::Serve;
            if serving {
                *phase = Phase::Leave;
            }
            serving
        });
    }

    /// When each worker last came round, in milliseconds after the start; a number that stays is a worker that hangs.
    pub fn beats(&self) -> Vec<u64> {
        self.beats.iter().map(|beat| beat.load(Ordering::Relaxed)).collect()
    }

    /// Whether every worker came round lately. Those that have drained are silent, and that is well.
    pub fn alive(&self) -> bool {
        self.came_round(HANG)
    }

    /// The same for another time than the usual one.
    fn came_round(&self, within: Duration) -> bool {
        let now = milliseconds(self.since);
        let late = |beat: u64| now.saturating_sub(beat) >= within.as_millis().try_into().unwrap_or(u64::MAX);
        !self.serving() || !self.beats().into_iter().any(late)
    }

    /// Tells where the limits in force need more file descriptors than there are.
    pub fn tell_descriptors(&self) {
        self.descriptors.tell(&self.current.load().limits);
    }

    /// Stops accepting; what runs is finished. The place of a unix socket is free for the next instance from now on.
    pub fn drain(&self) {
        self.end(Phase::Drain);
    }

    /// The same, but what runs is cut at once; its records are written.
    pub fn cut(&self) {
        self.end(Phase::Cut);
    }

    fn end(&self, phase: Phase) {
        for socket in self.sockets.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            socket.remove();
        }
        self.phase.send_replace(phase);
    }

    fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    /// Whether it serves, and is not about to end.
    pub fn serving(&self) -> bool {
        self.phase() == Phase::Serve
    }

    /// Waits until the workers have ended and the last record is written. Blocks.
    pub fn wait(&self) {
        let workers = std::mem::take(&mut *self.workers.lock().unwrap_or_else(PoisonError::into_inner));
        for worker in workers {
            drop(worker.join());
        }
        let left = self.audit.flush();
        if left > 0 {
            tracing::error!(count = left, "audit records are lost: the sink did not take them before the end");
        }
        if let Some(tracer) = &self.tracer {
            tracer.flush(TRACES_WAIT);
        }
    }
}

fn milliseconds(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

impl Worker {
    async fn run(self) {
        // Every connection holds a permit, so that the drain can wait for all of them.
        let permits = Arc::new(Semaphore::new(PERMITS as usize));
        let mut accepting = tokio::task::JoinSet::new();
        let (beat, since) = (self.beat, self.since);
        tokio::spawn(async move {
            loop {
                beat.store(milliseconds(since), Ordering::Relaxed);
                tokio::time::sleep(BEAT).await;
            }
        });
        for (index, listening) in self.listening {
            let inherited = self.inherited.get(index).copied().unwrap_or(false);
            let door = connection::Door {
                index,
                pipeline: Arc::clone(&self.pipeline),
                current: Arc::clone(&self.current),
                phase: self.phase.clone(),
                gate: Arc::clone(&self.gate),
            };
            accepting.spawn(listen::accept(listening, inherited, door, Arc::clone(&permits), self.phase.clone()));
        }
        while accepting.join_next().await.is_some() {}
        let audit = self.pipeline.audit.clone();
        let within = Duration::from_secs(self.current.load().limits.drain_timeout_seconds);
        let mut phase = self.phase.clone();
        let drained = tokio::select! {
            drained = tokio::time::timeout(within, permits.acquire_many(PERMITS)) => {
                if drained.is_err() {
                    tracing::warn!("the drain deadline passed; what still runs is cut");
                }
                drained.is_ok()
            }
            _ = phase.wait_for(|phase| *phase == Phase::Cut) => false,
        };
        if !drained {
            // It ends with this runtime; its records say so.
            audit.cut();
        }
    }
}
