//! The list of schedules: filter, and changes of several at once.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use http::{HeaderMap, Uri};
use maud::{Markup, html};
use serde::Deserialize;

use super::super::answers::{self, encoded};
use super::super::app::{App, Context};
use super::super::changes::{self, PauseChange};
use super::layout::{Section, Shell};
use super::parts::{self, class_of, plain, relative, schedule_link};
use super::{Page, forms, show};
use crate::error::{Error, Kind};
use crate::names::ScheduleId;
use crate::output::counted;
use crate::output::views::ScheduleView;
use crate::present;
use crate::spec::describe::human_elapsed;
use crate::store::{RunRow, ScheduleOrder, SchedulePage};

/// Number of schedules on a page.
const ON_PAGE: u64 = 40;
/// Number of runs in the strip of a schedule.
const STRIP: u64 = 20;

#[derive(Deserialize, Default)]
pub(super) struct Asked {
    q: Option<String>,
    paused: Option<String>,
    sort: Option<String>,
    after: Option<String>,
    /// Number of schedules on the pages before, in an order other than that of ids.
    skip: Option<u64>,
}

impl Asked {
    fn order(&self) -> ScheduleOrder {
        match self.sort.as_deref() {
            Some("next") => ScheduleOrder::Next,
            Some("last") => ScheduleOrder::LastStart,
            _ => ScheduleOrder::Id,
        }
    }

    /// The address of this list, up to where it begins.
    fn path(&self) -> String {
        let value = |text: &Option<String>| encoded(text.as_deref().unwrap_or_default());
        format!(
            "/schedules?q={}&paused={}&sort={}",
            value(&self.q),
            value(&self.paused),
            value(&self.sort)
        )
    }
}

pub(super) async fn page(State(app): State<Arc<App>>, headers: HeaderMap, uri: Uri) -> Page {
    let asked: Asked = answers::query(&uri)?;
    let filter = SchedulePage {
        paused: match asked.paused.as_deref() {
            Some("true") => Some(true),
            Some("false") => Some(false),
            _ => None,
        },
        after: asked.after.clone(),
        contains: asked.q.clone(),
        order: asked.order(),
        skip: asked.skip.unwrap_or(0),
        limit: Some(ON_PAGE + 1),
    };
    let (views, incidents, context) = app
        .read(move |r, c| {
            let views = present::schedules(r, &*c.zones, &filter, c.now)?;
            let with_runs = views.into_iter().map(|view| {
                let key = r.schedule_key(&ScheduleId::parse(&view.id)?)?;
                let runs = key.map_or(Ok(Vec::new()), |key| r.recent_of(key, STRIP))?;
                Ok((view, runs))
            });
            let with_runs: Vec<_> = with_runs.collect::<Result<_, Error>>()?;
            Ok((with_runs, r.unresolved_incidents()?.0, c.clone()))
        })
        .await?;
    let shell = Shell::new("Schedules".to_owned(), Section::Schedules, &context, incidents);
    Ok(show(&app, &headers, &shell, &body(&context, &asked, &views)))
}

/// Changes the selected schedules.
pub(super) async fn change(State(app): State<Arc<App>>, bytes: Bytes) -> Page {
    let fields = forms::parse(&bytes);
    let ids = forms::all(&bytes, "id");
    let ids: Vec<ScheduleId> = ids.iter().map(|id| ScheduleId::parse(id)).collect::<Result<_, _>>()?;
    if ids.is_empty() {
        return Ok(forms::then("/schedules", "Select at least one schedule."));
    }
    let names: Vec<String> = ids.iter().map(|id| parts::argument(id.as_str())).collect();
    let (names, schedules) = (names.join(" "), counted(ids.len() as u64, "schedule"));
    let note = forms::text(&fields, "note");
    let done = match fields.get("do").map(String::as_str) {
        Some("pause") => {
            let with_note = note
                .as_deref()
                .map_or_else(String::new, |note| format!(" --note {}", parts::argument(note)));
            changes::pause(&app, ids, PauseChange::Pause, note).await?;
            format!("Paused {schedules}. Same as: tempo schedule pause {names}{with_note}")
        }
        Some("unpause") => {
            changes::pause(&app, ids, PauseChange::Unpause, None).await?;
            format!("Unpaused {schedules}. Same as: tempo schedule unpause {names}")
        }
        Some("trigger") => {
            changes::trigger(&app, ids, None).await?;
            let commands: Vec<String> = names
                .split(' ')
                .map(|name| format!("tempo schedule trigger {name}"))
                .collect();
            format!("Triggered {schedules}. Same as: {}", commands.join("; "))
        }
        Some("delete") if fields.contains_key("sure") => {
            changes::delete(&app, ids).await?;
            format!("Deleted {schedules}. Same as: tempo schedule delete {names}")
        }
        Some("delete") => format!("Nothing was deleted: tick \"Yes, delete\" to delete {schedules}."),
        _ => return Err(unknown_change().into()),
    };
    Ok(forms::then("/schedules", &done))
}

