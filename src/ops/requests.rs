//! What is asked of the server: triggers, backfills, single runs, stops, retries.

use chrono::{DateTime, Utc};

use super::schedules::find;
use crate::error::{Error, Kind};
use crate::names::ScheduleId;
use crate::run::Stop;
use crate::run::outcome::Status;
use crate::run::step::Workflow;
use crate::run::step_text::Action;
use crate::schedule::OverlapPolicy;
use crate::schedule::start::workflow_id_at;
use crate::spec::zone::Zones;
use crate::store::{NewRequest, NewRun, QueuedRequest, RunAsk, RunRow, Write};

/// How a run is asked to stop.
#[derive(Debug, Clone)]
pub(crate) struct RunStop<'a> {
    /// The run, as it was named.
    pub(crate) run: &'a str,
    /// How.
    pub(crate) stop: Stop,
    /// Why.
    pub(crate) reason: Option<&'a str>,
}

/// Asks for one start, now; also of a paused schedule.
///
/// # Errors
/// `NotFound`.
pub(crate) fn trigger(
    write: &Write<'_>,
    id: &ScheduleId,
    overlap: Option<OverlapPolicy>,
    now: DateTime<Utc>,
) -> Result<QueuedRequest, Error> {
    let row = find(write, id)?;
    write.place(
        &NewRequest::Trigger {
            schedule: row.key,
            overlap,
        },
        now,
    )
}
/// Which times are run again, and how.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Backfill {
    /// The first and the last time.
    pub(crate) range: (DateTime<Utc>, DateTime<Utc>),
    /// The policy; the schedule's own where there is none.
    pub(crate) overlap: Option<OverlapPolicy>,
    /// More times than this are refused.
    pub(crate) at_most: Option<u64>,
}

/// Asks for the starts of a range, both ends inclusive, oldest first. The request, and how many times there are.
///
/// # Errors
/// `NotFound`; `Usage` when the range ends before it starts or begins in the future.
pub(crate) fn backfill(
    write: &Write<'_>,
    zones: &dyn Zones,
    id: &ScheduleId,
    Backfill {
        range: (start, end),
        overlap,
        at_most,
    }: Backfill,
    now: DateTime<Utc>,
) -> Result<(QueuedRequest, u64), Error> {
    let row = find(write, id)?;
    if start > end {
        return Err(Error::new(
            Kind::Usage,
            format_args!("the start time {start} is after the end time {end}"),
        )
        .hint("Exchange them: a backfill runs the times from `--start-time` to `--end-time`."));
    }
    if end > now {
        return Err(Error::new(Kind::Usage, format_args!("the end time {end} is in the future"))
            .hint("A backfill runs times that have passed; the ones to come run by themselves."));
    }
    let spec = row.compiled(zones)?;
    let times = spec
        .count_between(start - chrono::TimeDelta::nanoseconds(1), end)
        .map_or(0, |t| t.count);
    if at_most.is_some_and(|most| times > most) {
        return Err(Error::new(Kind::Usage, format_args!("this backfill would run {times} times"))
            .hint("Choose a later start time, or add `--yes` to run all of them."));
    }
    let queued = write.place(
        &NewRequest::Backfill {
            schedule: row.key,
            overlap,
            start,
            end,
        },
        now,
    )?;
    Ok((queued, times))
}

/// Ends the backfills of a schedule: what has not begun will not. How many there were.
///
/// # Errors
/// `NotFound`.
pub(crate) fn cancel_backfill(write: &Write<'_>, id: &ScheduleId, now: DateTime<Utc>) -> Result<u64, Error> {
    let row = find(write, id)?;
    write.cancel_backfills(row.key, now)
}

/// Puts a run on file that has no schedule: its key.
///
/// # Errors
/// `Usage` when a step is wrong.
pub(crate) fn start_workflow(write: &Write<'_>, action: &Action, now: DateTime<Utc>) -> Result<i64, Error> {
    Workflow::check(action)?;
    let workflow_id = action.workflow_id.clone().unwrap_or_else(|| workflow_id_at("workflow", now));
    let (key, _) = write.insert_run(
        &NewRun {
            workflow_id,
            action: action.clone(),
        },
        now,
    )?;
    Ok(key)
}

/// Asks a run to stop; the run.
///
/// # Errors
/// `NotFound`; `Conflict` when it has closed.
pub(crate) fn stop_run(write: &Write<'_>, stop: &RunStop<'_>, now: DateTime<Utc>) -> Result<RunRow, Error> {
    let run = write.run_named(stop.run)?;
    if run.status != Status::Running {
        return Err(Error::new(
            Kind::Conflict,
            format_args!("run `{}` has closed already: {}", stop.run, run.status.name()),
        ));
    }
    let (ask, reason) = (RunAsk::Stop(stop.stop), stop.reason.map(str::to_owned));
    write.place(
        &NewRequest::Run {
            run: run.key,
            ask,
            reason,
        },
        now,
    )?;
    Ok(run)
}

/// Asks a run that has failed, timed out or was stopped to go on at the step where it ended; the run, and the request.
///
/// # Errors
/// `NotFound`; `Conflict` when it is still going, or has completed.
pub(crate) fn retry_run(write: &Write<'_>, named: &str, now: DateTime<Utc>) -> Result<(RunRow, QueuedRequest), Error> {
    let run = write.run_named(named)?;
    let refuse = |why: &str| Error::new(Kind::Conflict, format_args!("run `{named}` {why}"));
    match run.status {
        Status::Running => return Err(refuse("is still going").hint("What it tries again, it tries by itself.")),
        Status::Completed => {
            return Err(refuse("has completed: there is no step to go on at")
                .hint("`tempo schedule trigger` and `tempo workflow start` start a new run."));
        }
        Status::Failed | Status::Canceled | Status::Terminated | Status::TimedOut => {}
    }
    let (ask, reason) = (RunAsk::Retry, None);
    let queued = write.place(
        &NewRequest::Run {
            run: run.key,
            ask,
            reason,
        },
        now,
    )?;
    Ok((run, queued))
}
