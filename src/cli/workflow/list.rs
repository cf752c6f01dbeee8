//! `tempo workflow list`.

use clap_complete::engine::ArgValueCandidates;

use super::super::{Context, complete};
use crate::error::{Error, Kind};
use crate::names::{ScheduleId, suggestion};
use crate::ops;
use crate::output::Style;
use crate::output::run_views::RunView;
use crate::output::table::{plain, short_table};
use crate::present;
use crate::run::outcome::{Status, failure_of};
use crate::spec::describe::human_elapsed;
use crate::spec::instant;
use crate::store::RunFilter;

/// List runs, newest first
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only runs of this schedule
    #[arg(add = ArgValueCandidates::new(complete::schedules), value_name = "SCHEDULE", conflicts_with = "schedule")]
    id: Option<ScheduleId>,
    /// Only runs of this schedule
    #[arg(add = ArgValueCandidates::new(complete::schedules), long, value_name = "ID")]
    schedule: Option<ScheduleId>,
    /// Only runs that failed, timed out, or had a failed step
    #[arg(long)]
    failed: bool,
    #[expect(clippy::doc_markdown, reason = "this is help, where backticks would be shown")]
    /// Only runs with this status: Running, Completed, Failed, Canceled, Terminated or TimedOut
    #[arg(long)]
    status: Option<String>,
    /// Only runs started since this time: `yesterday 18:00`, `mon`, `2026-05-05 09:00`, `-2h`
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    since: Option<String>,
    /// Maximum number to list; 0 lists all
    #[arg(long, default_value_t = 50, value_name = "N")]
    limit: u64,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Error> {
    let status = args.status.as_deref().map(|s| {
        Status::named(s).ok_or_else(|| {
            Error::new(Kind::Usage, format_args!("no status is named `{s}`")).hint(suggestion(s, &Status::ALL.map(Status::name)))
        })
    });
    let id = args.id.as_ref().or(args.schedule.as_ref());
    let filter = RunFilter {
        schedule_id: id.map(ToString::to_string),
        unhappy: args.failed,
        status: status.transpose()?,
        since: args
            .since
            .as_deref()
            .map(|t| instant::parse_past(t, &context.local_zone(), context.now()))
            .transpose()?,
        limit: (args.limit > 0).then_some(args.limit),
        ..RunFilter::default()
    };
    let is_filtered = id.is_some() || args.failed || args.status.is_some() || args.since.is_some();
    let store = context.open_to_show()?;
    let views: Vec<(RunView, String)> = store.read(|r| {
        let rows = r.runs(&filter)?;
        rows.iter()
            .map(|row| Ok((present::run(r, row)?, r.short_run_id(&row.run_id)?.to_owned())))
            .collect()
    })?;
    if let (Some(id), true) = (id, views.is_empty()) {
        // Runs of a schedule that was deleted are still listed, so an unknown one is no error.
        match store.read(|r| ops::find(r, id)) {
            Err(e) if e.kind() == Kind::NotFound => context
                .ui
                .hint(&format!("There is no schedule named `{id}`. {}", e.hints().join(" "))),
            found => found.map(drop)?,
        }
    }
    if !context.ui.is_text() {
        return context.ui.json_list(&views.into_iter().map(|(v, _)| v).collect::<Vec<_>>());
    }
    let times = context.times();
    let rows: Vec<_> = views
        .into_iter()
        .map(|(v, short)| {
            let took = v
                .closed_at
                .map_or_else(String::new, |c| human_elapsed((c.0 - v.started_at.0).num_milliseconds()));
            let failed_steps = v.result.0.iter().filter(|(_, r)| failure_of(r).is_some()).count() as u64;
            let status = super::status_with(v.status, failed_steps);
            vec![
                (short, Some(Style::Strong)),
                plain(&v.workflow_id),
                status,
                plain(format!(
                    "{} ({})",
                    times.short(v.started_at.0),
                    times.relative(v.started_at.0)
                )),
                plain(took),
                plain(failure(&v)),
            ]
        })
        .collect();
    let started = format!("STARTED ({})", times.zone());
    short_table(
        &context.ui,
        &["RUN", "WORKFLOW", "STATUS", &started, "TOOK", "FAILURE"],
        &rows,
        if is_filtered { "No runs match." } else { "No runs yet." },
    )
}

/// What failed first in a run: `backup: exit 3`, `site: unexpected status 500`.
fn failure(run: &RunView) -> String {
    let failed = run
        .result
        .0
        .iter()
        .find_map(|(step, result)| Some((step, failure_of(result)?)));
    let Some((step, why)) = failed else { return String::new() };
    // The URL is in the definition.
    let why = why.split(" from http").next().unwrap_or(why);
    format!("{step}: {why}")
}
