//! The interruption of a step of a script.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::actions::{Control, StopKind};
use crate::clock::{Clock, Stopwatch, Wakeup};
use crate::error::{Error, Kind};
use crate::run::outcome::{AttemptResult, Ending, ErrorType};

/// Interrupts a script step, its command or its wait, from any thread.
#[derive(Default)]
pub(crate) struct Interrupt {
    pub(super) control: Control,
    pub(super) wake: Wakeup,
    /// Set as soon as the signal arrives: the command may die of it before a thread of this process wakes up.
    pub(crate) signaled: Arc<AtomicBool>,
}

impl Interrupt {
    /// Interrupts the step.
    pub(crate) fn raise(&self) {
        self.control.stop(StopKind::Cancel);
        self.wake.raise();
    }

    /// Returns the result of an attempt. If its command died of the signal that interrupted it, raises the interrupt and returns it as canceled.
    pub(super) fn canceled_if_signaled(&self, result: AttemptResult) -> AttemptResult {
        let died = matches!(&result.ending, Ending::Failed(f) if f.error_type == ErrorType::Signal);
        if died && self.signaled.load(Ordering::SeqCst) {
            self.raise();
            let ending = StopKind::Cancel.ending();
            return AttemptResult { ending, ..result };
        }
        result
    }

    /// Waits until a time, but no longer than `at_most`: the clock may be set back.
    ///
    /// # Errors
    /// `Interrupted` when the step is interrupted.
    pub(super) fn wait(&self, clock: &dyn Clock, until: DateTime<Utc>, at_most: Duration) -> Result<(), Error> {
        let waited = Stopwatch::start();
        while clock.now() < until && waited.elapsed() < at_most {
            self.check()?;
            clock.wait(&self.wake, until);
        }
        self.check()
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        match self.control.requested() {
            Some(_) => Err(Error::new(Kind::Interrupted, "the step was interrupted")),
            None => Ok(()),
        }
    }
}
