//! `tempo schedule simulate`.

use clap_complete::engine::ArgValueCandidates;

use chrono::{DateTime, Utc};

use super::super::definition::{self, DecisionArgs, Existing, PolicyArgs, WhatArgs, WhenArgs};
use super::super::{Context, complete};
use crate::error::{Error, Kind};
use crate::names::ScheduleId;
use crate::ops::{self, Outage, SimulationInput};
use crate::output::table::{plain, table};
use crate::output::views::SimulatedView;
use crate::output::{Style, counted};
use crate::present;
use crate::spec::describe::grouped;
use crate::spec::instant;
use crate::spec::text::time_delta;
use crate::spec::zone::Zone;

/// Simulate a schedule, without running anything
///
/// Takes the id of a schedule, with any further options applied as changes, or a spec that is not stored. Every run is assumed to take
/// `--takes`. The decisions are those that `tempo run` would make, so a policy can be tried before it is chosen. Nothing is recorded.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Id of the schedule; or give a spec
    #[arg(add = ArgValueCandidates::new(complete::schedules))]
    id: Option<ScheduleId>,
    /// How long each run takes: `90s`, `5m`
    #[arg(long, value_name = "DURATION")]
    takes: String,
    /// Start of the simulation; defaults to now
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    from: Option<String>,
    /// Length of the simulation
    #[arg(long = "for", value_name = "DURATION", default_value = "1h")]
    span: String,
    /// Simulate an outage of `tempo run`, after which an interrupted run starts again: `2026-05-05T09:10:00Z..2026-05-05T09:40:00Z`, or `+10m..+40m` counted from `--from`; may be repeated
    #[arg(long, value_name = "FROM..TO", allow_hyphen_values = true)]
    down: Vec<String>,
    #[command(flatten)]
    when: WhenArgs,
    #[command(flatten)]
    policies: DecisionArgs,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Error> {
    let patch = |existing| {
        let policies = PolicyArgs::from(args.policies.clone());
        definition::patch(context, &args.when, &WhatArgs::default(), &policies, &[], existing)
    };
    let schedule = match &args.id {
        Some(id) => {
            let store = super::open_for(context, id)?;
            let patch = patch(Some(store.read(|r| Existing::of(r, id))?))?;
            store.read(|r| ops::with_patch(r, &context.zones, id, &patch))?
        }
        None if args.when.names_nothing() => {
            return Err(
                Error::new(Kind::Usage, "expected a schedule id, or a spec such as `--interval 2m`")
                    .hint("For example: `tempo schedule simulate --interval 2m --takes 3m --overlap-policy skip`."),
            );
        }
        None => ops::new_candidate(&context.zones, &patch(None)?)?,
    };
    let now = context.now();
    let zone = schedule.spec.zone();
    let from = args.from.as_deref().map_or(Ok(now), |t| instant::parse(t, zone, now))?;
    let input = SimulationInput {
        takes: time_delta(&args.takes)?,
        from,
        to: from + time_delta(&args.span)?,
        outages: outages(&args.down, zone, from)?,
        at_most: ops::MAX_SIMULATED,
    };
    if schedule.paused {
        context.ui.say("note: the schedule is paused; it is simulated as if active");
    }
    if schedule.without_jitter {
        context
            .ui
            .say("note: jitter depends on the schedule id; without one, times are shown without jitter");
    }
    let views = present::simulated(&schedule, &input, &ops::simulate(&schedule, &input)?);
    if !context.ui.is_text() {
        return context.ui.json_list(&views);
    }
    let none = if schedule.spec.next_after(from).is_some() {
        "Nothing happens in this range; `--from` and `--for` select another.".to_owned()
    } else {
        let clock = context.times();
        format!("The schedule has no times after {} {}.", clock.full(from), clock.zone())
    };
    show(context, &views, &none)
}

fn outages(written: &[String], zone: &Zone, now: DateTime<Utc>) -> Result<Vec<Outage>, Error> {
    let mut outages = Vec::new();
    for text in written {
        let invalid = |rule: &str| {
            Error::new(Kind::Usage, format_args!("the outage `{text}` {rule}"))
                .hint("Write `--down 2026-05-05T09:10:00Z..2026-05-05T09:40:00Z` or `--down +10m..+40m`.")
        };
        let (from, to) = text.split_once("..").ok_or_else(|| invalid("is not FROM..TO"))?;
        let outage = (instant::parse(from, zone, now)?, instant::parse(to, zone, now)?);
        if outage.0 >= outage.1 {
            return Err(invalid("ends before it begins"));
        }
        outages.push(outage);
    }
    outages.sort_unstable();
    if let Some(pair) = outages.windows(2).find(|w| w[1].0 < w[0].1) {
        return Err(Error::new(
            Kind::Usage,
            format_args!("the outage that begins at {} overlaps the one before it", pair[1].0),
        )
        .hint("Merge them into one outage."));
    }
    Ok(outages)
}

fn show(context: &Context, views: &[SimulatedView], if_empty: &str) -> Result<(), Error> {
    let clock = context.times();
    // Consecutive times that do not run for the same reason share a line.
    let alike = |a: &SimulatedView, b: &SimulatedView| {
        (a.event, a.at, &a.reason) == (b.event, b.at, &b.reason) && !matches!(a.event, "start" | "close" | "cancel" | "terminate")
    };
    let rows: Vec<_> = views
        .chunk_by(alike)
        .map(|group| {
            let (first, last) = (&group[0], &group[group.len() - 1]);
            let style = match first.event {
                "start" => Some(Style::Good),
                "close" | "excluded" => Some(Style::Dim),
                "missed" | "dropped" => Some(Style::Bad),
                _ => Some(Style::Warn),
            };
            let times = if group.len() == 1 {
                clock.short(first.scheduled_at.0)
            } else {
                let (from, to) = (clock.short(first.scheduled_at.0), clock.short(last.scheduled_at.0));
                format!("{from} to {to}, {}", counted(group.len() as u64, "time"))
            };
            vec![
                plain(clock.short(first.at.0)),
                (first.event.to_owned(), style),
                plain(times),
                plain(first.reason.clone().unwrap_or_default()),
            ]
        })
        .collect();
    let at = format!("AT ({})", clock.zone());
    table(&context.ui, &[&at, "EVENT", "TIME", "WHY"], &rows, if_empty)?;
    if views.is_empty() {
        return Ok(());
    }
    let count = |event: &str| views.iter().filter(|v| v.event == event).count() as u64;
    let totals = ["skipped", "missed", "dropped", "superseded", "exhausted", "excluded"].map(|event| (event, count(event)));
    let totals: Vec<_> = totals
        .iter()
        .filter(|(_, n)| *n > 0)
        .map(|(event, n)| format!(", {} {event}", grouped(*n)))
        .collect();
    context
        .ui
        .say(&format!("{}{}.", counted(count("start"), "start"), totals.concat()));
    Ok(())
}
