//! What another policy would have done to the last day.

use chrono::TimeDelta;
use maud::{Markup, html};

use super::super::super::app::Context;
use super::super::super::changes;
use super::super::{charts, error_box};
use super::Found;
use crate::error::Error;
use crate::names::ScheduleId;
use crate::ops::{self, Patch, SimulationInput};
use crate::output::views::{SimulatedView, TimeRangeView};
use crate::present;
use crate::schedule::OverlapPolicy;
use crate::store::{Read, RunRow};

/// What another policy would have done to the last day, if each run had taken as long as the median of the last ones.
pub(super) fn simulated(
    read: &Read<'_>,
    context: &Context,
    id: &ScheduleId,
    policy: OverlapPolicy,
    runs: &[RunRow],
) -> Result<Vec<SimulatedView>, Error> {
    let mut took: Vec<TimeDelta> = runs.iter().filter_map(|run| Some(run.closed? - run.started)).collect();
    took.sort_unstable();
    let patch = Patch {
        overlap: Some(policy),
        ..Patch::default()
    };
    let schedule = ops::with_patch(read, &*context.zones, id, &patch)?;
    let input = SimulationInput {
        takes: took.get(took.len() / 2).copied().unwrap_or(TimeDelta::seconds(1)),
        from: context.now - TimeDelta::days(1),
        to: context.now,
        outages: Vec::new(),
        at_most: changes::MAX_SIMULATED,
    };
    Ok(present::simulated(&schedule, &input, &ops::simulate(&schedule, &input)?))
}

/// The part of the page.
pub(super) fn part(context: &Context, found: &Found, here: &str) -> Markup {
    html! {
        section {
            h2 { "What another policy would have done" }
            form.actions method="get" action=(here) {
                label for="policy" { "Overlap policy " }
                select #policy name="policy" {
                    @for policy in OverlapPolicy::ALL {
                        option selected[found.simulated.as_ref().map_or(policy.name() == found.view.overlap_policy, |(chosen, _)| *chosen == policy)] { (policy.name()) }
                    }
                }
                button type="submit" { "Simulate the last day" }
            }
            @match &found.simulated {
                None => {},
                Some((_, Err(e))) => (error_box(e)),
                Some((policy, Ok(events))) => {
                    @let ranges = simulated_ranges(events);
                    (charts::history(&context.times, (context.now - TimeDelta::days(1), context.now), &ranges))
                    p.dim { "With " code { (policy.name()) } " in the last 24 hours: " (outcomes(&ranges)) ". Each run takes as long as the median of the last runs." }
                }
            }
        }
    }
}

/// The decisions of a simulation as ranges of one time each.
fn simulated_ranges(events: &[SimulatedView]) -> Vec<TimeRangeView> {
    let decisions = events
        .iter()
        .filter(|event| !matches!(event.event, "close" | "cancel" | "terminate" | "buffered"));
    let range = |event: &SimulatedView| TimeRangeView {
        from: event.scheduled_at,
        to: event.scheduled_at,
        count: 1,
        outcome: if event.event == "start" { "started" } else { event.event },
        reason: event.reason.clone().unwrap_or_default(),
        run_id: None,
        workflow_id: None,
    };
    let mut ranges: Vec<_> = decisions.map(range).collect();
    ranges.sort_by_key(|range| range.from);
    ranges
}

/// `12 started, 3 skipped`.
fn outcomes(ranges: &[TimeRangeView]) -> String {
    let mut counts = std::collections::BTreeMap::<&str, u64>::new();
    for range in ranges {
        *counts.entry(range.outcome).or_default() += range.count;
    }
    let parts: Vec<String> = counts.iter().map(|(outcome, count)| format!("{count} {outcome}")).collect();
    if parts.is_empty() {
        "no times".to_owned()
    } else {
        parts.join(", ")
    }
}
