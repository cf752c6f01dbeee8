//! `tempo schedule list`.

use chrono::{DateTime, Utc};

use super::super::Context;
use crate::error::Error;
use crate::output::Style;
use crate::output::table::{plain, short_table};
use crate::output::times::Times;
use crate::present;
use crate::spec::zone::Zones as _;
use crate::store::SchedulePage;

/// List schedules
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only paused schedules
    #[arg(long, conflicts_with = "active")]
    paused: bool,
    /// Only schedules that are not paused
    #[arg(long)]
    active: bool,
    /// Maximum number to list, ordered by id; 0, the default, lists all
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Error> {
    let paused = if args.paused {
        Some(true)
    } else {
        args.active.then_some(false)
    };
    let store = context.open_to_show()?;
    let page = SchedulePage {
        paused,
        limit: args.limit.filter(|n| *n > 0),
        ..SchedulePage::default()
    };
    let views = store.read(|r| present::schedules(r, &context.zones, &page, context.now()))?;
    if !context.ui.is_text() {
        return context.ui.json_list(&views);
    }
    let times = context.times();
    let rows: Vec<_> = views
        .into_iter()
        .map(|v| {
            let next = match v.next_action_at {
                _ if v.paused => ("paused".to_owned(), Some(Style::Warn)),
                Some(at) => {
                    let there = there(context, &v.time_zone, &times, at.0);
                    (format!("{} ({}{there})", times.short(at.0), times.relative(at.0)), None)
                }
                None if v.spec_text.contains("at boot") => ("after the next boot".to_owned(), Some(Style::Dim)),
                None if v.spec_text.contains("after each ") => ("after another run".to_owned(), Some(Style::Dim)),
                None => ("none".to_owned(), Some(Style::Dim)),
            };
            let missed = v.num_actions_missed_catchup_window;
            let when = super::times_text(&v);
            vec![
                (v.id, Some(Style::Strong)),
                plain(when),
                next,
                plain(v.num_actions.to_string()),
                plain(v.num_actions_skipped_overlap.to_string()),
                (missed.to_string(), (missed > 0).then_some(Style::Warn)),
                plain(v.running_actions.len().to_string()),
                plain(v.buffer_size.to_string()),
                plain(v.note),
            ]
        })
        .collect();
    let next = format!("NEXT ({})", times.zone());
    let header = [
        "ID",
        "WHEN",
        next.as_str(),
        "RUNS",
        "SKIPPED",
        "MISSED",
        "RUNNING",
        "WAITING",
        "NOTE",
    ];
    short_table(
        &context.ui,
        &header,
        &rows,
        if args.paused || args.active {
            "No schedules match."
        } else {
            "No schedules. Create one with `tempo schedule create`."
        },
    )
}

/// `; 02:30:00 Europe/Berlin`: a time in the zone of its schedule, if the clocks there show another.
fn there(context: &Context, zone: &str, here: &Times, at: DateTime<Utc>) -> String {
    let Ok(zone) = context.zones.zone(zone) else {
        return String::new();
    };
    let there = Times::new(zone, context.now());
    // Without a zone of its own, a spec has no other clock.
    if there.zone() == "UTC" || there.short(at) == here.short(at) {
        return String::new();
    }
    format!("; {} {}", there.short(at), there.zone())
}
