//! tempo: durable scheduling for one machine.
//!
//! A schedule is a record on file; `tempo run` ticks schedules and performs their steps; everything is recorded with its reason.
//! The rooms stand in one order, and a room may use only the rooms above it (`tests/it/architecture.rs` holds it):
//!
//! - [`error`], [`names`]: what went wrong, in words; ids checked once at the edge
//! - [`clock`], [`machine`]: the only places that ask the time, wait, or ask the machine
//! - [`spec`]: WHEN: pure; [`zoneinfo`] reads the zone data it is handed
//! - [`run`]: ONE RUN: pure: steps, attempts, retries, the one state machine
//! - [`schedule`]: WHAT THEN: pure: overlap, catch-up, pause; plan and simulate

mod actions;
mod cli;
pub mod clock;
mod engine;
pub mod error;
mod files;
pub mod machine;
pub mod names;
mod ops;
mod output;
mod present;
pub mod run;
pub mod schedule;
pub mod spec;
mod store;
pub mod zoneinfo;

/// Runs the command line that this process was started with, and says what to exit with.
#[must_use]
pub fn main() -> std::process::ExitCode {
    cli::main()
}
