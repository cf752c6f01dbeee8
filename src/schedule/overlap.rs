//! What becomes of starts when a run is still going: the six overlap policies. Pure.

use super::not_started::{NotStarted, Outcome, Reason};
use super::policy::OverlapPolicy;
use super::start::{Origin, Start};

/// A run of the schedule that is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    /// The key of the run.
    pub run: i64,
    /// Whether a worker has begun with it.
    pub begun: bool,
    /// Whether it has been asked to stop already.
    pub stopping: Option<crate::run::Stop>,
}

/// What a schedule is decided by at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// The schedule's own policy.
    pub overlap: OverlapPolicy,
    /// Whether scheduled starts wait.
    pub paused: bool,
    /// How many may wait.
    pub max_buffer: usize,
}

/// What became of a queue of starts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OverlapDecision {
    /// They begin now, in this order.
    pub start: Vec<Start>,
    /// They wait, in this order.
    pub wait: Vec<Start>,
    /// They do not happen.
    pub refused: Vec<NotStarted>,
    /// The runs going are cancelled.
    pub cancel: bool,
    /// The runs going are killed.
    pub terminate: bool,
}

/// Decides a queue, oldest first, against the runs that are going and the starts that are `held`: they wait on, in front of what comes.
/// `remaining` scheduled starts are left, and fewer afterwards.
pub fn settle(
    held: Vec<Start>,
    queue: Vec<Start>,
    running: &[Running],
    rules: Rules,
    remaining: &mut Option<u64>,
) -> OverlapDecision {
    let mut busy = !running.is_empty() || !held.is_empty();
    let mut settled = OverlapDecision {
        wait: held,
        ..OverlapDecision::default()
    };
    // Nobody should look for a slow command where there are too few workers.
    let still = if !running.is_empty() && running.iter().all(|run| !run.begun) {
        Reason::StillWaiting
    } else {
        Reason::StillRunning
    };
    // The one start that found nothing going; a newer one may still take its place.
    let mut chosen: Option<(usize, Start)> = None;
    for (order, start) in queue.into_iter().enumerate() {
        let policy = start.overlap.unwrap_or(rules.overlap);
        if start.origin == Origin::Scheduled {
            if rules.paused {
                settled.wait.push(start);
                continue;
            }
            let taken = settled
                .start
                .iter()
                .chain(chosen.iter().map(|(_, s)| s))
                .filter(|s| s.origin == Origin::Scheduled)
                .count();
            let replaces = chosen.as_ref().is_some_and(|(_, c)| gives_way(c, &start, policy));
            if remaining.is_some_and(|left| left <= taken as u64) && !replaces {
                settled.refuse(&start, Outcome::Exhausted, Reason::NoActionsLeft);
                continue;
            }
        }
        if policy == OverlapPolicy::AllowAll {
            settled.start.push(start);
            busy = true;
            continue;
        }
        if !busy && chosen.is_none() {
            chosen = Some((order, start));
            continue;
        }
        if let Some((_, older)) = chosen.take_if(|(_, c)| gives_way(c, &start, policy)) {
            let (outcome, reason) = if policy == OverlapPolicy::Skip {
                (Outcome::Skipped, Reason::NewerOverdue)
            } else {
                (Outcome::Superseded, Reason::NewerOverdue)
            };
            settled.refuse(&older, outcome, reason);
            chosen = Some((order, start));
            continue;
        }
        match policy {
            OverlapPolicy::AllowAll => {}
            OverlapPolicy::Skip => settled.refuse(&start, Outcome::Skipped, still),
            OverlapPolicy::BufferOne if !settled.wait.is_empty() => {
                settled.refuse(&start, Outcome::Skipped, Reason::OneWaitsAlready);
            }
            OverlapPolicy::BufferAll if settled.wait.len() >= rules.max_buffer => {
                settled.refuse(&start, Outcome::Dropped, Reason::BufferFull);
            }
            OverlapPolicy::BufferOne | OverlapPolicy::BufferAll => settled.wait.push(start),
            OverlapPolicy::CancelOther | OverlapPolicy::TerminateOther => {
                settled.cancel |= policy == OverlapPolicy::CancelOther;
                settled.terminate |= policy == OverlapPolicy::TerminateOther;
                let (superseded, stay) = std::mem::take(&mut settled.wait)
                    .into_iter()
                    .partition(|w: &Start| w.overlap.unwrap_or(rules.overlap).replaces_the_running());
                settled.wait = stay;
                for older in superseded {
                    settled.refuse(&older, Outcome::Superseded, Reason::NewerOverdue);
                }
                settled.wait.push(start);
            }
        }
    }
    if let Some((order, start)) = chosen {
        settled.start.insert(order.min(settled.start.len()), start);
    }
    if let Some(left) = remaining {
        let taken = settled.start.iter().filter(|s| s.origin == Origin::Scheduled).count() as u64;
        *left = left.saturating_sub(taken);
        if *left == 0 {
            let (over, stay) = std::mem::take(&mut settled.wait)
                .into_iter()
                .partition(|s: &Start| s.origin == Origin::Scheduled);
            settled.wait = stay;
            for start in over {
                settled.refuse(&start, Outcome::Exhausted, Reason::NoActionsLeft);
            }
        }
    }
    settled
}

