//! `/api/v1/runs`.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use http::Uri;
use serde::Deserialize;

use super::super::answers::{Answer, body, continued, json, json_page, limit, query, run_status};
use super::super::app::App;
use super::super::changes;
use crate::error::Error;
use crate::present;
use crate::run::Stop;
use crate::store::RunFilter;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reason {
    reason: Option<String>,
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

pub(super) async fn runs(State(app): State<Arc<App>>, uri: Uri) -> Answer {
    let asked: Runs = query(&uri)?;
    let limit = limit(asked.limit);
    let status = run_status(asked.status)?;
    let views = app.read(move |r, c| {
        let before = asked.before.map(|run| r.run_named(&run)).transpose()?;
        let filter = RunFilter {
            schedule_id: asked.schedule,
            status,
            unhappy: asked.failed.unwrap_or(false),
            since: c.past(asked.since)?,
            until: c.past(asked.until)?,
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

pub(super) async fn run(State(app): State<Arc<App>>, Path(id): Path<String>) -> Answer {
    json(&app.read(move |r, _| present::run_in_full(r, &r.run_named(&id)?)).await?)
}

pub(super) async fn cancel(State(app): State<Arc<App>>, Path(id): Path<String>, bytes: Bytes) -> Answer {
    let Reason { reason } = body(&bytes)?;
    json(&[changes::stop(&app, id, Stop::Cancel, reason).await?])
}

pub(super) async fn terminate(State(app): State<Arc<App>>, Path(id): Path<String>, bytes: Bytes) -> Answer {
    let Reason { reason } = body(&bytes)?;
    json(&[changes::stop(&app, id, Stop::Terminate, reason).await?])
}

pub(super) async fn retry(State(app): State<Arc<App>>, Path(id): Path<String>) -> Answer {
    json(&changes::retry(&app, id).await?)
}
