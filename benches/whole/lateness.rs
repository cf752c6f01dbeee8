//! How late starts are: of runs against their due times, and of processes against the mark, with a bare loop beside.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use chrono::{DateTime, Utc};
use tempo::clock::{Clock as _, SystemClock};

use crate::support::{folder, numbers, percentile, quietly, row, tempo};
use crate::web;

/// How long each crowd of schedules is served.
const FOR: &str = "60s";
const AT_ONE_MARK: usize = 200;
/// Where a process that is started to be timed notes when it runs.
const STAMPS: &str = "TEMPO_BENCH_STAMPS";

fn create(database: &Path, count: usize, what: &[&str]) {
    // One transaction would do; a process each is what there is.
    for i in 0..count {
        let id = format!("s{i:04}");
        let create = ["schedule", "create", &id, "--interval", "1s", "--overlap-policy", "allow-all"];
        quietly(database, &[&create, what].concat());
    }
}

fn serve(database: &Path, span: &str) {
    let done = tempo(database, &["-q", "run", "--for", span]).stdout(Stdio::null()).status();
    assert!(done.expect("the server starts").success());
}

fn told(late: &[f64]) -> String {
    format!("{:.0} · {:.0} ms", percentile(late, 0.5), percentile(late, 0.99))
}

pub(crate) fn run() {
    let web = web::Web::start();
    let folder = folder();
    for (count, reach) in [(1, "2 · 10"), (100, "5 · 25"), (1000, "30 · 120")] {
        let database = folder.path().join(format!("late-{count}.db"));
        create(&database, count, &["--probe", &format!("web={}", web.url)]);
        serve(&database, FOR);
        // The first seconds catch up with what became due while the schedules were made.
        let settled = "started_ms > (SELECT min(started_ms) FROM run) + 3000";
        let late = numbers(
            &database,
            &format!("SELECT started_ms - due_ms FROM run WHERE {settled} ORDER BY 1"),
        );
        row(&format!("{count} schedules every second: p50 · p99"), &told(&late), reach);
        let first =
            "SELECT a.started_ms - r.due_ms FROM run r JOIN attempt a ON a.run = r.key AND a.position = 0 AND a.number = 1";
        let late = numbers(&database, &format!("{first} WHERE r.{settled} ORDER BY 1"));
        row("  until their first step starts", &told(&late), "");
        let lost = numbers(
            &database,
            "SELECT count(*) FROM refused WHERE decided_ms > (SELECT min(started_ms) FROM run) + 3000",
        );
        row("  times lost or skipped", &format!("{:.0}", lost[0]), "0");
    }
    at_one_mark(folder.path());
    beside_a_backfill(folder.path(), &web.url);
}

/// One program a second, alone and beside a backfill that starts everything at once: how late it runs.
fn beside_a_backfill(folder: &Path, url: &str) {
    let this = std::env::current_exe()
        .expect("this program has a path")
        .display()
        .to_string();
    let mut alone = 0.0;
    for beside in [false, true] {
        let database = folder.join(format!("beside-{beside}.db"));
        let noted = folder.join(format!("beside-{beside}"));
        create(
            &database,
            1,
            &["--env", &format!("{STAMPS}={}", noted.display()), "--", &this],
        );
        if beside {
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
        let late = stamped(&noted)
            .into_iter()
            .map(|(at, scheduled)| at - scheduled.unwrap_or(at))
            .skip(3);
        #[expect(clippy::cast_precision_loss, reason = "milliseconds")]
        let mut late: Vec<f64> = late.map(|ms| ms as f64).collect();
        late.sort_by(f64::total_cmp);
        let told = format!("{:.0} · {:.0} ms", percentile(&late, 0.5), percentile(&late, 1.0));
        if !beside {
            alone = percentile(&late, 0.5);
            row("one program a second: p50 · max", &told, "");
            continue;
        }
        let runs = numbers(
            &database,
            "SELECT count(*) FROM run WHERE origin = 'backfill' AND closed_ms IS NOT NULL",
        );
        let ratio = percentile(&late, 0.5) / alone.max(1.0);
        row(
            &format!("  beside a backfill of 864,000 times, {:.0} done: {ratio:.2} x", runs[0]),
            &told,
            "1.5 x",
        );
    }
}

/// Many programs at one mark: how late each of them runs, started by tempo and by a bare loop.
fn at_one_mark(folder: &Path) {
    let this = std::env::current_exe()
        .expect("this program has a path")
        .display()
        .to_string();
    let (ours, bare) = (folder.join("ours"), folder.join("bare"));
    let database = folder.join("mark.db");
    let stamps = format!("{STAMPS}={}", ours.display());
    create(&database, AT_ONE_MARK, &["--env", &stamps, "--", &this]);
    serve(&database, "23s");
    let settled = stamped(&ours)
        .into_iter()
        .map(|(at, scheduled)| at - scheduled.unwrap_or(at))
        .skip(3 * AT_ONE_MARK);
    let mut bare_late = Vec::new();
    for _ in 0..20 {
        let _ = std::fs::remove_file(&bare);
        let begun = SystemClock.now().timestamp_millis();
        let mut children: Vec<_> = (0..AT_ONE_MARK)
            .map(|_| {
                Command::new(&this)
                    .env(STAMPS, &bare)
                    .stdin(Stdio::null())
                    .spawn()
                    .expect("it starts")
            })
            .collect();
        for child in &mut children {
            child.wait().expect("it ends");
        }
        bare_late.extend(stamped(&bare).into_iter().map(|(at, _)| at - begun));
    }
    for (who, late) in [("a bare loop", bare_late), ("tempo", settled.collect())] {
        #[expect(clippy::cast_precision_loss, reason = "milliseconds")]
        let mut late: Vec<f64> = late.into_iter().map(|ms| ms as f64).collect();
        late.sort_by(f64::total_cmp);
        let told = format!("{:.0} · {:.0} ms", percentile(&late, 0.5), percentile(&late, 1.0));
        row(
            &format!("{AT_ONE_MARK} programs at one mark, {who}: p50 · max"),
            &told,
            if who == "tempo" { "1.2 x" } else { "" },
        );
    }
}

/// In a process that is started to be timed: notes when it runs, and when it should have, and ends.
pub(crate) fn stamp_if_asked() -> bool {
    let Some(stamps) = std::env::var_os(STAMPS) else {
        return false;
    };
    let now = SystemClock.now().timestamp_millis();
    let scheduled = tempo::machine::environment("TEMPO_SCHEDULED_AT")
        .expect("it is text")
        .unwrap_or_default();
    let mut file = File::options()
        .create(true)
        .append(true)
        .open(stamps)
        .expect("it can be made");
    file.write_all(format!("{now} {scheduled}\n").as_bytes())
        .expect("it can be written");
    true
}

/// When each process ran, and when it should have, in milliseconds.
fn stamped(stamps: &Path) -> Vec<(i64, Option<i64>)> {
    let text = std::fs::read_to_string(stamps).expect("somebody ran");
    let line = |l: &str| {
        let (at, scheduled) = l.split_once(' ')?;
        let scheduled = scheduled.parse::<DateTime<Utc>>().ok().map(|t| t.timestamp_millis());
        Some((at.parse().ok()?, scheduled))
    };
    text.lines().filter_map(line).collect()
}
