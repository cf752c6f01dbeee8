//! Creates, updates and deletes schedules.

use chrono::{DateTime, Utc};

use super::patch::{Patch, Settings};
use crate::error::{Error, Kind};
use crate::files::difference::{self, FieldChange};
use crate::files::schedule_text::ScheduleText;
use crate::names::{ScheduleId, nearest};
use crate::run::step_text::StepText;
use crate::schedule::after::{self, AfterOutcome, cycle, cycle_error, times_text};
use crate::schedule::pending::{coming, leaves_pending};
use crate::schedule::plan_input::Epoch;
use crate::schedule::{Alerts, Definition, Policies, State};
use crate::spec::Spec;
use crate::spec::text::{duration, duration_text};
use crate::spec::zone::Zones;
use crate::store::{DeletedSchedule, NewSchedule, Owner, Read, ScheduleRow, Write};

/// Why a spec never fires.
pub(crate) const NO_TIME: &str = "no time between now and the end of 2100 matches";

/// What to do if the schedule already exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IfExists {
    /// Reject it.
    Refuse,
    /// Leave it as it is.
    Keep,
}

/// What to do with a spec that never fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Never {
    /// Reject it.
    Refuse,
    /// Allow it.
    Allow,
}

/// The result of [`create`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Created {
    /// The schedule was created.
    New,
    /// It already existed and was left as it is.
    Kept,
}

/// Finds a schedule.
///
/// # Errors
/// `NotFound`, with the closest id as a hint.
pub(crate) fn find(read: &Read<'_>, id: &ScheduleId) -> Result<ScheduleRow, Error> {
    read.schedule(id)?.map_or_else(|| Err(missing(read, id)?), Ok)
}

fn missing(read: &Read<'_>, id: &ScheduleId) -> Result<Error, Error> {
    let error = Error::new(Kind::NotFound, format_args!("no schedule is named `{id}`"));
    if read.has_events_of(id.as_str())? {
        return Ok(error.hint(format_args!("It was deleted; `tempo log {id}` shows what happened.")));
    }
    let ids = read.schedule_ids()?;
    Ok(match nearest(id.as_str(), ids.iter().map(String::as_str)) {
        Some(near) => error.hint(format_args!("Did you mean `{near}`?")),
        None if ids.is_empty() => error.hint("There are no schedules yet. Create one with `tempo schedule create`."),
        None => error.hint("Run `tempo schedule list` to see them all."),
    })
}

/// Checks a new schedule without a database.
///
/// # Errors
/// `Usage` when a part is invalid.
pub(crate) fn check_new(
    zones: &dyn Zones,
    id: &ScheduleId,
    patch: &Patch,
    never: Never,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    check(id, &new_settings(patch)?.definition, zones, never, now).map(|_| ())
}

pub(super) fn new_settings(patch: &Patch) -> Result<Settings, Error> {
    let mut settings = patch.apply(&Settings::default());
    // A schedule without steps that must succeed within a time waits for beats.
    if settings.definition.action.steps.is_empty()
        && let Some(within) = &settings.definition.alerts.expect_within
    {
        settings.definition.action.steps = vec![StepText::waiting_for_beat(within.clone())];
    }
    normal(settings)
}

/// Creates a schedule from a patch. Its first time is after `now`.
///
/// # Errors
/// `Usage` when a part is invalid; `Conflict` when the id is taken.
pub(crate) fn create(
    write: &Write<'_>,
    zones: &dyn Zones,
    id: &ScheduleId,
    patch: &Patch,
    how: (IfExists, Never),
    now: DateTime<Utc>,
) -> Result<Created, Error> {
    let settings = new_settings(patch)?;
    let spec = check(id, &settings.definition, zones, how.1, now)?;
    if write.schedule_key(id)?.is_some() {
        return match how.0 {
            IfExists::Keep => Ok(Created::Kept),
            IfExists::Refuse => Err(
                Error::new(Kind::Conflict, format_args!("a schedule named `{id}` already exists")).hint(format_args!(
                    "Change it with `tempo schedule update {id}`, or add `--if-not-exists` to leave it as it is."
                )),
            ),
        };
    }
    check_targets(write, id, &settings.definition.after)?;
    let text = text_of(&settings);
    insert(write, id, &settings, (&spec, &text), None, now)?;
    Ok(Created::New)
}

/// Inserts a checked schedule.
pub(super) fn insert(
    write: &Write<'_>,
    id: &ScheduleId,
    settings: &Settings,
    (spec, spec_text): (&Spec, &str),
    owner: Owner<'_>,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let next = next_of(spec, &settings.state, now, now);
    write.insert_schedule(&new(id, settings, spec_text, next), owner, now)
}

