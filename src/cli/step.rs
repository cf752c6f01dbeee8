//! `tempo step`.

use std::cell::Cell;
use std::time::Duration;

use super::Context;
use super::interrupt;
use super::step_args::StepArgs;
use crate::engine::script::{self, Caller};
use crate::error::Error;
use crate::run::outcome::{AttemptResult, Failure};
use crate::run::step::{Step, Work};
use crate::run::step_text::StepText;
use crate::spec::describe::human_duration;
use crate::store::Missing;

/// Run a step of a script once: after it has succeeded, it is not run again
///
/// For scripts that tempo runs. When NAME first succeeds, its stdout is recorded. If the script runs again, after a crash or for a retry,
/// the step prints the recorded stdout at once and does not run the command. A failed step is run again. The recorded stdout is limited to 1 MiB.
///
/// The same name must always be given the same command: number the steps of a loop. The command shares the script's stdin: in a
/// `while read` loop, add `</dev/null`. Exits with 1 if the step failed.
#[derive(Debug, clap::Args)]
#[command(
    mut_arg("start_to_close_timeout", |timeout| timeout.help("Timeout of one attempt: `500ms`, `30s`, `5m`, `1h`; defaults to none")),
    // A step of a script is always a command.
    mut_arg("retry_maximum_attempts", |attempts| attempts.help("Maximum number of attempts; 0 means unlimited; defaults to 1")),
)]
pub(super) struct Args {
    /// Name of the step; unique in the script
    name: String,
    #[command(flatten)]
    more: StepArgs,
    /// Command to run with its arguments, without a shell
    #[arg(last = true, required = true, value_name = "COMMAND", value_hint = clap::ValueHint::AnyPath)]
    command: Vec<String>,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Error> {
    let caller = Caller::of_environment("tempo step")?;
    let mut step_text = StepText {
        name: args.name.clone(),
        command: Some(args.command.clone()),
        ..StepText::default()
    };
    args.more.complete(&mut step_text)?;
    let step = Step::check(&step_text)?;
    let Work::Command(command) = &step.work else {
        unreachable!("the step was built from a command");
    };
    let mut store = context.open(Missing::Refuse)?;
    let interrupt = interrupt::on_signals()?;
    // The output of a failed attempt is not the step's result, but it explains the failure: it goes to stderr, like the script's errors.
    let on_failure = |result: &AttemptResult, failure: &Failure, wait: Option<Duration>| {
        let output = String::from_utf8_lossy(&result.output);
        output.lines().for_each(|line| context.ui.say(line));
        if let Some(wait) = wait {
            let wait = human_duration(wait.as_millis());
            context
                .ui
                .say(&format!("step `{}`: {}; retrying in {wait}", step.name, failure.message));
        }
    };
    let reported = Cell::new(false);
    let on_unrecorded = |e: &Error| {
        if !reported.replace(true) {
            context.ui.say(&format!(
                "step `{}`: its result is not recorded yet: {e}; trying again",
                step.name
            ));
        }
    };
    let stdout = script::perform(
        &mut store,
        (&context.clock, &interrupt),
        &caller,
        (&step, command),
        on_failure,
        on_unrecorded,
    )?;
    context.ui.raw(&caller.printed(command, stdout))
}
