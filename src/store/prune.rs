//! Deletes old history in small batches: closed runs with all their data, reasons why times did not start, settled requests, resolved incidents, events.

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension as _, named_params};

use super::rows::{Context as _, at_opt, count, ms};
use super::{Read, Write};
use crate::error::Error;

/// Number of runs or events examined by one query.
const BATCH: u64 = 500;

/// Which history is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Keep {
    /// Everything that closed after this is kept.
    pub(crate) since: DateTime<Utc>,
    /// Number of most recent runs kept per schedule, and of most recent runs that failed or had a failed step.
    pub(crate) runs: u64,
}

/// The runs in a batch that can be deleted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Prunable {
    /// Their keys.
    pub(crate) runs: Vec<i64>,
    /// The key after which the next batch begins; `None` at the end.
    pub(crate) after: Option<i64>,
}

impl Read<'_> {
    /// Examines a batch of runs above the key `after`; returns those that can be deleted.
    pub(crate) fn prunable_runs(&self, after: i64, keep: Keep) -> Result<Prunable, Error> {
        // The very last run is kept, so that no key is ever reused.
        const SQL: &str = "SELECT r.key, r.started_ms < :since AS old, coalesce(r.closed_ms < :since, 0)
            AND NOT EXISTS (SELECT 1 FROM request q WHERE q.run = r.key AND q.settled_ms IS NULL)
            AND r.key < (SELECT max(key) FROM run)
            AND (:keep = 0 OR r.key < coalesce((SELECT n.key FROM run n WHERE n.schedule IS r.schedule
                ORDER BY n.key DESC LIMIT 1 OFFSET :keep - 1), 0))
            AND (:keep = 0 OR (r.status = 'Completed' AND r.incidents = 0) OR r.key < coalesce((SELECT n.key FROM run n
                WHERE n.schedule IS r.schedule AND n.closed_ms IS NOT NULL AND (n.status <> 'Completed' OR n.incidents > 0)
                ORDER BY n.key DESC LIMIT 1 OFFSET :keep - 1), 0)) AS prunable
            FROM run r WHERE r.key > :after ORDER BY r.key LIMIT :most";
        let what = "find history to prune";
        let mut statement = self.0.prepare_cached(SQL).context(what)?;
        let rows = statement.query_map(
            named_params! {":after": after, ":since": ms(keep.since), ":keep": count(keep.runs), ":most": count(BATCH)},
            |r| {
                Ok((
                    r.get::<_, i64>("key")?,
                    r.get::<_, bool>("old")?,
                    r.get::<_, bool>("prunable")?,
                ))
            },
        );
        let rows = rows.context(what)?.collect::<rusqlite::Result<Vec<_>>>().context(what)?;
        // Keys increase with start times, unless the clock was set: if no run in a full batch is old, the later ones are not either.
        let last = rows
            .last()
            .filter(|_| rows.len() as u64 == BATCH && rows.iter().any(|(_, old, _)| *old));
        Ok(Prunable {
            after: last.map(|(key, ..)| *key),
            runs: rows.iter().filter(|(.., prunable)| *prunable).map(|(key, ..)| *key).collect(),
        })
    }

    /// The nominal time of a schedule up to which outcomes may have been pruned.
    pub(crate) fn pruned_until(&self, schedule: i64) -> Result<Option<DateTime<Utc>>, Error> {
        const SQL: &str = "SELECT pruned_ms FROM progress WHERE schedule = :schedule";
        let mut statement = self.0.prepare_cached(SQL).context("read up to when history was pruned")?;
        statement
            .query_row(named_params! {":schedule": schedule}, |r| Ok(at_opt(r.get("pruned_ms")?)))
            .context("read up to when history was pruned")
    }
}

