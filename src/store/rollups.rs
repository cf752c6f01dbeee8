//! Rollups: the closed steps of each schedule, summed by the hour. Computed from the events after the last one that is summed.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension as _, named_params};

use super::rows::{Context as _, count, ms};
use super::{Read, Write};
use crate::error::Error;
use crate::run::statistics::Statistics;

const HOUR_MS: i64 = 3_600_000;
/// The row of `meta` with the key of the last event that is summed.
const SUMMED: &str = "rollup";

/// Statistics by the schedule's key, the step's name and the hour since the epoch.
type Hours = BTreeMap<(i64, String, i64), Statistics>;

/// The sums of some events.
#[derive(Debug)]
pub(crate) struct Rollup {
    hours: Hours,
    /// The key of the last event before those that are summed.
    after: i64,
    /// The key of the last event that is summed.
    last: i64,
}

impl Read<'_> {
    /// Sums at most `most` events that are not summed yet; `None` if there are none.
    pub(crate) fn roll_up(&self, most: u64) -> Result<Option<Rollup>, Error> {
        let after = self.summed()?;
        let mut hours = Hours::new();
        let last = self.add_closes(&mut hours, after, None, most)?;
        Ok(last.map(|last| Rollup { hours, after, last }))
    }

    /// The statistics of the steps of a schedule since a time, rounded down to the hour, by the name of the step.
    pub(crate) fn statistics(&self, schedule: i64, since: DateTime<Utc>) -> Result<BTreeMap<String, Statistics>, Error> {
        const SQL: &str =
            "SELECT step, ok, failed, slowest_ms, latencies FROM rollup WHERE schedule = :schedule AND hour >= :since";
        let what = "read the statistics";
        let since = ms(since).div_euclid(HOUR_MS);
        let mut statistics: BTreeMap<String, Statistics> = BTreeMap::new();
        let mut statement = self.0.prepare_cached(SQL).context(what)?;
        let rows = statement.query_map(named_params! {":schedule": schedule, ":since": since}, |r| {
            let latencies = r.get_ref("latencies")?.as_blob()?;
            let stored = Statistics::stored(r.get("ok")?, r.get("failed")?, r.get("slowest_ms")?, latencies);
            Ok((r.get::<_, String>("step")?, stored))
        });
        for row in rows.context(what)? {
            let (step, hour) = row.context(what)?;
            statistics.entry(step).or_default().merge(&hour);
        }
        let mut hours = Hours::new();
        self.add_closes(&mut hours, self.summed()?, Some(schedule), u64::MAX)?;
        for ((_, step, hour), closes) in hours {
            if hour >= since {
                statistics.entry(step).or_default().merge(&closes);
            }
        }
        Ok(statistics)
    }

    /// The statistics of the steps of some schedules since each of several times, the latest first, rounded down to the hour. Latencies are those
    /// since the first time.
    pub(crate) fn availability(
        &self,
        schedules: &[i64],
        since: [DateTime<Utc>; 3],
    ) -> Result<BTreeMap<(i64, String), [Statistics; 3]>, Error> {
        const SQL: &str =
            "SELECT step, hour, ok, failed, slowest_ms, latencies FROM rollup WHERE schedule = :schedule AND hour >= :since";
        let what = "read the statistics";
        let since = since.map(|at| ms(at).div_euclid(HOUR_MS));
        let mut found: BTreeMap<(i64, String), [Statistics; 3]> = BTreeMap::new();
        let mut add = |key: (i64, String), hour: i64, closes: &Statistics| {
            let windows = found.entry(key).or_default().iter_mut().zip(since);
            windows
                .filter(|(_, since)| hour >= *since)
                .for_each(|(sum, _)| sum.merge(closes));
        };
        let mut statement = self.0.prepare_cached(SQL).context(what)?;
        for schedule in schedules {
            let rows = statement.query_map(named_params! {":schedule": schedule, ":since": since[2]}, |r| {
                let hour: i64 = r.get("hour")?;
                // Merging the histograms of a month would take longer than everything else.
                let latencies = if hour >= since[0] {
                    r.get_ref("latencies")?.as_blob()?
                } else {
                    &[]
                };
                let stored = Statistics::stored(r.get("ok")?, r.get("failed")?, r.get("slowest_ms")?, latencies);
                Ok((r.get::<_, String>("step")?, hour, stored))
            });
            for row in rows.context(what)? {
                let (step, hour, closes) = row.context(what)?;
                add((*schedule, step), hour, &closes);
            }
        }
        let mut hours = Hours::new();
        self.add_closes(&mut hours, self.summed()?, None, u64::MAX)?;
        for ((schedule, step, hour), closes) in hours {
            if schedules.contains(&schedule) {
                add((schedule, step), hour, &closes);
            }
        }
        Ok(found)
    }

    /// The key of the last event that is summed.
    fn summed(&self) -> Result<i64, Error> {
        const SQL: &str = "SELECT CAST(value AS INTEGER) AS key FROM meta WHERE name = :name";
        let found = self.0.query_row(SQL, named_params! {":name": SUMMED}, |r| r.get("key"));
        Ok(found.optional().context("read the statistics")?.unwrap_or(0))
    }

    /// Adds the steps that closed in the next events, of one schedule or of all. Returns the key of the last event that was read, if there was one.
    fn add_closes(&self, hours: &mut Hours, after: i64, schedule: Option<i64>, most: u64) -> Result<Option<i64>, Error> {
        // A step that was canceled or terminated has a detail, and neither succeeded nor failed.
        const SQL: &str = "SELECT e.key, e.at_ms, e.kind = 'step' AS ok, e.schedule, e.position, r.workflow, o.target_name,
                coalesce(nullif(o.elapsed_ms, 0), (SELECT a.elapsed_ms FROM attempt a WHERE a.run = e.run AND a.position = e.position
                    ORDER BY a.number DESC LIMIT 1)) AS elapsed_ms,
                (e.kind IN ('incident', 'failing') OR e.kind = 'step' AND e.detail IS NULL) AND s.key IS NOT NULL AND r.key IS NOT NULL AS counts
            FROM event e LEFT JOIN run r ON r.key = e.run LEFT JOIN schedule s ON s.key = e.schedule
                LEFT JOIN occurrence o ON e.kind = 'incident' AND o.incident = e.value AND o.number = e.number
            WHERE e.key > :after AND (:schedule IS NULL OR e.schedule = :schedule) ORDER BY e.key LIMIT :most";
        let what = "read the statistics";
        let (mut names, mut last) = (HashMap::<i64, Vec<String>>::new(), None);
        let mut statement = self.0.prepare_cached(SQL).context(what)?;
        let mut rows = statement
            .query(named_params! {":after": after, ":schedule": schedule, ":most": count(most)})
            .context(what)?;
        while let Some(r) = rows.next().context(what)? {
            last = Some(r.get("key").context(what)?);
            if !r.get::<_, bool>("counts").context(what)? {
                continue;
            }
            let (target, workflow): (Option<String>, i64) =
                (r.get("target_name").context(what)?, r.get("workflow").context(what)?);
            let ok: bool = r.get("ok").context(what)?;
            let step = match (target, r.get::<_, Option<usize>>("position").context(what)?) {
                (Some(name), _) => name,
                (None, Some(position)) => {
                    let names = match names.entry(workflow) {
                        Entry::Occupied(known) => known.into_mut(),
                        Entry::Vacant(new) => {
                            let steps = self.action(workflow)?.steps;
                            new.insert(steps.into_iter().map(|step| step.name).collect())
                        }
                    };
                    names.get(position).cloned().unwrap_or_default()
                }
                // The failure of an incident that is no longer stored.
                (None, None) => continue,
            };
            let hour = r.get::<_, i64>("at_ms").context(what)?.div_euclid(HOUR_MS);
            let elapsed: Option<i64> = r.get("elapsed_ms").context(what)?;
            let key = (r.get("schedule").context(what)?, step, hour);
            hours
                .entry(key)
                .or_default()
                .add(ok, elapsed.map(|ms| ms.max(0).unsigned_abs()));
        }
        Ok(last)
    }
}

