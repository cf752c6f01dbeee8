//! `tempo schedule`: stored records of what to run and when.

mod backfill;
mod create;
mod delete;
mod describe;
mod edit;
mod explain;
mod list;
mod next;
mod pause;
mod simulate;
mod trigger;
mod unpause;
mod update;

use clap::Subcommand;

use super::Context;
use crate::error::{Error, Kind};
use crate::names::ScheduleId;
use crate::ops;
use crate::output::views::ScheduleView;
use crate::present;
use crate::run::step_text::{OnFailure, StepText};
use crate::schedule::OverlapPolicy;
use crate::spec::describe::NO_TIMES;
use crate::store::{Missing, Read, Store, Write};

/// Create, inspect, change and trigger schedules
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Create(create::Args),
    Update(update::Args),
    Edit(edit::Args),
    #[command(visible_alias = "ls")]
    List(list::Args),
    #[command(visible_alias = "show", alias = "get")]
    Describe(describe::Args),
    Pause(pause::Args),
    #[command(visible_alias = "resume")]
    Unpause(unpause::Args),
    Trigger(trigger::Args),
    Backfill(backfill::Args),
    #[command(visible_alias = "rm", alias = "remove")]
    Delete(delete::Args),
    Next(next::Args),
    Explain(explain::Args),
    Simulate(Box<simulate::Args>),
}

pub(super) fn run(context: &Context, args: Args) -> Result<(), Error> {
    match args.command {
        Command::Create(args) => create::run(context, &args),
        Command::Update(args) => update::run(context, &args),
        Command::Edit(args) => edit::run(context, &args),
        Command::List(args) => list::run(context, &args),
        Command::Describe(args) => describe::run(context, &args),
        Command::Pause(args) => pause::run(context, &args),
        Command::Unpause(args) => unpause::run(context, &args),
        Command::Trigger(args) => trigger::run(context, &args),
        Command::Backfill(args) => backfill::run(context, &args),
        Command::Delete(args) => delete::run(context, &args),
        Command::Next(args) => next::run(context, &args),
        Command::Explain(args) => explain::run(context, &args),
        Command::Simulate(args) => simulate::run(context, &args),
    }
}

/// Reads a schedule for display.
fn view(context: &Context, store: &Store, id: &ScheduleId) -> Result<ScheduleView, Error> {
    store.read(|read| view_in(context, read, id))
}

fn view_in(context: &Context, read: &Read<'_>, id: &ScheduleId) -> Result<ScheduleView, Error> {
    present::schedule(read, &context.zones, ops::find(read, id)?, context.now())
}

/// Reads schedules for display, in the transaction that has changed them.
fn changed_views(context: &Context, write: &Write<'_>, ids: &[ScheduleId]) -> Result<Vec<ScheduleView>, Error> {
    ops::sum_statistics(write)?;
    ids.iter().map(|id| view_in(context, write, id)).collect()
}

/// Opens the database for a command about a schedule. A missing database is reported as a missing schedule.
fn open_for(context: &Context, id: &ScheduleId) -> Result<Store, Error> {
    context.open(Missing::Refuse).map_err(|e| {
        if e.kind() == Kind::NotFound {
            return Error::new(Kind::NotFound, format_args!("no schedule is named `{id}`")).because(e);
        }
        e
    })
}

/// Opens the database for a command about the given schedules, or about all.
fn open_for_each(context: &Context, ids: &[ScheduleId], all: bool) -> Result<Store, Error> {
    if let Some(first) = ids.first() {
        return open_for(context, first);
    }
    if !all {
        return Err(Error::new(Kind::Usage, "a schedule id or `--all` is required").hint("`tempo schedule list` shows the ids."));
    }
    context.open(Missing::Refuse)
}

/// The given schedules, or all if none is given. To be read in the transaction of the change: others may create and delete schedules.
fn given_or_all(read: &Read<'_>, ids: &[ScheduleId]) -> Result<Vec<ScheduleId>, Error> {
    if !ids.is_empty() {
        let is_first = |(index, id): &(usize, &ScheduleId)| !ids[..*index].contains(id);
        return Ok(ids.iter().enumerate().filter(is_first).map(|(_, id)| id.clone()).collect());
    }
    read.schedule_ids()?.iter().map(|id| ScheduleId::parse(id)).collect()
}

/// What a schedule waits for, for people: its times, or heartbeats if it has no times.
fn times_text(view: &ScheduleView) -> String {
    match &view.alerts.expect_within {
        Some(within) if awaits_beats(view) => format!("no times; expects a heartbeat at least every {within}"),
        // A list does not show the steps.
        Some(within) if view.action.is_none() && view.spec_text == NO_TIMES => {
            format!("no times; must succeed at least every {within}")
        }
        _ => view.spec_text.clone(),
    }
}

/// Whether a schedule has no times, and only expects heartbeats.
fn awaits_beats(view: &ScheduleView) -> bool {
    let mut steps = view.action.iter().flat_map(|action| &action.steps);
    view.spec_text == NO_TIMES && view.action.is_some() && steps.all(|step| step.beat.is_some())
}

/// Prints a note if a limit of open runs has no effect.
fn note_max_running(context: &Context, view: &ScheduleView) {
    if view.max_running.is_some() && view.overlap_policy != OverlapPolicy::AllowAll.name() {
        context.ui.say(&format!(
            "note: `--max-running` has no effect with the overlap policy `{}`: add `--overlap-policy allow-all`",
            view.overlap_policy
        ));
    }
}

/// Prints a note on the next daylight saving change that affects a schedule, if there is one.
fn note_transition(context: &Context, view: &ScheduleView) {
    if let Some(note) = view.dst_note.as_ref().and_then(|n| n.0.as_ref()) {
        context.ui.say(&format!("note: {note}"));
    }
}

/// Prints a note if failed runs are to pause a schedule, but no step fails its run.
fn note_pause_policy(context: &Context, view: &ScheduleView) {
    let pauses = view.pause_on_failure || view.pause_after.is_some();
    let fails = |step: &StepText| match step.on_failure {
        Some(on_failure) => on_failure == OnFailure::Fail,
        None => step.probe.is_none(),
    };
    if pauses && view.action.as_ref().is_some_and(|action| !action.steps.iter().any(fails)) {
        context.ui.say(
            "note: no step fails its run, so the schedule is never paused: set `on_failure = \"fail\"` for a step (`--steps FILE`)",
        );
    }
}

/// When a schedule starts next: its next times, or why there are none.
fn next_text(context: &Context, view: &ScheduleView) -> String {
    match next_line(context, view) {
        Some(next) => next,
        None if view.paused => "none while paused".to_owned(),
        None if view.remaining_actions == Some(0) => "none: no remaining actions".to_owned(),
        None if view.spec.as_ref().is_some_and(|s| s.at_boot) => "after the next boot".to_owned(),
        None if !view.after.is_empty() => "after another run".to_owned(),
        None => "none".to_owned(),
    }
}

/// Formats the next three times: `14:02:07, 14:04:01, 14:06:09 UTC`.
fn next_line(context: &Context, view: &ScheduleView) -> Option<String> {
    use crate::spec::zone::Zones as _;
    let times = view.next_action_times.as_ref().filter(|t| !t.is_empty())?;
    let zone = context.zones.zone(&view.time_zone).ok()?;
    let clock = context.times_in(zone);
    let shown: Vec<String> = times.iter().take(3).map(|t| clock.short(t.0)).collect();
    Some(format!("{} {}", shown.join(", "), clock.zone()))
}
