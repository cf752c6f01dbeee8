//! `/healthz`, `/readyz` and `/metrics`: for monitors, without a session, and without names or texts of what is stored.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use chrono::TimeDelta;
use http::{StatusCode, header};

use super::app::App;
use crate::engine::metrics::{BOUNDS_MS, Histogram, Metrics};
use crate::error::{Error, Kind};
use crate::store::Totals;

/// How long the ticker may go without running; it runs every 75 ms.
const MAX_SILENCE: TimeDelta = TimeDelta::seconds(10);
/// How long a result is reused: each check writes to the database.
const CHECK_EVERY: TimeDelta = TimeDelta::seconds(2);
/// How long a check may take.
const CHECK_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(2);

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/healthz", get(health))
        .route("/readyz", get(readiness))
        .route("/metrics", get(metrics))
}

fn plain(status: StatusCode, text: String) -> Response {
    (status, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
}

/// Fails when the ticker has stopped, or the database cannot be written.
async fn health(State(app): State<Arc<App>>) -> Response {
    // One check at a time: others get its answer.
    let mut last = app.health.lock().await;
    let now = app.server.now().ok();
    if let (Some((at, answer)), Some(now)) = (&*last, now)
        && (TimeDelta::zero()..CHECK_EVERY).contains(&(now - *at))
    {
        return health_answer(answer);
    }
    let answer = match tokio::time::timeout(CHECK_TIMEOUT, check(&app)).await {
        Ok(answer) => answer,
        Err(_) => Err(format!(
            "the database could not be written within {} s",
            CHECK_TIMEOUT.as_secs()
        )),
    };
    let response = health_answer(&answer);
    *last = now.map(|now| (now, answer));
    response
}

fn health_answer(answer: &Result<(), String>) -> Response {
    match answer {
        Ok(()) => plain(StatusCode::OK, "ok\n".to_owned()),
        Err(why) => plain(StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
    }
}

async fn check(app: &Arc<App>) -> Result<(), String> {
    let Ok(place) = Arc::clone(&app.health_check).try_acquire_owned() else {
        return Err("the database could not be written since the last check".to_owned());
    };
    let checked = app.change(move |server, _| {
        let _place = place;
        let metrics = server
            .metrics()
            .ok_or_else(|| Error::new(Kind::ServerDown, "the server has stopped"))?;
        let silence = metrics.silence(server.now()?);
        if silence > MAX_SILENCE {
            let message = format!("the ticker has not run for {} s", silence.num_seconds());
            return Err(Error::new(Kind::System, message));
        }
        server.write(|write, now| write.note_health(now))
    });
    checked.await.map_err(|e| e.to_string())
}

/// Fails while the server starts nothing.
async fn readiness(State(app): State<Arc<App>>) -> Response {
    if app.server.is_draining() {
        return plain(StatusCode::SERVICE_UNAVAILABLE, "draining\n".to_owned());
    }
    match app.read(|r, _| r.newest_event()).await {
        Ok(_) => plain(StatusCode::OK, "ok\n".to_owned()),
        Err(e) => plain(StatusCode::SERVICE_UNAVAILABLE, format!("{e}\n")),
    }
}

/// The metrics in the `OpenMetrics` text format.
async fn metrics(State(app): State<Arc<App>>) -> Response {
    let (sizes, commits) = (file_sizes(&app), app.server.commits());
    let totals = app.read(|r, _| r.totals()).await;
    let text = match (app.server.metrics(), totals) {
        (Some(metrics), Ok(totals)) => metrics_text(&metrics, &totals, commits, sizes),
        (None, _) => return plain(StatusCode::SERVICE_UNAVAILABLE, "the server has stopped\n".to_owned()),
        (_, Err(e)) => return plain(StatusCode::SERVICE_UNAVAILABLE, format!("{e}\n")),
    };
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, content_type)], text).into_response()
}

