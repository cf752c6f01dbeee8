//! Lines of a crontab named: readable, unique, and the same whenever it is imported again.

use std::collections::HashMap;

use crate::error::Error;
use crate::files::crontab::{Host, Job};
use crate::files::definition::Defined;
use crate::names::ScheduleId;
use crate::store::Read;

/// The schedules that the lines of a crontab become. `taken` are the ids of those that were named before; these are added.
///
/// # Errors
/// When the file cannot be read.
pub(crate) fn name_jobs(
    read: &Read<'_>,
    source: &str,
    jobs: &[Job],
    host: &Host<'_>,
    taken: &mut Vec<ScheduleId>,
) -> Result<Vec<Defined>, Error> {
    let owners: HashMap<ScheduleId, String> = read.sources()?.into_iter().collect();
    let is_own = |id: &ScheduleId| owners.get(id).is_some_and(|owner| owner == source);
    let mut ids: Vec<Option<ScheduleId>> = vec![None; jobs.len()];
    // What was imported before keeps its name, wherever its line stands now.
    for (job, id) in jobs.iter().zip(&mut ids) {
        for name in candidates(job)? {
            let Some(row) = read.schedule(&name)?.filter(|_| is_own(&name) && !taken.contains(&name)) else {
                continue;
            };
            if read
                .action(row.workflow)?
                .steps
                .first()
                .is_some_and(|step| job.is_done_by(step))
            {
                taken.push(name.clone());
                *id = Some(name);
                break;
            }
        }
    }
    for (job, id) in jobs.iter().zip(&mut ids) {
        if id.is_some() {
            continue;
        }
        for name in candidates(job)? {
            let is_free = is_own(&name) || read.schedule_key(&name)?.is_none();
            if is_free && !taken.contains(&name) {
                taken.push(name.clone());
                *id = Some(name);
                break;
            }
        }
    }
    let named = jobs.iter().zip(ids).filter_map(|(job, id)| Some(job.defined(id?, host)));
    Ok(named.collect())
}

/// The names that a line may have, the best first.
fn candidates(job: &Job) -> Result<Vec<ScheduleId>, Error> {
    let (plain, marked) = job.names();
    let numbered = (2..1000).map(|n| format!("{marked}-{n}"));
    [plain, marked.clone()]
        .into_iter()
        .chain(numbered)
        .map(|name| ScheduleId::parse(&name))
        .collect()
}
