//! Chooses schedule ids for crontab lines: readable, unique, and the same each time the crontab is imported.

use std::collections::{HashMap, HashSet};

use super::patch::Settings;
use super::schedules::settings_of;
use crate::error::Error;
use crate::files::crontab::mail::with_imported;
use crate::files::crontab::{Host, Job};
use crate::files::definition::FileSchedule;
use crate::names::ScheduleId;
use crate::run::step_text::StepText;
use crate::schedule::{Alerts, Definition};
use crate::spec::spec_text::SpecText;
use crate::store::Read;

/// The names given to crontab lines during one import.
#[derive(Debug, Default)]
pub(crate) struct Names {
    taken: HashSet<ScheduleId>,
    /// The next number to append to a name that several lines share.
    next: HashMap<String, usize>,
    /// The schedules that an earlier import of the same crontabs created and no line defines any longer.
    pub(crate) gone: Vec<ScheduleId>,
}

/// Returns the schedules for the lines of a crontab. `names` holds the names given so far; the new ones are added to it.
///
/// # Errors
/// `System` when the database cannot be read.
pub(crate) fn name_jobs(
    read: &Read<'_>,
    source: &str,
    jobs: &[Job],
    host: &Host<'_>,
    names: &mut Names,
) -> Result<Vec<FileSchedule>, Error> {
    let sources: HashMap<ScheduleId, String> = read.sources()?.into_iter().collect();
    let is_own = |id: &ScheduleId| sources.get(id).is_some_and(|owner| owner == source);
    // A line that was imported before keeps its name even if it has moved: matched by command and times first, then by command alone.
    let mut before = Before::of(read, sources.keys().filter(|id| is_own(id)))?;
    let mut ids: Vec<Option<ScheduleId>> = jobs.iter().map(|job| before.claim(job, As::ItIs)).collect();
    for (job, id) in jobs.iter().zip(&mut ids).filter(|(_, id)| id.is_none()) {
        *id = before.claim(job, As::AtAnotherTime);
    }
    names.taken.extend(ids.iter().flatten().cloned());
    let mut defined = Vec::with_capacity(jobs.len());
    for (job, known) in jobs.iter().zip(ids) {
        let id = match known {
            Some(id) => id,
            None => names.free(read, job, is_own)?,
        };
        let mut one = job.defined(id, host)?;
        match read.schedule(&one.id)? {
            Some(row) => {
                one = over(settings_of(read, &row)?, one);
                one.spec = one.definition.check(&one.id, host.zones).map_err(|e| e.within(&one.place))?;
            }
            None => one.warnings.extend(
                twin(read, job, &one.id)?
                    .map(|other| format!("`{other}` also runs this command at these times; delete one of the two")),
            ),
        }
        defined.push(one);
    }
    let gone = sources
        .iter()
        .filter(|(id, owner)| *owner == source && !names.taken.contains(*id));
    names.gone.extend(gone.map(|(id, _)| id.clone()));
    names.gone.sort();
    Ok(defined)
}

/// Returns another schedule that runs the same command at the same times, for example one imported from the same crontab under another name.
fn twin(read: &Read<'_>, job: &Job, id: &ScheduleId) -> Result<Option<ScheduleId>, Error> {
    let (plain, marked) = job.names();
    for name in [plain, marked] {
        let name = ScheduleId::parse(&name)?;
        if name == *id {
            continue;
        }
        let Some(row) = read.schedule(&name)? else { continue };
        let does = read
            .action(row.workflow)?
            .steps
            .first()
            .is_some_and(|step| Job::what(step) == job.does());
        if does && job.times().match_schedule(&row.stored_spec()?, &name) {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

/// Merges a line into the schedule imported from it before: settings that a crontab cannot express are kept.
fn over(before: Settings, mut one: FileSchedule) -> FileSchedule {
    let Definition {
        spec,
        action,
        policies,
        alerts,
        after,
    } = &mut one.definition;
    *policies = before.definition.policies;
    *after = before.definition.after;
    let labels = with_imported(before.definition.alerts.labels.clone(), std::mem::take(&mut alerts.labels));
    *alerts = Alerts {
        labels,
        ..before.definition.alerts
    };
    action.task_queue = before.definition.action.task_queue;
    action.lock = before.definition.action.lock;
    action.condition = before.definition.action.condition;
    action.workflow_id = before.definition.action.workflow_id;
    action.run_timeout = before.definition.action.run_timeout;
    spec.exclude_calendar = before.definition.spec.exclude_calendar;
    spec.start_time = before.definition.spec.start_time;
    spec.end_time = before.definition.spec.end_time;
    spec.jitter = spec.jitter.take().or(before.definition.spec.jitter);
    if let (Some(step), Some(known)) = (action.steps.first_mut(), before.definition.action.steps.into_iter().next()) {
        *step = StepText {
            shell: step.shell.take(),
            command: step.command.take(),
            cwd: step.cwd.take(),
            env: std::mem::take(&mut step.env),
            stdin: step.stdin.take(),
            user: step.user.take(),
            ..known
        };
    }
    one
}

/// The schedules that an earlier import of the same crontab created, by command.
struct Before(HashMap<String, Vec<(ScheduleId, SpecText)>>);

impl Before {
    fn of<'a>(read: &Read<'_>, ids: impl Iterator<Item = &'a ScheduleId>) -> Result<Self, Error> {
        let mut by_step: HashMap<String, Vec<(ScheduleId, SpecText)>> = HashMap::new();
        for id in ids {
            let Some(row) = read.schedule(id)? else { continue };
            if let Some(step) = read.action(row.workflow)?.steps.first() {
                let alike = by_step.entry(Job::what(step)).or_default();
                alike.push((id.clone(), row.stored_spec()?));
            }
        }
        // Taken from the end: first the name without a number, then in numeric order.
        for alike in by_step.values_mut() {
            alike.sort_by_key(|(id, _)| std::cmp::Reverse((id.as_str().len(), id.clone())));
        }
        Ok(Self(by_step))
    }

    /// Removes and returns the schedule that was imported from this line, if any.
    fn claim(&mut self, job: &Job, how: As) -> Option<ScheduleId> {
        let alike = self.0.get_mut(&job.does())?;
        let times = job.times();
        let at = match how {
            As::ItIs => alike.iter().rposition(|(id, spec)| times.match_schedule(spec, id))?,
            As::AtAnotherTime => alike.len().checked_sub(1)?,
        };
        Some(alike.remove(at).0)
    }
}

/// How closely a line must match a schedule imported before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum As {
    /// Same command and times.
    ItIs,
    /// Same command, at any times.
    AtAnotherTime,
}

impl Names {
    /// Returns an unused name for a line that was not imported before.
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
