//! Explains the outcome of each time of a schedule from the stored records.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::schedules::find;
use crate::error::Error;
use crate::names::ScheduleId;
use crate::run::skip_reason;
use crate::schedule::MAX_BUFFER;
use crate::schedule::explain::{SpecPeriod, TimeOutcome, TimeRange, explain as explain_times};
use crate::schedule::not_started::Outcome;
use crate::schedule::plan_input::RequestKind;
use crate::schedule::start::{Origin, Start};
use crate::spec::Spec;
use crate::spec::describe::human_duration;
use crate::spec::zone::Zones;
use crate::store::{NotStartedRow, Read, StartedRow};

/// Maximum number of times that are explained at once to a page: more take too long.
const MAX_EXPLAINED: u64 = 20_000;

/// Shortens a window at its beginning so that it holds few enough times of a spec to be explained at once.
pub(crate) fn shortened(spec: &Spec, (from, to): (DateTime<Utc>, DateTime<Utc>)) -> (DateTime<Utc>, DateTime<Utc>) {
    let mut from = from;
    while spec
        .count_at_most(from, to, MAX_EXPLAINED)
        .is_some_and(|times| times.count > MAX_EXPLAINED)
    {
        from += (to - from) / 2;
    }
    (from, to)
}

/// Returns the outcome of every nominal time of a schedule within `window`, both ends included.
///
/// # Errors
/// `NotFound` when there is no such schedule.
pub(crate) fn explain(
    read: &Read<'_>,
    zones: &dyn Zones,
    id: &ScheduleId,
    window: (DateTime<Utc>, DateTime<Utc>),
    now: DateTime<Utc>,
) -> Result<Vec<TimeRange>, Error> {
    let row = find(read, id)?;
    let Some(plan_input) = read.plan_input(row.key, now)? else {
        return Ok(Vec::new());
    };
    let compiled = |text: &crate::spec::spec_text::SpecText| Spec::compile(text, id.as_str(), zones);
    let current = row.compiled(zones)?;
    let mut past = Vec::new();
    for epoch in &plan_input.past {
        past.push(Arc::new(compiled(&epoch.stored_spec()?)?));
    }
    let mut specs = Vec::new();
    for (until, text) in read.past_specs(row.key)? {
        specs.push((until, compiled(&text)?));
    }
    let mut periods = Vec::new();
    let mut after = row.created;
    for (until, spec) in &specs {
        periods.push(SpecPeriod {
            spec,
            after,
            until: *until,
        });
        after = *until;
    }
    periods.push(SpecPeriod {
        spec: &current,
        after,
        until: DateTime::<Utc>::MAX_UTC,
    });
    let mut decided: Vec<TimeRange> = read.started_between(row.key, window)?.into_iter().map(started).collect();
    decided.extend(read.not_started_between(row.key, window)?.into_iter().map(not_started));
    // Times before the creation are known from backfills only.
    let before = (window.0, window.1.min(row.created));
    decided.extend(read.backfilled_between(row.key, before)?.into_iter().map(backfilled));
    let is_told = |start: &&Start| start.origin == Origin::Scheduled || is_backfill(start.origin) && start.nominal < row.created;
    for start in plan_input.waiting.iter().filter(is_told) {
        let reason = match (plan_input.current.paused, plan_input.active.len()) {
            (true, _) => "waiting until the schedule is unpaused",
            (false, 0) => "waiting for `tempo run`",
            (false, 1) => "waiting for the current run to finish",
            (false, _) => "waiting for one of the open runs to finish",
        };
        decided.push(TimeRange {
            from: start.nominal,
            to: start.nominal,
            count: 1,
            outcome: TimeOutcome::Buffered,
            reason: reason.to_owned(),
            run: None,
        });
    }
    for request in &plan_input.requests {
        let RequestKind::Backfill { start, end, done_to } = request.kind else {
            continue;
        };
        let of_request = request.stored_spec()?.map(|text| compiled(&text)).transpose()?;
        let after = done_to
            .unwrap_or(start - TimeDelta::nanoseconds(1))
            .max(before.0 - TimeDelta::nanoseconds(1));
        let times = of_request
            .as_ref()
            .unwrap_or(&current)
            .count_between(after, end.min(before.1));
        decided.extend(
            times.map(|times| TimeRange::of(times, TimeOutcome::Pending, "the backfill has not reached it yet".to_owned())),
        );
    }
    let text_of =
        |epoch, reason: crate::schedule::not_started::Reason| reason.text_with(&plan_input.definition(epoch).reason_details());
    // Manual starts are not explained.
    let plan_of = plan_input.plan_input((&current, &past), Vec::new(), MAX_BUFFER);
    Ok(explain_times(decided, &plan_of, &periods, window, now, text_of))
}

fn is_backfill(origin: Origin) -> bool {
    matches!(origin, Origin::Backfill(_))
}

fn started(row: StartedRow) -> TimeRange {
    if let Some(reason) = skip_reason(row.status, row.reason.as_deref()) {
        return TimeRange {
            from: row.nominal,
            to: row.nominal,
            count: 1,
            outcome: TimeOutcome::NotStarted(Outcome::Skipped),
            reason: reason.to_owned(),
            run: Some(row.run),
        };
    }
    let late = (row.started - row.due).num_seconds();
    let late = if late < 1 {
        "on time".to_owned()
    } else {
        format!("{} late", seconds(late))
    };
    let reason = format!("{late}: {}{}", row.status.name(), failed_steps(row.incidents));
    TimeRange {
        from: row.nominal,
        to: row.nominal,
        count: 1,
        outcome: TimeOutcome::Started,
        reason,
        run: Some(row.run),
    }
}

/// The outcome of a time that a backfill started.
fn backfilled(row: StartedRow) -> TimeRange {
    let reason = format!("backfilled: {}{}", row.status.name(), failed_steps(row.incidents));
    TimeRange { reason, ..started(row) }
}

fn failed_steps(count: u64) -> String {
    match count {
        0 => String::new(),
        1 => ", 1 failed step".to_owned(),
        n => format!(", {n} failed steps"),
    }
}

fn not_started(row: NotStartedRow) -> TimeRange {
    let mut reason = row.reason;
    if row.outcome == Outcome::Missed {
        let (least, most) = ((row.decided - row.to).num_seconds(), (row.decided - row.from).num_seconds());
        reason += &if row.count == 1 {
            format!(", {} late", seconds(least))
        } else {
            format!(", {} to {} late", seconds(least), seconds(most))
        };
    }
    if row.backfilled > 0 {
        reason += &format!("; {} backfilled since", row.backfilled);
    }
    TimeRange {
        from: row.from,
        to: row.to,
        count: row.count,
        outcome: TimeOutcome::NotStarted(row.outcome),
        reason,
        run: row.run,
    }
}

fn seconds(s: i64) -> String {
    human_duration(u128::from(s.unsigned_abs()) * 1000)
}
