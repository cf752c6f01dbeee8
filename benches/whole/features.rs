//! What features cost a run: a limit of its task queue, and a receiver that is told of its failure. Each is compared with the same runs without it.

use std::path::Path;
use std::process::Stdio;

use crate::support::{backfilled, directory, numbers, quietly, row, tempo};
use crate::web;

const RUNS: i64 = 10_000;
/// Comparisons of each feature, in turns, because the machine's speed varies.
const TURNS: usize = 5;

/// Requests runs at once, by a backfill, and lets a server perform them. Returns how many close per second.
fn rate(database: &Path, action: &[&str], server: &[&str]) -> f64 {
    backfilled(database, RUNS, action);
    let serve = ["-q", "run", "--once", "--workers", "64"];
    // It exits with 1 if runs failed.
    let status = tempo(database, &[&serve, server].concat())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.expect("the server starts");
    let closed = numbers(
        database,
        "SELECT closed_ms - (SELECT max(started_ms) FROM run) FROM run WHERE closed_ms > (SELECT max(started_ms) FROM run) ORDER BY 1",
    );
    let span = closed.last().expect("some runs close after the last is recorded");
    #[expect(clippy::cast_precision_loss, reason = "a count")]
    let closed = closed.len() as f64;
    closed * 1000.0 / span
}

/// Prints the rates with and without a feature, and the median of their ratios.
fn compare(name: &str, target: &str, mut measure: impl FnMut(usize, bool) -> f64) {
    let mut ratios = Vec::new();
    for turn in 0..TURNS {
        let (without, with) = (measure(turn, false), measure(turn, true));
        ratios.push(without / with);
        row(
            &format!("{name}: without · with"),
            &format!("{without:.0} · {with:.0} /s"),
            &format!("{:.2} × the time", without / with),
        );
    }
    ratios.sort_by(f64::total_cmp);
    row(&format!("{name}: median"), &format!("{:.3} ×", ratios[TURNS / 2]), target);
}

pub(crate) fn run() {
    let web = web::Web::start();
    let directory = directory();
    let directory = directory.path();
    let probe = format!("web={}", web.url);
    compare("limit of a task queue", "1.05 ×", |turn, with| {
        let database = directory.join(format!("queue-{turn}-{with}.db"));
        let action = ["--probe", &probe];
        if with {
            let in_queue = [&action[..], &["--task-queue", "heavy"]].concat();
            rate(&database, &in_queue, &["--queue", "heavy=64"])
        } else {
            rate(&database, &action, &[])
        }
    });
    let steps = directory.join("steps.toml");
    let text = format!(
        "[[step]]\nname = 'web'\nprobe = {{ url = '{}', status = 500 }}\non_failure = 'fail'\nretry = {{ maximum_attempts = 1 }}\n",
        web.url
    );
    std::fs::write(&steps, text).expect("the file can be written");
    let steps = steps.display().to_string();
    compare("10,000 events into the outbox", "1.10 ×", |turn, with| {
        let database = directory.join(format!("outbox-{turn}-{with}.db"));
        if with {
            quietly(
                &database,
                &[
                    "notify",
                    "add",
                    "r",
                    "--event",
                    "run-failed",
                    "--",
                    "sh",
                    "-c",
                    "cat > /dev/null",
                ],
            );
        }
        let rate = rate(&database, &["--steps", &steps], &[]);
        if with {
            let told = numbers(&database, "SELECT count(*) FROM message WHERE status = 'delivered'");
            assert!(told[0] > 0.0, "nothing was delivered");
        }
        rate
    });
}
