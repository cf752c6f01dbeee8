//! The options for the workflow: what a schedule runs.

use clap::ValueHint;

use super::super::step_args::StepArgs;
use crate::error::{Error, Kind};
use crate::files;
use crate::files::document::Source;
use crate::files::source_file::SourceFile;
use crate::names::suggestion;
use crate::run::step_text::{Action, ProbeTable, ProbeText, StatusText, StepText};

/// Options for the workflow: what to run.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "What to run (choose one form)")]
pub(in crate::cli) struct WhatArgs {
    /// Probe a URL: `NAME=URL [status=200] [timeout=5s] [method=GET]`; may be repeated, one step each, in order
    #[arg(long, value_name = "PROBE")]
    pub(super) probe: Vec<String>,
    /// Run a command line with `/bin/sh -c`
    #[arg(long, value_name = "LINE", conflicts_with = "probe")]
    pub(super) shell: Option<String>,
    /// Read the steps from a file of `[[step]]` tables, or the same as JSON; `-` is stdin
    #[arg(long, value_name = "FILE", conflicts_with_all = ["probe", "shell"], value_hint = ValueHint::FilePath)]
    pub(super) steps: Option<String>,
    /// Instead of steps: expect a heartbeat (`tempo beat`) within this time after each scheduled time; should be shorter than the interval between them
    #[arg(long, value_name = "DURATION", conflicts_with_all = ["probe", "shell", "steps", "command"])]
    pub(super) grace: Option<String>,
    /// Run a program with its arguments, without a shell
    #[arg(last = true, value_name = "COMMAND", value_hint = ValueHint::AnyPath, conflicts_with_all = ["probe", "shell", "steps"])]
    pub(super) command: Vec<String>,
    #[command(flatten)]
    pub(super) defaults: StepArgs,
    /// Maximum duration of a run; defaults to no limit
    #[arg(long, value_name = "DURATION", help_heading = "Run options")]
    pub(super) run_timeout: Option<String>,
    /// Base of the workflow ids of the runs; defaults to the schedule's id
    #[arg(long, value_name = "BASE", help_heading = "Run options")]
    pub(super) workflow_id: Option<String>,
}

impl WhatArgs {
    /// The steps, if any are given.
    pub(super) fn steps(&self) -> Result<Option<Vec<StepText>>, Error> {
        let mut steps = if let Some(file) = &self.steps {
            files::steps::parse(&Source {
                name: file,
                text: &SourceFile::read(file)?.text,
            })?
        } else if !self.probe.is_empty() {
            self.probe.iter().map(|p| probe(p)).collect::<Result<_, _>>()?
        } else if let Some(line) = &self.shell {
            vec![StepText {
                name: "command".to_owned(),
                shell: Some(line.clone()),
                ..StepText::default()
            }]
        } else if !self.command.is_empty() {
            vec![StepText {
                name: "command".to_owned(),
                command: Some(self.command.clone()),
                ..StepText::default()
            }]
        } else if let Some(grace) = &self.grace {
            vec![StepText::waiting_for_beat(grace.clone())]
        } else {
            return Ok(None);
        };
        let only_probes = steps.iter().all(|s| s.probe.is_some());
        if only_probes && self.defaults.is_for_commands() {
            return Err(Error::new(
                Kind::Usage,
                "`--cwd`, `--env`, `--memory`, `--cpu-time`, `--nice` and `--retry-exit-code` apply to commands, but every step is a probe",
            ));
        }
        for step in &mut steps {
            self.defaults.complete(step)?;
        }
        Ok(Some(steps))
    }

    /// The workflow, for a run without a schedule.
    pub(in crate::cli) fn action(&self) -> Result<Action, Error> {
        Ok(Action {
            workflow_id: self.workflow_id.clone(),
            run_timeout: self.run_timeout.clone(),
            steps: self.steps()?.unwrap_or_default(),
            ..Action::default()
        })
    }

    /// Fills in the step defaults and the run timeout where an action does not set them.
    pub(in crate::cli) fn complete(&self, action: &mut Action) -> Result<(), Error> {
        for step in &mut action.steps {
            self.defaults.complete(step)?;
        }
        if action.run_timeout.is_none() {
            action.run_timeout.clone_from(&self.run_timeout);
        }
        Ok(())
    }

    /// Whether any step default is given.
    pub(super) fn names_defaults(&self) -> bool {
        self.defaults.is_named()
    }
}

/// Parses `NAME=URL [status=200] [timeout=5s] [method=GET]`, and any other probe key whose value is one word.
fn probe(written: &str) -> Result<StepText, Error> {
    let invalid = |rule: String| {
        Error::new(Kind::Usage, format_args!("{rule} in probe `{}`", written.escape_debug()))
            .hint("Write 'NAME=URL [status=200] [timeout=5s] [method=GET]'.")
    };
    let mut words = written.split_whitespace();
    let (name, url) = words
        .next()
        .and_then(|w| w.split_once('='))
        .ok_or_else(|| invalid("no `NAME=URL`".to_owned()))?;
    if name.is_empty() {
        return Err(invalid("no name before `=`".to_owned()));
    }
    if url.is_empty() {
        return Err(invalid(format!("no URL after `{name}=`")));
    }
    let mut table = ProbeTable {
        url: url.to_owned(),
        ..ProbeTable::default()
    };
    for word in words {
        let (key, value) = word.split_once('=').unwrap_or((word, ""));
        let text = Some(value.to_owned());
        let number = || {
            let number = value.parse();
            number
                .map(Some)
                .map_err(|_| invalid(format!("the value `{value}` of `{key}` is not a number")))
        };
        match key {
            "status" => table.status = text.map(StatusText::List),
            "timeout" => table.timeout = text,
            "method" => table.method = text,
            "bearer" => table.bearer = text,
            "basic_auth" => table.basic_auth = text,
            "redirects" => table.redirects = number()?,
            "body_contains" => table.body_contains = text,
            "body_matches" => table.body_matches = text,
            "max_elapsed" => table.max_elapsed = text,
            "min_certificate_days" => table.min_certificate_days = number()?,
            "ca_file" => table.ca_file = text,
            _ => {
                let keys = [
                    "status",
                    "timeout",
                    "method",
                    "redirects",
                    "max_elapsed",
                    "body_contains",
                    "body_matches",
                    "basic_auth",
                    "bearer",
                    "min_certificate_days",
                    "ca_file",
                ];
                return Err(invalid(format!("unknown key `{key}`")).hint(suggestion(key, &keys)));
            }
        }
    }
    // A single status code becomes a number, as in a file.
    if let Some(StatusText::List(code)) = &table.status
        && let Ok(code) = code.parse()
    {
        table.status = Some(StatusText::Code(code));
    }
    Ok(StepText {
        name: name.to_owned(),
        probe: Some(ProbeText::Table(Box::new(table))),
        ..StepText::default()
    })
}
