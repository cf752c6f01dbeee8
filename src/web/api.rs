//! `/api/v1`: the JSON of the commands, over HTTP. Every route is in one table, from which the router and the `OpenAPI` document are made.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, delete, get, post, put};
use http::{HeaderValue, StatusCode, Uri, header};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::app::App;
use super::changes::{self, IncidentChange, PauseChange};
use crate::error::{Error, Kind};
use crate::names::ScheduleId;
use crate::ops;
use crate::output::views::{DefinitionView, rfc3339};
use crate::present::{self, EventViews};
use crate::run::Stop;
use crate::run::outcome::Status;
use crate::schedule::OverlapPolicy;
use crate::spec::{instant, text};
use crate::store::{EventFilter, RunFilter};

/// Number of schedules, runs or events in an answer unless the request says otherwise.
const DEFAULT_LIMIT: u64 = 100;
/// Maximum number in one answer.
const MAX_LIMIT: u64 = 1000;
/// Maximum number of next times in an answer.
const MAX_TIMES: usize = 1000;

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
pub(super) const ROUTES: [Route; 23] = [
    Route { method: "get", path: "/status", summary: "Show the server, running workflows, next times and open incidents",
        query: &[], body: &[], answer: "Status", handler: || get(status) },
    Route { method: "get", path: "/schedules", summary: "List schedules, ordered by id",
        query: &[LIMIT, ("after", "Only ids after this one: the last of the page before"), ("q", "Only ids and notes that contain this text"), ("paused", "true or false")],
        body: &[], answer: "[]Schedule", handler: || get(schedules) },
    Route { method: "get", path: "/schedules/{id}", summary: "Show a schedule in detail",
        query: &[], body: &[], answer: "Schedule", handler: || get(schedule) },
    Route { method: "delete", path: "/schedules/{id}", summary: "Delete a schedule; its runs stay readable",
        query: &[], body: &[], answer: "[]Deleted", handler: || delete(delete_schedule) },
    Route { method: "post", path: "/schedules/{id}/pause", summary: "Pause a schedule, so that it starts no runs",
        query: &[], body: &[NOTE], answer: "[]Schedule", handler: || post(pause) },
    Route { method: "post", path: "/schedules/{id}/unpause", summary: "Unpause a schedule",
        query: &[], body: &[NOTE], answer: "[]Schedule", handler: || post(unpause) },
    Route { method: "post", path: "/schedules/{id}/trigger", summary: "Start a run of a schedule now",
        query: &[], body: &[POLICY], answer: "Request", handler: || post(trigger) },
    Route { method: "post", path: "/schedules/{id}/backfill", summary: "Run the times that fell in a past range",
        query: &[], body: &[("start_time", "Start of the range, as `--start-time`"), ("end_time", "End of the range; defaults to now"), POLICY],
        answer: "Request", handler: || post(backfill) },
    Route { method: "get", path: "/schedules/{id}/next", summary: "Show the next times of a schedule",
        query: &[("count", "Number of times; the default is 10")], body: &[], answer: "[]Next", handler: || get(next) },
    Route { method: "get", path: "/schedules/{id}/explain", summary: "Show what became of each time of a schedule, and why",
        query: &[("from", "Start; defaults to a day ago"), ("to", "End; defaults to now")], body: &[], answer: "[]TimeRange", handler: || get(explain) },
    Route { method: "get", path: "/schedules/{id}/definition", summary: "Show the definition of a schedule, in TOML",
        query: &[], body: &[], answer: "Definition", handler: || get(definition) },
    Route { method: "put", path: "/schedules/{id}/definition", summary: "Replace the definition of a schedule, unless it has changed",
        query: &[("dry_run", "true shows what would change and changes nothing")],
        body: &[("original", "The definition that is replaced"), ("definition", "The new definition, in TOML")], answer: "Change", handler: || put(edit) },
    Route { method: "get", path: "/schedules/{id}/simulate", summary: "Show what a schedule would do with another policy",
        query: &[("takes", "How long each run takes; the default is 1s"), ("overlap_policy", "Overlap policy instead of the schedule's own"),
            ("from", "Start; defaults to now"), ("for", "Length; the default is 1h")],
        body: &[], answer: "[]Simulated", handler: || get(simulate) },
    Route { method: "get", path: "/runs", summary: "List runs, newest first",
        query: &[LIMIT, ("schedule", "Only runs of this schedule"), ("status", "Only runs with this status"), ("since", "Only runs started since this time"),
            ("until", "Only runs started until this time"), ("failed", "true: only runs that failed or recorded an incident"),
            ("output", "Only runs in whose output this text occurs"), ("before", "Only runs older than the one with this run id: the last of the page before")],
        body: &[], answer: "[]Run", handler: || get(runs) },
    Route { method: "get", path: "/runs/{id}", summary: "Show a run with its steps and attempts; a prefix of the run id, or a workflow id",
        query: &[], body: &[], answer: "Run", handler: || get(run) },
    Route { method: "post", path: "/runs/{id}/cancel", summary: "Cancel a run",
        query: &[], body: &[REASON], answer: "[]Run", handler: || post(cancel) },
    Route { method: "post", path: "/runs/{id}/terminate", summary: "Terminate a run",
        query: &[], body: &[REASON], answer: "[]Run", handler: || post(terminate) },
    Route { method: "post", path: "/runs/{id}/retry", summary: "Retry a failed run, starting at the step that failed",
        query: &[], body: &[], answer: "Run", handler: || post(retry) },
    Route { method: "get", path: "/incidents", summary: "List incidents, newest first",
        query: &[LIMIT, ("all", "true includes resolved incidents"), ("target", "Only incidents of this step or URL")],
        body: &[], answer: "[]Incident", handler: || get(incidents) },
    Route { method: "get", path: "/incidents/{id}", summary: "Show an incident with its failures",
        query: &[], body: &[], answer: "Incident", handler: || get(incident) },
    Route { method: "post", path: "/incidents/{id}/ack", summary: "Acknowledge an incident",
        query: &[], body: &[NOTE], answer: "Incident", handler: || post(ack) },
    Route { method: "post", path: "/incidents/{id}/resolve", summary: "Resolve an incident",
        query: &[], body: &[NOTE], answer: "Incident", handler: || post(resolve) },
    Route { method: "get", path: "/log", summary: "Show what happened, oldest first",
        query: &[LIMIT, ("schedule", "Only events of this schedule"), ("since", "Only events since this time"), ("until", "Only events until this time"),
            ("failed", "true shows failures only")],
        body: &[], answer: "[]Event", handler: || get(log) },
];

