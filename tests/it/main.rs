//! The integration tests, as one binary: tests that go through the public API or the command line.
#![expect(clippy::unwrap_used, reason = "a test that cannot continue should panic")]

mod alerts;
mod apply;
mod architecture;
mod backup;
mod bad_input;
mod beats;
mod check;
mod commands;
mod conformance;
mod contract;
mod crontab;
mod damage;
mod demo;
mod durable;
mod edit;
mod generated;
mod harness;
mod kills;
mod log;
mod machine;
mod notify;
mod output;
mod probes;
mod properties;
mod pruning;
mod retry;
mod script;
mod second_names;
mod service;
mod serving;
mod versions;
mod waiting;
mod watched_files;
mod web;
mod when;