/// Updates the fields of a schedule that the patch sets. Times due up to `now` are still decided by the old definition. Returns whether
/// anything changed.
///
/// # Errors
/// `NotFound`; `Usage` when a part is invalid.
pub(crate) fn update(
    write: &Write<'_>,
    zones: &dyn Zones,
    id: &ScheduleId,
    patch: &Patch,
    never: Never,
    now: DateTime<Utc>,
) -> Result<bool, Error> {
    let row = find(write, id)?;
    let before = settings_of(write, &row)?;
    let after = normal(patch.apply(&before))?;
    if after == before {
        return Ok(false);
    }
    // Only a new spec is rejected for never firing: a schedule whose spec has ended may still be changed in other ways.
    let never = if after.definition.spec == before.definition.spec {
        Never::Allow
    } else {
        never
    };
    let spec = check(id, &after.definition, zones, never, now)?;
    if after.definition.after != before.definition.after {
        check_targets(write, id, &after.definition.after)?;
    }
    let fields = differences(id, &before, &after);
    change_to(write, zones, &row, (&before, &after, &fields), &spec, now)?;
    Ok(true)
}

pub(super) fn differences(id: &ScheduleId, before: &Settings, after: &Settings) -> Vec<FieldChange> {
    let text = |settings: &Settings| ScheduleText::of(id, &settings.definition, &settings.state);
    difference::between(Some(&text(before)), Some(&text(after)))
}

/// Replaces the settings `before` of a schedule with `after`, which has been checked and differs in the given fields, and its compiled `spec`. Writes
/// nothing if nothing changes.
pub(super) fn change_to(
    write: &Write<'_>,
    zones: &dyn Zones,
    row: &ScheduleRow,
    change: (&Settings, &Settings, &[FieldChange]),
    spec: &Spec,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let (before, after, _) = change;
    if after == before {
        return Ok(());
    }
    let old = Spec::compile(&before.definition.spec, row.id.as_str(), zones)?;
    replace(write, row, change, (&old, spec), now)
}

/// Deletes a schedule; its runs stay recorded.
///
/// # Errors
/// `NotFound` when there is no such schedule; `Conflict` when it runs on a cluster.
pub(crate) fn delete(write: &Write<'_>, id: &ScheduleId, now: DateTime<Utc>) -> Result<DeletedSchedule, Error> {
    let row = find(write, id)?;
    check_not_moved(write, &row, "otherwise it would go on there")?;
    write.delete_schedule(row.key, now)
}

/// Rejects a change of a schedule that runs on a cluster; `why` completes the hint.
fn check_not_moved(read: &Read<'_>, row: &ScheduleRow, why: &str) -> Result<(), Error> {
    let Some(there) = read.open_move(row.key)? else {
        return Ok(());
    };
    let message = format_args!("schedule `{}` runs on Temporal at {}", row.id, there.address);
    Err(Error::new(Kind::Conflict, message).hint(format_args!(
        "Move it back with `tempo temporal return {}`: {why}. If the cluster is gone, add `--abandon`.",
        row.id
    )))
}

/// Returns the next scheduled due times, at most `limit` and no more than the remaining actions; none while the schedule is paused.
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
            spec: row.stored_spec()?,
            action: read.action(row.workflow)?,
            policies: row.policies,
            alerts: row.alerts.clone(),
            after: read.after_of(row.key)?,
        },
        state: row.state.clone(),
    })
}

/// Normalizes durations, so that a schedule reads the same however they were written.
fn normal(mut settings: Settings) -> Result<Settings, Error> {
    settings.definition.after = after::normalized(&settings.definition.after)?;
    Policies::check_max_running(settings.definition.policies.max_running)?;
    Policies::check_pause_after(settings.definition.policies.pause_after)?;
    settings.definition.policies.check_pauses()?;
    if let Some(jitter) = &settings.definition.spec.jitter {
        let jitter = duration(jitter)?;
        settings.definition.spec.jitter = (!jitter.is_zero()).then(|| duration_text(jitter));
    }
    Ok(settings)
}

/// Finds a schedule after whose runs another is to start.
///
/// # Errors
/// `NotFound`; `Usage` if its id is that of a schedule with an outcome that does not exist.
pub(super) fn find_followed(read: &Read<'_>, target: &ScheduleId) -> Result<ScheduleRow, Error> {
    find(read, target).map_err(|e| {
        if let Some((id, outcome)) = target.as_str().rsplit_once(':')
            && let Ok(id) = ScheduleId::parse(id)
            && read.schedule(&id).is_ok_and(|found| found.is_some())
        {
            return after::unknown_outcome(id.as_str(), outcome);
        }
        e.of_setting("after")
    })
}

