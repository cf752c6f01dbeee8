//! Waiting for requests and runs (`--wait`).

use std::time::Duration;

use chrono::TimeDelta;

use super::Context;
use crate::clock::{Clock as _, Stopwatch, Wakeup};
use crate::error::{Error, Kind};
use crate::output::counted;
use crate::output::progress::Waiting;
use crate::run::outcome::Status;
use crate::spec::text;
use crate::store::{RequestState, RunRow, Store};

/// How often the database is polled.
const POLL_INTERVAL: TimeDelta = TimeDelta::milliseconds(20);
/// How long a command without `--wait` gives the server to decide a request, so that the run can be shown.
const DECISION_TIMEOUT: Duration = Duration::from_millis(500);

/// Checks that a server is running, so that waiting can succeed. To be called before anything is recorded.
///
/// # Errors
/// `ServerDown` if no server is running.
pub(super) fn needs_server(context: &Context) -> Result<(), Error> {
    if context.server()?.is_some() {
        return Ok(());
    }
    Err(Error::new(
        Kind::ServerDown,
        "cannot wait: the server is not running; nothing was recorded",
    )
    .hint("Start `tempo run`, or omit `--wait`: the request is then carried out when the server next starts."))
}

/// The options of commands that can wait for a run.
#[derive(Debug, clap::Args)]
pub(super) struct WaitArgs {
    /// Wait until the run has closed; exit 0 if it completed without a failed step
    #[arg(long)]
    pub(super) wait: bool,
    /// Stop waiting after this long; defaults to no limit
    #[arg(long, requires = "wait", value_name = "DURATION")]
    timeout: Option<String>,
}

impl WaitArgs {
    /// How long to wait; `None` for no limit.
    pub(super) fn limit(&self) -> Result<Option<Duration>, Error> {
        timeout(self.timeout.as_deref())
    }
}

/// Parses the value of `--timeout`.
pub(super) fn timeout(written: Option<&str>) -> Result<Option<Duration>, Error> {
    Ok(written.map(text::duration).transpose()?)
}

/// Polls until `poll` returns a value, the timeout has passed, or the server has stopped.
pub(super) fn until<T>(
    context: &Context,
    store: &Store,
    timeout: Option<Duration>,
    mut poll: impl FnMut(&Store) -> Result<Option<T>, Error>,
) -> Result<T, Error> {
    let waiting = Stopwatch::start();
    let never_raised = Wakeup::default();
    loop {
        if let Some(value) = poll(store)? {
            return Ok(value);
        }
        if timeout.is_some_and(|timeout| waiting.elapsed() >= timeout) {
            return Err(Error::new(Kind::Timeout, "timed out waiting; the request is still active"));
        }
        if context.server()?.is_none() {
            store.refuse_displaced()?;
            return Err(Error::new(
                Kind::ServerDown,
                "the server stopped while waiting; the work continues when you run `tempo run`",
            ));
        }
        context.clock.wait(&never_raised, context.now() + POLL_INTERVAL);
    }
}

/// Waits until every start of a request has been decided and every run that it started has closed.
pub(super) fn for_request(
    context: &Context,
    store: &Store,
    key: i64,
    total: u64,
    timeout: Option<Duration>,
) -> Result<RequestState, Error> {
    let progress = if total > 1 {
        Waiting::for_count("runs", total)
    } else {
        Waiting::for_text("waiting for the run")
    };
    until(context, store, timeout, |store| {
        let state = store
            .read(|r| r.request_state(key))?
            .ok_or_else(|| Error::new(Kind::NotFound, "the schedule was deleted while waiting for its request"))?;
        let closed = state.runs.iter().filter(|r| r.status != Status::Running).count() as u64;
        progress.at(closed + state.not_started);
        let done = state.settled && state.waiting == 0 && closed == state.runs.len() as u64;
        Ok(done.then_some(state))
    })
}

/// Gives a running server a moment to decide a request, and returns the state of the request.
pub(super) fn for_decision(context: &Context, store: &Store, key: i64) -> Result<Option<RequestState>, Error> {
    if context.server()?.is_some() {
        let waiting = Stopwatch::start();
        let decided = until(context, store, None, |store| {
            let state = store.read(|r| r.request_state(key))?;
            let known = state.as_ref().is_none_or(|s| s.settled) || waiting.elapsed() >= DECISION_TIMEOUT;
            Ok(known.then_some(state))
        });
        if let Ok(state) = decided {
            return Ok(state);
        }
    }
    store.read(|r| r.request_state(key))
}

/// Waits until a run has closed.
pub(super) fn for_run(context: &Context, store: &Store, key: i64, timeout: Option<Duration>) -> Result<RunRow, Error> {
    let _progress = Waiting::for_text("waiting for the run");
    until(context, store, timeout, |store| {
        let run = store.read(|r| r.run(key))?;
        let run = run.ok_or_else(|| Error::new(Kind::NotFound, "the run was deleted while waiting for it"))?;
        Ok(Some(run).filter(|r| r.status != Status::Running))
    })
}

/// Waits until a requested retry has started and the run has closed.
pub(super) fn for_retried_run(
    context: &Context,
    store: &Store,
    key: i64,
    request: i64,
    timeout: Option<Duration>,
) -> Result<RunRow, Error> {
    let waiting = Stopwatch::start();
    until(context, store, timeout, |store| {
        let state = store.read(|r| r.request_state(request))?;
        Ok(state.is_none_or(|s| s.settled).then_some(()))
    })?;
    for_run(
        context,
        store,
        key,
        timeout.map(|limit| limit.saturating_sub(waiting.elapsed())),
    )
}

/// Returns an error if any of the runs failed or had a failed step.
pub(super) fn verdict(runs: &[RunRow]) -> Result<(), Error> {
    if let Some(reason) = runs.iter().find_map(RunRow::skipped) {
        return Err(Error::new(Kind::Conflict, format_args!("the run was skipped: {reason}")));
    }
    let failed = runs
        .iter()
        .filter(|r| r.status != Status::Completed || r.incidents > 0)
        .count() as u64;
    if failed == 0 {
        return Ok(());
    }
    let total = counted(runs.len() as u64, "run");
    let run = match runs {
        [only] => &only.run_id,
        _ => "RUN",
    };
    Err(
        Error::new(Kind::Failed, format_args!("{failed} of {total} failed or had a failed step")).hint(format_args!(
            "Run `tempo workflow describe {run}` to see each attempt, and `tempo incident list` to see the incidents."
        )),
    )
}
