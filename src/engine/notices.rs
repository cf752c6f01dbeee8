//! Converts events to notices: the topic, the details of the incident, and a sentence.

use chrono::{DateTime, Utc};

use crate::error::Error;
use crate::notify::{IncidentDetails, Notice, Topic, plain_text};
use crate::run::step::Workflow;
use crate::schedule::Alerts;
use crate::schedule::alerts::{DEFINITIONS, NO_SUCCESS, Severity};
use crate::spec::describe::human_duration;
use crate::store::{EventKind, EventRow, IncidentRow, Read, SUCCEEDED};

/// Maximum number of bytes of the output of a run in a notice.
const MAX_OUTPUT: usize = 32 * 1024;

/// Returns the notices of an event; none if receivers are not notified of it, or its incident is no longer stored.
pub(super) fn notices(read: &Read<'_>, event: &EventRow) -> Result<Vec<(Topic, Notice)>, Error> {
    let mut notices = Vec::new();
    for topic in topics(event) {
        notices.extend(notice(read, event, topic)?.map(|notice| (topic, notice)));
    }
    Ok(notices)
}

fn notice(read: &Read<'_>, event: &EventRow, topic: Topic) -> Result<Option<Notice>, Error> {
    let incident = match topic {
        Topic::Opened | Topic::Resolved | Topic::Reminded => match event.value.map(|id| read.incident(id)).transpose()?.flatten()
        {
            Some(incident) => Some(incident),
            None => return Ok(None),
        },
        Topic::RunFailed | Topic::Output | Topic::Missed | Topic::PausedOnFailure | Topic::ServerRecovered | Topic::Test => None,
    };
    let output = match (&event.run, topic) {
        (Some(run), Topic::Output) => Some(output(read, run.key)?),
        _ => None,
    };
    if output.as_ref().is_some_and(|output| output.trim().is_empty()) && !has_failed(event) {
        return Ok(None);
    }
    let schedule_id = event.schedule_id.clone();
    let schedule_id = schedule_id.or_else(|| incident.as_ref().and_then(|incident| incident.schedule_id.clone()));
    let message = message(read, topic, event, incident.as_ref())?;
    // Receivers that were notified of an incident are notified of its end.
    let alerts = match (&incident, event.schedule) {
        (Some(incident), schedule) => read.alerts_of_incident(incident, schedule)?,
        (None, Some(schedule)) => read.alerts(schedule)?,
        (None, None) => Alerts {
            severity: Some(Severity::Warning),
            ..Alerts::default()
        },
    };
    let run = event.run.as_ref();
    let run_of_incident = incident.as_ref().map(|incident| incident.latest.run_id.clone());
    let notice = Notice {
        topic: topic.name().to_owned(),
        at: Notice::instant(event.at),
        labels: alerts.labels,
        severity: alerts.severity.unwrap_or_default(),
        run_id: run
            .map(|run| run.run_id.clone())
            .or(run_of_incident)
            .filter(|id| !id.is_empty()),
        workflow_id: run.map(|run| run.workflow_id.clone()),
        incident: incident.as_ref().map(details),
        message: with_subject(schedule_id.as_deref(), &message),
        schedule_id,
        output,
    };
    Ok(Some(notice))
}

/// Whether an event is the end of a run that failed or timed out.
fn has_failed(event: &EventRow) -> bool {
    let detail = event.detail.as_deref().unwrap_or_default();
    event.kind == EventKind::Finish && (detail.starts_with("Failed") || detail.starts_with("TimedOut"))
}

/// What the attempts of a run printed, in order; the end of it if it is long.
fn output(read: &Read<'_>, run: i64) -> Result<String, Error> {
    let attempts = read.attempts_of(run)?;
    let printed = attempts.into_iter().flat_map(|attempt| [attempt.output, attempt.stderr]);
    let bytes: Vec<u8> = printed.flatten().flatten().collect();
    let end = &bytes[bytes.len().saturating_sub(MAX_OUTPUT)..];
    let cut = if end.len() < bytes.len() { "…" } else { "" };
    Ok(format!("{cut}{}", plain_text(&String::from_utf8_lossy(end))))
}

fn topics(event: &EventRow) -> Vec<Topic> {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "most kinds of events are of no interest to receivers"
    )]
    match event.kind {
        EventKind::Incident if event.detail.as_deref() == Some("opened") => vec![Topic::Opened],
        EventKind::Remind => vec![Topic::Reminded],
        EventKind::Resolved => vec![Topic::Resolved],
        EventKind::Finish if has_failed(event) => vec![Topic::RunFailed, Topic::Output],
        EventKind::Finish => vec![Topic::Output],
        EventKind::Miss => vec![Topic::Missed],
        EventKind::Pause => vec![Topic::PausedOnFailure],
        EventKind::Crash => vec![Topic::ServerRecovered],
        _ => Vec::new(),
    }
}

