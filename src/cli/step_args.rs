//! Options for step defaults: timeouts, retries, working directory and environment.

use clap::ValueHint;

use crate::error::{Error, Kind};
use crate::run::step;
use crate::run::step_text::{RetryText, StepText};

/// Defaults for steps that do not set these themselves.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Step defaults")]
pub(super) struct StepArgs {
    /// Timeout of one attempt: `500ms`, `30s`, `5m`, `1h`; defaults to 15s for a probe, and to none for a command
    #[arg(long, value_name = "DURATION")]
    start_to_close_timeout: Option<String>,
    /// Timeout of all attempts of a step, including waits; defaults to none
    #[arg(long, value_name = "DURATION")]
    schedule_to_close_timeout: Option<String>,
    /// Maximum number of attempts; 0 means unlimited; defaults to 3 for a probe and 1 for a command
    #[arg(long, visible_alias = "attempts", value_name = "N")]
    retry_maximum_attempts: Option<u32>,
    /// Wait after the first attempt; defaults to 1s
    #[arg(long, value_name = "DURATION")]
    retry_initial_interval: Option<String>,
    /// Factor by which the wait grows after each attempt, from 1 to 100; defaults to 2
    #[arg(long, value_name = "N")]
    retry_backoff_coefficient: Option<f64>,
    /// Longest wait between attempts; defaults to 10s
    #[arg(long, value_name = "DURATION")]
    retry_maximum_interval: Option<String>,
    /// Error type that is not retried, as `tempo workflow describe` shows it (`NonZeroExit`, `Timeout`, `Connect` …); may be repeated
    #[arg(long, value_name = "TYPE")]
    non_retryable: Vec<String>,
    /// Retry a command only on this exit code, from 1 to 255; may be repeated; defaults to all; timeouts and signals are still retried
    #[arg(long, value_name = "CODE", value_delimiter = ',')]
    retry_exit_code: Vec<i32>,
    /// Working directory of commands
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    cwd: Option<String>,
    /// Maximum virtual memory of each process of commands, at least 1M: `512M`, `2G`; defaults to no limit
    #[arg(long, value_name = "SIZE")]
    memory: Option<String>,
    /// Maximum CPU time of each process of commands, in whole seconds, at least 1s: `10m`; defaults to no limit
    #[arg(long, value_name = "DURATION")]
    cpu_time: Option<String>,
    /// Niceness of commands in addition to that of `tempo run`, from 1 to 19: the higher, the more they yield to other processes; defaults to 0
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=19))]
    nice: Option<u8>,
    /// Environment variable of commands; `NAME=env:OTHER` is read when the step runs; may be repeated
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

    /// Whether an option that applies only to commands is given: working directory, environment, limits or exit codes.
    pub(super) fn is_for_commands(&self) -> bool {
        let has_limits = self.memory.is_some() || self.cpu_time.is_some() || self.nice.is_some();
        has_limits || self.cwd.is_some() || !self.env.is_empty() || !self.retry_exit_code.is_empty()
    }

    fn retry(&self) -> Option<RetryText> {
        let retry = RetryText {
            initial_interval: self.retry_initial_interval.clone(),
            backoff_coefficient: self.retry_backoff_coefficient,
            maximum_interval: self.retry_maximum_interval.clone(),
            maximum_attempts: self.retry_maximum_attempts,
            non_retryable: (!self.non_retryable.is_empty()).then(|| self.non_retryable.clone()),
            exit_codes: (!self.retry_exit_code.is_empty()).then(|| self.retry_exit_code.clone()),
        };
        (retry != RetryText::default()).then_some(retry)
    }

    /// The working directory as an absolute path: the server may run in another directory.
    fn absolute_cwd(&self) -> Result<Option<String>, Error> {
        let Some(cwd) = &self.cwd else { return Ok(None) };
        let path = std::path::absolute(cwd)
            .map_err(|e| Error::new(Kind::Usage, format_args!("`{cwd}` is not a directory")).because(e))?;
        crate::machine::path_text(&path).map(Some)
    }

    /// Checks the values that can be checked without their step, so that errors name the option.
    fn check(&self) -> Result<(), Error> {
        let durations = [
            ("--start-to-close-timeout", &self.start_to_close_timeout),
            ("--schedule-to-close-timeout", &self.schedule_to_close_timeout),
            ("--retry-initial-interval", &self.retry_initial_interval),
            ("--retry-maximum-interval", &self.retry_maximum_interval),
        ];
        for (option, written) in durations {
            step::positive(written.as_deref()).map_err(|e| e.of_setting(option))?;
        }
        let factor = self.retry_backoff_coefficient;
        if let Some(factor) = factor.filter(|factor| !(1.0..=100.0).contains(factor)) {
            let message = format_args!("must be from 1 to 100, not `{factor}`");
            return Err(Error::new(Kind::Usage, message).of_setting("--retry-backoff-coefficient"));
        }
        Ok(())
    }

    /// Fills in the values that a step does not set.
    pub(super) fn complete(&self, step: &mut StepText) -> Result<(), Error> {
        self.check()?;
        let fill = |to: &mut Option<String>, from: &Option<String>| {
            if to.is_none() {
                to.clone_from(from);
            }
        };
        fill(&mut step.start_to_close_timeout, &self.start_to_close_timeout);
        fill(&mut step.schedule_to_close_timeout, &self.schedule_to_close_timeout);
        if let Some(flags) = self.retry() {
            let own = step.retry.take().unwrap_or_default();
            step.retry = Some(own.or(RetryText {
                exit_codes: flags.exit_codes.filter(|_| step.probe.is_none()),
                ..flags
            }));
        }
        if step.probe.is_none() {
            fill(&mut step.cwd, &self.absolute_cwd()?);
            fill(&mut step.memory, &self.memory);
            fill(&mut step.cpu_time, &self.cpu_time);
            step.nice = step.nice.or(self.nice);
            for pair in &self.env {
                let (key, value) = pair.split_once('=').ok_or_else(|| {
                    Error::new(Kind::Usage, format_args!("invalid environment variable `{pair}`"))
                        .hint("Expected `--env NAME=VALUE`.")
                })?;
                step.env.entry(key.to_owned()).or_insert_with(|| value.to_owned());
            }
        }
        Ok(())
    }

    /// Returns a copy of a step in which the options replace the step's own values.
    pub(super) fn over(&self, step: &StepText) -> Result<StepText, Error> {
        let mut flags_first = StepText {
            probe: step.probe.clone(),
            ..StepText::default()
        };
        self.complete(&mut flags_first)?;
        let given = flags_first.retry.clone().unwrap_or_default();
        let own = step.retry.clone().unwrap_or_default();
        let retry = given.or(own);
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
            memory: flags_first.memory.or_else(|| step.memory.clone()),
            cpu_time: flags_first.cpu_time.or_else(|| step.cpu_time.clone()),
            nice: flags_first.nice.or(step.nice),
            retry: (retry != RetryText::default()).then_some(retry),
            env,
            ..step.clone()
        })
    }
}
