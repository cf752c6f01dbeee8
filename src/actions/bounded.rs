//! Calls that cannot be told to stop: made beside, and left behind when their time is over or a stop is asked for.

use std::sync::mpsc::channel;
use std::time::Duration;

use super::Control;

/// What `work` comes to; nothing where the time was over or a stop was asked for before it was done.
pub(super) fn bounded<T: Send + 'static>(
    time_left: Option<Duration>,
    control: &Control,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (sender, done) = channel();
    let stop = sender.clone();
    let _hooked = control.while_hooked(move || {
        let _ = stop.send(None);
    });
    let started = std::thread::Builder::new().name("probe".to_owned()).spawn(move || {
        // Nobody waits any more where it comes too late.
        let _ = sender.send(Some(work()));
    });
    started.ok()?;
    match time_left {
        Some(left) => done.recv_timeout(left).ok().flatten(),
        None => done.recv().ok().flatten(),
    }
}
