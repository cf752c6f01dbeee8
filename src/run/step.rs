//! Steps: a probe or a command, with its timeouts and retry policy. Pure.

use std::sync::Arc;
use std::time::Duration;

use super::command::{Command, command_of, condition, reject_command_keys};
use super::outcome::ErrorType;
use super::outputs::{self, Reference};
use super::probe::Probe;
use super::retry::RetryPolicy;
use super::step_text::{Action, OnFailure, OnLost, RetryText, StepText};
use super::threshold::{Threshold, ThresholdText, check_resolve_after};
use crate::error::{Error, Kind};
use crate::names::{QueueName, StepName, WorkflowId, suggestion};
use crate::spec::text;

/// Default timeout of one attempt of a probe.
const PROBE_START_TO_CLOSE: Duration = Duration::from_secs(15);

/// A validated workflow.
#[derive(Debug, Clone, PartialEq)]
pub struct Workflow {
    /// Maximum duration of a run.
    pub run_timeout: Option<Duration>,
    /// Task queue of its runs, if it is not the default one.
    pub task_queue: Option<Arc<str>>,
    /// Lock that a run holds.
    pub lock: Option<Arc<str>>,
    /// Command that must succeed for a run to begin.
    pub condition: Option<Command>,
    /// The steps: at least one, with unique names.
    pub steps: Vec<Step>,
}

/// One step.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Name, unique within the workflow.
    pub name: StepName,
    /// The work to do.
    pub work: Work,
    /// Maximum duration of one attempt.
    pub start_to_close: Option<Duration>,
    /// Maximum duration of all attempts, including the waits between them.
    pub schedule_to_close: Option<Duration>,
    /// Retry policy.
    pub retry: RetryPolicy,
    /// Effect of a failure on the run.
    pub on_failure: OnFailure,
    /// Action to take if tempo dies during the step.
    pub on_lost: OnLost,
    /// When its failures open an incident, if the step says so.
    pub open_after: Option<Threshold>,
    /// How many successes in a row resolve its incident, if the step says so.
    pub resolve_after: Option<u32>,
    /// Whether a later step uses its outputs.
    pub gives_outputs: bool,
    /// Whether it uses outputs of earlier steps.
    pub reads_outputs: bool,
}

/// The work of a step.
#[derive(Debug, Clone, PartialEq)]
pub enum Work {
    /// A check over the network.
    Probe(Probe),
    /// A process.
    Command(Command),
    /// A wait for a heartbeat of a job that another scheduler runs, at most this long.
    Beat(Duration),
}

/// The name of the task queue of runs that name no other.
pub const DEFAULT_QUEUE: &str = "default";

impl Workflow {
    /// The name of the step of a command that was not given a name.
    pub const UNNAMED: &str = "command";

    /// Validates a workflow definition.
    ///
    /// # Errors
    /// `Usage`, naming the step and the rule.
    pub fn check(action: &Action) -> Result<Self, Error> {
        if let Some(id) = &action.workflow_id {
            WorkflowId::parse(id)?;
        }
        if action.steps.is_empty() {
            return Err(Error::new(Kind::Usage, "nothing to run: the workflow has no steps")
                .hint("Add `--probe NAME=URL`, `--shell LINE`, `--steps FILE` or a command after `--`; in a file, a step with `probe`, `command` or `shell`."));
        }
        let mut steps: Vec<Step> = Vec::with_capacity(action.steps.len());
        for written in &action.steps {
            let mut step = Step::check(written)?;
            if steps.iter().any(|s| s.name == step.name) {
                return Err(Error::new(Kind::Usage, format_args!("two steps are named `{}`", step.name))
                    .hint("Step names must be unique within a workflow."));
            }
            use_outputs(&mut steps, &mut step);
            steps.push(step);
        }
        let run_timeout = positive(action.run_timeout.as_deref()).map_err(|e| e.of_setting("run_timeout"))?;
        let name = |setting: &str, name: Option<&str>| {
            let checked = name.map(|name| QueueName::parse(name).map_err(|e| e.of_setting(setting)));
            checked.map(|name| Ok::<_, Error>(Arc::from(name?.as_str()))).transpose()
        };
        let task_queue = name("task_queue", action.task_queue.as_deref())?;
        Ok(Self {
            run_timeout,
            task_queue: task_queue.filter(|queue: &Arc<str>| &**queue != DEFAULT_QUEUE),
            lock: name("lock", action.lock.as_deref())?,
            condition: action.condition.as_deref().map(condition).transpose()?,
            steps,
        })
    }