/// The sizes of the database and its log, in bytes.
fn file_sizes(app: &App) -> (u64, u64) {
    let size = |suffix: &str| {
        let mut path = app.settings.database.clone().into_os_string();
        path.push(suffix);
        std::fs::metadata(path).map_or(0, |file| file.len())
    };
    (size(""), size("-wal"))
}

fn metrics_text(metrics: &Metrics, totals: &Totals, commits: u64, (file, log): (u64, u64)) -> String {
    let mut page = MetricsText(String::new());
    page.gauge("schedules", "Schedules", totals.schedules);
    page.gauge("schedules_paused", "Paused schedules", totals.paused);
    page.gauge("runs_open", "Runs that have not closed", totals.open_runs);
    page.gauge(
        "queue",
        "Open runs without a worker, buffered starts and open requests",
        totals.queued,
    );
    page.gauge("incidents_open", "Open incidents", totals.incidents_open);
    page.gauge("incidents_acked", "Acknowledged incidents", totals.incidents_acked);
    page.counter("ticks", "Ticks of the server", metrics.ticks.load(Ordering::Relaxed));
    page.histogram(
        "tick_lateness_seconds",
        "How late scheduled starts were decided",
        &metrics.tick_lateness,
    );
    page.histogram(
        "run_lateness_seconds",
        "How late the first attempts of scheduled runs began",
        &metrics.run_lateness,
    );
    page.counters("times", "outcome", "Decided times, by outcome", metrics.times.counts());
    page.counters("runs_closed", "status", "Closed runs, by status", metrics.runs.counts());
    page.counters("attempts", "outcome", "Ended attempts, by outcome", metrics.attempts.counts());
    page.histogram(
        "attempt_duration_seconds",
        "How long attempts took",
        &metrics.attempt_durations,
    );
    page.counter(
        "incident_failures",
        "Failures recorded in incidents",
        metrics.incidents.load(Ordering::Relaxed),
    );
    page.counter("commits", "Transactions of the writer", commits);
    page.gauge("database_bytes", "Size of the database file", file);
    page.gauge("log_bytes", "Size of the write-ahead log", log);
    page.0 + "# EOF\n"
}

/// The text of the metrics so far.
struct MetricsText(String);

impl MetricsText {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# TYPE tempo_{name} {kind}\n# HELP tempo_{name} {help}.");
    }

    fn gauge(&mut self, name: &str, help: &str, value: u64) {
        self.head(name, "gauge", help);
        let _ = writeln!(self.0, "tempo_{name} {value}");
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.head(name, "counter", help);
        let _ = writeln!(self.0, "tempo_{name}_total {value}");
    }

    fn counters(&mut self, name: &str, label: &str, help: &str, values: impl IntoIterator<Item = (&'static str, u64)>) {
        self.head(name, "counter", help);
        for (of, value) in values {
            let _ = writeln!(self.0, "tempo_{name}_total{{{label}=\"{of}\"}} {value}");
        }
    }

    fn histogram(&mut self, name: &str, help: &str, histogram: &Histogram) {
        self.head(name, "histogram", help);
        let (counts, sum_ms) = histogram.counts();
        let mut total = 0;
        for (index, count) in counts.iter().enumerate() {
            total += count;
            let bound = BOUNDS_MS.get(index).map_or("+Inf".to_owned(), |ms| seconds(*ms));
            let _ = writeln!(self.0, "tempo_{name}_bucket{{le=\"{bound}\"}} {total}");
        }
        let _ = writeln!(self.0, "tempo_{name}_count {total}\ntempo_{name}_sum {}", seconds(sum_ms));
    }
}

/// Milliseconds as seconds: `0.005`, `30.0`.
fn seconds(ms: u64) -> String {
    let fraction = format!("{:03}", ms % 1000);
    let fraction = fraction.trim_end_matches('0');
    format!("{}.{}", ms / 1000, if fraction.is_empty() { "0" } else { fraction })
}
