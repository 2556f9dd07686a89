//! Where an issuer's keys come from: a file that was read with the configuration, or a URL that is asked again and again.
//!
//! Keys of a URL are fetched when the first token comes, again when they are older than `refresh`, and once at most in
//! `refetch` when a token names a key that is not among them. Who needs keys while a fetch runs waits for it; who has
//! keys goes on with them. After a failure the pause grows from one second to a minute. Keys that could not be refreshed
//! for `stale_max` are not used any more: whoever was to be locked out by their withdrawal would otherwise stay.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use http::header::{ACCEPT, CONTENT_TYPE, HOST};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty, Limited};
use tokio::sync::watch;

use super::error::{JwtFault, JwtKeyError};
use super::key::{JwtAlgorithm, KeySet};
use crate::forward::Connector;

/// For one fetch, connection included.
const FETCH_DEADLINE: Duration = Duration::from_secs(5);
/// The longest set, in bytes.
const SET_BYTES_MAX: usize = 256 * 1024;
/// The first pause after a failure, and the longest.
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// A set of keys behind a URL. It holds a way to get there, no credential.
#[derive(Clone)]
pub struct JwksUrl {
    /// The URL as configured: what logs call it.
    pub url: String,
    /// The same for the same URL and the same CAs: keys of equal sources outlive a reload.
    pub source: String,
    /// Makes connections to its host.
    pub connector: Connector,
    /// `host:port`.
    pub authority: String,
    /// Path and query.
    pub target: String,
    /// The algorithms that its keys may have.
    pub algorithms: Vec<JwtAlgorithm>,
    /// When keys are fetched again.
    pub refresh: Duration,
    /// Between two fetches because of unknown keys.
    pub refetch: Duration,
    /// When keys are too old to be used.
    pub stale_max: Duration,
}

