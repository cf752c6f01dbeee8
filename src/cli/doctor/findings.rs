//! The checks of `tempo doctor` other than the integrity check, with advice for each problem found.

use std::ffi::OsString;
use std::path::Path;

use chrono::{DateTime, Datelike as _, TimeDelta, Utc};
use serde::Serialize;

use super::super::Context;
use crate::actions::has_sendmail;
use crate::engine::RUN_ID;
use crate::error::Error;
use crate::files::notify_text::NotifyText;
use crate::machine::{self, DiskSpace};
use crate::notify::Channel;
use crate::output::counted;
use crate::spec::describe::human_duration;
use crate::store::{MAX_SILENCE, Read, ReceiverRow, RunFilter, SchedulePage, ScheduleRow, Store, server_responds};

/// A write-ahead log larger than this, in bytes, has not been checkpointed for a long time.
const LARGE_LOG: u64 = 64 * 1024 * 1024;
/// Free disk space below this, in bytes, is reported.
const LOW_SPACE: u64 = 200 * 1024 * 1024;
/// How far the clock may be behind the newest recorded start.
const CLOCK_SLACK: TimeDelta = TimeDelta::minutes(1);
/// A schedule that has skipped at least this many times, and more than nine times in ten, is reported.
const MANY_SKIPS: u64 = 10;
/// Maximum number of names listed.
const MAX_NAMES: usize = 5;

/// The severity of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    /// No problem.
    Ok,
    /// A problem that needs attention.
    Warn,
}

/// The result of one check.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Finding {
    pub(super) name: &'static str,
    pub(super) level: Level,
    pub(super) message: String,
    /// How to fix the problem.
    pub(super) advice: Option<String>,
}

fn ok(name: &'static str, message: impl Into<String>) -> Finding {
    Finding {
        name,
        level: Level::Ok,
        message: message.into(),
        advice: None,
    }
}

fn warning(name: &'static str, message: impl Into<String>, advice: impl Into<String>) -> Finding {
    Finding {
        name,
        level: Level::Warn,
        message: message.into(),
        advice: Some(advice.into()),
    }
}

/// Runs all checks.
pub(super) fn all(context: &Context, store: &Store, database: &Path) -> Result<Vec<Finding>, Error> {
    let now = context.now();
    let running = context.server()?;
    let (rows, newest, open) = store.read(|r| {
        let newest = r.runs(&RunFilter {
            limit: Some(1),
            ..RunFilter::default()
        })?;
        Ok((
            r.schedules(&SchedulePage::default())?,
            newest,
            r.count_schedules_and_runs()?.1,
        ))
    })?;
    let recorded = newest.first().map(|run| run.started);
    let mut found = vec![
        ok(
            "file",
            format!("{}, {}", size(length(database)), counted(rows.len() as u64, "schedule")),
        ),
        log(database),
        match running.map(|(pid, _)| (pid, server_responds(database))) {
            // It may have ended meanwhile.
            Some((pid, Ok(false))) if context.server()?.is_some() => silent(pid),
            Some((_, Ok(false))) => server(None, open, now),
            Some((_, Err(e))) => warning("server", e.to_string(), "Delete the lock file; the server writes it again."),
            Some((_, Ok(true))) | None => server(running, open, now),
        },
        zones(context, now),
        clock(recorded, now),
        disk_space(database),
    ];
    found.extend(mail(context, store)?);
    found.extend(never(context, &rows, now)?);
    found.extend(always_skip(&rows));
    found.extend(store.read(|r| Ok(left_behind(r, database, running.is_some())))?);
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
        let advice = "A program keeps the database open for reading, so the log cannot be checkpointed. Find it with `fuser FILE`, and stop it.";
        return warning(
            "log",
            format!("{} of changes have not been checkpointed into the database", size(bytes)),
            advice,
        );
    }
    ok("log", format!("write-ahead log of {}", size(bytes)))
}

/// Reports receivers that mail through a `sendmail` that this machine does not have.
fn mail(context: &Context, store: &Store) -> Result<Option<Finding>, Error> {
    let uses_sendmail = |row: &ReceiverRow| {
        let receiver = NotifyText::stored((&row.name, &row.definition), &context.zones);
        receiver.is_ok_and(|receiver| matches!(receiver.channel, Channel::Email { smtp: None, .. }))
    };
    let receivers = store.read(|r| r.receivers())?;
    let names: Vec<&str> = receivers
        .iter()
        .filter(|row| uses_sendmail(row))
        .map(|row| row.name.as_str())
        .collect();
    let message = format!(
        "this machine has no `sendmail`, which these receivers use: {}",
        join_names(&names)
    );
    let advice = "Install a mail server, such as postfix, or remove the receiver and add it again with `--smtp HOST` (`smtp` in its file): `tempo notify list` shows the mails that wait.";
    Ok((!names.is_empty() && !has_sendmail()).then(|| warning("mail", message, advice)))
}

fn silent(pid: u32) -> Finding {
    let silence = human_duration(MAX_SILENCE.as_millis());
    warning(
        "server",
        format!("the server (pid {pid}) has not responded for {silence}"),
        "Nothing starts meanwhile. Restart the server; a process that was stopped with SIGSTOP continues with `kill -CONT PID`.",
    )
}

