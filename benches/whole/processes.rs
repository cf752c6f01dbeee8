//! How long whole processes take, from start to exit.

use std::process::Command;
use std::time::Duration;

use crate::support::{TEMPO, directory, end, median, ms, quietly, resident_kib, row, serve_until, tempo, timed, wait_a_while};

const SCHEDULES: usize = 1000;
const ROUNDS: usize = 40;

pub(crate) fn run() {
    let directory = directory();
    let database = directory.path().join("bench.db");
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
        let name = format!("{}, {SCHEDULES} schedules", args.join(" "));
        row(&name, &ms(median(ROUNDS, || timed(tempo(&database, args)))), "5 ms");
    }
    let size = std::fs::metadata(TEMPO).expect("the program exists").len();
    row(
        "size of the program on disk",
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
    // Measured once it has settled, after its first ticks.
    wait_a_while(Duration::from_secs(1));
    row(
        "tempo run: resident memory when idle",
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
    row("tempo run: first run started, with a run due", &ms(started), "50 ms");
}