/// Checks the schedules after whose runs a schedule is to start: they exist, and it does not start after itself.
pub(super) fn check_targets(read: &Read<'_>, id: &ScheduleId, after: &[String]) -> Result<(), Error> {
    let mut targets = Vec::new();
    for one in after {
        let (target, _) = AfterOutcome::parse(one)?;
        if target != *id {
            find_followed(read, &target)?;
        }
        targets.push(target.into());
    }
    if targets.is_empty() {
        return Ok(());
    }
    let mut edges = read.all_followed()?;
    edges.insert(id.to_string(), targets);
    cycle([id.as_str()], &edges).map_or(Ok(()), |found| Err(cycle_error(&found)))
}

/// Checks a definition and returns its compiled spec; rejects one that never fires unless `never` allows it.
fn check(id: &ScheduleId, definition: &Definition, zones: &dyn Zones, never: Never, now: DateTime<Utc>) -> Result<Spec, Error> {
    let spec = definition.check(id, zones)?;
    if never == Never::Allow {
        return Ok(spec);
    }
    // Beats may come at any time.
    let needs_times =
        definition.after.is_empty() && (!definition.action.is_beat_only() || definition.alerts.expect_within.is_none());
    if needs_times && definition.spec.is_empty() {
        return Err(Error::new(Kind::Usage, "no times are given").hint(
            "Add `--when 'every weekday at 09:00'`, `--interval 2m`, `--cron '0 9 * * MON-FRI'` or `--calendar …`, or `--allow-never` for a schedule that starts only when triggered.",
        ));
    }
    if !definition.spec.is_empty() && !definition.spec.at_boot && spec.next_after(now).is_none() {
        return Err(Error::new(Kind::Usage, format_args!("this spec never fires: {NO_TIME}"))
            .hint("Check the day of month, the years, the exclusions and the end time, or add `--allow-never` to allow this."));
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

/// When a schedule fires, in English.
fn text_of(settings: &Settings) -> String {
    times_text(&settings.definition.spec, &settings.definition.after)
}

fn new<'a>(id: &'a ScheduleId, settings: &'a Settings, spec_text: &'a str, next: Option<DateTime<Utc>>) -> NewSchedule<'a> {
    NewSchedule {
        id,
        definition: &settings.definition,
        spec_text,
        state: &settings.state,
        next,
    }
}

/// Returns the changed fields that the event of an update reports, as JSON; the event of a pause reports the others.
fn event_detail(before: &Settings, after: &Settings, fields: &[FieldChange]) -> Result<String, Error> {
    let in_pause_event = |name: &str| name == "paused" || (name == "note" && before.state.paused != after.state.paused);
    let fields: Vec<&FieldChange> = fields.iter().filter(|field| !in_pause_event(&field.name)).collect();
    if fields.is_empty() {
        return Ok(String::new());
    }
    serde_json::to_string(&fields).map_err(|e| Error::new(Kind::System, "cannot write the changed fields as JSON").because(e))
}

/// Replaces a definition; `specs` are the compiled specs before and after. Times due up to `now` are kept with the old definition for the server to
/// decide.
pub(super) fn replace(
    write: &Write<'_>,
    row: &ScheduleRow,
    (before, after, fields): (&Settings, &Settings, &[FieldChange]),
    (old, spec): (&Spec, &Spec),
    now: DateTime<Utc>,
) -> Result<(), Error> {
    if before.state.paused && !after.state.paused {
        check_not_moved(write, row, "otherwise it would run twice")?;
    }
    // The note and the alert settings have no effect on decisions.
    let without_note = |settings: &Settings| Settings {
        definition: Definition {
            alerts: Alerts::default(),
            ..settings.definition.clone()
        },
        state: State {
            note: String::new(),
            ..settings.state.clone()
        },
    };
    let next = next_of(spec, &after.state, row.cursor, row.floor.max(now));
    let fields = event_detail(before, after, fields)?;
    let text = text_of(after);
    if without_note(before) == without_note(after) {
        return write.update_schedule(row.key, &new(&row.id, after, &text, row.next), &fields, now);
    }
    let in_force = Epoch {
        spec: old,
        policies: before.definition.policies,
        paused: before.state.paused,
        remaining: before.state.remaining_actions,
        until: now,
    };
    // If an earlier epoch is still pending, another one must follow it: raising the floor would skip the first.
    let pending = leaves_pending(&in_force, spec, row.cursor, row.next) || write.pending_until(row.key)?.is_some();
    if pending {
        write.keep_epoch(row.key, now)?;
    } else {
        write.ignore_due_times_until(row.key, now)?;
    }
    write.update_schedule(row.key, &new(&row.id, after, &text, next), &fields, now)?;
    // Buffered starts, pending times and open requests are decided at once, under the new definition where it applies.
    let at_once = pending || row.waiting > 0 || !write.open_requests(row.key)?.is_empty();
    write.set_attention(row.key, if at_once { Some(now) } else { next })
}
