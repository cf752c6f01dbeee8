//! Views of incidents and their failures.

use super::events::last_lines;
use crate::error::{Error, Kind};
use crate::output::instant::Instant;
use crate::output::views::{IncidentView, OccurrenceView};
use crate::store::{IncidentRow, OccurrenceRow, Read};

/// Returns an incident without its list of failures.
pub(crate) fn incident(row: &IncidentRow) -> IncidentView {
    IncidentView {
        latest: occurrence(row.id, &row.latest),
        count: row.count,
        first_detected_at: Instant(row.first_detected),
        status: row.status.clone(),
        note: row.note.clone(),
        resolved_at: row.resolved.map(Instant),
        schedule_id: row.schedule_id.clone(),
        run_id: Some(row.latest.run_id.clone()).filter(|id| !id.is_empty()),
        occurrences: None,
    }
}

/// Returns an incident with all its failures.
pub(crate) fn incident_in_full(read: &Read<'_>, row: &IncidentRow) -> Result<IncidentView, Error> {
    let occurrences = read.occurrences(row.id)?.iter().map(|o| occurrence(row.id, o)).collect();
    Ok(IncidentView {
        occurrences: Some(occurrences),
        ..incident(row)
    })
}

/// The last lines that the latest failure of an incident printed; none if it printed nothing, or its run is no longer stored.
pub(crate) fn last_output(read: &Read<'_>, row: &IncidentRow) -> Result<Vec<String>, Error> {
    let run = match read.run_named(&row.latest.run_id) {
        Ok(run) => run,
        Err(e) if e.kind() == Kind::NotFound || row.latest.run_id.is_empty() => return Ok(Vec::new()),
        Err(e) => return Err(e),
    };
    let mut attempts = read.attempts_of(run.key)?.into_iter().rev();
    let failed = attempts.find(|attempt| attempt.error.as_deref() == Some(&row.latest.error));
    Ok(failed
        .and_then(|attempt| attempt.output)
        .map_or_else(Vec::new, |output| last_lines(&output)))
}

fn occurrence(id: i64, row: &OccurrenceRow) -> OccurrenceView {
    OccurrenceView {
        id,
        target_name: row.target_name.clone(),
        target_url: row.target_url.clone(),
        status_code: row.status_code,
        error: row.error.clone(),
        error_type: row.error_type.clone(),
        elapsed_ms: row.elapsed_ms,
        detected_at: Instant(row.detected),
    }
}
