//! The plan: which nominal times start, wait, are skipped or missed, and why; what is stopped; where the cursor moves. Pure.

use chrono::{DateTime, TimeDelta, Utc};

use super::Policies;
use super::overlap::{Rules, Running, Settled, settle};
use super::policy::OverlapPolicy;
use super::refusal::{Outcome, Reason, Refused};
use super::start::{Origin, Start};
use crate::spec::{Spec, Tally};

/// A definition that was in force for a while, with times of it still undecided.
#[derive(Debug, Clone)]
pub struct Epoch<'a> {
    /// The spec of the time.
    pub spec: &'a Spec,
    /// The policies of the time.
    pub policies: Policies,
    /// Whether it was paused.
    pub paused: bool,
    /// Scheduled starts that were left when it came to its end; absent: no limit.
    pub remaining: Option<u64>,
    /// Due times up to this instant are its.
    pub until: DateTime<Utc>,
}

/// A manual request that is not settled.
#[derive(Debug, Clone)]
pub struct Request {
    /// Its key.
    pub key: i64,
    /// What it asks for.
    pub kind: RequestKind,
    /// The policy it named.
    pub overlap: Option<OverlapPolicy>,
}

/// What a request asks of a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestKind {
    /// One start; its nominal time is when it was asked for.
    Trigger(DateTime<Utc>),
    /// The times of a past range, both ends inclusive.
    Backfill {
        /// The first nominal time that may be in it.
        start: DateTime<Utc>,
        /// The last.
        end: DateTime<Utc>,
        /// The last nominal time already taken up.
        done_to: Option<DateTime<Utc>>,
    },
}

/// Everything a plan is made from.
#[derive(Debug, Clone)]
pub struct Situation<'a> {
    /// The definition in force now; `until` is `now`, or earlier where later times are to be left alone.
    pub current: Epoch<'a>,
    /// Those in force before with times undecided, oldest first.
    pub past: Vec<Epoch<'a>>,
    /// Nominal times up to here are decided.
    pub cursor: DateTime<Utc>,
    /// Due times up to here are decided or belong to nobody.
    pub floor: DateTime<Utc>,
    /// Starts that wait, oldest first.
    pub waiting: Vec<Start>,
    /// Runs that are open.
    pub running: Vec<Running>,
    /// Requests not settled, oldest first.
    pub requests: Vec<Request>,
    /// How many starts may wait.
    pub max_buffer: usize,
}

/// A start that begins, and by which definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Begin {
    /// The start.
    pub start: Start,
    /// The index of the past definition it belongs to; absent: the current one.
    pub epoch: Option<usize>,
}

/// How far a request has got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestProgress {
    /// Its key.
    pub key: i64,
    /// How many times were taken up just now.
    pub taken: u64,
    /// The last nominal time taken up.
    pub done_to: Option<DateTime<Utc>>,
    /// Whether every time of it has been taken up.
    pub finished: bool,
}

/// The decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Runs to begin, in order.
    pub begin: Vec<Begin>,
    /// Starts that wait afterwards, in order.
    pub waiting: Vec<Start>,
    /// Times that do not start, folded.
    pub refused: Vec<Refused>,
    /// Whether the runs that are going are cancelled.
    pub cancel: bool,
    /// Whether the runs that are going are killed.
    pub terminate: bool,
    /// The new cursor.
    pub cursor: DateTime<Utc>,
    /// The new floor.
    pub floor: DateTime<Utc>,
    /// Scheduled starts left.
    pub remaining: Option<u64>,
    /// The next due time, if one comes by itself.
    pub next_due: Option<DateTime<Utc>>,
    /// How far the requests have got.
    pub requests: Vec<RequestProgress>,
    /// Whether there is more to be done at once: a long backfill.
    pub more: bool,
}

