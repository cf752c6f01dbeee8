//! What the doctor looks at beside the file's own integrity, and what to do about what it finds.

use std::ffi::OsString;
use std::path::Path;

use chrono::{DateTime, Datelike as _, TimeDelta, Utc};
use serde::Serialize;

use super::super::Context;
use crate::error::Error;
use crate::machine::{self, Room};
use crate::output::counted;
use crate::spec::describe::spoken;
use crate::store::{Read, RunFilter, ScheduleRow, Store};

/// A log of changes that is larger than this has not been taken into the database for long.
const LARGE_LOG: u64 = 64 * 1024 * 1024;
/// Less room than this is little.
const LITTLE_ROOM: u64 = 200 * 1024 * 1024;
/// The clock may differ by so much from what is on file.
const CLOCK_SLACK: TimeDelta = TimeDelta::minutes(1);
/// A schedule skips always that has skipped so often, and more than nine times in ten.
const MANY_SKIPS: u64 = 10;
/// How many names are told.
const TOLD: usize = 5;

/// How a matter stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    /// As it should.
    Ok,
    /// Somebody should look at it.
    Warn,
}

/// What was found of one matter.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Finding {
    pub(super) name: &'static str,
    pub(super) level: Level,
    pub(super) message: String,
    /// What to do.
    pub(super) advice: Option<String>,
}

fn fine(name: &'static str, message: impl Into<String>) -> Finding {
    Finding {
        name,
        level: Level::Ok,
        message: message.into(),
        advice: None,
    }
}

fn wrong(name: &'static str, message: impl Into<String>, advice: impl Into<String>) -> Finding {
    Finding {
        name,
        level: Level::Warn,
        message: message.into(),
        advice: Some(advice.into()),
    }
}

/// Looks at everything.
pub(super) fn all(context: &Context, store: &Store, database: &Path) -> Result<Vec<Finding>, Error> {
    let now = context.now();
    let up = context.server()?;
    let (rows, newest, open) = store.read(|r| {
        let newest = r.runs(&RunFilter {
            limit: Some(1),
            ..RunFilter::default()
        })?;
        Ok((r.schedules(None, None)?, newest, r.how_many()?.1))
    })?;
    let recorded = newest.first().map(|run| run.started);
    let mut found = vec![
        fine(
            "file",
            format!("{}, {}", size(length(database)), counted(rows.len() as u64, "schedule")),
        ),
        log(database),
        server(up, open, now),
        zones(context, now),
        clock(recorded, now),
        room(database),
    ];
    found.extend(never(context, &rows, now)?);
    found.extend(always_skip(&rows));
    found.extend(store.read(|r| Ok(left_behind(r, database, up.is_some())))?);
    Ok(found)
}

fn length(file: &Path) -> u64 {
    std::fs::metadata(file).map_or(0, |m| m.len())
}

fn size(bytes: u64) -> String {
    if bytes >= 10 * 1024 * 1024 * 1024 {
        format!("{} GiB", bytes / 1024 / 1024 / 1024)
    } else if bytes >= 1024 * 1024 {
        format!("{} MiB", bytes / 1024 / 1024)
    } else {
        format!("{} KiB", bytes.div_ceil(1024))
    }
}

fn log(database: &Path) -> Finding {
    let mut log = database.as_os_str().to_owned();
    log.push("-wal");
    let bytes = length(Path::new(&log));
    if bytes > LARGE_LOG {
        let advice = "Some program reads the database and does not end, which keeps the log from being taken in: end it (`fuser FILE` names it).";
        return wrong(
            "log",
            format!("{} of changes are not in the database itself yet", size(bytes)),
            advice,
        );
    }
    fine("log", size(bytes))
}

fn server(up: Option<(u32, i64)>, open: u64, now: DateTime<Utc>) -> Finding {
    let runs = counted(open, "run");
    match up {
        Some((pid, since)) => {
            let since = DateTime::from_timestamp_millis(since).unwrap_or(now);
            let up_for = (now - since).num_seconds().max(0).unsigned_abs();
            fine(
                "server",
                format!("up for {}, pid {pid}, {runs} going", spoken(u128::from(up_for) * 1000)),
            )
        }
        None if open > 0 => wrong(
            "server",
            format!("`tempo run` is not up, and {runs} wait to go on"),
            "Start `tempo run`: they go on where they were.",
        ),
        None => wrong(
            "server",
            "`tempo run` is not up",
            "Nothing runs until it is: start it, under your init system.",
        ),
    }
}

