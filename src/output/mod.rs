//! All output for people and scripts: the printer, the JSON contract, tables, times and log lines. Never accesses the database.

pub(crate) mod instant;
pub(crate) mod log;
pub(crate) mod progress;
pub(crate) mod run_views;
pub(crate) mod settings;
pub(crate) mod table;
pub(crate) mod times;
pub(crate) mod ui;
pub(crate) mod views;

pub(crate) use ui::{Format, Style};

use crate::run::outcome::Status;
use crate::spec::describe::{grouped, human_elapsed};

/// A count with its noun: `1 run`, `2 runs`, `2 successes`, `31,536,000 times`.
pub(crate) fn counted(n: u64, one: &str) -> String {
    if n == 1 {
        format!("1 {one}")
    } else {
        format!("{} {one}{}", grouped(n), if one.ends_with('s') { "es" } else { "s" })
    }
}

/// Adds counts to a text, except those of 0: `deleted; 2 runs still running, 1 start dropped`. Each count has its noun and what follows it.
pub(crate) fn with_counts(text: &str, counts: &[(u64, &str, &str)]) -> String {
    let counts = counts.iter().filter(|(n, ..)| *n > 0);
    let counts: Vec<String> = counts
        .map(|(n, noun, what)| format!("{} {what}", counted(*n, noun)))
        .collect();
    if counts.is_empty() {
        return text.to_owned();
    }
    format!("{text}; {}", counts.join(", "))
}

/// How a run ended: `Completed in 2 s`, `Completed with 1 failed step in 17 ms`, ``Failed in 3 s: step `x` failed``.
pub(crate) fn finished(status: &str, failed_steps: u64, elapsed_ms: i64, reason: Option<&str>) -> String {
    // The reason of a failed run names one of them.
    let named = u64::from(status == Status::Failed.name());
    let with = if failed_steps > named {
        format!(" with {}", counted(failed_steps, "failed step"))
    } else {
        String::new()
    };
    // The reason of a canceled run begins with that word.
    let reason = reason.filter(|reason| !reason.eq_ignore_ascii_case(status));
    let why = reason.map(|reason| match reason.split_once(": ") {
        Some((first, rest)) if first.eq_ignore_ascii_case(status) => format!(": {rest}"),
        _ => format!(": {reason}"),
    });
    format!("{status}{with} in {}{}", human_elapsed(elapsed_ms), why.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    #[test]
    fn counts_have_plurals_and_thousands_separators() {
        for (n, text) in [
            (0, "0 times"),
            (1, "1 time"),
            (2000, "2000 times"),
            (12_345, "12,345 times"),
            (31_536_000, "31,536,000 times"),
        ] {
            assert_eq!(super::counted(n, "time"), text);
        }
    }
}
