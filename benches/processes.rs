//! Whole processes, as a person meets them: `cargo bench --bench processes`. Prints a table; asserts nothing.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempo::clock::Stopwatch;

const TEMPO: &str = env!("CARGO_BIN_EXE_tempo");
const SCHEDULES: usize = 1000;
const ROUNDS: usize = 40;

fn tempo(database: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(TEMPO);
    command.arg("--db").arg(database).args(args).stdin(Stdio::null());
    command
}

fn quietly(database: &Path, args: &[&str]) {
    let done = tempo(database, args)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("the program starts");
    assert!(done.success(), "{args:?}");
}

/// The median of how long something takes, after two rounds to warm up.
fn median(rounds: usize, mut once: impl FnMut() -> Duration) -> Duration {
    let mut times: Vec<_> = (0..rounds + 2).map(|_| once()).skip(2).collect();
    times.sort_unstable();
    times[times.len() / 2]
}

fn timed(mut command: Command) -> Duration {
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
fn serve_until(database: &Path, word: &str) -> (Child, Duration) {
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

fn end(mut child: Child) {
    child.kill().expect("the server is there");
    child.wait().expect("the server ends");
}

fn row(what: &str, value: &str, reach: &str) {
    let line = format!("{what:<52} {value:>12}   {reach}\n");
    std::io::Write::write_all(&mut std::io::stdout(), line.as_bytes()).expect("stdout is open");
}

fn ms(d: Duration) -> String {
    format!("{:.2} ms", d.as_secs_f64() * 1000.0)
}

fn resident_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).unwrap_or("0 kB");
    line.split_whitespace().next().and_then(|n| n.parse().ok()).unwrap_or(0)
}

fn main() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let database = folder.path().join("bench.db");
    for i in 0..SCHEDULES {
        let id = format!("schedule-{i:04}");
        let cron = format!("{} {} * * MON-FRI", i % 60, i % 24);
        let args = [
            "schedule",
            "create",
            &id,
            "--cron",
            &cron,
            "--tz",
            "America/New_York",
            "--jitter",
            "10s",
            "--shell",
            "true",
        ];
        quietly(&database, &args);
    }
    row("what", "median", "reach");
    row(
        "a bare process (/bin/true)",
        &ms(median(ROUNDS, || timed(Command::new("/bin/true")))),
        "",
    );
    row(
        "tempo --version",
        &ms(median(ROUNDS, || timed(tempo(&database, &["--version"])))),
        "",
    );
    for args in [
        ["schedule", "list"].as_slice(),
        &["-o", "json", "schedule", "list"],
        &["schedule", "describe", "schedule-0500"],
    ] {
        let what = format!("{}, {SCHEDULES} schedules", args.join(" "));
        row(&what, &ms(median(ROUNDS, || timed(tempo(&database, args)))), "5 ms");
    }
    let size = std::fs::metadata(TEMPO).expect("the program is there").len();
    row(
        "the program on disk",
        &format!("{}.{} MB", size / 1_000_000, size / 100_000 % 10),
        "10 MB",
    );
    let ready = median(10, || {
        let (child, took) = serve_until(&database, "serving");
        end(child);
        took
    });
    row("tempo run: ready", &ms(ready), "30 ms");
    let (child, _) = serve_until(&database, "serving");
    // What it holds when it has settled: after its first look at the file.
    std::sync::mpsc::channel::<()>()
        .1
        .recv_timeout(Duration::from_secs(1))
        .expect_err("nobody sends");
    row(
        "tempo run: resident when idle",
        &format!(
            "{}.{} MB",
            resident_kib(child.id()) / 1024,
            resident_kib(child.id()) * 10 / 1024 % 10
        ),
        "10 MB",
    );
    end(child);
    let started = median(10, || {
        quietly(
            &database,
            &["schedule", "trigger", "schedule-0001", "--overlap-policy", "allow-all"],
        );
        let (child, took) = serve_until(&database, " start ");
        end(child);
        took
    });
    row("tempo run: first run started when something is due", &ms(started), "50 ms");
}
