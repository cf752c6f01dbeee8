//! Incidents: one per schedule and step, open until that step succeeds. Every failure is kept.

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::{OptionalExtension as _, Row, named_params};

use super::event_kind::EventKind;
use super::events::NewEvent;
use super::rows::{Context as _, at, at_opt, count, json, ms, text, text_opt};
use super::{Read, Write};
use crate::error::Error;
use crate::schedule::Alerts;

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

/// Which incidents are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum IncidentScope {
    /// Open and acknowledged ones.
    #[default]
    Unresolved,
    Resolved,
    All,
}

impl IncidentScope {
    /// All incidents if `all`, else the unresolved ones.
    pub(crate) fn unresolved_or_all(all: bool) -> Self {
        if all { Self::All } else { Self::Unresolved }
    }
}

/// Selects incidents; `None` in a field means no restriction.
#[derive(Debug, Clone, Default)]
pub(crate) struct IncidentFilter {
    pub(crate) scope: IncidentScope,
    /// A step, or the URL or command line that failed last.
    pub(crate) target: Option<String>,
    /// Only incidents older than the one with this id.
    pub(crate) before: Option<i64>,
    /// Maximum number of incidents: the newest.
    pub(crate) limit: Option<u64>,
}

const INCIDENT: &str = "SELECT i.id, i.schedule_id, i.status, i.count, i.resolved_ms, i.note, f.detected_ms AS first_ms,
        o.run_id, o.target_name, o.target_url, o.status_code, o.error, o.error_type, o.elapsed_ms, o.detected_ms
    FROM incident i JOIN occurrence o ON o.incident = i.id AND o.number = i.count JOIN occurrence f ON f.incident = i.id AND f.number = 1";

fn occurrence(r: &Row<'_>) -> rusqlite::Result<OccurrenceRow> {
    Ok(OccurrenceRow {
        run_id: text(r, "run_id")?,
        target_name: text(r, "target_name")?,
        target_url: text(r, "target_url")?,
        status_code: r.get("status_code")?,
        error: text(r, "error")?,
        error_type: text(r, "error_type")?,
        elapsed_ms: r.get("elapsed_ms")?,
        detected: at(r.get("detected_ms")?),
    })
}

fn incident(r: &Row<'_>) -> rusqlite::Result<IncidentRow> {
    Ok(IncidentRow {
        id: r.get("id")?,
        schedule_id: text_opt(r, "schedule_id")?,
        status: r.get("status")?,
        note: text(r, "note")?,
        count: r.get::<_, i64>("count")?.unsigned_abs(),
        first_detected: at(r.get("first_ms")?),
        resolved: at_opt(r.get("resolved_ms")?),
        latest: occurrence(r)?,
    })
}

impl Read<'_> {
    /// The alert settings that the schedule of an incident had when it was opened. Older databases did not store them: then those that it has now.
    pub(crate) fn alerts_of_incident(&self, incident: &IncidentRow, schedule: Option<i64>) -> Result<Alerts, Error> {
        const SQL: &str = "SELECT alerts FROM incident WHERE id = :id";
        let what = "read the alert settings of the incident";
        let mut statement = self.0.prepare_cached(SQL).context(what)?;
        let stored = statement.query_row(named_params! {":id": incident.id}, |r| r.get::<_, Option<String>>("alerts"));
        match (stored.context(what)?, schedule) {
            (Some(text), _) => json("alert settings", &text),
            (None, Some(schedule)) => self.alerts(schedule),
            (None, None) => Ok(Alerts::default()),
        }
    }

    /// The incidents that match a filter, newest first.
    pub(crate) fn incidents(&self, filter: &IncidentFilter) -> Result<Vec<IncidentRow>, Error> {
        // Each has an index: that of the unresolved ones is small.
        let scope = match filter.scope {
            IncidentScope::Unresolved => "i.status <> 'resolved'",
            IncidentScope::Resolved => "i.status = 'resolved'",
            IncidentScope::All => "true",
        };
        let sql = format!(
            "{INCIDENT} WHERE {scope} AND (:target IS NULL OR i.step = :target OR o.target_url = :target)
            AND (:before IS NULL OR i.id < :before) ORDER BY i.id DESC LIMIT :limit"
        );
        let mut statement = self.0.prepare_cached(&sql).context("list the incidents")?;
        let parameters = named_params! {
            ":target": filter.target, ":before": filter.before, ":limit": filter.limit.map_or(-1, count),
        };
        let rows = statement.query_map(parameters, incident);
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

/// The owner of the incidents of a schedule.
pub(super) fn owner_of_schedule(key: i64) -> String {
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
                Ok((r.get("schedule")?, text_opt(r, "schedule_id")?, r.get("run")?))
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

    /// The open incident of an owner and a step.
    pub(super) fn open_incident(&self, owner: &str, step: &str) -> Result<Option<i64>, Error> {
        const SQL: &str = "SELECT id FROM incident WHERE owner = :owner AND step = :step AND status <> 'resolved'";
        let mut statement = self.0.0.prepare_cached(SQL).context("find the incident")?;
        let found = statement.query_row(named_params! {":owner": owner, ":step": step}, |r| r.get("id"));
        found.optional().context("find the incident")
    }

    /// Sets how often receivers are reminded of an incident; `None` for never. Acknowledged incidents need no reminder.
    pub(super) fn set_reminder(&self, id: i64, every: Option<TimeDelta>, now: DateTime<Utc>) -> Result<(), Error> {
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

    /// Resolves an incident; `event` is what resolved it.
    pub(super) fn resolve(&self, id: i64, event: &NewEvent<'_>, now: DateTime<Utc>) -> Result<(), Error> {
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
