//! `tempo schedule describe`.

use chrono::{DateTime, Utc};
use clap_complete::engine::ArgValueCandidates;

use super::super::workflow::status_with;
use super::super::{Context, complete};
use crate::error::Error;
use crate::names::ScheduleId;
use crate::output::settings::{alerts, lateness, limits, reliability, summary};
use crate::output::table::{pairs, plain, table};
use crate::output::ui::sanitize;
use crate::output::views::{ScheduleView, StatisticsView};
use crate::output::{Style, counted};
use crate::spec::spec_text::SpecText;
use crate::spec::zone::Zones as _;

/// Show a schedule in detail
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Id of the schedule
    #[arg(add = ArgValueCandidates::new(complete::schedules))]
    id: ScheduleId,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Error> {
    let store = super::open_for(context, &args.id)?;
    let view = super::view(context, &store, &args.id)?;
    if context.ui.is_text() {
        show(context, &view)
    } else {
        context.ui.json(&view)
    }
}

fn show(context: &Context, v: &ScheduleView) -> Result<(), Error> {
    let times = context.times_in(context.zones.zone(&v.time_zone)?);
    let state = if v.paused {
        let since = v.paused_since.map_or_else(String::new, |at| {
            format!(" since {} ({})", times.full(at.0), times.relative(at.0))
        });
        (format!("paused{since}"), Some(Style::Warn))
    } else {
        ("active".to_owned(), Some(Style::Good))
    };
    let next = if super::awaits_beats(v) {
        String::new()
    } else {
        super::next_text(context, v)
    };
    let bound = |of: fn(&SpecText) -> Option<DateTime<Utc>>| {
        let at = v.spec.as_ref().and_then(of);
        at.map_or_else(String::new, |at| format!("{} {}", times.full(at), times.zone()))
    };
    let counts = format!(
        "{}, {} skipped, {} missed, {} dropped, {} waiting",
        counted(v.num_actions, "run"),
        v.num_actions_skipped_overlap,
        v.num_actions_missed_catchup_window,
        v.num_actions_buffer_dropped,
        v.buffer_size
    );
    let failure = match v.pause_after {
        Some(n) if n > 1 => format!(", pauses after {n} failed runs in a row"),
        None if !v.pause_on_failure => String::new(),
        _ => ", pauses on failure".to_owned(),
    };
    let remaining = v.remaining_actions.map_or_else(String::new, |n| n.to_string());
    let backfills: Vec<String> = v
        .backfills
        .iter()
        .map(|b| format!("{} of {} processed", b.done, b.times))
        .collect();
    pairs(
        &context.ui,
        &[
            ("Id", (v.id.clone(), Some(Style::Strong))),
            ("Note", plain(&v.note)),
            ("State", state),
            ("When", plain(super::times_text(v))),
            ("Starts", plain(bound(|spec| spec.start_time))),
            ("Ends", plain(bound(|spec| spec.end_time))),
            ("Next", plain(next)),
            (
                "Daylight saving",
                plain(v.dst_note.as_ref().and_then(|n| n.0.clone()).unwrap_or_default()),
            ),
            (
                "Policies",
                plain(format!(
                    "overlap {}, catch-up {}{failure}",
                    v.overlap_policy, v.catchup_window
                )),
            ),
            ("Limits", plain(limits(v).join(", "))),
            ("Alerts", plain(alerts(&v.alerts).join(", "))),
            ("Labels", plain(v.alerts.labels.join(", "))),
            ("Remaining", plain(remaining)),
            ("Totals", plain(counts)),
            ("Lateness", plain(v.lateness.as_ref().map(lateness).unwrap_or_default())),
            ("Backfills", plain(backfills.join(", "))),
            ("Created", plain(format!("{} {}", times.full(v.created_at.0), times.zone()))),
        ],
    )?;
    if let Some(action) = &v.action {
        context.ui.data("")?;
        context.ui.data(&format!("Steps of {}", action.workflow_id))?;
        for step in &action.steps {
            context
                .ui
                .data(&format!("  {}: {}", step.name, sanitize(&summary(step)).replace('\n', " ")))?;
            let of_step = |s: &&StatisticsView| s.step == step.name;
            if let Some(statistics) = v.statistics.iter().flatten().find(of_step) {
                context.ui.data(&format!("    last 30 days: {}", reliability(statistics)))?;
            }
        }
    }
    let recent = v.recent_actions.as_deref().unwrap_or_default();
    if recent.is_empty() {
        return Ok(());
    }
    context.ui.data("")?;
    let rows: Vec<_> = recent
        .iter()
        .map(|r| {
            vec![
                plain(times.full(r.scheduled_at.0)),
                plain(times.full(r.started_at.0)),
                status_with(r.status, r.failed_steps.unwrap_or(0)),
                plain(&r.run_id),
            ]
        })
        .collect();
    let scheduled = format!("SCHEDULED ({})", times.zone());
    table(&context.ui, &[&scheduled, "STARTED", "STATUS", "RUN"], &rows, "")
}
