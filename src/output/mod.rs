//! Everything that people and scripts see: the one printer, the JSON contract, tables, times, the words of the log. Never sees the file.

pub(crate) mod log;
pub(crate) mod progress;
pub(crate) mod table;
pub(crate) mod times;
pub(crate) mod ui;
pub(crate) mod views;

pub(crate) use ui::{Format, Style};

/// Counts like a person: `1 run`, `2 runs`.
pub(crate) fn counted(n: u64, one: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {one}s") }
}