/// Decides everything that is undecided at `now`.
#[must_use]
pub fn plan(situation: &Situation<'_>, now: DateTime<Utc>) -> Plan {
    let mut planner = Planner {
        queue: situation.waiting.clone(),
        waited: situation
            .waiting
            .iter()
            .filter(|w| w.origin == Origin::Scheduled)
            .map(|w| w.nominal)
            .collect(),
        running: situation.running.clone(),
        cursor: situation.cursor,
        floor: situation.floor,
        remaining: None,
        spent: 0,
        plan: Plan {
            begin: Vec::new(),
            waiting: Vec::new(),
            refused: Vec::new(),
            cancel: false,
            terminate: false,
            cursor: situation.cursor,
            floor: situation.floor,
            remaining: None,
            next_due: None,
            requests: Vec::new(),
            more: false,
        },
        max_buffer: situation.max_buffer,
    };
    for (index, epoch) in situation.past.iter().enumerate() {
        planner.enter(epoch, index.checked_sub(1).map(|before| &situation.past[before]));
        planner.take_up(epoch, epoch.until.min(now), now);
        planner.settle(epoch, Some(index));
        planner.floor = planner.floor.max(epoch.until.min(now));
    }
    let current = &situation.current;
    planner.enter(current, situation.past.last());
    if !current.paused && planner.remaining != Some(0) {
        planner.take_up(current, current.until.min(now), now);
    }
    planner.requests(situation, now);
    planner.settle(current, None);
    planner.feed_backfills(situation, now);
    planner.finish(current)
}

pub(super) struct Planner {
    pub(super) queue: Vec<Start>,
    /// Scheduled times that wait already: they are not taken up again.
    waited: Vec<DateTime<Utc>>,
    running: Vec<Running>,
    cursor: DateTime<Utc>,
    floor: DateTime<Utc>,
    /// Scheduled starts left under the definition that is looked at.
    remaining: Option<u64>,
    /// How many have begun since their number was last set by people.
    spent: u64,
    pub(super) plan: Plan,
    pub(super) max_buffer: usize,
}

impl Planner {
    /// Turns to a definition: what was begun under those before it counts, unless the number was set anew between.
    fn enter(&mut self, epoch: &Epoch<'_>, before: Option<&Epoch<'_>>) {
        if before.is_some_and(|b| b.remaining != epoch.remaining) {
            self.spent = 0;
        }
        self.remaining = epoch.remaining.map(|left| left.saturating_sub(self.spent));
    }

