//! `/api/v1/schedules`.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use http::Uri;
use serde::Deserialize;

use super::super::answers::{Answer, body, continued, json, json_page, limit, policy, query};
use super::super::app::App;
use super::super::changes::{self, PauseChange};
use super::Note;
use crate::error::{Error, Kind};
use crate::names::ScheduleId;
use crate::ops;
use crate::output::views::DefinitionView;
use crate::present;
use crate::spec::{instant, text};
use crate::store::SchedulePage;

/// Maximum number of next times in an answer.
const MAX_TIMES: usize = 1000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Schedules {
    limit: Option<u64>,
    after: Option<String>,
    q: Option<String>,
    paused: Option<bool>,
}

pub(super) async fn schedules(State(app): State<Arc<App>>, uri: Uri) -> Answer {
    let asked: Schedules = query(&uri)?;
    let limit = limit(asked.limit);
    let page = SchedulePage {
        paused: asked.paused,
        after: asked.after,
        contains: asked.q,
        limit: Some(limit),
        ..SchedulePage::default()
    };
    let views = app.read(move |r, c| present::schedules(r, &*c.zones, &page, c.now)).await?;
    let next = views.last().map(|last| continued(&uri, "schedules", "after", &last.id));
    json_page(&views, limit, next)
}

pub(super) async fn schedule(State(app): State<Arc<App>>, Path(id): Path<String>) -> Answer {
    let id = ScheduleId::parse(&id)?;
    json(
        &app.read(move |r, c| present::schedule(r, &*c.zones, ops::find(r, &id)?, c.now))
            .await?,
    )
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct BeatBody {
    error: Option<String>,
    exit_code: Option<i32>,
    elapsed_ms: Option<i64>,
}

pub(super) async fn beat(State(app): State<Arc<App>>, Path(id): Path<String>, bytes: Bytes) -> Answer {
    let id = ScheduleId::parse(&id)?;
    let BeatBody {
        error,
        exit_code,
        elapsed_ms,
    } = body(&bytes)?;
    // A code other than 0 is a failure, whether or not it is explained.
    let error = error.or_else(|| exit_code.filter(|code| *code != 0).map(|code| format!("exit {code}")));
    json(&changes::beat(&app, id, (error, exit_code, elapsed_ms)).await?)
}

pub(super) async fn delete_schedule(State(app): State<Arc<App>>, Path(id): Path<String>) -> Answer {
    json(&changes::delete(&app, vec![ScheduleId::parse(&id)?]).await?)
}

pub(super) async fn pause(State(app): State<Arc<App>>, Path(id): Path<String>, bytes: Bytes) -> Answer {
    let Note { note } = body(&bytes)?;
    json(&changes::pause(&app, vec![ScheduleId::parse(&id)?], PauseChange::Pause, note).await?)
}

pub(super) async fn unpause(State(app): State<Arc<App>>, Path(id): Path<String>, bytes: Bytes) -> Answer {
    let Note { note } = body(&bytes)?;
    json(&changes::pause(&app, vec![ScheduleId::parse(&id)?], PauseChange::Unpause, note).await?)
}

pub(super) async fn trigger(State(app): State<Arc<App>>, Path(id): Path<String>, bytes: Bytes) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Trigger {
        overlap_policy: Option<String>,
    }
    let asked: Trigger = body(&bytes)?;
    let requested = changes::trigger(&app, vec![ScheduleId::parse(&id)?], policy(asked.overlap_policy)?).await?;
    json(&requested.first())
}

pub(super) async fn backfill(State(app): State<Arc<App>>, Path(id): Path<String>, bytes: Bytes) -> Answer {
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

pub(super) async fn next(State(app): State<Arc<App>>, Path(id): Path<String>, uri: Uri) -> Answer {
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

pub(super) async fn explain(State(app): State<Arc<App>>, Path(id): Path<String>, uri: Uri) -> Answer {
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

pub(super) async fn definition(State(app): State<Arc<App>>, Path(id): Path<String>) -> Answer {
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

pub(super) async fn edit(State(app): State<Arc<App>>, Path(id): Path<String>, uri: Uri, bytes: Bytes) -> Answer {
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

pub(super) async fn simulate(State(app): State<Arc<App>>, Path(id): Path<String>, uri: Uri) -> Answer {
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
