//! Moves of schedules to a Temporal cluster, and back. Each is a pause here, at an exact instant.

use chrono::{DateTime, Utc};

use super::patch::Patch;
use super::pause::{pause, unpause};
use super::requests::{Backfill, backfill};
use super::schedules::{Never, find, settings_of, update};
use crate::error::{Error, Kind};
use crate::names::ScheduleId;
use crate::schedule::{Definition, Remaining, State};
use crate::spec::zone::Zones;
use crate::store::{MoveRow, Write};

/// A schedule that moves to a cluster, or has moved.
pub(crate) struct Moving {
    pub(crate) definition: Definition,
    /// Its state before the move.
    pub(crate) state: State,
    pub(crate) row: MoveRow,
    /// Whether it had been moved before.
    pub(crate) is_repeated: bool,
}

/// Pauses a schedule that moves to a cluster: times that are due later run there. If it has moved there before, changes nothing.
///
/// # Errors
/// `NotFound`; `Conflict` when it has moved to another cluster.
pub(crate) fn begin_move(
    write: &Write<'_>,
    zones: &dyn Zones,
    id: &ScheduleId,
    (address, namespace, task_queue): (&str, &str, &str),
    now: DateTime<Utc>,
) -> Result<Moving, Error> {
    let row = find(write, id)?;
    let settings = settings_of(write, &row)?;
    if settings.definition.action.is_beat_only() {
        let message = format_args!("schedule `{id}` waits for heartbeats, which a cluster does not have");
        return Err(Error::new(Kind::Usage, message));
    }
    let mut state = settings.state;
    if let Some(there) = write.open_move(row.key)? {
        if (there.address.as_str(), there.namespace.as_str()) != (address, namespace) {
            let message = format_args!(
                "schedule `{id}` runs on Temporal at {}, namespace {}",
                there.address, there.namespace
            );
            return Err(
                Error::new(Kind::Conflict, message).hint(format_args!("Take it back first with `tempo temporal return {id}`."))
            );
        }
        state.paused = there.was_paused;
        state.note = write.note_before_pause(row.key)?.unwrap_or_default();
        return Ok(Moving {
            definition: settings.definition,
            state,
            row: there,
            is_repeated: true,
        });
    }
    let to = MoveRow {
        key: 0,
        at: now,
        address: address.to_owned(),
        namespace: namespace.to_owned(),
        task_queue: task_queue.to_owned(),
        was_paused: state.paused,
        last: None,
        returned: None,
    };
    write.add_move(row.key, &to)?;
    pause(
        write,
        zones,
        id,
        Some(&format!("moved to Temporal at {address}, namespace {namespace}")),
        now,
    )?;
    let added = write.open_move(row.key)?;
    Ok(Moving {
        definition: settings.definition,
        state,
        row: added.ok_or_else(|| Error::new(Kind::System, "the move was not recorded"))?,
        is_repeated: false,
    })
}

/// The cluster on which a schedule runs.
///
/// # Errors
/// `NotFound` when there is no such schedule; `Conflict` when it runs here.
pub(crate) fn moved(write: &Write<'_>, id: &ScheduleId) -> Result<MoveRow, Error> {
    let row = find(write, id)?;
    write.open_move(row.key)?.ok_or_else(|| {
        Error::new(
            Kind::Conflict,
            format_args!("schedule `{id}` has not been moved to a cluster"),
        )
        .hint(format_args!("Move it with `tempo temporal migrate {id}`."))
    })
}

/// Ends the move of a schedule whose last nominal time on the cluster was `last`: later times run here, those that have come due in the meantime as a
/// backfill. `state` is the state that it had there.
///
/// # Errors
/// As [`moved`].
pub(crate) fn end_move(
    write: &Write<'_>,
    zones: &dyn Zones,
    id: &ScheduleId,
    (last, state): (DateTime<Utc>, &State),
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let there = moved(write, id)?;
    write.close_move(there.key, now)?;
    if !state.paused {
        unpause(write, zones, id, Some(&state.note), now)?;
        let spec = find(write, id)?.compiled(zones)?;
        let mut passed = spec.times_after(last).take_while(|nominal| spec.due(*nominal) <= now);
        if let Some(first) = passed.next() {
            let missed = Backfill {
                range: (first, passed.last().unwrap_or(first)),
                overlap: None,
                at_most: None,
            };
            backfill(write, zones, id, missed, now)?;
        }
    }
    let state = Patch {
        note: Some(state.note.clone()),
        remaining_actions: Some(state.remaining_actions.map_or(Remaining::Unlimited, Remaining::Only)),
        ..Patch::default()
    };
    update(write, zones, id, &state, Never::Allow, now).map(drop)
}
