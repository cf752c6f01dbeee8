//! One schedule: what it does and when, what became of its times, and how to change it.

mod editor;
mod history;
mod simulation;

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use chrono::{DateTime, TimeDelta, Utc};
use http::{HeaderMap, Uri};
use maud::{Markup, html};
use serde::Deserialize;

use super::super::answers;
use super::super::app::{App, Context};
use super::super::changes::{self, PauseChange};
use super::layout::{Section, Shell};
use super::log::newest_first;
use super::parts::{self, argument, plain, prose, relative, time};
use super::schedules::unknown_change;
use super::{Page, charts, error_box, forms, show};
use crate::error::{Error, Kind};
use crate::names::ScheduleId;
use crate::ops;
use crate::output::counted;
use crate::output::instant::rfc3339;
use crate::output::settings::{alerts, lateness, limits};
use crate::output::views::{EventView, NextView, ScheduleView, SimulatedView, TimeRangeView};
use crate::present;
use crate::schedule::OverlapPolicy;
use crate::store::{EventFilter, Read, RunRow};

pub(super) use editor::preview;

/// A backfill of more times needs a tick.
const MAX_UNCONFIRMED: u64 = 1000;

/// Number of runs in the table and of events shown.
const SHOWN: usize = 20;

/// Number of runs in the chart of durations.
const CHARTED: u64 = 120;

#[derive(Deserialize, Default)]
struct Asked {
    span: Option<String>,
    policy: Option<String>,
}

/// The span of the history: its name, and its length.
const SPANS: [(&str, TimeDelta); 4] = [
    ("hour", TimeDelta::hours(1)),
    ("day", TimeDelta::days(1)),
    ("week", TimeDelta::days(7)),
    ("month", TimeDelta::days(30)),
];

struct Found {
    view: ScheduleView,
    next: Vec<NextView>,
    ranges: Result<Vec<TimeRangeView>, Error>,
    window: (DateTime<Utc>, DateTime<Utc>),
    runs: Vec<RunRow>,
    events: Vec<EventView>,
    definition: String,
    simulated: Option<(OverlapPolicy, Result<Vec<SimulatedView>, Error>)>,
    incidents: u64,
}

pub(super) async fn page(State(app): State<Arc<App>>, Path(id): Path<String>, headers: HeaderMap, uri: Uri) -> Page {
    let (id, asked) = (ScheduleId::parse(&id)?, answers::query::<Asked>(&uri)?);
    let span = asked.span.as_deref().unwrap_or("day");
    let (span, length) = *SPANS.iter().find(|(name, _)| *name == span).unwrap_or(&SPANS[1]);
    let policy = asked
        .policy
        .as_deref()
        .filter(|name| !name.is_empty())
        .map(OverlapPolicy::parse)
        .transpose()?;
    let (found, context) = app
        .read(move |r, c| {
            let row = ops::find(r, &id)?;
            let (spec, key) = (row.compiled(&*c.zones)?, row.key);
            let next = if row.state.paused {
                Vec::new()
            } else {
                present::next(&spec, c.now, 10)
            };
            let view = present::schedule(r, &*c.zones, row, c.now)?;
            let window = ops::shortened(&spec, (c.now - length, c.now));
            let ranges =
                ops::explain(r, &*c.zones, &id, window, c.now).map(|all| all.into_iter().map(present::time_range).collect());
            let runs = r.recent_of(key, CHARTED)?;
            let simulated = policy.map(|policy| (policy, simulation::simulated(r, c, &id, policy, &runs)));
            let found = Found {
                next,
                ranges,
                window,
                events: events(r, c, &id)?,
                definition: ops::definition_text(r, &id)?,
                simulated,
                runs,
                incidents: r.unresolved_incidents()?.0,
                view,
            };
            Ok((found, c.clone()))
        })
        .await?;
    let shell = Shell::new(found.view.id.clone(), Section::Schedules, &context, found.incidents);
    Ok(show(&app, &headers, &shell, &body(&context, &found, span)))
}