fn with_subject(schedule_id: Option<&str>, message: &str) -> String {
    match schedule_id {
        None => message.to_owned(),
        // A sentence whose subject is the schedule.
        Some(id) if message.starts_with("has ") => format!("{id} {message}"),
        Some(id) => format!("{id}: {message}"),
    }
}

fn message(read: &Read<'_>, topic: Topic, event: &EventRow, incident: Option<&IncidentRow>) -> Result<String, Error> {
    let detail = event.detail.as_deref().unwrap_or_default();
    let time = |at: DateTime<Utc>| Notice::instant(at);
    Ok(match (topic, incident) {
        (Topic::Opened | Topic::Reminded, Some(incident)) if incident.latest.target_name == DEFINITIONS => {
            format!("the definition files cannot be applied: {}", incident.latest.error)
        }
        (Topic::Resolved, Some(incident)) if incident.latest.target_name == DEFINITIONS => {
            let after = span(event.at - incident.first_detected);
            format!("incident resolved after {after}: the definition files were applied")
        }
        (Topic::Opened, Some(incident)) if incident.latest.target_name == NO_SUCCESS => incident.latest.error.clone(),
        (Topic::Reminded, Some(incident)) if incident.latest.target_name == NO_SUCCESS => {
            let before = chrono::TimeDelta::try_milliseconds(incident.latest.elapsed_ms).unwrap_or_default();
            format!("has not succeeded for {}", span(event.at - incident.latest.detected + before))
        }
        (Topic::Resolved, Some(incident)) if incident.latest.target_name == NO_SUCCESS && detail == SUCCEEDED => {
            format!(
                "has succeeded again, {} after the incident",
                span(event.at - incident.first_detected)
            )
        }
        (Topic::Opened, Some(incident)) => format!("`{}` failed: {}", target(incident), incident.latest.error),
        (Topic::Reminded, Some(incident)) => format!(
            "`{}` has been failing for {}: {}",
            target(incident),
            span(event.at - incident.first_detected),
            incident.latest.error
        ),
        (Topic::Resolved, Some(incident)) => {
            let after = span(event.at - incident.first_detected);
            let note = if incident.note.is_empty() {
                String::new()
            } else {
                format!(" ({})", incident.note)
            };
            let why = if detail.is_empty() || detail == incident.note {
                String::new()
            } else {
                format!(" ({detail})")
            };
            format!("incident resolved after {after}{why}: `{}`{note}", target(incident))
        }
        (Topic::Missed, _) => {
            let range = event.value.map_or(Ok(None), |key| read.refused_range(key, event.number))?;
            match range {
                Some(range) if range.count > 1 => {
                    format!(
                        "missed {} times from {} to {}: {detail}",
                        range.count,
                        time(range.from),
                        time(range.to)
                    )
                }
                Some(range) => format!("missed {}: {detail}", time(range.from)),
                None => format!("missed times: {detail}"),
            }
        }
        (Topic::RunFailed | Topic::Output, _) => {
            let run = event.run.as_ref().map_or("a run", |run| run.workflow_id.as_str());
            let ended = if detail.is_empty() { "Completed" } else { detail };
            format!("{run}: {ended}")
        }
        (Topic::ServerRecovered, _) => {
            let last = event.value.and_then(DateTime::from_timestamp_millis);
            let last = last.map_or_else(String::new, |at| format!("; its last event was at {}", time(at)));
            format!("the server had not stopped cleanly{last}; it is running again")
        }
        (Topic::Opened | Topic::Reminded | Topic::Resolved | Topic::PausedOnFailure | Topic::Test, _) => detail.to_owned(),
    })
}

/// The step of an incident; its command line, if the step was not given a name.
fn target(incident: &IncidentRow) -> &str {
    if incident.latest.target_name == Workflow::UNNAMED {
        &incident.latest.target_url
    } else {
        &incident.latest.target_name
    }
}

/// A span in words, to the second.
fn span(span: chrono::TimeDelta) -> String {
    let seconds = span.num_seconds().max(0).unsigned_abs();
    human_duration(u128::from(seconds) * 1000)
}

fn details(incident: &IncidentRow) -> IncidentDetails {
    let latest = &incident.latest;
    IncidentDetails {
        id: incident.id,
        target_name: latest.target_name.clone(),
        target_url: latest.target_url.clone(),
        status_code: latest.status_code,
        error: latest.error.clone(),
        error_type: latest.error_type.clone(),
        elapsed_ms: latest.elapsed_ms,
        detected_at: Notice::instant(latest.detected),
        count: incident.count,
        first_detected_at: Notice::instant(incident.first_detected),
        status: incident.status.clone(),
        note: incident.note.clone(),
        resolved_at: incident.resolved.map(Notice::instant),
        schedule_id: incident.schedule_id.clone(),
        run_id: latest.run_id.clone(),
    }
}
