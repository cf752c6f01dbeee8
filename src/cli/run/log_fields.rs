//! The fields of each server event in the JSON log.

use serde_json::{Value, json};

use crate::engine::{Event, RunRef, StepRef};
use crate::output::instant::rfc3339;

/// The fields of an event, besides those that every line has.
#[expect(clippy::too_many_lines, reason = "one arm per event, nothing else")]
pub(super) fn fields(event: &Event) -> Value {
    match event {
        Event::Serving {
            pid,
            database,
            schedules,
            open_runs,
        } => json!({"database": database, "pid": pid, "schedules": schedules, "open_runs": open_runs}),
        Event::Page { address } => json!({"address": address}),
        Event::NoPage { address, error } => json!({"address": address, "error": error}),
        Event::State {
            schedules,
            open_runs,
            queued,
            incidents_open,
            next,
        } => json!({
            "schedules": schedules, "open_runs": open_runs, "queued": queued, "incidents_open": incidents_open,
            "next": next.as_ref().map(|(id, at)| json!({"schedule_id": id, "due_at": rfc3339(*at)})),
        }),
        Event::BackedUp { file } => json!({"file": file.display().to_string()}),
        Event::Applied {
            created,
            updated,
            deleted,
            changed,
        } => json!({"created": created, "updated": updated, "deleted": deleted, "changed": changed}),
        Event::ZoneChanged { name, schedules } => json!({"time_zone": name, "schedules": schedules}),
        Event::Tick { run, nominal, due, .. } => {
            with_run(run, json!({"scheduled_at": rfc3339(*nominal), "due_at": rfc3339(*due)}))
        }
        Event::Buffered {
            schedule_id,
            nominal,
            waiting,
        } => json!({"schedule_id": schedule_id, "scheduled_at": rfc3339(*nominal), "waiting": waiting}),
        Event::NotStarted {
            schedule_id,
            not_started,
        } => json!({
            "schedule_id": schedule_id, "from": rfc3339(not_started.from), "to": rfc3339(not_started.to),
            "count": not_started.count, "outcome": not_started.outcome.name(), "reason": not_started.reason.text(),
        }),
        Event::Started { run, step } | Event::Resumed { run, step } => with_step(run, step, json!({})),
        Event::Lost {
            run,
            step,
            attempt,
            ended,
        } => with_step(run, step, json!({"attempt": attempt, "ended_processes": ended})),
        Event::Delayed { run, step, short } => with_step(run, step, json!({"reason": short})),
        Event::Surviving { run, step, processes } => with_step(run, step, json!({"processes": processes})),
        Event::FewerWorkers { workers, wanted } => json!({"workers": workers, "wanted": wanted}),
        Event::Displaced { path } | Event::LockRestored { path } => json!({"file": path.display().to_string()}),
        Event::Saved { copy } => json!({"copy": copy.display().to_string()}),
        Event::Retry {
            run,
            step,
            attempt,
            failure,
            until,
        } => with_step(
            run,
            step,
            json!({"attempt": attempt, "error_type": failure.error_type.name(), "error": failure.message, "until": rfc3339(*until)}),
        ),
        Event::StepClosed { run, step, result } => with_step(run, step, json!({"result": result})),
        Event::Incident {
            run,
            step,
            id,
            count,
            target_url,
            failure,
        } => with_step(
            run,
            step,
            json!({"incident": id, "count": count, "target_url": target_url, "error_type": failure.error_type.name(), "error": failure.message}),
        ),
        Event::Failing {
            run,
            step,
            failures,
            failure,
        } => with_step(
            run,
            step,
            json!({"failures": failures, "error_type": failure.error_type.name(), "error": failure.message}),
        ),
        Event::Resolved { run, step, id } => with_step(run, step, json!({"incident": id})),
        Event::StopRequested { run, .. } | Event::Reopened { run } => with_run(run, json!({})),
        Event::Closed {
            run,
            status,
            incidents,
            elapsed_ms,
            reason,
        } => with_run(
            run,
            json!({"status": status.name(), "incidents": incidents, "elapsed_ms": elapsed_ms, "reason": reason}),
        ),
        Event::Paused { schedule_id, note } => json!({"schedule_id": schedule_id, "note": note}),
        Event::NoSuccess { schedule_id, id, error } => json!({"schedule_id": schedule_id, "incident": id, "error": error}),
        Event::SucceededAgain { schedule_id, id } => json!({"schedule_id": schedule_id, "incident": id}),
        Event::Reminded { id } => json!({"incident": id}),
        Event::NotDelivered {
            receiver,
            error,
            retry_at,
        } => json!({"receiver": receiver, "error": error, "retry_at": retry_at.map(rfc3339)}),
        Event::Refused { receiver, error } => json!({"receiver": receiver, "error": error}),
        Event::Draining { running } | Event::Interrupted { running } => json!({"running": running}),
        Event::Error(e) => json!({"error": e.to_string(), "hints": e.hints()}),
        Event::Stopped { unrecorded, .. } => json!({"unrecorded": unrecorded}),
    }
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
