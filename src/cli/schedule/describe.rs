//! `tempo schedule describe`.

use clap_complete::engine::ArgValueCandidates;

use super::super::workflow::status_with;
use super::super::{Context, complete};
use crate::error::Error;
use crate::names::ScheduleId;
use crate::output::table::{pairs, plain, table};
use crate::output::times::Times;
use crate::output::ui::sanitize;
use crate::output::views::{ActionView, ScheduleView, StatisticsView};
use crate::output::{Style, counted};
use crate::run::step_text::StepText;
use crate::run::threshold::ThresholdText;
use crate::schedule::Alerts;
use crate::spec::describe::human_duration;
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
    let times = Times::new(context.zones.zone(&v.time_zone)?, context.now());
    let state = if v.paused {
        let since = v.paused_since.map_or_else(String::new, |at| {
            format!(" since {} ({})", times.full(at.0), times.relative(at.0))
        });
        (format!("paused{since}"), Some(Style::Warn))
    } else {
        ("active".to_owned(), Some(Style::Good))
    };
    let next = match super::next_line(context, v) {
        Some(next) => next,
        None if v.paused => "none while paused".to_owned(),
        None if v.spec.as_ref().is_some_and(|s| s.at_boot) => "after the next boot".to_owned(),
        None => "none".to_owned(),
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
            ("When", plain(&v.spec_text)),
            ("Next", plain(next)),
            (
                "Daylight saving",
                plain(v.dst_note.as_ref().and_then(|n| n.0.clone()).unwrap_or_default()),
            ),
            (
                "Policies",
                plain(format!("{}, catch-up {}{failure}", v.overlap_policy, v.catchup_window)),
            ),
            ("Limits", plain(limits(v))),
            ("Alerts", plain(alerts(&v.alerts))),
            ("Labels", plain(v.alerts.labels.join(", "))),
            ("Remaining", plain(remaining)),
            ("Totals", plain(counts)),
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

/// What limits the runs of a schedule, in one line.
fn limits(view: &ScheduleView) -> String {
    let action = view.action.as_ref();
    let of =
        |field: fn(&ActionView) -> Option<&String>, what: &str| action.and_then(field).map(|value| format!("{what} {value}"));
    let parts = [
        view.max_running
            .map(|n| format!("at most {} under allow-all", counted(u64::from(n), "open run"))),
        of(|a| a.task_queue.as_ref(), "task queue"),
        of(|a| a.lock.as_ref(), "lock"),
        action
            .and_then(|a| a.condition.as_ref())
            .map(|condition| format!("only if `{condition}` succeeds")),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// The alert settings that are not the defaults, in one line.
fn alerts(of: &Alerts) -> String {
    let open_after = of.open_after.as_ref().map(|threshold| match threshold {
        ThresholdText::Number(n) => format!("incident after {}", counted(u64::from(*n), "failure")),
        ThresholdText::Text(text) => format!("incident after {text} of failing"),
    });
    let parts = [
        of.severity.map(|severity| format!("severity {}", severity.name())),
        of.expect_within
            .as_ref()
            .map(|within| format!("must succeed at least every {within}")),
        open_after,
        of.resolve_after
            .map(|n| format!("resolved after {}", counted(u64::from(n), "success"))),
        of.remind.as_ref().map(|every| format!("reminder every {every}")),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// `99.90 % of 1000 ok, p50 12 ms, p95 80 ms, slowest 1 s`.
fn reliability(of: &StatisticsView) -> String {
    let total = of.ok + of.failed;
    // Rounded down: a single failure in a million must not read as 100 %.
    let hundredths = (of.ok * 10_000).checked_div(total).unwrap_or(0);
    let ok = format!("{}.{:02} % of {total} ok", hundredths / 100, hundredths % 100);
    let duration = |name: &str, ms: Option<u64>| ms.map(|ms| format!("{name} {}", rounded(ms)));
    let durations = [
        duration("p50", of.p50_ms),
        duration("p95", of.p95_ms),
        of.p50_ms.and_then(|_| duration("slowest", Some(of.slowest_ms))),
    ];
    let parts: Vec<String> = std::iter::once(ok).chain(durations.into_iter().flatten()).collect();
    parts.join(", ")
}

/// A duration to two digits: the percentiles are no more exact.
fn rounded(ms: u64) -> String {
    let unit = 10_u64.pow(ms.max(1).ilog10().saturating_sub(1));
    match (ms + unit / 2) / unit * unit {
        0 => "under 1 ms".to_owned(),
        ms => human_duration(u128::from(ms)),
    }
}

/// Summarizes a step in one line.
fn summary(step: &StepText) -> String {
    let action = match (&step.probe, &step.command, &step.shell) {
        (Some(probe), ..) => probe.said(),
        (None, Some(argv), _) => argv.join(" "),
        (None, None, Some(line)) => line.clone(),
        (None, None, None) => step.beat.as_ref().map_or_else(String::new, |grace| {
            format!("expects a heartbeat (`tempo beat`) within {grace}")
        }),
    };
    let names: Vec<&str> = step.env.keys().map(String::as_str).collect();
    let attempts = step.retry.as_ref().and_then(|r| r.maximum_attempts);
    let settings = [
        step.cwd.as_ref().map(|cwd| format!("in {cwd}")),
        step.user.as_ref().map(|user| format!("as {user}")),
        (!names.is_empty()).then(|| format!("env {}", names.join(", "))),
        step.stdin
            .as_ref()
            .map(|text| format!("stdin of {}", counted(text.lines().count() as u64, "line"))),
        attempts.map(|n| match n {
            0 => "unlimited attempts".to_owned(),
            n => counted(u64::from(n), "attempt"),
        }),
        step.start_to_close_timeout
            .as_ref()
            .map(|limit| format!("{limit} per attempt")),
        step.schedule_to_close_timeout
            .as_ref()
            .map(|limit| format!("{limit} in total")),
    ];
    let settings: Vec<String> = settings.into_iter().flatten().collect();
    if settings.is_empty() {
        action
    } else {
        format!("{action} ({})", settings.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::step_text::{ProbeText, RetryText};

    #[test]
    fn a_step_summary_lists_its_settings() {
        let step = StepText {
            retry: Some(RetryText {
                maximum_attempts: Some(3),
                ..RetryText::default()
            }),
            start_to_close_timeout: Some("5m".to_owned()),
            ..StepText::default()
        };
        let command = StepText {
            command: Some(vec!["tar".to_owned(), "-c".to_owned()]),
            env: [("A".to_owned(), "1".to_owned())].into(),
            ..step.clone()
        };
        assert_eq!(summary(&command), "tar -c (env A; 3 attempts; 5m per attempt)");
        let probe = StepText {
            probe: Some(ProbeText::Url("http://127.0.0.1/".to_owned())),
            ..step
        };
        assert!(
            summary(&probe).ends_with(" (3 attempts; 5m per attempt)"),
            "{}",
            summary(&probe)
        );
    }
}
