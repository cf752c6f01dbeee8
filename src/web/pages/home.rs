//! The home page: what needs attention, what runs now, and what is next.

use std::sync::Arc;

use axum::extract::State;
use chrono::{DateTime, TimeDelta, Utc};
use http::{HeaderMap, HeaderValue, header};
use maud::{Markup, html};

use super::super::access;
use super::super::app::{App, Context};
use super::layout::{Section, Shell};
use super::parts::{self, plain, relative, run_link, schedule_link, time};
use super::{Page, charts, forms, show};
use crate::error::Error;
use crate::names::ScheduleId;
use crate::ops;
use crate::output::counted;
use crate::output::views::{ReceiverView, StatusView};
use crate::present;
use crate::spec::describe::human_elapsed;
use crate::store::{Crash, Failures, IncidentFilter, IncidentRow, Missed, Read, RunRow, SchedulePage, ScheduleRow};

/// Maximum number of lines of one kind.
const MOST: usize = 20;
/// Failures older than this are not shown, even if nobody has looked.
const OLDEST: TimeDelta = TimeDelta::days(7);
/// Parts of the chart of the next 24 hours.
const PARTS: usize = 96;
/// Number of schedules in that chart, those that are due next.
const CHARTED: usize = 200;
/// The cookie with the time when the visitor last said that everything was seen.
const SEEN: &str = "tempo-seen";

struct Home {
    failures: Vec<(Failures, Option<RunRow>)>,
    crashes: Vec<Crash>,
    missed: Vec<Missed>,
    incidents: Vec<IncidentRow>,
    paused: Vec<ScheduleRow>,
    without_next: Vec<String>,
    receivers: Vec<Result<ReceiverView, Error>>,
    running: Vec<(RunRow, String)>,
    status: StatusView,
    coming: Arc<Vec<u32>>,
}

pub(super) async fn page(State(app): State<Arc<App>>, headers: HeaderMap) -> Page {
    let server = crate::store::server_pid(&app.settings.database);
    let seen = access::cookie(&headers, SEEN).and_then(|ms| DateTime::from_timestamp_millis(ms.parse().ok()?));
    let cached = app.coming();
    let (home, context) = app
        .read(move |r, c| {
            let since = seen.unwrap_or(c.now - OLDEST).max(c.now - OLDEST);
            let coming = cached.map_or_else(|| coming(r, c).map(Arc::new), Ok)?;
            let home = Home {
                failures: failures(r, since)?,
                crashes: r.crashes_since(since, MOST as u64)?,
                missed: r.missed_since(since, MOST as u64)?,
                incidents: r.incidents(&IncidentFilter::default())?,
                paused: r.schedules(&SchedulePage {
                    paused: Some(true),
                    limit: Some(MOST as u64 + 1),
                    ..SchedulePage::default()
                })?,
                without_next: r.schedules_without_next(MOST as u64)?,
                receivers: silent_receivers(r, c)?,
                running: running(r)?,
                status: present::status(r, &*c.zones, server, c.now)?,
                coming,
            };
            Ok((home, c.clone()))
        })
        .await?;
    app.keep_coming(context.now, &home.coming);
    let shell = Shell::new("Home".to_owned(), Section::Home, &context, home.status.incidents_open);
    Ok(show(&app, &headers, &shell, &body(&context, &home)))
}