/// The path under which the API is served.
pub(super) const BASE: &str = "/api/v1";

/// The routes of the API.
pub(super) fn routes() -> Router<Arc<App>> {
    let add = |router: Router<Arc<App>>, route: &Route| router.route(&format!("{BASE}{}", route.path), (route.handler)());
    ROUTES
        .iter()
        .fold(Router::new(), add)
        .route(&format!("{BASE}/{{*path}}"), get(unknown).post(unknown).delete(unknown))
}

/// An error, answered as JSON in the form that the commands use.
pub(super) struct ApiError(Error);

impl From<Error> for ApiError {
    fn from(e: Error) -> Self {
        Self(e)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        refusal(status_of(self.0.kind()), &self.0)
    }
}

/// The HTTP status for an error.
pub(super) fn status_of(kind: Kind) -> StatusCode {
    match kind {
        Kind::Usage => StatusCode::BAD_REQUEST,
        Kind::NotFound => StatusCode::NOT_FOUND,
        Kind::Conflict => StatusCode::CONFLICT,
        Kind::ServerDown => StatusCode::SERVICE_UNAVAILABLE,
        Kind::Timeout => StatusCode::GATEWAY_TIMEOUT,
        Kind::Failed | Kind::System | Kind::Interrupted => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// An error as JSON with a status.
pub(super) fn refusal(status: StatusCode, error: &Error) -> Response {
    let body = serde_json::json!({
        "error": {"kind": error.kind().name(), "message": error.to_string(), "hints": error.hints()}
    });
    (status, json_of(body.to_string())).into_response()
}

fn json_of(text: String) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}

type Answer = Result<Response, ApiError>;

fn json(value: &impl Serialize) -> Answer {
    let text = serde_json::to_string(value).map_err(|e| Error::new(Kind::System, "cannot write JSON").because(e))?;
    Ok(json_of(text))
}

/// A page of a list; a full one names the next in the `Link` header.
fn json_page<T: Serialize>(list: &[T], limit: u64, next: Option<String>) -> Answer {
    let mut response = json(&list)?;
    if list.len() as u64 == limit
        && let Some(link) = next.and_then(|next| HeaderValue::from_str(&format!("<{next}>; rel=\"next\"")).ok())
    {
        response.headers_mut().insert(header::LINK, link);
    }
    Ok(response)
}

/// Parses the parameters of a query.
pub(super) fn query<T: DeserializeOwned>(uri: &Uri) -> Result<T, Error> {
    let parsed = axum::extract::Query::<T>::try_from_uri(uri);
    parsed.map(|query| query.0).map_err(|e| {
        let reason = std::error::Error::source(&e).map_or_else(|| e.to_string(), ToString::to_string);
        Error::new(Kind::Usage, format_args!("cannot parse the query: {reason}"))
    })
}

/// Parses the JSON object of a request; an empty request is an object without fields.
fn body<T: DeserializeOwned>(bytes: &Bytes) -> Result<T, Error> {
    let bytes: &[u8] = if bytes.is_empty() { b"{}" } else { bytes };
    serde_json::from_slice(bytes).map_err(|e| {
        Error::new(Kind::Usage, format_args!("cannot parse the request as JSON: {e}"))
            .hint("Send an object such as `{\"note\": \"…\"}`.")
    })
}

/// The address of the next page of a list: the same query, continued after an item.
fn continued(uri: &Uri, list: &str, cursor: &str, item: &str) -> String {
    let is_cursor = |pair: &&str| pair.split('=').next() == Some(cursor);
    let query = uri.query().unwrap_or_default().split('&');
    let kept: Vec<&str> = query.filter(|pair| !pair.is_empty() && !is_cursor(pair)).collect();
    let cursor = format!("{cursor}={}", encoded(item));
    format!("{BASE}/{list}?{}", [kept, vec![cursor.as_str()]].concat().join("&"))
}

fn limit(wanted: Option<u64>) -> u64 {
    wanted.unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Note {
    note: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reason {
    reason: Option<String>,
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Schedules {
    limit: Option<u64>,
    after: Option<String>,
    q: Option<String>,
    paused: Option<bool>,
}

async fn schedules(State(app): State<Arc<App>>, uri: Uri) -> Answer {
    let asked: Schedules = query(&uri)?;
    let limit = limit(asked.limit);
    let page = crate::store::SchedulePage {
        paused: asked.paused,
        after: asked.after,
        contains: asked.q,
        limit: Some(limit),
        ..crate::store::SchedulePage::default()
    };
    let views = app.read(move |r, c| present::schedules(r, &*c.zones, &page, c.now)).await?;
    let next = views.last().map(|last| continued(&uri, "schedules", "after", &last.id));
    json_page(&views, limit, next)
}

/// The characters that need an escape in a path segment and in a query.
const IN_URL: &percent_encoding::AsciiSet = &percent_encoding::NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b':')
    .remove(b'@');

/// A text for a path segment or a query.
pub(super) fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, IN_URL).to_string()
}

async fn schedule(State(app): State<Arc<App>>, Path(id): Path<String>) -> Answer {
    let id = ScheduleId::parse(&id)?;
    json(
        &app.read(move |r, c| present::schedule(r, &*c.zones, ops::find(r, &id)?, c.now))
            .await?,
    )
}

async fn delete_schedule(State(app): State<Arc<App>>, Path(id): Path<String>) -> Answer {
    json(&changes::delete(&app, vec![ScheduleId::parse(&id)?]).await?)
}

async fn pause(State(app): State<Arc<App>>, Path(id): Path<String>, bytes: Bytes) -> Answer {
    let Note { note } = body(&bytes)?;
    json(&changes::pause(&app, vec![ScheduleId::parse(&id)?], PauseChange::Pause, note).await?)
}

async fn unpause(State(app): State<Arc<App>>, Path(id): Path<String>, bytes: Bytes) -> Answer {
    let Note { note } = body(&bytes)?;
    json(&changes::pause(&app, vec![ScheduleId::parse(&id)?], PauseChange::Unpause, note).await?)
}

/// Parses the name of an overlap policy; an empty one means the schedule's own.
pub(super) fn policy(name: Option<String>) -> Result<Option<OverlapPolicy>, Error> {
    name.filter(|name| !name.is_empty())
        .as_deref()
        .map(OverlapPolicy::parse)
        .transpose()
}

async fn trigger(State(app): State<Arc<App>>, Path(id): Path<String>, bytes: Bytes) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Trigger {
        overlap_policy: Option<String>,
    }
    let asked: Trigger = body(&bytes)?;
    let requested = changes::trigger(&app, vec![ScheduleId::parse(&id)?], policy(asked.overlap_policy)?).await?;
    json(&requested.first())
}

