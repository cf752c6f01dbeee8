//! The outcomes of past times, and the last runs.

use maud::{Markup, html};

use super::super::super::app::Context;
use super::super::charts;
use super::super::parts::{class_of, plain, run_link, status, time};
use super::SHOWN;
use crate::output::counted;
use crate::output::views::TimeRangeView;
use crate::spec::describe::human_elapsed;
use crate::store::RunRow;

/// The meaning of the colors.
pub(super) fn legend() -> Markup {
    html! {
        p.legend.dim {
            @for (class, text) in [("good", "ran"), ("now", "pending or buffered"), ("warn", "skipped"), ("bad", "missed or dropped"), ("off", "paused or excluded")] {
                span.key.(class) {} " " (text) " "
            }
        }
    }
}

/// The times that did not start, each with its reason.
pub(super) fn not_started(context: &Context, ranges: &[TimeRangeView]) -> Markup {
    let others: Vec<_> = ranges
        .iter()
        .rev()
        .filter(|range| !matches!(range.outcome, "started" | "pending"))
        .take(SHOWN)
        .collect();
    html! {
        @if !others.is_empty() {
            details {
                summary { "Times that did not run, and why" }
                ul { @for range in others {
                    li {
                        span.status.(charts::class_of_outcome(range.outcome)) { (range.outcome) } " "
                        (time(&context.times, range.from.0))
                        @if range.count > 1 { " to " (time(&context.times, range.to.0)) ", " (counted(range.count, "time")) }
                        ": " (plain(&range.reason))
                    }
                } }
            }
        }
    }
}

/// How long the runs took, as a chart.
pub(super) fn durations(context: &Context, runs: &[RunRow]) -> Markup {
    let took = runs.iter().rev().filter_map(|run| {
        Some(charts::Took {
            started: run.started,
            ms: (run.closed? - run.started).num_milliseconds(),
            class: class_of(run.status.name(), run.incidents > 0),
        })
    });
    let took: Vec<_> = took.collect();
    html! { @if took.len() > 1 { (charts::durations(&context.times, &took)) } }
}

/// The last runs.
pub(super) fn runs(context: &Context, runs: &[RunRow]) -> Markup {
    let times = &context.times;
    html! {
        div.scroll { table {
            thead { tr { th { "Scheduled" } th { "Started" } th { "Status" } th.number { "Took" } th { "Run" } } }
            tbody { @for run in runs.iter().take(SHOWN) {
                tr {
                    td { (time(times, run.nominal)) }
                    td { (time(times, run.started)) @if let Some(late) = late(run) { " " span.dim { (late) } } }
                    td { (status(run.status.name(), run.incidents > 0)) }
                    td.number { @if let Some(closed) = run.closed { (human_elapsed((closed - run.started).num_milliseconds())) } }
                    td { (run_link(&run.run_id, run.run_id.get(..8).unwrap_or(&run.run_id))) }
                }
            } }
        } }
    }
}

/// How late a run started, if that is worth telling.
fn late(run: &RunRow) -> Option<String> {
    let late = (run.started - run.due).num_milliseconds();
    (run.scheduled && (1000..86_400_000).contains(&late)).then(|| format!("{} late", human_elapsed(late / 1000 * 1000)))
}
