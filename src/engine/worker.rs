//! The worker's body: takes a run and performs its attempts, each recorded before and after.

use std::borrow::Cow;
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, Utc};

use super::Until;
use super::advance::{AdvanceResult, Attempt, MayStart, Next, advance, run_ref, step_name};
use super::conditions::advance_checked;
use super::queue_state::Taken;
use super::shared::{Shared, marks};
use crate::actions::{AttemptNotice, Control, StopKind, Task};
use crate::clock::pause;
use crate::error::{Error, Kind};
use crate::names::StepName;
use crate::run::outcome::{AttemptResult, Ending, ErrorType, Failure};
use crate::run::outputs;
use crate::run::step::{Step, Work};
use crate::run::{Event, Phase};

/// How long a worker waits after a failed write before it tries again.
const AFTER_ERROR: std::time::Duration = std::time::Duration::from_millis(250);

/// How long a condition may take.
const CONDITION_TIMEOUT: std::time::Duration = std::time::Duration::from_mins(1);

/// The body of a worker thread: performs runs until the server drains.
pub(super) fn work(shared: &Arc<Shared>) {
    while let Some(taken) = shared.queue.take() {
        perform(shared, taken);
    }
    shared.queue.worker_left();
    shared.signal.raise();
}

/// Performs a run until it closes, has to wait, or is interrupted.
fn perform(shared: &Arc<Shared>, taken: Taken) {
    let (run, control) = (taken.run, &*taken.control);
    let (mut event, mut condition) = (None, None);
    let mut begun = taken.begun;
    loop {
        let recorded = begun.take().map_or_else(
            || record(shared, run, event.clone(), condition.clone()),
            |advanced| Ok(*advanced),
        );
        let advanced = match recorded {
            Ok(advanced) => advanced,
            Err(e) => {
                // Fail closed: nothing is done that is not recorded. The event is kept, and recorded once writing works again.
                let is_damage = e.is_damage();
                shared.emit(super::Event::Error(e));
                let in_a_hurry = shared.draining.load(Ordering::SeqCst) && shared.hurry.load(Ordering::SeqCst);
                if (is_damage || in_a_hurry) && matches!(&event, Some(Event::AttemptEnded(_))) {
                    shared.unrecorded.fetch_add(1, Ordering::SeqCst);
                }
                if is_damage {
                    // The run stays as it is recorded; other runs continue.
                    shared.queue.forget(run);
                    shared.signal.raise();
                    return;
                }
                if in_a_hurry {
                    shared.queue.forget(run);
                    return;
                }
                pause(AFTER_ERROR);
                continue;
            }
        };
        let next = advanced.next;
        shared.follow(advanced.effects);
        match next {
            Next::Perform(attempt) => {
                condition = None;
                event = Some(perform_attempt(shared, &attempt, control));
            }
            Next::Check(attempt) => condition = Some(check_condition(shared, &attempt, control)),
            // A server that exits when everything is done leaves the wait to the next one.
            Next::AwaitBeat(_) if shared.settings.until == Until::Done => {
                shared.queue.forget(run);
                shared.signal.raise();
                return;
            }
            Next::Wait(until) | Next::AwaitBeat(until) => {
                if shared.queue.release_until(run, until) {
                    shared.signal.raise();
                }
                return;
            }
            Next::Nothing => {
                shared.queue.forget(run);
                if shared.queue.is_empty() {
                    shared.signal.raise();
                }
                return;
            }
        }
    }
}

fn record(
    shared: &Arc<Shared>,
    run: i64,
    event: Option<Event>,
    condition: Option<Result<(), String>>,
) -> Result<AdvanceResult, Error> {
    let here = Arc::clone(shared);
    shared.writer.write(move |write| {
        let may_start = if here.draining.load(Ordering::SeqCst) {
            MayStart::Draining
        } else {
            MayStart::Yes
        };
        match &condition {
            Some(condition) => advance_checked(write, here.terms(), run, (condition, may_start), here.clock.now()),
            None => advance(write, here.terms(), run, event.as_ref(), may_start, here.clock.now()),
        }
    })
}

/// Runs the condition of a run. Returns why it failed, if it did.
fn check_condition(shared: &Arc<Shared>, attempt: &Attempt, control: &Control) -> Result<(), String> {
    let Some(command) = attempt.workflow.condition.clone() else {
        return Ok(());
    };
    let line = command.argv.last().cloned().unwrap_or_default();
    let step = Step::once(StepName::parse("if").expect("it is a name"), Work::Command(command));
    let task = Task {
        step: &step,
        time_left: Some(CONDITION_TIMEOUT),
        limit: Some(CONDITION_TIMEOUT),
        environment: &shared.environment(&attempt.run, "if"),
        marks: &marks(&attempt.run, "if"),
        spawned: &|_| {},
        output_limit: shared.settings.output_limit,
        output: &|_| {},
        notice: &|_| {},
    };
    match shared.actions.perform(&task, control).ending {
        Ending::Failed(failure) => Err(format!("the condition `{line}` failed: {}", failure.message)),
        // A stop request is found next, or the condition is run again by the next server.
        Ending::Ok | Ending::Canceled | Ending::Terminated | Ending::Lost => Ok(()),
    }
}

