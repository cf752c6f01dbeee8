//! Scale: a million schedules, a million finished runs, memory, idle CPU, and commands alongside a server under full load.

use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use tempo::clock::{Clock as _, Stopwatch, SystemClock};

use crate::support::{
    backfilled, create_one, directory, end, median, ms, multiply, numbers, percentile, quietly, resident_kib, row, serve_until,
    tempo, timed, wait_a_while,
};
use crate::web;

const MILLION: usize = 1_000_000;

pub(crate) fn run() {
    let directory = directory();
    let directory = directory.path();
    definitions(directory);
    many_schedules(directory);
    idle(directory);
    under_load(directory);
    statistics(directory);
    much_history(directory);
}

/// Applies ten thousand schedules from one file: first all new, then all unchanged.
fn definitions(directory: &Path) {
    let tables = (0..10_000).map(|i| {
        let (minute, hour) = (i % 60, i % 24);
        format!("[[schedule]]\nid = \"job-{i}\"\ncron = \"{minute} {hour} * * *\"\n[[schedule.step]]\nname = \"work\"\ncommand = [\"true\"]\n")
    });
    let file = directory.join("jobs.toml");
    std::fs::write(&file, tables.collect::<Vec<_>>().concat()).expect("the file can be written");
    let database = directory.join("defined.db");
    let apply = || tempo(&database, &["apply", "-q", "-f", file.to_str().expect("the path is UTF-8")]);
    row("apply of 10,000 schedules, new", &ms(timed(apply())), "2 s");
    row("  the same again, unchanged", &ms(median(5, || timed(apply()))), "2 s");
}

fn many_schedules(directory: &Path) {
    let web = web::Web::start();
    let database = directory.join("million.db");
    create_one(&database, &["--probe", &format!("web={}", web.url)]);
    multiply(&database, MILLION, 1000, 10);
    for args in [
        &["schedule", "describe", "copy-500000"][..],
        &["schedule", "list", "--limit", "50"],
    ] {
        let target = if args[1] == "list" { "10 ms" } else { "5 ms" };
        let name = format!("{}, a million schedules", args[..2].join(" "));
        row(&name, &ms(median(20, || timed(tempo(&database, args)))), target);
    }
    let (child, ready) = serve_until(&database, "serving");
    row("tempo run: ready, a million schedules", &ms(ready), "100 ms");
    wait_a_while(Duration::from_secs(40));
    let resident = resident_kib(child.id());
    end(child);
    let late = numbers(
        &database,
        "SELECT started_ms - due_ms FROM run WHERE due_ms > (SELECT min(due_ms) FROM run) + 5000 ORDER BY 1",
    );
    row(
        "a million schedules, 1,000 due per second: lateness p50 · p99",
        &format!("{:.0} · {:.0} ms", percentile(&late, 0.5), percentile(&late, 0.99)),
        "as with 1,000",
    );
    row("  resident memory", &format!("{} MB", resident / 1024), "");
}

/// CPU time of a process, in seconds.
fn cpu_seconds(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat
        .rsplit_once(')')
        .map_or("", |(_, rest)| rest)
        .split_whitespace()
        .collect();
    // Always in hundredths of a second, whatever unit the kernel counts in.
    let ticks = |i: usize| fields.get(i).and_then(|f| f.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}

fn idle(directory: &Path) {
    let database = directory.join("idle.db");
    create_one(&database, &["--shell", "true"]);
    multiply(&database, 10_000, 86_400, 100_000);
    let (child, _) = serve_until(&database, "serving");
    wait_a_while(Duration::from_secs(2));
    let before = cpu_seconds(child.id());
    wait_a_while(Duration::from_secs(30));
    let used = (cpu_seconds(child.id()) - before) / 30.0 * 100.0;
    row("idle, 10,000 schedules due tomorrow: CPU", &format!("{used:.2} %"), "0.2 %");
    row("  resident memory", &format!("{:.1} MB", kib(&child) / 1024.0), "12 MB");
    end(child);
}

#[expect(clippy::cast_precision_loss, reason = "a count")]
fn kib(child: &Child) -> f64 {
    resident_kib(child.id()) as f64
}

/// While thirty thousand runs are waiting or performed: how long commands take, and how soon the next server resumes after this one is killed.
fn under_load(directory: &Path) {
    let web = web::Web::start();
    let database = directory.join("load.db");
    let probes: Vec<String> = ["a", "b", "c"].iter().map(|n| format!("{n}={}", web.url)).collect();
    let probes: Vec<&str> = probes.iter().flat_map(|p| ["--probe", p.as_str()]).collect();
    backfilled(&database, 30_000, &probes);
    let (child, _) = serve_until(&database, " finish ");
    let mut pauses: Vec<f64> = (0..100)
        .map(|_| timed(tempo(&database, &["schedule", "pause", "s"])).as_secs_f64() * 1000.0)
        .collect();
    pauses.sort_by(f64::total_cmp);
    row(
        "pause alongside a server under full load: p50 · p99",
        &format!("{:.1} · {:.1} ms", percentile(&pauses, 0.5), percentile(&pauses, 0.99)),
        "6 · 20 ms",
    );
    row("  resident memory", &format!("{:.1} MB", kib(&child) / 1024.0), "40 MB");
    end(child);
    let watch = Stopwatch::start();
    let (child, _) = serve_until(&database, " resume ");
    row("after SIGKILL under load: first step resumed", &ms(watch.elapsed()), "200 ms");
    end(child);
}

/// A million runs of one schedule within 30 days: how fast their statistics are summed and read.
fn statistics(directory: &Path) {
    let database = directory.join("statistics.db");
    create_one(&database, &["--probe", "web=http://127.0.0.1:1/"]);
    quietly(&database, &["schedule", "pause", "--all"]);
    let connection = rusqlite::Connection::open(&database).expect("the database opens");
    let first = SystemClock.now().timestamp_millis() - 30 * 86_400_000 + 3_600_000;
    let sql = format!(
        "BEGIN;
        CREATE TEMP TABLE n AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {MILLION}) SELECT i, {first} + i * 2588 AS at FROM n;
        INSERT INTO run (workflow_id, schedule, schedule_id, origin, workflow, nominal_ms, due_ms, started_ms, closed_ms, status)
            SELECT 'one-' || at, 1, 'one', 'scheduled', 1, at, at, at, at + 5, 'Completed' FROM n;
        INSERT INTO attempt (run, position, number, started_ms, elapsed_ms, outcome, status_code)
            SELECT i, 0, 1, at, 1 + i * 7919 % 200, 'ok', 200 FROM n;
        INSERT INTO event (at_ms, kind, schedule, run, position) SELECT at + 5, 'step', 1, i, 0 FROM n;
        COMMIT; PRAGMA wal_checkpoint(TRUNCATE);"
    );
    connection.execute_batch(&sql).expect("the statements are valid SQL");
    drop(connection);
    row(
        "statistics of a million runs: sum",
        &ms(timed(tempo(&database, &["-q", "run", "--once"]))),
        "",
    );
    let list = median(20, || timed(tempo(&database, &["schedule", "list"])));
    let describe = median(20, || timed(tempo(&database, &["schedule", "describe", "one"])));
    row(
        "statistics of a million runs: describe",
        &ms(describe),
        &format!("5 ms more than list ({})", ms(list)),
    );
}

