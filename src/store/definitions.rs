//! The definitions of schedules: inserted, updated, kept for pending times, and deleted.

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension as _, ToSql, named_params};

use super::Write;
use super::event_kind::EventKind;
use super::events::NewEvent;
use super::rows::{Context as _, count, ms, to_json};
use crate::error::Error;
use crate::names::ScheduleId;
use crate::run::step_text::Action;
use crate::schedule::{Alerts, Declared, Definition, State};

/// A schedule to be inserted or updated.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NewSchedule<'a> {
    pub(crate) id: &'a ScheduleId,
    pub(crate) definition: &'a Definition,
    /// When it fires, in English.
    pub(crate) spec_text: &'a str,
    pub(crate) state: &'a State,
    /// The next due time.
    pub(crate) next: Option<DateTime<Utc>>,
}

/// The file that defines a schedule, and the state that it declares.
pub(crate) type Owner<'a> = Option<(&'a str, &'a Declared)>;

/// What was left of a schedule when it was deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DeletedSchedule {
    /// Number of its runs that go on.
    pub(crate) still_running: u64,
    /// Number of buffered and requested starts that had not begun.
    pub(crate) starts_dropped: u64,
    /// Number of backfills that were not complete.
    pub(crate) backfills_canceled: u64,
}

impl Write<'_> {
    /// Returns the key of an action; equal actions share one row.
    pub(crate) fn workflow(&self, action: &Action) -> Result<i64, Error> {
        const SELECT: &str = "SELECT key FROM workflow WHERE json = :json";
        const INSERT: &str = "INSERT INTO workflow (json) VALUES (:json)";
        let (what, text) = ("record the steps", to_json("action", action)?);
        let mut statement = self.0.0.prepare_cached(SELECT).context(what)?;
        let found = statement.query_row(named_params! {":json": text}, |r| r.get("key"));
        if let Some(key) = found.optional().context(what)? {
            return Ok(key);
        }
        let mut statement = self.0.0.prepare_cached(INSERT).context(what)?;
        statement.execute(named_params! {":json": text}).context(what)?;
        Ok(self.0.0.last_insert_rowid())
    }

    /// Inserts a schedule; its times up to `now` are ignored.
    pub(crate) fn insert_schedule(&self, new: &NewSchedule<'_>, owner: Owner<'_>, now: DateTime<Utc>) -> Result<(), Error> {
        const SQL: &str = "INSERT INTO schedule
            (id, spec, spec_text, time_zone, jitter, workflow, workflow_id, overlap, catchup_window_ms, pause_on_failure, pause_after, max_running, alerts, note, paused,
                paused_ms, note_before, created_ms, updated_ms, source, declared)
            VALUES (:id, :spec, :spec_text, :time_zone, :jitter, :workflow, :workflow_id, :overlap, :catchup, :pause_on_failure, :pause_after, :max_running, :alerts, :note, :paused,
                CASE WHEN :paused THEN :now END, CASE WHEN :paused AND :note <> '' THEN :note END, :now, :now, :source, :declared)";
        const PROGRESS: &str = "INSERT INTO progress (schedule, cursor_ms, floor_ms, next_ms, remaining, attention_ms)
            VALUES (:schedule, :now, :now, :next, :remaining, :next)";
        let (source, declared) = owner.unzip();
        let declared = declared.map(|declared| to_json("state", declared)).transpose()?;
        let owner: &[(&str, &dyn ToSql)] = &[(":source", &source), (":declared", &declared)];
        self.define(SQL, owner, new, now)?;
        let key = self.0.0.last_insert_rowid();
        let mut statement = self.0.0.prepare_cached(PROGRESS).context("record the schedule")?;
        statement
            .execute(named_params! {
                ":schedule": key, ":now": ms(now), ":next": new.next.map(ms), ":remaining": new.state.remaining_actions.map(count),
            })
            .context("record the schedule")?;
        self.insert_due(key, new.next)?;
        if let Some(within) = new.definition.alerts.expected_within() {
            self.expect_success(key, Some(within), now)?;
        }
        self.follow(key, &new.definition.after)?;
        // One that only waits for heartbeats is not triggered either.
        let never_starts = new.definition.spec.is_empty() && new.definition.action.is_beat_only();
        let event = NewEvent {
            detail: Some(new.spec_text).filter(|_| !never_starts || !new.definition.after.is_empty()),
            ..NewEvent::of_schedule(EventKind::Create, key, new.id.as_str())
        };
        self.insert_event(&event, now)?;
        if new.state.paused {
            self.insert_pause_event(key, new, true, now)?;
        }
        Ok(())
    }

    /// Sets when the ticker next looks at a schedule.
    pub(crate) fn set_attention(&self, schedule: i64, attention: Option<DateTime<Utc>>) -> Result<(), Error> {
        const NOTE: &str = "UPDATE progress SET attention_ms = :at WHERE schedule = :schedule";
        let note = || {
            let mut statement = self.0.0.prepare_cached(NOTE)?;
            statement.execute(named_params! {":schedule": schedule, ":at": attention.map(ms)})
        };
        self.attend_with(schedule, attention, note)
    }

    /// Like [`Write::set_attention`], but `note` writes the time into the schedule's progress, together with other columns.
    pub(super) fn attend_with(
        &self,
        schedule: i64,
        attention: Option<DateTime<Utc>>,
        note: impl FnOnce() -> rusqlite::Result<usize>,
    ) -> Result<(), Error> {
        // There is one at most, unless the database is damaged.
        const DELETE: &str = "DELETE FROM due WHERE schedule = :schedule";
        let what = "record the due time";
        let mut statement = self.0.0.prepare_cached(DELETE).context(what)?;
        statement.execute(named_params! {":schedule": schedule}).context(what)?;
        note().context(what)?;
        self.insert_due(schedule, attention)
    }

    fn insert_due(&self, schedule: i64, attention: Option<DateTime<Utc>>) -> Result<(), Error> {
        const INSERT: &str = "INSERT INTO due (at_ms, schedule) VALUES (:at, :schedule)";
        let what = "record the due time";
        let Some(at) = attention.map(ms) else { return Ok(()) };
        let mut statement = self.0.0.prepare_cached(INSERT).context(what)?;
        statement
            .execute(named_params! {":schedule": schedule, ":at": at})
            .map(|_| ())
            .context(what)
    }

    /// Keeps the definition that was in force up to `until` for those of its times that are still pending.
    pub(crate) fn keep_epoch(&self, schedule: i64, until: DateTime<Utc>) -> Result<(), Error> {
        const SQL: &str =
            "INSERT INTO epoch (schedule, until_ms, spec, workflow, workflow_id, overlap, catchup_window_ms, max_running, paused, paused_ms, note, remaining)
            SELECT s.key, :until, s.spec, s.workflow, s.workflow_id, s.overlap, s.catchup_window_ms, s.max_running, s.paused, s.paused_ms,
                CASE WHEN s.note_before IS NULL THEN '' ELSE s.note END, p.remaining
            FROM schedule s JOIN progress p ON p.schedule = s.key WHERE s.key = :key";
        let mut statement = self.0.0.prepare_cached(SQL).context("record the earlier definition")?;
        let done = statement.execute(named_params! {":key": schedule, ":until": ms(until)});
        done.map(|_| ()).context("record the earlier definition")
    }

    /// Raises the floor of a schedule: due times up to it are ignored.
    pub(crate) fn ignore_due_times_until(&self, schedule: i64, floor: DateTime<Utc>) -> Result<(), Error> {
        const SQL: &str = "UPDATE progress SET floor_ms = max(floor_ms, :floor) WHERE schedule = :key";
        let mut statement = self.0.0.prepare_cached(SQL).context("record the change")?;
        statement
            .execute(named_params! {":key": schedule, ":floor": ms(floor)})
            .map(|_| ())
            .context("record the change")
    }

    /// Records that a schedule was paused or unpaused; with its note if that is the reason.
    fn insert_pause_event(&self, key: i64, new: &NewSchedule<'_>, with_note: bool, now: DateTime<Utc>) -> Result<(), Error> {
        let kind = if new.state.paused {
            EventKind::Pause
        } else {
            EventKind::Unpause
        };
        let event = NewEvent {
            detail: with_note.then_some(new.state.note.as_str()),
            ..NewEvent::of_schedule(kind, key, new.id.as_str())
        };
        self.insert_event(&event, now)
    }

    /// Replaces the definition and state of a schedule. `fields` are the changed fields as JSON, except `paused`; empty if there are none.
    pub(crate) fn update_schedule(&self, key: i64, new: &NewSchedule<'_>, fields: &str, now: DateTime<Utc>) -> Result<(), Error> {
        const BEFORE: &str =
            "SELECT paused, note <> :note AND note_before IS NOT :note AS has_new_note FROM schedule WHERE key = :key";
        const SQL: &str =
            "UPDATE schedule SET id = :id, spec = :spec, spec_text = :spec_text, time_zone = :time_zone, jitter = :jitter,
            workflow = :workflow, workflow_id = :workflow_id, overlap = :overlap,
            catchup_window_ms = :catchup, pause_on_failure = :pause_on_failure, pause_after = :pause_after, max_running = :max_running, alerts = :alerts, note = :note, paused = :paused,
            note_before = CASE WHEN :paused AND NOT paused AND note <> :note THEN note WHEN :paused AND note = :note THEN note_before END,
            paused_ms = CASE WHEN :paused THEN coalesce(paused_ms, :now) END, updated_ms = :now
            WHERE key = :key";
        const KEEP: &str = "INSERT INTO past_spec (schedule, until_ms, spec)
            SELECT key, :now, spec FROM schedule WHERE key = :key AND spec <> :spec ON CONFLICT DO NOTHING";
        const KEEP_FOR_BACKFILLS: &str = "UPDATE request SET spec = s.spec FROM schedule s
            WHERE request.schedule = :key AND request.kind = 'backfill' AND request.settled_ms IS NULL AND request.spec IS NULL
                AND s.key = :key AND s.spec <> :spec";
        const PROGRESS: &str = "UPDATE progress SET next_ms = :next, remaining = :remaining, failed_runs = CASE WHEN :unpaused THEN 0 ELSE failed_runs END
            WHERE schedule = :key";
        let what = "record the update";
        let spec = to_json("spec", &new.definition.spec)?;
        let mut statement = self.0.0.prepare_cached(BEFORE).context(what)?;
        let (was_paused, has_new_note): (bool, bool) = statement
            .query_row(named_params! {":key": key, ":note": new.state.note}, |r| {
                Ok((r.get("paused")?, r.get("has_new_note")?))
            })
            .context(what)?;
        if !fields.is_empty() {
            let event = NewEvent {
                detail: Some(fields),
                ..NewEvent::of_schedule(EventKind::Update, key, new.id.as_str())
            };
            self.insert_event(&event, now)?;
        }
        if was_paused != new.state.paused {
            self.insert_pause_event(key, new, has_new_note, now)?;
        }
        let mut statement = self.0.0.prepare_cached(KEEP).context(what)?;
        statement
            .execute(named_params! {":key": key, ":spec": spec, ":now": ms(now)})
            .context(what)?;
        let mut statement = self.0.0.prepare_cached(KEEP_FOR_BACKFILLS).context(what)?;
        statement.execute(named_params! {":key": key, ":spec": spec}).context(what)?;
        self.define(SQL, &[(":key", &key)], new, now)?;
        self.expect_success(key, new.definition.alerts.expected_within(), now)?;
        self.unfollow(key)?;
        self.follow(key, &new.definition.after)?;
        let mut statement = self.0.0.prepare_cached(PROGRESS).context(what)?;
        let remaining = new.state.remaining_actions.map(count);
        let done = statement.execute(named_params! {
            ":key": key, ":next": new.next.map(ms), ":remaining": remaining, ":unpaused": was_paused && !new.state.paused,
        });
        done.map(|_| ()).context(what)
    }

    /// Runs a statement that writes a definition, with further parameters.
    fn define(
        &self,
        sql: &str,
        parameters: &[(&str, &dyn ToSql)],
        new: &NewSchedule<'_>,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        let what = "record the definition";
        let workflow = self.workflow(&new.definition.action)?;
        let alerts = &new.definition.alerts;
        let alerts = (*alerts != Alerts::default()).then(|| to_json("alert settings", alerts));
        let mut statement = self.0.0.prepare_cached(sql).context(what)?;
        let common = named_params! {
            ":alerts": alerts.transpose()?,
            ":id": new.id.as_str(),
            ":spec": to_json("spec", &new.definition.spec)?,
            ":spec_text": new.spec_text,
            ":time_zone": new.definition.spec.zone_name(),
            ":jitter": new.definition.spec.jitter,
            ":workflow": workflow,
            ":workflow_id": new.definition.action.workflow_id.as_deref().unwrap_or(new.id.as_str()),
            ":overlap": new.definition.policies.overlap.name(),
            ":catchup": count(new.definition.policies.catchup_window_ms),
            ":pause_on_failure": new.definition.policies.pause_on_failure,
            ":pause_after": new.definition.policies.pause_after,
            ":max_running": new.definition.policies.max_running,
            ":note": new.state.note,
            ":paused": new.state.paused,
            ":now": ms(now),
        };
        let done = statement.execute([common, parameters].concat().as_slice());
        done.map(|_| ()).context(what)
    }

    /// Sets the note that is restored when a paused schedule is unpaused.
    pub(crate) fn set_note_before_pause(&self, key: i64, note: &str) -> Result<(), Error> {
        const SQL: &str = "UPDATE schedule SET note_before = :note WHERE key = :key";
        let mut statement = self.0.0.prepare_cached(SQL).context("record the note")?;
        let done = statement.execute(named_params! {":key": key, ":note": note});
        done.map(|_| ()).context("record the note")
    }

    /// Records the file that defines a schedule, and the state declared there.
    pub(crate) fn record_source(&self, key: i64, source: &str, declared: &Declared) -> Result<(), Error> {
        const SQL: &str = "UPDATE schedule SET source = :source, declared = :declared
            WHERE key = :key AND (source IS NOT :source OR declared IS NOT :declared)";
        let what = "record where the schedule is defined";
        let mut statement = self.0.0.prepare_cached(SQL).context(what)?;
        let declared = to_json("state", declared)?;
        let done = statement.execute(named_params! {":key": key, ":source": source, ":declared": declared});
        done.map(|_| ()).context(what)
    }

    /// Deletes a schedule; its runs stay, its incidents are resolved, its starts that have not begun are dropped.
    pub(crate) fn delete_schedule(&self, key: i64, now: DateTime<Utc>) -> Result<DeletedSchedule, Error> {
        const SELECT: &str = "SELECT id, alerts, (SELECT count(*) FROM waiting WHERE schedule = :key)
                + (SELECT count(*) FROM request WHERE schedule = :key AND kind = 'trigger' AND settled_ms IS NULL) AS dropped
            FROM schedule WHERE key = :key";
        const SQL: &str = "DELETE FROM schedule WHERE key = :key";
        self.resolve_incidents_of(key, now)?;
        let mut statement = self.0.0.prepare_cached(SELECT).context("delete the schedule")?;
        let (id, alerts, starts_dropped): (String, Option<String>, u64) = statement
            .query_row(named_params! {":key": key}, |r| {
                Ok((r.get("id")?, r.get("alerts")?, r.get("dropped")?))
            })
            .context("delete the schedule")?;
        let deleted = DeletedSchedule {
            still_running: self.count_running(key)?,
            starts_dropped,
            backfills_canceled: self.cancel_backfills(key, now)?,
        };
        let event = NewEvent {
            number: Some(count(deleted.still_running)),
            value: Some(count(starts_dropped)),
            detail: alerts.as_deref(),
            ..NewEvent::of_schedule(EventKind::Delete, key, &id)
        };
        self.insert_event(&event, now)?;
        let mut statement = self.0.0.prepare_cached(SQL).context("delete the schedule")?;
        statement
            .execute(named_params! {":key": key})
            .context("delete the schedule")?;
        Ok(deleted)
    }
}
