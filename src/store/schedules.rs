//! Queries for schedules and their progress.

use std::collections::HashMap;
use std::sync::LazyLock;

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension as _, Row, named_params};

use super::Read;
use super::rows::{Context as _, at, at_opt, count, json, named, text};
use crate::error::Error;
use crate::names::ScheduleId;
use crate::run::step_text::Action;
use crate::schedule::after::times_text;
use crate::schedule::counters::Counters;
use crate::schedule::{Alerts, Declared, OverlapPolicy, Policies, State};
use crate::spec::Spec;
use crate::spec::spec_text::SpecText;
use crate::spec::zone::Zones;

/// A recorded schedule.
#[derive(Debug, Clone)]
pub(crate) struct ScheduleRow {
    pub(crate) key: i64,
    pub(crate) id: ScheduleId,
    /// The spec as JSON, not parsed because lists do not need it.
    spec: String,
    pub(crate) shown: SpecSummary,
    /// The key of its action.
    pub(crate) workflow: i64,
    pub(crate) policies: Policies,
    pub(crate) alerts: Alerts,
    pub(crate) state: State,
    /// When it was paused, if it is paused.
    pub(crate) paused_since: Option<DateTime<Utc>>,
    pub(crate) counters: Counters,
    pub(crate) cursor: DateTime<Utc>,
    pub(crate) floor: DateTime<Utc>,
    pub(crate) next: Option<DateTime<Utc>>,
    pub(crate) last_nominal: Option<DateTime<Utc>>,
    pub(crate) last_started: Option<DateTime<Utc>>,
    pub(crate) created: DateTime<Utc>,
    pub(crate) updated: DateTime<Utc>,
    /// The number of buffered starts.
    pub(crate) waiting: u64,
}

/// The parts of a spec that a list shows.
#[derive(Debug, Clone)]
pub(crate) struct SpecSummary {
    /// The spec in English.
    pub(crate) spec_text: String,
    /// The name of its time zone.
    pub(crate) time_zone: String,
    pub(crate) jitter: Option<String>,
}

impl SpecSummary {
    pub(super) fn of(spec: &SpecText, after: &[String]) -> Self {
        Self {
            spec_text: times_text(spec, after),
            time_zone: spec.zone_name(),
            jitter: spec.jitter.clone(),
        }
    }
}

impl ScheduleRow {
    /// The spec as written.
    pub(crate) fn stored_spec(&self) -> Result<SpecText, Error> {
        json("spec", &self.spec)
    }

    /// The compiled spec.
    pub(crate) fn compiled(&self, zones: &dyn Zones) -> Result<Spec, Error> {
        Spec::compile(&self.stored_spec()?, self.id.as_str(), zones)
    }
}

/// Selects schedules for a list; `None` in a field means no restriction.
#[derive(Debug, Clone, Default)]
pub(crate) struct SchedulePage {
    /// Only paused or only active ones.
    pub(crate) paused: Option<bool>,
    /// Only ids after this one.
    pub(crate) after: Option<String>,
    /// Only those whose id or note contains this text, in any case.
    pub(crate) contains: Option<String>,
    /// The order; ids continue a list only in the order of ids.
    pub(crate) order: ScheduleOrder,
    /// Number of schedules to leave out at the beginning.
    pub(crate) skip: u64,
    /// Maximum number.
    pub(crate) limit: Option<u64>,
}

/// The order of a list of schedules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum ScheduleOrder {
    #[default]
    Id,
    /// By their next times; those without one come last.
    Next,
    /// Those with the newest start first.
    LastStart,
}

/// An open backfill.
#[derive(Debug, Clone)]
pub(crate) struct BackfillRow {
    pub(crate) schedule: i64,
    pub(crate) start: DateTime<Utc>,
    pub(crate) end: DateTime<Utc>,
    pub(crate) taken: u64,
    /// The spec at the time of the request as JSON, if the spec of the schedule has changed since.
    spec: Option<String>,
}

