//! Stop requests to a running attempt.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::run::Stop;
use crate::run::outcome::Ending;

/// The reason for stopping an attempt; a later variant takes precedence over an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum StopKind {
    /// The run is canceled: SIGTERM, then SIGKILL after the grace period.
    Cancel,
    /// The run is terminated: SIGKILL.
    Terminate,
    /// The server abandons the attempt at the end of a drain: SIGKILL.
    Abandon,
}

impl StopKind {
    /// The ending of an attempt that was stopped for this reason.
    pub(crate) fn ending(self) -> Ending {
        match self {
            Self::Cancel => Ending::Canceled,
            Self::Terminate => Ending::Terminated,
            Self::Abandon => Ending::Lost,
        }
    }
}

impl From<Stop> for StopKind {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Cancel => Self::Cancel,
            Stop::Terminate => Self::Terminate,
        }
    }
}

type Hook = Box<dyn Fn() + Send>;

/// Shared between the worker that runs the attempts of a run and the threads that may stop it.
#[derive(Default)]
pub(crate) struct Control {
    inner: Mutex<Inner>,
    /// Notified at each stop.
    stopped: Condvar,
}

#[derive(Default)]
struct Inner {
    asked: Option<StopKind>,
    hook: Option<Hook>,
}

impl Control {
    /// Requests a stop; a stronger request replaces a weaker one.
    pub(crate) fn stop(&self, kind: StopKind) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.asked = inner.asked.max(Some(kind));
        self.stopped.notify_all();
        if let Some(hook) = &inner.hook {
            hook();
        }
    }

    /// The stop that has been requested, if any.
    pub(crate) fn requested(&self) -> Option<StopKind> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).asked
    }

    /// Waits for `span`, or until a stop is requested.
    pub(super) fn wait(&self, span: Duration) {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let before = inner.asked;
        drop(self.stopped.wait_timeout_while(inner, span, |inner| inner.asked == before));
    }

    /// Calls `hook` at each stop request until the guard is dropped, and at once if a stop has already been requested.
    pub(super) fn with_stop_hook(&self, hook: impl Fn() + Send + 'static) -> StopHook<'_> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.asked.is_some() {
            hook();
        }
        inner.hook = Some(Box::new(hook));
        StopHook(self)
    }
}

/// Removes the hook when dropped.
pub(super) struct StopHook<'a>(&'a Control);

impl Drop for StopHook<'_> {
    fn drop(&mut self) {
        self.0.inner.lock().unwrap_or_else(PoisonError::into_inner).hook = None;
    }
}