    /// Takes up the due times of a definition after the floor and up to `until`.
    fn take_up(&mut self, epoch: &Epoch<'_>, until: DateTime<Utc>, now: DateTime<Utc>) {
        let blanket = if epoch.paused {
            Some((Outcome::Paused, Reason::SchedulePaused))
        } else if self.remaining == Some(0) {
            Some((Outcome::Exhausted, Reason::NoActionsLeft))
        } else {
            None
        };
        let window = TimeDelta::milliseconds(i64::try_from(epoch.policies.catchup_window_ms).unwrap_or(i64::MAX));
        let oldest = now.checked_sub_signed(window);
        // Up to here all times share one fate and need not be looked at one by one: a delay is shorter than the jitter.
        let alike = match (blanket, oldest) {
            (Some(fate), _) => Some((until, fate)),
            (None, Some(oldest)) => {
                let too_late = until.min(oldest - TimeDelta::milliseconds(1));
                Some((too_late, (Outcome::Missed, Reason::BeyondCatchupWindow)))
            }
            (None, None) => None,
        };
        let mut nominals = epoch.spec.next_after(self.cursor);
        while let Some(nominal) = nominals {
            if nominal > until {
                break;
            }
            if nominal > self.floor
                && let Some((alike_until, (outcome, reason))) = alike
                && let Some(Tally {
                    first: from,
                    last: to,
                    count,
                }) = epoch.spec.tally(
                    self.cursor.max(nominal - TimeDelta::seconds(1)),
                    alike_until - epoch.spec.jitter(),
                )
            {
                self.refuse(Refused {
                    from,
                    to,
                    count,
                    outcome,
                    reason,
                    origin: Origin::Scheduled,
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
            if due <= self.floor {
                continue;
            }
            if self.waited.contains(&nominal) {
                // A change has put it there.
                self.cursor = nominal;
                continue;
            }
            self.cursor = nominal;
            let start = Start {
                nominal,
                due,
                origin: Origin::Scheduled,
                overlap: None,
                waiting_as: None,
            };
            if let Some((outcome, reason)) = blanket {
                self.refuse(Refused::one(&start, outcome, reason));
            } else if oldest.is_some_and(|oldest| due < oldest) {
                self.refuse(Refused::one(&start, Outcome::Missed, Reason::BeyondCatchupWindow));
            } else {
                self.queue.push(start);
            }
        }
    }

    pub(super) fn settle(&mut self, epoch: &Epoch<'_>, index: Option<usize>) {
        let rules = Rules {
            overlap: epoch.policies.overlap,
            paused: epoch.paused,
            max_buffer: self.max_buffer,
        };
        let queue = std::mem::take(&mut self.queue);
        let Settled {
            start,
            wait,
            refused,
            cancel,
            terminate,
        } = settle(queue, &self.running, rules, &mut self.remaining);
        self.queue = wait;
        self.plan.cancel |= cancel;
        self.plan.terminate |= terminate;
        for r in refused {
            self.refuse(r);
        }
        self.spent += start.iter().filter(|s| s.origin == Origin::Scheduled).count() as u64;
        for start in start {
            // It counts as going for whatever is decided next; it has no key yet and is not stopped by its own plan.
            self.running.push(Running { run: 0, stopping: None });
            self.plan.begin.push(Begin { start, epoch: index });
        }
    }

    /// Records a refusal, in one range with the one before where they share a fate.
    pub(super) fn refuse(&mut self, refused: Refused) {
        match self.plan.refused.last_mut() {
            Some(last)
                if last.outcome == refused.outcome
                    && last.reason == refused.reason
                    && last.origin == refused.origin
                    && last.to < refused.from =>
            {
                last.to = refused.to;
                last.count += refused.count;
            }
            _ => self.plan.refused.push(refused),
        }
    }

    fn finish(mut self, current: &Epoch<'_>) -> Plan {
        self.plan.waiting = self.queue;
        // What a change has put in the buffer is decided with this plan, whatever became of it.
        let named = |n: &DateTime<Utc>| current.spec.next_after(*n - TimeDelta::seconds(1)) == Some(*n);
        let put = self.waited.iter().copied().filter(|n| *n > self.cursor).filter(named).max();
        self.plan.cursor = put.unwrap_or(self.cursor);
        self.plan.floor = self.floor;
        self.plan.remaining = self.remaining;
        if !current.paused && self.remaining != Some(0) {
            self.plan.next_due = next_due(current.spec, self.plan.cursor, self.floor);
        }
        self.plan
    }
}

/// Nominal times that a change would pass over: pending under the old spec, named by the new one too, and due by it before the change.
#[must_use]
pub fn passed_over(old: &Spec, new: &Spec, cursor: DateTime<Utc>, change: DateTime<Utc>) -> Vec<DateTime<Utc>> {
    let from = cursor.max(change - old.jitter());
    let pending = old
        .times_after(from)
        .take_while(|nominal| *nominal <= change)
        .filter(|nominal| old.due(*nominal) > change);
    let named = |nominal: &DateTime<Utc>| new.next_after(*nominal - TimeDelta::seconds(1)) == Some(*nominal);
    pending
        .filter(|nominal| named(nominal) && new.due(*nominal) <= change)
        .collect()
}

/// The first due time after `floor` of a nominal time after `cursor`.
#[must_use]
pub fn next_due(spec: &Spec, cursor: DateTime<Utc>, floor: DateTime<Utc>) -> Option<DateTime<Utc>> {
    // A delay is shorter than the jitter, so what is nominal before `floor - jitter` is due before the floor.
    let mut nominal = spec.next_after(cursor.max(floor - spec.jitter()))?;
    loop {
        let due = spec.due(nominal);
        if due > floor {
            return Some(due);
        }
        nominal = spec.next_after(nominal)?;
    }
}
