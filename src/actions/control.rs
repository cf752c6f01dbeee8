//! How an attempt that is being made is told to stop.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::run::Stop;
use crate::run::outcome::Ending;

/// Why an attempt is to stop; a later one of these outranks an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum StopKind {
    /// SIGTERM, grace, SIGKILL.
    Cancel,
    /// SIGKILL, because the run is terminated.
    Terminate,
    /// SIGKILL, because the server gives it up at the end of a drain.
    GiveUp,
}

impl StopKind {
    /// How an attempt that was stopped for this ended.
    pub(crate) fn ending(self) -> Ending {
        match self {
            Self::Cancel => Ending::Canceled,
            Self::Terminate => Ending::Terminated,
            Self::GiveUp => Ending::Lost,
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

/// Shared between whoever makes attempts of a run and whoever may stop it.
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
    /// Asks for a stop; a stronger one replaces a weaker one.
    pub(crate) fn stop(&self, kind: StopKind) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.asked = inner.asked.max(Some(kind));
        self.stopped.notify_all();
        if let Some(hook) = &inner.hook {
            hook();
        }
    }

    /// What has been asked for, if anything.
    pub(crate) fn asked(&self) -> Option<StopKind> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).asked
    }

    /// Waits for so long, or until a stop is asked for.
    pub(super) fn wait(&self, span: Duration) {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let before = inner.asked;
        drop(self.stopped.wait_timeout_while(inner, span, |inner| inner.asked == before));
    }

    /// Calls `hook` at each stop from now on, and at once where one has been asked for already; until the guard is dropped.
    pub(super) fn while_hooked(&self, hook: impl Fn() + Send + 'static) -> Hooked<'_> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.asked.is_some() {
            hook();
        }
        inner.hook = Some(Box::new(hook));
        Hooked(self)
    }
}

/// Takes the hook away when dropped.
pub(super) struct Hooked<'a>(&'a Control);

impl Drop for Hooked<'_> {
    fn drop(&mut self) {
        self.0.inner.lock().unwrap_or_else(PoisonError::into_inner).hook = None;
    }
}
