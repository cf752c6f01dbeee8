//! The flags that fill in what steps do not say: timeouts, retries, folder and variables.

use clap::ValueHint;

use crate::error::{Error, Kind};
use crate::run::step_text::{RetryText, StepText};

/// For steps that do not say otherwise.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Steps that do not say otherwise")]
pub(super) struct StepArgs {
    /// How long one attempt may take
    #[arg(long, value_name = "DURATION")]
    start_to_close_timeout: Option<String>,
    /// How long all attempts may take, waits included
    #[arg(long, value_name = "DURATION")]
    schedule_to_close_timeout: Option<String>,
    /// How many attempts there are; 0 is no limit
    #[arg(long, visible_alias = "attempts", value_name = "N")]
    retry_maximum_attempts: Option<u32>,
    /// The wait after the first attempt
    #[arg(long, value_name = "DURATION")]
    retry_initial_interval: Option<String>,
    /// How much longer each wait is than the one before
    #[arg(long, value_name = "N")]
    retry_backoff_coefficient: Option<f64>,
    /// The longest wait
    #[arg(long, value_name = "DURATION")]
    retry_maximum_interval: Option<String>,
    /// An error type that is not retried; repeats
    #[arg(long, value_name = "TYPE")]
    non_retryable: Vec<String>,
    /// The folder commands run in
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    cwd: Option<String>,
    /// A variable of commands; `NAME=env:OTHER` is read when the step runs; repeats
    #[arg(long, value_name = "NAME=VALUE")]
    env: Vec<String>,
}

impl StepArgs {
    pub(super) fn is_named(&self) -> bool {
        self.start_to_close_timeout.is_some()
            || self.schedule_to_close_timeout.is_some()
            || self.is_for_commands()
            || self.retry().is_some()
    }

    /// Whether what only commands have is named: a folder, variables.
    pub(super) fn is_for_commands(&self) -> bool {
        self.cwd.is_some() || !self.env.is_empty()
    }

    fn retry(&self) -> Option<RetryText> {
        let retry = RetryText {
            initial_interval: self.retry_initial_interval.clone(),
            backoff_coefficient: self.retry_backoff_coefficient,
            maximum_interval: self.retry_maximum_interval.clone(),
            maximum_attempts: self.retry_maximum_attempts,
            non_retryable: (!self.non_retryable.is_empty()).then(|| self.non_retryable.clone()),
        };
        (retry != RetryText::default()).then_some(retry)
    }

    /// The folder as seen from here: the server may run elsewhere.
    fn absolute_cwd(&self) -> Result<Option<String>, Error> {
        let Some(cwd) = &self.cwd else { return Ok(None) };
        let path =
            std::path::absolute(cwd).map_err(|e| Error::new(Kind::Usage, format_args!("`{cwd}` is no folder")).because(e))?;
        crate::machine::path_text(&path).map(Some)
    }

    /// Fills in what a step does not say.
    pub(super) fn complete(&self, step: &mut StepText) -> Result<(), Error> {
        let fill = |to: &mut Option<String>, from: &Option<String>| {
            if to.is_none() {
                to.clone_from(from);
            }
        };
        fill(&mut step.start_to_close_timeout, &self.start_to_close_timeout);
        fill(&mut step.schedule_to_close_timeout, &self.schedule_to_close_timeout);
        if let Some(flags) = self.retry() {
            let own = step.retry.take().unwrap_or_default();
            step.retry = Some(RetryText {
                initial_interval: own.initial_interval.or(flags.initial_interval),
                backoff_coefficient: own.backoff_coefficient.or(flags.backoff_coefficient),
                maximum_interval: own.maximum_interval.or(flags.maximum_interval),
                maximum_attempts: own.maximum_attempts.or(flags.maximum_attempts),
                non_retryable: own.non_retryable.or(flags.non_retryable),
            });
        }
        if step.probe.is_none() {
            fill(&mut step.cwd, &self.absolute_cwd()?);
            for pair in &self.env {
                let (key, value) = pair.split_once('=').ok_or_else(|| {
                    Error::new(Kind::Usage, format_args!("`{pair}` is not a variable")).hint("Write `--env NAME=VALUE`.")
                })?;
                step.env.entry(key.to_owned()).or_insert_with(|| value.to_owned());
            }
        }
        Ok(())
    }

    /// A step with what the flags name in place of its own.
    pub(super) fn over(&self, step: &StepText) -> Result<StepText, Error> {
        let mut flags_first = StepText {
            probe: step.probe.clone(),
            ..StepText::default()
        };
        self.complete(&mut flags_first)?;
        let named = flags_first.retry.clone().unwrap_or_default();
        let own = step.retry.clone().unwrap_or_default();
        let retry = RetryText {
            initial_interval: named.initial_interval.or(own.initial_interval),
            backoff_coefficient: named.backoff_coefficient.or(own.backoff_coefficient),
            maximum_interval: named.maximum_interval.or(own.maximum_interval),
            maximum_attempts: named.maximum_attempts.or(own.maximum_attempts),
            non_retryable: named.non_retryable.or(own.non_retryable),
        };
        let mut env = step.env.clone();
        env.extend(flags_first.env);
        Ok(StepText {
            start_to_close_timeout: flags_first
                .start_to_close_timeout
                .or_else(|| step.start_to_close_timeout.clone()),
            schedule_to_close_timeout: flags_first
                .schedule_to_close_timeout
                .or_else(|| step.schedule_to_close_timeout.clone()),
            cwd: flags_first.cwd.or_else(|| step.cwd.clone()),
            retry: (retry != RetryText::default()).then_some(retry),
            env,
            ..step.clone()
        })
    }
}
