//! History that is let go: closed runs with all that belongs to them, reasons, settled requests, resolved incidents. A little at a time.

use chrono::{DateTime, Utc};
use rusqlite::named_params;

use super::rows::{Context as _, at_opt, count, ms};
use super::{Read, Write};
use crate::error::Error;

/// How many runs are looked at in one question.
const LOOKED_AT: u64 = 500;

/// What is kept of history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Keep {
    /// Everything that has closed since then.
    pub(crate) since: DateTime<Utc>,
    /// And of each schedule the last so many runs, and its last so many that failed or recorded an incident.
    pub(crate) runs: u64,
}

/// Runs that may go, of those that were looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Prunable {
    /// Their keys.
    pub(crate) runs: Vec<i64>,
    /// Where to look on; none: there are no more.
    pub(crate) after: Option<i64>,
}

impl Read<'_> {
    /// Runs above the key `after` that may go.
    pub(crate) fn prunable_runs(&self, after: i64, keep: Keep) -> Result<Prunable, Error> {
        // The very last run stays, so that no key is ever used again.
        const SQL: &str = "SELECT r.key, r.started_ms < :since AS old, coalesce(r.closed_ms < :since, 0)
            AND NOT EXISTS (SELECT 1 FROM request q WHERE q.run = r.key AND q.settled_ms IS NULL)
            AND r.key < (SELECT max(key) FROM run)
            AND (:keep = 0 OR r.key < coalesce((SELECT n.key FROM run n WHERE n.schedule IS r.schedule
                ORDER BY n.key DESC LIMIT 1 OFFSET :keep - 1), 0))
            AND (:keep = 0 OR (r.status = 'Completed' AND r.incidents = 0) OR r.key < coalesce((SELECT n.key FROM run n
                WHERE n.schedule IS r.schedule AND n.closed_ms IS NOT NULL AND (n.status <> 'Completed' OR n.incidents > 0)
                ORDER BY n.key DESC LIMIT 1 OFFSET :keep - 1), 0)) AS prunable
            FROM run r WHERE r.key > :after ORDER BY r.key LIMIT :most";
        let what = "look for history to let go";
        let mut statement = self.0.prepare_cached(SQL).context(what)?;
        let rows = statement.query_map(
            named_params! {":after": after, ":since": ms(keep.since), ":keep": count(keep.runs), ":most": count(LOOKED_AT)},
            |r| {
                Ok((
                    r.get::<_, i64>("key")?,
                    r.get::<_, bool>("old")?,
                    r.get::<_, bool>("prunable")?,
                ))
            },
        );
        let rows = rows.context(what)?.collect::<rusqlite::Result<Vec<_>>>().context(what)?;
        // Keys rise with the time of the start, but for a clock that was set: where none of so many is old, the rest is not either.
        let last = rows
            .last()
            .filter(|_| rows.len() as u64 == LOOKED_AT && rows.iter().any(|(_, old, _)| *old));
        Ok(Prunable {
            after: last.map(|(key, ..)| *key),
            runs: rows.iter().filter(|(.., prunable)| *prunable).map(|(key, ..)| *key).collect(),
        })
    }

    /// Up to which nominal time it is not on file any more what became of each time of a schedule.
    pub(crate) fn pruned_until(&self, schedule: i64) -> Result<Option<DateTime<Utc>>, Error> {
        const SQL: &str = "SELECT pruned_ms FROM progress WHERE schedule = :schedule";
        let mut statement = self.0.prepare_cached(SQL).context("ask what was let go")?;
        statement
            .query_row(named_params! {":schedule": schedule}, |r| Ok(at_opt(r.get("pruned_ms")?)))
            .context("ask what was let go")
    }
}

impl Write<'_> {
    /// Lets a run go that closed before `since`, with its steps, attempts and output; not one that has been asked for something meanwhile.
    pub(crate) fn prune_run(&self, key: i64, since: DateTime<Utc>) -> Result<(), Error> {
        const MAY_GO: &str = "SELECT EXISTS (SELECT 1 FROM run WHERE key = :key AND closed_ms < :since
            AND NOT EXISTS (SELECT 1 FROM request WHERE run = :key AND settled_ms IS NULL)) AS may_go";
        const NOTE: &str = "UPDATE progress SET pruned_ms = max(coalesce(pruned_ms, 0), r.nominal_ms) FROM run r
            WHERE r.key = :key AND r.origin = 'scheduled' AND progress.schedule = r.schedule";
        const SQL: &str = "DELETE FROM run WHERE key = :key";
        let mut statement = self.0.0.prepare_cached(MAY_GO).context("let history go")?;
        let may_go = statement.query_row(named_params! {":key": key, ":since": ms(since)}, |r| r.get("may_go"));
        if may_go.context("let history go")? {
            self.execute_for(&[NOTE, SQL], key)?;
        }
        Ok(())
    }

    /// Lets go of at most `most` each of the reasons, requests, failures and incidents that were done with before `since`; how many there were.
    pub(crate) fn prune_the_rest(&self, since: DateTime<Utc>, most: u64) -> Result<u64, Error> {
        const OLD_REASONS: &str = "SELECT key FROM refused WHERE decided_ms < :since ORDER BY decided_ms LIMIT :most";
        const NOTE: &str = "UPDATE progress SET pruned_ms = max(coalesce(pruned_ms, 0), f.to_ms) FROM refused f
            WHERE f.key = :key AND f.origin = 'scheduled' AND progress.schedule = f.schedule";
        const REASON: &str = "DELETE FROM refused WHERE key = :key";
        const REQUESTS: &str = "DELETE FROM request WHERE key IN (SELECT r.key FROM request r WHERE r.settled_ms < :since
            AND NOT EXISTS (SELECT 1 FROM waiting w WHERE w.request = r.key) ORDER BY r.settled_ms LIMIT :most)";
        // First what belongs to them, a little at a time: an incident may have counted for months.
        const OCCURRENCES: &str =
            "DELETE FROM occurrence WHERE (incident, number) IN (SELECT o.incident, o.number FROM incident i
            JOIN occurrence o ON o.incident = i.id WHERE i.resolved_ms < :since ORDER BY i.resolved_ms LIMIT :most)";
        const INCIDENTS: &str = "DELETE FROM incident WHERE id IN (SELECT i.id FROM incident i WHERE i.resolved_ms < :since
            AND NOT EXISTS (SELECT 1 FROM occurrence o WHERE o.incident = i.id) ORDER BY i.resolved_ms LIMIT :most)";
        let what = "let history go";
        let parameters = named_params! {":since": ms(since), ":most": count(most)};
        let mut statement = self.0.0.prepare_cached(OLD_REASONS).context(what)?;
        let rows = statement.query_map(parameters, |r| r.get("key")).context(what)?;
        let reasons: Vec<i64> = rows.collect::<rusqlite::Result<_>>().context(what)?;
        for key in &reasons {
            self.execute_for(&[NOTE, REASON], *key)?;
        }
        let mut gone = reasons.len();
        for sql in [REQUESTS, OCCURRENCES, INCIDENTS] {
            gone += self
                .0
                .0
                .prepare_cached(sql)
                .and_then(|mut s| s.execute(parameters))
                .context(what)?;
        }
        Ok(gone as u64)
    }

    fn execute_for(&self, statements: &[&str], key: i64) -> Result<(), Error> {
        for sql in statements {
            let done = self
                .0
                .0
                .prepare_cached(sql)
                .and_then(|mut s| s.execute(named_params! {":key": key}));
            done.context("let history go")?;
        }
        Ok(())
    }
}
