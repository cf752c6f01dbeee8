//! THE FILE: all SQL, and nothing else. Waits through the clock, never asks it the time: `now` is handed in.
//!
//! A [`Store`] is one connection. [`Read`] and [`Write`] are what can be asked and done inside a transaction; one file per table family adds to them.
//! [`Writer`] is the handle through which the threads of `tempo run` write: one thread commits for all of them, in groups.

mod apply_plan;
mod attempts;
mod backup;
mod boot;
mod definitions;
#[cfg(test)]
pub(crate) mod failing_vfs;
mod history;
mod identity;
mod incidents;
mod lock;
mod migrations;
mod open;
mod plan_input;
mod prune;
mod requests;
mod rows;
mod runs;
mod schedules;
mod scripts;
mod writer;
mod zones;

pub(crate) use definitions::NewSchedule;
pub(crate) use history::{NotStartedRow, StartedRow};
pub(crate) use incidents::{IncidentRow, OccurrenceRow};
pub(crate) use lock::{ServerLock, server_pid};
pub(crate) use open::{Missing, Store};
pub(crate) use prune::Keep;
pub(crate) use requests::{NewRequest, QueuedRequest, RequestState, RunAsk, RunRequest};
pub(crate) use runs::{AttemptRow, LostAttempt, NewRun, OpenRun, QueuedRun, RunFilter, RunRow, StepRow};
pub(crate) use schedules::{BackfillRow, ScheduleRow};
pub(crate) use scripts::{NewScriptStep, ScriptStepRow};
pub(crate) use writer::Writer;

use rusqlite::Connection;

/// What can be asked in a transaction.
#[derive(Debug)]
pub(crate) struct Read<'a>(&'a Connection);

/// What can be done in a transaction that writes.
#[derive(Debug)]
pub(crate) struct Write<'a>(Read<'a>);

impl<'a> std::ops::Deref for Write<'a> {
    type Target = Read<'a>;
    fn deref(&self) -> &Read<'a> {
        &self.0
    }
}