fn server(running: Option<(u32, i64)>, open: u64, now: DateTime<Utc>) -> Finding {
    let runs = counted(open, "run");
    match running {
        Some((pid, since)) => {
            let since = DateTime::from_timestamp_millis(since).unwrap_or(now);
            let up_for = (now - since).num_seconds().max(0).unsigned_abs();
            ok(
                "server",
                format!(
                    "running for {}, pid {pid}, {runs} in progress",
                    human_duration(u128::from(up_for) * 1000)
                ),
            )
        }
        None if open > 0 => warning(
            "server",
            format!("the server is not running; {runs} unfinished"),
            "Start `tempo run` to resume unfinished runs.",
        ),
        None => warning(
            "server",
            "the server is not running",
            "Nothing starts until you run `tempo run`, for example with `tempo service install`.",
        ),
    }
}

fn zones(context: &Context, now: DateTime<Utc>) -> Finding {
    let Some(directory) = context.zones.directory() else {
        return warning(
            "zones",
            "this machine has no time zone data; the built-in data is used",
            "Install tzdata: countries change their rules every year.",
        );
    };
    let shown = directory.display();
    let Some(version) = context.zones.version() else {
        return ok("zones", format!("{shown}, unknown version"));
    };
    let year: i32 = version.chars().take(4).collect::<String>().parse().unwrap_or_default();
    // New versions are released several times a year.
    let is_old = now.year() - year > 1 || (now.year() - year == 1 && now.month() > 6);
    if is_old {
        return warning(
            "zones",
            format!("{shown} is out of date: version {version}"),
            "Upgrade tzdata: next times may be wrong in zones whose rules have changed.",
        );
    }
    ok("zones", format!("{shown}, version {version}"))
}

fn clock(recorded: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Finding {
    match recorded {
        Some(last) if last > now + CLOCK_SLACK => {
            let behind = (last - now).num_milliseconds().unsigned_abs() / 1000 * 1000;
            warning(
                "clock",
                format!(
                    "the clock is {} behind the newest recorded start",
                    human_duration(u128::from(behind))
                ),
                "Set the clock (`timedatectl`). Nothing fires twice, but nothing fires until that time is reached.",
            )
        }
        Some(_) | None => ok("clock", now.format("%Y-%m-%d %H:%M:%S UTC").to_string()),
    }
}

fn disk_space(database: &Path) -> Finding {
    let directory = database
        .parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let Some(DiskSpace { free, total }) = DiskSpace::of(directory) else {
        return ok("disk", "unknown for this file system");
    };
    let message = format!("{} of {} free", size(free), size(total));
    if free < LOW_SPACE {
        return warning(
            "disk",
            message,
            "Free some disk space: starts that cannot be recorded do not happen. `tempo run --keep-for 7d` keeps less history.",
        );
    }
    ok("disk", message)
}

fn join_names(ids: &[&str]) -> String {
    let shown = ids.iter().take(MAX_NAMES).copied().collect::<Vec<_>>().join(", ");
    if ids.len() > MAX_NAMES {
        format!("{shown} and {} more", ids.len() - MAX_NAMES)
    } else {
        shown
    }
}

/// Reports schedules that have not started and have no time left; those that have done their work are no problem.
fn never(context: &Context, rows: &[ScheduleRow], now: DateTime<Utc>) -> Result<Option<Finding>, Error> {
    let mut ids = Vec::new();
    for row in rows
        .iter()
        .filter(|row| row.next.is_none() && row.last_started.is_none() && !row.state.paused)
    {
        let spec = row.stored_spec()?;
        if !spec.at_boot && !spec.is_empty() && row.compiled(&context.zones)?.next_after(now).is_none() {
            ids.push(row.id.as_str());
        }
    }
    Ok((!ids.is_empty()).then(|| {
        warning(
            "never",
            format!(
                "{} will never fire: {}",
                counted(ids.len() as u64, "schedule"),
                join_names(&ids)
            ),
            "`tempo schedule describe ID` shows why: the end time has passed, or no date matches. Update or delete such schedules.",
        )
    }))
}

fn always_skip(rows: &[ScheduleRow]) -> Option<Finding> {
    let skips = |row: &&ScheduleRow| row.counters.skipped >= MANY_SKIPS && row.counters.skipped > 9 * row.counters.actions;
    let ids: Vec<&str> = rows.iter().filter(skips).map(|row| row.id.as_str()).collect();
    (!ids.is_empty()).then(|| {
        warning(
            "skips",
            format!("{} nearly every time: {}", if ids.len() == 1 { "1 schedule skips".to_owned() } else { format!("{} schedules skip", ids.len()) }, join_names(&ids)),
            "`tempo schedule explain ID` shows why. If runs take longer than the time between them, set `--run-timeout`, a longer interval, or another `--overlap-policy`.",
        )
    })
}

/// Finds processes of closed runs, or of any run if no server is running.
fn left_behind(read: &Read<'_>, database: &Path, is_running: bool) -> Option<Finding> {
    let path = std::fs::canonicalize(database).unwrap_or_else(|_| database.to_owned());
    let mut marker = OsString::from("TEMPO_DB=");
    marker.push(&path);
    let mut pids = Vec::new();
    for (pid, run) in machine::processes_with(&[&marker], RUN_ID) {
        let is_open = is_running && read.run_named(&run).is_ok_and(|r| r.closed.is_none());
        if !run.is_empty() && !is_open {
            pids.push(pid.to_string());
        }
    }
    let pids: Vec<&str> = pids.iter().map(String::as_str).collect();
    (!pids.is_empty()).then(|| {
        warning(
            "processes",
            format!("{} left behind by runs that are no longer running: {}", counted_processes(pids.len()), join_names(&pids)),
            "Such processes started their own session, or no server has killed them yet. Inspect them with `ps -o pid,args -p PID`, then end them with `kill`, or start `tempo run`.",
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
