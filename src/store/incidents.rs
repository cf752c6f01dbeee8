//! Incidents: one per schedule and step, open until that step next succeeds. Every failure is kept.

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::{OptionalExtension as _, Row, named_params};

use super::event_kind::EventKind;
use super::events::NewEvent;
use super::rows::{Context as _, at, at_opt, count, ms};
use super::runs::RunRow;
use super::{Read, Write};
use crate::error::Error;
use crate::run::outcome::Failure;
use crate::run::threshold::Threshold;

/// An incident with its latest failure.
#[derive(Debug, Clone)]
pub(crate) struct IncidentRow {
    pub(crate) id: i64,
    pub(crate) schedule_id: Option<String>,
    pub(crate) status: String,
    pub(crate) note: String,
    pub(crate) count: u64,
    pub(crate) first_detected: DateTime<Utc>,
    pub(crate) resolved: Option<DateTime<Utc>>,
    pub(crate) latest: OccurrenceRow,
}

/// A failure in an incident.
#[derive(Debug, Clone)]
pub(crate) struct OccurrenceRow {
    pub(crate) run_id: String,
    pub(crate) target_name: String,
    pub(crate) target_url: String,
    pub(crate) status_code: Option<u16>,
    pub(crate) error: String,
    pub(crate) error_type: String,
    pub(crate) elapsed_ms: i64,
    pub(crate) detected: DateTime<Utc>,
}

const INCIDENT: &str = "SELECT i.id, i.schedule_id, i.status, i.count, i.resolved_ms, i.note, f.detected_ms AS first_ms,
        o.run_id, o.target_name, o.target_url, o.status_code, o.error, o.error_type, o.elapsed_ms, o.detected_ms
    FROM incident i JOIN occurrence o ON o.incident = i.id AND o.number = i.count JOIN occurrence f ON f.incident = i.id AND f.number = 1";

fn occurrence(r: &Row<'_>) -> rusqlite::Result<OccurrenceRow> {
    Ok(OccurrenceRow {
        run_id: r.get("run_id")?,
        target_name: r.get("target_name")?,
        target_url: r.get("target_url")?,
        status_code: r.get("status_code")?,
        error: r.get("error")?,
        error_type: r.get("error_type")?,
        elapsed_ms: r.get("elapsed_ms")?,
        detected: at(r.get("detected_ms")?),
    })
}

fn incident(r: &Row<'_>) -> rusqlite::Result<IncidentRow> {
    Ok(IncidentRow {
        id: r.get("id")?,
        schedule_id: r.get("schedule_id")?,
        status: r.get("status")?,
        note: r.get("note")?,
        count: r.get::<_, i64>("count")?.unsigned_abs(),
        first_detected: at(r.get("first_ms")?),
        resolved: at_opt(r.get("resolved_ms")?),
        latest: occurrence(r)?,
    })
}

