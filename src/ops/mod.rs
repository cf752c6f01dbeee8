//! Operations: one function for each action, whatever the interface. Each works in the caller's transaction and prints nothing.

mod apply;
mod beats;
mod comparison;
mod crontab_ids;
mod edit;
mod explain;
mod incidents;
#[cfg(feature = "temporal")]
mod moves;
mod notify;
mod patch;
mod pause;
mod requests;
mod schedules;
mod simulate;

pub(crate) use apply::{apply, compare, export, redefine};
pub(crate) use beats::beat;
pub(crate) use comparison::{Change, DefinedKind, DefinitionFile, Difference, FieldsOfNew, FileDefinition, Prune};
pub(crate) use crontab_ids::{Names, name_jobs};
pub(crate) use edit::{check_edit, definition_text, edit};
pub(crate) use explain::{explain, shortened};
pub(crate) use incidents::{ack, definitions_applied, definitions_failed, find_incident, resolve};
#[cfg(feature = "temporal")]
pub(crate) use moves::{begin_move, end_move, moved, state_before_move};
pub(crate) use notify::{add_receiver, find_receiver, remove_receiver, retry_messages};
pub(crate) use patch::{Clearable, Patch};
pub(crate) use pause::{pause, sum_statistics, unpause};
pub(crate) use requests::{Backfill, RunStop, backfill, cancel_backfill, retry_run, start_workflow, stop_run, trigger};
pub(crate) use schedules::{Created, IfExists, NO_TIME, Never, check_new, create, delete, find, next_times, update};
pub(crate) use simulate::{Candidate, MAX_SIMULATED, Outage, Simulated, SimulationInput, new_candidate, simulate, with_patch};
