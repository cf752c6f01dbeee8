//! The six overlap policies applied: what happens to starts while a run is open. Pure.

use super::not_started::{NotStarted, Outcome, Reason};
use super::policy::OverlapPolicy;
use super::start::{Origin, Start};

/// An open run of the schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    /// The key of the run.
    pub run: i64,
    /// Whether a worker has picked it up.
    pub begun: bool,
    /// The stop that has been requested, if any.
    pub stopping: Option<crate::run::Stop>,
}

/// The rules for one decision.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// The overlap policy of the schedule.
    pub overlap: OverlapPolicy,
    /// Whether scheduled starts wait.
    pub paused: bool,
    /// Maximum number of buffered starts.
    pub max_buffer: usize,
    /// Maximum number of open runs under `allow-all`; `None` means no limit.
    pub max_running: Option<u32>,
}

/// The decision on a queue of starts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OverlapDecision {
    /// Starts that begin now, in order.
    pub start: Vec<Start>,
    /// Starts that are buffered, in order.
    pub wait: Vec<Start>,
    /// Starts that do not happen.
    pub not_started: Vec<NotStarted>,
    /// Whether the open runs are canceled.
    pub cancel: bool,
    /// Whether the open runs are killed.
    pub terminate: bool,
}

/// Decides a queue, oldest first, against the open runs and the `held` starts, which stay buffered ahead of the queue. `remaining` is the number of
/// scheduled starts left, which this reduces.
pub fn settle(
    held: Vec<Start>,
    queue: Vec<Start>,
    running: &[Running],
    rules: Rules,
    remaining: &mut Option<u64>,
) -> OverlapDecision {
    let mut busy = !running.is_empty() || !held.is_empty();
    let mut decision = OverlapDecision {
        wait: held,
        ..OverlapDecision::default()
    };
    // If no open run has a worker yet, the cause is a lack of workers, not a slow command.
    let blocked_by = if !running.is_empty() && running.iter().all(|run| !run.begun) {
        Reason::StillWaiting
    } else {
        Reason::StillRunning
    };
    // The start that found no run open; a newer one may still replace it.
    let mut chosen: Option<(usize, Start)> = None;
    for (order, start) in queue.into_iter().enumerate() {
        let policy = start.overlap.unwrap_or(rules.overlap);
        if start.origin == Origin::Scheduled {
            if rules.paused {
                decision.wait.push(start);
                continue;
            }
            let started = decision
                .start
                .iter()
                .chain(chosen.iter().map(|(_, s)| s))
                .filter(|s| s.origin == Origin::Scheduled)
                .count();
            let replaces = chosen.as_ref().is_some_and(|(_, c)| yields_to(c, &start, policy));
            if remaining.is_some_and(|left| left <= started as u64) && !replaces {
                decision.refuse(&start, Outcome::Exhausted, Reason::NoActionsLeft);
                continue;
            }
        }
        if policy == OverlapPolicy::AllowAll {
            let open = running.len() + decision.start.len() + usize::from(chosen.is_some());
            if rules.max_running.is_none_or(|most| open < most as usize) {
                decision.start.push(start);
                busy = true;
            } else if decision.wait.len() < rules.max_buffer {
                decision.wait.push(start);
            } else {
                decision.refuse(&start, Outcome::Dropped, Reason::BufferFull);
            }
            continue;
        }
        if !busy && chosen.is_none() {
            chosen = Some((order, start));
            continue;
        }
        if let Some((_, older)) = chosen.take_if(|(_, c)| yields_to(c, &start, policy)) {
            let (outcome, reason) = if policy == OverlapPolicy::Skip {
                (Outcome::Skipped, Reason::NewerOverdue)
            } else {
                (Outcome::Superseded, Reason::NewerOverdue)
            };
            decision.refuse(&older, outcome, reason);
            chosen = Some((order, start));
            continue;
        }
        match policy {
            OverlapPolicy::AllowAll => {}
            OverlapPolicy::Skip => decision.refuse(&start, Outcome::Skipped, blocked_by),
            OverlapPolicy::BufferOne if !decision.wait.is_empty() => {
                decision.refuse(&start, Outcome::Skipped, Reason::OneWaitsAlready);
            }
            OverlapPolicy::BufferAll if decision.wait.len() >= rules.max_buffer => {
                decision.refuse(&start, Outcome::Dropped, Reason::BufferFull);
            }
            OverlapPolicy::BufferOne | OverlapPolicy::BufferAll => decision.wait.push(start),
            OverlapPolicy::CancelOther | OverlapPolicy::TerminateOther => {
                decision.cancel |= policy == OverlapPolicy::CancelOther;
                decision.terminate |= policy == OverlapPolicy::TerminateOther;
                let (superseded, stay) = std::mem::take(&mut decision.wait)
                    .into_iter()
                    .partition(|w: &Start| w.overlap.unwrap_or(rules.overlap).replaces_running());
                decision.wait = stay;
                for older in superseded {
                    decision.refuse(&older, Outcome::Superseded, Reason::NewerOverdue);
                }
                decision.wait.push(start);
            }
        }
    }
    if let Some((order, start)) = chosen {
        decision.start.insert(order.min(decision.start.len()), start);
    }
    if let Some(left) = remaining {
        let started = decision.start.iter().filter(|s| s.origin == Origin::Scheduled).count() as u64;
        *left = left.saturating_sub(started);
        if *left == 0 {
            let (exhausted, stay) = std::mem::take(&mut decision.wait)
                .into_iter()
                .partition(|s: &Start| s.origin == Origin::Scheduled);
            decision.wait = stay;
            for start in exhausted {
                decision.refuse(&start, Outcome::Exhausted, Reason::NoActionsLeft);
            }
        }
    }
    decision
}

