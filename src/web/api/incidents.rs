//! `/api/v1/incidents`.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use http::Uri;
use serde::Deserialize;

use super::super::answers::{Answer, body, incident_id, json, limit, query};
use super::super::app::App;
use super::super::changes::{self, IncidentChange};
use super::Note;
use crate::ops;
use crate::present;
use crate::store::{IncidentFilter, IncidentScope};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Incidents {
    limit: Option<u64>,
    before: Option<i64>,
    all: Option<bool>,
    target: Option<String>,
}

pub(super) async fn incidents(State(app): State<Arc<App>>, uri: Uri) -> Answer {
    let asked: Incidents = query(&uri)?;
    let filter = IncidentFilter {
        scope: IncidentScope::unresolved_or_all(asked.all.unwrap_or(false)),
        target: asked.target,
        before: asked.before,
        limit: Some(limit(asked.limit)),
    };
    let found = app.read(move |r, _| Ok(r.incidents(&filter)?.iter().map(present::incident).collect::<Vec<_>>()));
    json(&found.await?)
}

pub(super) async fn incident(State(app): State<Arc<App>>, Path(id): Path<String>) -> Answer {
    let id = incident_id(&id)?;
    json(
        &app.read(move |r, _| present::incident_in_full(r, &ops::find_incident(r, id)?))
            .await?,
    )
}

pub(super) async fn ack(State(app): State<Arc<App>>, Path(id): Path<String>, bytes: Bytes) -> Answer {
    let Note { note } = body(&bytes)?;
    json(&changes::incident(&app, incident_id(&id)?, IncidentChange::Ack, note).await?)
}

pub(super) async fn resolve(State(app): State<Arc<App>>, Path(id): Path<String>, bytes: Bytes) -> Answer {
    let Note { note } = body(&bytes)?;
    json(&changes::incident(&app, incident_id(&id)?, IncidentChange::Resolve, note).await?)
}
