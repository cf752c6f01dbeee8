//! The status page: each target with its last results, availability and latency. Without notes, commands or URLs: for a wall or a team.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{Html, IntoResponse as _, Response};
use chrono::{DateTime, TimeDelta, Utc};
use http::{HeaderMap, HeaderName, StatusCode, Uri, header};
use maud::{Markup, html};
use serde::Deserialize;

use super::super::access;
use super::super::answers::{self, encoded};
use super::super::app::{App, Context};
use super::layout::{Section, Shell};
use super::parts;
use super::{Page, layout, show};
use crate::error::{Error, Kind};
use crate::names::ScheduleId;
use crate::ops;
use crate::run::statistics::Statistics;
use crate::spec::describe::human_elapsed;
use crate::store::{Read, SchedulePage, ScheduleRow};

/// Number of schedules on a page.
const ON_PAGE: u64 = 20;
/// Number of results shown of a target.
const MARKS: u64 = 90;
/// Seconds after which a page without an event stream is reloaded.
const RELOAD_AFTER: &str = "30";
/// The periods for which availability is shown; latencies are those of the first.
const SPANS: [(&str, TimeDelta); 3] = [
    ("24 h", TimeDelta::days(1)),
    ("7 d", TimeDelta::days(7)),
    ("30 d", TimeDelta::days(30)),
];

#[derive(Deserialize, Default)]
struct Asked {
    after: Option<String>,
}

/// A step and its last results.
pub(super) struct Target {
    schedule: String,
    paused: bool,
    pub(super) step: String,
    /// Oldest first: when the step closed, and whether it succeeded.
    results: Vec<(DateTime<Utc>, bool)>,
    spans: [Statistics; 3],
}

impl Target {
    /// `up`, `down` or `unknown`, by the last result.
    fn state(&self) -> &'static str {
        match self.results.last() {
            Some((_, true)) => "up",
            Some((_, false)) => "down",
            None => "unknown",
        }
    }

    /// The schedule, and the step unless it is named `command`, the name of a single command.
    fn name(&self) -> String {
        match self.step.as_str() {
            "command" => self.schedule.clone(),
            step => format!("{} {step}", self.schedule),
        }
    }

    fn class(&self) -> &'static str {
        match self.state() {
            "up" => "good",
            "down" => "bad",
            _ => "off",
        }
    }
}

pub(super) async fn page(State(app): State<Arc<App>>, headers: HeaderMap, uri: Uri) -> Page {
    let asked: Asked = answers::query(&uri)?;
    let after = asked.after.clone();
    let (next, mut targets, incidents, context) = app
        .read(move |r, c| {
            let page = SchedulePage {
                after,
                limit: Some(ON_PAGE + 1),
                ..SchedulePage::default()
            };
            let rows = r.schedules(&page)?;
            let shown = &rows[..rows.len().min(usize::try_from(ON_PAGE).unwrap_or(usize::MAX))];
            let next = shown
                .last()
                .filter(|_| rows.len() > shown.len())
                .map(|row| row.id.to_string());
            Ok((next, targets(r, shown, c.now)?, r.unresolved_incidents()?.0, c.clone()))
        })
        .await?;
    let shell = Shell::new("Status".to_owned(), Section::Status, &context, incidents);
    targets.sort_by_key(|target| target.state() != "down");
    if access::has_session(&app, &headers) {
        return Ok(show(&app, &headers, &shell, &body(&context, &targets, next.as_deref(), true)));
    }
    // Without a session, there are no links to pages that need one, and no event stream: the browser reloads the page.
    let page = layout::bare("Status", &body(&context, &targets, next.as_deref(), false));
    Ok(([(header::REFRESH, RELOAD_AFTER)], Html(page.into_string())).into_response())
}

pub(super) fn targets(read: &Read<'_>, rows: &[ScheduleRow], now: DateTime<Utc>) -> Result<Vec<Target>, Error> {
    let keys: Vec<i64> = rows.iter().map(|row| row.key).collect();
    let mut availability = read.availability(&keys, SPANS.map(|(_, span)| now - span))?;
    let mut targets = Vec::new();
    for row in rows {
        let mut results = read.step_results(row.key, MARKS)?;
        for step in read.action(row.workflow)?.steps {
            targets.push(Target {
                schedule: row.id.to_string(),
                paused: row.state.paused,
                results: results.remove(&step.name).unwrap_or_default(),
                spans: availability.remove(&(row.key, step.name.clone())).unwrap_or_default(),
                step: step.name,
            });
        }
    }
    Ok(targets)
}

