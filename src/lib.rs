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

pub mod clock;
pub mod error;
pub mod machine;
pub mod names;
pub mod run;
pub mod schedule;
pub mod spec;
pub mod zoneinfo;
