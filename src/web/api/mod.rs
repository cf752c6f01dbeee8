//! `/api/v1`: the JSON of the commands, over HTTP. Every route is in one table, from which the router and the `OpenAPI` document are made.

mod incidents;
mod runs;
mod schedules;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::routing::{MethodRouter, delete, get, post, put};
use http::Uri;
use serde::Deserialize;

use super::answers::{Answer, ApiError, BASE, continued, json, json_page, limit, query};
use super::app::App;
use crate::error::{Error, Kind};
use crate::output::instant::rfc3339;
use crate::present::{self, EventViews};
use crate::store::EventFilter;

/// A route of the API.
pub(super) struct Route {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) summary: &'static str,
    /// The name and the meaning of each parameter in the query.
    pub(super) query: &'static [(&'static str, &'static str)],
    /// The name and the meaning of each field of the request, a JSON object.
    pub(super) body: &'static [(&'static str, &'static str)],
    /// The type of the answer, as named in the document; a list if it begins with `[]`.
    pub(super) answer: &'static str,
    handler: fn() -> MethodRouter<Arc<App>>,
}

const NOTE: (&str, &str) = ("note", "Note, replaces the existing one");

const REASON: (&str, &str) = ("reason", "Reason, stored with the run");

const POLICY: (&str, &str) = ("overlap_policy", "Overlap policy instead of the schedule's own");

const LIMIT: (&str, &str) = ("limit", "Maximum number, 1 to 1000; the default is 100");

/// All routes.
#[rustfmt::skip]
pub(super) const ROUTES: [Route; 24] = [
    Route { method: "get", path: "/status", summary: "Show the server, open runs, next times and open incidents",
        query: &[], body: &[], answer: "Status", handler: || get(status) },
    Route { method: "get", path: "/schedules", summary: "List schedules, ordered by id",
        query: &[LIMIT, ("after", "Only ids after this one: the last of the page before"), ("q", "Only ids and notes that contain this text"), ("paused", "true or false")],
        body: &[], answer: "[]Schedule", handler: || get(schedules::schedules) },
    Route { method: "get", path: "/schedules/{id}", summary: "Show a schedule in detail",
        query: &[], body: &[], answer: "Schedule", handler: || get(schedules::schedule) },
    Route { method: "delete", path: "/schedules/{id}", summary: "Delete a schedule; its runs stay readable",
        query: &[], body: &[], answer: "[]Deleted", handler: || delete(schedules::delete_schedule) },
    Route { method: "post", path: "/schedules/{id}/pause", summary: "Pause a schedule, so that it starts no runs",
        query: &[], body: &[NOTE], answer: "[]Schedule", handler: || post(schedules::pause) },
    Route { method: "post", path: "/schedules/{id}/unpause", summary: "Unpause a schedule",
        query: &[], body: &[NOTE], answer: "[]Schedule", handler: || post(schedules::unpause) },
    Route { method: "post", path: "/schedules/{id}/trigger", summary: "Start a run of a schedule now",
        query: &[], body: &[POLICY], answer: "Request", handler: || post(schedules::trigger) },
    Route { method: "post", path: "/schedules/{id}/backfill", summary: "Run the times that fell in a past range",
        query: &[], body: &[("start_time", "Start of the range, as `--start-time`"), ("end_time", "End of the range; defaults to now"), POLICY],
        answer: "Request", handler: || post(schedules::backfill) },
    Route { method: "get", path: "/schedules/{id}/next", summary: "Show the next times of a schedule",
        query: &[("count", "Number of times; the default is 10")], body: &[], answer: "[]Next", handler: || get(schedules::next) },
    Route { method: "get", path: "/schedules/{id}/explain", summary: "Show the outcome of each time of a schedule, with the reason",
        query: &[("from", "Start; defaults to a day ago"), ("to", "End; defaults to now")], body: &[], answer: "[]TimeRange", handler: || get(schedules::explain) },
    Route { method: "get", path: "/schedules/{id}/definition", summary: "Show the definition of a schedule, in TOML",
        query: &[], body: &[], answer: "Definition", handler: || get(schedules::definition) },
    Route { method: "put", path: "/schedules/{id}/definition", summary: "Replace the definition of a schedule, unless it has changed",
        query: &[("dry_run", "true shows what would change and changes nothing")],
        body: &[("original", "The definition that is replaced"), ("definition", "The new definition, in TOML")], answer: "Change", handler: || put(schedules::edit) },
    Route { method: "get", path: "/schedules/{id}/simulate", summary: "Show what a schedule would do with another policy",
        query: &[("takes", "How long each run takes; the default is 1s"), ("overlap_policy", "Overlap policy instead of the schedule's own"),
            ("from", "Start; defaults to now"), ("for", "Length; the default is 1h")],
        body: &[], answer: "[]Simulated", handler: || get(schedules::simulate) },
    Route { method: "post", path: "/beat/{id}", summary: "Send a heartbeat for a job that another scheduler runs; the token of `tempo beat ID --token` is enough",
        query: &[], body: &[("error", "Why the job failed, if it did"), ("exit_code", "Exit code of the job"), ("elapsed_ms", "How long the job took, in milliseconds")],
        answer: "Beat", handler: || post(schedules::beat) },
    Route { method: "get", path: "/runs", summary: "List runs, newest first",
        query: &[LIMIT, ("schedule", "Only runs of this schedule"), ("status", "Only runs with this status"), ("since", "Only runs started since this time"),
            ("until", "Only runs started until this time"), ("failed", "true: only runs that failed or have a failed step"),
            ("output", "Only runs in whose output this text occurs"), ("before", "Only runs older than the one with this run id: the last of the page before")],
        body: &[], answer: "[]Run", handler: || get(runs::runs) },
    Route { method: "get", path: "/runs/{id}", summary: "Show a run with its steps and attempts; a prefix of the run id, or a workflow id",
        query: &[], body: &[], answer: "Run", handler: || get(runs::run) },
    Route { method: "post", path: "/runs/{id}/cancel", summary: "Cancel a run",
        query: &[], body: &[REASON], answer: "[]Run", handler: || post(runs::cancel) },
    Route { method: "post", path: "/runs/{id}/terminate", summary: "Terminate a run",
        query: &[], body: &[REASON], answer: "[]Run", handler: || post(runs::terminate) },
    Route { method: "post", path: "/runs/{id}/retry", summary: "Retry a failed run, starting at the step that failed",
        query: &[], body: &[], answer: "Run", handler: || post(runs::retry) },
    Route { method: "get", path: "/incidents", summary: "List incidents, newest first",
        query: &[LIMIT, ("all", "true includes resolved incidents"), ("target", "Only incidents of this step or URL"),
            ("before", "Only incidents older than the one with this id: the last of the page before")],
        body: &[], answer: "[]Incident", handler: || get(incidents::incidents) },
    Route { method: "get", path: "/incidents/{id}", summary: "Show an incident with its failures",
        query: &[], body: &[], answer: "Incident", handler: || get(incidents::incident) },
    Route { method: "post", path: "/incidents/{id}/ack", summary: "Acknowledge an incident",
        query: &[], body: &[NOTE], answer: "Incident", handler: || post(incidents::ack) },
    Route { method: "post", path: "/incidents/{id}/resolve", summary: "Resolve an incident",
        query: &[], body: &[NOTE], answer: "Incident", handler: || post(incidents::resolve) },
    Route { method: "get", path: "/log", summary: "Show what happened, oldest first",
        query: &[LIMIT, ("schedule", "Only events of this schedule"), ("since", "Only events since this time"), ("until", "Only events until this time"),
            ("failed", "true shows failures only"), ("before", "Only events older than the one with this id, as in the stream of events: the first of the page before")],
        body: &[], answer: "[]Event", handler: || get(log) },
];