impl Read<'_> {
    /// The incidents, newest first; includes resolved ones if `all`. `target` selects a step, or the URL or command line that failed last.
    pub(crate) fn incidents(&self, all: bool, target: Option<&str>) -> Result<Vec<IncidentRow>, Error> {
        let sql = format!(
            "{INCIDENT} WHERE (:all OR i.status <> 'resolved') AND (:target IS NULL OR i.step = :target OR o.target_url = :target) ORDER BY i.id DESC"
        );
        let mut statement = self.0.prepare_cached(&sql).context("list the incidents")?;
        let rows = statement.query_map(named_params! {":all": all, ":target": target}, incident);
        rows.context("list the incidents")?
            .collect::<rusqlite::Result<_>>()
            .context("list the incidents")
    }

    /// The incident with an id.
    pub(crate) fn incident(&self, id: i64) -> Result<Option<IncidentRow>, Error> {
        let sql = format!("{INCIDENT} WHERE i.id = :id");
        let mut statement = self.0.prepare_cached(&sql).context("find the incident")?;
        statement
            .query_row(named_params! {":id": id}, incident)
            .optional()
            .context("find the incident")
    }

    /// The failures of an incident, oldest first.
    pub(crate) fn occurrences(&self, incident: i64) -> Result<Vec<OccurrenceRow>, Error> {
        const SQL: &str = "SELECT run_id, target_name, target_url, status_code, error, error_type, elapsed_ms, detected_ms
            FROM occurrence WHERE incident = :incident ORDER BY number";
        let mut statement = self.0.prepare_cached(SQL).context("read the incident")?;
        let rows = statement.query_map(named_params! {":incident": incident}, occurrence);
        rows.context("read the incident")?
            .collect::<rusqlite::Result<_>>()
            .context("read the incident")
    }

    /// A failure of an incident; the first has the number 1.
    pub(crate) fn occurrence(&self, incident: i64, number: i64) -> Result<Option<OccurrenceRow>, Error> {
        const SQL: &str = "SELECT run_id, target_name, target_url, status_code, error, error_type, elapsed_ms, detected_ms
            FROM occurrence WHERE incident = :incident AND number = :number";
        let mut statement = self.0.prepare_cached(SQL).context("read the incident")?;
        let found = statement.query_row(named_params! {":incident": incident, ":number": number}, occurrence);
        found.optional().context("read the incident")
    }

    /// The incidents of which receivers are to be reminded by `now`.
    pub(crate) fn due_reminders(&self, now: DateTime<Utc>) -> Result<Vec<i64>, Error> {
        const SQL: &str = "SELECT id FROM incident WHERE remind_ms <= :now ORDER BY remind_ms LIMIT 1000";
        let mut statement = self.0.prepare_cached(SQL).context("read the reminders")?;
        let rows = statement.query_map(named_params! {":now": ms(now)}, |r| r.get("id"));
        let rows = rows.context("read the reminders")?;
        rows.collect::<rusqlite::Result<_>>().context("read the reminders")
    }

    /// The numbers of incidents that are open, and that are acknowledged.
    pub(crate) fn unresolved_incidents(&self) -> Result<(u64, u64), Error> {
        const SQL: &str =
            "SELECT count(*) FILTER (WHERE status = 'open') AS open, count(*) FILTER (WHERE status = 'acked') AS acked
            FROM incident WHERE status <> 'resolved'";
        let mut statement = self.0.prepare_cached(SQL).context("count the incidents")?;
        statement
            .query_row([], |r| {
                Ok((
                    r.get::<_, i64>("open")?.unsigned_abs(),
                    r.get::<_, i64>("acked")?.unsigned_abs(),
                ))
            })
            .context("count the incidents")
    }
}

/// When failures open an incident, and how often receivers are reminded of it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct IncidentTerms {
    /// At the first failure if not set.
    pub(crate) open_after: Option<Threshold>,
    pub(crate) remind_every: Option<TimeDelta>,
}

/// Where a failure was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counted {
    /// In this incident, which has so many failures now.
    InIncident { id: i64, count: u64 },
    /// So many failures in a row are too few for an incident.
    Early { failures: u64 },
}

/// A failure to be recorded.
pub(super) struct NewOccurrence<'a> {
    pub(super) owner: String,
    /// The name of the step, which is that of the target.
    pub(super) step: &'a str,
    /// The key and the id of the run, if a run failed.
    pub(super) run: Option<(i64, &'a String)>,
    pub(super) target_url: &'a str,
    pub(super) status_code: Option<u16>,
    pub(super) failure: &'a Failure,
    pub(super) elapsed_ms: i64,
}

/// The detail of the event of an incident that ended because its schedule succeeded, without a run that tells so.
pub(crate) const SUCCEEDED: &str = "the schedule has succeeded";

/// The owner of the incidents of a run: its schedule, or its workflow id if it has none.
fn owner(run: &RunRow) -> String {
    run.schedule
        .map_or_else(|| format!("workflow {}", run.workflow_id), owner_of_schedule)
}

fn owner_of_schedule(key: i64) -> String {
    format!("schedule {key}")
}

