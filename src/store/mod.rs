//! The database: all SQL, and nothing else. Waits through the clock but never reads the time: `now` is a parameter.
//!
//! A [`Store`] is one connection. [`Read`] and [`Write`] are its transactions; each group of tables has a file that adds methods to them.
//! [`Writer`] is the handle through which the threads of `tempo run` write: one thread commits all changes, in groups.

mod apply_plan;
mod attempts;
mod backup;
mod beats;
mod boot;
mod busy;
mod clock_change;
mod database_file;
mod definitions;
mod due_times;
mod early_failures;
mod epochs;
mod event_kind;
mod events;
mod expectations;
#[cfg(test)]
pub(crate) mod failing_vfs;
mod failures;
mod followers;
mod history;
mod identity;
mod incidents;
mod integrity;
mod liveness;
mod lock;
mod lock_file;
mod migrations;
mod moves;
mod open;
mod open_runs;
mod outbox;
mod overview;
mod plan_input;
mod positions;
mod prune;
#[cfg(test)]
mod query_cost;
mod receivers;
mod requests;
mod restore;
mod rollups;
mod rows;
mod runs;
mod schedules;
mod scripts;
mod server_events;
mod totals;
mod transactions;
mod upgrade;
mod writer;
mod zones;

pub(crate) use beats::Beat;
pub(crate) use definitions::{DeletedSchedule, NewSchedule, Owner};
pub(crate) use event_kind::EventKind;
pub(crate) use events::{EventFilter, EventRow, EventRun};
pub(crate) use expectations::Overdue;
pub(crate) use failures::{Counted, IncidentPolicy, NewFailure, SUCCEEDED, Subject};
pub(crate) use history::{NotStartedRow, StartedRow};
pub(crate) use incidents::{IncidentFilter, IncidentRow, IncidentScope, OccurrenceRow};
pub(crate) use liveness::{MAX_SILENCE, server_responds};
pub(crate) use lock::ServerLock;
pub(crate) use lock_file::{ServedPage, server_page, server_pid};
#[cfg(feature = "temporal")]
pub(crate) use moves::MoveRow;
pub(crate) use open::{Missing, Store, leave_logs};
pub(crate) use open_runs::{LostAttempt, OpenRun, QueuedRun};
pub(crate) use outbox::{DeliveryOutcome, MessageRow};
pub(crate) use overview::{Crash, Failures, Missed};
pub(crate) use prune::Keep;
pub(crate) use receivers::ReceiverRow;
pub(crate) use requests::{NewRequest, QueuedRequest, RequestState, RunRequest, RunRequestKind};
pub(crate) use restore::restore;
pub(crate) use runs::{AttemptRow, NewRun, RunFilter, RunRow, StepRow};
pub(crate) use schedules::{BackfillRow, ScheduleOrder, SchedulePage, ScheduleRow};
pub(crate) use scripts::{NewScriptStep, ScriptStepRow};
pub(crate) use totals::Totals;
pub(crate) use upgrade::{Upgrade, try_upgrade};
pub(crate) use writer::Writer;

use rusqlite::Connection;

/// A transaction that reads.
#[derive(Debug)]
pub(crate) struct Read<'a>(&'a Connection);

/// A transaction that reads and writes.
#[derive(Debug)]
pub(crate) struct Write<'a>(Read<'a>);

impl<'a> std::ops::Deref for Write<'a> {
    type Target = Read<'a>;
    fn deref(&self) -> &Read<'a> {
        &self.0
    }
}
