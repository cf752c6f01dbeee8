//! What the machine can do with no engine in between: syncs, spawns, requests, and all of it in a bare pipeline.

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

/// How long it takes to overwrite a page and sync it, the median of many.
pub(crate) fn sync_ms(folder: &Path) -> f64 {
    let path = folder.join("sync");
    let mut file = File::create(&path).expect("a file can be made");
    file.write_all(&vec![0; 65536]).expect("it can be written");
    let mut times: Vec<f64> = (0..300)
        .map(|i| {
            let watch = Stopwatch::start();
            std::os::unix::fs::FileExt::write_at(&file, &[1; 4096], i % 16 * 4096).expect("it can be written");
            file.sync_data().expect("it can be synced");
            watch.elapsed().as_secs_f64() * 1000.0
        })
        .collect();
    times.sort_by(f64::total_cmp);
    crate::support::percentile(&times, 0.5)
}

/// How many programs are spawned and waited for in a second, by so many threads.
pub(crate) fn spawns_per_second(program: &str, count: usize, threads: usize) -> f64 {
    per_second(count, threads, |_| {
        let done = Command::new(program).stdin(Stdio::null()).stdout(Stdio::null()).status();
        assert!(done.expect("it starts").success());
    })
}

/// How many requests are made in a second, each on a connection of its own, by so many threads.
pub(crate) fn requests_per_second(url: &str, count: usize, threads: usize) -> f64 {
    let agents = Mutex::new(Vec::new());
    per_second(count, threads, |_| {
        let agent = agents.lock().expect("no thread panics").pop().unwrap_or_else(agent);
        get(&agent, url);
        agents.lock().expect("no thread panics").push(agent);
    })
}

/// As tempo's own: each request on a connection of its own, with small buffers.
fn agent() -> Agent {
    let config = Agent::config_builder()
        .max_idle_connections(0)
        .max_idle_connections_per_host(0);
    let config = config.proxy(None).input_buffer_size(16 * 1024).output_buffer_size(8 * 1024);
    config.build().into()
}

fn get(agent: &Agent, url: &str) {
    let answer = agent.get(url).call().expect("the server answers");
    assert_eq!(answer.into_body().read_to_string().expect("it has a body"), "ok");
}

fn per_second(count: usize, threads: usize, once: impl Fn(usize) + Sync) -> f64 {
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
                    once(i);
                }
            });
        }
    });
    #[expect(clippy::cast_precision_loss, reason = "counts are small")]
    let count = count as f64;
    count / watch.elapsed().as_secs_f64()
}

type Change = Box<dyn FnOnce(&Connection) + Send>;

/// One thread that commits for all: what waits, in one transaction.
fn write_groups(connection: &Connection, changes: &Receiver<(Change, SyncSender<()>)>) {
    while let Ok(first) = changes.recv() {
        let group: Vec<_> = std::iter::once(first).chain(changes.try_iter()).collect();
        connection.execute_batch("BEGIN IMMEDIATE").expect("it begins");
        let waiting: Vec<_> = group
            .into_iter()
            .map(|(change, reply)| {
                change(connection);
                reply
            })
            .collect();
        connection.execute_batch("COMMIT").expect("it commits");
        for reply in waiting {
            let _ = reply.send(());
        }
    }
}

/// Runs of three requests each, with the rows that the engine writes of them, by so many threads and one that commits: runs in a second.
pub(crate) fn pipeline(folder: &Path, url: &str, runs: usize, threads: usize) -> f64 {
    let folder = tempfile::tempdir_in(folder).expect("a folder can be made");
    let connection = Connection::open(folder.path().join("bare.db")).expect("it opens");
    connection
        .execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; BEGIN")
        .expect("it is set up");
    for sql in SCHEMA {
        connection.execute_batch(sql).expect("it is SQL");
    }
    connection
        .execute("INSERT INTO workflow (json) VALUES ('{}')", [])
        .expect("a row");
    for i in 0..runs {
        connection
            .execute(
                "INSERT INTO run (workflow_id, origin, workflow, nominal_ms, due_ms, started_ms) VALUES (?, 'start', 1, 0, 0, 0)",
                [format!("bare-{i}")],
            )
            .expect("a row");
    }
    connection.execute_batch("COMMIT").expect("it commits");
    connection.set_prepared_statement_cache_capacity(64);
    let (sender, changes) = channel();
    let mut rate = 0.0;
    std::thread::scope(|s| {
        s.spawn(move || write_groups(&connection, &changes));
        let sender = Mutex::new(sender);
        let hands = Mutex::new(Vec::new());
        rate = per_second(runs, threads, |i| {
            let known = hands.lock().expect("no thread panics").pop();
            let (agent, sender): (Agent, Sender<_>) =
                known.unwrap_or_else(|| (agent(), sender.lock().expect("no thread panics").clone()));
            one_run(&agent, &sender, url, i + 1);
            hands.lock().expect("no thread panics").push((agent, sender));
        });
    });
    rate
}

fn one_run(agent: &Agent, sender: &Sender<(Change, SyncSender<()>)>, url: &str, run: usize) {
    let write = |change: Change| {
        let (reply, done) = sync_channel(1);
        sender.send((change, reply)).expect("the writer is there");
        done.recv().expect("it is committed");
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
        .expect("it is recorded");
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
