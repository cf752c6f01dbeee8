//! How late starts are: runs compared with their due times, and processes compared with a common start time and a bare loop.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use chrono::{DateTime, Utc};
use tempo::clock::{Clock as _, SystemClock};

use crate::support::{directory, numbers, percentile, quietly, row, tempo};
use crate::web;

/// How long each group of schedules is served.
const SERVE_FOR: &str = "60s";
const AT_ONCE: usize = 200;
/// Names the file to which a timed process appends when it ran.
const STAMPS: &str = "TEMPO_BENCH_STAMPS";

fn create(database: &Path, count: usize, action: &[&str]) {
    // One process per schedule: `create` takes one at a time.
    for i in 0..count {
        let id = format!("s{i:04}");
        let create = ["schedule", "create", &id, "--interval", "1s", "--overlap-policy", "allow-all"];
        quietly(database, &[&create, action].concat());
    }
}

fn serve(database: &Path, span: &str) {
    let status = tempo(database, &["-q", "run", "--no-web", "--for", span])
        .stdout(Stdio::null())
        .status();
    assert!(status.expect("the server starts").success());
}

fn p50_and_p99(late: &[f64]) -> String {
    format!("{:.0} · {:.0} ms", percentile(late, 0.5), percentile(late, 0.99))
}

pub(crate) fn run() {
    let web = web::Web::start();
    let directory = directory();
    for (count, target) in [(1, "2 · 10"), (100, "5 · 25"), (1000, "30 · 120")] {
        let database = directory.path().join(format!("late-{count}.db"));
        create(&database, count, &["--probe", &format!("web={}", web.url)]);
        serve(&database, SERVE_FOR);
        // The first seconds catch up on times that came due while the schedules were created.
        let settled = "started_ms > (SELECT min(started_ms) FROM run) + 3000";
        let late = numbers(
            &database,
            &format!("SELECT started_ms - due_ms FROM run WHERE {settled} ORDER BY 1"),
        );
        row(
            &format!("{count} schedules every second: p50 · p99"),
            &p50_and_p99(&late),
            target,
        );
        let first =
            "SELECT a.started_ms - r.due_ms FROM run r JOIN attempt a ON a.run = r.key AND a.position = 0 AND a.number = 1";
        let late = numbers(&database, &format!("{first} WHERE r.{settled} ORDER BY 1"));
        row("  until the first step starts", &p50_and_p99(&late), "");
        let lost = numbers(
            &database,
            "SELECT count(*) FROM refused WHERE decided_ms > (SELECT min(started_ms) FROM run) + 3000",
        );
        row("  times lost or skipped", &format!("{:.0}", lost[0]), "0");
    }
    at_once(directory.path());
    during_a_backfill(directory.path(), &web.url);
}

/// How late one program per second starts, alone and during a backfill that starts everything at once.
fn during_a_backfill(directory: &Path, url: &str) {
    let this = std::env::current_exe()
        .expect("this program has a path")
        .display()
        .to_string();
    let mut alone = 0.0;
    for backfill in [false, true] {
        let database = directory.join(format!("backfill-{backfill}.db"));
        let stamps = directory.join(format!("backfill-{backfill}"));
        create(
            &database,
            1,
            &["--env", &format!("{STAMPS}={}", stamps.display()), "--", &this],
        );
        if backfill {
            let probe = format!("web={url}");
            quietly(
                &database,
                &["schedule", "create", "big", "--interval", "1s", "--paused", "--probe", &probe],
            );
            quietly(
                &database,
                &[
                    "schedule",
                    "backfill",
                    "big",
                    "--last",
                    "10d",
                    "--overlap-policy",
                    "allow-all",
                ],
            );
        }
        serve(&database, "25s");
        let late = stamped(&stamps)
            .into_iter()
            .map(|(at, scheduled)| at - scheduled.unwrap_or(at))
            .skip(3);
        #[expect(clippy::cast_precision_loss, reason = "milliseconds")]
        let mut late: Vec<f64> = late.map(|ms| ms as f64).collect();
        late.sort_by(f64::total_cmp);
        let lateness = format!("{:.0} · {:.0} ms", percentile(&late, 0.5), percentile(&late, 1.0));
        if !backfill {
            alone = percentile(&late, 0.5);
            row("one program per second: p50 · max", &lateness, "");
            continue;
        }
        let runs = numbers(
            &database,
            "SELECT count(*) FROM run WHERE origin = 'backfill' AND closed_ms IS NOT NULL",
        );
        let ratio = percentile(&late, 0.5) / alone.max(1.0);
        row(
            &format!("  during a backfill of 864,000 times, {:.0} done: {ratio:.2} x", runs[0]),
            &lateness,
            "1.5 x",
        );
    }
}

