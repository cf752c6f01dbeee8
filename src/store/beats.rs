//! Beats: heartbeats of jobs that another scheduler runs.

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension as _, named_params};

use super::event_kind::EventKind;
use super::events::NewEvent;
use super::rows::{Context as _, at, ms, text_opt};
use super::{Read, Write};
use crate::error::Error;
use crate::run::outcome::{AttemptResult, Ending, ErrorType, Failure};

/// A beat.
#[derive(Debug, Clone)]
pub(crate) struct Beat {
    pub(crate) at: DateTime<Utc>,
    /// How long the command took that was wrapped, if one was.
    pub(crate) elapsed_ms: Option<i64>,
    pub(crate) exit_code: Option<i32>,
    /// Why it failed, if it did.
    pub(crate) error: Option<String>,
    pub(crate) output: Vec<u8>,
}

impl Beat {
    /// The beat as the result of an attempt.
    pub(crate) fn result(self) -> AttemptResult {
        let ending = match self.failure() {
            Some(failure) => Ending::Failed(failure),
            None => Ending::Ok,
        };
        AttemptResult {
            exit_code: self.exit_code,
            output: self.output,
            ..AttemptResult::new(ending, self.elapsed_ms.unwrap_or(0))
        }
    }

    /// The failure that it reports, if it does.
    pub(crate) fn failure(&self) -> Option<Failure> {
        let error_type = if self.exit_code.is_some() {
            ErrorType::NonZeroExit
        } else {
            ErrorType::Signal
        };
        self.error.clone().map(|message| Failure { error_type, message })
    }
}

impl Read<'_> {
    /// The first beat of a schedule from `since` to `until`, both included.
    pub(crate) fn beat_between(
        &self,
        schedule: i64,
        (since, until): (DateTime<Utc>, DateTime<Utc>),
    ) -> Result<Option<Beat>, Error> {
        const SQL: &str = "SELECT at_ms, elapsed_ms, exit_code, error, output FROM beat
            WHERE schedule = :schedule AND at_ms >= :since AND at_ms <= :until ORDER BY at_ms, key LIMIT 1";
        let mut statement = self.0.prepare_cached(SQL).context("read the beats")?;
        let found = statement.query_row(
            named_params! {":schedule": schedule, ":since": ms(since), ":until": ms(until)},
            |r| {
                Ok(Beat {
                    at: at(r.get("at_ms")?),
                    elapsed_ms: r.get("elapsed_ms")?,
                    exit_code: r.get("exit_code")?,
                    error: text_opt(r, "error")?,
                    output: r.get::<_, Option<Vec<u8>>>("output")?.unwrap_or_default(),
                })
            },
        );
        found.optional().context("read the beats")
    }

    /// The key of the newest beat, and the open runs of the schedules with beats after the key `after`.
    pub(crate) fn runs_with_beats_after(&self, after: i64) -> Result<(i64, Vec<i64>), Error> {
        const NEWEST: &str = "SELECT coalesce(max(key), 0) AS key FROM beat";
        const RUNS: &str = "SELECT DISTINCT r.key FROM beat b JOIN run r ON r.schedule = b.schedule AND r.closed_ms IS NULL WHERE b.key > :after";
        let what = "read the beats";
        let mut statement = self.0.prepare_cached(NEWEST).context(what)?;
        let newest: i64 = statement.query_row([], |r| r.get("key")).context(what)?;
        if newest <= after {
            return Ok((newest, Vec::new()));
        }
        let mut statement = self.0.prepare_cached(RUNS).context(what)?;
        let rows = statement.query_map(named_params! {":after": after}, |r| r.get("key"));
        let runs = rows.context(what)?.collect::<rusqlite::Result<_>>().context(what)?;
        Ok((newest, runs))
    }
}

impl Write<'_> {
    /// Records a beat of a schedule.
    pub(crate) fn insert_beat(&self, (schedule, schedule_id): (i64, &str), beat: &Beat) -> Result<(), Error> {
        const SQL: &str = "INSERT INTO beat (schedule, at_ms, elapsed_ms, exit_code, error, output)
            VALUES (:schedule, :at, :elapsed, :exit_code, :error, :output)";
        let what = "record the beat";
        let mut statement = self.0.0.prepare_cached(SQL).context(what)?;
        statement
            .execute(named_params! {
                ":schedule": schedule,
                ":at": ms(beat.at),
                ":elapsed": beat.elapsed_ms,
                ":exit_code": beat.exit_code,
                ":error": beat.error,
                ":output": Some(&beat.output).filter(|output| !output.is_empty()),
            })
            .context(what)?;
        let event = NewEvent {
            number: beat.exit_code.map(i64::from),
            value: beat.elapsed_ms,
            detail: beat.error.as_deref(),
            ..NewEvent::of_schedule(EventKind::Beat, schedule, schedule_id)
        };
        self.insert_event(&event, beat.at)
    }
}
