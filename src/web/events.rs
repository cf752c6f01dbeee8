//! The event stream: server-sent events for everything that `tempo log` shows, as it is committed, and a `change` whenever anything else changes.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use futures_util::Stream;
use http::{HeaderMap, StatusCode, Uri};
use serde::Deserialize;
use tokio::sync::watch;

use super::answers::{self, ApiError};
use super::app::App;
use crate::error::{Error, Kind};
use crate::output::instant::rfc3339;
use crate::present::EventViews;
use crate::store::EventFilter;

/// How often the database is checked for changes while there is a viewer.
const CHECK_EVERY: Duration = Duration::from_millis(250);
/// Maximum number of events read at once for a stream.
const BATCH: u64 = 200;
/// How often a stream without events shows that it is alive.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new().route(&format!("{}/events", answers::BASE), get(stream))
}

/// Watches the database for the streams; costs nothing while there are none.
pub(super) async fn watch(app: Arc<App>) {
    let mut seen = None;
    loop {
        tokio::time::sleep(CHECK_EVERY).await;
        if app.changed.receiver_count() == 0 {
            continue;
        }
        // An error is reported by the next read.
        let Ok(version) = app.data_version().await else { continue };
        if seen.replace(version) != Some(version) {
            app.changed.send_modify(|changes| *changes += 1);
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct From {
    after: Option<i64>,
}

/// Answers with the stream. It begins after the event that the header `Last-Event-ID` or the parameter `after` names, otherwise now.
async fn stream(State(app): State<Arc<App>>, headers: HeaderMap, uri: Uri) -> Result<Response, ApiError> {
    let asked: From = answers::query(&uri)?;
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok());
    let Ok(place) = Arc::clone(&app.streams).try_acquire_owned() else {
        let error = Error::new(
            Kind::Conflict,
            format_args!("{} event streams are open already", super::app::MAX_STREAMS),
        );
        return Ok(answers::refusal(StatusCode::SERVICE_UNAVAILABLE, &error));
    };
    let newest = app.read(|r, _| r.newest_event()).await?;
    // An event later than the newest belongs to a database that has been replaced since.
    let after = last.or(asked.after).filter(|after| *after <= newest).unwrap_or(newest);
    let viewer = Viewer {
        changes: app.changed.subscribe(),
        app,
        after,
        pending: VecDeque::new(),
        is_behind: true,
        _place: place,
    };
    Ok(Sse::new(viewer.events())
        .keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
        .into_response())
}

/// A stream that is being read.
struct Viewer {
    app: Arc<App>,
    changes: watch::Receiver<i64>,
    /// The key of the last event sent.
    after: i64,
    pending: VecDeque<Event>,
    /// Whether there may be events that have not been read.
    is_behind: bool,
    _place: tokio::sync::OwnedSemaphorePermit,
}

impl Viewer {
    /// The events, read from the database only as fast as the client takes them.
    fn events(self) -> impl Stream<Item = Result<Event, Infallible>> {
        futures_util::stream::unfold(self, |mut viewer| async move {
            let event = viewer.next().await?;
            Some((Ok(event), viewer))
        })
    }

    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.pending.pop_front() {
                return Some(event);
            }
            // Existing events come first, even if they take several batches.
            if !self.is_behind {
                self.changes.changed().await.ok()?;
            }
            // The stream ends when the server does.
            self.read().await.ok()?;
        }
    }

    async fn read(&mut self) -> Result<(), Error> {
        let after = self.after;
        let found = self.app.read(move |r, _| {
            let filter = EventFilter {
                after: Some(after),
                ..EventFilter::default()
            };
            let mut views = EventViews::new(r, &rfc3339);
            let events = r.first_events(&filter, BATCH)?;
            let events = events.iter().map(|row| Ok((row.key, views.view(row)?)));
            events.collect::<Result<Vec<_>, Error>>()
        });
        let found = found.await?;
        self.is_behind = found.len() as u64 == BATCH;
        for (key, view) in found {
            self.after = key;
            let json = serde_json::to_string(&view).map_err(|e| Error::new(Kind::System, "cannot write JSON").because(e))?;
            self.pending.push_back(Event::default().id(key.to_string()).data(json));
        }
        // Sent also for changes without an event, such as the output of a running step.
        self.pending
            .push_back(Event::default().event("change").data(self.after.to_string()));
        Ok(())
    }
}