fn events(read: &Read<'_>, context: &Context, id: &ScheduleId) -> Result<Vec<EventView>, Error> {
    let filter = EventFilter {
        schedule_id: Some(id.to_string()),
        limit: Some(SHOWN as u64),
        ..EventFilter::default()
    };
    newest_first(read, context, &filter)
}

/// Makes the change that a form on the page asks for.
pub(super) async fn change(State(app): State<Arc<App>>, Path(id): Path<String>, headers: HeaderMap, bytes: Bytes) -> Page {
    let id = ScheduleId::parse(&id)?;
    let fields = forms::parse(&bytes);
    let field = |name: &str| forms::text(&fields, name);
    let (here, name) = (parts::schedule_path(id.as_str()), argument(id.as_str()));
    let with =
        |option: &str, value: Option<&String>| value.map_or_else(String::new, |value| format!(" {option} {}", argument(value)));
    let message = match fields.get("do").map(String::as_str) {
        Some("pause") => {
            let note = field("note");
            let command = format!("tempo schedule pause {name}{}", with("--note", note.as_ref()));
            changes::pause(&app, vec![id], PauseChange::Pause, note).await?;
            format!("Paused. Same as: {command}")
        }
        Some("unpause") => {
            changes::pause(&app, vec![id], PauseChange::Unpause, None).await?;
            format!("Unpaused. Same as: tempo schedule unpause {name}")
        }
        Some("trigger") => {
            let policy = field("overlap_policy");
            let command = format!("tempo schedule trigger {name}{}", with("--overlap-policy", policy.as_ref()));
            changes::trigger(&app, vec![id], answers::policy(policy)?).await?;
            format!("Triggered. Same as: {command}")
        }
        Some("backfill") => {
            let (start, end, policy) = (field("start_time"), field("end_time"), field("overlap_policy"));
            let start = start.ok_or_else(|| Error::new(Kind::Usage, "the backfill needs a start time"))?;
            let options = [
                with("--start-time", Some(&start)),
                with("--end-time", end.as_ref()),
                with("--overlap-policy", policy.as_ref()),
            ];
            let most = if fields.contains_key("many") {
                changes::MAX_TIMES
            } else {
                MAX_UNCONFIRMED
            };
            let asked = changes::backfill(&app, id, (start, end), answers::policy(policy)?, most).await?;
            let times = counted(asked.times.unwrap_or(0), "time");
            format!(
                "Backfill of {times} requested. Same as: tempo schedule backfill {name}{}",
                options.concat()
            )
        }
        Some("cancel-backfill") => {
            changes::cancel_backfill(&app, id).await?;
            format!("Canceled the backfill. Same as: tempo schedule backfill {name} --cancel")
        }
        Some("delete") if field("sure").as_deref() == Some(id.as_str()) => {
            changes::delete(&app, vec![id]).await?;
            return Ok(forms::then(
                "/schedules",
                &format!("Deleted; its runs stay readable. Same as: tempo schedule delete {name}"),
            ));
        }
        Some("delete") => "Nothing was deleted: the id that you entered is not the id of this schedule.".to_owned(),
        Some("save") => {
            let text = |name: &str| fields.get(name).cloned().unwrap_or_default();
            let difference = match changes::edit(&app, id.clone(), text("original"), text("definition")).await {
                Ok(difference) => difference,
                // What was entered stays, below the reason.
                Err(e) => return editor::edit_again(&app, &headers, id, &e, text("definition")).await,
            };
            let warnings: Vec<String> = difference
                .warnings
                .iter()
                .map(|warning| format!(" Note: {warning}."))
                .collect();
            match difference.fields.len() {
                0 => "Nothing has changed.".to_owned(),
                n => format!(
                    "Saved {}.{} Same as: tempo schedule edit {name}",
                    counted(n as u64, "change"),
                    warnings.concat()
                ),
            }
        }
        _ => return Err(unknown_change().into()),
    };
    Ok(forms::then(&here, &message))
}

