//! The plan: which nominal times start, wait, are skipped or missed, and why; what is stopped; where the cursor moves. Pure.

use chrono::{DateTime, TimeDelta, Utc};

use super::Policies;
use super::overlap::{Origin, OverlapPolicy, Rules, Running, Settled, Start, settle};
use crate::spec::Spec;

/// How many starts of one backfill are made in one plan, so that a long one does not hold up the ticks.
const BACKFILL_BATCH: usize = 500;

/// What became of a time that did not start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// A run was still going, or a newer time was due too; counted.
    Skipped,
    /// It was later than the catch-up window; counted.
    Missed,
    /// The buffer was full; counted.
    Dropped,
    /// A newer start took its place.
    Superseded,
    /// The schedule was paused.
    Paused,
    /// No actions were left.
    Exhausted,
}

impl Outcome {
    /// The name, as in the file and in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Skipped => "skipped",
            Self::Missed => "missed",
            Self::Dropped => "dropped",
            Self::Superseded => "superseded",
            Self::Paused => "paused",
            Self::Exhausted => "exhausted",
        }
    }
}

/// Why a time did not start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the texts say it")]
pub enum Reason {
    StillRunning,
    NewerOverdue,
    OneWaitsAlready,
    BufferFull,
    BeyondCatchupWindow,
    SchedulePaused,
    NoActionsLeft,
}

impl Reason {
    /// The reason in words.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::StillRunning => "a run was still going",
            Self::NewerOverdue => "a newer time was due as well",
            Self::OneWaitsAlready => "one start waited already",
            Self::BufferFull => "the buffer was full",
            Self::BeyondCatchupWindow => "later than the catch-up window",
            Self::SchedulePaused => "the schedule was paused",
            Self::NoActionsLeft => "no actions were left",
        }
    }
}

/// Neighbouring times that share a fate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The first nominal time.
    pub from: DateTime<Utc>,
    /// The last nominal time.
    pub to: DateTime<Utc>,
    /// How many there are.
    pub count: u64,
    /// What became of them.
    pub outcome: Outcome,
    /// Why.
    pub reason: Reason,
    /// Where they came from.
    pub origin: Origin,
}

impl Refused {
    pub(super) fn one(start: &Start, outcome: Outcome, reason: Reason) -> Self {
        Self {
            from: start.nominal,
            to: start.nominal,
            count: 1,
            outcome,
            reason,
            origin: start.origin,
        }
    }
}

/// A definition that was in force for a while, with times of it still undecided.
#[derive(Debug, Clone)]
pub struct Epoch<'a> {
    /// The spec of the time.
    pub spec: &'a Spec,
    /// The policies of the time.
    pub policies: Policies,
    /// Whether it was paused.
    pub paused: bool,
    /// Whether no actions were left.
    pub exhausted: bool,
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
    /// Scheduled starts left; absent: no limit.
    pub remaining: Option<u64>,
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
        running: situation.running.clone(),
        cursor: situation.cursor,
        floor: situation.floor,
        remaining: situation.remaining,
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
        planner.take_up(epoch, epoch.until.min(now), now);
        planner.settle(epoch, Some(index));
        planner.floor = planner.floor.max(epoch.until.min(now));
    }
    let current = &situation.current;
    if !current.paused && !current.exhausted {
        planner.take_up(current, current.until.min(now), now);
    }
    planner.requests(situation, now);
    planner.settle(current, None);
    planner.feed_backfills(situation, now);
    planner.finish(current)
}

struct Planner {
    queue: Vec<Start>,
    running: Vec<Running>,
    cursor: DateTime<Utc>,
    floor: DateTime<Utc>,
    remaining: Option<u64>,
    plan: Plan,
    max_buffer: usize,
}

