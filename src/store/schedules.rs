//! Schedules: the records, their volatile progress, and the changes that people make.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension as _, Row, named_params};

use super::rows::{Attempt as _, at, at_opt, count, json, ms, named, to_json};
use super::{Read, Write};
use crate::error::Error;
use crate::names::ScheduleId;
use crate::run::written::Action;
use crate::schedule::simulate::Counters;
use crate::schedule::{OverlapPolicy, Policies, State};
use crate::spec::written::Written;
use crate::spec::zone::Zones;
use crate::spec::{Spec, describe};

/// A schedule as it is on file.
#[derive(Debug, Clone)]
pub(crate) struct ScheduleRow {
    pub(crate) key: i64,
    pub(crate) id: ScheduleId,
    /// As JSON: a list of thousands need not read it.
    spec: String,
    pub(crate) shown: Shown,
    /// The key of its action.
    pub(crate) workflow: i64,
    pub(crate) policies: Policies,
    pub(crate) state: State,
    /// Since when it is paused.
    pub(crate) paused_since: Option<DateTime<Utc>>,
    pub(crate) counters: Counters,
    pub(crate) cursor: DateTime<Utc>,
    pub(crate) floor: DateTime<Utc>,
    pub(crate) next: Option<DateTime<Utc>>,
    pub(crate) last_nominal: Option<DateTime<Utc>>,
    pub(crate) last_started: Option<DateTime<Utc>>,
    pub(crate) created: DateTime<Utc>,
    pub(crate) updated: DateTime<Utc>,
    /// How many starts wait.
    pub(crate) waiting: u64,
}

/// What a list shows of a spec.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    /// In English.
    pub(crate) spec_text: String,
    /// The zone of its wall clock.
    pub(crate) time_zone: String,
    pub(crate) jitter: Option<String>,
}

impl Shown {
    fn of(spec: &Written) -> Self {
        Self {
            spec_text: describe::spec(spec),
            time_zone: spec.zone_name(),
            jitter: spec.jitter.clone(),
        }
    }
}

impl ScheduleRow {
    /// The spec as written.
    pub(crate) fn written(&self) -> Result<Written, Error> {
        json("spec", &self.spec)
    }

    /// The spec made ready.
    pub(crate) fn compiled(&self, zones: &dyn Zones) -> Result<Spec, Error> {
        Spec::compile(&self.written()?, self.id.as_str(), zones)
    }
}

/// A schedule to be put on file.
#[derive(Debug)]
pub(crate) struct NewSchedule<'a> {
    pub(crate) id: &'a ScheduleId,
    pub(crate) spec: &'a Written,
    pub(crate) action: &'a Action,
    pub(crate) policies: Policies,
    pub(crate) state: &'a State,
    pub(crate) next: Option<DateTime<Utc>>,
}

/// A backfill that is not done.
#[derive(Debug, Clone)]
pub(crate) struct BackfillRow {
    pub(crate) schedule: i64,
    pub(crate) start: DateTime<Utc>,
    pub(crate) end: DateTime<Utc>,
    pub(crate) taken: u64,
}

const SCHEDULE: &str = "SELECT s.key, s.workflow, s.catchup_window_ms, s.pause_on_failure, s.note, s.paused, p.remaining,
        p.actions, p.skipped, p.missed, p.dropped, p.cursor_ms, p.floor_ms, s.created_ms, s.updated_ms, p.next_ms, p.last_nominal_ms,
        p.last_started_ms, s.paused_ms, s.spec_text, s.time_zone, s.jitter,
        s.id, s.spec, s.overlap
    FROM schedule s JOIN progress p ON p.schedule = s.key";

/// The columns before they are checked: the row, its id, its spec, its overlap policy or what stands in its place.
type Raw = (Unchecked, String, String, Result<OverlapPolicy, String>);

struct Unchecked {
    key: i64,
    workflow: i64,
    policies: Policies,
    state: State,
    counters: Counters,
    times: [i64; 4],
    maybe: [Option<i64>; 4],
    shown: Shown,
}

