//! `tempo schedule next`.

use chrono::{DateTime, TimeDelta};
use clap_complete::engine::ArgValueCandidates;

use super::super::definition::WhenArgs;
use super::super::{Context, complete};
use crate::error::{Error, Kind};
use crate::names::ScheduleId;
use crate::ops::{self, NO_TIME};
use crate::output::table::{plain, short_table};
use crate::output::views::NextView;
use crate::present;
use crate::spec::describe::NO_TIMES;
use crate::spec::{Spec, instant};

/// Show the next times of a schedule
///
/// Takes the id of a schedule, or a spec that is not stored, given with the same options as for `tempo schedule create`. The times are
/// those that the spec names, whether or not the schedule is paused; with jitter, each is due a little later.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Id of the schedule; or give a spec
    #[arg(add = ArgValueCandidates::new(complete::schedules))]
    id: Option<ScheduleId>,
    /// Number of times to show, from 1 to 100000
    #[arg(long, default_value_t = 10, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    count: u32,
    /// Show times after this; a date alone starts at midnight, inclusive; defaults to now
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    from: Option<String>,
    #[command(flatten)]
    when: WhenArgs,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Error> {
    let (spec, at_boot) = match (&args.id, args.when.names_nothing()) {
        (Some(id), true) => {
            let store = super::open_for(context, id)?;
            let row = store.read(|r| ops::find(r, id))?;
            if row.stored_spec()?.is_empty() {
                if !context.ui.is_text() {
                    context.ui.json_list::<NextView>(&[])?;
                }
                let is_beat = store.read(|r| r.action(row.workflow))?.is_beat_only();
                let starts = match (store.read(|r| r.after_of(row.key))?.as_slice(), &row.alerts.expect_within) {
                    ([], Some(within)) if is_beat => format!("expects a heartbeat at least every {within}"),
                    ([], _) => format!("starts {NO_TIMES}"),
                    _ => format!("starts {}", row.shown.spec_text),
                };
                return Err(Error::new(Kind::Failed, format_args!("`{id}` has no times: it {starts}")));
            }
            (row.compiled(&context.zones)?, row.stored_spec()?.at_boot)
        }
        (None, false) => {
            let written = args.when.spec_text(context)?;
            let spec = Spec::compile(&written, "", &context.zones)?;
            let at_boot = written.at_boot;
            // Without an id there is no seed: due times are the nominal ones.
            let spec = if written.jitter.is_some() {
                Spec::compile(
                    &crate::spec::spec_text::SpecText { jitter: None, ..written },
                    "",
                    &context.zones,
                )?
            } else {
                spec
            };
            (spec, at_boot)
        }
        (id, _) => {
            let message = match id {
                Some(_) => "expected a schedule id or a spec, not both",
                None => "expected a schedule id, or a spec such as `--interval 2m`",
            };
            return Err(Error::new(Kind::Usage, message)
                .hint("For example: `tempo schedule next health` or `tempo schedule next --interval 2m`."));
        }
    };
    let now = context.now();
    let from = args
        .from
        .as_deref()
        .map_or(Ok(now), |t| instant::parse(t, spec.zone(), now))?;
    // A date alone includes its midnight; any other time is not included.
    let is_date = args
        .from
        .as_deref()
        .is_some_and(|t| t.trim().len() == "2026-05-05".len() && !t.trim().starts_with(['+', '-']));
    let from = if is_date { from - TimeDelta::milliseconds(1) } else { from };
    let times = present::next(&spec, from, args.count as usize);
    if !times.is_empty() || at_boot || !context.ui.is_text() {
        show(context, &spec, &times)?;
    }
    if !times.is_empty() || at_boot {
        return Ok(());
    }
    Err(if from > now && spec.next_after(now).is_some() {
        Error::new(
            Kind::Failed,
            format_args!("no time from `{}` on matches", args.from.as_deref().unwrap_or_default()),
        )
        .hint("Choose an earlier `--from`; times are calculated up to the end of 2100.")
    } else if spec.next_after(DateTime::UNIX_EPOCH).is_some() {
        Error::new(Kind::Failed, format_args!("no times are left: {NO_TIME}"))
    } else {
        Error::new(Kind::Failed, format_args!("the spec never fires: {NO_TIME}"))
            .hint("Check the day of month, the years, the exclusions and the end time.")
    })
}

fn show(context: &Context, spec: &Spec, times: &[NextView]) -> Result<(), Error> {
    if !context.ui.is_text() {
        return context.ui.json_list(times);
    }
    let clock = context.times_in(spec.zone().clone());
    let rows: Vec<_> = times
        .iter()
        .map(|t| {
            let late = (t.due_at.0 - t.scheduled_at.0).num_milliseconds().unsigned_abs();
            let jitter = if late == 0 {
                String::new()
            } else {
                format!("+{}", crate::spec::describe::human_duration(u128::from(late)))
            };
            vec![
                plain(clock.full(t.scheduled_at.0)),
                plain(clock.relative(t.due_at.0)),
                plain(jitter),
                plain(t.note.clone().unwrap_or_default()),
            ]
        })
        .collect();
    let local = format!("TIME ({})", clock.zone());
    let if_empty = "No fixed times: it starts after each boot.";
    short_table(&context.ui, &[&local, "FROM NOW", "JITTER", "NOTE"], &rows, if_empty)
}
