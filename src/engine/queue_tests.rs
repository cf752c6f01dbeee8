//! Tests of the queue.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::advance::{AdvanceResult, Next};
use super::decide::Effects;
use super::queue::Queue;
use crate::store::QueuedRun;

fn run(key: i64, backfilled: bool) -> QueuedRun {
    QueuedRun {
        key,
        schedule: Some(1),
        backfilled,
        task_queue: None,
        lock: None,
        begun: false,
    }
}

#[test]
fn takes_a_run_again_that_was_reopened_before_its_worker_released_it() {
    let queue = Queue::new(1, &[]);
    queue.add(run(1, false));
    assert!(queue.take_now().is_some());
    // Seen again but not reopened.
    queue.add(run(1, false));
    queue.forget(1);
    assert!(queue.take_now().is_none() && queue.is_empty());
    queue.add(run(1, false));
    assert!(queue.take_now().is_some());
    queue.add_again(run(1, false));
    queue.forget(1);
    assert_eq!(queue.take_now().map(|taken| taken.run), Some(1));
}

#[test]
fn backfilled_runs_leave_workers_free_for_due_runs() {
    let queue = Queue::new(4, &[]);
    for key in 1..=6 {
        queue.add(run(key, true));
    }
    let taken: Vec<_> = (0..3).map(|_| queue.take().unwrap().run).collect();
    assert_eq!(taken, [1, 2, 3]);
    queue.add(run(7, false));
    assert_eq!(queue.take().unwrap().run, 7, "the due run before the fourth backfilled one");
    queue.forget(1);
    assert_eq!(queue.take().unwrap().run, 4);
}

#[test]
fn a_run_is_reserved_for_an_idle_worker_only_if_it_need_not_wait() {
    let locked = QueuedRun {
        lock: Some(Arc::from("db")),
        ..run(1, false)
    };
    assert!(!Queue::new(2, &[]).reserve(&run(1, false)), "no worker has been started");
    let queue = Queue::stepped(3);
    assert!(!queue.reserve(&locked) && !queue.reserve(&run(1, true)));
    assert!([1, 2, 3].iter().all(|key| queue.reserve(&run(*key, false))));
    assert!(!queue.reserve(&run(4, false)), "all workers are reserved");
    // The transaction that started it has failed.
    queue.forget(2);
    queue.add(run(5, false));
    assert!(!queue.reserve(&run(6, false)), "another run waits");
    assert_eq!(queue.take_ready().map(|taken| taken.run), Some(5));
    queue.drain();
    let begun = AdvanceResult {
        next: Next::Nothing,
        effects: Effects::default(),
    };
    queue.hand_over(1, Box::new(begun));
    assert_eq!(queue.take().map(|taken| (taken.run, taken.begun.is_some())), Some((1, true)));
    assert!(queue.take().is_none(), "the server drains");
}

#[test]
fn an_idle_worker_is_woken_even_if_no_other_can_be_started() {
    let queue = Arc::new(Queue::new(4, &[]));
    let (sender, taken) = std::sync::mpsc::channel();
    let here = Arc::clone(&queue);
    let worker = std::thread::spawn(move || {
        while let Some(taken) = here.take() {
            sender.send(taken.run).unwrap();
            here.forget(taken.run);
        }
    });
    while !queue.reserve(&run(1, false)) {
        std::thread::yield_now();
    }
    let add = |key| {
        if queue.add(run(key, false)) {
            queue.worker_left();
        }
    };
    add(2);
    add(3);
    let begun = AdvanceResult {
        next: Next::Nothing,
        effects: Effects::default(),
    };
    if queue.hand_over(1, Box::new(begun)) {
        queue.worker_left();
    }
    let next = || taken.recv_timeout(std::time::Duration::from_mins(1));
    assert_eq!([next(), next(), next()], [Ok(1), Ok(2), Ok(3)]);
    queue.drain();
    worker.join().unwrap();
}

#[test]
fn a_full_task_queue_leaves_the_workers_of_the_others() {
    let queue = Queue::new(2, &[("heavy".to_owned(), 1)]);
    let heavy = |key| QueuedRun {
        task_queue: Some(Arc::from("heavy")),
        ..run(key, false)
    };
    for key in 1..=3 {
        queue.add(heavy(key));
    }
    // A task queue without a limit of its own shares the default one.
    queue.add(QueuedRun {
        task_queue: Some(Arc::from("unknown")),
        ..run(4, false)
    });
    queue.add(run(5, false));
    queue.add(run(6, false));
    let mut taken: Vec<i64> = std::iter::from_fn(|| queue.take_ready()).map(|taken| taken.run).collect();
    taken.sort_unstable();
    assert_eq!(taken, [1, 4, 5]);
    queue.forget(1);
    assert_eq!(queue.take_ready().map(|taken| taken.run), Some(2));
    queue.forget(4);
    assert_eq!(queue.take_ready().map(|taken| taken.run), Some(6));
}

#[test]
fn runs_that_wait_for_a_time_are_woken_when_the_clock_is_set_back() {
    let queue = Queue::new(8, &[]);
    queue.add(run(1, false));
    let next = || queue.take_ready().map(|taken| taken.run);
    assert_eq!(next(), Some(1));
    queue.release_until(1, "2099-01-01T00:00:00Z".parse().unwrap());
    assert_eq!(next(), None);
    queue.wake_all();
    assert_eq!(next(), Some(1));
}

#[test]
fn a_lock_is_held_from_the_first_step_until_the_run_closes() {
    let queue = Queue::new(8, &[]);
    let locked = |key| QueuedRun {
        lock: Some(Arc::from("db")),
        schedule: Some(key),
        ..run(key, false)
    };
    // A run that an earlier server had begun goes first.
    queue.hold_lock(&locked(3));
    for key in 1..=4 {
        queue.add(locked(key));
    }
    let next = || queue.take_ready().map(|taken| taken.run);
    assert_eq!((next(), next()), (Some(3), None));
    // It keeps its lock while it waits for a retry.
    queue.release_until(3, DateTime::<Utc>::MIN_UTC);
    assert_eq!(next(), None);
    queue.wake(DateTime::<Utc>::MAX_UTC);
    assert_eq!(next(), Some(3));
    queue.forget(3);
    assert_eq!((next(), next()), (Some(1), None));
    // One that is closed while it waits for the lock does not get it.
    queue.closed_waiting(2);
    queue.forget(1);
    assert_eq!((next(), next()), (Some(4), None));
    queue.forget(4);
    // One that an earlier server had begun, closed before it is added.
    queue.hold_lock(&locked(5));
    queue.add(locked(6));
    assert_eq!(next(), None);
    queue.closed_waiting(5);
    assert_eq!(next(), Some(6));
    queue.forget(6);
    assert!(queue.is_empty());
}