/// Reads a row of [`SCHEDULE`], by position: a list of thousands would spend a fifth of its time looking up the names.
fn raw(r: &Row<'_>) -> rusqlite::Result<Raw> {
    let row = Unchecked {
        key: r.get(0)?,
        workflow: r.get(1)?,
        policies: Policies {
            overlap: OverlapPolicy::Skip,
            catchup_window_ms: r.get(2)?,
            pause_on_failure: r.get(3)?,
        },
        state: State {
            note: r.get(4)?,
            paused: r.get(5)?,
            remaining_actions: r.get(6)?,
        },
        counters: Counters {
            actions: r.get(7)?,
            skipped: r.get(8)?,
            missed: r.get(9)?,
            dropped: r.get(10)?,
        },
        times: [r.get(11)?, r.get(12)?, r.get(13)?, r.get(14)?],
        maybe: [r.get(15)?, r.get(16)?, r.get(17)?, r.get(18)?],
        shown: Shown {
            spec_text: r.get(19)?,
            time_zone: r.get(20)?,
            jitter: r.get(21)?,
        },
    };
    let overlap = r.get_ref(24)?.as_str()?;
    let overlap = OverlapPolicy::named(overlap).ok_or_else(|| overlap.to_owned());
    Ok((row, r.get(22)?, r.get(23)?, overlap))
}

fn checked((row, id, spec, overlap): Raw, waiting: &HashMap<i64, u64>) -> Result<ScheduleRow, Error> {
    let [cursor, floor, created, updated] = row.times.map(at);
    let [next, last_nominal, last_started, paused_since] = row.maybe.map(at_opt);
    let shown = if row.shown.spec_text.is_empty() {
        Shown::of(&json("spec", &spec)?)
    } else {
        row.shown
    };
    Ok(ScheduleRow {
        key: row.key,
        id: ScheduleId::try_from(id)?,
        spec,
        shown,
        workflow: row.workflow,
        policies: Policies {
            overlap: overlap.or_else(|unknown| named("overlap policy", &unknown, None))?,
            ..row.policies
        },
        state: row.state,
        paused_since,
        counters: row.counters,
        cursor,
        floor,
        next,
        last_nominal,
        last_started,
        created,
        updated,
        waiting: waiting.get(&row.key).copied().unwrap_or(0),
    })
}

