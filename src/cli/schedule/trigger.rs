//! `tempo schedule trigger`.

use clap_complete::engine::ArgValueCandidates;

use super::super::{Context, complete};
use super::super::{
    definition,
    wait::{self, WaitArgs},
};
use crate::error::{Error, Kind};
use crate::names::ScheduleId;
use crate::ops;
use crate::output::run_views::RunView;
use crate::output::views::RequestView;
use crate::present;
use crate::store::{RequestState, RunRow, Store};

/// Start a run of a schedule now
///
/// Works while the schedule is paused, and does not use up its remaining actions. If another run is still running, the overlap policy
/// decides. If the server is not running, the request is recorded and carried out when it next starts.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Id of the schedule
    #[arg(add = ArgValueCandidates::new(complete::schedules))]
    id: ScheduleId,
    /// Use this overlap policy instead of the schedule's own: skip, buffer-one, buffer-all, cancel-other, terminate-other or allow-all
    #[arg(long, visible_alias = "overlap", value_name = "POLICY", add = ArgValueCandidates::new(complete::policies))]
    overlap_policy: Option<String>,
    #[command(flatten)]
    waiting: WaitArgs,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Error> {
    let overlap = definition::overlap(args.overlap_policy.as_deref())?;
    let timeout = args.waiting.limit()?;
    let mut store = super::open_for(context, &args.id)?;
    store.read(|r| ops::find(r, &args.id).map(|_| ()))?;
    if args.waiting.wait {
        wait::needs_server(context)?;
    }
    let queued = store.write(|w| ops::trigger(w, &args.id, overlap, context.now()))?;
    let state = if args.waiting.wait {
        Some(wait::for_request(context, &store, queued.key, 1, timeout)?)
    } else {
        wait::for_decision(context, &store, queued.key)?
    };
    let runs = state.as_ref().map(|s| s.runs.clone()).unwrap_or_default();
    let view = RequestView {
        schedule_id: args.id.to_string(),
        request_id: queued.request_id,
        runs: run_views(&store, &runs)?,
        start_time: None,
        end_time: None,
        times: None,
    };
    if context.ui.is_text() {
        // With `--wait`, the error says that nothing was started.
        if !(args.waiting.wait && state.as_ref().is_some_and(|s| s.not_started > 0)) {
            print_text(context, &args.id, &view, state.as_ref())?;
        }
    } else {
        context.ui.json(&view)?;
    }
    if args.waiting.wait {
        verdict(&args.id, state.as_ref(), &runs)
    } else {
        context.hint_when_down("the request waits until you run `tempo run`.")
    }
}

/// The runs of a request, with their results.
pub(super) fn run_views(store: &Store, runs: &[RunRow]) -> Result<Vec<RunView>, Error> {
    store.read(|read| runs.iter().map(|r| present::run(read, r)).collect())
}

fn print_text(context: &Context, id: &ScheduleId, view: &RequestView, state: Option<&RequestState>) -> Result<(), Error> {
    for run in &view.runs {
        context
            .ui
            .data(&format!("Triggered {id}: run {} is {}", run.run_id, run.status))?;
        for (step, result) in &run.result.0 {
            context.ui.data(&format!("  {step}: {result}"))?;
        }
    }
    match state {
        Some(s) if s.not_started > 0 => context.ui.data(&format!("Triggered {id}: not started: {}", why(s))),
        Some(s) if s.waiting > 0 => context.ui.data(&format!("Triggered {id}: the start is buffered")),
        _ if view.runs.is_empty() => context
            .ui
            .data(&format!("Triggered {id}: queued; the server will pick it up")),
        _ => Ok(()),
    }
}

fn why(state: &RequestState) -> &str {
    state.reason.as_deref().unwrap_or("the overlap policy did not allow it")
}

/// Checks the runs that were waited for. Fails if one of them failed, or if nothing was started.
pub(super) fn verdict(id: &ScheduleId, state: Option<&RequestState>, runs: &[RunRow]) -> Result<(), Error> {
    wait::verdict(runs)?;
    match state {
        Some(s) if runs.is_empty() && s.not_started > 0 => Err(Error::new(
            Kind::Conflict,
            format_args!("no run of `{id}` was started: {}", why(s)),
        )
        .hint("Use `--overlap-policy allow-all` to start alongside the current run, or `buffer-all` to wait for it.")),
        _ => Ok(()),
    }
}
