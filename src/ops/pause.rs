//! Pauses and unpauses schedules.

use chrono::{DateTime, Utc};

use super::schedules::{differences, find, replace, settings_of};
use crate::error::Error;
use crate::names::ScheduleId;
use crate::spec::zone::Zones;
use crate::spec::{CountedTimes, Spec};
use crate::store::Write;

/// Pauses a schedule; `note`, if given, replaces its note until it is unpaused.
///
/// # Errors
/// `NotFound` when there is no such schedule.
pub(crate) fn pause(
    write: &Write<'_>,
    zones: &dyn Zones,
    id: &ScheduleId,
    note: Option<&str>,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    set_paused(write, zones, id, true, note, now)
}

/// Unpauses a schedule. Returns the number of times that passed during the pause, with the first and the last of them.
///
/// # Errors
/// `NotFound` when there is no such schedule.
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
        // Times due before the pause are not counted.
        let paused_since = write.pending_until(row.key)?.unwrap_or(row.floor);
        spec.count_due(row.cursor, row.floor.max(paused_since), now)
    } else {
        None
    };
    set_paused(write, zones, id, false, note, now)?;
    Ok(passed)
}

/// Sums the statistics of all schedules after a change of many: otherwise the view of each would read the events of all of them.
///
/// # Errors
/// `System` when they cannot be written.
pub(crate) fn sum_statistics(write: &Write<'_>) -> Result<(), Error> {
    match write.roll_up(u64::MAX)? {
        Some(sums) => write.add_rollup(&sums),
        None => Ok(()),
    }
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
    } else if !paused && let Some(note) = write.note_before_pause(row.key)? {
        // The note of the pause goes with it.
        after.state.note = note;
    }
    if after == before {
        return Ok(());
    }
    let spec = Spec::compile(&after.definition.spec, id.as_str(), zones)?;
    let fields = differences(id, &before, &after);
    // The note from before the pause is restored, whatever notes the pause gets, even the same one.
    let kept = if paused && note.is_some() {
        Some(write.note_before_pause(row.key)?.unwrap_or_else(|| before.state.note.clone()))
    } else {
        None
    };
    replace(write, &row, (&before, &after, &fields), (&spec, &spec), now)?;
    kept.map_or(Ok(()), |note| write.set_note_before_pause(row.key, &note))
}
