//! `tempo schedule backfill`.

use clap_complete::engine::ArgValueCandidates;

use chrono::{DateTime, Utc};

use super::super::{Context, complete};
use super::super::{definition, wait};
use super::trigger::{run_views, verdict};
use crate::error::{Error, Kind};
use crate::names::ScheduleId;
use crate::ops;
use crate::output::counted;
use crate::output::instant::Instant;
use crate::output::views::RequestView;
use crate::spec::instant;
use crate::spec::text;
use crate::spec::zone::Zone;

/// Maximum number of times to run without `--yes`: a typo in a year should not keep a machine busy for a decade.
const MAX_WITHOUT_YES: u64 = 1_000_000;

/// Run the times that fell in a past range
///
/// The range includes both ends, and the oldest time comes first. Works while the schedule is paused. A time that has already run can be
/// run again. With `buffer-all` the runs follow one another, with `allow-all` they run in parallel, and with `skip` only the oldest
/// starts.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Id of the schedule
    #[arg(add = ArgValueCandidates::new(complete::schedules))]
    id: ScheduleId,
    /// Start of the range: `yesterday`, `mon 09:00`, `2026-05-05 09:00` in the schedule's zone, `2026-05-05T09:00:00Z`, `-2h`
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    start_time: Option<String>,
    /// End of the range; defaults to now
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    end_time: Option<String>,
    /// Length of the range, if it ends now
    #[arg(long, value_name = "DURATION", conflicts_with_all = ["start_time", "end_time"])]
    last: Option<String>,
    /// Use this overlap policy instead of the schedule's own: skip, buffer-one, buffer-all, cancel-other, terminate-other or allow-all
    #[arg(long, visible_alias = "overlap", value_name = "POLICY", add = ArgValueCandidates::new(complete::policies))]
    overlap_policy: Option<String>,
    /// Wait until all runs have closed; exit 0 if all completed without a failed step
    #[arg(long)]
    wait: bool,
    /// Stop waiting after this long; defaults to no limit
    #[arg(long, requires = "wait", value_name = "DURATION")]
    timeout: Option<String>,
    /// Run the times even if there are more than a million; only for a single interval without exclusions
    #[arg(long)]
    yes: bool,
    /// Cancel the backfills of the schedule; starts that have not begun are dropped
    #[arg(long, conflicts_with_all = ["start_time", "end_time", "last", "wait", "overlap_policy"])]
    cancel: bool,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Error> {
    let mut store = super::open_for(context, &args.id)?;
    if args.cancel {
        let ended = store.write(|w| ops::cancel_backfill(w, &args.id, context.now()))?;
        if !context.ui.is_text() {
            return context.ui.json(&super::view(context, &store, &args.id)?);
        }
        return context.ui.data(&if ended == 0 {
            format!("Schedule {} has no backfills to cancel", args.id)
        } else {
            format!("Canceled {} of {}", counted(ended, "backfill"), args.id)
        });
    }
    let overlap = definition::overlap(args.overlap_policy.as_deref())?;
    let timeout = wait::timeout(args.timeout.as_deref())?;
    let row = store.read(|r| ops::find(r, &args.id))?;
    let spec = row.compiled(&context.zones)?;
    let range = range(args, spec.zone(), context.now())?;
    if args.wait {
        wait::needs_server(context)?;
    }
    let backfill = ops::Backfill {
        range,
        overlap,
        at_most: (!args.yes).then_some(MAX_WITHOUT_YES),
    };
    let (queued, times) = store.write(|w| ops::backfill(w, &context.zones, &args.id, backfill, context.now()))?;
    let state = if args.wait {
        Some(wait::for_request(context, &store, queued.key, times, timeout)?)
    } else {
        wait::for_decision(context, &store, queued.key)?
    };
    let runs = state.as_ref().map(|s| s.runs.clone()).unwrap_or_default();
    let view = RequestView {
        schedule_id: args.id.to_string(),
        request_id: queued.request_id,
        runs: run_views(&store, &runs)?,
        start_time: Some(Instant(range.0)),
        end_time: Some(Instant(range.1)),
        times: Some(times),
    };
    if context.ui.is_text() {
        let clock = context.times_in(spec.zone().clone());
        let from_to = format!("{} to {} {}", clock.full(range.0), clock.full(range.1), clock.zone());
        context
            .ui
            .data(&format!("Backfill of {}: {} from {from_to}", args.id, counted(times, "time")))?;
        let count = |status: &str| view.runs.iter().filter(|r| r.status == status).count() as u64;
        if !view.runs.is_empty() {
            let (done, running) = (count("Completed"), count("Running"));
            let failed = view.runs.len() as u64 - done - running;
            let incidents = runs.iter().filter(|r| r.incidents > 0).count();
            let with = if incidents > 0 {
                format!(", {incidents} with a failed step")
            } else {
                String::new()
            };
            let all = counted(view.runs.len() as u64, "run");
            context
                .ui
                .data(&format!("{all}: {done} completed, {running} running, {failed} failed{with}"))?;
        }
        let decided = view.runs.len() as u64 + state.as_ref().map_or(0, |s| s.not_started);
        if state.is_some() && decided < times {
            context
                .ui
                .data(&format!("{} waiting to start", counted(times - decided, "time")))?;
        }
        if let Some(state) = state.as_ref().filter(|s| s.not_started > 0) {
            let why = state.reason.as_deref().unwrap_or("the overlap policy did not allow them");
            context
                .ui
                .data(&format!("{} not started: {why}", counted(state.not_started, "time")))?;
        }
    } else {
        context.ui.json(&view)?;
    }
    if args.wait {
        verdict(&args.id, state.as_ref(), &runs)
    } else if times == 0 {
        Ok(())
    } else {
        context.hint_when_down("the request waits until you run `tempo run`.")
    }
}

fn range(args: &Args, zone: &Zone, now: DateTime<Utc>) -> Result<(DateTime<Utc>, DateTime<Utc>), Error> {
    if let Some(last) = &args.last {
        return Ok((now - text::time_delta(last)?, now));
    }
    let start = args.start_time.as_deref().ok_or_else(|| {
        Error::new(Kind::Usage, "`--start-time` or `--last` is required")
            .hint("For example: `--last 2h`, or `--start-time '2026-05-05 09:00' --end-time '2026-05-05 12:00'`.")
    })?;
    let start = instant::parse_past(start, zone, now)?;
    let end = args
        .end_time
        .as_deref()
        .map_or(Ok(now), |t| instant::parse_past(t, zone, now))?;
    Ok((start, end))
}