async fn backfill(State(app): State<Arc<App>>, Path(id): Path<String>, bytes: Bytes) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Backfill {
        start_time: String,
        end_time: Option<String>,
        overlap_policy: Option<String>,
    }
    let asked: Backfill = body(&bytes)?;
    let range = (asked.start_time, asked.end_time);
    json(
        &changes::backfill(
            &app,
            ScheduleId::parse(&id)?,
            range,
            policy(asked.overlap_policy)?,
            changes::MAX_TIMES,
        )
        .await?,
    )
}

async fn next(State(app): State<Arc<App>>, Path(id): Path<String>, uri: Uri) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Next {
        count: Option<usize>,
    }
    let asked: Next = query(&uri)?;
    let (id, count) = (ScheduleId::parse(&id)?, asked.count.unwrap_or(10).min(MAX_TIMES));
    let next = app.read(move |r, c| Ok(present::next(&ops::find(r, &id)?.compiled(&*c.zones)?, c.now, count)));
    json(&next.await?)
}

async fn explain(State(app): State<Arc<App>>, Path(id): Path<String>, uri: Uri) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Explain {
        from: Option<String>,
        to: Option<String>,
    }
    let (id, asked) = (ScheduleId::parse(&id)?, query::<Explain>(&uri)?);
    let ranges = app.read(move |r, c| {
        let spec = ops::find(r, &id)?.compiled(&*c.zones)?;
        let time =
            |text: Option<String>, default| text.map_or(Ok(default), |text| instant::parse_past(&text, spec.zone(), c.now));
        let window = (time(asked.from, c.now - chrono::TimeDelta::days(1))?, time(asked.to, c.now)?);
        if ops::shortened(&spec, window) != window {
            return Err(
                Error::new(Kind::Usage, "the range holds too many times to explain at once").hint("Ask for a shorter range.")
            );
        }
        let ranges = ops::explain(r, &*c.zones, &id, window, c.now)?;
        Ok(ranges.into_iter().map(present::time_range).collect::<Vec<_>>())
    });
    json(&ranges.await?)
}

