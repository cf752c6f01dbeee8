//! What a cluster does not do as `tempo run` does. Pure.

use std::cmp::Ordering;

use chrono::{DateTime, TimeDelta, Utc};

use super::next_time;
use crate::schedule::Definition;
use crate::spec::zone::Transitions;
use crate::spec::{Parts, Spec};

/// Number of coming times that are compared.
const TIMES: usize = 1000;

/// Returns a sentence for each setting that a cluster cannot express, and for each of the next 1,000 times after `now` at which only one of the two
/// starts the schedule.
pub(super) fn limits(definition: &Definition, parts: &Parts, spec: &Spec, now: DateTime<Utc>) -> Vec<String> {
    let Definition {
        spec: text,
        action,
        policies,
        alerts,
        after,
    } = definition;
    let transitions = Transitions::default();
    let has_beat = action.steps.iter().any(|step| step.beat.is_some());
    let settings = [
        ("at_boot", text.at_boot),
        ("dst_gap", text.dst_gap != transitions.gap),
        ("dst_repeat", text.dst_repeat != transitions.repeat),
        ("pause_after", policies.pause_after.is_some_and(|failures| failures > 1)),
        ("max_running", policies.max_running.is_some()),
        ("lock", action.lock.is_some()),
        ("if", action.condition.is_some()),
        ("after", !after.is_empty()),
        ("grace", has_beat),
        ("expect_within", alerts.expect_within.is_some()),
        ("open_after", alerts.open_after.is_some()),
        ("resolve_after", alerts.resolve_after.is_some()),
        ("remind", alerts.remind.is_some()),
    ];
    let lost = settings.into_iter().filter(|(_, is_set)| *is_set);
    let lost = lost.map(|(key, _)| format!("`{key}` has no effect on a Temporal cluster"));
    lost.chain(different_times(parts, spec, now)).collect()
}

fn different_times(parts: &Parts, spec: &Spec, now: DateTime<Utc>) -> Vec<String> {
    let ours: Vec<_> = spec.times_after(now).take(TIMES).collect();
    let Some(last) = ours.last().copied() else {
        return Vec::new();
    };
    let there = |after: DateTime<Utc>| next_time::next_after(parts, after).filter(|at| *at <= last);
    let (mut ours, mut theirs) = (ours.into_iter().peekable(), there(now));
    let mut found = Vec::new();
    loop {
        let here = ours.peek().copied();
        let order = match (here, theirs) {
            (None, None) => return found,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(here), Some(there)) => here.cmp(&there),
        };
        if let Some(at) = here.filter(|_| order.is_lt()) {
            found.push(format!("Temporal starts nothing at {}", shown(parts, at)));
        }
        if let Some(at) = theirs.filter(|_| order.is_gt()) {
            found.push(format!("Temporal also starts a run at {}", shown(parts, at)));
        }
        if order.is_le() {
            ours.next();
        }
        if order.is_ge() {
            theirs = theirs.and_then(there);
        }
    }
}

/// A time in the zone of the spec, which is the one that people wrote, and in UTC, which is unambiguous.
fn shown(parts: &Parts, at: DateTime<Utc>) -> String {
    let local = (at + TimeDelta::seconds(parts.zone.offset_at(at.timestamp()).into())).naive_utc();
    format!(
        "{} {} ({})",
        local.format("%Y-%m-%d %H:%M:%S"),
        parts.zone.name(),
        at.format("%Y-%m-%dT%H:%M:%SZ")
    )
}
