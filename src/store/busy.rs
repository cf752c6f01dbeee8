//! Waiting for other processes that are writing to the database.

use std::cell::Cell;
use std::time::Duration;

use rusqlite::ErrorCode;

use crate::clock::{Stopwatch, pause};
use crate::machine;

/// Maximum time that a command waits for the write lock.
const BUSY_DEADLINE: Duration = Duration::from_secs(10);
/// Sleep between attempts to get the write lock. SQLite's default handler sleeps up to 100 ms and starves next to a busy server.
const BUSY_PAUSE: Duration = Duration::from_micros(100);

thread_local! {
    static WAITING_SINCE: Cell<Option<Stopwatch>> = const { Cell::new(None) };
    /// How long this thread waits for others.
    static PATIENCE: Cell<Duration> = const { Cell::new(BUSY_DEADLINE) };
}

/// The pause before the next try, which grows with the number of tries: dozens of processes that each try ten thousand times a second leave no
/// processor to the one that writes. It differs from process to process, so that they do not try at the same moments.
fn busy_pause(tries: i32) -> Duration {
    let pause = match tries {
        ..50 => return BUSY_PAUSE,
        50..100 => BUSY_PAUSE * 10,
        _ => BUSY_PAUSE * 40,
    };
    pause + pause * (machine::pid() % 8) / 8
}

/// SQLite's busy handler: called again and again while another process writes; `tries` starts at 0 for each wait.
pub(super) fn retry_when_busy(tries: i32) -> bool {
    WAITING_SINCE.with(|since| {
        if tries == 0 || since.get().is_none() {
            since.set(Some(Stopwatch::start()));
        }
        let expired = since.get().is_some_and(|s| s.elapsed() > PATIENCE.get());
        if !expired {
            pause(busy_pause(tries));
        }
        !expired
    })
}

/// Runs work for which SQLite does not call the busy handler, again and again while another process writes.
pub(super) fn until_free<T>(mut work: impl FnMut() -> rusqlite::Result<T>) -> rusqlite::Result<T> {
    let (waiting, mut tries) = (Stopwatch::start(), 0);
    loop {
        match work() {
            Err(e) if e.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) && waiting.elapsed() < BUSY_DEADLINE => {
                pause(busy_pause(tries));
                tries += 1;
            }
            done => return done,
        }
    }
}

/// Runs `work`, which waits for others no longer than this each time.
pub(super) fn with_patience<T>(patience: Duration, work: impl FnOnce() -> T) -> T {
    PATIENCE.set(patience);
    let done = work();
    PATIENCE.set(BUSY_DEADLINE);
    done
}
