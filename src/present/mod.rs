//! Converts database rows to the views of the JSON contract in [`crate::output::views`]; every output uses these.

mod attempts;
mod events;
mod incidents;
mod notify;
mod runs;
mod scripts;
mod simulated;

pub(crate) use events::EventViews;
pub(crate) use incidents::{incident, incident_in_full, last_output};
pub(crate) use notify::{message, receiver};
pub(crate) use runs::{run, run_in_full};
pub(crate) use simulated::simulated;

use std::collections::HashMap;

use chrono::{DateTime, Utc};

use crate::error::Error;
use crate::names::ScheduleId;
use crate::ops::{self, DefinedKind, Difference};
use crate::output::instant::Instant;
use crate::output::views::{
    ActionView, BackfillView, BeatView, ChangeView, ComingView, DeletedView, DstNote, FieldChangeView, LatenessView, NextView,
    RecentAction, RunningAction, ScheduleView, StatisticsView, StatusView, TimeRangeView,
};
use crate::run::outcome::Status;
use crate::schedule::explain::TimeRange;
use crate::spec::Spec;
use crate::spec::text::duration_text;
use crate::spec::zone::Zones;
use crate::store::{BackfillRow, Beat, DeletedSchedule, Read, RunFilter, SchedulePage, ScheduleRow};

/// Maximum number of recent runs and of next times shown for a schedule.
const SHOWN: usize = 10;

/// Maximum number of runs whose lateness is shown.
const LATENESS_RUNS: u64 = 100;

/// The span of the statistics shown for a schedule.
const STATISTICS_SPAN: chrono::TimeDelta = chrono::TimeDelta::days(30);

/// Returns a schedule in full.
pub(crate) fn schedule(read: &Read<'_>, zones: &dyn Zones, row: ScheduleRow, now: DateTime<Utc>) -> Result<ScheduleView, Error> {
    let spec = row.compiled(zones)?;
    let action = ActionView::new(read.action(row.workflow)?, row.id.as_str());
    let recent = read.recent_of(row.key, SHOWN as u64)?.into_iter().map(|r| RecentAction {
        scheduled_at: Instant(r.nominal),
        started_at: Instant(r.started),
        workflow_id: r.workflow_id,
        run_id: r.run_id,
        status: r.status.name(),
        failed_steps: (r.incidents > 0).then_some(r.incidents),
    });
    let next: Vec<_> = ops::next_times(&row, &spec, SHOWN, now).into_iter().map(Instant).collect();
    let next_action_at = next.first().copied();
    let running = read.running_of(row.key)?.into_iter();
    let running = running
        .map(|run| RunningAction {
            workflow_id: run.workflow_id,
            run_id: run.run_id,
        })
        .collect();
    let backfills = read.open_backfills(Some(row.key))?;
    let backfills = views_of(&backfills, &spec, zones)?;
    let statistics = read.statistics(row.key, now - STATISTICS_SPAN)?;
    let statistics = statistics.into_iter().map(|(step, sum)| StatisticsView {
        step,
        ok: sum.ok,
        failed: sum.failed,
        p50_ms: sum.percentile_ms(50),
        p95_ms: sum.percentile_ms(95),
        slowest_ms: sum.slowest_ms,
    });
    let spec_text = row.stored_spec()?;
    let after = read.after_of(row.key)?;
    // The attempt of a heartbeat says when that arrived.
    let has_starts = action.steps.first().is_some_and(|step| step.beat.is_none());
    let late = if has_starts {
        read.lateness(row.key, LATENESS_RUNS)?
    } else {
        Vec::new()
    };
    Ok(ScheduleView {
        after,
        lateness: lateness(late),
        statistics: Some(statistics.collect()),
        spec: Some(spec_text),
        dst_note: Some(DstNote(spec.transition_ahead(now))),
        action: Some(action),
        recent_actions: Some(recent.collect()),
        next_action_at,
        next_action_times: Some(next),
        ..brief(row, running, backfills)
    })
}

fn lateness(mut late: Vec<i64>) -> Option<LatenessView> {
    late.sort_unstable();
    let percentile = |percent: usize| late.get((late.len() * percent).div_ceil(100).max(1) - 1).copied();
    Some(LatenessView {
        runs: late.len(),
        p50_ms: percentile(50)?,
        p99_ms: percentile(99)?,
    })
}

