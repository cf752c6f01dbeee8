//! `tempo incident describe`.

use clap_complete::engine::ArgValueCandidates;

use super::super::{Context, complete};
use crate::error::Error;
use crate::ops;
use crate::output::Style;
use crate::output::table::{pairs, plain, table};
use crate::present;
use crate::schedule::alerts::DEFINITIONS;
use crate::spec::describe::human_elapsed;
use crate::store::Missing;

/// Show an incident and each of its failures
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Number of the incident, as shown by `tempo incident list`
    #[arg(add = ArgValueCandidates::new(complete::incidents))]
    id: i64,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Error> {
    let store = context.open(Missing::Refuse)?;
    let (view, output) = store.read(|r| {
        let row = ops::find_incident(r, args.id)?;
        Ok((present::incident_in_full(r, &row)?, present::last_output(r, &row)?))
    })?;
    if !context.ui.is_text() {
        return context.ui.json(&view);
    }
    let times = context.times();
    let style = super::list::style_of(&view.status);
    let at = |i: crate::output::instant::Instant| format!("{} {}", times.full(i.0), times.zone());
    pairs(
        &context.ui,
        &[
            ("Incident", plain(view.latest.id.to_string())),
            ("Status", (super::list::shown_status(&view.status).to_owned(), Some(style))),
            ("Note", plain(&view.note)),
            ("Step", (view.latest.target_name.clone(), Some(Style::Strong))),
            ("Target", plain(&view.latest.target_url)),
            ("Schedule", plain(view.schedule_id.clone().unwrap_or_default())),
            ("Last run", plain(view.run_id.clone().unwrap_or_default())),
            ("Failures", plain(view.count.to_string())),
            ("First", plain(at(view.first_detected_at))),
            ("Resolved", plain(view.resolved_at.map(at).unwrap_or_default())),
        ],
    )?;
    context.ui.data("")?;
    let rows: Vec<_> = view
        .occurrences
        .iter()
        .flatten()
        .map(|o| {
            let status = o.status_code.map_or_else(String::new, |s| s.to_string());
            // Only an attempt has a type and takes time.
            let (kind, took) = if o.target_name == DEFINITIONS {
                (String::new(), String::new())
            } else {
                (o.error_type.clone(), human_elapsed(o.elapsed_ms))
            };
            vec![
                plain(times.full(o.detected_at.0)),
                plain(kind),
                plain(status),
                plain(took),
                plain(&o.error),
            ]
        })
        .collect();
    let detected = format!("DETECTED ({})", times.zone());
    table(&context.ui, &[&detected, "TYPE", "HTTP", "TOOK", "ERROR"], &rows, "")?;
    if let (Some(run), false) = (&view.run_id, output.is_empty()) {
        context.ui.data("\nOutput of the latest failure:")?;
        for line in &output {
            context.ui.data(&format!("  | {line}"))?;
        }
        context
            .ui
            .hint(&format!("Run `tempo workflow output {run}` to see all of it."));
    }
    Ok(())
}
