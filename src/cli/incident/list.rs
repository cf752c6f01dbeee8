//! `tempo incident list`.

use clap_complete::engine::ArgValueCandidates;

use super::super::{Context, complete};
use crate::error::Error;
use crate::output::Style;
use crate::output::table::{plain, table};
use crate::output::views::IncidentView;
use crate::present;
use crate::run::step::Workflow;
use crate::store::{IncidentFilter, IncidentScope};

/// List incidents, newest first
///
/// An incident is open until its step, or its schedule, has succeeded `--resolve-after` times in a row (once by default). Each failure is
/// counted and recorded.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only incidents that are not resolved; the default
    #[arg(long, conflicts_with = "all")]
    open: bool,
    /// Include resolved incidents
    #[arg(long)]
    all: bool,
    /// Only incidents of this target, as shown in the TARGET column, or of the step with this name
    #[arg(add = ArgValueCandidates::new(complete::targets), long, value_name = "NAME")]
    target: Option<String>,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Error> {
    let store = context.open_to_show()?;
    let filter = IncidentFilter {
        scope: IncidentScope::unresolved_or_all(args.all),
        target: args.target.clone(),
        ..IncidentFilter::default()
    };
    let rows = store.read(|r| r.incidents(&filter))?;
    let views: Vec<_> = rows.iter().map(present::incident).collect();
    if context.ui.is_text() {
        let if_empty = match (&args.target, args.all) {
            (Some(_), _) => "No incidents match.",
            (None, true) => "No incidents yet.",
            (None, false) => "No open incidents.",
        };
        show(context, &views, if_empty)
    } else {
        context.ui.json_list(&views)
    }
}

/// The style in which the status of an incident is shown.
pub(super) fn style_of(status: &str) -> Style {
    match status {
        "resolved" => Style::Good,
        "acked" => Style::Warn,
        _ => Style::Bad,
    }
}

/// The status of an incident in words.
pub(super) fn shown_status(status: &str) -> &str {
    match status {
        "acked" => "acknowledged",
        other => other,
    }
}

/// The target of an incident as it is shown: the name of its step, or the command line of a step that was not given a name.
fn target(view: &IncidentView) -> &str {
    match view.latest.target_name.as_str() {
        Workflow::UNNAMED => &view.latest.target_url,
        name => name,
    }
}

/// Prints a table of incidents, or `if_empty` if there are none.
pub(in crate::cli) fn show(context: &Context, views: &[IncidentView], if_empty: &str) -> Result<(), Error> {
    let times = context.times();
    let rows: Vec<_> = views
        .iter()
        .map(|v| {
            let style = style_of(&v.status);
            vec![
                plain(v.schedule_id.as_deref().unwrap_or("-")),
                (target(v).to_owned(), Some(Style::Strong)),
                (shown_status(&v.status).to_owned(), Some(style)),
                plain(&v.latest.error),
                plain(v.count.to_string()),
                plain(format!(
                    "{} ({})",
                    times.short(v.latest.detected_at.0),
                    times.relative(v.latest.detected_at.0)
                )),
                plain(v.latest.id.to_string()),
            ]
        })
        .collect();
    let last = format!("LAST ({})", times.zone());
    table(
        &context.ui,
        &["SCHEDULE", "TARGET", "STATUS", "ERROR", "FAILURES", &last, "ID"],
        &rows,
        if_empty,
    )
}
