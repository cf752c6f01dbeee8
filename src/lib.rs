//! tempo: durable scheduling for one machine.
//!
//! A schedule is a record in a database. `tempo run` ticks schedules and runs their steps; every outcome is recorded with its reason.
//! The modules are layered, and each may use only those before it (`tests/it/architecture.rs` checks this). In order:
//!
//! - [`error`], [`names`]: errors with hints; validated ids and names
//! - [`clock`], [`machine`]: the only modules that read the time, wait, or query the machine
//! - [`spec`]: schedule specs: when a schedule fires; pure. [`zoneinfo`] reads the zone data it is given
//! - [`run`]: a workflow run: steps, attempts, retries and the state machine; pure
//! - [`schedule`]: policies: what happens to each time (overlap, catch-up, pause); plan and simulate; pure
//! - [`notify`]: notifications: which events go to which receivers, and the content of messages; pure
//! - `store`: the database: all SQL, and nothing else
//! - `actions`: the only effects on the outside world: HTTP, TCP and DNS probes, commands
//! - `files`: definition files and crontabs, with errors that show line and column
//! - `engine`: the server: ticker, workers, writer, recovery
//! - `ops`: one function per verb: create, pause, trigger, apply …
//! - `output`: the only printer, the JSON views, tables
//! - `present`: from rows to views
//! - `web`: the page and the API
//! - `temporal`: the same definitions on a Temporal cluster; only with the feature of this name
//! - `cli`: one file per command: parse, call `ops`, show

mod actions;
mod cli;
pub mod clock;
mod engine;
pub mod error;
mod files;
pub mod machine;
pub mod names;
pub mod notify;
mod ops;
mod output;
mod present;
pub mod run;
pub mod schedule;
pub mod spec;
mod store;
#[cfg(feature = "temporal")]
mod temporal;
mod web;
pub mod zoneinfo;

/// Runs the command line of this process and returns its exit code.
#[must_use]
pub fn main() -> std::process::ExitCode {
    cli::main()
}