/// How late each of many programs due at the same time starts, when started by tempo and by a bare loop.
fn at_once(directory: &Path) {
    let this = std::env::current_exe()
        .expect("this program has a path")
        .display()
        .to_string();
    let (ours, bare) = (directory.join("ours"), directory.join("bare"));
    let database = directory.join("mark.db");
    let stamps = format!("{STAMPS}={}", ours.display());
    create(&database, AT_ONCE, &["--env", &stamps, "--", &this]);
    serve(&database, "23s");
    let settled = stamped(&ours)
        .into_iter()
        .map(|(at, scheduled)| at - scheduled.unwrap_or(at))
        .skip(3 * AT_ONCE);
    let mut bare_late = Vec::new();
    for _ in 0..20 {
        let _ = std::fs::remove_file(&bare);
        let started = SystemClock.now().timestamp_millis();
        let mut children: Vec<_> = (0..AT_ONCE)
            .map(|_| {
                Command::new(&this)
                    .env(STAMPS, &bare)
                    .stdin(Stdio::null())
                    .spawn()
                    .expect("the program starts")
            })
            .collect();
        for child in &mut children {
            child.wait().expect("the program exits");
        }
        bare_late.extend(stamped(&bare).into_iter().map(|(at, _)| at - started));
    }
    for (name, late) in [("a bare loop", bare_late), ("tempo", settled.collect())] {
        #[expect(clippy::cast_precision_loss, reason = "milliseconds")]
        let mut late: Vec<f64> = late.into_iter().map(|ms| ms as f64).collect();
        late.sort_by(f64::total_cmp);
        let lateness = format!("{:.0} · {:.0} ms", percentile(&late, 0.5), percentile(&late, 1.0));
        row(
            &format!("{AT_ONCE} programs due at once, {name}: p50 · max"),
            &lateness,
            if name == "tempo" { "1.2 x" } else { "" },
        );
    }
}

/// Appends when it runs and when it should have run, in a process started to be timed. Returns whether this is one.
pub(crate) fn stamp_if_asked() -> bool {
    let Some(stamps) = std::env::var_os(STAMPS) else {
        return false;
    };
    let now = SystemClock.now().timestamp_millis();
    let scheduled = tempo::machine::environment("TEMPO_SCHEDULED_AT")
        .expect("the variable is UTF-8")
        .unwrap_or_default();
    let mut file = File::options()
        .create(true)
        .append(true)
        .open(stamps)
        .expect("the file can be created");
    file.write_all(format!("{now} {scheduled}\n").as_bytes())
        .expect("the file can be written");
    true
}

/// When each process ran and when it should have run, in milliseconds.
fn stamped(stamps: &Path) -> Vec<(i64, Option<i64>)> {
    let text = std::fs::read_to_string(stamps).expect("a process has run");
    let line = |l: &str| {
        let (at, scheduled) = l.split_once(' ')?;
        let scheduled = scheduled.parse::<DateTime<Utc>>().ok().map(|t| t.timestamp_millis());
        Some((at.parse().ok()?, scheduled))
    };
    text.lines().filter_map(line).collect()
}
