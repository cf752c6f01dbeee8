//! Schedules made, changed, paused and deleted.

use chrono::{DateTime, Utc};

use super::patch::{Patch, Settings};
use crate::error::{Error, Kind};
use crate::names::{ScheduleId, nearest};
use crate::run::step::Workflow;
use crate::schedule::pending::{coming, leaves_pending};
use crate::schedule::plan_input::Epoch;
use crate::schedule::{Definition, State};
use crate::spec::text::{duration, duration_text};
use crate::spec::zone::Zones;
use crate::spec::{CountedTimes, Spec};
use crate::store::{NewSchedule, Read, ScheduleRow, Write};

/// What to do when the schedule exists already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IfExists {
    /// Refuse.
    Refuse,
    /// Leave it as it is.
    Keep,
}

/// What to do with a spec that can never fire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Never {
    /// Refuse.
    Refuse,
    /// Let it be.
    Allow,
}

/// What became of a `create`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Created {
    /// It was made.
    New,
    /// It was there already, and is as it was.
    Kept,
}

/// Finds a schedule.
///
/// # Errors
/// `NotFound` with the nearest id.
pub(crate) fn find(read: &Read<'_>, id: &ScheduleId) -> Result<ScheduleRow, Error> {
    read.schedule(id)?.map_or_else(|| Err(missing(read, id)?), Ok)
}

fn missing(read: &Read<'_>, id: &ScheduleId) -> Result<Error, Error> {
    let error = Error::new(Kind::NotFound, format_args!("no schedule is named `{id}`"));
    let ids = read.schedule_ids()?;
    Ok(match nearest(id.as_str(), ids.iter().map(String::as_str)) {
        Some(near) => error.hint(format_args!("Did you mean `{near}`?")),
        None if ids.is_empty() => error.hint("There is none yet: `tempo schedule create` makes one."),
        None => error.hint("Run `tempo schedule list` to see them all."),
    })
}

/// Checks what a new schedule would be, before there need be a database.
///
/// # Errors
/// `Usage` when a part is wrong.
pub(crate) fn check_new(
    zones: &dyn Zones,
    id: &ScheduleId,
    patch: &Patch,
    never: Never,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    check(id, &new_settings(patch)?, zones, never, now).map(|_| ())
}

pub(super) fn new_settings(patch: &Patch) -> Result<Settings, Error> {
    normal(patch.apply(&Settings::default()))
}

/// Makes a schedule from what is named. Its first time is after `now`.
///
/// # Errors
/// `Usage` when a part is wrong, `Conflict` when the id is taken.
pub(crate) fn create(
    write: &Write<'_>,
    zones: &dyn Zones,
    id: &ScheduleId,
    patch: &Patch,
    how: (IfExists, Never),
    now: DateTime<Utc>,
) -> Result<Created, Error> {
    let settings = new_settings(patch)?;
    let spec = check(id, &settings, zones, how.1, now)?;
    if write.schedule_key(id)?.is_some() {
        return match how.0 {
            IfExists::Keep => Ok(Created::Kept),
            IfExists::Refuse => Err(
                Error::new(Kind::Conflict, format_args!("a schedule named `{id}` exists already")).hint(format_args!(
                    "`tempo schedule update {id}` changes it; `--if-not-exists` leaves it as it is."
                )),
            ),
        };
    }
    insert(write, id, &settings, &spec, now)?;
    Ok(Created::New)
}

/// Puts a schedule on file that has been checked: its key.
pub(super) fn insert(
    write: &Write<'_>,
    id: &ScheduleId,
    settings: &Settings,
    spec: &Spec,
    now: DateTime<Utc>,
) -> Result<i64, Error> {
    let next = next_of(spec, &settings.state, now, now);
    write.insert_schedule(&new(id, settings, next), now)
}

