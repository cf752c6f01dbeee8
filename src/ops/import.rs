//! Lines of a crontab named: readable, unique, and the same whenever it is imported again.

use std::collections::{HashMap, HashSet};

use crate::error::Error;
use crate::files::crontab::{Host, Job};
use crate::files::definition::Defined;
use crate::names::ScheduleId;
use crate::store::Read;

/// The names that lines have been given in one import.
#[derive(Debug, Default)]
pub(crate) struct Names {
    taken: HashSet<ScheduleId>,
    /// The number that comes next behind a name that several lines would have.
    next: HashMap<String, usize>,
    /// The same among the names that lines have from before.
    next_known: HashMap<String, usize>,
}

/// The schedules that the lines of a crontab become. `names` are those of the lines that were named before; these are added.
///
/// # Errors
/// When the file cannot be read.
pub(crate) fn name_jobs(
    read: &Read<'_>,
    source: &str,
    jobs: &[Job],
    host: &Host<'_>,
    names: &mut Names,
) -> Result<Vec<Defined>, Error> {
    let sources: HashMap<ScheduleId, String> = read.sources()?.into_iter().collect();
    let is_own = |id: &ScheduleId| sources.get(id).is_some_and(|owner| owner == source);
    let mut ids: Vec<Option<ScheduleId>> = Vec::with_capacity(jobs.len());
    // What was imported before keeps its name, wherever its line stands now.
    for job in jobs {
        ids.push(names.known(read, job, is_own)?);
    }
    let mut defined = Vec::with_capacity(jobs.len());
    for (job, known) in jobs.iter().zip(ids) {
        let id = match known {
            Some(id) => id,
            None => names.free(read, job, is_own)?,
        };
        defined.push(job.defined(id, host));
    }
    Ok(defined)
}

impl Names {
    /// The name under which a line was imported before, if it was.
    fn known(&mut self, read: &Read<'_>, job: &Job, is_own: impl Fn(&ScheduleId) -> bool) -> Result<Option<ScheduleId>, Error> {
        let (plain, marked) = job.names();
        let from = self.next_known.get(&marked).copied().unwrap_or(2);
        let numbered = (from..).map(|n| (n, format!("{marked}-{n}")));
        for (number, name) in [(0, plain), (0, marked.clone())].into_iter().chain(numbered) {
            let name = ScheduleId::parse(&name)?;
            if !is_own(&name) {
                // Numbers follow one another: behind the first that is not there is none.
                if number > 0 {
                    break;
                }
                continue;
            }
            if self.taken.contains(&name) {
                continue;
            }
            let Some(row) = read.schedule(&name)? else { continue };
            let action = read.action(row.workflow)?;
            if action.steps.first().is_some_and(|step| job.is_done_by(step)) {
                self.taken.insert(name.clone());
                if number > 0 {
                    self.next_known.insert(marked, number + 1);
                }
                return Ok(Some(name));
            }
        }
        Ok(None)
    }

    /// A name for a line that is new, or another than before.
    fn free(&mut self, read: &Read<'_>, job: &Job, is_own: impl Fn(&ScheduleId) -> bool) -> Result<ScheduleId, Error> {
        let (plain, marked) = job.names();
        let mut names = [plain, marked.clone()].into_iter();
        loop {
            let name = names.next().unwrap_or_else(|| {
                let next = self.next.entry(marked.clone()).or_insert(1);
                *next += 1;
                format!("{marked}-{next}")
            });
            let id = ScheduleId::parse(&name)?;
            let is_free = !self.taken.contains(&id) && (is_own(&id) || read.schedule_key(&id)?.is_none());
            if is_free {
                self.taken.insert(id.clone());
                return Ok(id);
            }
        }
    }
}
