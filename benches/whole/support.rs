//! Shared by the benchmarks: tempo as a process, queries of its database, and the table.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempo::clock::{Clock as _, Stopwatch, SystemClock};

pub(crate) const TEMPO: &str = env!("CARGO_BIN_EXE_tempo");

pub(crate) fn tempo(database: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(TEMPO);
    command.arg("--db").arg(database).args(args).stdin(Stdio::null());
    command
}

pub(crate) fn quietly(database: &Path, args: &[&str]) {
    let status = tempo(database, args)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("the program starts");
    assert!(status.success(), "{args:?}");
}

/// The median duration of `rounds` calls, after two calls to warm up.
pub(crate) fn median(rounds: usize, mut call: impl FnMut() -> Duration) -> Duration {
    let mut times: Vec<_> = (0..rounds + 2).map(|_| call()).skip(2).collect();
    times.sort_unstable();
    times[times.len() / 2]
}

pub(crate) fn timed(mut command: Command) -> Duration {
    let watch = Stopwatch::start();
    let status = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("the program starts");
    let took = watch.elapsed();
    assert!(status.success());
    took
}

/// Starts a server without a page, and returns it with the time until `word` appeared in its log.
pub(crate) fn serve_until(database: &Path, word: &str) -> (Child, Duration) {
    let watch = Stopwatch::start();
    let mut child = tempo(database, &["run", "--no-web"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the server starts");
    let log = BufReader::new(child.stdout.take().expect("its stdout is a pipe"));
    let found = log.lines().map_while(Result::ok).any(|line| line.contains(word));
    assert!(found, "`{word}` does not appear in the log of the server");
    (child, watch.elapsed())
}

pub(crate) fn end(mut child: Child) {
    child.kill().expect("the server is running");
    child.wait().expect("the server ends");
}

pub(crate) fn row(name: &str, value: &str, target: &str) {
    let line = format!("{name:<52} {value:>12}   {target}\n");
    std::io::Write::write_all(&mut std::io::stdout(), line.as_bytes()).expect("stdout is open");
}

pub(crate) fn ms(d: Duration) -> String {
    format!("{:.2} ms", d.as_secs_f64() * 1000.0)
}

pub(crate) fn resident_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).unwrap_or("0 kB");
    line.split_whitespace().next().and_then(|n| n.parse().ok()).unwrap_or(0)
}

/// The value below which a fraction `part` of the sorted values lies.
pub(crate) fn percentile(sorted: &[f64], part: f64) -> f64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an index"
    )]
    let at = (sorted.len() as f64 * part) as usize;
    sorted
        .get(at.min(sorted.len().saturating_sub(1)))
        .copied()
        .unwrap_or(f64::NAN)
}

/// The rows of a query of one number.
pub(crate) fn numbers(database: &Path, sql: &str) -> Vec<f64> {
    let connection = rusqlite::Connection::open(database).expect("the database opens");
    let mut statement = connection.prepare(sql).expect("the query is valid SQL");
    let rows = statement.query_map([], |r| r.get::<_, f64>(0)).expect("the query runs");
    rows.map(|n| n.expect("the column is a number")).collect()
}

/// Requests `runs` runs at once: creates a schedule that fires every second with this action, and backfills that many seconds.
pub(crate) fn backfilled(database: &Path, runs: i64, action: &[&str]) {
    let first = chrono::DateTime::from_timestamp(1_767_225_601, 0).expect("the timestamp is in range");
    let last = first + chrono::TimeDelta::seconds(runs - 1);
    let create = ["schedule", "create", "s", "--interval", "1s", "--paused"];
    quietly(database, &[&create[..], action].concat());
    let backfill = ["schedule", "backfill", "s", "--overlap-policy", "allow-all", "--start-time"];
    let range = [&first.to_rfc3339(), "--end-time", &last.to_rfc3339()];
    quietly(database, &[&backfill[..], &range].concat());
}

/// Sleeps, where there is nothing to wait for.
pub(crate) fn wait_a_while(span: Duration) {
    std::sync::mpsc::channel::<()>()
        .1
        .recv_timeout(span)
        .expect_err("nothing is sent");
}

/// A directory on a real disk, deleted when dropped.
pub(crate) fn directory() -> tempfile::TempDir {
    let parent = std::env::var_os("TEMPO_BENCH_DIR").unwrap_or_else(|| env!("CARGO_TARGET_TMPDIR").into());
    tempfile::tempdir_in(parent).expect("a directory can be created")
}

pub(crate) fn title(name: &str) {
    row(&format!("\n{name}"), "measured", "target");
}

/// Copies the schedule `one` `count` times, with due times spread over the seconds of an interval of `apart_s`, from `first_in_s` seconds from now.
pub(crate) fn multiply(database: &Path, count: usize, apart_s: usize, first_in_s: i64) {
    let connection = rusqlite::Connection::open(database).expect("the database opens");
    let now = SystemClock.now().timestamp();
    let sql = format!(
        "BEGIN;
        CREATE TEMP TABLE n AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) SELECT i FROM n;
        INSERT INTO schedule (id, spec, spec_text, time_zone, workflow, workflow_id, overlap, catchup_window_ms, pause_on_failure, note, paused,
                created_ms, updated_ms)
            SELECT 'copy-' || i, '{{\"interval\":[\"{apart_s}s/' || (i % {apart_s}) || 's\"]}}', 'every so often', 'UTC', workflow, 'copy-' || i,
                'skip', 600000, 0, '', 0, {now}000, {now}000 FROM n, schedule WHERE id = 'one';
        INSERT INTO progress (schedule, cursor_ms, floor_ms, next_ms, attention_ms)
            SELECT key, {from}000, {from}000, at, at FROM (SELECT s.key,
                1000 * ({from} + 1 + (substr(s.id, 6) % {apart_s} - ({from} + 1) % {apart_s} + {apart_s}) % {apart_s}) AS at
                FROM schedule s WHERE s.id <> 'one');
        INSERT INTO due (at_ms, schedule) SELECT attention_ms, schedule FROM progress WHERE attention_ms IS NOT NULL ON CONFLICT DO NOTHING;
        COMMIT; PRAGMA wal_checkpoint(TRUNCATE);",
        from = now + first_in_s,
    );
    connection.execute_batch(&sql).expect("the statements are valid SQL");
}

pub(crate) fn create_one(database: &Path, action: &[&str]) {
    let create = ["schedule", "create", "one", "--cron", "0 0 1 1 *"];
    quietly(database, &[&create, action].concat());
}