/// Changes what is named of a schedule. Times due up to `now` stay with what it was.
///
/// # Errors
/// `NotFound`; `Usage` when a part is wrong.
pub(crate) fn update(
    write: &Write<'_>,
    zones: &dyn Zones,
    id: &ScheduleId,
    patch: &Patch,
    never: Never,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let row = find(write, id)?;
    let before = settings_of(write, &row)?;
    let after = normal(patch.apply(&before))?;
    if after == before {
        return Ok(());
    }
    // A spec that could never fire is refused where it is new; one that has come to its end may still be changed otherwise.
    let never = if after.definition.spec == before.definition.spec {
        Never::Allow
    } else {
        never
    };
    let spec = check(id, &after, zones, never, now)?;
    change_to(write, zones, &row, &before, &after, &spec, now)
}

/// Makes a schedule what has been checked, with the spec of that; nothing is written where nothing changes.
pub(super) fn change_to(
    write: &Write<'_>,
    zones: &dyn Zones,
    row: &ScheduleRow,
    before: &Settings,
    after: &Settings,
    spec: &Spec,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    if after == before {
        return Ok(());
    }
    let old = Spec::compile(&before.definition.spec, row.id.as_str(), zones)?;
    replace(write, row, before, after, (&old, spec), now)
}

/// Pauses schedules; `note` replaces theirs where it is given.
///
/// # Errors
/// `NotFound`.
pub(crate) fn pause(
    write: &Write<'_>,
    zones: &dyn Zones,
    id: &ScheduleId,
    note: Option<&str>,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    set_paused(write, zones, id, true, note, now)
}

/// Unpauses a schedule; how many times have passed meanwhile, and the first and the last of them.
///
/// # Errors
/// `NotFound`.
pub(crate) fn unpause(
    write: &Write<'_>,
    zones: &dyn Zones,
    id: &ScheduleId,
    note: Option<&str>,
    now: DateTime<Utc>,
) -> Result<Option<CountedTimes>, Error> {
    let row = find(write, id)?;
    let passed = if row.state.paused {
        let spec = row.compiled(zones)?;
        // What was due before it was paused belongs to the time before.
        let paused_since = write.pending_until(row.key)?.unwrap_or(row.floor);
        spec.count_due(row.cursor, row.floor.max(paused_since), now)
    } else {
        None
    };
    set_paused(write, zones, id, false, note, now)?;
    Ok(passed)
}

fn set_paused(
    write: &Write<'_>,
    zones: &dyn Zones,
    id: &ScheduleId,
    paused: bool,
    note: Option<&str>,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let row = find(write, id)?;
    let before = settings_of(write, &row)?;
    let mut after = before.clone();
    after.state.paused = paused;
    if let Some(note) = note {
        note.clone_into(&mut after.state.note);
    }
    if after == before {
        return Ok(());
    }
    let spec = Spec::compile(&after.definition.spec, id.as_str(), zones)?;
    replace(write, &row, &before, &after, (&spec, &spec), now)
}

/// Deletes a schedule; its runs stay on file. How many of them are still going.
///
/// # Errors
/// `NotFound`.
pub(crate) fn delete(write: &Write<'_>, id: &ScheduleId, now: DateTime<Utc>) -> Result<u64, Error> {
    let row = find(write, id)?;
    write.delete_schedule(row.key, now)
}

/// The next due times of a schedule, at most `limit`, as they will come by themselves.
pub(crate) fn next_times(row: &ScheduleRow, spec: &Spec, limit: usize, now: DateTime<Utc>) -> Vec<DateTime<Utc>> {
    if row.state.paused {
        return Vec::new();
    }
    let limit = row
        .state
        .remaining_actions
        .map_or(limit, |left| limit.min(usize::try_from(left).unwrap_or(limit)));
    coming(spec, row.cursor, row.floor.max(now)).take(limit).collect()
}

pub(super) fn settings_of(read: &Read<'_>, row: &ScheduleRow) -> Result<Settings, Error> {
    Ok(Settings {
        definition: Definition {
            spec: row.written()?,
            action: read.action(row.workflow)?,
            policies: row.policies,
        },
        state: row.state.clone(),
    })
}

