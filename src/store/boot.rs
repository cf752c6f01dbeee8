//! Starts at boot: records the last boot in which the database was served, and starts the `at_boot` schedules after a new one.

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::{OptionalExtension as _, named_params};

use super::Write;
use super::rows::{Context as _, ms};
use crate::error::Error;
use crate::schedule::not_started::{Outcome, Reason};

/// A schedule with `at_boot`.
struct AtBoot {
    schedule: i64,
    paused: bool,
    exhausted: bool,
}

impl Write<'_> {
    /// Records that the database is served in boot `boot`, which began at `booted`. If that is a new boot, each `at_boot` schedule created before it
    /// gets one start, or a recorded reason why not. Returns the number of starts.
    pub(crate) fn serve_in_boot(&self, boot: &str, booted: DateTime<Utc>, now: DateTime<Utc>) -> Result<usize, Error> {
        const LAST: &str = "SELECT CAST(value AS BLOB) AS value FROM meta WHERE name = 'boot'";
        const NOTE: &str =
            "INSERT INTO meta (name, value) VALUES ('boot', :boot) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
        let what = "record the boot of the machine";
        let last: Option<Vec<u8>> = self.0.0.query_row(LAST, [], |r| r.get("value")).optional().context(what)?;
        if boot.is_empty() || last.as_deref() == Some(boot.as_bytes()) {
            return Ok(0);
        }
        self.0.0.execute(NOTE, named_params! {":boot": boot}).context(what)?;
        let mut started = 0;
        for schedule in self.at_boot(booted)? {
            match (schedule.paused, schedule.exhausted) {
                (true, _) => self.skip_at_boot(&schedule, Outcome::Paused, Reason::SchedulePaused, now)?,
                (false, true) => self.skip_at_boot(&schedule, Outcome::Exhausted, Reason::NoActionsLeft, now)?,
                (false, false) => {
                    self.start_at_boot(&schedule, now)?;
                    started += 1;
                }
            }
        }
        Ok(started)
    }

    fn at_boot(&self, booted: DateTime<Utc>) -> Result<Vec<AtBoot>, Error> {
        const SQL: &str = "SELECT s.key, s.paused, p.remaining FROM schedule s JOIN progress p ON p.schedule = s.key
            WHERE s.created_ms < :booted AND json_extract(s.spec, '$.at_boot') = 1 ORDER BY s.key";
        let what = "find the schedules that start at boot";
        let mut statement = self.0.0.prepare(SQL).context(what)?;
        let rows = statement.query_map(named_params! {":booted": ms(booted)}, |r| {
            let remaining: Option<u64> = r.get("remaining")?;
            Ok(AtBoot {
                schedule: r.get("key")?,
                paused: r.get("paused")?,
                exhausted: remaining == Some(0),
            })
        });
        rows.context(what)?.collect::<rusqlite::Result<_>>().context(what)
    }

    /// Adds a buffered start like any other; the ticker decides it at once.
    fn start_at_boot(&self, schedule: &AtBoot, now: DateTime<Utc>) -> Result<(), Error> {
        // Specs only produce whole seconds, so a fraction keeps this nominal time distinct.
        let offset_ms = i64::from(now.timestamp_subsec_millis() == 0);
        self.buffer_start(schedule.schedule, now + TimeDelta::milliseconds(offset_ms), now)?;
        self.set_attention(schedule.schedule, Some(now))
    }

    fn skip_at_boot(&self, schedule: &AtBoot, outcome: Outcome, reason: Reason, now: DateTime<Utc>) -> Result<(), Error> {
        const SQL: &str = "INSERT INTO refused (schedule, from_ms, to_ms, count, outcome, reason, origin, decided_ms)
            VALUES (:schedule, :now, :now, 1, :outcome, :reason, 'scheduled', :now)";
        let values = named_params! {
            ":schedule": schedule.schedule, ":now": ms(now), ":outcome": outcome.name(), ":reason": reason.text(),
        };
        self.0
            .0
            .execute(SQL, values)
            .map(|_| ())
            .context("record why nothing starts at boot")
    }
}