impl Write<'_> {
    /// Acknowledges an incident, unless it is resolved.
    pub(crate) fn ack_incident(&self, id: i64, note: Option<&str>, now: DateTime<Utc>) -> Result<(), Error> {
        const SQL: &str = "UPDATE incident SET status = 'acked', remind_ms = NULL, note = coalesce(:note, note) WHERE id = :id AND status <> 'resolved'";
        let done = self.0.0.execute(SQL, named_params! {":id": id, ":note": note});
        done.context("acknowledge the incident")?;
        self.insert_incident_event(EventKind::Ack, id, note, now)
    }

    /// Resolves an incident, unless it is resolved already.
    pub(crate) fn close_incident(&self, id: i64, note: Option<&str>, now: DateTime<Utc>) -> Result<(), Error> {
        const SQL: &str =
            "UPDATE incident SET status = 'resolved', resolved_ms = :now, remind_ms = NULL, note = coalesce(:note, note)
            WHERE id = :id AND status <> 'resolved'";
        let done = self
            .0
            .0
            .execute(SQL, named_params! {":id": id, ":note": note, ":now": ms(now)});
        done.context("resolve the incident")?;
        self.expect_again(id, now)?;
        self.insert_incident_event(EventKind::Resolved, id, note, now)
    }

    /// Records an event of an incident that no run caused.
    fn insert_incident_event(&self, kind: EventKind, id: i64, note: Option<&str>, now: DateTime<Utc>) -> Result<(), Error> {
        // The incidents of a run without a schedule have no other owner than the run that failed last.
        const OWNER: &str = "SELECT coalesce(r.schedule, CASE WHEN i.owner LIKE 'schedule %' THEN CAST(substr(i.owner, 10) AS INTEGER) END) AS schedule, i.schedule_id, CASE WHEN i.schedule_id IS NULL THEN r.key END AS run
            FROM incident i JOIN occurrence o ON o.incident = i.id AND o.number = i.count LEFT JOIN run r ON r.key = o.run WHERE i.id = :id";
        let mut statement = self.0.0.prepare_cached(OWNER).context("record the event")?;
        let (schedule, schedule_id, run): (Option<i64>, Option<String>, Option<i64>) = statement
            .query_row(named_params! {":id": id}, |r| {
                Ok((r.get("schedule")?, r.get("schedule_id")?, r.get("run")?))
            })
            .context("record the event")?;
        let event = NewEvent {
            schedule,
            schedule_id: schedule_id.as_deref(),
            run,
            value: Some(id),
            detail: note,
            ..NewEvent::of_server(kind)
        };
        self.insert_event(&event, now)
    }

    /// Counts a failure: in the open incident of its schedule and step, or in a new one if `terms` allow one.
    pub(crate) fn count_failure(
        &self,
        run: &RunRow,
        (position, target): (usize, (&str, &str)),
        failure: &Failure,
        measured: (Option<u16>, i64),
        terms: &IncidentTerms,
        now: DateTime<Utc>,
    ) -> Result<Counted, Error> {
        let (name, url) = target;
        let occurrence = NewOccurrence {
            owner: owner(run),
            step: name,
            run: Some((run.key, &run.run_id)),
            target_url: url,
            status_code: measured.0,
            failure,
            elapsed_ms: measured.1,
        };
        let open = self.open_incident(&occurrence.owner, name)?;
        if let (None, Some(threshold)) = (open, terms.open_after) {
            let (failures, since) = self.add_early_failure(&occurrence, now)?;
            let span = (now - since).to_std().unwrap_or_default();
            if !threshold.is_reached(failures, span) {
                let event = NewEvent {
                    position: Some(position),
                    number: Some(count(failures)),
                    detail: Some(&failure.message),
                    ..NewEvent::of_run(EventKind::Failing, run)
                };
                self.insert_event(&event, now)?;
                return Ok(Counted::Early { failures });
            }
            let id = self.open_with_early_failures(&occurrence, run.schedule_id.as_deref(), failures)?;
            return self.counted((id, failures), (run, position), true, terms, now);
        }
        let (id, number) = self.add_occurrence(open, &occurrence, run.schedule_id.as_deref(), now)?;
        self.counted((id, number), (run, position), open.is_none(), terms, now)
    }

    /// Records the event of a failure in an incident, and when receivers are next reminded of it.
    fn counted(
        &self,
        (id, number): (i64, u64),
        (run, position): (&RunRow, usize),
        opened: bool,
        terms: &IncidentTerms,
        now: DateTime<Utc>,
    ) -> Result<Counted, Error> {
        self.set_reminder(id, terms.remind_every, now)?;
        let event = NewEvent {
            position: Some(position),
            number: Some(count(number)),
            value: Some(id),
            detail: opened.then_some("opened"),
            ..NewEvent::of_run(EventKind::Incident, run)
        };
        self.insert_event(&event, now)?;
        Ok(Counted::InIncident { id, count: number })
    }

    /// Counts a failure of a schedule that no run caused, in its open incident or in a new one if `terms` allow one; returns its id.
    pub(crate) fn open_schedule_incident(
        &self,
        (schedule, schedule_id): (i64, &str),
        step: &str,
        (failure, elapsed_ms): (&Failure, i64),
        terms: &IncidentTerms,
        now: DateTime<Utc>,
    ) -> Result<Option<i64>, Error> {
        let occurrence = NewOccurrence {
            owner: owner_of_schedule(schedule),
            step,
            run: None,
            target_url: schedule_id,
            status_code: None,
            failure,
            elapsed_ms,
        };
        let open = self.open_incident(&occurrence.owner, step)?;
        let (id, number) = if let (None, Some(threshold)) = (open, terms.open_after) {
            let (failures, since) = self.add_early_failure(&occurrence, now)?;
            if !threshold.is_reached(failures, (now - since).to_std().unwrap_or_default()) {
                let event = NewEvent {
                    number: Some(count(failures)),
                    detail: Some(&failure.message),
                    ..NewEvent::at_schedule(EventKind::Failing, schedule)
                };
                self.insert_event(&event, now)?;
                return Ok(None);
            }
            (
                self.open_with_early_failures(&occurrence, Some(schedule_id), failures)?,
                failures,
            )
        } else {
            self.add_occurrence(open, &occurrence, Some(schedule_id), now)?
        };
        self.set_reminder(id, terms.remind_every, now)?;
        let event = NewEvent {
            number: Some(count(number)),
            value: Some(id),
            detail: open.is_none().then_some("opened"),
            ..NewEvent::at_schedule(EventKind::Incident, schedule)
        };
        self.insert_event(&event, now)?;
        Ok(Some(id))
    }

    /// The open incident of an owner and a step.
    pub(super) fn open_incident(&self, owner: &str, step: &str) -> Result<Option<i64>, Error> {
        const SQL: &str = "SELECT id FROM incident WHERE owner = :owner AND step = :step AND status <> 'resolved'";
        let mut statement = self.0.0.prepare_cached(SQL).context("find the incident")?;
        let found = statement.query_row(named_params! {":owner": owner, ":step": step}, |r| r.get("id"));
        found.optional().context("find the incident")
    }

    /// Adds a failure to an open incident, or to a new one. Returns the id and failure count of the incident.
    fn add_occurrence(
        &self,
        open: Option<i64>,
        occurrence: &NewOccurrence<'_>,
        schedule_id: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<(i64, u64), Error> {
        const OPEN: &str = "INSERT INTO incident (owner, step, schedule_id) VALUES (:owner, :step, :schedule_id)";
        const COUNT: &str = "UPDATE incident SET count = count + 1, successes = 0 WHERE id = :id RETURNING count";
        const OCCURRENCE: &str = "INSERT INTO occurrence
            (incident, number, run, run_id, target_name, target_url, status_code, error, error_type, elapsed_ms, detected_ms)
            VALUES (:incident, :number, :run, :run_id, :name, :url, :status_code, :error, :error_type, :elapsed, :now)";
        let what = "record the incident";
        let id = if let Some(id) = open {
            id
        } else {
            let mut statement = self.0.0.prepare_cached(OPEN).context(what)?;
            let parameters = named_params! {":owner": occurrence.owner, ":step": occurrence.step, ":schedule_id": schedule_id};
            statement.insert(parameters).context(what)?
        };
        let mut statement = self.0.0.prepare_cached(COUNT).context(what)?;
        let number: i64 = statement
            .query_row(named_params! {":id": id}, |r| r.get("count"))
            .context(what)?;
        let (run, run_id) = occurrence.run.unzip();
        let mut statement = self.0.0.prepare_cached(OCCURRENCE).context(what)?;
        statement
            .execute(named_params! {
                ":incident": id,
                ":number": number,
                ":run": run,
                ":run_id": run_id.map_or("", String::as_str),
                ":name": occurrence.step,
                ":url": occurrence.target_url,
                ":status_code": occurrence.status_code,
                ":error": occurrence.failure.message,
                ":error_type": occurrence.failure.error_type.name(),
                ":elapsed": occurrence.elapsed_ms,
                ":now": ms(now),
            })
            .context(what)?;
        Ok((id, number.unsigned_abs()))
    }

    /// Sets how often receivers are reminded of an incident; `None` for never. Acknowledged incidents need no reminder.
    fn set_reminder(&self, id: i64, every: Option<TimeDelta>, now: DateTime<Utc>) -> Result<(), Error> {
        const SQL: &str = "UPDATE incident SET remind_every_ms = :every,
            remind_ms = CASE WHEN :every IS NOT NULL AND status = 'open' THEN coalesce(remind_ms, :now + :every) END
            WHERE id = :id AND (remind_every_ms IS NOT :every OR remind_ms IS NULL AND :every IS NOT NULL)";
        let mut statement = self.0.0.prepare_cached(SQL).context("record the reminder")?;
        let every = every.map(|every| every.num_milliseconds());
        let done = statement.execute(named_params! {":id": id, ":every": every, ":now": ms(now)});
        done.map(|_| ()).context("record the reminder")
    }

    /// Records that receivers are reminded of an incident now, unless it is not open any more. Returns whether it is.
    pub(crate) fn remind(&self, id: i64, now: DateTime<Utc>) -> Result<bool, Error> {
        const SQL: &str = "UPDATE incident SET remind_ms = CASE WHEN status = 'open' THEN :now + remind_every_ms END WHERE id = :id AND remind_ms <= :now
            RETURNING status = 'open' AS open";
        let mut statement = self.0.0.prepare_cached(SQL).context("record the reminder")?;
        let found = statement.query_row(named_params! {":id": id, ":now": ms(now)}, |r| r.get("open"));
        let is_open = found.optional().context("record the reminder")?.unwrap_or(false);
        if is_open {
            self.insert_incident_event(EventKind::Remind, id, None, now)?;
        }
        Ok(is_open)
    }

    /// Resolves the open incidents of a schedule that is being deleted: its steps will not succeed again.
    pub(super) fn resolve_incidents_of(&self, schedule: i64, now: DateTime<Utc>) -> Result<(), Error> {
        const SQL: &str = "SELECT id FROM incident WHERE owner = :owner AND status <> 'resolved'";
        let owner = owner_of_schedule(schedule);
        let mut statement = self.0.0.prepare_cached(SQL).context("resolve the incidents")?;
        let rows = statement.query_map(named_params! {":owner": owner}, |r| r.get("id"));
        let rows = rows.context("resolve the incidents")?;
        let open: Vec<i64> = rows.collect::<rusqlite::Result<_>>().context("resolve the incidents")?;
        for id in open {
            let event = NewEvent {
                detail: Some("the schedule was deleted"),
                ..NewEvent::at_schedule(EventKind::Resolved, schedule)
            };
            self.resolve(id, &event, now)?;
        }
        self.forget_early_failures_of(&owner)
    }

    /// The open incident of a step that has succeeded, if there is one. Failures that were too few for an incident are forgotten.
    pub(crate) fn incident_of_success(&self, run: &RunRow, step: &str) -> Result<Option<i64>, Error> {
        // A query first: there is rarely an open incident, and an UPDATE with RETURNING takes several times as long.
        let owner = owner(run);
        self.forget_early_failures(&owner, step)?;
        self.open_incident(&owner, step)
    }

    /// Counts a success against an incident, and resolves it after `enough` in a row. Returns whether it is resolved.
    pub(crate) fn count_success(&self, run: &RunRow, id: i64, enough: u32, now: DateTime<Utc>) -> Result<bool, Error> {
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
        self.resolve(id, &NewEvent::of_run(EventKind::Resolved, run), now)?;
        Ok(true)
    }

    /// Resolves an incident; `event` is what resolved it.
    fn resolve(&self, id: i64, event: &NewEvent<'_>, now: DateTime<Utc>) -> Result<(), Error> {
        const SQL: &str = "UPDATE incident SET status = 'resolved', resolved_ms = :now, remind_ms = NULL WHERE id = :id";
        let what = "resolve the incident";
        let mut statement = self.0.0.prepare_cached(SQL).context(what)?;
        statement.execute(named_params! {":id": id, ":now": ms(now)}).context(what)?;
        let event = NewEvent {
            value: Some(id),
            ..*event
        };
        self.insert_event(&event, now)
    }

    /// Counts a success of a schedule that no run tells of, against the open incident of a step, which `enough` in a row resolve.
    pub(crate) fn count_schedule_success(&self, schedule: i64, step: &str, enough: u32, now: DateTime<Utc>) -> Result<(), Error> {
        const COUNT: &str =
            "UPDATE incident SET successes = successes + 1 WHERE id = :id RETURNING successes >= :enough AS enough";
        let owner = owner_of_schedule(schedule);
        self.forget_early_failures(&owner, step)?;
        let Some(id) = self.open_incident(&owner, step)? else {
            return Ok(());
        };
        let mut statement = self.0.0.prepare_cached(COUNT).context("record the success")?;
        let is_enough: bool = statement
            .query_row(named_params! {":id": id, ":enough": enough}, |r| r.get("enough"))
            .context("record the success")?;
        if is_enough {
            self.resolve_schedule_incident(schedule, step, SUCCEEDED, now)?;
        }
        Ok(())
    }

    /// Resolves the open incident of a schedule that no run resolves, if there is one, for a reason; returns its id.
    pub(crate) fn resolve_schedule_incident(
        &self,
        schedule: i64,
        step: &str,
        reason: &str,
        now: DateTime<Utc>,
    ) -> Result<Option<i64>, Error> {
        let open = self.open_incident(&owner_of_schedule(schedule), step)?;
        if let Some(id) = open {
            let event = NewEvent {
                detail: Some(reason),
                ..NewEvent::at_schedule(EventKind::Resolved, schedule)
            };
            self.resolve(id, &event, now)?;
        }
        Ok(open)
    }
}