impl BackfillRow {
    /// The compiled spec at the time of the request, if the spec of the schedule has changed since.
    pub(crate) fn own_spec(&self, id: &str, zones: &dyn Zones) -> Result<Option<Spec>, Error> {
        let compiled = |text: &String| Spec::compile(&json("spec", text)?, id, zones);
        self.spec.as_ref().map(compiled).transpose()
    }
}

const SCHEDULE: &str = "SELECT s.key, s.workflow, s.catchup_window_ms, s.pause_on_failure, s.note, s.paused, p.remaining,
        p.actions, p.skipped, p.missed, p.dropped, p.cursor_ms, p.floor_ms, s.created_ms, s.updated_ms, p.next_ms, p.last_nominal_ms,
        p.last_started_ms, s.paused_ms, s.spec_text, s.time_zone, s.jitter,
        s.id, s.spec, s.overlap, s.alerts, s.max_running, s.pause_after
    FROM schedule s JOIN progress p ON p.schedule = s.key";

/// The columns before they are checked: the row, the id, the spec, and the overlap policy, or its text if unknown.
type Raw = (UncheckedRow, String, String, Result<OverlapPolicy, String>);

struct UncheckedRow {
    key: i64,
    workflow: i64,
    policies: Policies,
    state: State,
    counters: Counters,
    /// The alert settings as JSON, if they are not the defaults.
    alerts: Option<String>,
    times: [i64; 4],
    optional_times: [Option<i64>; 4],
    shown: SpecSummary,
}