fn zones(context: &Context, now: DateTime<Utc>) -> Finding {
    let Some(folder) = context.zones.folder() else {
        return wrong(
            "zones",
            "this machine has no zone data; what is compiled in is used",
            "Install tzdata: countries change their rules every year.",
        );
    };
    let shown = folder.display();
    let Some(version) = context.zones.version() else {
        return fine("zones", format!("{shown}, of a version that it does not tell"));
    };
    let year: i32 = version.chars().take(4).collect::<String>().parse().unwrap_or_default();
    // There are new ones several times a year.
    let is_old = now.year() - year > 1 || (now.year() - year == 1 && now.month() > 6);
    if is_old {
        return wrong(
            "zones",
            format!("{shown} is of version {version}"),
            "Upgrade tzdata: next times may be an hour off where a country changed its rules.",
        );
    }
    fine("zones", format!("{shown}, version {version}"))
}

fn clock(recorded: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Finding {
    match recorded {
        Some(last) if last > now + CLOCK_SLACK => {
            let behind = (last - now).num_milliseconds().unsigned_abs() / 1000 * 1000;
            wrong(
                "clock",
                format!("it is {} behind a start that is on file", spoken(u128::from(behind))),
                "Set the clock (`timedatectl`): nothing fires twice, but nothing fires before that time either.",
            )
        }
        Some(_) | None => fine("clock", now.format("%Y-%m-%d %H:%M:%S UTC").to_string()),
    }
}

fn room(database: &Path) -> Finding {
    let folder = database
        .parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let Some(Room { free, total }) = Room::of(folder) else {
        return fine("room", "not told by this file system");
    };
    let told = format!("{} of {} free", size(free), size(total));
    if free < LITTLE_ROOM {
        return wrong(
            "room",
            told,
            "Make room: what cannot be recorded is not started. `tempo run --keep-for 7d` keeps less history.",
        );
    }
    fine("room", told)
}

fn told(ids: &[&str]) -> String {
    let shown = ids.iter().take(TOLD).copied().collect::<Vec<_>>().join(", ");
    if ids.len() > TOLD {
        format!("{shown} and {} more", ids.len() - TOLD)
    } else {
        shown
    }
}

fn never(context: &Context, rows: &[ScheduleRow], now: DateTime<Utc>) -> Result<Option<Finding>, Error> {
    let mut ids = Vec::new();
    for row in rows.iter().filter(|row| row.next.is_none() && !row.state.paused) {
        let written = row.written()?;
        if !written.at_boot && !written.is_empty() && row.compiled(&context.zones)?.next_after(now).is_none() {
            ids.push(row.id.as_str());
        }
    }
    Ok((!ids.is_empty()).then(|| {
        wrong(
            "never",
            format!(
                "{} can never fire again: {}",
                counted(ids.len() as u64, "schedule"),
                told(&ids)
            ),
            "`tempo schedule describe ID` shows why: an end that has passed, or days that do not exist. Delete or update them.",
        )
    }))
}

fn always_skip(rows: &[ScheduleRow]) -> Option<Finding> {
    let skips = |row: &&ScheduleRow| row.counters.skipped >= MANY_SKIPS && row.counters.skipped > 9 * row.counters.actions;
    let ids: Vec<&str> = rows.iter().filter(skips).map(|row| row.id.as_str()).collect();
    (!ids.is_empty()).then(|| {
        wrong(
            "skips",
            format!("{} nearly always: {}", if ids.len() == 1 { "1 schedule skips".to_owned() } else { format!("{} schedules skip", ids.len()) }, told(&ids)),
            "Their runs take longer than the time between them: look at `tempo workflow list --schedule ID`, and give them `--run-timeout`, another interval, or `--overlap-policy`.",
        )
    })
}

/// Processes of runs that have closed, or of any run where no server is up.
fn left_behind(read: &Read<'_>, database: &Path, is_up: bool) -> Option<Finding> {
    let whole = std::fs::canonicalize(database).unwrap_or_else(|_| database.to_owned());
    let mut mark = OsString::from("TEMPO_DB=");
    mark.push(&whole);
    let mut pids = Vec::new();
    for (pid, run) in machine::processes_with(&[&mark], "TEMPO_RUN_ID") {
        let is_open = is_up && read.run_named(&run).is_ok_and(|r| r.closed.is_none());
        if !run.is_empty() && !is_open {
            pids.push(pid.to_string());
        }
    }
    let pids: Vec<&str> = pids.iter().map(String::as_str).collect();
    (!pids.is_empty()).then(|| {
        wrong(
            "processes",
            format!("{} left behind by runs that are not going: {}", counted_processes(pids.len()), told(&pids)),
            "They made a session of their own, or no server has ended them yet: `ps -o pid,args -p PID` shows what they are; end them with `kill`, or start `tempo run`.",
        )
    })
}

fn counted_processes(n: usize) -> String {
    if n == 1 {
        "1 process was".to_owned()
    } else {
        format!("{n} processes were")
    }
}