/// Notes that everything on the page was seen.
pub(super) async fn seen(State(app): State<Arc<App>>) -> Page {
    let now = app.server.now()?.timestamp_millis();
    let mut response = forms::then("/", "Failures and restarts up to now are hidden; open incidents stay.");
    let cookie = format!("{SEEN}={now}; Path=/; HttpOnly; SameSite=Strict; Max-Age=31536000");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

fn failures(read: &Read<'_>, since: DateTime<Utc>) -> Result<Vec<(Failures, Option<RunRow>)>, Error> {
    let found = read.failures_since(since, MOST as u64)?.into_iter();
    found
        .map(|failures| Ok((failures.clone(), read.run(failures.newest)?)))
        .collect()
}

/// The receivers that do not get their messages.
fn silent_receivers(read: &Read<'_>, context: &Context) -> Result<Vec<Result<ReceiverView, Error>>, Error> {
    let mut receivers = super::incidents::receivers(read, context)?;
    let is_silent = |view: &ReceiverView| view.failed > 0 || view.pending > 0 && view.last_error.is_some();
    receivers.retain(|receiver| receiver.as_ref().map_or(true, is_silent));
    Ok(receivers)
}

/// The open runs with the names of their current steps.
fn running(read: &Read<'_>) -> Result<Vec<(RunRow, String)>, Error> {
    let open = read.all_running()?.into_iter().take(MOST);
    open.map(|run| {
        let steps = read.action(run.workflow)?.steps;
        let step = steps.get(run.position).map_or_else(String::new, |step| step.name.clone());
        Ok((run, step))
    })
    .collect()
}

/// Counts the schedules that start in each part of the next 24 hours.
fn coming(read: &Read<'_>, context: &Context) -> Result<Vec<u32>, Error> {
    let mut counts = vec![0; PARTS];
    let end = context.now + TimeDelta::days(1);
    let part_ms = TimeDelta::days(1).num_milliseconds() / i64::try_from(PARTS).unwrap_or(1);
    for (id, _) in read.coming(CHARTED)? {
        let row = ops::find(read, &ScheduleId::parse(&id)?)?;
        let spec = row.compiled(&*context.zones)?;
        let mut at = context.now;
        // One count for each part: a schedule of each second would otherwise take all the time, and hide the others.
        while let Some(next) = ops::next_times(&row, &spec, 1, at).pop().filter(|next| *next < end) {
            let part = usize::try_from((next - context.now).num_milliseconds() / part_ms)
                .unwrap_or(0)
                .min(PARTS - 1);
            counts[part] += 1;
            let end_of_part = context.now + TimeDelta::milliseconds((i64::try_from(part).unwrap_or(0) + 1) * part_ms);
            at = end_of_part.max(next) - TimeDelta::milliseconds(1);
        }
    }
    Ok(counts)
}

fn body(context: &Context, home: &Home) -> Markup {
    let times = &context.times;
    let hidden_incidents = home.incidents.len().saturating_sub(MOST);
    // The line of an incident stands for the runs that failed with it.
    let newest_of = |key: i64| {
        home.failures
            .iter()
            .filter_map(|(_, run)| run.as_ref())
            .find(|run| run.key == key)
    };
    let has_incident = |failures: &Failures| {
        home.incidents.iter().any(|incident| match &failures.schedule_id {
            Some(_) => incident.schedule_id == failures.schedule_id,
            None => failures.count == 1 && newest_of(failures.newest).is_some_and(|run| run.run_id == incident.latest.run_id),
        })
    };
    let is_calm = home.incidents.is_empty()
        && home.failures.is_empty()
        && home.crashes.is_empty()
        && home.missed.is_empty()
        && home.paused.is_empty()
        && home.without_next.is_empty()
        && home.receivers.is_empty();
    html! {
        h1 { "Home" }
        section #attention data-live {
            h2 { "Needs attention" }
            @if is_calm { p.box.done { "Nothing needs attention." } }
            ul.attention {
                @for incident in home.incidents.iter().take(MOST) { (incident_line(context, incident)) }
                @if hidden_incidents > 0 { li { a href="/incidents" { "and " (counted(hidden_incidents as u64, "more incident")) } } }
                @for (failures, newest) in home.failures.iter().filter(|(failures, _)| !has_incident(failures)) {
                    li.bad {
                        span {
                            strong { (counted(failures.count, "run")) }
                            @if let Some(id) = &failures.schedule_id { " of " (schedule_link(id)) } @else { " without a schedule" }
                            strong { (if failures.count == 1 { " has failed" } else { " have failed" }) }
                            " since " (time(times, failures.first))
                            @if let Some(run) = newest { ", most recently " (run_link(&run.run_id, &run.workflow_id)) " " (relative(times, run.started)) }
                        }
                    }
                }
                @for missed in &home.missed {
                    li.bad {
                        span {
                            strong { (counted(missed.count, "time")) }
                            " of " (schedule_link(&missed.schedule_id))
                            strong { (if missed.count == 1 { " was missed" } else { " were missed" }) }
                            " from " (time(times, missed.first)) " to " (time(times, missed.last))
                            ": " a href={ (parts::schedule_path(&missed.schedule_id)) "?span=week#history" } { "why" }
                        }
                    }
                }
                @for crash in &home.crashes {
                    li.warn {
                        span {
                            strong { "The server stopped unexpectedly" }
                            @if let Some(last) = crash.last { " after " (time(times, last)) }
                            " and started again at " (time(times, crash.at))
                            @if let Some(last) = crash.last { ", " (human_elapsed((crash.at - last).num_milliseconds() / 1000 * 1000)) " later" }
                        }
                    }
                }
                @for receiver in &home.receivers {
                    li.warn {
                        span {
                            @match receiver {
                                Ok(view) => {
                                    "Receiver " a href="/incidents#receivers" { (view.name) } ": " strong { (counted(view.pending + view.failed, "message")) " not delivered" }
                                    @if let Some(error) = &view.last_error { ": " (plain(error)) }
                                }
                                Err(error) => (plain(&error.to_string())),
                            }
                        }
                    }
                }
                @for id in &home.without_next {
                    li.warn { span { (schedule_link(id)) " never starts: it has no next time" } }
                }
                @for row in home.paused.iter().take(MOST) {
                    li.off {
                        span {
                            (schedule_link(row.id.as_str())) " has been paused"
                            @if let Some(since) = row.paused_since { " since " (time(times, since)) }
                            @if !row.state.note.is_empty() { ": " (plain(&row.state.note)) }
                        }
                        (parts::button(&parts::schedule_path(row.id.as_str()), ("do", "unpause"), "Unpause"))
                    }
                }
                @if home.paused.len() > MOST { li { a href="/schedules?paused=true" { "and more paused schedules" } } }
            }
            @if home.failures.iter().any(|(failures, _)| !has_incident(failures)) || !home.crashes.is_empty() || !home.missed.is_empty() {
                form.inline method="post" action="/seen" { button type="submit" { "Hide what has happened so far, in this browser" } }
            }
        }
        (now_part(context, home))
        (next_part(context, home))
    }
}

