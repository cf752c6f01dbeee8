//! Signals that ask a step of a script to end reach what it has started, on a thread of their own.

use std::sync::Arc;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::engine::script::Interrupt;
use crate::error::{Error, Kind};

/// The signals that ask for the end.
const SIGNALS: [i32; 3] = [SIGHUP, SIGINT, SIGTERM];

/// What the signals of this process raise from now on.
pub(super) fn on_signals() -> Result<Arc<Interrupt>, Error> {
    let failed = |e: std::io::Error| Error::new(Kind::System, "cannot watch for signals").because(e);
    let mut signals = Signals::new(SIGNALS).map_err(failed)?;
    let interrupt = Arc::new(Interrupt::default());
    for signal in SIGNALS {
        signal_hook::flag::register(signal, Arc::clone(&interrupt.signaled)).map_err(failed)?;
    }
    let raised = Arc::clone(&interrupt);
    let watch = move || signals.forever().for_each(|_| raised.raise());
    let started = std::thread::Builder::new().name("signals".to_owned()).spawn(watch);
    started.map(|_| interrupt).map_err(failed)
}