    /// Checks the rules that only new definitions must meet: stored definitions may be older than these rules.
    ///
    /// # Errors
    /// `Usage`, naming the value and the rule.
    pub fn check_new(&self) -> Result<(), Error> {
        for step in &self.steps {
            let Work::Command(command) = &step.work else { continue };
            if let Some(code) = command.ok_exit_codes.iter().find(|code| !(0..=255).contains(*code)) {
                return Err(Error::new(
                    Kind::Usage,
                    format_args!("step `{}`: {code} in `ok_exit_codes` is not an exit code", step.name),
                )
                .hint("Exit codes are 0 to 255."));
            }
        }
        self.check_outputs()
    }

    /// Checks the placeholders for outputs. A stored definition may have texts that only look like them.
    fn check_outputs(&self) -> Result<(), Error> {
        let invalid = |reference: &Reference, step: &str, why: &str| {
            let parts = [reference.step.as_str(), reference.key.as_str()];
            let shown = parts.join(".").trim_end_matches('.').escape_debug().to_string();
            Error::new(Kind::Usage, format_args!("`{{{{ steps.{shown} }}}}` in {step}: {why}"))
        };
        if let Some(reference) = self.condition.as_ref().and_then(outputs::misplaced) {
            return Err(invalid(&reference, "`if`", "a condition has no outputs"));
        }
        for (position, step) in self.steps.iter().enumerate() {
            let Work::Command(command) = &step.work else { continue };
            let name = format!("step `{}`", step.name);
            if let Some(reference) = outputs::misplaced(command) {
                return Err(invalid(
                    &reference,
                    &name,
                    "outputs cannot be used here, because their text could be run as a command or refer to a secret",
                )
                .hint("Set a variable, such as `env = { DUMP = \"{{ steps.dump.path }}\" }`, and use \"$DUMP\" in the shell."));
            }
            for reference in outputs::references(command) {
                let giver = self.steps[..position]
                    .iter()
                    .find(|other| other.name.as_str() == reference.step);
                let why = match giver.map(|giver| &giver.work) {
                    _ if reference.key.is_empty() => "the key is missing",
                    _ if !outputs::is_key(&reference.key) => "a key consists of 1 to 100 of the characters A-Z a-z 0-9 _ -",
                    None => "no earlier step has this name",
                    Some(Work::Probe(_) | Work::Beat(_)) => "this step is not a command",
                    Some(Work::Command(_)) => continue,
                };
                return Err(invalid(&reference, &name, why).hint(
                    "Write `{{ steps.STEP.KEY }}`, where STEP is an earlier command that writes `KEY=VALUE` to the file `$TEMPO_OUTPUT`.",
                ));
            }
        }
        Ok(())
    }
}