/// `99.95 %`, rounded down: a single failure in a million must not read as 100 %.
fn percent(of: &Statistics) -> String {
    let (ok, failed) = (u128::from(of.ok), u128::from(of.failed));
    let Some(hundredths) = (ok * 10_000).checked_div(ok + failed) else {
        return "–".to_owned();
    };
    format!("{}.{:02} %", hundredths / 100, hundredths % 100)
}

fn body(context: &Context, targets: &[Target], next: Option<&str>, with_links: bool) -> Markup {
    let down: Vec<String> = targets
        .iter()
        .filter(|target| target.state() == "down")
        .map(Target::name)
        .collect();
    html! {
        h1 { "Status" }
        section #status data-live {
            @if targets.is_empty() { p.dim { "There are no schedules." } }
            @else if down.is_empty() { p.box.done { @if targets.iter().all(|target| target.state() == "up") { "All targets on this page succeeded when they last ran." } @else { "No target on this page failed when it last ran; some have not run." } } }
            @else { p.box.bad role="alert" { "Failing on this page: " (down.join(", ")) "." } }
            ul.targets {
                @for target in targets {
                    li { (part(context, target, with_links)) }
                }
            }
        }
        nav.pages aria-label="Pages" {
            @if let Some(last) = next { a rel="next" href={ "/status?after=" (encoded(last)) } { "Next page" } }
        }
    }
}

/// A target with its last results, availability and latency.
pub(super) fn part(context: &Context, target: &Target, with_link: bool) -> Markup {
    html! {
        div.target {
            span.status.(target.class()) { (target.state()) } " "
            strong { @if with_link { (parts::schedule_link(&target.schedule)) } @else { (target.schedule) } }
            @if target.step != "command" { " " (target.step) }
            @if target.paused { " " span.dim { "(paused)" } }
        }
        span.strip.long role="img" aria-label={ "The last " (target.results.len()) " results" } {
            @for (at, ok) in &target.results { i.(if *ok { "good" } else { "bad" }) title={ (context.times.short(*at)) " " (if *ok { "ok" } else { "failed" }) } {} }
        }
        span.dim {
            @for ((name, _), span) in SPANS.iter().zip(&target.spans) { (name) " " (percent(span)) " · " }
            @match (target.spans[0].percentile_ms(50), target.spans[0].percentile_ms(95)) {
                (Some(p50), Some(p95)) => { "p50 " (short(p50)) " · p95 " (short(p95)) },
                _ => "not run in the last 24 h",
            }
        }
    }
}

fn short(ms: u64) -> String {
    match ms {
        0 => "under 1 ms".to_owned(),
        ms => human_elapsed(i64::try_from(ms).unwrap_or(i64::MAX)),
    }
}

/// The state of a target as an image: `/status/SCHEDULE/STEP.svg`.
pub(super) async fn badge(State(app): State<Arc<App>>, Path((schedule, badge)): Path<(String, String)>) -> Page {
    let Some(step) = badge.strip_suffix(".svg").map(str::to_owned) else {
        return Err(Error::new(Kind::NotFound, "a badge has the address `/status/SCHEDULE/STEP.svg`").into());
    };
    let id = ScheduleId::parse(&schedule)?;
    let found = app.read(move |r, c| {
        let all = targets(r, &[ops::find(r, &id)?], c.now)?;
        let found = all.into_iter().find(|target| target.step == step);
        found.ok_or_else(|| Error::new(Kind::NotFound, format_args!("`{id}` has no step `{}`", step.escape_debug())))
    });
    Ok(svg(&found.await?))
}

fn svg(target: &Target) -> Response {
    let color = match target.state() {
        "up" => "#1a7f37",
        "down" => "#c93c37",
        _ => "#6e7781",
    };
    let name: String = target.step.chars().take(40).collect();
    // About 7 units for a character.
    let (left, right) = (name.chars().count() * 7 + 16, target.state().len() * 7 + 16);
    let text = html! {
        svg xmlns="http://www.w3.org/2000/svg" width=(left + right) height="20" role="img" aria-label={ (name) ": " (target.state()) } {
            rect width=(left) height="20" fill="#444c56" {}
            rect x=(left) width=(right) height="20" fill=(color) {}
            g fill="#fff" text-anchor="middle" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11" {
                text x=(left / 2) y="14" { (name) }
                text x=(left + right / 2) y="14" { (target.state()) }
            }
        }
    };
    (
        StatusCode::OK,
        [
            (header::CONTENT_TYPE, "image/svg+xml"),
            (HeaderName::from_static("cross-origin-resource-policy"), "cross-origin"),
        ],
        text.into_string(),
    )
        .into_response()
}