impl Read<'_> {
    /// The schedule of that id.
    pub(crate) fn schedule(&self, id: &ScheduleId) -> Result<Option<ScheduleRow>, Error> {
        let sql = format!("{SCHEDULE} WHERE s.id = :id");
        let mut statement = self.0.prepare_cached(&sql).attempt("look for the schedule")?;
        let found = statement
            .query_row(named_params! {":id": id.as_str()}, raw)
            .optional()
            .attempt("look for the schedule")?;
        let Some(found) = found else { return Ok(None) };
        let waiting = self.waiting_counts(Some(found.0.key))?;
        checked(found, &waiting).map(Some)
    }

    /// The schedules in the order of their ids; only the paused or the active ones where asked for.
    pub(crate) fn schedules(&self, paused: Option<bool>, limit: Option<u64>) -> Result<Vec<ScheduleRow>, Error> {
        let sql = format!("{SCHEDULE} WHERE :paused IS NULL OR s.paused = :paused ORDER BY s.id LIMIT :limit");
        let mut statement = self.0.prepare_cached(&sql).attempt("list the schedules")?;
        let limit = limit.map_or(-1, count);
        let waiting = self.waiting_counts(None)?;
        let rows = statement
            .query_map(named_params! {":paused": paused, ":limit": limit}, raw)
            .attempt("list the schedules")?;
        rows.map(|r| checked(r.attempt("list the schedules")?, &waiting)).collect()
    }

    /// How many starts wait, of one schedule or of all that have any.
    fn waiting_counts(&self, schedule: Option<i64>) -> Result<HashMap<i64, u64>, Error> {
        const ONE: &str = "SELECT schedule, count(*) AS n FROM waiting WHERE schedule = :schedule GROUP BY schedule";
        const ALL: &str = "SELECT schedule, count(*) AS n FROM waiting WHERE :schedule IS NULL GROUP BY schedule";
        let what = "count what waits";
        let sql = if schedule.is_some() { ONE } else { ALL };
        let mut statement = self.0.prepare_cached(sql).attempt(what)?;
        let rows = statement.query_map(named_params! {":schedule": schedule}, |r| {
            Ok((r.get("schedule")?, r.get("n")?))
        });
        rows.attempt(what)?.collect::<rusqlite::Result<_>>().attempt(what)
    }

    /// All ids, in order.
    pub(crate) fn schedule_ids(&self) -> Result<Vec<String>, Error> {
        const SQL: &str = "SELECT id FROM schedule ORDER BY id";
        let mut statement = self.0.prepare_cached(SQL).attempt("list the schedules")?;
        let rows = statement.query_map([], |r| r.get("id")).attempt("list the schedules")?;
        rows.collect::<rusqlite::Result<_>>().attempt("list the schedules")
    }

    /// The key of the schedule of that id.
    pub(crate) fn schedule_key(&self, id: &ScheduleId) -> Result<Option<i64>, Error> {
        const SQL: &str = "SELECT key FROM schedule WHERE id = :id";
        let mut statement = self.0.prepare_cached(SQL).attempt("look for the schedule")?;
        statement
            .query_row(named_params! {":id": id.as_str()}, |r| r.get("key"))
            .optional()
            .attempt("look for the schedule")
    }

    /// An action by its key.
    pub(crate) fn action(&self, workflow: i64) -> Result<Action, Error> {
        const SQL: &str = "SELECT json FROM workflow WHERE key = :key";
        let mut statement = self.0.prepare_cached(SQL).attempt("read the steps")?;
        let text: String = statement
            .query_row(named_params! {":key": workflow}, |r| r.get("json"))
            .attempt("read the steps")?;
        json("action", &text)
    }

    /// Backfills that are not done, of one schedule or of all, oldest first.
    pub(crate) fn open_backfills(&self, schedule: Option<i64>) -> Result<Vec<BackfillRow>, Error> {
        const SQL: &str = "SELECT schedule, start_ms, end_ms, taken FROM request
            WHERE settled_ms IS NULL AND kind = 'backfill' AND (:schedule IS NULL OR schedule = :schedule) ORDER BY key";
        let mut statement = self.0.prepare_cached(SQL).attempt("list the backfills")?;
        let rows = statement.query_map(named_params! {":schedule": schedule}, |r| {
            Ok(BackfillRow {
                schedule: r.get("schedule")?,
                start: at(r.get("start_ms")?),
                end: at(r.get("end_ms")?),
                taken: r.get::<_, i64>("taken")?.unsigned_abs(),
            })
        });
        rows.attempt("list the backfills")?
            .collect::<rusqlite::Result<_>>()
            .attempt("list the backfills")
    }

    /// Schedules that want attention by `now`, the most overdue first.
    pub(crate) fn due(&self, now: DateTime<Utc>, limit: usize) -> Result<Vec<i64>, Error> {
        const SQL: &str = "SELECT schedule FROM due WHERE at_ms <= :now ORDER BY at_ms, schedule LIMIT :limit";
        let mut statement = self.0.prepare_cached(SQL).attempt("ask what is due")?;
        let rows = statement.query_map(named_params! {":now": ms(now), ":limit": count(limit as u64)}, |r| {
            r.get("schedule")
        });
        rows.attempt("ask what is due")?
            .collect::<rusqlite::Result<_>>()
            .attempt("ask what is due")
    }

    /// When the next schedule wants attention.
    pub(crate) fn next_attention(&self) -> Result<Option<DateTime<Utc>>, Error> {
        const SQL: &str = "SELECT min(at_ms) AS at FROM due";
        let mut statement = self.0.prepare_cached(SQL).attempt("ask what is due next")?;
        statement
            .query_row([], |r| r.get::<_, Option<i64>>("at"))
            .map(at_opt)
            .attempt("ask what is due next")
    }

    /// The next due times of all schedules, soonest first: id, due time.
    pub(crate) fn coming(&self, limit: usize) -> Result<Vec<(String, DateTime<Utc>)>, Error> {
        const SQL: &str = "SELECT s.id, p.next_ms FROM progress p JOIN schedule s ON s.key = p.schedule
            WHERE p.next_ms IS NOT NULL ORDER BY p.next_ms, s.id LIMIT :limit";
        let mut statement = self.0.prepare_cached(SQL).attempt("ask what comes next")?;
        let rows = statement
            .query_map(named_params! {":limit": count(limit as u64)}, |r| {
                Ok((r.get("id")?, at(r.get("next_ms")?)))
            })
            .attempt("ask what comes next")?;
        rows.collect::<rusqlite::Result<_>>().attempt("ask what comes next")
    }
}

