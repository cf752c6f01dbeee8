//! Incidents: open, acknowledged and resolved; and one incident with its failures.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use http::{HeaderMap, Uri};
use maud::{Markup, html};
use serde::Deserialize;

use super::super::answers;
use super::super::app::{App, Context};
use super::super::changes::{self, IncidentChange};
use super::layout::{Section, Shell};
use super::parts::{self, argument, plain, relative, run_link, time};
use super::schedules::unknown_change;
use super::status::{self, Target, targets};
use super::{Page, forms, show};
use crate::error::Error;
use crate::names::ScheduleId;
use crate::ops;
use crate::output::counted;
use crate::output::views::{IncidentView, ReceiverView};
use crate::present;
use crate::spec::describe::human_elapsed;
use crate::store::{IncidentFilter, IncidentScope, Read};

/// Maximum number of incidents on the page, and of failures shown of one.
const SHOWN: usize = 100;

#[derive(Deserialize, Default)]
struct Asked {
    show: Option<String>,
    /// Only incidents older than the one with this id.
    before: Option<i64>,
}

pub(super) async fn page(State(app): State<Arc<App>>, headers: HeaderMap, uri: Uri) -> Page {
    let asked: Asked = answers::query(&uri)?;
    let shown = match asked.show.as_deref() {
        Some("resolved") => "resolved",
        _ => "unresolved",
    };
    let (views, receivers, open, context) = app
        .read(move |r, c| {
            let receivers = receivers(r, c)?;
            let scope = if shown == "resolved" {
                IncidentScope::Resolved
            } else {
                IncidentScope::Unresolved
            };
            let filter = IncidentFilter {
                scope,
                before: asked.before,
                limit: Some(SHOWN as u64),
                ..IncidentFilter::default()
            };
            let views: Vec<IncidentView> = r.incidents(&filter)?.iter().map(present::incident).collect();
            Ok((views, receivers, r.unresolved_incidents()?.0, c.clone()))
        })
        .await?;
    let shell = Shell::new("Incidents".to_owned(), Section::Incidents, &context, open);
    Ok(show(&app, &headers, &shell, &body(&context, shown, &views, &receivers)))
}

/// The class of an incident's status.
fn class_of(status: &str) -> &'static str {
    match status {
        "resolved" => "good",
        "acked" => "warn",
        _ => "bad",
    }
}

/// The status of an incident in words.
fn name_of(status: &str) -> &str {
    match status {
        "acked" => "acknowledged",
        other => other,
    }
}

fn body(context: &Context, shown: &str, views: &[IncidentView], receivers: &[Result<ReceiverView, Error>]) -> Markup {
    let times = &context.times;
    html! {
        h1 { "Incidents" }
        p { "An incident is opened when a step fails after all its attempts, or a schedule does not succeed in time. It is resolved when the step or schedule succeeds again, or by hand." }
        p.tabs {
            @for (name, href) in [("unresolved", "/incidents"), ("resolved", "/incidents?show=resolved")] {
                a href=(href) aria-current=[(name == shown).then_some("true")] { (name) } " "
            }
        }
        section #incidents data-live {
            @if views.is_empty() { p.box.done { @if shown == "resolved" { "No resolved incidents." } @else { "No open incidents." } } } @else {
                div.scroll { table {
                    thead { tr { th { "Incident" } th { "Target" } th { "Error" } th.number { "Failures" } th { "First" } th { "Last" } th {} } }
                    tbody { @for view in views {
                        @let path = format!("/incidents/{}", view.latest.id);
                        tr {
                            td { a href=(path) { (view.latest.id) } " " span.status.(class_of(&view.status)) { (name_of(&view.status)) } @if !view.note.is_empty() { div.dim { (plain(&view.note)) } } }
                            td { (parts::target(view.schedule_id.as_deref(), &view.latest.target_name)) }
                            td { (plain(&view.latest.error)) }
                            td.number { (view.count) }
                            td { (time(times, view.first_detected_at.0)) }
                            td { (relative(times, view.latest.detected_at.0)) }
                            td {
                                @if view.status == "open" { (parts::button(&path, ("do", "ack"), "Acknowledge")) " " }
                                @if view.status != "resolved" { (parts::button(&path, ("do", "resolve"), "Resolve")) }
                            }
                        }
                    } }
                } }
                @if let Some(last) = views.get(SHOWN - 1) { p { a href={ "/incidents?show=" (shown) "&before=" (last.latest.id) } { "Older incidents" } } }
            }
        }
        (receivers_part(context, receivers))
    }
}

/// The receivers of notifications; an error for each whose stored definition is not valid.
pub(super) fn receivers(read: &Read<'_>, context: &Context) -> Result<Vec<Result<ReceiverView, Error>>, Error> {
    let rows = read.receivers()?;
    Ok(rows.iter().map(|row| present::receiver(read, &*context.zones, row)).collect())
}