/// Whether a start that was about to begin gives way to a newer one in the same queue.
fn yields_to(chosen: &Start, newer: &Start, policy: OverlapPolicy) -> bool {
    match policy {
        OverlapPolicy::CancelOther | OverlapPolicy::TerminateOther => true,
        OverlapPolicy::Skip => !chosen.origin.is_manual() && !newer.origin.is_manual(),
        OverlapPolicy::BufferOne | OverlapPolicy::BufferAll | OverlapPolicy::AllowAll => false,
    }
}

impl OverlapDecision {
    fn refuse(&mut self, start: &Start, outcome: Outcome, reason: Reason) {
        self.not_started.push(NotStarted::one(start, outcome, reason));
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    fn start(s: i64) -> Start {
        let at = DateTime::from_timestamp(s, 0).unwrap();
        Start {
            nominal: at,
            due: at,
            origin: Origin::Scheduled,
            overlap: None,
            waiting_as: None,
        }
    }

    #[test]
    fn each_policy_decides_five_overdue_starts() {
        use OverlapPolicy as P;
        // Policy and number of open runs; number of starts that begin, wait and do not start; the first that begins.
        for (policy, running, want, first) in [
            (P::Skip, 0, (1, 0, 4), Some(5)),
            (P::Skip, 1, (0, 0, 5), None),
            (P::BufferOne, 0, (1, 1, 3), Some(1)),
            (P::BufferOne, 1, (0, 1, 4), None),
            (P::BufferAll, 0, (1, 4, 0), Some(1)),
            (P::BufferAll, 1, (0, 5, 0), None),
            (P::CancelOther, 0, (1, 0, 4), Some(5)),
            (P::CancelOther, 1, (0, 1, 4), None),
            (P::TerminateOther, 1, (0, 1, 4), None),
            (P::AllowAll, 1, (5, 0, 0), Some(1)),
        ] {
            let open = vec![
                Running {
                    run: 1,
                    begun: true,
                    stopping: None
                };
                running
            ];
            let rules = Rules {
                overlap: policy,
                paused: false,
                max_buffer: 1000,
                max_running: None,
            };
            let s = settle(Vec::new(), (1..=5).map(start).collect(), &open, rules, &mut None);
            assert_eq!(
                (s.start.len(), s.wait.len(), s.not_started.len()),
                want,
                "{policy:?}, {running} running"
            );
            assert_eq!(
                s.start.first().map(|s| s.nominal.timestamp()),
                first,
                "{policy:?}, {running} running"
            );
            assert_eq!(s.cancel, policy == P::CancelOther && running == 1, "{policy:?}");
            assert_eq!(s.terminate, policy == P::TerminateOther && running == 1, "{policy:?}");
        }
    }

    /// A triggered start with its own policy.
    fn manual(s: i64, overlap: OverlapPolicy) -> Start {
        Start {
            origin: Origin::Trigger(s),
            overlap: Some(overlap),
            ..start(s)
        }
    }

    #[test]
    fn starts_begin_in_order_and_under_skip_only_scheduled_ones_give_way() {
        use OverlapPolicy as P;
        let rules = |overlap| Rules {
            overlap,
            paused: false,
            max_buffer: 1000,
            max_running: None,
        };
        let seconds = |starts: &[Start]| starts.iter().map(|s| s.nominal.timestamp()).collect::<Vec<_>>();
        let queue = vec![start(1), manual(2, P::AllowAll), manual(3, P::AllowAll)];
        assert_eq!(
            seconds(&settle(Vec::new(), queue, &[], rules(P::Skip), &mut None).start),
            [1, 2, 3]
        );
        // A manual start is not skipped for a newer scheduled one, nor the other way round.
        for queue in [vec![manual(1, P::Skip), start(2)], vec![start(1), manual(2, P::Skip)]] {
            let s = settle(Vec::new(), queue, &[], rules(P::Skip), &mut None);
            assert_eq!((seconds(&s.start), s.not_started[0].reason), (vec![1], Reason::StillRunning));
        }
        // The newest of several overdue starts uses the last remaining action.
        let mut left = Some(1);
        let s = settle(Vec::new(), vec![start(1), start(2)], &[], rules(P::Skip), &mut left);
        assert_eq!(
            (seconds(&s.start), s.not_started[0].outcome, left),
            (vec![2], Outcome::Skipped, Some(0))
        );
    }

    #[test]
    fn held_starts_block_new_ones_as_open_runs_do() {
        for (overlap, begun, waiting) in [
            (OverlapPolicy::Skip, 0, 1),
            (OverlapPolicy::BufferOne, 0, 1),
            (OverlapPolicy::BufferAll, 0, 2),
            (OverlapPolicy::AllowAll, 1, 1),
        ] {
            let rules = Rules {
                overlap,
                paused: false,
                max_buffer: 1000,
                max_running: None,
            };
            let s = settle(vec![start(1)], vec![start(2)], &[], rules, &mut None);
            assert_eq!((s.start.len(), s.wait.len()), (begun, waiting), "{overlap:?}");
            assert_eq!(s.wait[0].nominal.timestamp(), 1, "{overlap:?}");
        }
    }

    #[test]
    fn drops_starts_beyond_the_buffer_limit() {
        let open = [Running {
            run: 1,
            begun: true,
            stopping: None,
        }];
        let rules = Rules {
            overlap: OverlapPolicy::BufferAll,
            paused: false,
            max_buffer: 2,
            max_running: None,
        };
        let s = settle(Vec::new(), (1..=5).map(start).collect(), &open, rules, &mut None);
        assert_eq!((s.wait.len(), s.not_started.len()), (2, 3));
        assert!(s.not_started.iter().all(|r| r.outcome == Outcome::Dropped));
    }

    #[test]
    fn starts_beyond_the_limit_of_open_runs_are_buffered() {
        let open = [Running {
            run: 1,
            begun: true,
            stopping: None,
        }];
        let rules = Rules {
            overlap: OverlapPolicy::AllowAll,
            paused: false,
            max_buffer: 2,
            max_running: Some(3),
        };
        let s = settle(Vec::new(), (1..=6).map(start).collect(), &open, rules, &mut None);
        assert_eq!((s.start.len(), s.wait.len(), s.not_started.len()), (2, 2, 2));
        assert_eq!(s.wait[0].nominal.timestamp(), 3);
    }
}