/// Durations are kept in their normal form, so that a schedule reads the same however it was written.
fn normal(mut settings: Settings) -> Result<Settings, Error> {
    if let Some(jitter) = &settings.definition.spec.jitter {
        let jitter = duration(jitter)?;
        settings.definition.spec.jitter = (!jitter.is_zero()).then(|| duration_text(jitter));
    }
    Ok(settings)
}

/// Everything that can be wrong with a schedule.
pub(super) fn check(
    id: &ScheduleId,
    settings: &Settings,
    zones: &dyn Zones,
    never: Never,
    now: DateTime<Utc>,
) -> Result<Spec, Error> {
    let spec = Spec::compile(&settings.definition.spec, id.as_str(), zones)?;
    Workflow::check(&settings.definition.action)?;
    if let (Some(start), Some(end)) = (settings.definition.spec.start_time, settings.definition.spec.end_time)
        && start > end
    {
        return Err(Error::new(
            Kind::Usage,
            format_args!("the start time {start} is after the end time {end}"),
        )
        .hint("Nothing would ever fire: exchange them, or leave one out."));
    }
    if never == Never::Refuse && settings.definition.spec.is_empty() {
        return Err(Error::new(Kind::Usage, "no time is named").hint(
            "Give `--interval 2m`, `--cron '0 9 * * MON-FRI'` or `--calendar …`; `--allow-never` makes one that is only triggered.",
        ));
    }
    if never == Never::Refuse && !settings.definition.spec.at_boot && spec.next_after(now).is_none() {
        return Err(Error::new(
            Kind::Usage,
            "this spec never fires: no time from now to the end of the year 2100 matches it",
        )
        .hint("Look at the day of month, the years, the exclusions and the end time; `--allow-never` makes it all the same."));
    }
    Ok(spec)
}

fn next_of(spec: &Spec, state: &State, cursor: DateTime<Utc>, floor: DateTime<Utc>) -> Option<DateTime<Utc>> {
    if state.paused || state.remaining_actions == Some(0) {
        None
    } else {
        coming(spec, cursor, floor).next()
    }
}

fn new<'a>(id: &'a ScheduleId, settings: &'a Settings, next: Option<DateTime<Utc>>) -> NewSchedule<'a> {
    NewSchedule {
        id,
        definition: &settings.definition,
        state: &settings.state,
        next,
    }
}

/// Replaces a definition, with its spec before and after: what was due up to `now` is kept with what was in force, for the server to decide.
fn replace(
    write: &Write<'_>,
    row: &ScheduleRow,
    before: &Settings,
    after: &Settings,
    specs: (&Spec, &Spec),
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let (old, spec) = specs;
    // The note decides nothing.
    let deciding = |w: &Settings| Settings {
        state: State {
            note: String::new(),
            ..w.state.clone()
        },
        ..w.clone()
    };
    let next = next_of(spec, &after.state, row.cursor, row.floor.max(now));
    if deciding(before) == deciding(after) {
        return write.update_schedule(row.key, &new(&row.id, after, row.next), now);
    }
    let in_force = Epoch {
        spec: old,
        policies: before.definition.policies,
        paused: before.state.paused,
        remaining: before.state.remaining_actions,
        until: now,
    };
    // Behind an undecided span another begins: raising the floor would pass the first one over.
    let pending = leaves_pending(&in_force, spec, row.cursor, row.next) || write.pending_until(row.key)?.is_some();
    if pending {
        write.keep_epoch(row.key, now)?;
    } else {
        write.raise_floor(row.key, now)?;
    }
    write.update_schedule(row.key, &new(&row.id, after, next), now)?;
    // What waits is decided again at once, under the new definition; so is what was due before it, and what was asked for.
    let at_once = pending || row.waiting > 0 || !write.open_requests(row.key)?.is_empty();
    write.attend(row.key, if at_once { Some(now) } else { next })
}
