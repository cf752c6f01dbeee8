//! `tempo schedule simulate`.

use clap_complete::engine::ArgValueCandidates;

use chrono::{DateTime, TimeDelta, Utc};

use super::super::definition::{self, PolicyArgs, WhatArgs, WhenArgs};
use super::super::{Context, complete};
use crate::error::{Error, Kind};
use crate::names::ScheduleId;
use crate::ops::{self, Outage, SimulationInput};
use crate::output::table::{plain, table};
use crate::output::views::SimulatedView;
use crate::output::{Style, counted, grouped};
use crate::present;
use crate::spec::instant;
use crate::spec::text::duration;
use crate::spec::zone::Zone;

/// Show what a schedule would do, without doing it
///
/// Of a schedule on file, with what else is named changed, or of a spec that is given and not stored. Every run is taken to last
/// `--takes`; it is the same decision that `tempo run` makes, so a policy can be tried before it is chosen. Nothing is recorded.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Which schedule; or give a spec
    #[arg(add = ArgValueCandidates::new(complete::schedules))]
    id: Option<ScheduleId>,
    #[command(flatten)]
    when: WhenArgs,
    #[command(flatten)]
    policies: PolicyArgs,
    /// How long each run takes
    #[arg(long, value_name = "DURATION")]
    takes: String,
    /// From here; now when not given
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    from: Option<String>,
    /// For so long
    #[arg(long = "for", value_name = "DURATION", default_value = "1h")]
    span: String,
    /// `tempo run` is down, and a run that is cut off begins anew when it is back: `2026-05-05T09:10:00Z..2026-05-05T09:40:00Z`, `+10m..+40m` counted from `--from`; repeats
    #[arg(long, value_name = "FROM..TO", allow_hyphen_values = true)]
    down: Vec<String>,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Error> {
    let patch = definition::patch(context, &args.when, &WhatArgs::default(), &args.policies, &[], None)?;
    let schedule = match &args.id {
        Some(id) => super::open_for(context, id)?.read(|r| ops::would_be(r, &context.zones, id, &patch))?,
        None if args.when.names_nothing() => {
            return Err(
                Error::new(Kind::Usage, "name a schedule, or give a spec like `--interval 2m`")
                    .hint("`tempo schedule simulate --interval 2m --takes 3m --overlap-policy skip`."),
            );
        }
        None => ops::would_be_new(&context.zones, &patch)?,
    };
    let now = context.now();
    let zone = schedule.spec.zone();
    let from = args.from.as_deref().map_or(Ok(now), |t| instant::parse(t, zone, now))?;
    let outlook = SimulationInput {
        takes: delta(&args.takes)?,
        from,
        to: from + delta(&args.span)?,
        outages: outages(&args.down, zone, from)?,
    };
    if schedule.paused {
        context.ui.hint("It is paused; this is what it would do if it were not.");
    }
    if schedule.without_jitter {
        context
            .ui
            .hint("Without an id there is no seed for the jitter: the times shown are the nominal ones.");
    }
    let views = present::simulated(&schedule, &outlook, &ops::simulate(&schedule, &outlook)?);
    if !context.ui.is_text() {
        return context.ui.json_list(&views);
    }
    show(context, &views)
}

fn delta(written: &str) -> Result<TimeDelta, Error> {
    let too_long = || Error::new(Kind::Usage, format_args!("the duration `{written}` is too long"));
    TimeDelta::from_std(duration(written)?).map_err(|_| too_long())
}

fn outages(written: &[String], zone: &Zone, now: DateTime<Utc>) -> Result<Vec<Outage>, Error> {
    let mut outages = Vec::new();
    for text in written {
        let refuse = |rule: &str| {
            Error::new(Kind::Usage, format_args!("the outage `{text}` {rule}"))
                .hint("Write `--down 2026-05-05T09:10:00Z..2026-05-05T09:40:00Z` or `--down +10m..+40m`.")
        };
        let (from, to) = text.split_once("..").ok_or_else(|| refuse("is not FROM..TO"))?;
        let outage = (instant::parse(from, zone, now)?, instant::parse(to, zone, now)?);
        if outage.0 >= outage.1 {
            return Err(refuse("ends before it begins"));
        }
        outages.push(outage);
    }
    outages.sort_unstable();
    if let Some(pair) = outages.windows(2).find(|w| w[1].0 < w[0].1) {
        return Err(Error::new(
            Kind::Usage,
            format_args!(
                "the outage that begins at {} begins before the one before it has ended",
                pair[1].0
            ),
        )
        .hint("Make one outage of the two."));
    }
    Ok(outages)
}

fn show(context: &Context, views: &[SimulatedView]) -> Result<(), Error> {
    let clock = context.times();
    // Times that come to nothing for the same reason one after another are one line.
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
    table(
        &context.ui,
        &[&at, "EVENT", "TIME", "WHY"],
        &rows,
        "Nothing happens in this span; `--from` and `--for` name another.",
    )?;
    if views.is_empty() {
        return Ok(());
    }
    let count = |event: &str| views.iter().filter(|v| v.event == event).count() as u64;
    let told = ["skipped", "missed", "dropped", "superseded", "exhausted", "excluded"].map(|event| (event, count(event)));
    let told: Vec<_> = told
        .iter()
        .filter(|(_, n)| *n > 0)
        .map(|(event, n)| format!(", {} {event}", grouped(*n)))
        .collect();
    context
        .ui
        .say(&format!("{}{}.", counted(count("start"), "start"), told.concat()));
    Ok(())
}
