//! Starts at boot: which boot the file was last served in, and the start that a new one owes.

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::{OptionalExtension as _, named_params};

use super::Write;
use super::rows::{Context as _, ms};
use crate::error::Error;
use crate::schedule::not_started::{Outcome, Reason};

/// A schedule that starts at boot.
struct AtBoot {
    schedule: i64,
    paused: bool,
    exhausted: bool,
}

impl Write<'_> {
    /// Notes that the file is served in boot `boot`, which began at `booted`. Where that is a new boot, each schedule that is older than it and
    /// starts at boot gets one start, or the reason why not. How many starts there are.
    pub(crate) fn serve_in_boot(&self, boot: &str, booted: DateTime<Utc>, now: DateTime<Utc>) -> Result<usize, Error> {
        const LAST: &str = "SELECT value FROM meta WHERE name = 'boot'";
        const NOTE: &str =
            "INSERT INTO meta (name, value) VALUES ('boot', :boot) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
        let what = "note the boot of the machine";
        let last: Option<String> = self.0.0.query_row(LAST, [], |r| r.get("value")).optional().context(what)?;
        if boot.is_empty() || last.as_deref() == Some(boot) {
            return Ok(0);
        }
        self.0.0.execute(NOTE, named_params! {":boot": boot}).context(what)?;
        let mut started = 0;
        for schedule in self.at_boot(booted)? {
            match (schedule.paused, schedule.exhausted) {
                (true, _) => self.refuse_at_boot(&schedule, Outcome::Paused, Reason::SchedulePaused, now)?,
                (false, true) => self.refuse_at_boot(&schedule, Outcome::Exhausted, Reason::NoActionsLeft, now)?,
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
        let what = "look for what starts at boot";
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

    /// The start waits its turn like any other; the ticker decides it at once.
    fn start_at_boot(&self, schedule: &AtBoot, now: DateTime<Utc>) -> Result<(), Error> {
        // A spec names whole seconds: the time that identifies this start is none of them.
        let between = i64::from(now.timestamp_subsec_millis() == 0);
        self.put_waiting(schedule.schedule, now + TimeDelta::milliseconds(between), now)?;
        self.attend(schedule.schedule, Some(now))
    }

    fn refuse_at_boot(&self, schedule: &AtBoot, outcome: Outcome, reason: Reason, now: DateTime<Utc>) -> Result<(), Error> {
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
