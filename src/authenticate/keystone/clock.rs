//! What time it is: for how long Keystone is believed, and not asked. Tests stop the clock and move it on.

use std::time::{Instant, SystemTime};

#[cfg(test)]
use std::sync::{Arc, Mutex, PoisonError};
#[cfg(test)]
use std::time::Duration;

/// The machine's own, unless a test stopped it.
#[derive(Debug, Clone, Default)]
pub(super) struct Clock {
    #[cfg(test)]
    stopped: Option<Arc<Mutex<(Instant, SystemTime)>>>,
}

impl Clock {
    /// For spans of time.
    pub(super) fn now(&self) -> Instant {
        #[cfg(test)]
        if let Some(stopped) = &self.stopped {
            return stopped.lock().unwrap_or_else(PoisonError::into_inner).0;
        }
        Instant::now()
    }

    /// For times that others name.
    pub(super) fn today(&self) -> SystemTime {
        #[cfg(test)]
        if let Some(stopped) = &self.stopped {
            return stopped.lock().unwrap_or_else(PoisonError::into_inner).1;
        }
        SystemTime::now()
    }

    /// One that stands still.
    #[cfg(test)]
    pub(super) fn stopped() -> Self {
        Self { stopped: Some(Arc::new(Mutex::new((Instant::now(), SystemTime::now())))) }
    }

    /// Moves a stopped one on, and all that were cloned from it.
    #[cfg(test)]
    pub(super) fn advance(&self, time: Duration) {
        let mut times = self.stopped.as_ref().unwrap().lock().unwrap();
        *times = (times.0 + time, times.1 + time);
    }
}
