//! Blocking calls that cannot be interrupted: made on a thread of their own, and abandoned at the deadline or when a stop is requested.

use std::sync::mpsc::channel;
use std::time::Duration;

use crate::run::outcome::{ErrorType, Failure};

use super::Control;
use super::shortage::{AttemptError, Shortage};

/// Returns the result of `work`, or `None` if the deadline passed or a stop was requested before it finished.
///
/// # Errors
/// Those of `work`; a failure or a shortage if no thread can be started.
pub(super) fn with_deadline<T: Send + 'static>(
    time_left: Option<Duration>,
    control: &Control,
    work: impl FnOnce() -> Result<T, AttemptError> + Send + 'static,
) -> Result<Option<T>, AttemptError> {
    let (sender, done) = channel();
    let stop = sender.clone();
    let _guard = control.with_stop_hook(move || {
        let _ = stop.send(None);
    });
    let started = std::thread::Builder::new().name("probe".to_owned()).spawn(move || {
        // Fails if the receiver has stopped waiting.
        let _ = sender.send(Some(work()));
    });
    if let Err(e) = started {
        let failure = || Failure {
            error_type: ErrorType::Spawn,
            message: format!("cannot start a thread: {e}"),
        };
        return Err(Shortage::at_start(&e).map_or_else(|| failure().into(), AttemptError::Shortage));
    }
    let done = match time_left {
        Some(left) => done.recv_timeout(left).ok().flatten(),
        None => done.recv().ok().flatten(),
    };
    done.transpose()
}
