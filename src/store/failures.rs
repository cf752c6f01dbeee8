//! Counts failures and successes: which failures open an incident, and which successes resolve it.

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::{ToSql, named_params};

use super::Write;
use super::event_kind::EventKind;
use super::events::NewEvent;
use super::incidents::owner_of_schedule;
use super::rows::{Context as _, count, ms};
use super::runs::RunRow;
use crate::error::Error;
use crate::run::outcome::Failure;
use crate::run::threshold::Threshold;
use crate::schedule::Alerts;
use crate::schedule::alerts::DEFINITIONS;

/// When failures open an incident, and how often receivers are reminded of it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct IncidentPolicy {
    /// At the first failure if not set.
    pub(crate) open_after: Option<Threshold>,
    pub(crate) remind_every: Option<TimeDelta>,
}

impl IncidentPolicy {
    /// The terms of a schedule, and of a step that may have its own threshold.
    pub(crate) fn of(alerts: &Alerts, own: Option<Threshold>) -> Self {
        let of_schedule = || alerts.open_after.as_ref().and_then(|threshold| threshold.check().ok());
        Self {
            open_after: own.or_else(of_schedule),
            ..Self::without_threshold(alerts)
        }
    }

    /// The terms for failures of which the first opens an incident.
    pub(crate) fn without_threshold(alerts: &Alerts) -> Self {
        Self {
            open_after: None,
            remind_every: alerts.remind_every().and_then(|every| TimeDelta::from_std(every).ok()),
        }
    }
}

/// Where a failure was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counted {
    /// In this incident, which now has this many failures.
    InIncident { id: i64, count: u64 },
    /// This many failures in a row are too few for an incident.
    Early { failures: u64 },
}

/// What failed or succeeded.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Subject<'a> {
    /// A step of a run.
    Step {
        run: &'a RunRow,
        position: usize,
        name: &'a str,
    },
    /// A schedule, outside of its runs. `name` is that of the target.
    Schedule { key: i64, id: &'a str, name: &'a str },
    /// The definition files of the server.
    Definitions,
}

impl<'a> Subject<'a> {
    /// The owner of the incident: the schedule, or the workflow id of a run without one.
    pub(super) fn owner(self) -> String {
        match self {
            Self::Step { run, .. } => run
                .schedule
                .map_or_else(|| format!("workflow {}", run.workflow_id), owner_of_schedule),
            Self::Schedule { key, .. } => owner_of_schedule(key),
            Self::Definitions => "definitions".to_owned(),
        }
    }

    /// The key of the schedule, which may have been deleted.
    fn schedule(self) -> Option<i64> {
        match self {
            Self::Step { run, .. } => run.schedule,
            Self::Schedule { key, .. } => Some(key),
            Self::Definitions => None,
        }
    }

    pub(super) fn schedule_id(self) -> Option<&'a str> {
        match self {
            Self::Step { run, .. } => run.schedule_id.as_deref(),
            Self::Schedule { id, .. } => Some(id),
            Self::Definitions => None,
        }
    }

    /// The name of the step, which is that of the target.
    pub(super) fn name(self) -> &'a str {
        match self {
            Self::Step { name, .. } | Self::Schedule { name, .. } => name,
            Self::Definitions => DEFINITIONS,
        }
    }

    /// The key and the id of the run, if a run failed.
    pub(super) fn run(self) -> (Option<i64>, &'a str) {
        match self {
            Self::Step { run, .. } => (Some(run.key), &run.run_id),
            Self::Schedule { .. } | Self::Definitions => (None, ""),
        }
    }

    fn failure_event(self, kind: EventKind) -> NewEvent<'a> {
        match self {
            Self::Step { run, position, .. } => NewEvent {
                position: Some(position),
                ..NewEvent::of_run(kind, run)
            },
            Self::Schedule { key, .. } => NewEvent::at_schedule(kind, key),
            Self::Definitions => NewEvent::of_server(kind),
        }
    }

    fn resolved_event(self) -> NewEvent<'a> {
        match self {
            Self::Step { run, .. } => NewEvent::of_run(EventKind::Resolved, run),
            Self::Schedule { key, .. } => NewEvent {
                detail: Some(SUCCEEDED),
                ..NewEvent::at_schedule(EventKind::Resolved, key)
            },
            Self::Definitions => NewEvent::of_server(EventKind::Resolved),
        }
    }
}

/// The detail of the event of an incident that ended because its schedule succeeded outside of its runs.
pub(crate) const SUCCEEDED: &str = "the schedule has succeeded";

/// A failure to be recorded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NewFailure<'a> {
    pub(crate) subject: Subject<'a>,
    pub(crate) target_url: &'a str,
    pub(crate) status_code: Option<u16>,
    pub(crate) failure: &'a Failure,
    pub(crate) elapsed_ms: i64,
}