/// The routes of the API.
pub(super) fn routes() -> Router<Arc<App>> {
    let add = |router: Router<Arc<App>>, route: &Route| router.route(&format!("{BASE}{}", route.path), (route.handler)());
    ROUTES
        .iter()
        .fold(Router::new(), add)
        .route(&format!("{BASE}/{{*path}}"), get(unknown).post(unknown).delete(unknown))
}

pub(super) async fn unknown(uri: Uri) -> ApiError {
    Error::new(Kind::NotFound, format_args!("the API has no `{}`", uri.path().escape_debug()))
        .hint("GET /api/v1/openapi.json lists all paths.")
        .into()
}

async fn status(State(app): State<Arc<App>>) -> Answer {
    let server = crate::store::server_pid(&app.settings.database);
    json(&app.read(move |r, c| present::status(r, &*c.zones, server, c.now)).await?)
}

async fn log(State(app): State<Arc<App>>, uri: Uri) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Log {
        limit: Option<u64>,
        schedule: Option<String>,
        since: Option<String>,
        until: Option<String>,
        failed: Option<bool>,
        before: Option<i64>,
    }
    let asked: Log = query(&uri)?;
    let limit = limit(asked.limit);
    let found = app.read(move |r, c| {
        let filter = EventFilter {
            schedule_id: asked.schedule,
            since: c.past(asked.since)?,
            until: c.past(asked.until)?,
            failed: asked.failed.unwrap_or(false),
            before: asked.before,
            limit: Some(limit),
            ..EventFilter::default()
        };
        let (rows, mut views) = (r.events(&filter)?, EventViews::new(r, &rfc3339));
        let shown: Result<Vec<_>, Error> = rows.iter().map(|row| views.view(row)).collect();
        Ok((shown?, rows.first().map(|oldest| oldest.key)))
    });
    let (shown, oldest) = found.await?;
    let next = oldest.map(|key| continued(&uri, "log", "before", &key.to_string()));
    json_page(&shown, limit, next)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Note {
    note: Option<String>,
}