impl Planner {
    /// Takes up the due times of a definition after the floor and up to `until`.
    fn take_up(&mut self, epoch: &Epoch<'_>, until: DateTime<Utc>, now: DateTime<Utc>) {
        let blanket = if epoch.paused {
            Some((Outcome::Paused, Reason::SchedulePaused))
        } else if epoch.exhausted {
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
                && let Some((from, to, count)) =
                    epoch.spec.tally(self.cursor.max(nominal - TimeDelta::seconds(1)), alike_until - epoch.spec.jitter())
            {
                self.refuse(Refused { from, to, count, outcome, reason, origin: Origin::Scheduled });
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

    /// Takes up triggers, and what a backfill may take up whatever is going.
    fn requests(&mut self, situation: &Situation<'_>, now: DateTime<Utc>) {
        for request in &situation.requests {
            match request.kind {
                RequestKind::Trigger(at) => {
                    self.queue.push(Start {
                        nominal: at,
                        due: at,
                        origin: Origin::Trigger(request.key),
                        overlap: request.overlap,
                        waiting_as: None,
                    });
                    self.plan.requests.push(RequestProgress {
                        key: request.key,
                        taken: 1,
                        done_to: None,
                        finished: true,
                    });
                }
                RequestKind::Backfill { start, end, done_to } => {
                    let policy = request.overlap.unwrap_or(situation.current.policies.overlap);
                    let spec = situation.current.spec;
                    let end = end.min(now);
                    let after = done_to.unwrap_or(start - TimeDelta::nanoseconds(1));
                    let times = spec.times_after(after).take_while(|t| *t <= end);
                    let progress = match policy {
                        // Fed afterwards, as room appears.
                        OverlapPolicy::BufferAll => continue,
                        OverlapPolicy::AllowAll => self.backfill_some(request, times, BACKFILL_BATCH),
                        OverlapPolicy::Skip | OverlapPolicy::BufferOne => self.backfill_oldest(request, policy, times),
                        OverlapPolicy::CancelOther | OverlapPolicy::TerminateOther => self.backfill_newest(request, times),
                    };
                    self.plan.more |= !progress.finished;
                    self.plan.requests.push(progress);
                }
            }
        }
    }

    fn backfill_some(
        &mut self,
        request: &Request,
        times: impl Iterator<Item = DateTime<Utc>>,
        at_most: usize,
    ) -> RequestProgress {
        let mut progress = RequestProgress {
            key: request.key,
            taken: 0,
            done_to: None,
            finished: false,
        };
        let mut times = times.peekable();
        for nominal in times.by_ref().take(at_most) {
            self.queue.push(backfilled(request, nominal));
            progress.taken += 1;
            progress.done_to = Some(nominal);
        }
        progress.finished = times.peek().is_none();
        progress
    }

    /// Under `skip` the oldest time is decided and the rest skipped on; under `buffer-one` the two oldest.
    fn backfill_oldest(
        &mut self,
        request: &Request,
        policy: OverlapPolicy,
        times: impl Iterator<Item = DateTime<Utc>>,
    ) -> RequestProgress {
        let (decided, reason) = match policy {
            OverlapPolicy::BufferOne => (2, Reason::OneWaitsAlready),
            OverlapPolicy::Skip
            | OverlapPolicy::BufferAll
            | OverlapPolicy::CancelOther
            | OverlapPolicy::TerminateOther
            | OverlapPolicy::AllowAll => (1, Reason::StillRunning),
        };
        let mut progress = RequestProgress {
            key: request.key,
            taken: 0,
            done_to: None,
            finished: true,
        };
        for nominal in times {
            let start = backfilled(request, nominal);
            if progress.taken < decided {
                self.queue.push(start);
            } else {
                self.refuse(Refused::one(&start, Outcome::Skipped, reason));
            }
            progress.taken += 1;
            progress.done_to = Some(nominal);
        }
        progress
    }

    fn backfill_newest(&mut self, request: &Request, times: impl Iterator<Item = DateTime<Utc>>) -> RequestProgress {
        let mut progress = RequestProgress {
            key: request.key,
            taken: 0,
            done_to: None,
            finished: true,
        };
        for nominal in times {
            if let Some(older) = progress.done_to {
                self.refuse(Refused::one(
                    &backfilled(request, older),
                    Outcome::Superseded,
                    Reason::NewerOverdue,
                ));
            }
            progress.taken += 1;
            progress.done_to = Some(nominal);
        }
        if let Some(newest) = progress.done_to {
            self.queue.push(backfilled(request, newest));
        }
        progress
    }

    /// Backfills under `buffer-all` take up as many times as may wait, and never drop one.
    fn feed_backfills(&mut self, situation: &Situation<'_>, now: DateTime<Utc>) {
        for request in &situation.requests {
            let RequestKind::Backfill { start, end, done_to } = request.kind else {
                continue;
            };
            if request.overlap.unwrap_or(situation.current.policies.overlap) != OverlapPolicy::BufferAll {
                continue;
            }
            let end = end.min(now);
            let mut all = RequestProgress {
                key: request.key,
                taken: 0,
                done_to,
                finished: false,
            };
            loop {
                let room = self.max_buffer.saturating_sub(self.queue.len());
                let after = all.done_to.unwrap_or(start - TimeDelta::nanoseconds(1));
                let spec = situation.current.spec;
                let times = spec.times_after(after).take_while(|t| *t <= end);
                let some = self.backfill_some(request, times, room);
                all.taken += some.taken;
                all.done_to = some.done_to.or(all.done_to);
                all.finished = some.finished;
                self.settle(&situation.current, None);
                if all.finished || some.taken == 0 {
                    break;
                }
            }
            self.plan.requests.push(all);
        }
    }

    fn settle(&mut self, epoch: &Epoch<'_>, index: Option<usize>) {
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
        for start in start {
            // It counts as going for whatever is decided next; it has no key yet and is not stopped by its own plan.
            self.running.push(Running { run: 0, stopping: None });
            self.plan.begin.push(Begin { start, epoch: index });
        }
    }

    /// Records a refusal, in one range with the one before where they share a fate.
    fn refuse(&mut self, refused: Refused) {
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
        self.plan.cursor = self.cursor;
        self.plan.floor = self.floor;
        self.plan.remaining = self.remaining;
        if !current.paused && self.remaining != Some(0) {
            self.plan.next_due = next_due(current.spec, self.cursor, self.floor);
        }
        self.plan
    }
}

fn backfilled(request: &Request, nominal: DateTime<Utc>) -> Start {
    Start {
        nominal,
        due: nominal,
        origin: Origin::Backfill(request.key),
        overlap: request.overlap,
        waiting_as: None,
    }
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
