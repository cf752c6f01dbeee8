//! The list of runs, with filters.

use std::sync::Arc;

use axum::extract::State;
use http::{HeaderMap, Uri};
use maud::{Markup, html};
use serde::Deserialize;

use super::super::answers;
use super::super::app::{App, Context};
use super::forms::filled;
use super::layout::{Section, Shell};
use super::parts::{self, class_of, run_link, schedule_link, status, time};
use super::{Page, show};
use crate::run::outcome::Status;
use crate::spec::describe::human_elapsed;
use crate::store::{RunFilter, RunRow};

/// Number of runs on a page.
const ON_PAGE: u64 = 50;

#[derive(Deserialize, Default, Clone)]
struct Asked {
    schedule: Option<String>,
    status: Option<String>,
    since: Option<String>,
    until: Option<String>,
    output: Option<String>,
    before: Option<String>,
}

pub(super) async fn page(State(app): State<Arc<App>>, headers: HeaderMap, uri: Uri) -> Page {
    let asked: Asked = answers::query(&uri)?;
    let unhappy = asked.status.as_deref() == Some("failures");
    let status = if unhappy {
        None
    } else {
        answers::run_status(asked.status.clone())?
    };
    let (given, filters) = (asked.clone(), asked);
    let (runs, incidents, context) = app
        .read(move |r, c| {
            let before = filled(given.before.as_ref()).map(|run| r.run_named(&run)).transpose()?;
            let filter = RunFilter {
                schedule_id: filled(given.schedule.as_ref()),
                status,
                unhappy,
                since: c.past(filled(given.since.as_ref()))?,
                until: c.past(filled(given.until.as_ref()))?,
                output: filled(given.output.as_ref()),
                before: before.map(|run| run.key),
                limit: Some(ON_PAGE + 1),
            };
            Ok((r.runs(&filter)?, r.unresolved_incidents()?.0, c.clone()))
        })
        .await?;
    let shell = Shell::new("Runs".to_owned(), Section::Runs, &context, incidents);
    Ok(show(&app, &headers, &shell, &body(&context, &filters, &runs)))
}

fn body(context: &Context, asked: &Asked, runs: &[RunRow]) -> Markup {
    let shown = &runs[..runs.len().min(usize::try_from(ON_PAGE).unwrap_or(usize::MAX))];
    let took = |run: &RunRow| (run.closed.unwrap_or(context.now) - run.started).num_milliseconds().max(0);
    let longest = shown.iter().map(took).max().unwrap_or(0).max(1);
    let value = |text: &Option<String>| text.clone().unwrap_or_default();
    let from = |before| {
        let fields = [
            ("schedule", asked.schedule.as_deref()),
            ("status", asked.status.as_deref()),
            ("since", asked.since.as_deref()),
            ("until", asked.until.as_deref()),
            ("output", asked.output.as_deref()),
            ("before", before),
        ];
        parts::address("/runs", &fields)
    };
    html! {
        h1 { "Runs" }
        form.filter method="get" action="/runs" role="search" {
            label { "Schedule " input name="schedule" value=(value(&asked.schedule)); }
            label { "Status "
                select name="status" {
                    option value="" { "any" }
                    option value="failures" selected[asked.status.as_deref() == Some("failures")] { "failed or with a failed step" }
                    @for name in Status::ALL.map(Status::name) { option selected[asked.status.as_deref() == Some(name)] { (name) } }
                }
            }
            label { "Since " input name="since" value=(value(&asked.since)) placeholder="yesterday 18:00"; }
            label { "Until " input name="until" value=(value(&asked.until)) placeholder="now"; }
            label { "Output contains " input name="output" value=(value(&asked.output)); }
            button type="submit" { "Show" }
        }
        section #runs data-live {
            @if shown.is_empty() { p.dim { "No runs match." } } @else {
                div.scroll { table {
                    thead { tr { th { "Status" } th { "Workflow" } th { "Schedule" } th { "Started" } th.number { "Took" } th { span.hidden { "Duration" } } } }
                    tbody { @for run in shown {
                        tr {
                            td { (status(run.status.name(), run.incidents > 0)) }
                            td { (run_link(&run.run_id, &run.workflow_id)) }
                            td { @if let Some(id) = &run.schedule_id { (schedule_link(id)) } @else { "–" } }
                            td { (time(&context.times, run.started)) }
                            td.number { (human_elapsed(took(run))) }
                            td {
                                svg.duration viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true" {
                                    rect.mark.(class_of(run.status.name(), run.incidents > 0)) x="0" y="0" height="8" width=((took(run) * 100 / longest).max(1)) {}
                                }
                            }
                        }
                    } }
                } }
            }
        }
        nav.pages aria-label="Pages" {
            @if asked.before.is_some() { a href=(from(None)) { "Newest" } " " }
            @if let (true, Some(last)) = (runs.len() > shown.len(), shown.last()) {
                a rel="next" href=(from(Some(&last.run_id))) { "Older" }
            }
        }
    }
}
