//! What became of each time of a schedule, put together from the file.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::schedules::find;
use crate::error::Error;
use crate::names::ScheduleId;
use crate::schedule::MAX_BUFFER;
use crate::schedule::explain::{SpecPeriod, TimeOutcome, TimeRange, explain as account_for};
use crate::schedule::not_started::Outcome;
use crate::schedule::start::Origin;
use crate::spec::Spec;
use crate::spec::describe::spoken;
use crate::spec::zone::Zones;
use crate::store::{NotStartedRow, Read, StartedRow};

/// Accounts for every nominal time of a schedule from `from` to `to`, both included.
///
/// # Errors
/// `NotFound`.
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
    let compiled = |written: &crate::spec::spec_text::SpecText| Spec::compile(written, id.as_str(), zones);
    let current = row.compiled(zones)?;
    let mut past = Vec::new();
    for epoch in &plan_input.past {
        past.push(Arc::new(compiled(&epoch.written()?)?));
    }
    let mut specs = Vec::new();
    for (until, written) in read.past_specs(row.key)? {
        specs.push((until, compiled(&written)?));
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
    decided.extend(read.refused_between(row.key, window)?.into_iter().map(refused));
    for start in plan_input.waiting.iter().filter(|w| w.origin == Origin::Scheduled) {
        let reason = match (plan_input.current.paused, plan_input.going.is_empty()) {
            (true, _) => "it waits out the pause",
            (false, false) => "it waits for the run that is going",
            (false, true) => "it waits for `tempo run`",
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
    let in_words =
        |epoch, reason: crate::schedule::not_started::Reason| reason.text_with(&plan_input.definition(epoch).circumstances());
    // What was asked for by hand has no part in it.
    let plan_of = plan_input.plan_input((&current, &past), Vec::new(), MAX_BUFFER);
    Ok(account_for(decided, &plan_of, &periods, window, now, in_words))
}

fn started(row: StartedRow) -> TimeRange {
    let late = (row.started - row.due).num_seconds();
    let late = if late < 1 {
        "on time".to_owned()
    } else {
        format!("{} late", seconds(late))
    };
    let incidents = match row.incidents {
        0 => String::new(),
        1 => ", 1 incident".to_owned(),
        n => format!(", {n} incidents"),
    };
    let reason = format!("{late}: {}{incidents}", row.status.name());
    TimeRange {
        from: row.nominal,
        to: row.nominal,
        count: 1,
        outcome: TimeOutcome::Started,
        reason,
        run: Some(row.run),
    }
}

fn refused(row: NotStartedRow) -> TimeRange {
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
    spoken(u128::from(s.unsigned_abs()) * 1000)
}
