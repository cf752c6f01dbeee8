//! The demo's claims, checked against the database and the files that its commands wrote.

use std::collections::HashSet;
use std::path::Path;

use super::{HEALTH, count_lines};
use crate::error::Error;
use crate::run::outcome::Status;
use crate::store::{IncidentFilter, Read, RunFilter, RunRow};

/// Returns each claim, and whether it holds. `interrupted` is the run that was running when the server was killed; `effects` is the file that
/// its steps wrote.
pub(super) fn check(read: &Read<'_>, interrupted: &RunRow, effects: &Path) -> Result<Vec<(String, bool)>, Error> {
    let mut claims = recovery_claims(read, interrupted, effects)?;
    claims.extend(probe_claims(read)?);
    Ok(claims)
}

fn recovery_claims(read: &Read<'_>, interrupted: &RunRow, effects: &Path) -> Result<Vec<(String, bool)>, Error> {
    let closed = read.run(interrupted.key)?.is_some_and(|r| r.status == Status::Completed);
    let attempts = read.attempts_of(interrupted.key)?;
    let outcomes = |position: usize| -> Vec<&str> {
        attempts
            .iter()
            .filter(|a| a.position == position)
            .filter_map(|a| a.outcome.as_deref())
            .collect()
    };
    let count = |name| count_lines(effects, name);
    Ok(vec![
        (
            format!(
                "run {} was interrupted in step 2 and still completed",
                &interrupted.run_id[..8]
            ),
            closed,
        ),
        (
            "its step 1 was finished and did not run again: one attempt, one line in the file".to_owned(),
            { outcomes(0) == ["ok"] && count("dump") == 1 },
        ),
        (
            "its step 2 was retried: one attempt is recorded as lost, the next as ok".to_owned(),
            { outcomes(1) == ["lost", "ok"] && count("upload") == 1 },
        ),
        (
            "its step 3 ran once, after that".to_owned(),
            outcomes(2) == ["ok"] && count("report") == 1,
        ),
    ])
}

fn probe_claims(read: &Read<'_>) -> Result<Vec<(String, bool)>, Error> {
    let filter = RunFilter {
        schedule_id: Some(HEALTH.to_owned()),
        ..RunFilter::default()
    };
    let runs = read.runs(&filter)?;
    let nominal: HashSet<_> = runs.iter().map(|r| r.nominal).collect();
    let mut retried = false;
    let mut both_results = false;
    for run in runs.iter().filter(|r| r.status == Status::Completed) {
        let attempts = read.attempts_of(run.key)?;
        let shaky: Vec<_> = attempts.iter().filter(|a| a.position == 3).collect();
        let reset = shaky.iter().any(|a| a.error_type.as_deref() == Some("Network"));
        retried |= reset && shaky.last().is_some_and(|a| a.outcome.as_deref() == Some("ok"));
        let steps = read.steps_of(run.key)?;
        let result = |position: usize| {
            steps
                .iter()
                .find(|s| s.position == position)
                .map_or("", |s| s.result.as_str())
        };
        both_results |=
            result(0) == "ok status=200" && result(1).starts_with("incident: unexpected status 500 from http://127.0.0.1");
    }
    let incidents = read.incidents(&IncidentFilter {
        target: Some("httpbin-flaky".to_owned()),
        ..IncidentFilter::default()
    })?;
    let has_status_500 = incidents
        .iter()
        .any(|i| i.latest.status_code == Some(500) && i.latest.target_url.ends_with("/status/500"));
    Ok(vec![
        (
            "the shaky target was retried after each reset until it answered".to_owned(),
            retried,
        ),
        (
            "the broken target opened an incident with status 500, and the run continued".to_owned(),
            has_status_500 && both_results,
        ),
        (
            "no time of the health check ran twice".to_owned(),
            nominal.len() == runs.len() && !runs.is_empty(),
        ),
    ])
}
