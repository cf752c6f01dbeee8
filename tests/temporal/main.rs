//! Tests of `tempo temporal` against a real server in memory, which `tests/temporal-server` is: `cargo test --features temporal --test temporal`. They need
//! Go, and are skipped without it, unless `TEMPO_TEMPORAL` is set.
#![expect(clippy::unwrap_used, reason = "a test that cannot continue should panic")]

mod cluster;
mod definitions;
#[path = "../it/harness.rs"]
#[expect(dead_code, reason = "shared with the other tests")]
mod harness;
mod moves;
mod times;
mod worker;