impl Step {
    /// Validates a step definition.
    ///
    /// # Errors
    /// As [`Workflow::check`].
    pub fn check(written: &StepText) -> Result<Self, Error> {
        if written.name.is_empty() {
            return Err(
                Error::new(Kind::Usage, "a step has no `name`").hint("Give each step a name that is unique in its workflow.")
            );
        }
        let name = StepName::parse(&written.name)?;
        let forms = [
            written.probe.is_some(),
            written.command.is_some(),
            written.shell.is_some(),
            written.beat.is_some(),
        ];
        let forms = forms.into_iter().filter(|is_set| *is_set).count();
        if forms != 1 {
            return Err(Error::new(
                Kind::Usage,
                match forms {
                    0 => format!("step `{name}` has no `probe`, `command`, `shell` or `beat`"),
                    _ => format!("step `{name}` has more than one of `probe`, `command`, `shell` and `beat`"),
                },
            )
            .hint("Set exactly one of them."));
        }
        let in_step = |what: &str| format!("{what} of step `{name}`");
        let mut start_to_close = duration_of(&in_step("start-to-close timeout"), written.start_to_close_timeout.as_deref())?;
        let (work, mut retry, on_failure) = match (&written.probe, duration_of(&in_step("grace time"), written.beat.as_deref())?)
        {
            (Some(probe), _) => {
                let (probe, timeout) = Probe::check(&name, probe)?;
                let limit = start_to_close.or(timeout).unwrap_or(PROBE_START_TO_CLOSE);
                start_to_close = Some(timeout.map_or(limit, |t| t.min(limit)));
                reject_command_keys(&name, written, "is a probe")?;
                (Work::Probe(probe), RetryPolicy::of_probes(), OnFailure::Continue)
            }
            (None, Some(grace)) => {
                reject_command_keys(&name, written, "expects a heartbeat")?;
                if written.retry.is_some() || start_to_close.is_some() || written.schedule_to_close_timeout.is_some() {
                    return Err(Error::new(
                        Kind::Usage,
                        format_args!("step `{name}` expects a heartbeat: it cannot have timeouts or retries"),
                    ));
                }
                (Work::Beat(grace), RetryPolicy::of_commands(), OnFailure::Fail)
            }
            (None, None) => (
                Work::Command(command_of(&name, written)?),
                RetryPolicy::of_commands(),
                OnFailure::Fail,
            ),
        };
        if let Some(r) = &written.retry {
            if let Some(d) = duration_of(&in_step("retry interval"), r.initial_interval.as_deref())? {
                retry.initial_interval = d;
            }
            if let Some(d) = duration_of(&in_step("maximum retry interval"), r.maximum_interval.as_deref())? {
                retry.maximum_interval = d;
            }
            if let Some(c) = r.backoff_coefficient {
                if !(1.0..=100.0).contains(&c) {
                    return Err(Error::new(
                        Kind::Usage,
                        format_args!("backoff coefficient `{c}` of step `{name}` is out of range 1-100"),
                    ));
                }
                retry.backoff_coefficient = c;
            }
            retry.maximum_attempts = r.maximum_attempts.unwrap_or(retry.maximum_attempts);
            if let Some(types) = &r.non_retryable {
                retry.non_retryable = types.iter().map(|t| error_type(t)).collect::<Result<_, _>>()?;
            }
            retry.exit_codes = exit_codes_of(&name, r, &work, retry.maximum_attempts)?;
        }
        retry.maximum_interval = retry.maximum_interval.max(retry.initial_interval);
        let schedule_to_close = duration_of(
            &in_step("schedule-to-close timeout"),
            written.schedule_to_close_timeout.as_deref(),
        )?;
        Ok(Self {
            work,
            start_to_close,
            schedule_to_close,
            retry,
            on_failure: written.on_failure.unwrap_or(on_failure),
            on_lost: written.on_lost.unwrap_or(OnLost::Retry),
            open_after: written.open_after.as_ref().map(ThresholdText::check).transpose()?,
            resolve_after: check_resolve_after(written.resolve_after)?,
            gives_outputs: false,
            reads_outputs: false,
            name,
        })
    }

    /// A step of one attempt without a time limit of its own.
    #[must_use]
    pub fn once(name: StepName, work: Work) -> Self {
        Self {
            name,
            work,
            start_to_close: None,
            schedule_to_close: None,
            retry: RetryPolicy::of_commands(),
            on_failure: OnFailure::Fail,
            on_lost: OnLost::Retry,
            open_after: None,
            resolve_after: None,
            gives_outputs: false,
            reads_outputs: false,
        }
    }

    /// `probe`, `command` or `beat`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self.work {
            Work::Probe(_) => "probe",
            Work::Command(_) => "command",
            Work::Beat(_) => "beat",
        }
    }

    /// The target for incidents: the URL, or the command line.
    #[must_use]
    pub fn target(&self) -> String {
        match &self.work {
            Work::Probe(p) => p.target(),
            Work::Command(c) => match c.argv.as_slice() {
                [shell, flag, line] if shell == "/bin/sh" && flag == "-c" => line.clone(),
                argv => argv.join(" "),
            },
            Work::Beat(grace) => format!("a heartbeat within {}", text::duration_text(*grace)),
        }
    }
}

