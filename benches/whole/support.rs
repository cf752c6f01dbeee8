//! What the benchmarks share: the program as a process, questions to its database, and the table.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempo::clock::Stopwatch;

pub(crate) const TEMPO: &str = env!("CARGO_BIN_EXE_tempo");

pub(crate) fn tempo(database: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(TEMPO);
    command.arg("--db").arg(database).args(args).stdin(Stdio::null());
    command
}

pub(crate) fn quietly(database: &Path, args: &[&str]) {
    let done = tempo(database, args)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("the program starts");
    assert!(done.success(), "{args:?}");
}

/// The median of how long something takes, after two rounds to warm up.
pub(crate) fn median(rounds: usize, mut once: impl FnMut() -> Duration) -> Duration {
    let mut times: Vec<_> = (0..rounds + 2).map(|_| once()).skip(2).collect();
    times.sort_unstable();
    times[times.len() / 2]
}

pub(crate) fn timed(mut command: Command) -> Duration {
    let watch = Stopwatch::start();
    let done = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("the program starts");
    let took = watch.elapsed();
    assert!(done.success());
    took
}

/// A server, and how long it took until its log held `word`.
pub(crate) fn serve_until(database: &Path, word: &str) -> (Child, Duration) {
    let watch = Stopwatch::start();
    let mut child = tempo(database, &["run"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the server starts");
    let log = BufReader::new(child.stdout.take().expect("its stdout is a pipe"));
    let heard = log.lines().map_while(Result::ok).any(|line| line.contains(word));
    assert!(heard, "the server never said `{word}`");
    (child, watch.elapsed())
}

pub(crate) fn end(mut child: Child) {
    child.kill().expect("the server is there");
    child.wait().expect("the server ends");
}

pub(crate) fn row(what: &str, value: &str, reach: &str) {
    let line = format!("{what:<52} {value:>12}   {reach}\n");
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

/// The value that a part of so many lies below.
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

/// Rows that a question to the database gives, a number each.
pub(crate) fn numbers(database: &Path, sql: &str) -> Vec<f64> {
    let file = rusqlite::Connection::open(database).expect("the database opens");
    let mut statement = file.prepare(sql).expect("it is SQL");
    let rows = statement.query_map([], |r| r.get::<_, f64>(0)).expect("it is asked");
    rows.map(|n| n.expect("it is a number")).collect()
}

/// Puts so many runs on file at once: a schedule of that work, and a backfill of as many seconds.
pub(crate) fn backfilled(database: &Path, runs: i64, what: &[&str]) {
    let first = chrono::DateTime::from_timestamp(1_767_225_601, 0).expect("a time");
    let last = first + chrono::TimeDelta::seconds(runs - 1);
    let create = ["schedule", "create", "s", "--interval", "1s", "--paused"];
    quietly(database, &[&create[..], what].concat());
    let backfill = ["schedule", "backfill", "s", "--overlap-policy", "allow-all", "--start-time"];
    let range = [&first.to_rfc3339(), "--end-time", &last.to_rfc3339()];
    quietly(database, &[&backfill[..], &range].concat());
}

/// Lets a while pass, for what has no signal of its own.
pub(crate) fn wait_a_while(span: Duration) {
    std::sync::mpsc::channel::<()>()
        .1
        .recv_timeout(span)
        .expect_err("nobody sends");
}

/// A folder on a real disk, for as long as it is held.
pub(crate) fn folder() -> tempfile::TempDir {
    let place = std::env::var_os("TEMPO_BENCH_DIR").unwrap_or_else(|| env!("CARGO_TARGET_TMPDIR").into());
    tempfile::tempdir_in(place).expect("a folder can be made")
}

pub(crate) fn title(name: &str) {
    row(&format!("\n{name}"), "measured", "reach");
}