/// Returns a heartbeat of a schedule.
pub(crate) fn beat(schedule: &ScheduleId, beat: &Beat) -> BeatView {
    BeatView {
        schedule_id: schedule.to_string(),
        at: Instant(beat.at),
        ok: beat.error.is_none(),
        exit_code: beat.exit_code,
        elapsed_ms: beat.elapsed_ms,
    }
}

/// Returns a deleted schedule.
pub(crate) fn deleted(id: &ScheduleId, deleted: DeletedSchedule) -> DeletedView {
    let unless_zero = |n: u64| (n > 0).then_some(n);
    DeletedView {
        id: id.to_string(),
        still_running: deleted.still_running,
        starts_dropped: unless_zero(deleted.starts_dropped),
        backfills_canceled: unless_zero(deleted.backfills_canceled),
    }
}

/// Returns schedules as shown in a list.
pub(crate) fn schedules(
    read: &Read<'_>,
    zones: &dyn Zones,
    page: &SchedulePage,
    now: DateTime<Utc>,
) -> Result<Vec<ScheduleView>, Error> {
    let rows = read.schedules(page)?;
    let mut running: HashMap<i64, Vec<RunningAction>> = HashMap::new();
    for run in read.all_running()? {
        if let Some(schedule) = run.schedule {
            running.entry(schedule).or_default().push(RunningAction {
                workflow_id: run.workflow_id,
                run_id: run.run_id,
            });
        }
    }
    let mut backfills: HashMap<i64, Vec<BackfillRow>> = HashMap::new();
    for row in read.open_backfills(None)? {
        backfills.entry(row.schedule).or_default().push(row);
    }
    rows.into_iter()
        .map(|mut row| {
            // Without a server, the stored next time may be in the past.
            if row.next.is_some_and(|next| next <= now) {
                let spec = row.compiled(zones)?;
                row.next = ops::next_times(&row, &spec, 1, now).pop();
            }
            let running = running.remove(&row.key).unwrap_or_default();
            let backfills = match backfills.remove(&row.key) {
                None => Vec::new(),
                Some(found) => {
                    let spec = row.compiled(zones)?;
                    views_of(&found, &spec, zones)?
                }
            };
            Ok(brief(row, running, backfills))
        })
        .collect()
}

fn brief(row: ScheduleRow, running: Vec<RunningAction>, backfills: Vec<BackfillView>) -> ScheduleView {
    ScheduleView {
        spec_text: row.shown.spec_text,
        dst_note: None,
        time_zone: row.shown.time_zone,
        jitter: row.shown.jitter,
        id: row.id.into(),
        note: row.state.note,
        paused: row.state.paused,
        paused_since: row.paused_since.map(Instant),
        spec: None,
        overlap_policy: row.policies.overlap.name(),
        catchup_window: duration_text(std::time::Duration::from_millis(row.policies.catchup_window_ms)),
        pause_on_failure: row.policies.pause_on_failure,
        pause_after: row.policies.pause_after,
        remaining_actions: row.state.remaining_actions,
        max_running: row.policies.max_running,
        after: Vec::new(),
        alerts: row.alerts,
        action: None,
        num_actions: row.counters.actions,
        num_actions_skipped_overlap: row.counters.skipped,
        num_actions_missed_catchup_window: row.counters.missed,
        num_actions_buffer_dropped: row.counters.dropped,
        buffer_size: row.waiting,
        running_actions: running,
        backfills,
        recent_actions: None,
        last_action_scheduled_at: row.last_nominal.map(Instant),
        last_action_started_at: row.last_started.map(Instant),
        next_action_at: row.next.map(Instant),
        next_action_times: None,
        lateness: None,
        statistics: None,
        created_at: Instant(row.created),
        updated_at: Instant(row.updated),
    }
}

fn views_of(rows: &[BackfillRow], spec: &Spec, zones: &dyn Zones) -> Result<Vec<BackfillView>, Error> {
    let view = |row: &BackfillRow| {
        let own = row.own_spec(spec.seed(), zones)?;
        Ok(backfill(row, own.as_ref().unwrap_or(spec)))
    };
    rows.iter().map(view).collect()
}