/// What runs now.
fn now_part(context: &Context, home: &Home) -> Markup {
    let times = &context.times;
    html! {
        section #now data-live {
            h2 { "Running now" }
            (server_line(context, &home.status))
            @if home.running.len() == MOST { p.dim { "The first " (MOST) " of them; " a href="/runs?status=Running" { "all" } "." } }
            @if home.running.is_empty() { p.dim { "No workflow is running." } } @else {
                div.scroll { table {
                    thead { tr { th { "Run" } th { "Schedule" } th { "Step" } th { "Started" } th {} } }
                    tbody {
                        @for (run, step) in &home.running {
                            tr {
                                td { (run_link(&run.run_id, &run.workflow_id)) }
                                td { @if let Some(id) = &run.schedule_id { (schedule_link(id)) } @else { "–" } }
                                td { (step) @if !run.begun { " (waits for a worker)" } }
                                td { (relative(times, run.started)) }
                                td { (parts::button(&format!("/runs/{}", run.run_id), ("do", "cancel"), "Cancel")) }
                            }
                        }
                    }
                } }
            }
        }
    }
}

/// What is next.
fn next_part(context: &Context, home: &Home) -> Markup {
    let times = &context.times;
    html! {
        section #next data-live {
            h2 { "Next" }
            @if home.status.next.is_empty() { p.dim { "No schedule has a next time. Create one with " code { "tempo schedule create" } "." } } @else {
                p.dim { "Schedules that start in each quarter of an hour of the next 24 hours:" }
                (charts::coming(times, context.now, &home.coming))
                ol.next {
                    @for coming in &home.status.next {
                        li { (time(times, coming.due_at.0)) " " (schedule_link(&coming.schedule_id)) " " (relative(times, coming.due_at.0)) }
                    }
                }
            }
        }
    }
}

fn incident_line(context: &Context, incident: &IncidentRow) -> Markup {
    let times = &context.times;
    let path = format!("/incidents/{}", incident.id);
    let is_acked = incident.status == "acked";
    html! {
        li.(if is_acked { "warn" } else { "bad" }) {
            span {
                strong { a href=(path) { "Incident " (incident.id) } }
                @if is_acked { " (acknowledged)" }
                ": "
                @if incident.schedule_id.is_none() { (run_link(&incident.latest.run_id, "a run")) ", " }
                (parts::target(incident.schedule_id.as_deref(), &incident.latest.target_name))
                ": " (plain(&incident.latest.error)) ", "
                (counted(incident.count, "time")) " since " (time(times, incident.first_detected))
            }
            @if !is_acked { (parts::button(&path, ("do", "ack"), "Acknowledge")) }
            (parts::button(&path, ("do", "resolve"), "Resolve"))
        }
    }
}

fn server_line(context: &Context, status: &StatusView) -> Markup {
    html! {
        p.dim {
            @if let (Some(pid), Some(since)) = (status.pid, status.since) {
                "The server has been running since " (time(&context.times, since.0)) " (pid " (pid) ")."
            }
            @if status.queued > 0 { " Waiting starts and requests: " (status.queued) "." }
        }
    }
}
