//! Pending times, which no plan has decided yet, and the due times that come next. Pure.

use chrono::{DateTime, Utc};

use super::not_started::{Outcome, Reason};
use super::plan_input::{Epoch, PlanInput};
use crate::spec::{CountedTimes, Spec};

/// Whether times are pending at the end of `old`, or a change to the spec `new` at that moment would leave any without a decision. If so, the old
/// definition must be kept until they are decided.
#[must_use]
pub fn leaves_pending(old: &Epoch<'_>, new: &Spec, cursor: DateTime<Utc>, next_due: Option<DateTime<Utc>>) -> bool {
    let now = old.until;
    let exhausted = old.remaining == Some(0);
    old.paused
        || exhausted
        || next_due.is_some_and(|due| due <= now)
        || times_passed_over(old.spec, new, cursor, now).next().is_some()
}

/// Nominal times that a change of the spec passes over: pending under the old spec, but under the new one due before the change.
pub(super) fn times_passed_over(
    old: &Spec,
    new: &Spec,
    cursor: DateTime<Utc>,
    change: DateTime<Utc>,
) -> impl Iterator<Item = DateTime<Utc>> {
    let from = cursor.max(change - old.jitter());
    let pending = old
        .times_after(from)
        .take_while(move |nominal| *nominal <= change)
        .filter(move |nominal| old.due(*nominal) > change);
    pending.filter(move |nominal| new.names(*nominal) && new.due(*nominal) <= change)
}

/// Due times that no plan has decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pending {
    /// The times.
    pub times: CountedTimes,
    /// Their outcome, if it is certain.
    pub outcome: Option<(Outcome, Reason)>,
    /// Index of the past definition they belong to; `None` for the current one.
    pub epoch: Option<usize>,
}

/// The due times up to `now` that are still to be decided, or that never start because the schedule is paused or exhausted, in order.
#[must_use]
pub fn pending(input: &PlanInput<'_>, now: DateTime<Utc>) -> Vec<Pending> {
    let (mut cursor, mut floor) = (input.cursor, input.floor);
    let mut found = Vec::new();
    let past = input.past.iter().enumerate().map(|(index, epoch)| (Some(index), epoch));
    let mut before: Option<&Epoch<'_>> = None;
    for (index, epoch) in past.chain([(None, &input.current)]) {
        let until = if index.is_some() { epoch.until.min(now) } else { now };
        let one = |at| CountedTimes {
            first: at,
            last: at,
            count: 1,
        };
        let passed = before.map(|b| times_passed_over(b.spec, epoch.spec, cursor, b.until).map(one).collect());
        let mut times: Vec<CountedTimes> = passed.unwrap_or_default();
        let decided_to = times.last().map_or(cursor, |t| t.last);
        times.extend(epoch.spec.count_due(decided_to, floor, until));
        cursor = times.last().map_or(cursor, |t| t.last);
        found.extend(times.into_iter().map(|times| Pending {
            times,
            outcome: outcome_while_inactive(epoch.paused, epoch.remaining),
            epoch: index,
        }));
        floor = floor.max(until);
        before = Some(epoch);
    }
    found
}

/// The due times after `floor` of the nominal times after `cursor`, in order.
pub fn coming(spec: &Spec, cursor: DateTime<Utc>, floor: DateTime<Utc>) -> impl Iterator<Item = DateTime<Utc>> + '_ {
    // Delays are shorter than the jitter, so nominal times before `floor - jitter` are due before the floor.
    spec.times_after(cursor.max(floor - spec.jitter()))
        .map(|nominal| spec.due(nominal))
        .filter(move |due| *due > floor)
}

/// The outcome of every time of a schedule that is paused or exhausted; `None` if it is neither.
pub(super) fn outcome_while_inactive(paused: bool, remaining: Option<u64>) -> Option<(Outcome, Reason)> {
    if paused {
        Some((Outcome::Paused, Reason::SchedulePaused))
    } else if remaining == Some(0) {
        Some((Outcome::Exhausted, Reason::NoActionsLeft))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::{MAX_BUFFER, Policies};
    use crate::spec::spec_text::SpecText;
    use crate::zoneinfo::ZoneInfo;

    #[test]
    fn due_times_belong_to_the_definition_in_force() {
        let every = |interval: &str| {
            let written = SpecText {
                interval: vec![interval.to_owned()],
                ..SpecText::default()
            };
            Spec::compile(&written, "s", &ZoneInfo::compiled_in()).unwrap()
        };
        let at = |s: i64| DateTime::from_timestamp(1_000_000_000 + s, 0).unwrap();
        let (old, new) = (every("10s"), every("5s"));
        let epoch = |spec, paused, until| Epoch {
            spec,
            policies: Policies::default(),
            paused,
            remaining: None,
            until,
        };
        let input = PlanInput {
            current: epoch(&new, true, at(99)),
            past: vec![epoch(&old, false, at(39))],
            cursor: at(0),
            floor: at(10),
            waiting: Vec::new(),
            running: Vec::new(),
            open_runs: 0,
            requests: Vec::new(),
            max_buffer: MAX_BUFFER,
        };
        let got: Vec<_> = pending(&input, at(52))
            .into_iter()
            .map(|u| (u.times.first, u.times.last, u.times.count, u.outcome.map(|f| f.0), u.epoch))
            .collect();
        let paused = Some(Outcome::Paused);
        assert_eq!(got, [(at(20), at(30), 2, None, Some(0)), (at(40), at(50), 3, paused, None)]);
    }
}