fn body(context: &Context, found: &Found, span: &str) -> Markup {
    let (view, times) = (&found.view, &context.times);
    let here = parts::schedule_path(&view.id);
    html! {
        p.crumbs { a href="/schedules" { "Schedules" } " /" }
        section #head data-live {
            h1 {
                (view.id)
                @if view.paused { " " span.badge { "Paused" } }
            }
            p.lead { (view.spec_text) @if !view.spec_text.ends_with(')') { " " span.dim { "(" (view.time_zone) ")" } } }
            @if !view.note.is_empty() { p { (plain(&view.note)) } }
            @if let Some(since) = view.paused_since { p { "Paused since " (time(times, since.0)) "; times that pass are recorded and can be run later with a backfill." } }
            @if let Some(note) = view.dst_note.as_ref().and_then(|note| note.0.as_ref()) { p.dim { (note) } }
            @for backfill in &view.backfills { p { "Backfill: " (backfill.done) " of " (counted(backfill.times, "time")) " processed." } }
            (counters(view))
        }
        (actions(view, &here))
        section #upcoming data-live {
            h2 { "Next times" }
            @if found.next.is_empty() { p.dim { @if view.paused { "None while it is paused." } @else { "It has no next time." } } } @else {
                div.scroll { table {
                    thead { tr { th { "Due (" (times.zone()) ")" } th { "In the schedule's zone" } th { "Yours" } th { "In" } th {} } }
                    tbody { @for next in &found.next {
                        tr {
                            td { (time(times, next.due_at.0)) }
                            td { (next.local.replace('T', " ")) }
                            td { time data-local datetime=(rfc3339(next.due_at.0)) {} }
                            td { (relative(times, next.due_at.0)) }
                            td.dim { @if let Some(note) = &next.note { (note) } }
                        }
                    } }
                } }
            }
        }
        section #history data-live {
            h2 { "Planned and actual" }
            p.tabs { @for (name, _) in SPANS { a href={ (here) "?span=" (name) } aria-current=[(name == span).then_some("true")] { (name) } " " } }
            @match &found.ranges {
                Err(e) => (error_box(e)),
                Ok(ranges) if ranges.is_empty() => p.dim { "No times in the last " (span) "." },
                Ok(ranges) => {
                    (charts::history(times, found.window, ranges))
                    (history::legend())
                    (history::not_started(context, ranges))
                }
            }
        }
        section #runs data-live {
            h2 { "Runs" }
            @if found.runs.is_empty() { p.dim { "It has not run yet." } } @else {
                (history::durations(context, &found.runs))
                (history::runs(context, &found.runs))
                p { a href={ "/runs?schedule=" (super::super::answers::encoded(&view.id)) } { "All runs" } }
            }
        }
        (policies(view))
        (simulation::part(context, found, &here))
        section {
            h2 { "Definition" }
            (editor::editor(&view.id, &found.definition, &found.definition))
        }
        section #log data-live {
            h2 { "Log" }
            (parts::log(times, &found.events, Some(parts::Subjects::Runs)))
            (parts::command(&format!("tempo log {}", argument(&view.id))))
        }
        section {
            details {
                summary { "Delete this schedule" }
                form method="post" action=(here) {
                    p { "Runs that are running continue, and past runs stay readable." }
                    label for="sure" { "Enter its id to confirm:" }
                    input #sure name="sure" required autocomplete="off";
                    button.danger type="submit" name="do" value="delete" { "Delete" }
                    (parts::command(&format!("tempo schedule delete {}", argument(&view.id))))
                }
            }
        }
    }
}

