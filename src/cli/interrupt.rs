//! Termination signals, handled on a separate thread.

use std::sync::Arc;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::Signals;

use crate::engine::interrupt::Interrupt;
use crate::error::{Error, Kind};

/// The signals with which a terminal or a CI job ends its processes.
pub(super) const SIGNALS: [i32; 3] = [SIGHUP, SIGINT, SIGTERM];

fn failed(e: std::io::Error) -> Error {
    Error::new(Kind::System, "cannot watch for signals").because(e)
}

/// Turns a write beyond `ulimit -f` into an error of that write, instead of a signal that kills the process.
pub(super) fn survive_file_size_limit() {
    // If the signal cannot be caught, it kills the process as before.
    let _ = signal_hook::flag::register(SIGXFSZ, Arc::default());
}

/// Blocks the default action of the signals, so that they can be handled.
///
/// # Errors
/// `System` if the signals cannot be caught.
pub(super) fn catch(signals: &[i32]) -> Result<Signals, Error> {
    Signals::new(signals).map_err(failed)
}

/// Starts a thread that calls `act` for each signal received.
///
/// # Errors
/// `System` if the thread cannot be started.
pub(super) fn on_each(signals: Signals, mut act: impl FnMut() + Send + 'static) -> Result<(), Error> {
    pass_each(signals, move |_| act())
}

/// Starts a thread that calls `act` with each signal received.
///
/// # Errors
/// `System` if the thread cannot be started.
pub(super) fn pass_each(mut signals: Signals, mut act: impl FnMut(i32) + Send + 'static) -> Result<(), Error> {
    let watch = move || signals.forever().for_each(&mut act);
    let started = std::thread::Builder::new().name("signals".to_owned()).spawn(watch);
    started.map(|_| ()).map_err(failed)
}

/// Returns an interrupt that the signals of this process raise from now on. It ends the processes that a script step has started.
///
/// # Errors
/// `System` if the signals cannot be caught.
pub(super) fn on_signals() -> Result<Arc<Interrupt>, Error> {
    let signals = catch(&SIGNALS)?;
    let interrupt = Arc::new(Interrupt::default());
    for signal in SIGNALS {
        signal_hook::flag::register(signal, Arc::clone(&interrupt.signaled)).map_err(failed)?;
    }
    let raised = Arc::clone(&interrupt);
    on_each(signals, move || raised.raise())?;
    Ok(interrupt)
}
