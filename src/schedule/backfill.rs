//! Requests taken up by the plan: triggers, and backfills by the rule of each policy. Pure.

use chrono::{DateTime, TimeDelta, Utc};

use super::not_started::{NotStarted, Outcome, Reason};
use super::plan::Planner;
use super::plan_input::{PlanInput, Request, RequestKind, RequestProgress};
use super::policy::OverlapPolicy;
use super::start::{Origin, Start};
use crate::spec::{CountedTimes, Spec};

/// How many starts of one backfill are made in one plan, so that a long one does not hold up the ticks.
const BACKFILL_BATCH: usize = 32;
/// How many runs of a schedule may be open before a backfill that may start everything at once waits for room: it waits on file, not in the queue of
/// the workers.
pub const BACKFILL_OPEN: u16 = 500;

impl Planner {
    /// Takes up triggers, and what a backfill may take up whatever is going.
    pub(super) fn requests(&mut self, input: &PlanInput<'_>, now: DateTime<Utc>) {
        for request in &input.requests {
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
                    let policy = request.overlap.unwrap_or(input.current.policies.overlap);
                    let spec = request.spec.as_deref().unwrap_or(input.current.spec);
                    let end = end.min(now);
                    let after = done_to.unwrap_or(start - TimeDelta::nanoseconds(1));
                    let progress = match policy {
                        // Fed afterwards, as room appears.
                        OverlapPolicy::BufferAll => continue,
                        OverlapPolicy::AllowAll => {
                            let times = spec.times_after(after).take_while(|t| *t <= end);
                            let room = usize::from(BACKFILL_OPEN).saturating_sub(input.open_runs + self.queue.len());
                            let progress = self.backfill_some(request, times, room.min(BACKFILL_BATCH));
                            // Without room it is fed when a run closes.
                            self.plan.more |= !progress.finished && room > BACKFILL_BATCH;
                            self.plan.requests.push(progress);
                            continue;
                        }
                        OverlapPolicy::Skip => self.backfill_oldest(request, (1, Reason::StillRunning), spec, (after, end)),
                        OverlapPolicy::BufferOne => {
                            self.backfill_oldest(request, (2, Reason::OneWaitsAlready), spec, (after, end))
                        }
                        OverlapPolicy::CancelOther | OverlapPolicy::TerminateOther => {
                            self.backfill_newest(request, spec, (after, end))
                        }
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

    /// The `decided` oldest times are decided like others, and the rest skipped on for `reason`.
    fn backfill_oldest(
        &mut self,
        request: &Request,
        (decided, reason): (usize, Reason),
        spec: &Spec,
        (after, end): (DateTime<Utc>, DateTime<Utc>),
    ) -> RequestProgress {
        let times = spec.times_after(after).take_while(|t| *t <= end);
        let mut progress = self.backfill_some(request, times, decided);
        if let Some(rest) = progress.done_to.and_then(|last| spec.count_between(last, end)) {
            self.refuse_all(request, rest, Outcome::Skipped, reason);
            progress.taken += rest.count;
            progress.done_to = Some(rest.last);
        }
        progress.finished = true;
        progress
    }

    /// The newest time is decided like others, and takes the place of the rest.
    fn backfill_newest(
        &mut self,
        request: &Request,
        spec: &Spec,
        (after, end): (DateTime<Utc>, DateTime<Utc>),
    ) -> RequestProgress {
        let all = spec.count_between(after, end);
        if let Some(CountedTimes { last, .. }) = all {
            if let Some(older) = spec.count_between(after, last - TimeDelta::seconds(1)) {
                self.refuse_all(request, older, Outcome::Superseded, Reason::NewerOverdue);
            }
            self.queue.push(backfilled(request, last));
        }
        let taken = all.map_or(0, |t| t.count);
        RequestProgress {
            key: request.key,
            taken,
            done_to: all.map(|t| t.last),
            finished: true,
        }
    }

    fn refuse_all(&mut self, request: &Request, times: CountedTimes, outcome: Outcome, reason: Reason) {
        let CountedTimes {
            first: from,
            last: to,
            count,
        } = times;
        self.refuse(NotStarted {
            from,
            to,
            count,
            outcome,
            reason,
            origin: Origin::Backfill(request.key),
            epoch: None,
        });
    }

    /// Backfills under `buffer-all` take up as many times as may wait, and never drop one.
    pub(super) fn feed_backfills(&mut self, input: &PlanInput<'_>, now: DateTime<Utc>) {
        for request in &input.requests {
            let RequestKind::Backfill { start, end, done_to } = request.kind else {
                continue;
            };
            if request.overlap.unwrap_or(input.current.policies.overlap) != OverlapPolicy::BufferAll {
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
                // Half of the buffer, as Temporal has it: the schedule's own times need room to wait as well.
                let room = (self.max_buffer / 2).saturating_sub(self.queue.len());
                let after = all.done_to.unwrap_or(start - TimeDelta::nanoseconds(1));
                let spec = request.spec.as_deref().unwrap_or(input.current.spec);
                let times = spec.times_after(after).take_while(|t| *t <= end);
                let some = self.backfill_some(request, times, room);
                all.taken += some.taken;
                all.done_to = some.done_to.or(all.done_to);
                all.finished = some.finished;
                self.settle(&input.current);
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