fn counters(view: &ScheduleView) -> Markup {
    html! {
        p.dim {
            (counted(view.num_actions, "start")) " · "
            (view.num_actions_skipped_overlap) " skipped · "
            (view.num_actions_missed_catchup_window) " missed · "
            (view.num_actions_buffer_dropped) " dropped · "
            (view.running_actions.len()) " running · "
            (view.buffer_size) " buffered"
            @if let Some(left) = view.remaining_actions { " · " (left) " remaining" }
            @if let Some(of) = &view.lateness { " · lateness " (lateness(of)) }
        }
    }
}

fn actions(view: &ScheduleView, here: &str) -> Markup {
    let name = argument(&view.id);
    html! {
        section #actions data-live {
            form.actions method="post" action=(here) {
                button.primary type="submit" name="do" value="trigger" { "Trigger" }
                (overlap_field("trigger-policy"))
                (parts::command(&format!("tempo schedule trigger {name}")))
            }
            @if view.paused {
                form.actions method="post" action=(here) {
                    button type="submit" name="do" value="unpause" { "Unpause" }
                    (parts::command(&format!("tempo schedule unpause {name}")))
                }
            } @else {
                form.actions method="post" action=(here) {
                    button type="submit" name="do" value="pause" { "Pause" }
                    label { "Note " input name="note" maxlength="1000"; }
                    (parts::command(&format!("tempo schedule pause {name}")))
                }
            }
            @if !view.backfills.is_empty() {
                form.actions method="post" action=(here) {
                    button type="submit" name="do" value="cancel-backfill" { "Cancel the backfill" }
                    (parts::command(&format!("tempo schedule backfill {name} --cancel")))
                }
            }
            details {
                summary { "Backfill: run past times" }
                form.actions method="post" action=(here) {
                    label { "From " input name="start_time" required placeholder="2026-05-05 09:00 or -2h"; }
                    label { "to " input name="end_time" placeholder="now"; }
                    (overlap_field("backfill-policy"))
                    label { input type="checkbox" name="many" value="yes"; " also more than 1,000 times" }
                    button type="submit" name="do" value="backfill" { "Backfill" }
                    (parts::command(&format!("tempo schedule backfill {name}")))
                }
            }
        }
    }
}

fn overlap_field(id: &str) -> Markup {
    html! {
        label for=(id) { "Overlap " }
        select id=(id) name="overlap_policy" {
            option value="" { "the schedule's own" }
            @for policy in OverlapPolicy::ALL { option { (policy.name()) } }
        }
    }
}

fn policies(view: &ScheduleView) -> Markup {
    let overlap = match view.overlap_policy {
        "skip" => "If the previous run is still running, a time is skipped.",
        "buffer-one" => "If the previous run is still running, one start waits; further times are skipped.",
        "buffer-all" => "If the previous run is still running, starts wait and follow one another.",
        "cancel-other" => "A new start cancels the run that is still running.",
        "terminate-other" => "A new start terminates the run that is still running.",
        _ => "Runs start even if others are still running.",
    };
    let (limits, alerts) = (limits(view), alerts(&view.alerts));
    html! {
        section {
            h2 { "Policies" }
            ul {
                li { (overlap) " (" code { (view.overlap_policy) } ")" }
                li { "After an outage, times up to " (view.catchup_window) " late still start; older ones are recorded as missed." }
                @if let Some(failures) = view.pause_after.filter(|n| *n > 1) { li { "The schedule is paused after " (failures) " failed runs in a row." } }
                @else if view.pause_on_failure || view.pause_after.is_some() { li { "A failed run pauses the schedule." } }
                @if !limits.is_empty() { li { "Limits: " (prose(&limits.join(", "))) "." } }
                @if !alerts.is_empty() { li { "Incidents and notifications: " (prose(&alerts.join(", "))) "." } }
                @if !view.alerts.labels.is_empty() { li { "Labels: " (view.alerts.labels.join(", ")) } }
                @if let Some(jitter) = &view.jitter { li { "Starts are up to " (jitter) " later than the time; each time always has the same delay." } }
            }
        }
    }
}