fn backfill(row: &BackfillRow, spec: &Spec) -> BackfillView {
    let times = spec
        .count_between(row.start - chrono::TimeDelta::nanoseconds(1), row.end)
        .map_or(0, |t| t.count);
    BackfillView {
        start_time: Instant(row.start),
        end_time: Instant(row.end),
        times,
        done: row.taken,
    }
}

/// Returns the next `count` times after `from`, nominal and due.
pub(crate) fn next(spec: &Spec, from: DateTime<Utc>, count: usize) -> Vec<NextView> {
    let mut before = from;
    spec.times_after(from)
        .take(count)
        .map(|nominal| {
            let note = spec.note_on(std::mem::replace(&mut before, nominal), nominal);
            let (scheduled_at, due_at) = (Instant(nominal), Instant(spec.due(nominal)));
            NextView {
                scheduled_at,
                due_at,
                local: local(spec, nominal),
                note,
            }
        })
        .collect()
}

/// Returns the outcome of consecutive times.
pub(crate) fn time_range(time_range: TimeRange) -> TimeRangeView {
    let (run_id, workflow_id) = time_range.run.unzip();
    TimeRangeView {
        from: Instant(time_range.from),
        to: Instant(time_range.to),
        count: time_range.count,
        outcome: time_range.outcome.name(),
        reason: time_range.reason,
        run_id,
        workflow_id,
    }
}

/// Returns the change to a schedule that a file defines.
pub(crate) fn change(difference: &Difference) -> ChangeView {
    let fields = difference.fields.iter().map(|f| FieldChangeView {
        name: f.name.clone(),
        old: f.old.clone(),
        new: f.new.clone(),
    });
    ChangeView {
        id: difference.id.clone(),
        kind: (difference.kind == DefinedKind::Receiver).then_some("notify"),
        change: difference.change.name(),
        fields: fields.collect(),
        line: difference.line,
        warnings: difference.warnings.clone(),
    }
}

fn local(spec: &Spec, at: DateTime<Utc>) -> String {
    let offset = spec.zone().offset_at(at.timestamp());
    let civil = (at + chrono::TimeDelta::seconds(i64::from(offset))).naive_utc();
    let (sign, ahead) = if offset < 0 { ('-', -offset) } else { ('+', offset) };
    format!(
        "{}{sign}{:02}:{:02}",
        civil.format("%Y-%m-%dT%H:%M:%S"),
        ahead / 3600,
        ahead / 60 % 60
    )
}

/// Returns the status of the server, runs, next times and incidents. `server` is its pid and start time in milliseconds since the Unix epoch.
pub(crate) fn status(
    read: &Read<'_>,
    zones: &dyn Zones,
    server: Option<(u32, i64)>,
    now: DateTime<Utc>,
) -> Result<StatusView, Error> {
    let open = RunFilter {
        status: Some(Status::Running),
        ..RunFilter::default()
    };
    let running = read.runs(&open)?;
    let mut next = read.coming(SHOWN)?;
    if next.first().is_some_and(|(_, due)| *due <= now) {
        // No server has processed the times that have passed, so the next time of every schedule is computed.
        let active = SchedulePage {
            paused: Some(false),
            ..SchedulePage::default()
        };
        let all = schedules(read, zones, &active, now)?;
        next = all.into_iter().filter_map(|s| Some((s.id, s.next_action_at?.0))).collect();
        next.sort_by(|a, b| (a.1, &a.0).cmp(&(b.1, &b.0)));
        next.truncate(SHOWN);
    }
    let (incidents_open, incidents_acked) = read.unresolved_incidents()?;
    Ok(StatusView {
        up: server.is_some(),
        pid: server.map(|(pid, _)| pid),
        since: server
            .and_then(|(_, since)| DateTime::from_timestamp_millis(since))
            .map(Instant),
        running: running.iter().map(|r| run(read, r)).collect::<Result<_, _>>()?,
        next: next
            .into_iter()
            .map(|(schedule_id, due)| ComingView {
                schedule_id,
                due_at: Instant(due),
            })
            .collect(),
        queued: read.queued()?,
        incidents_open,
        incidents_acked,
    })
}
