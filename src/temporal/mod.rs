//! Temporal clusters: the same definitions as schedules of a cluster, and a worker that performs their runs there.
//!
//! `schedule` converts a definition to a schedule of a cluster and back; `plan` compares and applies definitions; `limits` names what a cluster cannot
//! express, including the times on which `next_time`, the search of Temporal's server, differs from ours. `worker` performs runs: each is a `workflow`,
//! whose activities are `step`s. `moves` moves a schedule to a cluster and back, and `explain` shows its runs
//! there.

mod calendar_ranges;
mod connection;
mod explain;
mod limits;
mod moves;
mod next_time;
mod plan;
mod schedule;
mod schedules;
mod status;
mod step;
mod worker;
mod workflow;

pub(crate) use connection::{Cluster, Connection};
pub(crate) use explain::with_runs_there;
pub(crate) use moves::{Here, abandon, migrate, take_back};
pub(crate) use plan::{Plan, apply, plan};
pub(crate) use schedules::exported;
pub(crate) use status::status;
pub(crate) use worker::{WorkerSettings, work};
