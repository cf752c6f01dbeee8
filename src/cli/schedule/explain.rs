//! `tempo schedule explain`.

use clap_complete::engine::ArgValueCandidates;

use chrono::TimeDelta;

use super::super::{Context, complete};
use crate::error::{Error, Kind};
use crate::names::ScheduleId;
use crate::ops;
use crate::output::table::{plain, table};
use crate::output::views::TimeRangeView;
use crate::output::{Style, counted};
use crate::present;
use crate::spec::describe::human_duration;
use crate::spec::instant;
use crate::spec::interval::Interval;
use crate::spec::spec_text::SpecText;

/// Show the outcome of each time of a schedule, with the reason
///
/// Covers every time of the spec: it started a run, is buffered, was skipped, missed, dropped, superseded, paused,
/// exhausted or excluded, or is still pending. Consecutive times with the same outcome are shown as one range.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Id of the schedule
    #[arg(add = ArgValueCandidates::new(complete::schedules))]
    id: ScheduleId,
    /// Start of the range: `yesterday`, `mon 09:00`, `2026-05-05 09:00` in the schedule's zone, `-2h`; defaults to 24 hours before `--to`
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    from: Option<String>,
    /// End of the range; defaults to now
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    to: Option<String>,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Error> {
    let store = super::open_for(context, &args.id)?;
    let row = store.read(|r| ops::find(r, &args.id))?;
    let (spec, now) = (row.compiled(&context.zones)?, context.now());
    let time = |text: &str| instant::parse_past(text, spec.zone(), now);
    let to = args.to.as_deref().map_or(Ok(now), time)?;
    let from = args.from.as_deref().map_or_else(|| Ok(to - TimeDelta::days(1)), time)?;
    if from > to {
        let clock = context.times_in(spec.zone().clone());
        let (from, to) = (clock.full(from), clock.full(to));
        return Err(Error::new(Kind::Usage, format_args!("`--from` {from} is after `--to` {to}"))
            .hint("The start time must be before the end time."));
    }
    let time_ranges = store.read(|r| ops::explain(r, &context.zones, &args.id, (from, to), now))?;
    #[cfg(feature = "temporal")]
    let time_ranges = {
        let moves = store.read(|r| r.moves_of(row.key))?;
        // If a cluster cannot be reached, what is known here is shown.
        let told = crate::temporal::with_runs_there(time_ranges.clone(), &moves, &args.id, &spec, (from, to));
        told.unwrap_or_else(|e| {
            context.ui.say(&format!("note: cannot read the runs on Temporal: {e}"));
            time_ranges
        })
    };
    let views: Vec<_> = time_ranges.into_iter().map(present::time_range).collect();
    if let Some(pruned) = store.read(|r| r.pruned_until(row.key))?.filter(|until| *until >= from) {
        let pruned = context.times().full(pruned);
        context.ui.say(&format!(
            "note: the history up to {pruned} is incomplete: `tempo run --keep-for` and `--keep-runs` determine how much is kept"
        ));
    }
    if !context.ui.is_text() {
        return context.ui.json_list(&views);
    }
    let clock = context.times_in(spec.zone().clone());
    let text = row.stored_spec()?;
    let apart = spacing(&text);
    let rows: Vec<_> = folded(&views)
        .into_iter()
        .map(|group| {
            let (first, last) = (&group[0], &group[group.len() - 1]);
            let count: u64 = group.iter().map(|a| a.count).sum();
            let mut times = counted(count, "time");
            // The times of an earlier spec may have been closer or further apart.
            let span_ms = (last.to.0 - first.from.0).num_milliseconds().unsigned_abs();
            if let Some(apart) = apart.filter(|apart| count > 1 && span_ms == apart * (count - 1)) {
                times += &format!(", {} apart", human_duration(u128::from(apart)));
            }
            let until = if count == 1 { String::new() } else { clock.full(last.to.0) };
            let style = match first.outcome {
                "started" if !first.reason.ends_with("Completed") && !first.reason.ends_with("Running") => Some(Style::Bad),
                "started" => Some(Style::Good),
                "missed" | "dropped" => Some(Style::Bad),
                "skipped" | "superseded" => Some(Style::Warn),
                _ => Some(Style::Dim),
            };
            let run = first.run_id.as_deref().filter(|_| group.len() == 1);
            vec![
                plain(clock.full(first.from.0)),
                plain(until),
                plain(times),
                (first.outcome.to_owned(), style),
                plain(first.reason.clone()),
                plain(run.unwrap_or_default().chars().take(8).collect::<String>()),
            ]
        })
        .collect();
    let none = if text.has_fixed_times() {
        let (created, zone) = (clock.full(row.created), clock.zone());
        format!(
            "No times since the schedule was created ({created} {zone}) are in this range; `--from` and `--to` select another."
        )
    } else {
        format!(
            "The schedule has no fixed times; `tempo workflow list {}` shows its runs.",
            args.id
        )
    };
    table(
        &context.ui,
        &[&format!("FROM ({})", clock.zone()), "TO", "TIMES", "OUTCOME", "WHY", "RUN"],
        &rows,
        &none,
    )
}

/// Milliseconds between the times of a spec, if they are always the same.
fn spacing(spec: &SpecText) -> Option<u64> {
    let only_interval = SpecText {
        interval: spec.interval.clone(),
        time_zone: spec.time_zone.clone(),
        jitter: spec.jitter.clone(),
        ..SpecText::default()
    };
    match spec.interval.as_slice() {
        [interval] if *spec == only_interval => Some(Interval::parse(interval).ok()?.every_ms()),
        _ => None,
    }
}

/// Groups consecutive entries with the same outcome and reason: people have no use for the ids of a hundred runs.
fn folded(views: &[TimeRangeView]) -> Vec<&[TimeRangeView]> {
    views
        .chunk_by(|a, b| a.outcome == b.outcome && a.reason == b.reason && a.to < b.from)
        .collect()
}