/// Reads a row of [`SCHEDULE`] by column position: looking up names would take a fifth of the time of a long list.
fn raw(r: &Row<'_>) -> rusqlite::Result<Raw> {
    let row = UncheckedRow {
        key: r.get(0)?,
        workflow: r.get(1)?,
        policies: Policies {
            overlap: OverlapPolicy::Skip,
            catchup_window_ms: r.get(2)?,
            pause_on_failure: r.get(3)?,
            max_running: r.get(26)?,
            pause_after: r.get(27)?,
        },
        state: State {
            note: text(r, 4)?,
            paused: r.get(5)?,
            remaining_actions: r.get(6)?,
        },
        counters: Counters {
            actions: r.get(7)?,
            skipped: r.get(8)?,
            missed: r.get(9)?,
            dropped: r.get(10)?,
        },
        alerts: r.get(25)?,
        times: [r.get(11)?, r.get(12)?, r.get(13)?, r.get(14)?],
        optional_times: [r.get(15)?, r.get(16)?, r.get(17)?, r.get(18)?],
        shown: SpecSummary {
            spec_text: text(r, 19)?,
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
    let [next, last_nominal, last_started, paused_since] = row.optional_times.map(at_opt);
    let shown = if row.shown.spec_text.is_empty() {
        SpecSummary::of(&json("spec", &spec)?, &[])
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
        alerts: row
            .alerts
            .as_deref()
            .map_or_else(|| Ok(Alerts::default()), |text| json("alert settings", text))?,
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
    /// The schedule with an id.
    pub(crate) fn schedule(&self, id: &ScheduleId) -> Result<Option<ScheduleRow>, Error> {
        static BY_ID: LazyLock<String> = LazyLock::new(|| format!("{SCHEDULE} WHERE s.id = :id"));
        let mut statement = self.0.prepare_cached(&BY_ID).context("find the schedule")?;
        let found = statement
            .query_row(named_params! {":id": id.as_str()}, raw)
            .optional()
            .context("find the schedule")?;
        let Some(found) = found else { return Ok(None) };
        let waiting = self.waiting_counts(Some(found.0.key))?;
        checked(found, &waiting).map(Some)
    }

    /// The schedules of a page, ordered by id.
    pub(crate) fn schedules(&self, page: &SchedulePage) -> Result<Vec<ScheduleRow>, Error> {
        let sql = format!(
            "{SCHEDULE} WHERE s.id > :after AND (:paused IS NULL OR s.paused = :paused)
            AND (:contains IS NULL OR instr(lower(s.id), lower(:contains)) OR instr(lower(s.note), lower(:contains)))
            ORDER BY {} LIMIT :limit OFFSET :skip",
            match page.order {
                ScheduleOrder::Id => "s.id",
                ScheduleOrder::Next => "p.next_ms IS NULL, p.next_ms, s.id",
                ScheduleOrder::LastStart => "p.last_started_ms DESC, s.id",
            }
        );
        let mut statement = self.0.prepare_cached(&sql).context("list the schedules")?;
        let waiting = self.waiting_counts(None)?;
        let parameters = named_params! {
            ":paused": page.paused, ":limit": page.limit.map_or(-1, count), ":skip": count(page.skip), ":after": page.after.as_deref().unwrap_or(""),
            ":contains": page.contains.as_deref().filter(|text| !text.is_empty()),
        };
        let rows = statement.query_map(parameters, raw).context("list the schedules")?;
        rows.map(|r| checked(r.context("list the schedules")?, &waiting)).collect()
    }

    /// The number of buffered starts of one schedule, or of all schedules that have any.
    fn waiting_counts(&self, schedule: Option<i64>) -> Result<HashMap<i64, u64>, Error> {
        const ONE: &str = "SELECT schedule, count(*) AS n FROM waiting WHERE schedule = :schedule GROUP BY schedule";
        const ALL: &str = "SELECT schedule, count(*) AS n FROM waiting WHERE :schedule IS NULL GROUP BY schedule";
        let what = "count the buffered starts";
        let sql = if schedule.is_some() { ONE } else { ALL };
        let mut statement = self.0.prepare_cached(sql).context(what)?;
        let rows = statement.query_map(named_params! {":schedule": schedule}, |r| {
            Ok((r.get("schedule")?, r.get("n")?))
        });
        rows.context(what)?.collect::<rusqlite::Result<_>>().context(what)
    }

    /// The number of schedules and the number of open runs.
    pub(crate) fn count_schedules_and_runs(&self) -> Result<(u64, u64), Error> {
        const SQL: &str =
            "SELECT (SELECT count(*) FROM progress) AS schedules, (SELECT count(*) FROM run WHERE closed_ms IS NULL) AS runs";
        let mut statement = self.0.prepare_cached(SQL).context("count the schedules and runs")?;
        statement
            .query_row([], |r| Ok((r.get("schedules")?, r.get("runs")?)))
            .context("count the schedules and runs")
    }

    /// The note that the note of a pause replaced, if it did.
    pub(crate) fn note_before_pause(&self, key: i64) -> Result<Option<String>, Error> {
        const SQL: &str = "SELECT note_before FROM schedule WHERE key = :key";
        let mut statement = self.0.prepare_cached(SQL).context("read the note")?;
        let found = statement.query_row(named_params! {":key": key}, |r| r.get("note_before"));
        Ok(found.optional().context("read the note")?.flatten())
    }

    /// All schedule ids, in order.
    pub(crate) fn schedule_ids(&self) -> Result<Vec<String>, Error> {
        const SQL: &str = "SELECT id FROM schedule ORDER BY id";
        let mut statement = self.0.prepare_cached(SQL).context("list the schedules")?;
        let rows = statement.query_map([], |r| r.get("id")).context("list the schedules")?;
        rows.collect::<rusqlite::Result<_>>().context("list the schedules")
    }

    /// The alert settings of a schedule, or those that it had when it was deleted.
    pub(crate) fn alerts(&self, key: i64) -> Result<Alerts, Error> {
        const SQL: &str = "SELECT alerts FROM schedule WHERE key = :key";
        const DELETED: &str =
            "SELECT detail AS alerts FROM event WHERE schedule = :key AND schedule_id IS NOT NULL AND kind = 'delete'";
        let what = "read the alert settings";
        for sql in [SQL, DELETED] {
            let mut statement = self.0.prepare_cached(sql).context(what)?;
            let found = statement.query_row(named_params! {":key": key}, |r| r.get::<_, Option<String>>("alerts"));
            if let Some(text) = found.optional().context(what)? {
                return text.map_or_else(|| Ok(Alerts::default()), |text| json("alert settings", &text));
            }
        }
        Ok(Alerts::default())
    }

    /// The file that defines a schedule, if any, and the state that it last declared.
    pub(crate) fn owner(&self, key: i64) -> Result<Option<(String, Declared)>, Error> {
        const SQL: &str = "SELECT source, declared FROM schedule WHERE key = :key AND source IS NOT NULL";
        let what = "read where the schedule is defined";
        let mut statement = self.0.prepare_cached(SQL).context(what)?;
        let found = statement.query_row(named_params! {":key": key}, |r| {
            Ok((r.get::<_, String>("source")?, r.get::<_, String>("declared")?))
        });
        let found = found.optional().context(what)?;
        found
            .map(|(source, declared)| Ok((source, json("state", &declared)?)))
            .transpose()
    }

    /// The schedules defined in files, with their files, ordered by id.
    pub(crate) fn sources(&self) -> Result<Vec<(ScheduleId, String)>, Error> {
        const SQL: &str = "SELECT id, source FROM schedule WHERE source IS NOT NULL ORDER BY id";
        let what = "list the schedules defined in files";
        let mut statement = self.0.prepare_cached(SQL).context(what)?;
        let rows = statement.query_map([], |r| Ok((r.get::<_, String>("id")?, r.get("source")?)));
        let rows = rows.context(what)?;
        rows.map(|row| {
            let (id, source) = row.context(what)?;
            Ok((ScheduleId::try_from(id)?, source))
        })
        .collect()
    }

    /// The key of the schedule with an id.
    pub(crate) fn schedule_key(&self, id: &ScheduleId) -> Result<Option<i64>, Error> {
        const SQL: &str = "SELECT key FROM schedule WHERE id = :id";
        let mut statement = self.0.prepare_cached(SQL).context("find the schedule")?;
        statement
            .query_row(named_params! {":id": id.as_str()}, |r| r.get("key"))
            .optional()
            .context("find the schedule")
    }

    /// The action with a key.
    pub(crate) fn action(&self, workflow: i64) -> Result<Action, Error> {
        const SQL: &str = "SELECT json FROM workflow WHERE key = :key";
        let mut statement = self.0.prepare_cached(SQL).context("read the steps")?;
        let text: String = statement
            .query_row(named_params! {":key": workflow}, |r| r.get("json"))
            .context("read the steps")?;
        json("action", &text)
    }

    /// The open backfills of one schedule or of all, oldest first.
    pub(crate) fn open_backfills(&self, schedule: Option<i64>) -> Result<Vec<BackfillRow>, Error> {
        const SQL: &str = "SELECT schedule, start_ms, end_ms, taken, spec FROM request INDEXED BY request_open
            WHERE settled_ms IS NULL AND kind = 'backfill' AND (:schedule IS NULL OR schedule = :schedule) ORDER BY key";
        let mut statement = self.0.prepare_cached(SQL).context("list the backfills")?;
        let rows = statement.query_map(named_params! {":schedule": schedule}, |r| {
            Ok(BackfillRow {
                schedule: r.get("schedule")?,
                start: at(r.get("start_ms")?),
                end: at(r.get("end_ms")?),
                taken: r.get::<_, i64>("taken")?.unsigned_abs(),
                spec: r.get("spec")?,
            })
        });
        rows.context("list the backfills")?
            .collect::<rusqlite::Result<_>>()
            .context("list the backfills")
    }
}
