//! The log line of each server event.

use chrono::{DateTime, Utc};

use super::log_fields::fields;
use crate::engine::{Event, RunRef, StepRef};
use crate::output::instant::rfc3339;
use crate::output::log::Line;
use crate::output::{Style, counted, finished};
use crate::run::Stop;
use crate::run::outcome::Status;
use crate::schedule::start::Origin;
use crate::spec::describe::human_duration;

/// Maximum number of names in a line of text.
const MAX_NAMES: usize = 5;

/// Builds the log line of an event, with the fields of the JSON log if `with_fields`.
pub(super) fn line(event: &Event, now: DateTime<Utc>, with_fields: bool) -> Line {
    let (word, style, subject, text) = parts(event, now);
    Line {
        at: now,
        word,
        style,
        subject: subject.to_owned(),
        text,
        fields: with_fields.then(|| fields(event)),
    }
}

/// The first word of the line of an event, its style, what the event is about, and what happened.
#[expect(clippy::too_many_lines, reason = "one arm per event, nothing else")]
fn parts(event: &Event, now: DateTime<Utc>) -> (&'static str, Option<Style>, &str, String) {
    match event {
        Event::Serving {
            pid,
            database,
            schedules,
            open_runs,
        } => {
            let resumable = if *open_runs > 0 {
                format!(", {}", counted(*open_runs, "unfinished run"))
            } else {
                String::new()
            };
            let text = format!("{database}, pid {pid}, {}{resumable}", counted(*schedules, "schedule"));
            ("serving", Some(Style::Strong), "", text)
        }
        Event::Page { address } => ("page", None, "", format!("http://{address}/ (`tempo open` signs in)")),
        Event::NoPage { address, error } => (
            "page",
            Some(Style::Warn),
            "",
            format!("no page at {address}: {error}; `--web` chooses another address"),
        ),
        Event::State {
            schedules,
            open_runs,
            queued,
            incidents_open,
            next,
        } => {
            let next_text = match next {
                Some((id, at)) => format!("next {id} {}", rfc3339(*at)),
                None => "nothing due".to_owned(),
            };
            let text = format!(
                "{}, {}, {queued} queued, {} open, {next_text}",
                counted(*schedules, "schedule"),
                counted(*open_runs, "open run"),
                counted(*incidents_open, "incident"),
            );
            ("state", Some(Style::Strong), "", text)
        }
        Event::BackedUp { file } => ("backup", None, "", file.display().to_string()),
        Event::Applied {
            created,
            updated,
            deleted,
            changed,
        } => (
            "apply",
            Some(Style::Strong),
            "",
            format!(
                "the definition files: {created} created, {updated} updated, {deleted} deleted{}",
                shown_names(changed, created + updated + deleted)
            ),
        ),
        Event::ZoneChanged { name, schedules } => (
            "zone",
            Some(Style::Warn),
            name,
            format!(
                "time zone data changed; next times recalculated for {}",
                counted(*schedules, "schedule")
            ),
        ),
        Event::Tick {
            run,
            nominal,
            due,
            origin,
        } => {
            let late = (now - *due).num_milliseconds().max(0).unsigned_abs();
            let from = match origin {
                Origin::Scheduled => format!("due {}", rfc3339(*due)),
                Origin::Trigger(_) => "triggered".to_owned(),
                Origin::Backfill(_) => format!("backfill of {}", rfc3339(*nominal)),
            };
            let behind = if late >= 1000 && *origin == Origin::Scheduled {
                format!(", {} late", human_duration(u128::from(late / 1000 * 1000)))
            } else {
                String::new()
            };
            let text = format!("{from}{behind} → run {}", short(run));
            ("tick", Some(Style::Strong), schedule(run), text)
        }
        Event::Buffered {
            schedule_id,
            nominal,
            waiting,
        } => {
            let text = format!("{} buffered ({waiting} waiting)", rfc3339(*nominal));
            ("buffer", None, schedule_id, text)
        }
        Event::NotStarted {
            schedule_id,
            not_started,
        } => {
            let span = if not_started.count == 1 {
                rfc3339(not_started.from)
            } else {
                format!(
                    "{} from {} to {}",
                    counted(not_started.count, "time"),
                    rfc3339(not_started.from),
                    rfc3339(not_started.to)
                )
            };
            let word = match not_started.outcome.name() {
                "skipped" => "skip",
                "missed" => "miss",
                "dropped" => "drop",
                other => other,
            };
            let text = format!("{span}: {}", not_started.reason.text());
            (word, Some(Style::Warn), schedule_id, text)
        }
        Event::Started { run, step } => ("start", None, subject(run), format!("at {}", place(step))),
        Event::Lost {
            run,
            step,
            attempt,
            ended,
        } => {
            let leftovers = match ended {
                0 => String::new(),
                1 => "; killed the process it left running".to_owned(),
                more => format!("; killed the {more} processes it left running"),
            };
            let text = format!("the server stopped during attempt {attempt} of {}{leftovers}", place(step));
            ("lost", Some(Style::Warn), subject(run), text)
        }
        Event::Delayed { run, step, short } => {
            let text = format!("{}: {short}; retrying until it can start", place(step));
            ("delay", Some(Style::Warn), subject(run), text)
        }
        Event::Surviving { run, step, processes } => {
            let ids: Vec<String> = processes.iter().map(u32::to_string).collect();
            let text = format!(
                "{}: cannot kill pid {}; the attempt stays open until no process is left",
                place(step),
                ids.join(", ")
            );
            ("surviving", Some(Style::Warn), subject(run), text)
        }
        Event::FewerWorkers { workers, wanted } => {
            let text = format!(
                "only {workers} of {wanted} workers: the limit on open files or processes is too low (`ulimit -n`, `ulimit -u`)"
            );
            ("workers", Some(Style::Warn), "", text)
        }
        Event::Displaced { path } => {
            let text = format!("`{}` was deleted, moved, replaced or overwritten; stopping", path.display());
            ("stop", Some(Style::Bad), "", text)
        }
        Event::LockRestored { path } => {
            let text = format!("`{}` was deleted or replaced; created it again", path.display());
            ("lock", Some(Style::Warn), "", text)
        }
        Event::Saved { copy } => {
            let text = format!(
                "the write-ahead log could not be written back; the records of this server were saved to `{}`",
                copy.display()
            );
            ("saved", Some(Style::Warn), "", text)
        }
        Event::Resumed { run, step } => (
            "resume",
            Some(Style::Strong),
            subject(run),
            format!("resuming at {}", place(step)),
        ),
        Event::Retry {
            run,
            step,
            attempt,
            failure,
            until,
        } => {
            let wait = human_duration(u128::from(
                (*until - now).num_milliseconds().max(0).unsigned_abs().next_multiple_of(100),
            ));
            let text = format!(
                "{}: attempt {attempt} failed: {}; retrying in {wait}",
                place(step),
                failure.message
            );
            ("retry", Some(Style::Warn), subject(run), text)
        }
        Event::StepClosed { run, step, result } => ("step", None, subject(run), format!("{}: {result}", place(step))),
        Event::Incident {
            run,
            step,
            id,
            count,
            failure,
            ..
        } => {
            let incident = match count {
                1 => format!("incident {id} opened"),
                count => format!("incident {id}, failure {count}"),
            };
            let text = format!("{}: {incident}: {}", place(step), failure.message);
            ("incident", Some(Style::Bad), subject(run), text)
        }
        Event::Failing {
            run,
            step,
            failures,
            failure,
        } => {
            let times = counted(*failures, "failure");
            let text = format!("{}: {times} in a row, no incident yet: {}", place(step), failure.message);
            ("failing", Some(Style::Warn), subject(run), text)
        }
        Event::Resolved { run, step, id } => (
            "resolved",
            Some(Style::Good),
            subject(run),
            format!("{}: incident {id}", place(step)),
        ),
        Event::StopRequested { run, stop } => {
            let (word, text) = match stop {
                Stop::Cancel => ("cancel", "cancellation requested"),
                Stop::Terminate => ("terminate", "termination requested"),
            };
            (word, Some(Style::Warn), subject(run), text.to_owned())
        }
        Event::Reopened { run } => ("reopen", Some(Style::Strong), subject(run), "retry requested".to_owned()),
        Event::Closed {
            run,
            status,
            incidents,
            elapsed_ms,
            reason,
        } => {
            let style = if *status == Status::Completed && *incidents == 0 {
                Style::Good
            } else if *status == Status::Completed {
                Style::Warn
            } else {
                Style::Bad
            };
            let text = finished(status.name(), *incidents, *elapsed_ms, reason.as_deref());
            ("finish", Some(style), subject(run), text)
        }
        Event::Paused { schedule_id, note } => ("pause", Some(Style::Warn), schedule_id, note.clone()),
        Event::NoSuccess { schedule_id, id, error } => (
            "incident",
            Some(Style::Bad),
            schedule_id,
            format!("incident {id} opened: {error}"),
        ),
        Event::SucceededAgain { schedule_id, id } => (
            "resolved",
            Some(Style::Good),
            schedule_id,
            format!("incident {id}: the schedule has succeeded again"),
        ),
        Event::Reminded { id } => ("remind", Some(Style::Warn), "", format!("incident {id} is still open")),
        Event::NotDelivered {
            receiver,
            error,
            retry_at,
        } => {
            let text = match retry_at {
                Some(_) => format!("{error}; retrying"),
                None => format!("{error}; giving up (`tempo notify retry {receiver}` retries it)"),
            };
            ("notify", Some(Style::Bad), receiver, text)
        }
        Event::Refused { receiver, error } => (
            "notify",
            Some(Style::Warn),
            receiver,
            format!("sent, but not to all addresses: {error}"),
        ),
        Event::Draining { running } => {
            let text = format!(
                "waiting for {} to finish (press Ctrl-C to stop now)",
                counted(*running as u64, "run")
            );
            ("drain", Some(Style::Warn), "", text)
        }
        Event::Interrupted { running } => {
            let them = if *running == 1 { "it" } else { "them" };
            let text = format!(
                "{} interrupted; the next `tempo run` will resume {them}",
                counted(*running as u64, "run")
            );
            ("interrupt", Some(Style::Warn), "", text)
        }
        Event::Error(e) => ("error", Some(Style::Bad), "", e.to_string()),
        Event::Stopped {
            lost_file,
            damaged,
            unrecorded,
        } => {
            let text = match (*lost_file, *unrecorded) {
                (false, 0) if *damaged => "the database is damaged; run `tempo doctor`".to_owned(),
                (true, _) => "because a file of the database was deleted, moved, replaced or overwritten".to_owned(),
                (false, 0) => "all results are recorded".to_owned(),
                (false, n) => format!("{} could not be recorded; these steps will run again", counted(n, "result")),
            };
            ("stopped", Some(Style::Strong), "", text)
        }
    }
}

/// `: a, b, c and 4 more`, for the first of `total` names; nothing if there are none.
fn shown_names(names: &[String], total: u64) -> String {
    let shown = &names[..names.len().min(MAX_NAMES)];
    match total.saturating_sub(shown.len() as u64) {
        _ if names.is_empty() => String::new(),
        0 => format!(": {}", shown.join(", ")),
        more => format!(": {} and {more} more", shown.join(", ")),
    }
}

fn short(run: &RunRef) -> &str {
    run.run_id.get(..8).unwrap_or(&run.run_id)
}

fn schedule(run: &RunRef) -> &str {
    run.schedule_id.as_deref().unwrap_or(&run.workflow_id)
}

fn subject(run: &RunRef) -> &str {
    &run.workflow_id
}

fn place(step: &StepRef) -> String {
    format!("step {}/{} {}", step.number, step.of, step.name)
}