impl Write<'_> {
    /// The key of an action; alike actions share one row.
    pub(crate) fn workflow(&self, action: &Action) -> Result<i64, Error> {
        const INSERT: &str = "INSERT INTO workflow (json) VALUES (:json) ON CONFLICT DO NOTHING";
        const SELECT: &str = "SELECT key FROM workflow WHERE json = :json";
        let text = to_json("action", action)?;
        self.0
            .0
            .prepare_cached(INSERT)
            .and_then(|mut s| s.execute(named_params! {":json": text}))
            .attempt("record the steps")?;
        let mut statement = self.0.0.prepare_cached(SELECT).attempt("record the steps")?;
        statement
            .query_row(named_params! {":json": text}, |r| r.get("key"))
            .attempt("record the steps")
    }

    /// Puts a schedule on file; its times up to `now` are nobody's.
    pub(crate) fn insert_schedule(&self, new: &NewSchedule<'_>, now: DateTime<Utc>) -> Result<i64, Error> {
        const SQL: &str = "INSERT INTO schedule
            (id, spec, spec_text, time_zone, jitter, workflow, workflow_id, overlap, catchup_window_ms, pause_on_failure, note, paused,
                paused_ms, created_ms, updated_ms)
            VALUES (:id, :spec, :spec_text, :time_zone, :jitter, :workflow, :workflow_id, :overlap, :catchup, :pause_on_failure, :note, :paused,
                CASE WHEN :paused THEN :now END, :now, :now)";
        const PROGRESS: &str = "INSERT INTO progress (schedule, cursor_ms, floor_ms, next_ms, remaining)
            VALUES (:schedule, :now, :now, :next, :remaining)";
        let workflow = self.workflow(new.action)?;
        let base = new.action.workflow_id.as_deref().unwrap_or(new.id.as_str());
        let shown = Shown::of(new.spec);
        let mut statement = self.0.0.prepare_cached(SQL).attempt("record the schedule")?;
        let key = statement
            .insert(named_params! {
                ":id": new.id.as_str(),
                ":spec": to_json("spec", new.spec)?,
                ":spec_text": shown.spec_text,
                ":time_zone": shown.time_zone,
                ":jitter": shown.jitter,
                ":workflow": workflow,
                ":workflow_id": base,
                ":overlap": new.policies.overlap.name(),
                ":catchup": count(new.policies.catchup_window_ms),
                ":pause_on_failure": new.policies.pause_on_failure,
                ":note": new.state.note,
                ":paused": new.state.paused,
                ":now": ms(now),
            })
            .attempt("record the schedule")?;
        let mut statement = self.0.0.prepare_cached(PROGRESS).attempt("record the schedule")?;
        statement
            .execute(named_params! {
                ":schedule": key, ":now": ms(now), ":next": new.next.map(ms), ":remaining": new.state.remaining_actions.map(count),
            })
            .attempt("record the schedule")?;
        self.attend(key, new.next)?;
        Ok(key)
    }

    /// Sets when the ticker must look at a schedule next.
    pub(crate) fn attend(&self, schedule: i64, attention: Option<DateTime<Utc>>) -> Result<(), Error> {
        const FORGET: &str = "DELETE FROM due WHERE schedule = :schedule
            AND at_ms = (SELECT attention_ms FROM progress WHERE schedule = :schedule)";
        const NOTE: &str = "UPDATE progress SET attention_ms = :at WHERE schedule = :schedule";
        const INSERT: &str = "INSERT INTO due (at_ms, schedule) VALUES (:at, :schedule)";
        let what = "record when it is due";
        self.0
            .0
            .prepare_cached(FORGET)
            .and_then(|mut s| s.execute(named_params! {":schedule": schedule}))
            .attempt(what)?;
        let at = attention.map(ms);
        self.0
            .0
            .prepare_cached(NOTE)
            .and_then(|mut s| s.execute(named_params! {":schedule": schedule, ":at": at}))
            .attempt(what)?;
        if at.is_some() {
            let done = self
                .0
                .0
                .prepare_cached(INSERT)
                .and_then(|mut s| s.execute(named_params! {":schedule": schedule, ":at": at}));
            done.attempt(what)?;
        }
        Ok(())
    }

    /// Keeps the definition that was in force up to `until` beside the times of it that are undecided.
    pub(crate) fn keep_epoch(&self, schedule: i64, until: DateTime<Utc>) -> Result<(), Error> {
        const SQL: &str =
            "INSERT INTO epoch (schedule, until_ms, spec, workflow, workflow_id, overlap, catchup_window_ms, paused, paused_ms, note, remaining)
            SELECT s.key, :until, s.spec, s.workflow, s.workflow_id, s.overlap, s.catchup_window_ms, s.paused, s.paused_ms, s.note, p.remaining
            FROM schedule s JOIN progress p ON p.schedule = s.key WHERE s.key = :key";
        let mut statement = self.0.0.prepare_cached(SQL).attempt("keep the definition")?;
        let done = statement.execute(named_params! {":key": schedule, ":until": ms(until)});
        done.map(|_| ()).attempt("keep the definition")
    }

    /// Due times up to `floor` are nobody's.
    pub(crate) fn raise_floor(&self, schedule: i64, floor: DateTime<Utc>) -> Result<(), Error> {
        const SQL: &str = "UPDATE progress SET floor_ms = max(floor_ms, :floor) WHERE schedule = :key";
        let mut statement = self.0.0.prepare_cached(SQL).attempt("record the change")?;
        statement
            .execute(named_params! {":key": schedule, ":floor": ms(floor)})
            .map(|_| ())
            .attempt("record the change")
    }

    /// Replaces what a schedule is.
    pub(crate) fn update_schedule(&self, key: i64, new: &NewSchedule<'_>, now: DateTime<Utc>) -> Result<(), Error> {
        const SQL: &str = "UPDATE schedule SET spec = :spec, spec_text = :spec_text, time_zone = :time_zone, jitter = :jitter,
            workflow = :workflow, workflow_id = :workflow_id, overlap = :overlap,
            catchup_window_ms = :catchup, pause_on_failure = :pause_on_failure, note = :note, paused = :paused,
            paused_ms = CASE WHEN :paused THEN coalesce(paused_ms, :now) END, updated_ms = :now
            WHERE key = :key";
        const KEEP: &str = "INSERT INTO past_spec (schedule, until_ms, spec)
            SELECT key, :now, spec FROM schedule WHERE key = :key AND spec <> :spec ON CONFLICT DO NOTHING";
        const PROGRESS: &str = "UPDATE progress SET next_ms = :next, remaining = :remaining WHERE schedule = :key";
        let what = "record the update";
        let workflow = self.workflow(new.action)?;
        let base = new.action.workflow_id.as_deref().unwrap_or(new.id.as_str());
        let (spec, shown) = (to_json("spec", new.spec)?, Shown::of(new.spec));
        let mut statement = self.0.0.prepare_cached(KEEP).attempt(what)?;
        statement
            .execute(named_params! {":key": key, ":spec": spec, ":now": ms(now)})
            .attempt(what)?;
        let mut statement = self.0.0.prepare_cached(SQL).attempt(what)?;
        statement
            .execute(named_params! {
                ":key": key,
                ":spec": spec,
                ":spec_text": shown.spec_text,
                ":time_zone": shown.time_zone,
                ":jitter": shown.jitter,
                ":workflow": workflow,
                ":workflow_id": base,
                ":overlap": new.policies.overlap.name(),
                ":catchup": count(new.policies.catchup_window_ms),
                ":pause_on_failure": new.policies.pause_on_failure,
                ":note": new.state.note,
                ":paused": new.state.paused,
                ":now": ms(now),
            })
            .attempt(what)?;
        let mut statement = self.0.0.prepare_cached(PROGRESS).attempt(what)?;
        let remaining = new.state.remaining_actions.map(count);
        let done = statement.execute(named_params! {":key": key, ":next": new.next.map(ms), ":remaining": remaining});
        done.map(|_| ()).attempt(what)
    }

    /// Takes a schedule off the file; its runs stay, its incidents are resolved. Returns how many runs are still open.
    pub(crate) fn delete_schedule(&self, key: i64, now: DateTime<Utc>) -> Result<u64, Error> {
        const OPEN: &str = "SELECT count(*) AS n FROM run WHERE schedule = :key AND closed_ms IS NULL";
        const SQL: &str = "DELETE FROM schedule WHERE key = :key";
        let mut statement = self.0.0.prepare_cached(OPEN).attempt("count its runs")?;
        self.resolve_incidents_of(key, now)?;
        let open: i64 = statement
            .query_row(named_params! {":key": key}, |r| r.get("n"))
            .attempt("count its runs")?;
        let mut statement = self.0.0.prepare_cached(SQL).attempt("delete the schedule")?;
        statement
            .execute(named_params! {":key": key})
            .attempt("delete the schedule")?;
        Ok(open.unsigned_abs())
    }
}
