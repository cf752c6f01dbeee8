//! Requests to the server: triggers, backfills, single runs, stops and retries.

use chrono::{DateTime, Utc};

use super::schedules::find;
use crate::error::{Error, Kind};
use crate::names::ScheduleId;
use crate::run::Stop;
use crate::run::outcome::Status;
use crate::run::skip_reason;
use crate::run::step::{Work, Workflow};
use crate::run::step_text::Action;
use crate::schedule::OverlapPolicy;
use crate::schedule::start::workflow_id_at;
use crate::spec::describe::grouped;
use crate::spec::zone::Zones;
use crate::store::{NewRequest, NewRun, QueuedRequest, RunRequestKind, RunRow, Write};

/// Maximum number of times of a backfill that are counted one by one: counting more would delay the writer.
const MAX_COUNTED: u64 = 1_000_000;

/// A request to stop a run.
#[derive(Debug, Clone)]
pub(crate) struct RunStop<'a> {
    /// The run, as the user named it.
    pub(crate) run: &'a str,
    /// How to stop it.
    pub(crate) stop: Stop,
    /// The reason given.
    pub(crate) reason: Option<&'a str>,
}

/// Requests one start now, even if the schedule is paused.
///
/// # Errors
/// `NotFound` when there is no such schedule.
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
            cause: None,
        },
        now,
    )
}

/// The times to run again, and how.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Backfill {
    /// The first and the last time.
    pub(crate) range: (DateTime<Utc>, DateTime<Utc>),
    /// The overlap policy; `None` for the schedule's own.
    pub(crate) overlap: Option<OverlapPolicy>,
    /// A backfill of more times than this is rejected.
    pub(crate) at_most: Option<u64>,
}

/// Requests a start for each time of a range, both ends inclusive, oldest first. Returns the request and the number of times.
///
/// # Errors
/// `NotFound`; `Usage` when the range ends before it starts, ends in the future, or holds too many times.
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
            format_args!("the start time {} is after the end time {}", seconds(start), seconds(end)),
        )
        .hint("The start time must be before the end time."));
    }
    if end > now {
        return Err(
            Error::new(Kind::Usage, format_args!("the end time {} is in the future", seconds(end)))
                .hint("A backfill runs past times; future times start automatically."),
        );
    }
    let spec = row.compiled(zones)?;
    let times = spec
        .count_at_most(start - chrono::TimeDelta::nanoseconds(1), end, MAX_COUNTED)
        .map_or(0, |t| t.count);
    // Only the times of a single interval are counted by arithmetic, however many they are.
    if times == MAX_COUNTED + 1 {
        return Err(Error::new(
            Kind::Usage,
            format_args!("this backfill covers more than {} times", grouped(MAX_COUNTED)),
        )
        .hint("Choose a later start time, and run the range in parts."));
    }
    if at_most.is_some_and(|most| times > most) {
        let message = format_args!(
            "this backfill covers {} times, more than {}",
            grouped(times),
            grouped(at_most.unwrap_or_default())
        )
        .to_string();
        return Err(Error::new(Kind::Usage, message).hint("Choose a later start time, or add `--yes` to run all of them."));
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

/// Cancels the backfills of a schedule: their remaining times do not start. Returns the number of backfills.
///
/// # Errors
/// `NotFound` when there is no such schedule.
pub(crate) fn cancel_backfill(write: &Write<'_>, id: &ScheduleId, now: DateTime<Utc>) -> Result<u64, Error> {
    let row = find(write, id)?;
    write.cancel_backfills(row.key, now)
}

/// Records a run that belongs to no schedule and returns its key.
///
/// # Errors
/// `Usage` when a step is invalid.
pub(crate) fn start_workflow(write: &Write<'_>, action: &Action, now: DateTime<Utc>) -> Result<i64, Error> {
    let workflow = Workflow::check(action)?;
    workflow.check_new()?;
    if let Some(step) = workflow.steps.iter().find(|step| matches!(step.work, Work::Beat(_))) {
        return Err(Error::new(
            Kind::Usage,
            format_args!("step `{}` expects a heartbeat; only a schedule can expect one", step.name),
        )
        .hint("Create a schedule with `--grace`: see `tempo schedule create --help`."));
    }
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

/// Requests that a run stop, and returns the run.
///
/// # Errors
/// `NotFound`; `Conflict` when it has closed.
pub(crate) fn stop_run(write: &Write<'_>, stop: &RunStop<'_>, now: DateTime<Utc>) -> Result<RunRow, Error> {
    let run = write.run_named(stop.run)?;
    if run.status != Status::Running {
        return Err(Error::new(
            Kind::Conflict,
            format_args!("run `{}` has already closed: {}", stop.run, run.status.name()),
        ));
    }
    let (ask, reason) = (RunRequestKind::Stop(stop.stop), stop.reason.map(str::to_owned));
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

/// Requests that a run that failed, timed out or was stopped resume at the step where it ended. Returns the run and the request.
///
/// # Errors
/// `NotFound`; `Conflict` when it is still running, has completed or was skipped.
pub(crate) fn retry_run(write: &Write<'_>, named: &str, now: DateTime<Utc>) -> Result<(RunRow, QueuedRequest), Error> {
    let run = write.run_named(named)?;
    let conflict = |why: &str| Error::new(Kind::Conflict, format_args!("run `{named}` {why}"));
    match run.status {
        Status::Running => return Err(conflict("is still running").hint("Retries happen automatically.")),
        Status::Completed => {
            return Err(conflict("has completed, so there is no step to retry")
                .hint("`tempo schedule trigger` and `tempo workflow start` start a new run."));
        }
        Status::Failed | Status::Canceled | Status::Terminated | Status::TimedOut => {}
    }
    if skip_reason(run.status, run.reason.as_deref()).is_some() {
        return Err(conflict("was skipped by its condition, so there is no step to retry")
            .hint("`tempo schedule trigger` checks the condition again, and starts a new run."));
    }
    let (ask, reason) = (RunRequestKind::Retry, None);
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

/// A time in messages, in whole seconds.
fn seconds(at: DateTime<Utc>) -> impl std::fmt::Display {
    at.format("%Y-%m-%d %H:%M:%S UTC")
}