/// Marks a step that uses outputs of earlier commands, and marks these commands. Other placeholders are left unchanged: see [`Workflow::check_new`].
fn use_outputs(earlier: &mut [Step], step: &mut Step) {
    let Work::Command(command) = &step.work else { return };
    for reference in outputs::references(command) {
        let giver = earlier.iter_mut().find(|other| other.name.as_str() == reference.step);
        if let Some(giver) = giver.filter(|other| matches!(other.work, Work::Command(_))) {
            (giver.gives_outputs, step.reads_outputs) = (true, true);
        }
    }
}

/// The exit codes that are retried; allowed only for a command with more than one attempt.
fn exit_codes_of(name: &StepName, retry: &RetryText, work: &Work, attempts: u32) -> Result<Option<Vec<i32>>, Error> {
    let Some(codes) = &retry.exit_codes else { return Ok(None) };
    let rule = match work {
        Work::Probe(_) | Work::Beat(_) => "is not a command",
        Work::Command(_) if attempts == 1 => "has only one attempt: set `maximum_attempts` (`--attempts`)",
        Work::Command(command) => {
            let cannot_fail = |code: &&i32| !(1..=255).contains(*code) || command.ok_exit_codes.contains(code);
            return match codes.iter().find(cannot_fail) {
                Some(code) => Err(Error::new(
                    Kind::Usage,
                    format_args!("exit code {code} of step `{name}` cannot be retried: it does not mean failure"),
                )
                .hint("Exit codes of failures are 1 to 255, except those in `ok_exit_codes`.")),
                None => Ok(Some(codes.clone())),
            };
        }
    };
    Err(Error::new(
        Kind::Usage,
        format_args!("exit codes to retry are given for step `{name}`, which {rule}"),
    ))
}

fn error_type(name: &str) -> Result<ErrorType, Error> {
    ErrorType::named(name).ok_or_else(|| {
        Error::new(Kind::Usage, format_args!("no error type is named `{name}`"))
            .hint(suggestion(name, &ErrorType::ALL.map(ErrorType::name)))
    })
}

pub(super) fn duration_of(what: &str, written: Option<&str>) -> Result<Option<Duration>, Error> {
    positive(written).map_err(|e| e.within(format_args!("the {what}")))
}

/// Parses a duration that must be greater than zero.
///
/// # Errors
/// `Usage` when it is not.
pub fn positive(written: Option<&str>) -> Result<Option<Duration>, Error> {
    let span = written.map(text::duration).transpose()?;
    match written.filter(|_| span.is_some_and(|span| span.is_zero())) {
        Some(zero) => Err(Error::new(
            Kind::Usage,
            format_args!("must be greater than zero, not `{zero}`"),
        )),
        None => Ok(span),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::step_text::{ProbeTable, ProbeText};

    #[test]
    fn a_probe_uses_its_own_timeout() {
        for (timeout, attempt, expected) in [
            (None, None, 15),
            (Some("5s"), None, 5),
            (Some("60s"), None, 60),
            (Some("60s"), Some("20s"), 20),
            (Some("5s"), Some("20s"), 5),
            (None, Some("20s"), 20),
        ] {
            let probe = ProbeTable {
                url: "http://127.0.0.1/".to_owned(),
                timeout: timeout.map(str::to_owned),
                ..ProbeTable::default()
            };
            let step = StepText {
                name: "p".to_owned(),
                probe: Some(ProbeText::Table(Box::new(probe))),
                start_to_close_timeout: attempt.map(str::to_owned),
                ..StepText::default()
            };
            let workflow = Workflow::check(&Action {
                steps: vec![step],
                ..Action::default()
            });
            let limit = workflow.unwrap().steps[0].start_to_close;
            assert_eq!(limit, Some(Duration::from_secs(expected)), "{timeout:?}, {attempt:?}");
        }
    }
}
