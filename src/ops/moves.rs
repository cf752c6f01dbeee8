//! Moves of schedules to a Temporal cluster, and back. Each is a pause here, at an exact instant.

use chrono::{DateTime, TimeDelta, Utc};

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
    if row.waiting > 0 {
        let message = format_args!("schedule `{id}` has starts that wait for an open run");
        return Err(Error::new(Kind::Conflict, message).hint("They would wait until it returns. Run the command again later."));
    }
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

/// The state that a schedule had before it moved.
///
/// # Errors
/// As [`moved`].
pub(crate) fn state_before_move(write: &Write<'_>, id: &ScheduleId) -> Result<State, Error> {
    let (row, there) = (find(write, id)?, moved(write, id)?);
    Ok(State {
        note: write.note_before_pause(row.key)?.unwrap_or_default(),
        paused: there.was_paused,
        remaining_actions: row.state.remaining_actions,
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
    let mut remaining = state.remaining_actions;
    if !state.paused {
        unpause(write, zones, id, Some(&state.note), now)?;
        let row = find(write, id)?;
        let spec = row.compiled(zones)?;
        let window = TimeDelta::milliseconds(i64::try_from(row.policies.catchup_window_ms).unwrap_or(i64::MAX));
        // As after an outage.
        let after = last.max(now - window - spec.jitter());
        let mut passed = spec
            .times_after(after)
            .take_while(|nominal| spec.due(*nominal) <= now)
            .peekable();
        if let Some(first) = passed.peek().copied() {
            let most = remaining.map_or(usize::MAX, |left| usize::try_from(left).unwrap_or(usize::MAX));
            let (count, end) = passed.take(most).fold((0, first), |(count, _), nominal| (count + 1, nominal));
            if count > 0 {
                let missed = Backfill {
                    range: (first, end),
                    overlap: None,
                    at_most: None,
                };
                backfill(write, zones, id, missed, now)?;
                remaining = remaining.map(|left| left.saturating_sub(count));
            }
        }
    }
    let state = Patch {
        note: Some(state.note.clone()),
        remaining_actions: Some(remaining.map_or(Remaining::Unlimited, Remaining::Only)),
        ..Patch::default()
    };
    update(write, zones, id, &state, Never::Allow, now).map(drop)
}