async fn definition(State(app): State<Arc<App>>, Path(id): Path<String>) -> Answer {
    let id = ScheduleId::parse(&id)?;
    json(
        &app.read(move |r, _| {
            Ok(DefinitionView {
                definition: ops::definition_text(r, &id)?,
            })
        })
        .await?,
    )
}

async fn edit(State(app): State<Arc<App>>, Path(id): Path<String>, uri: Uri, bytes: Bytes) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Edit {
        original: String,
        definition: String,
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct DryRun {
        dry_run: Option<bool>,
    }
    let (id, asked, Edit { original, definition }) = (ScheduleId::parse(&id)?, query::<DryRun>(&uri)?, body(&bytes)?);
    let difference = if asked.dry_run == Some(true) {
        changes::check_edit(&app, id, definition).await?.0
    } else {
        changes::edit(&app, id, original, definition).await?
    };
    json(&present::change(&difference))
}

async fn simulate(State(app): State<Arc<App>>, Path(id): Path<String>, uri: Uri) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Simulate {
        takes: Option<String>,
        overlap_policy: Option<String>,
        from: Option<String>,
        r#for: Option<String>,
    }
    let (id, asked) = (ScheduleId::parse(&id)?, query::<Simulate>(&uri)?);
    let overlap = policy(asked.overlap_policy)?;
    let span = |text: Option<String>, default: &str| text::time_delta(text.as_deref().unwrap_or(default));
    let (takes, length) = (span(asked.takes, "1s")?, span(asked.r#for, "1h")?);
    let simulated = app.read(move |r, c| {
        let patch = ops::Patch {
            overlap,
            ..ops::Patch::default()
        };
        let schedule = ops::with_patch(r, &*c.zones, &id, &patch)?;
        let from = asked
            .from
            .map_or(Ok(c.now), |text| instant::parse(&text, schedule.spec.zone(), c.now))?;
        let input = ops::SimulationInput {
            takes,
            from,
            to: from + length,
            outages: Vec::new(),
            at_most: changes::MAX_SIMULATED,
        };
        Ok(present::simulated(&schedule, &input, &ops::simulate(&schedule, &input)?))
    });
    json(&simulated.await?)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Runs {
    limit: Option<u64>,
    schedule: Option<String>,
    status: Option<String>,
    since: Option<String>,
    until: Option<String>,
    failed: Option<bool>,
    output: Option<String>,
    before: Option<String>,
}

/// Parses the name of a status.
pub(super) fn run_status(name: Option<String>) -> Result<Option<Status>, Error> {
    let named = |name: String| {
        Status::named(&name).ok_or_else(|| {
            Error::new(Kind::Usage, format_args!("no status is named `{}`", name.escape_debug()))
                .hint(format_args!("Expected one of {}.", Status::ALL.map(Status::name).join(", ")))
        })
    };
    name.filter(|name| !name.is_empty()).map(named).transpose()
}

async fn runs(State(app): State<Arc<App>>, uri: Uri) -> Answer {
    let asked: Runs = query(&uri)?;
    let limit = limit(asked.limit);
    let status = run_status(asked.status)?;
    let views = app.read(move |r, c| {
        let zone = c.times.time_zone();
        let time = |text: Option<String>| text.map(|text| instant::parse_past(&text, &zone, c.now)).transpose();
        let before = asked.before.map(|run| r.run_named(&run)).transpose()?;
        let filter = RunFilter {
            schedule_id: asked.schedule,
            status,
            unhappy: asked.failed.unwrap_or(false),
            since: time(asked.since)?,
            until: time(asked.until)?,
            output: asked.output,
            before: before.map(|run| run.key),
            limit: Some(limit),
        };
        r.runs(&filter)?
            .iter()
            .map(|row| present::run(r, row))
            .collect::<Result<Vec<_>, Error>>()
    });
    let views = views.await?;
    let next = views.last().map(|last| continued(&uri, "runs", "before", &last.run_id));
    json_page(&views, limit, next)
}

async fn run(State(app): State<Arc<App>>, Path(id): Path<String>) -> Answer {
    json(&app.read(move |r, _| present::run_in_full(r, &r.run_named(&id)?)).await?)
}

async fn cancel(State(app): State<Arc<App>>, Path(id): Path<String>, bytes: Bytes) -> Answer {
    let Reason { reason } = body(&bytes)?;
    json(&[changes::stop(&app, id, Stop::Cancel, reason).await?])
}

async fn terminate(State(app): State<Arc<App>>, Path(id): Path<String>, bytes: Bytes) -> Answer {
    let Reason { reason } = body(&bytes)?;
    json(&[changes::stop(&app, id, Stop::Terminate, reason).await?])
}

async fn retry(State(app): State<Arc<App>>, Path(id): Path<String>) -> Answer {
    json(&changes::retry(&app, id).await?)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Incidents {
    limit: Option<u64>,
    all: Option<bool>,
    target: Option<String>,
}

async fn incidents(State(app): State<Arc<App>>, uri: Uri) -> Answer {
    let asked: Incidents = query(&uri)?;
    let limit = limit(asked.limit);
    let found = app.read(move |r, _| {
        let rows = r.incidents(asked.all.unwrap_or(false), asked.target.as_deref())?;
        let rows = rows.iter().take(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(rows.map(present::incident).collect::<Vec<_>>())
    });
    json(&found.await?)
}

/// Parses the number of an incident.
pub(super) fn incident_id(text: &str) -> Result<i64, Error> {
    text.parse().map_err(|_| {
        Error::new(
            Kind::NotFound,
            format_args!("no incident has the number `{}`", text.escape_debug()),
        )
    })
}

async fn incident(State(app): State<Arc<App>>, Path(id): Path<String>) -> Answer {
    let id = incident_id(&id)?;
    json(
        &app.read(move |r, _| present::incident_in_full(r, &ops::find_incident(r, id)?))
            .await?,
    )
}

async fn ack(State(app): State<Arc<App>>, Path(id): Path<String>, bytes: Bytes) -> Answer {
    let Note { note } = body(&bytes)?;
    json(&changes::incident(&app, incident_id(&id)?, IncidentChange::Ack, note).await?)
}

async fn resolve(State(app): State<Arc<App>>, Path(id): Path<String>, bytes: Bytes) -> Answer {
    let Note { note } = body(&bytes)?;
    json(&changes::incident(&app, incident_id(&id)?, IncidentChange::Resolve, note).await?)
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
    }
    let asked: Log = query(&uri)?;
    let limit = limit(asked.limit);
    let found = app.read(move |r, c| {
        let zone = c.times.time_zone();
        let time = |text: Option<String>| text.map(|text| instant::parse_past(&text, &zone, c.now)).transpose();
        let filter = EventFilter {
            schedule_id: asked.schedule,
            since: time(asked.since)?,
            until: time(asked.until)?,
            failed: asked.failed.unwrap_or(false),
            limit: Some(limit),
            ..EventFilter::default()
        };
        let mut views = EventViews::new(r, &rfc3339);
        r.events(&filter)?
            .iter()
            .map(|row| views.view(row))
            .collect::<Result<Vec<_>, Error>>()
    });
    json(&found.await?)
}