/// Why a set was not fetched. For logs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum FetchError {
    #[error("no connection: {0}")]
    Connect(#[from] crate::forward::ConnectError),
    #[error("no answer in {} seconds", FETCH_DEADLINE.as_secs())]
    Deadline,
    #[error("no HTTP answer")]
    Http,
    #[error("the status is {0}, not 200")]
    Status(StatusCode),
    #[error("the answer's type is not JSON")]
    Type,
    #[error("the answer is longer than {SET_BYTES_MAX} bytes or ends early")]
    Body,
    #[error(transparent)]
    Keys(#[from] JwtKeyError),
}

/// An issuer's keys.
pub(super) enum KeySource {
    Fixed(Arc<Loaded>),
    Remote(Arc<Remote>),
}

/// Keys in use.
pub(super) struct Loaded {
    pub(super) keys: KeySet,
    /// Tells these keys from those before them: what was verified with others is verified again.
    pub(super) generation: u64,
    /// The text they were read from, to see whether a refresh changed anything.
    text: Vec<u8>,
    fetched: Instant,
}

/// Keys behind a URL.
pub(super) struct Remote {
    settings: JwksUrl,
    loaded: ArcSwapOption<Loaded>,
    state: Mutex<FetchState>,
}

#[derive(Default)]
struct FetchState {
    under_way: Option<watch::Receiver<()>>,
    /// No fetch before this.
    not_before: Option<Instant>,
    failures: u32,
}

/// A fetch under way. Dropping it ends it, also when its runtime goes away.
struct Flight {
    remote: Arc<Remote>,
    fetched: Option<Loaded>,
    /// Never sent on: who waits sees it go.
    _open: watch::Sender<()>,
}

/// Every set of keys of this process has a number of its own.
static GENERATIONS: AtomicU64 = AtomicU64::new(0);

impl Loaded {
    pub(super) fn new(keys: KeySet, text: Vec<u8>) -> Self {
        let generation = GENERATIONS.fetch_add(1, Ordering::Relaxed);
        Self { keys, generation, text, fetched: Instant::now() }
    }
}

impl KeySource {
    pub(super) fn fixed(keys: KeySet) -> Self {
        Self::Fixed(Arc::new(Loaded::new(keys, Vec::new())))
    }

    pub(super) fn remote(settings: JwksUrl) -> Self {
        let remote = Remote { settings, loaded: ArcSwapOption::empty(), state: Mutex::default() };
        Self::Remote(Arc::new(remote))
    }

    /// The generation in use, if the keys are fresh enough; starts a refresh that is due. Never waits.
    pub(super) fn generation(&self) -> Option<u64> {
        match self {
            Self::Fixed(loaded) => Some(loaded.generation),
            Self::Remote(remote) => remote.current().map(|loaded| loaded.generation),
        }
    }

    /// Keys among which there is one for this token; waits for a fetch where that may help.
    pub(super) async fn find(&self, fits: impl Fn(&KeySet) -> bool) -> Result<Arc<Loaded>, JwtFault> {
        match self {
            Self::Fixed(loaded) if fits(&loaded.keys) => Ok(Arc::clone(loaded)),
            Self::Fixed(_) => Err(JwtFault::Key),
            Self::Remote(remote) => remote.find(fits).await,
        }
    }

    /// After a reload: the keys that were fetched before are used on, if they come from the same place.
    pub(super) fn inherit(&self, before: &Self) {
        // Keys are pinned to algorithms when they are read, so these must be the same, too.
        let (Self::Remote(this), Self::Remote(before)) = (self, before) else { return };
        if this.settings.source == before.settings.source && this.settings.algorithms == before.settings.algorithms {
            this.loaded.store(before.loaded.load_full());
        }
    }
}

impl Remote {
    fn current(self: &Arc<Self>) -> Option<Arc<Loaded>> {
        let loaded = self.loaded.load_full()?;
        let age = loaded.fetched.elapsed();
        if age >= self.settings.refresh {
            self.start();
        }
        (age < self.settings.stale_max).then_some(loaded)
    }

    async fn find(self: &Arc<Self>, fits: impl Fn(&KeySet) -> bool) -> Result<Arc<Loaded>, JwtFault> {
        let missing = |loaded: Option<Arc<Loaded>>| match loaded {
            Some(loaded) if fits(&loaded.keys) => Ok(loaded),
            Some(_) => Err(JwtFault::Key),
            None => Err(JwtFault::KeysUnavailable),
        };
        let found = missing(self.current());
        if found.is_ok() {
            return found;
        }
        let Some(mut under_way) = self.start() else { return found };
        // An error says that the flight ended: nothing is ever sent.
        drop(under_way.changed().await);
        missing(self.current())
    }

    /// Starts a fetch, or joins the one under way; `None`: it is too early for another.
    fn start(self: &Arc<Self>) -> Option<watch::Receiver<()>> {
        let mut state = self.state();
        if let Some(under_way) = &state.under_way {
            return Some(under_way.clone());
        }
        if state.not_before.is_some_and(|from| Instant::now() < from) {
            return None;
        }
        let (open, under_way) = watch::channel(());
        state.under_way = Some(under_way.clone());
        drop(state);
        let mut flight = Flight { remote: Arc::clone(self), fetched: None, _open: open };
        tokio::spawn(async move {
            let fetched = flight.remote.fetch().await;
            flight.land(fetched);
        });
        Some(under_way)
    }

    async fn fetch(&self) -> Result<Loaded, FetchError> {
        let text =
            tokio::time::timeout(FETCH_DEADLINE, self.ask()).await.map_err(|_elapsed| FetchError::Deadline)??;
        let keys = KeySet::from_jwks(&text, &self.settings.algorithms)?;
        Ok(Loaded::new(keys, text))
    }

    async fn ask(&self) -> Result<Vec<u8>, FetchError> {
        let JwksUrl { connector, authority, target, .. } = &self.settings;
        let mut link = connector.http1().await?;
        let request = Request::get(target.as_str())
            .header(HOST, authority)
            .header(ACCEPT, "application/jwk-set+json, application/json")
            .body(Empty::<bytes::Bytes>::new())
            .map_err(|_error| FetchError::Http)?;
        let answer = link.send(request).await.map_err(|_error| FetchError::Http)?;
        if answer.status() != StatusCode::OK {
            return Err(FetchError::Status(answer.status()));
        }
        let json = answer.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        if !json.is_none_or(|kind| kind.to_ascii_lowercase().contains("json")) {
            return Err(FetchError::Type);
        }
        let text =
            Limited::new(answer.into_body(), SET_BYTES_MAX).collect().await.map_err(|_error| FetchError::Body)?;
        Ok(text.to_bytes().into())
    }

    fn state(&self) -> MutexGuard<'_, FetchState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Flight {
    fn land(&mut self, fetched: Result<Loaded, FetchError>) {
        match fetched {
            Ok(loaded) => self.fetched = Some(loaded),
            Err(error) => {
                let url = &self.remote.settings.url;
                tracing::warn!(%url, %error, "the keys of a token issuer could not be fetched");
            }
        }
    }
}

impl Drop for Flight {
    /// Keys are in place before anybody hears that the flight ended.
    fn drop(&mut self) {
        let mut state = self.remote.state();
        state.under_way = None;
        let pause = if let Some(mut fetched) = self.fetched.take() {
            state.failures = 0;
            let before = self.remote.loaded.load();
            if let Some(before) = before.as_ref().filter(|before| before.text == fetched.text) {
                fetched.generation = before.generation;
            } else {
                tracing::info!(url = %self.remote.settings.url, "the keys of a token issuer were fetched");
            }
            self.remote.loaded.store(Some(Arc::new(fetched)));
            self.remote.settings.refetch
        } else {
            state.failures = state.failures.saturating_add(1);
            let doubled = PAUSE_MIN.saturating_mul(1 << state.failures.saturating_sub(1).min(10));
            doubled.min(PAUSE_MAX)
        };
        state.not_before = Instant::now().checked_add(pause);
    }
}
