//! The log line of each server event.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

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
#[expect(clippy::too_many_lines, reason = "one arm per event, nothing else")]
pub(super) fn line(event: &Event, now: DateTime<Utc>, with_fields: bool) -> Line {
    let of = |word, style, subject: &str, text: String, fields: &dyn Fn() -> Value| Line {
        at: now,
        word,
        style,
        subject: subject.to_owned(),
        text,
        fields: with_fields.then(fields),
    };
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
            let fields = || json!({"database": database, "pid": pid, "schedules": schedules, "open_runs": open_runs});
            of("serving", Some(Style::Strong), "", text, &fields)
        }
        Event::Page { address } => of(
            "page",
            None,
            "",
            format!("http://{address}/ (`tempo open` signs in)"),
            &|| json!({"address": address}),
        ),
        Event::NoPage { address, error } => of(
            "page",
            Some(Style::Warn),
            "",
            format!("no page at {address}: {error}; `--web` chooses another address"),
            &|| json!({"address": address, "error": error}),
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
            let next = next
                .as_ref()
                .map(|(id, at)| json!({"schedule_id": id, "due_at": rfc3339(*at)}));
            of(
                "state",
                Some(Style::Strong),
                "",
                text,
                &|| json!({"schedules": schedules, "open_runs": open_runs, "queued": queued, "incidents_open": incidents_open, "next": next}),
            )
        }
        Event::BackedUp { file } => of(
            "backup",
            None,
            "",
            file.display().to_string(),
            &|| json!({"file": file.display().to_string()}),
        ),
        Event::Applied {
            created,
            updated,
            deleted,
            changed,
        } => of(
            "apply",
            Some(Style::Strong),
            "",
            format!(
                "the definition files: {created} created, {updated} updated, {deleted} deleted{}",
                shown_names(changed, created + updated + deleted)
            ),
            &|| json!({"created": created, "updated": updated, "deleted": deleted, "changed": changed}),
        ),
        Event::ZoneChanged { name, schedules } => of(
            "zone",
            Some(Style::Warn),
            name,
            format!(
                "time zone data changed; next times recalculated for {}",
                counted(*schedules, "schedule")
            ),
            &|| json!({"time_zone": name, "schedules": schedules}),
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
            of("tick", Some(Style::Strong), schedule(run), text, &|| {
                with_run(run, json!({"scheduled_at": rfc3339(*nominal), "due_at": rfc3339(*due)}))
            })
        }
        Event::Buffered {
            schedule_id,
            nominal,
            waiting,
        } => {
            let text = format!("{} buffered ({waiting} waiting)", rfc3339(*nominal));
            let fields = || json!({"schedule_id": schedule_id, "scheduled_at": rfc3339(*nominal), "waiting": waiting});
            of("buffer", None, schedule_id, text, &fields)
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
            let fields = || {
                json!({
                    "schedule_id": schedule_id, "from": rfc3339(not_started.from), "to": rfc3339(not_started.to),
                    "count": not_started.count, "outcome": not_started.outcome.name(), "reason": not_started.reason.text(),
                })
            };
            of(word, Some(Style::Warn), schedule_id, text, &fields)
        }
        Event::Started { run, step } => of("start", None, subject(run), format!("at {}", place(step)), &|| {
            with_step(run, step, json!({}))
        }),
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
            of("lost", Some(Style::Warn), subject(run), text, &|| {
                with_step(run, step, json!({"attempt": attempt, "ended_processes": ended}))
            })
        }
        Event::Delayed { run, step, short } => {
            let text = format!("{}: {short}; retrying until it can start", place(step));
            of("delay", Some(Style::Warn), subject(run), text, &|| {
                with_step(run, step, json!({"reason": short}))
            })
        }
        Event::Surviving { run, step, processes } => {
            let ids: Vec<String> = processes.iter().map(u32::to_string).collect();
            let text = format!(
                "{}: cannot kill pid {}; the attempt stays open until no process is left",
                place(step),
                ids.join(", ")
            );
            of("surviving", Some(Style::Warn), subject(run), text, &|| {
                with_step(run, step, json!({"processes": processes}))
            })
        }
        Event::FewerWorkers { workers, wanted } => {
            let text = format!(
                "only {workers} of {wanted} workers: the limit on open files or processes is too low (`ulimit -n`, `ulimit -u`)"
            );
            let fields = || json!({"workers": workers, "wanted": wanted});
            of("workers", Some(Style::Warn), "", text, &fields)
        }
        Event::Displaced { path } => {
            let text = format!("`{}` was deleted, moved, replaced or overwritten; stopping", path.display());
            of(
                "stop",
                Some(Style::Bad),
                "",
                text,
                &|| json!({"file": path.display().to_string()}),
            )
        }
        Event::LockRestored { path } => {
            let text = format!("`{}` was deleted or replaced; created it again", path.display());
            of(
                "lock",
                Some(Style::Warn),
                "",
                text,
                &|| json!({"file": path.display().to_string()}),
            )
        }
        Event::Saved { copy } => {
            let text = format!(
                "the write-ahead log could not be written back; the records of this server were saved to `{}`",
                copy.display()
            );
            of(
                "saved",
                Some(Style::Warn),
                "",
                text,
                &|| json!({"copy": copy.display().to_string()}),
            )
        }
        Event::Resumed { run, step } => of(
            "resume",
            Some(Style::Strong),
            subject(run),
            format!("resuming at {}", place(step)),
            &|| with_step(run, step, json!({})),
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
            let fields = || json!({"attempt": attempt, "error_type": failure.error_type.name(), "error": failure.message, "until": rfc3339(*until)});
            of("retry", Some(Style::Warn), subject(run), text, &|| {
                with_step(run, step, fields())
            })
        }
        Event::StepClosed { run, step, result } => of("step", None, subject(run), format!("{}: {result}", place(step)), &|| {
            with_step(run, step, json!({"result": result}))
        }),
        Event::Incident {
            run,
            step,
            id,
            count,
            target_url,
            failure,
        } => {
            let incident = match count {
                1 => format!("incident {id} opened"),
                count => format!("incident {id}, failure {count}"),
            };
            let text = format!("{}: {incident}: {}", place(step), failure.message);
            let fields = || json!({"incident": id, "count": count, "target_url": target_url, "error_type": failure.error_type.name(), "error": failure.message});
            of("incident", Some(Style::Bad), subject(run), text, &|| {
                with_step(run, step, fields())
            })
        }
        Event::Failing {
            run,
            step,
            failures,
            failure,
        } => {
            let times = counted(*failures, "failure");
            let text = format!("{}: {times} in a row, no incident yet: {}", place(step), failure.message);
            let fields = || json!({"failures": failures, "error_type": failure.error_type.name(), "error": failure.message});
            of("failing", Some(Style::Warn), subject(run), text, &|| {
                with_step(run, step, fields())
            })
        }
        Event::Resolved { run, step, id } => of(
            "resolved",
            Some(Style::Good),
            subject(run),
            format!("{}: incident {id}", place(step)),
            &|| with_step(run, step, json!({"incident": id})),
        ),
        Event::StopRequested { run, stop } => {
            let (word, text) = match stop {
                Stop::Cancel => ("cancel", "cancellation requested"),
                Stop::Terminate => ("terminate", "termination requested"),
            };
            of(word, Some(Style::Warn), subject(run), text.to_owned(), &|| {
                with_run(run, json!({}))
            })
        }
        Event::Reopened { run } => of(
            "reopen",
            Some(Style::Strong),
            subject(run),
            "retry requested".to_owned(),
            &|| with_run(run, json!({})),
        ),
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
            let fields = || json!({"status": status.name(), "incidents": incidents, "elapsed_ms": elapsed_ms, "reason": reason});
            of("finish", Some(style), subject(run), text, &|| with_run(run, fields()))
        }
        Event::Paused { schedule_id, note } => of(
            "pause",
            Some(Style::Warn),
            schedule_id,
            note.clone(),
            &|| json!({"schedule_id": schedule_id, "note": note}),
        ),
        Event::NoSuccess { schedule_id, id, error } => of(
            "incident",
            Some(Style::Bad),
            schedule_id,
            format!("incident {id} opened: {error}"),
            &|| json!({"schedule_id": schedule_id, "incident": id, "error": error}),
        ),
        Event::SucceededAgain { schedule_id, id } => of(
            "resolved",
            Some(Style::Good),
            schedule_id,
            format!("incident {id}: the schedule has succeeded again"),
            &|| json!({"schedule_id": schedule_id, "incident": id}),
        ),
        Event::Reminded { id } => of(
            "remind",
            Some(Style::Warn),
            "",
            format!("incident {id} is still open"),
            &|| json!({"incident": id}),
        ),
        Event::NotDelivered {
            receiver,
            error,
            retry_at,
        } => {
            let text = match retry_at {
                Some(_) => format!("{error}; retrying"),
                None => format!("{error}; giving up (`tempo notify retry {receiver}` retries it)"),
            };
            of(
                "notify",
                Some(Style::Bad),
                receiver,
                text,
                &|| json!({"receiver": receiver, "error": error, "retry_at": retry_at.map(rfc3339)}),
            )
        }
        Event::Refused { receiver, error } => of(
            "notify",
            Some(Style::Warn),
            receiver,
            format!("sent, but not to all addresses: {error}"),
            &|| json!({"receiver": receiver, "error": error}),
        ),
        Event::Draining { running } => {
            let text = format!(
                "waiting for {} to finish (press Ctrl-C to stop now)",
                counted(*running as u64, "run")
            );
            of("drain", Some(Style::Warn), "", text, &|| json!({"running": running}))
        }
        Event::Interrupted { running } => {
            let them = if *running == 1 { "it" } else { "them" };
            let text = format!(
                "{} interrupted; the next `tempo run` will resume {them}",
                counted(*running as u64, "run")
            );
            of("interrupt", Some(Style::Warn), "", text, &|| json!({"running": running}))
        }
        Event::Error(e) => of(
            "error",
            Some(Style::Bad),
            "",
            e.to_string(),
            &|| json!({"error": e.to_string(), "hints": e.hints()}),
        ),
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
            of(
                "stopped",
                Some(Style::Strong),
                "",
                text,
                &|| json!({"unrecorded": unrecorded}),
            )
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

fn with_run(run: &RunRef, mut fields: Value) -> Value {
    fields["run_id"] = json!(run.run_id);
    fields["workflow_id"] = json!(run.workflow_id);
    fields["schedule_id"] = json!(run.schedule_id);
    fields
}

fn with_step(run: &RunRef, step: &StepRef, mut fields: Value) -> Value {
    fields["step"] = json!(step.name);
    fields["number"] = json!(step.number);
    fields["of"] = json!(step.of);
    with_run(run, fields)
}
