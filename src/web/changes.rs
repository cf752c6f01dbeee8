//! Changes that the page and the API make, each as the command of the same name makes it.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::app::App;
use crate::error::{Error, Kind};
use crate::files::document::Source;
use crate::names::ScheduleId;
use crate::ops::{self, Difference, RunStop};
use crate::output::instant::Instant;
use crate::output::run_views::RunView;
use crate::output::views::{BeatView, DeletedView, IncidentView, NextView, RequestView, ScheduleView};
use crate::present;
use crate::run::Stop;
use crate::schedule::OverlapPolicy;
use crate::spec::instant;
use crate::store::Beat;

/// A backfill of more times than this is refused; the command takes more with `--yes`.
pub(super) const MAX_TIMES: u64 = 1_000_000;

/// Maximum number of times that the page and the API simulate.
pub(super) const MAX_SIMULATED: usize = 5000;
/// Number of next times shown for an edited definition.
const PREVIEWED: usize = 5;
/// The name of the edited text in errors.
const EDITED: &str = "definition";

/// Pause or unpause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PauseChange {
    Pause,
    Unpause,
}

type Changed<T> = Result<T, Error>;

/// Pauses or unpauses schedules.
pub(super) async fn pause(
    app: &Arc<App>,
    ids: Vec<ScheduleId>,
    change: PauseChange,
    note: Option<String>,
) -> Changed<Vec<ScheduleView>> {
    app.change(move |server, zones| {
        let zones = Arc::clone(zones);
        server.write(move |write, now| {
            let one = |id: &ScheduleId| {
                match change {
                    PauseChange::Pause => ops::pause(write, &*zones, id, note.as_deref(), now)?,
                    PauseChange::Unpause => ops::unpause(write, &*zones, id, note.as_deref(), now).map(|_| ())?,
                }
                present::schedule(write, &*zones, ops::find(write, id)?, now)
            };
            ids.iter().map(one).collect()
        })
    })
    .await
}

/// Requests a start of each schedule now.
pub(super) async fn trigger(app: &Arc<App>, ids: Vec<ScheduleId>, overlap: Option<OverlapPolicy>) -> Changed<Vec<RequestView>> {
    app.change(move |server, _| {
        server.write(move |write, now| {
            let one = |id: &ScheduleId| {
                let queued = ops::trigger(write, id, overlap, now)?;
                Ok(RequestView {
                    schedule_id: id.to_string(),
                    request_id: queued.request_id,
                    runs: Vec::new(),
                    start_time: None,
                    end_time: None,
                    times: None,
                })
            };
            ids.iter().map(one).collect()
        })
    })
    .await
}

/// Requests the starts of past times; the texts are times as the command takes them.
pub(super) async fn backfill(
    app: &Arc<App>,
    id: ScheduleId,
    (start, end): (String, Option<String>),
    overlap: Option<OverlapPolicy>,
    at_most: u64,
) -> Changed<RequestView> {
    app.change(move |server, zones| {
        let zones = Arc::clone(zones);
        server.write(move |write, now| {
            let spec = ops::find(write, &id)?.compiled(&*zones)?;
            let time = |text: &str| -> Result<DateTime<Utc>, Error> { instant::parse_past(text, spec.zone(), now) };
            let end = end.as_deref().filter(|end| !end.trim().is_empty());
            let range = (time(&start)?, end.map_or(Ok(now), time)?);
            let backfill = ops::Backfill {
                range,
                overlap,
                at_most: Some(at_most),
            };
            let (queued, times) = ops::backfill(write, &*zones, &id, backfill, now)?;
            Ok(RequestView {
                schedule_id: id.to_string(),
                request_id: queued.request_id,
                runs: Vec::new(),
                start_time: Some(Instant(range.0)),
                end_time: Some(Instant(range.1)),
                times: Some(times),
            })
        })
    })
    .await
}

/// Cancels the backfills of a schedule.
pub(super) async fn cancel_backfill(app: &Arc<App>, id: ScheduleId) -> Changed<u64> {
    app.change(move |server, _| server.write(move |write, now| ops::cancel_backfill(write, &id, now)))
        .await
}

