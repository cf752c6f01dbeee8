//! Baselines of the machine without the engine: syncs, spawns, requests, and a bare pipeline that combines them.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};

use rusqlite::Connection;
use tempo::clock::Stopwatch;
use ureq::Agent;

const SCHEMA: [&str; 3] = [
    include_str!("../../src/store/schema.sql"),
    include_str!("../../src/store/version2.sql"),
    include_str!("../../src/store/version3.sql"),
];

/// The median time to overwrite a page and sync it, in milliseconds.
pub(crate) fn sync_ms(directory: &Path) -> f64 {
    let path = directory.join("sync");
    let mut file = File::create(&path).expect("a file can be created");
    file.write_all(&vec![0; 65536]).expect("the file can be written");
    let mut times: Vec<f64> = (0..300)
        .map(|i| {
            let watch = Stopwatch::start();
            std::os::unix::fs::FileExt::write_at(&file, &[1; 4096], i % 16 * 4096).expect("the file can be written");
            file.sync_data().expect("the file can be synced");
            watch.elapsed().as_secs_f64() * 1000.0
        })
        .collect();
    times.sort_by(f64::total_cmp);
    crate::support::percentile(&times, 0.5)
}

/// Number of processes spawned and waited for per second, by `threads` threads.
pub(crate) fn spawns_per_second(program: &str, count: usize, threads: usize) -> f64 {
    per_second(count, threads, |_| {
        let status = Command::new(program).stdin(Stdio::null()).stdout(Stdio::null()).status();
        assert!(status.expect("the program starts").success());
    })
}

/// Number of requests made per second, each on a new connection, by `threads` threads.
pub(crate) fn requests_per_second(url: &str, count: usize, threads: usize) -> f64 {
    let agents = Mutex::new(Vec::new());
    per_second(count, threads, |_| {
        let agent = agents.lock().expect("no thread panics").pop().unwrap_or_else(agent);
        get(&agent, url);
        agents.lock().expect("no thread panics").push(agent);
    })
}

/// An agent configured as tempo's own: a new connection for each request, and small buffers.
fn agent() -> Agent {
    let config = Agent::config_builder()
        .max_idle_connections(0)
        .max_idle_connections_per_host(0);
    let config = config.proxy(None).input_buffer_size(16 * 1024).output_buffer_size(8 * 1024);
    config.build().into()
}

fn get(agent: &Agent, url: &str) {
    let response = agent.get(url).call().expect("the server answers");
    assert_eq!(response.into_body().read_to_string().expect("the response has a body"), "ok");
}

fn per_second(count: usize, threads: usize, call: impl Fn(usize) + Sync) -> f64 {
    let next = std::sync::atomic::AtomicUsize::new(0);
    let watch = Stopwatch::start();
    std::thread::scope(|s| {
        for _ in 0..threads {
            s.spawn(|| {
                loop {
                    let i = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    if i >= count {
                        break;
                    }
                    call(i);
                }
            });
        }
    });
    #[expect(clippy::cast_precision_loss, reason = "counts are small")]
    let count = count as f64;
    count / watch.elapsed().as_secs_f64()
}

type Change = Box<dyn FnOnce(&Connection) + Send>;

/// Commits the changes of all threads, those that are waiting in one transaction.
fn write_groups(connection: &Connection, changes: &Receiver<(Change, SyncSender<()>)>) {
    while let Ok(first) = changes.recv() {
        let group: Vec<_> = std::iter::once(first).chain(changes.try_iter()).collect();
        connection.execute_batch("BEGIN IMMEDIATE").expect("the transaction begins");
        let replies: Vec<_> = group
            .into_iter()
            .map(|(change, reply)| {
                change(connection);
                reply
            })
            .collect();
        connection.execute_batch("COMMIT").expect("the transaction commits");
        for reply in replies {
            let _ = reply.send(());
        }
    }
}

