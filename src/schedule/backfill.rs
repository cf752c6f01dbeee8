//! Requests taken up by the plan: triggers, and backfills by the rule of each policy. Pure.

use chrono::{DateTime, TimeDelta, Utc};

use super::overlap::{Origin, OverlapPolicy, Start};
use super::plan::{Planner, Request, RequestKind, RequestProgress, Situation};
use super::refusal::{Outcome, Reason, Refused};

/// How many starts of one backfill are made in one plan, so that a long one does not hold up the ticks.
const BACKFILL_BATCH: usize = 500;

impl Planner {
    /// Takes up triggers, and what a backfill may take up whatever is going.
    pub(super) fn requests(&mut self, situation: &Situation<'_>, now: DateTime<Utc>) {
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
    pub(super) fn feed_backfills(&mut self, situation: &Situation<'_>, now: DateTime<Utc>) {
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
