//! The plan: which nominal times start, wait, or do not start, and why; which runs are stopped; where the cursor moves. Pure.

use chrono::{DateTime, TimeDelta, Utc};

use super::not_started::{NotStarted, Outcome, Reason};
use super::overlap::{OverlapDecision, Rules, Running, settle};
use super::pending::{coming, outcome_while_inactive, times_passed_over};
use super::plan::{Begin, Plan};
use super::plan_input::{Epoch, PlanInput};
use super::start::{Origin, Start};
use crate::spec::CountedTimes;

/// Decides everything that is pending at `now`.
#[must_use]
pub fn plan(input: &PlanInput<'_>, now: DateTime<Utc>) -> Plan {
    let mut planner = Planner {
        held: input.waiting.clone(),
        queue: Vec::new(),
        running: input.running.clone(),
        index: None,
        cursor: input.cursor,
        floor: input.floor,
        remaining: None,
        spent: 0,
        plan: Plan {
            begin: Vec::new(),
            waiting: Vec::new(),
            not_started: Vec::new(),
            cancel: false,
            terminate: false,
            cursor: input.cursor,
            floor: input.floor,
            remaining: None,
            next_due: None,
            requests: Vec::new(),
            more: false,
        },
        max_buffer: input.max_buffer,
    };
    for (index, epoch) in input.past.iter().enumerate() {
        planner.index = Some(index);
        planner.enter(epoch, index.checked_sub(1).map(|before| &input.past[before]), now);
        planner.process_due_times(epoch, epoch.until.min(now), now);
        planner.settle(epoch);
        planner.floor = planner.floor.max(epoch.until.min(now));
    }
    let current = &input.current;
    // Buffered starts are decided under the current definition; under earlier ones they only blocked later starts.
    planner.queue = std::mem::take(&mut planner.held);
    planner.index = None;
    planner.enter(current, input.past.last(), now);
    if !current.paused && planner.remaining != Some(0) {
        planner.process_due_times(current, current.until.min(now), now);
    }
    planner.requests(input, now);
    planner.settle(current);
    planner.feed_backfills(input, now);
    planner.finish(current)
}

/// The outcome of a time beyond the catch-up window.
const MISSED: (Outcome, Reason) = (Outcome::Missed, Reason::BeyondCatchupWindow);

/// The outcomes of due times that do not lead to a start.
#[derive(Clone, Copy)]
struct Defaults {
    /// The outcome of all of them, if the schedule is paused or exhausted.
    all: Option<(Outcome, Reason)>,
    /// Times due before this are missed.
    oldest: Option<DateTime<Utc>>,
}

pub(super) struct Planner {
    /// Buffered starts, while past definitions are processed.
    held: Vec<Start>,
    pub(super) queue: Vec<Start>,
    running: Vec<Running>,
    /// Index of the past definition being processed; `None` for the current one.
    index: Option<usize>,
    cursor: DateTime<Utc>,
    floor: DateTime<Utc>,
    /// Scheduled starts left under the definition being processed.
    remaining: Option<u64>,
    /// Number of scheduled starts begun since a user last set the remaining actions.
    spent: u64,
    pub(super) plan: Plan,
    pub(super) max_buffer: usize,
}

impl Planner {
    /// Switches to a definition. Starts begun under earlier definitions count against its remaining actions, unless a user has reset the number in
    /// between. Times that the change from `before` would pass over are decided now, under this definition.
    fn enter(&mut self, epoch: &Epoch<'_>, before: Option<&Epoch<'_>>, now: DateTime<Utc>) {
        if before.is_some_and(|b| b.remaining != epoch.remaining) {
            self.spent = 0;
        }
        self.remaining = epoch.remaining.map(|left| left.saturating_sub(self.spent));
        if let Some(before) = before.filter(|b| b.until <= now) {
            let defaults = self.defaults(epoch, now);
            for nominal in times_passed_over(before.spec, epoch.spec, self.cursor, before.until) {
                self.decide(nominal, before.until, defaults);
            }
        }
    }

    /// The outcomes of times that do not lead to a start under a definition.
    fn defaults(&self, epoch: &Epoch<'_>, now: DateTime<Utc>) -> Defaults {
        let window = TimeDelta::milliseconds(i64::try_from(epoch.policies.catchup_window_ms).unwrap_or(i64::MAX));
        Defaults {
            all: outcome_while_inactive(epoch.paused, self.remaining),
            oldest: now.checked_sub_signed(window),
        }
    }

