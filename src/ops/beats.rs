//! Heartbeats of jobs that another scheduler runs.

use chrono::DateTime;
use chrono::Utc;

use super::schedules::{find, settings_of};
use crate::error::Error;
use crate::names::ScheduleId;
use crate::run::step_text::StepText;
use crate::run::threshold::ThresholdText;
use crate::store::{Beat, IncidentPolicy, NewFailure, Subject, Write};

/// Records a heartbeat: it completes the run that waits for it, and counts as a success or a failure of the schedule.
///
/// # Errors
/// `NotFound` when there is no such schedule.
pub(crate) fn beat(write: &Write<'_>, id: &ScheduleId, beat: &Beat, now: DateTime<Utc>) -> Result<(), Error> {
    let row = find(write, id)?;
    write.insert_beat((row.key, id.as_str()), beat)?;
    let settings = settings_of(write, &row)?;
    let waits = settings.definition.action.steps.iter().find(|step| step.beat.is_some());
    let step = waits.map_or(StepText::BEAT, |step| step.name.as_str());
    let subject = Subject::Schedule {
        key: row.key,
        id: id.as_str(),
        name: step,
    };
    // A run that waits closes its step by the beat, and with it the incident.
    let is_awaited = waits.is_some() && write.count_running(row.key)? > 0;
    match beat.failure() {
        None => {
            write.expectation_met(row.key, now)?;
            if !is_awaited {
                let alerts = &settings.definition.alerts;
                let enough = waits.and_then(|step| step.resolve_after).or(alerts.resolve_after);
                if let Some(incident) = write.incident_of_success(subject)? {
                    write.count_success(subject, incident, enough.unwrap_or(1), now)?;
                }
            }
        }
        Some(failure) if !is_awaited => {
            let own = waits
                .and_then(|step| step.open_after.as_ref())
                .map(ThresholdText::check)
                .transpose()?;
            let terms = IncidentPolicy::of(&settings.definition.alerts, own);
            let new = NewFailure {
                subject,
                target_url: id.as_str(),
                status_code: None,
                failure: &failure,
                elapsed_ms: beat.elapsed_ms.unwrap_or(0),
            };
            write.count_failure(&new, &terms, now)?;
        }
        Some(_) => {}
    }
    Ok(())
}
