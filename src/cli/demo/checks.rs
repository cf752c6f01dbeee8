//! What the demo claims, asked of the database and of what the commands left behind.

use std::collections::HashSet;
use std::path::Path;

use super::{HEALTH, lines_of};
use crate::error::Error;
use crate::run::outcome::Status;
use crate::store::{Read, RunFilter, RunRow};

/// Each claim, and whether it holds. `cut` is the run that was going when the server was killed; `effects` is what its steps wrote.
pub(super) fn check(read: &Read<'_>, cut: &RunRow, effects: &Path) -> Result<Vec<(String, bool)>, Error> {
    let mut claims = about_the_cut(read, cut, effects)?;
    claims.extend(about_the_probes(read)?);
    Ok(claims)
}

fn about_the_cut(read: &Read<'_>, cut: &RunRow, effects: &Path) -> Result<Vec<(String, bool)>, Error> {
    let closed = read.run(cut.key)?.is_some_and(|r| r.status == Status::Completed);
    let attempts = read.attempts_of(cut.key)?;
    let outcomes = |position: usize| -> Vec<&str> {
        attempts
            .iter()
            .filter(|a| a.position == position)
            .filter_map(|a| a.outcome.as_deref())
            .collect()
    };
    let count = |name| lines_of(effects, name);
    Ok(vec![
        (
            format!("run {} was killed in step 2, and completed all the same", &cut.run_id[..8]),
            closed,
        ),
        (
            "its step 1 had finished and was not done again: one attempt, one line in the file".to_owned(),
            { outcomes(0) == ["ok"] && count("dump") == 1 },
        ),
        (
            "its step 2 was tried again: the lost attempt is on file, then one that is ok".to_owned(),
            { outcomes(1) == ["lost", "ok"] && count("upload") == 1 },
        ),
        (
            "its step 3 was done once, after that".to_owned(),
            outcomes(2) == ["ok"] && count("report") == 1,
        ),
    ])
}

fn about_the_probes(read: &Read<'_>) -> Result<Vec<(String, bool)>, Error> {
    let filter = RunFilter {
        schedule_id: Some(HEALTH.to_owned()),
        ..RunFilter::default()
    };
    let runs = read.runs(&filter)?;
    let nominal: HashSet<_> = runs.iter().map(|r| r.nominal).collect();
    let mut retried = false;
    let mut told = false;
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
        told |= result(0) == "ok status=200" && result(1).starts_with("incident: unexpected status 500 from http://127.0.0.1");
    }
    let incidents = read.incidents(false, Some("httpbin-flaky"))?;
    let with_its_status = incidents
        .iter()
        .any(|i| i.latest.status_code == Some(500) && i.latest.target_url.ends_with("/status/500"));
    Ok(vec![
        (
            "the shaky target was tried again after each reset, until it answered".to_owned(),
            retried,
        ),
        (
            "the broken target opened an incident with its status 500, and the run went on".to_owned(),
            with_its_status && told,
        ),
        (
            "no time of the health check was run twice".to_owned(),
            nominal.len() == runs.len() && !runs.is_empty(),
        ),
    ])
}