/// Performs an attempt that is recorded as started, and returns the event of its end.
fn perform_attempt(shared: &Arc<Shared>, attempt: &Attempt, control: &Control) -> Event {
    let (run, position, number) = (
        attempt.run.row.key,
        attempt.run.progress.position,
        attempt.run.progress.attempts,
    );
    let filled = filled_in(attempt, &attempt.workflow.steps[position]);
    let step = match &filled {
        Ok(step) => &**step,
        Err(why) => {
            let failure = Failure {
                error_type: ErrorType::Spawn,
                message: why.clone(),
            };
            return Event::AttemptEnded(AttemptResult::new(Ending::Failed(failure), 0));
        }
    };
    let (environment, marks) = match &step.work {
        Work::Command(_) => (
            shared.environment(&attempt.run, step.name.as_str()),
            marks(&attempt.run, step.name.as_str()),
        ),
        Work::Probe(_) | Work::Beat(_) => Default::default(),
    };
    let notice = |notice| {
        let (run, step) = (run_ref(&attempt.run), step_name(&attempt.workflow, position));
        shared.emit(match notice {
            AttemptNotice::Delayed(short) => super::Event::Delayed { run, step, short },
            AttemptNotice::Surviving(processes) => super::Event::Surviving { run, step, processes },
        });
    };
    let now = shared.clock.now();
    let recorded = if let Phase::Running { since } = attempt.run.progress.phase {
        since
    } else {
        now
    };
    let time_left_at = |at: DateTime<Utc>| {
        let deadline = attempt.run.progress.deadline(step, attempt.run_deadline, at);
        deadline.map(|d| (d - at).to_std().unwrap_or_default())
    };
    // A command begins when its process exists.
    let began = Cell::new(Some(now).filter(|_| !matches!(step.work, Work::Command(_))));
    let spawned = |process| {
        let now = shared.clock.now();
        began.set(Some(now));
        // Not waited for: if the server dies before this is recorded, the environment of the process still identifies its attempt.
        drop(
            shared
                .writer
                .submit(move |write| write.record_process(run, (position, number), &process, now)),
        );
    };
    // A slow disk is not given the next output before it has taken the last.
    let is_writing = Arc::new(AtomicBool::new(false));
    let output = |(so_far, stderr): (Vec<u8>, Vec<u8>)| {
        if is_writing.swap(true, Ordering::SeqCst) {
            return;
        }
        let written = Arc::clone(&is_writing);
        drop(shared.writer.submit(move |write| {
            written.store(false, Ordering::SeqCst);
            write.record_output(run, (position, number), (&so_far, &stderr))
        }));
    };
    let task = Task {
        step,
        time_left: time_left_at(now),
        limit: time_left_at(recorded),
        environment: &environment,
        marks: &marks,
        spawned: &spawned,
        output_limit: shared.settings.output_limit,
        output: &output,
        notice: &notice,
    };
    let result: AttemptResult = match control.requested() {
        Some(StopKind::Abandon) => return Event::NotPerformed,
        Some(kind) => AttemptResult::new(kind.ending(), 0),
        None => shared.actions.perform(&task, control),
    };
    let is_abandoned = matches!((&result.ending, control.requested()), (Ending::Lost, Some(StopKind::Abandon)));
    shared.metrics.attempt(result.ending.name(), result.elapsed_ms);
    if let Some(began) = began.get()
        && (position, number) == (0, 1)
        && attempt.run.row.scheduled
    {
        shared.metrics.lateness(began - attempt.run.row.due);
    }
    if is_abandoned {
        return Event::WorkerLost;
    }
    Event::AttemptEnded(AttemptResult {
        began: began.get(),
        ..result
    })
}

/// The step with the outputs of earlier steps in place of its placeholders.
fn filled_in<'a>(attempt: &'a Attempt, step: &'a Step) -> Result<Cow<'a, Step>, String> {
    let Work::Command(command) = &step.work else {
        return Ok(Cow::Borrowed(step));
    };
    if !step.reads_outputs {
        return Ok(Cow::Borrowed(step));
    }
    let mut command = command.clone();
    outputs::fill(&mut command, |reference| {
        let mut steps = attempt.workflow.steps.iter();
        let position = steps.position(|other| other.name.as_str() == reference.step);
        let given = position.and_then(|position| attempt.outputs.get(&position)?.get(&reference.key));
        let missing = || format!("step `{}` did not write an output `{}`", reference.step, reference.key);
        given.cloned().ok_or_else(missing)
    })?;
    Ok(Cow::Owned(Step {
        work: Work::Command(command),
        ..step.clone()
    }))
}

impl Shared {
    /// Starts another worker thread.
    pub(super) fn start_worker(self: &Arc<Self>) {
        let here = Arc::clone(self);
        let started = std::thread::Builder::new()
            .name("worker".to_owned())
            .spawn(move || work(&here));
        if let Err(e) = started {
            self.queue.worker_left();
            self.emit(super::Event::Error(
                Error::new(Kind::System, "cannot start another worker").because(e),
            ));
        }
    }
}