    /// Decides the due times of a definition after the floor and up to `until`.
    fn process_due_times(&mut self, epoch: &Epoch<'_>, until: DateTime<Utc>, now: DateTime<Utc>) {
        let defaults = self.defaults(epoch, now);
        // Up to this instant all times have the same outcome and are counted, not visited one by one. Delays are shorter than the jitter.
        let same_outcome = match (defaults.all, defaults.oldest) {
            (Some(outcome), _) => Some((until, outcome)),
            (None, Some(oldest)) => Some((until.min(oldest - TimeDelta::milliseconds(1)), MISSED)),
            (None, None) => None,
        };
        // Times that are due at the floor at the latest are not visited: a cursor may be far behind.
        let mut nominals = epoch.spec.next_after(self.cursor.max(self.floor - epoch.spec.jitter()));
        while let Some(nominal) = nominals {
            if nominal > until {
                break;
            }
            if nominal > self.floor
                && let Some((same_until, (outcome, reason))) = same_outcome
                && let Some(CountedTimes {
                    first: from,
                    last: to,
                    count,
                }) = epoch.spec.count_between(
                    self.cursor.max(nominal - TimeDelta::seconds(1)),
                    same_until - epoch.spec.jitter(),
                )
            {
                self.refuse(NotStarted {
                    from,
                    to,
                    count,
                    outcome,
                    reason,
                    origin: Origin::Scheduled,
                    epoch: None,
                });
                self.cursor = to;
                nominals = epoch.spec.next_after(to);
                continue;
            }
            let due = epoch.spec.due(nominal);
            if due > until {
                break;
            }
            nominals = epoch.spec.next_after(nominal);
            if due > self.floor {
                self.decide(nominal, due, defaults);
            }
        }
    }

    /// Decides whether a due time leads to a start, and moves the cursor to it.
    fn decide(&mut self, nominal: DateTime<Utc>, due: DateTime<Utc>, defaults: Defaults) {
        self.cursor = nominal;
        let start = Start {
            nominal,
            due,
            origin: Origin::Scheduled,
            overlap: None,
            waiting_as: None,
        };
        let missed = defaults.oldest.is_some_and(|oldest| due < oldest).then_some(MISSED);
        match defaults.all.or(missed) {
            Some((outcome, reason)) => self.refuse(NotStarted::one(&start, outcome, reason)),
            None => self.queue.push(start),
        }
    }

    pub(super) fn settle(&mut self, epoch: &Epoch<'_>) {
        let rules = Rules {
            overlap: epoch.policies.overlap,
            paused: epoch.paused,
            max_buffer: self.max_buffer,
            max_running: epoch.policies.max_running,
        };
        let held = std::mem::take(&mut self.held);
        let queue = std::mem::take(&mut self.queue);
        let OverlapDecision {
            start,
            wait,
            not_started,
            cancel,
            terminate,
        } = settle(held, queue, &self.running, rules, &mut self.remaining);
        *(if self.index.is_some() {
            &mut self.held
        } else {
            &mut self.queue
        }) = wait;
        self.plan.cancel |= cancel;
        self.plan.terminate |= terminate;
        for r in not_started {
            self.refuse(r);
        }
        self.spent += start.iter().filter(|s| s.origin == Origin::Scheduled).count() as u64;
        for start in start {
            // It counts as running for the decisions that follow. It has no key yet, and its own plan does not stop it.
            self.running.push(Running {
                run: 0,
                begun: true,
                stopping: None,
            });
            self.plan.begin.push(Begin {
                start,
                epoch: self.index,
            });
        }
    }

    /// Records times that do not start, merged into the last range if outcome, reason, origin and definition are the same.
    pub(super) fn refuse(&mut self, mut times: NotStarted) {
        times.epoch = self.index;
        let (before, all) = (self.plan.not_started.last(), &self.plan.not_started);
        let continues = before.is_some_and(|last| {
            // A start that waited is refused after later times, which are not a part of its range.
            let past_others = || all.iter().any(|other| last.to < other.from && other.from < times.from);
            last.outcome == times.outcome
                && last.reason == times.reason
                && last.origin == times.origin
                && last.epoch == times.epoch
                && last.to < times.from
                && !past_others()
        });
        match self.plan.not_started.last_mut() {
            Some(last) if continues => {
                last.to = times.to;
                last.count += times.count;
            }
            Some(_) | None => self.plan.not_started.push(times),
        }
    }

    fn finish(mut self, current: &Epoch<'_>) -> Plan {
        self.plan.waiting = self.queue;
        self.plan.cursor = self.cursor;
        // A run that begins in this plan also blocks the start that waits to replace the open runs; the next plan stops it.
        self.plan.more |= (self.plan.cancel || self.plan.terminate) && !self.plan.begin.is_empty();
        self.plan.floor = self.floor;
        self.plan.remaining = self.remaining;
        if !current.paused && self.remaining != Some(0) {
            self.plan.next_due = coming(current.spec, self.cursor, self.floor).next();
        }
        self.plan
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::overlap::Running;
    use crate::schedule::plan_input::{Request, RequestKind};
    use crate::schedule::start::{Origin, Start};
    use crate::schedule::{OverlapPolicy, Policies};
    use crate::spec::Spec;
    use crate::spec::spec_text::SpecText;
    use crate::zoneinfo::ZoneInfo;

    fn every(interval: &str) -> Spec {
        let written = SpecText {
            interval: vec![interval.to_owned()],
            ..SpecText::default()
        };
        Spec::compile(&written, "s", &ZoneInfo::compiled_in()).unwrap()
    }

    fn at(s: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_000_000_000 + s, 0).unwrap()
    }

