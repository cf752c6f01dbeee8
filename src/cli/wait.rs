//! Waiting for runs: what `--wait` does.

use std::time::Duration;

use chrono::TimeDelta;

use super::Context;
use crate::clock::{Clock as _, Wakeup};
use crate::error::{Error, Kind};
use crate::output::counted;
use crate::output::progress::Waiting;
use crate::run::outcome::Status;
use crate::spec::text;
use crate::store::{RequestState, RunRow, Store};

/// How often the file is asked.
const LOOK_EVERY: TimeDelta = TimeDelta::milliseconds(20);
/// How long a command that does not wait gives the server to decide, so that it can name the run.
const FOR_A_DECISION: TimeDelta = TimeDelta::milliseconds(500);

/// Refuses to wait where nobody would ever carry it out. To be asked before anything is recorded.
pub(super) fn needs_server(context: &Context) -> Result<(), Error> {
    if context.server()?.is_some() {
        return Ok(());
    }
    Err(Error::new(
        Kind::ServerDown,
        "`tempo run` is not up, so there is nothing to wait for; nothing was recorded",
    )
    .hint("Start `tempo run`, or leave out `--wait`: what is asked is carried out when it is next up."))
}

/// Reads `--timeout`.
pub(super) fn timeout(written: Option<&str>) -> Result<Option<Duration>, Error> {
    Ok(written.map(text::duration).transpose()?)
}

/// Asks again and again until there is an answer, the time is over, or the server has gone.
pub(super) fn until<T>(
    context: &Context,
    store: &Store,
    timeout: Option<Duration>,
    mut ask: impl FnMut(&Store) -> Result<Option<T>, Error>,
) -> Result<T, Error> {
    let deadline = timeout.and_then(|t| TimeDelta::from_std(t).ok()).map(|t| context.now() + t);
    let nobody = Wakeup::default();
    loop {
        if let Some(answer) = ask(store)? {
            return Ok(answer);
        }
        if deadline.is_some_and(|d| context.now() >= d) {
            return Err(Error::new(
                Kind::Timeout,
                "the time to wait is over; what was asked for goes on",
            ));
        }
        if context.server()?.is_none() {
            return Err(Error::new(
                Kind::ServerDown,
                "`tempo run` has ended; what was asked for goes on when it is next up",
            ));
        }
        context.clock.wait(&nobody, context.now() + LOOK_EVERY);
    }
}

/// Waits until everything a request asks for has been decided, and closed where it started.
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
            .ok_or_else(|| Error::new(Kind::NotFound, "the schedule was deleted while its request was waited for"))?;
        let closed = state.runs.iter().filter(|r| r.status != Status::Running).count() as u64;
        progress.at(closed + state.refused);
        let done = state.settled && state.waiting == 0 && closed == state.runs.len() as u64;
        Ok(done.then_some(state))
    })
}

/// Gives the server a moment to decide a request, where one is up.
pub(super) fn for_decision(context: &Context, store: &Store, key: i64) -> Result<Option<RequestState>, Error> {
    if context.server()?.is_some() {
        let deadline = context.now() + FOR_A_DECISION;
        let decided = until(context, store, None, |store| {
            let state = store.read(|r| r.request_state(key))?;
            let known = state.as_ref().is_none_or(|s| s.settled) || context.now() >= deadline;
            Ok(known.then_some(state))
        });
        if let Ok(state) = decided {
            return Ok(state);
        }
    }
    store.read(|r| r.request_state(key))
}

/// Waits until a run has closed.
pub(super) fn for_run(context: &Context, store: &Store, key: i64) -> Result<RunRow, Error> {
    let _progress = Waiting::for_text("waiting for the run");
    until(context, store, None, |store| {
        let run = store.read(|r| r.run(key))?;
        let run = run.ok_or_else(|| Error::new(Kind::NotFound, "the run that was waited for is not on file any more"))?;
        Ok(Some(run).filter(|r| r.status != Status::Running))
    })
}

/// Waits until a run has been taken up again as a request asks for, and has closed.
pub(super) fn for_retried_run(context: &Context, store: &Store, key: i64, request: i64) -> Result<RunRow, Error> {
    until(context, store, None, |store| {
        let state = store.read(|r| r.request_state(request))?;
        Ok(state.is_none_or(|s| s.settled).then_some(()))
    })?;
    for_run(context, store, key)
}

/// What the runs that were waited for mean for the exit code: fine, or an error.
pub(super) fn verdict(runs: &[RunRow]) -> Result<(), Error> {
    let unhappy = runs
        .iter()
        .filter(|r| r.status != Status::Completed || r.incidents > 0)
        .count() as u64;
    if unhappy == 0 {
        return Ok(());
    }
    let of = counted(runs.len() as u64, "run");
    Err(
        Error::new(Kind::Failed, format_args!("{unhappy} of {of} failed or recorded an incident"))
            .hint("`tempo workflow describe RUN` shows each attempt; `tempo incident list` the incidents."),
    )
}