/// The error for a form with an unknown change.
pub(super) fn unknown_change() -> Error {
    Error::new(Kind::Usage, "unknown action").hint("Go back and reload the page.")
}

fn body(context: &Context, asked: &Asked, views: &[(ScheduleView, Vec<RunRow>)]) -> Markup {
    let q = asked.q.as_deref().unwrap_or_default();
    let has_more = views.len() as u64 > ON_PAGE;
    let shown = &views[..views.len().min(usize::try_from(ON_PAGE).unwrap_or(usize::MAX))];
    html! {
        h1 { "Schedules" }
        form.filter method="get" action="/schedules" role="search" data-filter {
            label for="q" { "Filter" }
            input #q name="q" type="search" value=(q) placeholder="id or note";
            label for="paused" { "State" }
            select #paused name="paused" {
                @for (value, name) in [("", "all"), ("false", "active"), ("true", "paused")] {
                    option value=(value) selected[asked.paused.as_deref().unwrap_or_default() == value] { (name) }
                }
            }
            label for="sort" { "Order" }
            select #sort name="sort" {
                @for (value, name) in [("", "id"), ("next", "next time"), ("last", "last start")] {
                    option value=(value) selected[asked.sort.as_deref().unwrap_or_default() == value] { (name) }
                }
            }
            button type="submit" { "Show" }
        }
        form method="post" action="/schedules" {
            section #schedules data-live {
                @if shown.is_empty() {
                    p.dim { @if q.is_empty() { "There are no schedules. Create one with " code { "tempo schedule create" } "." } @else { "No schedules match." } }
                } @else {
                    div.scroll { table {
                        thead { tr { th { span.hidden { "Select" } } th { "Schedule" } th { "Last runs" } th { "Next" } th { "When" } th.number { "Runs" } th.number { "Skipped" } } }
                        tbody { @for (view, runs) in shown { (row(context, view, runs)) } }
                    } }
                }
            }
            div.actions data-selection="tempo schedule" {
                span.dim { "Selected:" }
                button type="submit" name="do" value="trigger" { "Trigger" }
                button type="submit" name="do" value="unpause" { "Unpause" }
                label { "Note " input name="note" maxlength="1000"; }
                button type="submit" name="do" value="pause" { "Pause" }
                label { input type="checkbox" name="sure" value="yes"; " Yes, delete" }
                button.danger type="submit" name="do" value="delete" { "Delete" }
                code.command hidden {}
            }
        }
        nav.pages aria-label="Pages" {
            @if asked.after.is_some() || asked.skip.is_some() { a href=(asked.path()) { "First page" } " " }
            @if let (true, Some((last, _))) = (has_more, shown.last()) {
                @let next = match asked.order() {
                    ScheduleOrder::Id => format!("after={}", encoded(&last.id)),
                    ScheduleOrder::Next | ScheduleOrder::LastStart => format!("skip={}", asked.skip.unwrap_or(0) + ON_PAGE),
                };
                a rel="next" href={ (asked.path()) "&" (next) } { "Next page" }
            }
        }
    }
}

fn row(context: &Context, view: &ScheduleView, runs: &[RunRow]) -> Markup {
    let times = &context.times;
    let not_run = view.num_actions_skipped_overlap + view.num_actions_missed_catchup_window + view.num_actions_buffer_dropped;
    html! {
        tr {
            td { input type="checkbox" name="id" value=(view.id) aria-label={ "Select " (view.id) }; }
            td {
                (schedule_link(&view.id))
                @if view.paused {
                    " " span.badge { "Paused" }
                    @if let Some(since) = view.paused_since { " " (relative(times, since.0)) }
                }
                @if !view.note.is_empty() { div.dim { (plain(&view.note)) } }
            }
            td { (strip(context, runs)) }
            td { @if let Some(next) = view.next_action_at { (relative(times, next.0)) } @else { span.dim { "none" } } }
            td { (view.spec_text) }
            td.number { (view.num_actions) }
            td.number title={
                (view.num_actions_skipped_overlap) " skipped, " (view.num_actions_missed_catchup_window) " missed, " (view.num_actions_buffer_dropped) " dropped"
            } { (not_run) }
        }
    }
}

/// The last runs of a schedule, oldest first; each opens its run.
pub(super) fn strip(context: &Context, runs: &[RunRow]) -> Markup {
    html! {
        span.strip {
            @for run in runs.iter().rev() {
                @let took = run.closed.map_or_else(|| "running".to_owned(), |closed| human_elapsed((closed - run.started).num_milliseconds()));
                a.(class_of(run.status.name(), run.incidents > 0)) href={ "/runs/" (run.run_id) }
                    title={ (context.times.short(run.started)) " · " (run.status.name()) " · " (took) } {}
            }
        }
    }
}