    fn epoch(spec: &Spec, remaining: Option<u64>, until: DateTime<Utc>) -> Epoch<'_> {
        Epoch {
            spec,
            policies: Policies {
                overlap: OverlapPolicy::AllowAll,
                ..Policies::default()
            },
            paused: false,
            remaining,
            until,
        }
    }

    fn input<'a>(past: Vec<Epoch<'a>>, current: Epoch<'a>) -> PlanInput<'a> {
        PlanInput {
            current,
            past,
            cursor: at(0),
            floor: at(10),
            waiting: Vec::new(),
            running: Vec::new(),
            open_runs: 0,
            requests: Vec::new(),
            max_buffer: 4,
        }
    }

    #[test]
    fn a_definition_decides_the_times_due_after_the_floor_and_up_to_its_end() {
        let (old, new) = (every("10s"), every("5s"));
        let input = input(vec![epoch(&old, None, at(30))], epoch(&new, None, at(40)));
        let plan = plan(&input, at(42));
        let begun: Vec<_> = plan.begin.iter().map(|b| (b.start.nominal, b.epoch)).collect();
        let want = [(at(20), Some(0)), (at(30), Some(0)), (at(35), None), (at(40), None)];
        assert_eq!(begun, want, "10 is at the floor; 30 belongs to the old definition only");
        assert_eq!((plan.cursor, plan.floor, plan.next_due), (at(40), at(30), Some(at(45))));
    }

    #[test]
    fn a_start_that_waited_is_refused_apart_from_the_times_after_the_missed_ones() {
        let spec = every("1s");
        let mut current = epoch(&spec, None, at(63));
        current.policies.overlap = OverlapPolicy::CancelOther;
        current.policies.catchup_window_ms = 10_000;
        let waiting = Start {
            nominal: at(50),
            due: at(50),
            origin: Origin::Scheduled,
            overlap: None,
            waiting_as: Some(1),
        };
        let input = PlanInput {
            cursor: at(50),
            floor: at(50),
            waiting: vec![waiting],
            running: vec![Running {
                run: 1,
                begun: true,
                stopping: Some(crate::run::Stop::Cancel),
            }],
            open_runs: 1,
            ..input(Vec::new(), current)
        };
        let mut ranges: Vec<_> = plan(&input, at(63))
            .not_started
            .iter()
            .map(|r| (r.from, r.to, r.count))
            .collect();
        ranges.sort_unstable();
        assert_eq!(ranges, [(at(50), at(50), 1), (at(51), at(52), 2), (at(53), at(62), 10)]);
    }

    #[test]
    fn a_cursor_far_behind_takes_no_longer() {
        let spec = every("1s");
        let input = PlanInput {
            cursor: at(-60_000_000_000),
            ..input(Vec::new(), epoch(&spec, None, at(12)))
        };
        let plan = plan(&input, at(12));
        let begun: Vec<_> = plan.begin.iter().map(|b| b.start.nominal).collect();
        assert_eq!(begun, [at(11), at(12)]);
    }

    #[test]
    fn earlier_starts_do_not_count_after_the_remaining_actions_are_reset() {
        let spec = every("10s");
        for (before, after, begun, left) in [
            (Some(3), Some(5), 4, Some(3)),
            (Some(3), Some(3), 3, Some(0)),
            (None, Some(1), 3, Some(0)),
        ] {
            let input = input(vec![epoch(&spec, before, at(30))], epoch(&spec, after, at(50)));
            let plan = plan(&input, at(50));
            assert_eq!(
                (plan.begin.len(), plan.remaining),
                (begun, left),
                "{before:?}, then {after:?}"
            );
        }
    }

    #[test]
    fn a_backfill_leaves_half_of_the_buffer_to_scheduled_times() {
        let spec = every("10s");
        let mut input = input(Vec::new(), epoch(&spec, None, at(5)));
        input.running = vec![Running {
            run: 1,
            begun: true,
            stopping: None,
        }];
        input.requests = vec![Request {
            key: 1,
            kind: RequestKind::Backfill {
                start: at(-100),
                end: at(0),
                done_to: None,
            },
            overlap: Some(OverlapPolicy::BufferAll),
            spec: None,
        }];
        let plan = plan(&input, at(5));
        assert_eq!((plan.waiting.len(), plan.requests[0].finished), (2, false));
    }

    #[test]
    fn a_run_that_begins_ahead_of_its_replacement_is_stopped_by_the_next_plan() {
        let spec = every("1h");
        let mut input = input(Vec::new(), epoch(&spec, None, at(5)));
        let trigger = |key, overlap| Request {
            key,
            kind: RequestKind::Trigger(at(5)),
            overlap: Some(overlap),
            spec: None,
        };
        input.requests = vec![trigger(1, OverlapPolicy::AllowAll), trigger(2, OverlapPolicy::CancelOther)];
        let plan = plan(&input, at(5));
        assert_eq!(
            (plan.begin.len(), plan.waiting.len(), plan.cancel, plan.more),
            (1, 1, true, true)
        );
    }
}