/// Measures commands and lateness with a million finished runs of a thousand schedules.
fn much_history(directory: &Path) {
    let web = web::Web::start();
    let database = directory.join("history.db");
    create_one(&database, &["--probe", &format!("web={}", web.url)]);
    multiply(&database, 1000, 1, 0);
    let connection = rusqlite::Connection::open(&database).expect("the database opens");
    let old = SystemClock.now().timestamp_millis() - 90 * 86_400_000;
    // Half of them two months past retention, half from yesterday.
    let sql = format!(
        "BEGIN;
        CREATE TEMP TABLE n AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {MILLION}) SELECT i,
            {old} + i + (i > {MILLION} / 2) * 89 * 86400000 AS at FROM n;
        INSERT INTO run (workflow_id, schedule, schedule_id, origin, workflow, nominal_ms, due_ms, started_ms, closed_ms, status)
            SELECT 'copy-' || (i % 1000 + 1) || '-' || at, 2 + i % 1000, 'copy-' || (i % 1000 + 1), 'scheduled', 1, at, at, at, at + 5, 'Completed' FROM n;
        INSERT INTO step (run, position, status, result, closed_ms) SELECT i, 0, 'Completed', 'ok status=200', at + 5 FROM n;
        INSERT INTO attempt (run, position, number, started_ms, elapsed_ms, outcome, status_code) SELECT i, 0, 1, at, 5, 'ok', 200 FROM n;
        INSERT INTO event (at_ms, kind, schedule, run, position) SELECT at, 'start', 2 + i % 1000, i, NULL FROM n;
        INSERT INTO event (at_ms, kind, schedule, run, position) SELECT at + 5, 'step', 2 + i % 1000, i, 0 FROM n;
        INSERT INTO event (at_ms, kind, schedule, run, value) SELECT at + 5, 'finish', 2 + i % 1000, i, 5 FROM n;
        COMMIT; PRAGMA wal_checkpoint(TRUNCATE);"
    );
    connection.execute_batch(&sql).expect("the statements are valid SQL");
    drop(connection);
    // A server sums the statistics first.
    quietly(&database, &["schedule", "pause", "--all"]);
    quietly(&database, &["run", "--once", "--keep-for", "3650d"]);
    let queries: [(&[&str], &str); 6] = [
        (&["workflow", "list"], "10 ms"),
        (
            &["schedule", "describe", "copy-500"],
            "10 ms; of them statistics of 30 days 5 ms",
        ),
        (&["schedule", "list"], "10 ms"),
        (&["status"], "10 ms"),
        (&["log"], "10 ms"),
        (&["log", "copy-500", "--limit", "100"], ""),
    ];
    for (args, target) in queries {
        let name = format!("tempo {}, a million finished runs", args.join(" "));
        row(&name, &ms(median(20, || timed(tempo(&database, args)))), target);
    }
    quietly(&database, &["schedule", "unpause", "--all"]);
    // The same load, with nothing to prune and with half a million runs.
    for (keep, pruned) in [("3650d", "nothing to prune"), ("30d", "half a million runs to prune")] {
        let started = SystemClock.now().timestamp_millis();
        let span = if keep == "30d" { "120s" } else { "30s" };
        let status = tempo(&database, &["-q", "run", "--no-web", "--for", span, "--keep-for", keep])
            .stdout(Stdio::null())
            .status();
        assert!(status.expect("the server starts").success());
        let late = numbers(
            &database,
            &format!(
                "SELECT started_ms - due_ms FROM run WHERE due_ms > {started} + 5000 AND due_ms < {started} + 115000 ORDER BY 1"
            ),
        );
        let lateness = format!("{:.0} · {:.0} ms", percentile(&late, 0.5), percentile(&late, 0.99));
        row(
            &format!("1,000 schedules every second, {pruned}: p50 · p99"),
            &lateness,
            "p99 no more than doubled",
        );
    }
    let left = numbers(
        &database,
        &format!("SELECT count(*) FROM run WHERE started_ms < {old} + 86400000"),
    );
    row("  of these left after 2 minutes", &format!("{:.0}", left[0]), "");
}