/// The receivers of incidents, and whether messages arrive.
fn receivers_part(context: &Context, receivers: &[Result<ReceiverView, Error>]) -> Markup {
    let times = &context.times;
    let chosen = |view: &ReceiverView| {
        let labels = view.labels.iter().map(|label| format!("label {label}"));
        let chosen: Vec<String> = view.schedules.iter().cloned().chain(labels).collect();
        if chosen.is_empty() {
            "all".to_owned()
        } else {
            chosen.join(", ")
        }
    };
    html! {
        section #receivers data-live {
            h2 { "Receivers of notifications" }
            @if receivers.is_empty() { p.dim { "No receivers. Add one with " code { "tempo notify add" } "." } } @else {
                div.scroll { table {
                    thead { tr { th { "Receiver" } th { "Target" } th { "Schedules" } th { "Events" } th.number { "Waiting" } th.number { "Given up" } th { "Delivered" } } }
                    tbody { @for receiver in receivers {
                        @match receiver {
                            Ok(view) => tr {
                                td { strong { (view.name) } " " span.dim { (view.kind) } }
                                td { (plain(&view.target)) @if let Some(error) = &view.last_error { div { span.status.bad { (plain(error)) } } } }
                                td { (plain(&chosen(view))) @if view.min_severity != "info" { div.dim { "from " (view.min_severity) " up" } } }
                                td { (view.events.join(", ")) }
                                td.number { (view.pending) }
                                td.number { span.status.bad[view.failed > 0] { (view.failed) } }
                                td { @if let Some(at) = view.last_delivered_at { (relative(times, at.0)) } @else { "–" } }
                            },
                            Err(error) => tr { td.bad colspan="7" { (plain(&error.to_string())) } },
                        }
                    } }
                } }
            }
        }
    }
}

pub(super) async fn one(State(app): State<Arc<App>>, Path(id): Path<String>, headers: HeaderMap) -> Page {
    let id = answers::incident_id(&id)?;
    let (target, open, context, view) = app
        .read(move |r, c| {
            let view = present::incident_in_full(r, &ops::find_incident(r, id)?)?;
            Ok((target(r, c, &view)?, r.unresolved_incidents()?.0, c.clone(), view))
        })
        .await?;
    let shell = Shell::new(format!("Incident {id}"), Section::Incidents, &context, open);
    Ok(show(&app, &headers, &shell, &details(&context, &view, target.as_ref())))
}

/// The target of an incident, if it is still a step of its schedule.
fn target(read: &Read<'_>, context: &Context, view: &IncidentView) -> Result<Option<Target>, Error> {
    let id = view.schedule_id.as_deref().map(ScheduleId::parse).transpose()?;
    let row = id.map(|id| read.schedule(&id)).transpose()?.flatten();
    let targets = row.map_or(Ok(Vec::new()), |row| targets(read, &[row], context.now))?;
    Ok(targets.into_iter().find(|target| target.step == view.latest.target_name))
}

fn details(context: &Context, view: &IncidentView, target: Option<&Target>) -> Markup {
    let (times, id) = (&context.times, view.latest.id);
    let path = format!("/incidents/{id}");
    let failures = view.occurrences.as_deref().unwrap_or_default();
    html! {
        p.crumbs { a href="/incidents" { "Incidents" } " /" }
        section #head data-live {
            h1 { "Incident " (id) " " span.status.(class_of(&view.status)) { (name_of(&view.status)) } }
            p.lead { (parts::target(view.schedule_id.as_deref(), &view.latest.target_name)) ": " (plain(&view.latest.error)) }
            @if !view.note.is_empty() { p { (plain(&view.note)) } }
            dl.facts {
                dt { "Target" } dd { code { (plain(&view.latest.target_url)) } }
                dt { "Failures" } dd { (view.count) " since " (time(times, view.first_detected_at.0)) }
                @if let Some(run) = &view.run_id { dt { "Last run" } dd { (run_link(run, run.get(..8).unwrap_or(run))) } }
                @if let Some(resolved) = view.resolved_at { dt { "Resolved" } dd { (time(times, resolved.0)) } }
            }
        }
        section #settle data-live {
            @if view.status != "resolved" {
                form.actions method="post" action=(path) {
                    label { "Note " input name="note" maxlength="1000"; }
                    @if view.status == "open" { button.primary type="submit" name="do" value="ack" { "Acknowledge" } }
                    button type="submit" name="do" value="resolve" { "Resolve" }
                    (parts::command(&format!("tempo incident {} {id}", if view.status == "open" { "ack" } else { "resolve" })))
                }
            }
        }
        @if let Some(target) = target {
            section #target data-live {
                h2 { "Target" }
                ul.targets { li { (status::part(context, target, true)) } }
            }
        }
        section #failures data-live {
            h2 { (counted(view.count, "failure")) }
            div.scroll { table {
                thead { tr { th { "Detected" } th { "Type" } th { "Error" } th.number { "Took" } } }
                tbody { @for failure in failures.iter().rev().take(SHOWN) {
                    tr {
                        td { (time(times, failure.detected_at.0)) }
                        td { (failure.error_type) }
                        td { (plain(&failure.error)) }
                        td.number { (human_elapsed(failure.elapsed_ms)) }
                    }
                } }
            } }
            @if failures.len() > SHOWN { p.dim { "These are the last " (SHOWN) "; " code { "tempo incident describe " (id) } " shows all." } }
        }
    }
}

/// Acknowledges or resolves an incident.
pub(super) async fn change(State(app): State<Arc<App>>, Path(id): Path<String>, bytes: Bytes) -> Page {
    let id = answers::incident_id(&id)?;
    let fields = forms::parse(&bytes);
    let note = forms::text(&fields, "note");
    let with_note = note
        .as_deref()
        .map_or_else(String::new, |note| format!(" --note {}", argument(note)));
    let (change, done, verb) = match fields.get("do").map(String::as_str) {
        Some("ack") => (IncidentChange::Ack, "acknowledged", "ack"),
        Some("resolve") => (IncidentChange::Resolve, "resolved", "resolve"),
        _ => return Err(unknown_change().into()),
    };
    changes::incident(&app, id, change, note).await?;
    let message = format!("Incident {id} {done}. Same as: tempo incident {verb} {id}{with_note}");
    Ok(forms::then(&format!("/incidents/{id}"), &message))
}
