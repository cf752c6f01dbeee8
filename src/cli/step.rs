//! `tempo step`.

use std::time::Duration;

use super::Context;
use super::interrupt;
use super::step_args::StepArgs;
use crate::engine::script::{self, Caller};
use crate::error::Error;
use crate::run::outcome::{AttemptResult, Failure};
use crate::run::step::{Step, Work};
use crate::run::step_text::StepText;
use crate::spec::describe::spoken;
use crate::store::Missing;

/// Do a step of a script once, whatever happens to the script
///
/// For scripts that tempo runs. The first success of NAME is recorded with its stdout; when the script is run again, after a crash or by a
/// retry, the step writes that at once and does nothing. A step that failed is done again. It may write 1 MiB to stdout.
///
/// The same name always means the same command: number the steps of a loop. Its stdin is the script's: in a `while read` loop give it
/// `</dev/null`. Exits with 1 when the step failed.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// What it is called; unique in the script
    name: String,
    #[command(flatten)]
    more: StepArgs,
    /// The command and its arguments; no shell
    #[arg(last = true, required = true, value_name = "COMMAND", value_hint = clap::ValueHint::AnyPath)]
    command: Vec<String>,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Error> {
    let caller = Caller::of_environment("tempo step")?;
    let mut written = StepText {
        name: args.name.clone(),
        command: Some(args.command.clone()),
        ..StepText::default()
    };
    args.more.complete(&mut written)?;
    let step = Step::check(&written)?;
    let Work::Command(command) = &step.work else {
        unreachable!("it was written as a command");
    };
    let mut store = context.open(Missing::Refuse)?;
    let interrupt = interrupt::on_signals()?;
    // What a failed attempt wrote is nobody's value, and still evidence: it goes where the script's own errors go.
    let told = |result: &AttemptResult, failure: &Failure, wait: Option<Duration>| {
        let written = String::from_utf8_lossy(&result.output);
        written.lines().for_each(|line| context.ui.say(line));
        if let Some(wait) = wait {
            let wait = spoken(wait.as_millis());
            context
                .ui
                .say(&format!("step `{}`: {}; again in {wait}", step.name, failure.message));
        }
    };
    let stdout = script::perform(&mut store, (&context.clock, &interrupt), &caller, (&step, command), told)?;
    context.ui.raw(&stdout)
}
