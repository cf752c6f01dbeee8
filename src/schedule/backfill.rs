//! Requests in the plan: triggers, and backfills under each overlap policy. Pure.

use chrono::{DateTime, TimeDelta, Utc};

use super::not_started::{NotStarted, Outcome, Reason};
use super::plan_input::{PlanInput, Request, RequestKind, RequestProgress};
use super::planner::Planner;
use super::policy::OverlapPolicy;
use super::start::{Origin, Start};
use crate::spec::{CountedTimes, Spec};

/// Maximum number of starts of one backfill per plan, so that a long backfill does not delay ticks.
const BACKFILL_BATCH: usize = 32;
/// Number of open runs of a schedule at which an `allow-all` backfill waits for room. It waits in the database, not in the workers' queue.
pub const BACKFILL_OPEN: u16 = 500;

impl Planner {
    /// Processes triggers and backfills, except those that fill the buffer, which [`Self::feed_backfills`] processes.
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
                        // Processed afterwards, as room appears in the buffer.
                        OverlapPolicy::BufferAll => continue,
                        OverlapPolicy::AllowAll if input.current.policies.max_running.is_some() => continue,
                        OverlapPolicy::AllowAll => {
                            let times = spec.times_after(after).take_while(|t| *t <= end);
                            let room = usize::from(BACKFILL_OPEN).saturating_sub(input.open_runs + self.queue.len());
                            let progress = self.backfill_some(request, times, room.min(BACKFILL_BATCH));
                            // Without room, it continues when a run closes.
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

    fn backfill_some(&mut self, request: &Request, times: impl Iterator<Item = DateTime<Utc>>, limit: usize) -> RequestProgress {
        let mut progress = RequestProgress {
            key: request.key,
            taken: 0,
            done_to: None,
            finished: false,
        };
        let mut times = times.peekable();
        for nominal in times.by_ref().take(limit) {
            self.queue.push(backfill_start(request, nominal));
            progress.taken += 1;
            progress.done_to = Some(nominal);
        }
        progress.finished = times.peek().is_none();
        progress
    }

    /// Decides the oldest `limit` times like any other start, and skips the rest for `reason`.
    fn backfill_oldest(
        &mut self,
        request: &Request,
        (limit, reason): (usize, Reason),
        spec: &Spec,
        (after, end): (DateTime<Utc>, DateTime<Utc>),
    ) -> RequestProgress {
        let times = spec.times_after(after).take_while(|t| *t <= end);
        let mut progress = self.backfill_some(request, times, limit);
        if let Some(rest) = progress.done_to.and_then(|last| spec.count_between(last, end)) {
            self.refuse_all(request, rest, Outcome::Skipped, reason);
            progress.taken += rest.count;
            progress.done_to = Some(rest.last);
        }
        progress.finished = true;
        progress
    }

    /// Decides the newest time like any other start; it supersedes the rest.
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
            self.queue.push(backfill_start(request, last));
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

    /// Processes as many times of backfills under `buffer-all`, or under `allow-all` with a limit, as the buffer has room for. No time is dropped.
    pub(super) fn feed_backfills(&mut self, input: &PlanInput<'_>, now: DateTime<Utc>) {
        for request in &input.requests {
            let RequestKind::Backfill { start, end, done_to } = request.kind else {
                continue;
            };
            let policy = request.overlap.unwrap_or(input.current.policies.overlap);
            let is_limited = policy == OverlapPolicy::AllowAll && input.current.policies.max_running.is_some();
            if policy != OverlapPolicy::BufferAll && !is_limited {
                continue;
            }
            let end = end.min(now);
            let mut progress = RequestProgress {
                key: request.key,
                taken: 0,
                done_to,
                finished: false,
            };
            loop {
                // Half of the buffer, as in Temporal: the schedule's own times need room, too.
                let room = (self.max_buffer / 2).saturating_sub(self.queue.len());
                let after = progress.done_to.unwrap_or(start - TimeDelta::nanoseconds(1));
                let spec = request.spec.as_deref().unwrap_or(input.current.spec);
                let times = spec.times_after(after).take_while(|t| *t <= end);
                let batch = self.backfill_some(request, times, room);
                progress.taken += batch.taken;
                progress.done_to = batch.done_to.or(progress.done_to);
                progress.finished = batch.finished;
                self.settle(&input.current);
                if progress.finished || batch.taken == 0 {
                    break;
                }
            }
            self.plan.requests.push(progress);
        }
    }
}

fn backfill_start(request: &Request, nominal: DateTime<Utc>) -> Start {
    Start {
        nominal,
        due: nominal,
        origin: Origin::Backfill(request.key),
        overlap: request.overlap,
        waiting_as: None,
    }
}