/// Number of runs per second, each of three requests and the rows that the engine writes for them, by `threads` threads and one that commits.
pub(crate) fn pipeline(directory: &Path, url: &str, runs: usize, threads: usize) -> f64 {
    let directory = tempfile::tempdir_in(directory).expect("a directory can be created");
    let connection = Connection::open(directory.path().join("bare.db")).expect("the database opens");
    connection
        .execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; BEGIN")
        .expect("the settings are accepted");
    for sql in SCHEMA {
        connection.execute_batch(sql).expect("the schema is valid SQL");
    }
    connection
        .execute("INSERT INTO workflow (json) VALUES ('{}')", [])
        .expect("the row is inserted");
    for i in 0..runs {
        connection
            .execute(
                "INSERT INTO run (workflow_id, origin, workflow, nominal_ms, due_ms, started_ms) VALUES (?, 'start', 1, 0, 0, 0)",
                [format!("bare-{i}")],
            )
            .expect("the row is inserted");
    }
    connection.execute_batch("COMMIT").expect("the transaction commits");
    connection.set_prepared_statement_cache_capacity(64);
    let (sender, changes) = channel();
    let mut rate = 0.0;
    std::thread::scope(|s| {
        s.spawn(move || write_groups(&connection, &changes));
        let sender = Mutex::new(sender);
        let clients = Mutex::new(Vec::new());
        rate = per_second(runs, threads, |i| {
            let idle = clients.lock().expect("no thread panics").pop();
            let (agent, sender): (Agent, Sender<_>) =
                idle.unwrap_or_else(|| (agent(), sender.lock().expect("no thread panics").clone()));
            one_run(&agent, &sender, url, i + 1);
            clients.lock().expect("no thread panics").push((agent, sender));
        });
    });
    rate
}

fn one_run(agent: &Agent, sender: &Sender<(Change, SyncSender<()>)>, url: &str, run: usize) {
    let write = |change: Change| {
        let (reply, done) = sync_channel(1);
        sender.send((change, reply)).expect("the writer is running");
        done.recv().expect("the change is committed");
    };
    write(Box::new(move |c| start(c, run, 0)));
    for position in 0..3 {
        get(agent, url);
        write(Box::new(move |c| {
            end(c, run, position);
            if position < 2 {
                start(c, run, position + 1);
            }
        }));
    }
}

fn execute(c: &Connection, sql: &str, parameters: impl rusqlite::Params) {
    c.prepare_cached(sql)
        .and_then(|mut s| s.execute(parameters))
        .expect("the statement succeeds");
}

fn start(c: &Connection, run: usize, position: i64) {
    const ATTEMPT: &str = "INSERT INTO attempt (run, position, number, started_ms) VALUES (?, ?, 1, 1)";
    const RUN: &str =
        "UPDATE run SET position = ?, attempts = 1, step_started_ms = 1, phase = 'running', phase_ms = 1 WHERE key = ?";
    execute(c, ATTEMPT, (run, position));
    execute(c, RUN, (position, run));
}

fn end(c: &Connection, run: usize, position: i64) {
    const ATTEMPT: &str =
        "UPDATE attempt SET elapsed_ms = 1, outcome = 'ok', status_code = 200 WHERE run = ? AND position = ? AND number = 1";
    const STEP: &str =
        "INSERT INTO step (run, position, status, result, closed_ms) VALUES (?, ?, 'Completed', 'ok status=200', 1)";
    const RUN: &str =
        "UPDATE run SET position = ?, attempts = 0, step_started_ms = NULL, phase = 'ready', phase_ms = NULL WHERE key = ?";
    const CLOSE: &str = "UPDATE run SET status = 'Completed', closed_ms = 1, phase = 'ready', phase_ms = NULL WHERE key = ?";
    execute(c, ATTEMPT, (run, position));
    execute(c, STEP, (run, position));
    if position < 2 {
        execute(c, RUN, (position + 1, run));
    } else {
        execute(c, CLOSE, [run]);
    }
}
