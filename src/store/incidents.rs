//! Incidents: one per schedule and step, open until that step next succeeds. Every failure is kept.

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension as _, Row, named_params};

use super::event_kind::EventKind;
use super::events::NewEvent;
use super::rows::{Context as _, at, at_opt, ms};
use super::runs::RunRow;
use super::{Read, Write};
use crate::error::Error;
use crate::run::outcome::Failure;

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
        const SQL: &str =
            "UPDATE incident SET status = 'acked', note = coalesce(:note, note) WHERE id = :id AND status <> 'resolved'";
        let done = self.0.0.execute(SQL, named_params! {":id": id, ":note": note});
        done.context("acknowledge the incident")?;
        self.insert_incident_event(EventKind::Ack, id, note, now)
    }

    /// Resolves an incident, unless it is resolved already.
    pub(crate) fn close_incident(&self, id: i64, note: Option<&str>, now: DateTime<Utc>) -> Result<(), Error> {
        const SQL: &str = "UPDATE incident SET status = 'resolved', resolved_ms = :now, note = coalesce(:note, note)
            WHERE id = :id AND status <> 'resolved'";
        let done = self
            .0
            .0
            .execute(SQL, named_params! {":id": id, ":note": note, ":now": ms(now)});
        done.context("resolve the incident")?;
        self.insert_incident_event(EventKind::Resolved, id, note, now)
    }

    /// Records an event of an incident that no run caused.
    fn insert_incident_event(&self, kind: EventKind, id: i64, note: Option<&str>, now: DateTime<Utc>) -> Result<(), Error> {
        // The incidents of a run without a schedule have no other owner than the run that failed last.
        const OWNER: &str = "SELECT r.schedule, i.schedule_id, CASE WHEN i.schedule_id IS NULL THEN r.key END AS run
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

    /// Adds a failure to the open incident of its schedule and step, or to a new one. Returns the id and failure count of the incident.
    pub(crate) fn count_incident(
        &self,
        run: &RunRow,
        (position, target): (usize, (&str, &str)),
        failure: &Failure,
        measured: (Option<u16>, i64),
        now: DateTime<Utc>,
    ) -> Result<(i64, u64), Error> {
        const OPEN: &str = "INSERT INTO incident (owner, step, schedule_id) SELECT :owner, :step, :schedule_id
            WHERE NOT EXISTS (SELECT 1 FROM incident WHERE owner = :owner AND step = :step AND status <> 'resolved')";
        const COUNT: &str = "UPDATE incident SET count = count + 1 WHERE owner = :owner AND step = :step AND status <> 'resolved'
            RETURNING id, count";
        const OCCURRENCE: &str = "INSERT INTO occurrence
            (incident, number, run, run_id, target_name, target_url, status_code, error, error_type, elapsed_ms, detected_ms)
            VALUES (:incident, :number, :run, :run_id, :name, :url, :status_code, :error, :error_type, :elapsed, :now)";
        let owner = owner(run);
        let (name, url) = target;
        let what = "record the incident";
        let mut statement = self.0.0.prepare_cached(OPEN).context(what)?;
        statement
            .execute(named_params! {":owner": owner, ":step": name, ":schedule_id": run.schedule_id})
            .context(what)?;
        let mut statement = self.0.0.prepare_cached(COUNT).context(what)?;
        let (id, number): (i64, i64) = statement
            .query_row(named_params! {":owner": owner, ":step": name}, |r| {
                Ok((r.get("id")?, r.get("count")?))
            })
            .context(what)?;
        let mut statement = self.0.0.prepare_cached(OCCURRENCE).context(what)?;
        statement
            .execute(named_params! {
                ":incident": id,
                ":number": number,
                ":run": run.key,
                ":run_id": run.run_id,
                ":name": name,
                ":url": url,
                ":status_code": measured.0,
                ":error": failure.message,
                ":error_type": failure.error_type.name(),
                ":elapsed": measured.1,
                ":now": ms(now),
            })
            .context(what)?;
        let event = NewEvent {
            position: Some(position),
            number: Some(number),
            value: Some(id),
            detail: (number == 1).then_some("opened"),
            ..NewEvent::of_run(EventKind::Incident, run)
        };
        self.insert_event(&event, now)?;
        Ok((id, number.unsigned_abs()))
    }

    /// Resolves the open incidents of a schedule that is being deleted: its steps will not succeed again.
    pub(super) fn resolve_incidents_of(&self, schedule: i64, now: DateTime<Utc>) -> Result<(), Error> {
        const SQL: &str =
            "UPDATE incident SET status = 'resolved', resolved_ms = :now WHERE owner = :owner AND status <> 'resolved'";
        let mut statement = self.0.0.prepare_cached(SQL).context("resolve the incidents")?;
        let done = statement.execute(named_params! {":owner": owner_of_schedule(schedule), ":now": ms(now)});
        done.map(|_| ()).context("resolve the incidents")
    }

    /// Resolves the open incident of a step that has succeeded; returns its id, if there was one.
    pub(crate) fn resolve_incident(&self, run: &RunRow, step: &str, now: DateTime<Utc>) -> Result<Option<i64>, Error> {
        // A query first: there is rarely an open incident, and an UPDATE with RETURNING takes several times as long.
        const OPEN: &str = "SELECT id FROM incident WHERE owner = :owner AND step = :step AND status <> 'resolved'";
        const SQL: &str = "UPDATE incident SET status = 'resolved', resolved_ms = :now WHERE id = :id";
        let what = "resolve the incident";
        let mut statement = self.0.0.prepare_cached(OPEN).context(what)?;
        let found = statement.query_row(named_params! {":owner": owner(run), ":step": step}, |r| r.get("id"));
        let Some(id) = found.optional().context(what)? else {
            return Ok(None);
        };
        let mut statement = self.0.0.prepare_cached(SQL).context(what)?;
        statement.execute(named_params! {":id": id, ":now": ms(now)}).context(what)?;
        let event = NewEvent {
            value: Some(id),
            ..NewEvent::of_run(EventKind::Resolved, run)
        };
        self.insert_event(&event, now)?;
        Ok(Some(id))
    }
}
