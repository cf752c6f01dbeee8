//! Schedules that start after the runs of others.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension as _, named_params};

use super::rows::{Context as _, named};
use super::{Read, Write};
use crate::error::Error;
use crate::schedule::after::AfterOutcome;

/// A schedule that starts after the runs of another.
#[derive(Debug, Clone)]
pub(crate) struct Follower {
    pub(crate) schedule: i64,
    pub(crate) paused: bool,
    /// Whether it has no actions left.
    pub(crate) exhausted: bool,
}

/// What depends on the end of a run of a schedule.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct DependsOnRun {
    /// Number of its runs that have failed in a row.
    pub(crate) failed_runs: u32,
    /// Whether it must succeed within a time.
    pub(crate) expects_success: bool,
    /// Whether other schedules start after its runs.
    pub(crate) has_followers: bool,
}

impl Read<'_> {
    /// What depends on the end of a run of a schedule, given by key and id.
    pub(crate) fn depends_on_run(&self, schedule: i64, id: Option<&str>) -> Result<DependsOnRun, Error> {
        // One query, since every run that closes asks.
        const SQL: &str = "SELECT failed_runs, EXISTS (SELECT 1 FROM expectation WHERE schedule = :schedule) AS expects_success,
            EXISTS (SELECT 1 FROM follower WHERE target = :id) AS has_followers FROM progress WHERE schedule = :schedule";
        let what = "read what depends on the run";
        let mut statement = self.0.prepare_cached(SQL).context(what)?;
        let found = statement.query_row(named_params! {":schedule": schedule, ":id": id}, |r| {
            Ok(DependsOnRun {
                failed_runs: r.get("failed_runs")?,
                expects_success: r.get("expects_success")?,
                has_followers: r.get("has_followers")?,
            })
        });
        // Others may still start after the last runs of a schedule that was deleted.
        let of_deleted = DependsOnRun {
            has_followers: true,
            ..DependsOnRun::default()
        };
        Ok(found.optional().context(what)?.unwrap_or(of_deleted))
    }

    /// The schedules that start after a run of `target` with this outcome.
    pub(crate) fn followers(&self, target: &str, outcome: AfterOutcome) -> Result<Vec<Follower>, Error> {
        const SQL: &str = "SELECT f.schedule, s.paused, p.remaining IS 0 AS exhausted FROM follower f
            JOIN schedule s ON s.key = f.schedule JOIN progress p ON p.schedule = f.schedule
            WHERE f.target = :target AND f.outcome = :outcome ORDER BY f.schedule";
        let what = "read the schedules that follow";
        let mut statement = self.0.prepare_cached(SQL).context(what)?;
        let rows = statement.query_map(named_params! {":target": target, ":outcome": outcome.name()}, |r| {
            Ok(Follower {
                schedule: r.get("schedule")?,
                paused: r.get("paused")?,
                exhausted: r.get("exhausted")?,
            })
        });
        rows.context(what)?.collect::<rusqlite::Result<_>>().context(what)
    }

    /// The schedules after whose runs a schedule starts, as written.
    pub(crate) fn after_of(&self, schedule: i64) -> Result<Vec<String>, Error> {
        const SQL: &str = "SELECT target, outcome FROM follower WHERE schedule = :schedule ORDER BY target, outcome";
        let what = "read the schedules that are followed";
        let mut statement = self.0.prepare_cached(SQL).context(what)?;
        let rows = statement.query_map(named_params! {":schedule": schedule}, |r| {
            Ok((r.get::<_, String>("target")?, r.get::<_, String>("outcome")?))
        });
        let rows = rows.context(what)?.collect::<rusqlite::Result<Vec<_>>>().context(what)?;
        let written = |(target, outcome): (String, String)| {
            let outcome = named("outcome", &outcome, AfterOutcome::named(&outcome))?;
            Ok(outcome.written(&target))
        };
        rows.into_iter().map(written).collect()
    }

    /// The ids that each schedule follows, by its id.
    pub(crate) fn all_followed(&self) -> Result<BTreeMap<String, Vec<String>>, Error> {
        const SQL: &str = "SELECT s.id, f.target FROM follower f JOIN schedule s ON s.key = f.schedule ORDER BY s.id, f.target";
        let what = "read the schedules that are followed";
        let mut statement = self.0.prepare_cached(SQL).context(what)?;
        let rows = statement.query_map([], |r| Ok((r.get::<_, String>("id")?, r.get::<_, String>("target")?)));
        let mut edges: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for row in rows.context(what)? {
            let (id, target) = row.context(what)?;
            edges.entry(id).or_default().push(target);
        }
        Ok(edges)
    }
}

impl Write<'_> {
    /// Forgets after which schedules a schedule starts.
    pub(super) fn unfollow(&self, schedule: i64) -> Result<(), Error> {
        const DELETE: &str = "DELETE FROM follower WHERE schedule = :schedule";
        let what = "record the schedules that are followed";
        let mut statement = self.0.0.prepare_cached(DELETE).context(what)?;
        statement
            .execute(named_params! {":schedule": schedule})
            .map(|_| ())
            .context(what)
    }

    /// Records after whose runs a schedule starts. They have been checked.
    pub(super) fn follow(&self, schedule: i64, after: &[String]) -> Result<(), Error> {
        const INSERT: &str = "INSERT OR IGNORE INTO follower (target, outcome, schedule) VALUES (:target, :outcome, :schedule)";
        let what = "record the schedules that are followed";
        for one in after {
            let (target, outcome) = AfterOutcome::parse(one)?;
            let mut statement = self.0.0.prepare_cached(INSERT).context(what)?;
            let parameters = named_params! {":target": target.as_str(), ":outcome": outcome.name(), ":schedule": schedule};
            statement.execute(parameters).context(what)?;
        }
        Ok(())
    }
}
