//! Calls that cannot be told to stop: made beside, and left behind when their time is over or a stop is asked for.

use std::sync::mpsc::channel;
use std::time::Duration;

use crate::run::outcome::{ErrorType, Failure};

use super::Control;
use super::shortage::{Shortage, Trouble};

/// The result of `work`; none where the time was over or a stop was asked for before it was done.
///
/// # Errors
/// Those of `work`; a shortage, where no thread can be started.
pub(super) fn with_deadline<T: Send + 'static>(
    time_left: Option<Duration>,
    control: &Control,
    work: impl FnOnce() -> Result<T, Trouble> + Send + 'static,
) -> Result<Option<T>, Trouble> {
    let (sender, done) = channel();
    let stop = sender.clone();
    let _hooked = control.while_hooked(move || {
        let _ = stop.send(None);
    });
    let started = std::thread::Builder::new().name("probe".to_owned()).spawn(move || {
        // Nobody waits any more where it comes too late.
        let _ = sender.send(Some(work()));
    });
    if let Err(e) = started {
        let failure = || Failure {
            error_type: ErrorType::Spawn,
            message: format!("cannot start a thread: {e}"),
        };
        return Err(Shortage::at_start(&e).map_or_else(|| failure().into(), Trouble::Short));
    }
    let done = match time_left {
        Some(left) => done.recv_timeout(left).ok().flatten(),
        None => done.recv().ok().flatten(),
    };
    done.transpose()
}
