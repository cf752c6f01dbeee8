//! Durable runs per second, compared with a bare pipeline that makes the same requests and writes the same rows without the engine.

use std::path::Path;
use std::process::Stdio;

use crate::support::{backfilled, directory, numbers, row, tempo};
use crate::{bare, web};

const RUNS: usize = 10_000;
const ONE_AT_A_TIME: usize = 400;
const COMMANDS: usize = 1_000;

/// Requests `runs` runs at once, by a backfill, and lets a server perform them. Returns how many close per second.
fn perform(directory: &Path, name: &str, runs: usize, action: &[&str], workers: &str) -> f64 {
    let database = directory.join(format!("{name}.db"));
    backfilled(&database, i64::try_from(runs).expect("the count fits"), action);
    let status = tempo(&database, &["-q", "run", "--once", "--workers", workers])
        .stdout(Stdio::null())
        .status()
        .expect("the server starts");
    assert!(status.success());
    let open = numbers(
        &database,
        "SELECT count(*) FROM run WHERE status <> 'Completed' OR incidents > 0",
    );
    assert_eq!(open, [0.0]);
    // Counted from when the last run is recorded, because the bare pipeline records all its runs before it starts.
    let closed = numbers(
        &database,
        "SELECT closed_ms - (SELECT max(started_ms) FROM run) FROM run WHERE closed_ms > (SELECT max(started_ms) FROM run) ORDER BY 1",
    );
    let span = closed.last().expect("some runs close after the last is recorded");
    #[expect(clippy::cast_precision_loss, reason = "a count")]
    let closed = closed.len() as f64;
    closed * 1000.0 / span
}

fn compare(name: &str, tempo: f64, bare: f64, target: &str) {
    row(&format!("{name}: tempo"), &format!("{tempo:.0} /s"), "");
    row(
        &format!("{name}: bare"),
        &format!("{bare:.0} /s"),
        &format!("ratio {:.2}, target {target}", tempo / bare),
    );
}

pub(crate) fn run() {
    let web = web::Web::start();
    let directory = directory();
    let directory = directory.path();
    row("sync a page", &format!("{:.3} ms", bare::sync_ms(directory)), "");
    row(
        "requests, 64 threads",
        &format!("{:.0} /s", bare::requests_per_second(&web.url, 20_000, 64)),
        "",
    );
    let spawns = bare::spawns_per_second("/bin/true", 3 * COMMANDS, 4);
    row("spawn and wait, 4 threads", &format!("{spawns:.0} /s"), "");
    let probes: Vec<String> = ["a", "b", "c"].iter().map(|n| format!("{n}={}", web.url)).collect();
    let probes: Vec<&str> = probes.iter().flat_map(|p| ["--probe", p.as_str()]).collect();

    // In turns, because the machine's speed varies.
    for turn in 1..=3 {
        let ours = perform(directory, &format!("many-{turn}"), RUNS, &probes, "64");
        let bare = bare::pipeline(directory, &web.url, RUNS, 64);
        compare(&format!("3-step runs, {RUNS} queued"), ours, bare, "0.90");
    }

    let ours = perform(directory, "single", ONE_AT_A_TIME, &probes, "1");
    let bare_rate = bare::pipeline(directory, &web.url, ONE_AT_A_TIME, 1);
    row("3-step runs one at a time: tempo", &format!("{:.2} ms", 1000.0 / ours), "");
    row(
        "3-step runs one at a time: bare",
        &format!("{:.2} ms", 1000.0 / bare_rate),
        &format!("ratio {:.2}, target 1.3", bare_rate / ours),
    );

    let steps = directory.join("steps.toml");
    let text = ["a", "b", "c"]
        .map(|n| format!("[[step]]\nname = \"{n}\"\ncommand = [\"/bin/true\"]\n"))
        .concat();
    std::fs::write(&steps, text).expect("the file can be written");
    let ours = perform(
        directory,
        "commands",
        COMMANDS,
        &["--steps", &steps.display().to_string()],
        "64",
    );
    compare("commands, 3 per run", 3.0 * ours, spawns, "0.60");
}
