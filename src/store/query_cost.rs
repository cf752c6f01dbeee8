//! What commands and the ticker read often does not become slower with more history.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, Utc};

use super::{EventFilter, Missing, Read, RunFilter, SchedulePage, Store};
use crate::error::Error;
use crate::run::outcome::Status;

/// Number of closed runs, with their steps, attempts, events and resolved incidents, in the smaller and the larger database.
const HISTORY: [u64; 2] = [200, 4000];
/// How many more steps of SQLite's virtual machine a query may take in the larger database: a deeper tree costs a few.
const MORE: u64 = 30;

/// A database with one schedule, one open run, and `history` closed runs.
fn with_history(directory: &std::path::Path, history: u64) -> Store {
    let store = Store::open(&directory.join(format!("{history}.db")), Missing::Create).unwrap();
    let sql = format!(
        "INSERT INTO workflow (key, json) VALUES (1, '{{}}');
        INSERT INTO schedule (key, id, spec, workflow, workflow_id, overlap, catchup_window_ms, pause_on_failure, note, paused, created_ms, updated_ms,
            spec_text, time_zone) VALUES (1, 's', '{{}}', 1, 's', 'skip', 0, 0, '', 0, 0, 0, 'x', 'UTC');
        INSERT INTO progress (schedule, cursor_ms, floor_ms, next_ms, attention_ms) VALUES (1, 0, 0, 9, 9);
        INSERT INTO due (at_ms, schedule) VALUES (9, 1);
        CREATE TEMP TABLE n AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {history}) SELECT i FROM n;
        INSERT INTO run (key, workflow_id, schedule, schedule_id, origin, workflow, nominal_ms, due_ms, started_ms, closed_ms, status)
            SELECT i, 's-' || i, 1, 's', 'scheduled', 1, i, i, i, i, 'Completed' FROM n;
        INSERT INTO run (workflow_id, schedule, schedule_id, origin, workflow, nominal_ms, due_ms, started_ms)
            VALUES ('s-0', 1, 's', 'scheduled', 1, 0, 0, 0);
        INSERT INTO step (run, position, status, result, closed_ms) SELECT i, 0, 'Completed', 'ok', i FROM n;
        INSERT INTO attempt (run, position, number, started_ms, elapsed_ms, outcome) SELECT i, 0, 1, i, 1, 'ok' FROM n;
        INSERT INTO request (kind, schedule, created_ms, settled_ms) SELECT 'trigger', 1, i, i FROM n;
        INSERT INTO incident (owner, step, status, count, resolved_ms) SELECT 'schedule 1', 'x', 'resolved', 1, i FROM n;
        INSERT INTO event (at_ms, kind, schedule, run) SELECT i, 'start', 1, i FROM n;"
    );
    store.connection.execute_batch(&sql).unwrap();
    store
}

/// The number of steps that a query takes once its statements are prepared.
fn steps(store: &mut Store, query: &dyn Fn(&Read<'_>) -> Result<(), Error>) -> u64 {
    store.read(query).unwrap();
    let total = Arc::new(AtomicU64::new(0));
    let in_handler = Arc::clone(&total);
    let count = move || {
        in_handler.fetch_add(1, Ordering::Relaxed);
        false
    };
    store.connection.progress_handler(1, Some(count)).unwrap();
    store.read(query).unwrap();
    store.connection.progress_handler(0, None::<fn() -> bool>).unwrap();
    total.load(Ordering::Relaxed)
}

#[test]
fn frequent_queries_cost_the_same_with_more_history() {
    type Query = Box<dyn Fn(&Read<'_>) -> Result<(), Error>>;
    let now = DateTime::<Utc>::UNIX_EPOCH;
    let running = RunFilter {
        status: Some(Status::Running),
        ..RunFilter::default()
    };
    let last_runs = RunFilter {
        limit: Some(10),
        ..RunFilter::default()
    };
    let last_events = EventFilter {
        limit: Some(10),
        ..EventFilter::default()
    };
    let new_events = EventFilter {
        after: Some(i64::MAX),
        ..EventFilter::default()
    };
    let queries: [(&str, Query); 21] = [
        ("the running runs", Box::new(move |r| r.runs(&running).map(drop))),
        ("the last runs", Box::new(move |r| r.runs(&last_runs).map(drop))),
        ("all open runs", Box::new(|r| r.all_running().map(drop))),
        ("the open runs of a schedule", Box::new(|r| r.count_running(1).map(drop))),
        ("the open runs to queue", Box::new(|r| r.open_runs_after(0).map(drop))),
        ("the lost attempts", Box::new(|r| r.lost_attempts().map(drop))),
        ("the queued work", Box::new(|r| r.queued().map(drop))),
        (
            "the number of schedules and runs",
            Box::new(|r| r.count_schedules_and_runs().map(drop)),
        ),
        ("the schedules", Box::new(|r| r.schedules(&SchedulePage::default()).map(drop))),
        ("the recent runs of a schedule", Box::new(|r| r.recent_of(1, 10).map(drop))),
        ("the due schedules", Box::new(move |r| r.due(now, 10).map(drop))),
        ("the next due times", Box::new(|r| r.coming(10).map(drop))),
        ("the open requests", Box::new(|r| r.open_run_requests().map(drop))),
        ("the open backfills", Box::new(|r| r.open_backfills(None).map(drop))),
        ("the unresolved incidents", Box::new(|r| r.unresolved_incidents().map(drop))),
        ("the last events", Box::new(move |r| r.events(&last_events).map(drop))),
        ("new events", Box::new(move |r| r.events(&new_events).map(drop))),
        (
            "the events of a run",
            Box::new(|r| {
                let filter = EventFilter {
                    run: Some(7),
                    ..EventFilter::default()
                };
                r.events(&filter).map(drop)
            }),
        ),
        (
            "the crashes of the server",
            Box::new(move |r| r.crashes_since(now, 10).map(drop)),
        ),
        (
            "the schedules without a next time",
            Box::new(|r| r.schedules_without_next(10).map(drop)),
        ),
        (
            "the results of a schedule's steps",
            Box::new(|r| r.step_results(1, 90).map(drop)),
        ),
    ];
    let directory = tempfile::tempdir().unwrap();
    let [mut small, mut large] = HISTORY.map(|history| with_history(directory.path(), history));
    let mut slower = Vec::new();
    for (what, query) in &queries {
        let (few, many) = (steps(&mut small, query), steps(&mut large, query));
        if many > few + MORE {
            slower.push(format!("{what}: {few} steps with little history, {many} with more"));
        }
    }
    assert!(slower.is_empty(), "{slower:#?}");
}