impl Write<'_> {
    /// Records sums, unless others were recorded since they were computed. Those of schedules that were deleted meanwhile are ignored.
    pub(crate) fn add_rollup(&self, rollup: &Rollup) -> Result<(), Error> {
        const FIND: &str =
            "SELECT ok, failed, slowest_ms, latencies FROM rollup WHERE schedule = :schedule AND step = :step AND hour = :hour";
        const PUT: &str = "INSERT OR REPLACE INTO rollup (schedule, step, hour, ok, failed, slowest_ms, latencies)
            SELECT :schedule, :step, :hour, :ok, :failed, :slowest, :latencies WHERE EXISTS (SELECT 1 FROM schedule WHERE key = :schedule)";
        const SUM: &str = "INSERT OR REPLACE INTO meta (name, value) VALUES (:name, :last)";
        let what = "record the statistics";
        if self.summed()? != rollup.after {
            return Ok(());
        }
        for ((schedule, step, hour), closes) in &rollup.hours {
            let mut statement = self.0.0.prepare_cached(FIND).context(what)?;
            let found = statement.query_row(named_params! {":schedule": schedule, ":step": step, ":hour": hour}, |r| {
                let latencies = r.get_ref("latencies")?.as_blob()?;
                Ok(Statistics::stored(
                    r.get("ok")?,
                    r.get("failed")?,
                    r.get("slowest_ms")?,
                    latencies,
                ))
            });
            let mut sum = found.optional().context(what)?.unwrap_or_default();
            sum.merge(closes);
            let mut statement = self.0.0.prepare_cached(PUT).context(what)?;
            statement
                .execute(named_params! {
                    ":schedule": schedule, ":step": step, ":hour": hour, ":ok": count(sum.ok), ":failed": count(sum.failed),
                    ":slowest": count(sum.slowest_ms), ":latencies": sum.latencies(),
                })
                .context(what)?;
        }
        let done = self
            .0
            .0
            .execute(SUM, named_params! {":name": SUMMED, ":last": rollup.last.to_string()});
        done.map(|_| ()).context(what)
    }

    /// Deletes the sums of hours before a time.
    pub(crate) fn prune_rollups(&self, before: DateTime<Utc>) -> Result<(), Error> {
        const SQL: &str = "DELETE FROM rollup WHERE hour < :hour";
        let done = self.0.0.execute(SQL, named_params! {":hour": ms(before).div_euclid(HOUR_MS)});
        done.map(|_| ()).context("prune the statistics")
    }
}