/// Deletes schedules.
pub(super) async fn delete(app: &Arc<App>, ids: Vec<ScheduleId>) -> Changed<Vec<DeletedView>> {
    app.change(move |server, _| {
        server.write(move |write, now| {
            let one = |id: &ScheduleId| Ok(present::deleted(id, ops::delete(write, id, now)?));
            ids.iter().map(one).collect()
        })
    })
    .await
}

/// Requests that a run stop.
pub(super) async fn stop(app: &Arc<App>, run: String, stop: Stop, reason: Option<String>) -> Changed<RunView> {
    app.change(move |server, _| {
        server.write(move |write, now| {
            let request = RunStop {
                run: &run,
                stop,
                reason: reason.as_deref(),
            };
            present::run(write, &ops::stop_run(write, &request, now)?)
        })
    })
    .await
}

/// Requests that a failed run resume.
pub(super) async fn retry(app: &Arc<App>, run: String) -> Changed<RunView> {
    app.change(move |server, _| {
        server.write(move |write, now| {
            let (row, _) = ops::retry_run(write, &run, now)?;
            present::run(write, &row)
        })
    })
    .await
}

/// Acknowledge or resolve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IncidentChange {
    Ack,
    Resolve,
}

/// Acknowledges or resolves an incident.
pub(super) async fn incident(app: &Arc<App>, id: i64, change: IncidentChange, note: Option<String>) -> Changed<IncidentView> {
    app.change(move |server, _| {
        server.write(move |write, now| {
            match change {
                IncidentChange::Ack => ops::ack(write, id, note.as_deref(), now)?,
                IncidentChange::Resolve => ops::resolve(write, id, note.as_deref(), now)?,
            }
            Ok(present::incident(&ops::find_incident(write, id)?))
        })
    })
    .await
}

/// Records a beat of a schedule: its error, its exit code and how long the job took.
pub(super) async fn beat(
    app: &Arc<App>,
    id: ScheduleId,
    (error, exit_code, elapsed_ms): (Option<String>, Option<i32>, Option<i64>),
) -> Changed<BeatView> {
    app.change(move |server, _| {
        server.write(move |write, now| {
            let beat = Beat {
                at: now,
                elapsed_ms,
                exit_code,
                error: error.clone(),
                output: Vec::new(),
            };
            // Anyone with the token of a schedule must not learn the names of others, as by a suggestion.
            let without_hint = |e: Error| {
                if e.kind() == Kind::NotFound {
                    return Error::new(Kind::NotFound, format_args!("no schedule is named `{id}`"));
                }
                e
            };
            ops::beat(write, &id, &beat, now).map_err(without_hint)?;
            Ok(present::beat(&id, &beat))
        })
    })
    .await
}

/// Replaces the definition of a schedule with an edited one.
pub(super) async fn edit(app: &Arc<App>, id: ScheduleId, original: String, edited: String) -> Changed<Difference> {
    app.change(move |server, zones| {
        let zones = Arc::clone(zones);
        // Browsers send the lines of a text area with CRLF.
        let (original, edited) = (original.replace("\r\n", "\n"), edited.replace("\r\n", "\n"));
        server.write(move |write, now| {
            let source = |text| Source { name: EDITED, text };
            ops::edit(write, &*zones, &id, (&source(&original), &source(&edited)), now)
        })
    })
    .await
}

/// Checks an edited definition; returns what it would change, and its next times.
pub(super) async fn check_edit(app: &Arc<App>, id: ScheduleId, edited: String) -> Changed<(Difference, Vec<NextView>)> {
    app.read(move |r, c| {
        let edited = edited.replace("\r\n", "\n");
        let source = Source {
            name: EDITED,
            text: &edited,
        };
        let (difference, spec) = ops::check_edit(r, &*c.zones, &id, &source, c.now)?;
        Ok((difference, present::next(&spec, c.now, PREVIEWED)))
    })
    .await
}