/// Whether a start that was about to begin makes way for a newer one of the same queue.
fn gives_way(chosen: &Start, newer: &Start, policy: OverlapPolicy) -> bool {
    match policy {
        OverlapPolicy::CancelOther | OverlapPolicy::TerminateOther => true,
        OverlapPolicy::Skip => !chosen.origin.is_manual() && !newer.origin.is_manual(),
        OverlapPolicy::BufferOne | OverlapPolicy::BufferAll | OverlapPolicy::AllowAll => false,
    }
}

impl OverlapDecision {
    fn refuse(&mut self, start: &Start, outcome: Outcome, reason: Reason) {
        self.refused.push(NotStarted::one(start, outcome, reason));
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
    fn each_policy_decides_five_overdue_starts_by_its_rule() {
        use OverlapPolicy as P;
        // policy, running: how many start, wait, are refused; the first that starts.
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
            let going = vec![
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
            };
            let s = settle(Vec::new(), (1..=5).map(start).collect(), &going, rules, &mut None);
            assert_eq!(
                (s.start.len(), s.wait.len(), s.refused.len()),
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

    /// A start of a trigger with a policy of its own.
    fn manual(s: i64, overlap: OverlapPolicy) -> Start {
        Start {
            origin: Origin::Trigger(s),
            overlap: Some(overlap),
            ..start(s)
        }
    }

    #[test]
    fn starts_begin_in_order_and_a_newer_one_takes_the_place_only_of_its_like() {
        use OverlapPolicy as P;
        let rules = |overlap| Rules {
            overlap,
            paused: false,
            max_buffer: 1000,
        };
        let seconds = |starts: &[Start]| starts.iter().map(|s| s.nominal.timestamp()).collect::<Vec<_>>();
        let queue = vec![start(1), manual(2, P::AllowAll), manual(3, P::AllowAll)];
        assert_eq!(
            seconds(&settle(Vec::new(), queue, &[], rules(P::Skip), &mut None).start),
            [1, 2, 3]
        );
        // A manual start is not skipped for a newer time of the spec, nor a time of the spec for a manual start.
        for queue in [vec![manual(1, P::Skip), start(2)], vec![start(1), manual(2, P::Skip)]] {
            let s = settle(Vec::new(), queue, &[], rules(P::Skip), &mut None);
            assert_eq!((seconds(&s.start), s.refused[0].reason), (vec![1], Reason::StillRunning));
        }
        // The newest of several overdue is the one action that is left.
        let mut left = Some(1);
        let s = settle(Vec::new(), vec![start(1), start(2)], &[], rules(P::Skip), &mut left);
        assert_eq!(
            (seconds(&s.start), s.refused[0].outcome, left),
            (vec![2], Outcome::Skipped, Some(0))
        );
    }

    #[test]
    fn what_is_held_stands_in_the_way_as_a_run_does() {
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
            };
            let s = settle(vec![start(1)], vec![start(2)], &[], rules, &mut None);
            assert_eq!((s.start.len(), s.wait.len()), (begun, waiting), "{overlap:?}");
            assert_eq!(s.wait[0].nominal.timestamp(), 1, "{overlap:?}");
        }
    }

    #[test]
    fn the_buffer_drops_what_is_over_its_limit() {
        let going = [Running {
            run: 1,
            begun: true,
            stopping: None,
        }];
        let rules = Rules {
            overlap: OverlapPolicy::BufferAll,
            paused: false,
            max_buffer: 2,
        };
        let s = settle(Vec::new(), (1..=5).map(start).collect(), &going, rules, &mut None);
        assert_eq!((s.wait.len(), s.refused.len()), (2, 3));
        assert!(s.refused.iter().all(|r| r.outcome == Outcome::Dropped));
    }
}
