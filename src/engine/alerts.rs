//! Alerts that become due: reminders of open incidents, and schedules that have not succeeded for too long.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::events::Event;
use super::shared::Shared;
use crate::error::Error;
use crate::run::outcome::{ErrorType, Failure};
use crate::schedule::alerts::NO_SUCCESS;
use crate::spec::describe::human_duration;
use crate::store::{Counted, IncidentPolicy, NewFailure, Overdue, Store, Subject};

/// Records everything that is due at `now`.
pub(super) fn alert(shared: &Arc<Shared>, reader: &Store, now: DateTime<Utc>) -> Result<(), Error> {
    let (reminders, overdue) = reader.read(|r| Ok((r.due_reminders(now)?, r.overdue_expectations(now)?)))?;
    for id in reminders {
        if shared.writer.write(move |write| write.remind(id, now))? {
            shared.emit(Event::Reminded { id });
        }
    }
    for one in overdue {
        let failure = failure(&one, now);
        let error = failure.message.clone();
        let schedule_id = one.id.clone();
        let counted = shared.writer.write(move |write| {
            // It may have succeeded, or been deleted, in the meantime.
            let still = write
                .overdue_expectations(now)?
                .into_iter()
                .any(|o| o.schedule == one.schedule);
            if !still {
                return Ok(None);
            }
            let new = NewFailure {
                subject: Subject::Schedule {
                    key: one.schedule,
                    id: &one.id,
                    name: NO_SUCCESS,
                },
                target_url: &one.id,
                status_code: None,
                failure: &failure,
                elapsed_ms: (now - one.since).num_milliseconds().max(0),
            };
            let terms = IncidentPolicy::without_threshold(&write.alerts(one.schedule)?);
            let counted = write.count_failure(&new, &terms, now)?;
            write.expectation_reported(one.schedule)?;
            Ok(Some(counted))
        })?;
        if let Some(Counted::InIncident { id, .. }) = counted {
            shared.emit(Event::NoSuccess { schedule_id, id, error });
        }
    }
    Ok(())
}

/// The failure of a schedule that has not succeeded for too long.
fn failure(overdue: &Overdue, now: DateTime<Utc>) -> Failure {
    let seconds = |ms: i64| human_duration(u128::from(ms.max(0).unsigned_abs() / 1000 * 1000));
    let why = if overdue.paused { "; it is paused" } else { "" };
    Failure {
        error_type: ErrorType::Timeout,
        message: format!(
            "has not succeeded for {} (expected within {}){why}",
            seconds((now - overdue.since).num_milliseconds()),
            seconds(overdue.within_ms)
        ),
    }
}