impl Write<'_> {
    /// Counts a failure: in the open incident of its subject, or in a new one if `terms` allow one.
    pub(crate) fn count_failure(
        &self,
        new: &NewFailure<'_>,
        terms: &IncidentPolicy,
        now: DateTime<Utc>,
    ) -> Result<Counted, Error> {
        let open = self.open_incident(&new.subject.owner(), new.subject.name())?;
        let (id, failures) = if let (None, Some(threshold)) = (open, terms.open_after) {
            let (failures, since) = self.add_early_failure(new, now)?;
            if !threshold.is_reached(failures, (now - since).to_std().unwrap_or_default()) {
                let event = NewEvent {
                    number: Some(count(failures)),
                    detail: Some(&new.failure.message),
                    ..new.subject.failure_event(EventKind::Failing)
                };
                self.insert_event(&event, now)?;
                return Ok(Counted::Early { failures });
            }
            (self.open_with_early_failures(new.subject, failures)?, failures)
        } else {
            self.add_occurrence(open, new, now)?
        };
        self.set_reminder(id, terms.remind_every, now)?;
        let event = NewEvent {
            number: Some(count(failures)),
            value: Some(id),
            detail: open.is_none().then_some("opened"),
            ..new.subject.failure_event(EventKind::Incident)
        };
        self.insert_event(&event, now)?;
        Ok(Counted::InIncident { id, count: failures })
    }

    /// Adds a failure to an open incident, or to a new one. Returns the id and failure count of the incident.
    fn add_occurrence(&self, open: Option<i64>, new: &NewFailure<'_>, now: DateTime<Utc>) -> Result<(i64, u64), Error> {
        const COUNT: &str = "UPDATE incident SET count = count + 1, successes = 0 WHERE id = :id RETURNING count";
        const OCCURRENCE: &str = "INSERT INTO occurrence
            (incident, number, run, run_id, target_name, target_url, status_code, error, error_type, elapsed_ms, detected_ms)
            VALUES (:incident, :number, :run, :run_id, :name, :url, :status_code, :error, :error_type, :elapsed, :now)";
        let what = "record the incident";
        let id = open.map_or_else(|| self.insert_incident(new.subject, 0), Ok)?;
        let mut statement = self.0.0.prepare_cached(COUNT).context(what)?;
        let number: i64 = statement
            .query_row(named_params! {":id": id}, |r| r.get("count"))
            .context(what)?;
        self.insert_failure(OCCURRENCE, named_params! {":incident": id, ":number": number}, new, now)?;
        Ok((id, number.unsigned_abs()))
    }

    /// Opens an incident that has `failures` failures. Returns its id.
    pub(super) fn insert_incident(&self, subject: Subject<'_>, failures: u64) -> Result<i64, Error> {
        const SQL: &str = "INSERT INTO incident (owner, step, schedule_id, count, alerts)
            VALUES (:owner, :step, :schedule_id, :count, coalesce((SELECT coalesce(alerts, '{}') FROM schedule WHERE key = :schedule),
                (SELECT coalesce(detail, '{}') FROM event WHERE schedule = :schedule AND schedule_id IS NOT NULL AND kind = 'delete')))";
        let mut statement = self.0.0.prepare_cached(SQL).context("record the incident")?;
        let inserted = statement.insert(named_params! {
            ":owner": subject.owner(), ":step": subject.name(), ":schedule": subject.schedule(), ":schedule_id": subject.schedule_id(),
            ":count": count(failures),
        });
        inserted.context("record the incident")
    }

    /// Inserts a failure with a statement that takes further parameters, `more`.
    pub(super) fn insert_failure(
        &self,
        sql: &str,
        more: &[(&str, &dyn ToSql)],
        new: &NewFailure<'_>,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        let (run, run_id) = new.subject.run();
        let (name, error_type, now) = (new.subject.name(), new.failure.error_type.name(), ms(now));
        let own: [(&str, &dyn ToSql); 9] = [
            (":run", &run),
            (":run_id", &run_id),
            (":name", &name),
            (":url", &new.target_url),
            (":status_code", &new.status_code),
            (":error", &new.failure.message),
            (":error_type", &error_type),
            (":elapsed", &new.elapsed_ms),
            (":now", &now),
        ];
        let mut statement = self.0.0.prepare_cached(sql).context("record the failure")?;
        let done = statement.execute([&own, more].concat().as_slice());
        done.map(|_| ()).context("record the failure")
    }

    /// The open incident of a subject that has succeeded, if there is one. Failures that were too few for an incident are forgotten.
    pub(crate) fn incident_of_success(&self, subject: Subject<'_>) -> Result<Option<i64>, Error> {
        // A query first: there is rarely an open incident, and an UPDATE with RETURNING takes several times as long.
        let owner = subject.owner();
        self.forget_early_failures(&owner, subject.name())?;
        self.open_incident(&owner, subject.name())
    }

    /// Counts a success against the open incident of its subject, and resolves it after `enough` in a row. Returns whether it is resolved.
    pub(crate) fn count_success(&self, subject: Subject<'_>, id: i64, enough: u32, now: DateTime<Utc>) -> Result<bool, Error> {
        const COUNT: &str = "UPDATE incident SET successes = successes + 1 WHERE id = :id RETURNING successes";
        if enough > 1 {
            let mut statement = self.0.0.prepare_cached(COUNT).context("record the success")?;
            let successes: i64 = statement
                .query_row(named_params! {":id": id}, |r| r.get("successes"))
                .context("record the success")?;
            if successes < i64::from(enough) {
                return Ok(false);
            }
        }
        self.resolve(id, &subject.resolved_event(), now)?;
        Ok(true)
    }
}
