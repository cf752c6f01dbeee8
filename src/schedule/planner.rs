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