impl Write<'_> {
    /// Deletes a run that closed before `since`, with its steps, attempts and output, unless a request about it is open by now.
    pub(crate) fn prune_run(&self, key: i64, since: DateTime<Utc>) -> Result<(), Error> {
        const IS_PRUNABLE: &str = "SELECT EXISTS (SELECT 1 FROM run WHERE key = :key AND closed_ms < :since
            AND NOT EXISTS (SELECT 1 FROM request WHERE run = :key AND settled_ms IS NULL)
            AND NOT EXISTS (SELECT 1 FROM event WHERE run = :key AND event.key > (SELECT min(cursor) FROM receiver))) AS may_go";
        const NOTE: &str = "UPDATE progress SET pruned_ms = max(coalesce(pruned_ms, 0), r.nominal_ms) FROM run r
            WHERE r.key = :key AND r.origin = 'scheduled' AND progress.schedule = r.schedule";
        const SQL: &str = "DELETE FROM run WHERE key = :key";
        let mut statement = self.0.0.prepare_cached(IS_PRUNABLE).context("prune the history")?;
        let is_prunable = statement.query_row(named_params! {":key": key, ":since": ms(since)}, |r| r.get("may_go"));
        if is_prunable.context("prune the history")? {
            self.execute_for(&[NOTE, SQL], key)?;
        }
        Ok(())
    }

    /// Deletes at most `most` each of the reasons, requests, failures and incidents that were closed before `since`; returns the total number.
    pub(crate) fn prune_other_history(&self, since: DateTime<Utc>, most: u64) -> Result<u64, Error> {
        const OLD_REASONS: &str = "SELECT key FROM refused WHERE decided_ms < :since ORDER BY decided_ms LIMIT :most";
        const NOTE: &str = "UPDATE progress SET pruned_ms = max(coalesce(pruned_ms, 0), f.to_ms) FROM refused f
            WHERE f.key = :key AND f.origin = 'scheduled' AND progress.schedule = f.schedule";
        const REASON: &str = "DELETE FROM refused WHERE key = :key";
        const REQUESTS: &str = "DELETE FROM request WHERE key IN (SELECT r.key FROM request r WHERE r.settled_ms < :since
            AND NOT EXISTS (SELECT 1 FROM waiting w WHERE w.request = r.key) ORDER BY r.settled_ms LIMIT :most)";
        // First their failures, in batches: an incident may have collected them for months.
        const OCCURRENCES: &str =
            "DELETE FROM occurrence WHERE (incident, number) IN (SELECT o.incident, o.number FROM incident i
            JOIN occurrence o ON o.incident = i.id WHERE i.resolved_ms < :since ORDER BY i.resolved_ms LIMIT :most)";
        const INCIDENTS: &str = "DELETE FROM incident WHERE id IN (SELECT i.id FROM incident i WHERE i.resolved_ms < :since
            AND NOT EXISTS (SELECT 1 FROM occurrence o WHERE o.incident = i.id) ORDER BY i.resolved_ms LIMIT :most)";
        const MESSAGES: &str =
            "DELETE FROM message WHERE key IN (SELECT key FROM message WHERE closed_ms < :since ORDER BY closed_ms LIMIT :most)";
        // The last of each schedule stays.
        const BEATS: &str = "DELETE FROM beat WHERE key IN (SELECT key FROM beat b WHERE at_ms < :since
            AND key < (SELECT max(key) FROM beat n WHERE n.schedule = b.schedule) ORDER BY at_ms LIMIT :most)";
        let what = "prune the history";
        let parameters = named_params! {":since": ms(since), ":most": count(most)};
        let mut statement = self.0.0.prepare_cached(OLD_REASONS).context(what)?;
        let rows = statement.query_map(parameters, |r| r.get("key")).context(what)?;
        let reasons: Vec<i64> = rows.collect::<rusqlite::Result<_>>().context(what)?;
        for key in &reasons {
            self.execute_for(&[NOTE, REASON], *key)?;
        }
        let mut deleted = reasons.len();
        for sql in [REQUESTS, OCCURRENCES, INCIDENTS, MESSAGES, BEATS] {
            deleted += self
                .0
                .0
                .prepare_cached(sql)
                .and_then(|mut s| s.execute(parameters))
                .context(what)?;
        }
        Ok(deleted as u64)
    }

    /// Deletes old events from a batch of those above the key `after`: all before `since` that belong to no stored run. Kept are also the event of a range
    /// of times that still grows, the pause of a schedule that is paused, and the deletion of a schedule whose runs are stored. Returns the key after
    /// which the next batch begins; `None` at the end.
    pub(crate) fn prune_events(&self, after: i64, since: DateTime<Utc>) -> Result<Option<i64>, Error> {
        const LAST: &str =
            "SELECT key, at_ms < :since AS old FROM event WHERE key > :after ORDER BY key LIMIT 1 OFFSET :most - 1";
        // The newest event is kept so that no key is reused, and the last of the server so that the next one knows how it ended.
        const SQL: &str =
            "DELETE FROM event WHERE key > :after AND key <= :last AND at_ms < :since AND key < (SELECT max(key) FROM event)
            AND (run IS NULL OR NOT EXISTS (SELECT 1 FROM run WHERE run.key = event.run))
            AND NOT (kind IN ('skip', 'miss', 'drop', 'superseded', 'paused', 'exhausted')
                AND EXISTS (SELECT 1 FROM refused f WHERE f.key = event.value AND f.from_ms = event.number))
            AND NOT (kind = 'pause' AND EXISTS (SELECT 1 FROM schedule s WHERE s.key = event.schedule AND s.paused_ms IS NOT NULL)
                AND key = (SELECT max(e.key) FROM event e WHERE e.schedule_id = event.schedule_id AND e.kind = 'pause'))
            AND NOT (kind = 'delete' AND EXISTS (SELECT 1 FROM run WHERE run.schedule = event.schedule))
            AND key <= coalesce((SELECT min(cursor) FROM receiver), key)
            AND key IS NOT (SELECT max(key) FROM event WHERE schedule IS NULL AND run IS NULL AND kind IN ('serving', 'stopped'))";
        let what = "prune the history";
        let mut statement = self.0.0.prepare_cached(LAST).context(what)?;
        let last = statement.query_row(
            named_params! {":after": after, ":since": ms(since), ":most": count(BATCH)},
            |r| Ok((r.get::<_, i64>("key")?, r.get::<_, bool>("old")?)),
        );
        let last = last.optional().context(what)?;
        let mut statement = self.0.0.prepare_cached(SQL).context(what)?;
        let to = last.map_or(i64::MAX, |(key, _)| key);
        statement
            .execute(named_params! {":after": after, ":last": to, ":since": ms(since)})
            .context(what)?;
        // Events are in the order of their times, unless the clock was set: after a full batch that ends with a recent one, all are recent.
        Ok(last.filter(|(_, old)| *old).map(|(key, _)| key))
    }

    fn execute_for(&self, statements: &[&str], key: i64) -> Result<(), Error> {
        for sql in statements {
            let done = self
                .0
                .0
                .prepare_cached(sql)
                .and_then(|mut s| s.execute(named_params! {":key": key}));
            done.context("prune the history")?;
        }
        Ok(())
    }
}
