//! `tempo workflow output`.

use chrono::TimeDelta;
use clap_complete::engine::ArgValueCandidates;

use super::super::{Context, complete};
use crate::clock::{Clock as _, Wakeup};
use crate::error::{Error, Kind};
use crate::names::nearest;
use crate::output::run_views::StepView;
use crate::output::ui::{Format, Ui};
use crate::present;
use crate::run::outcome::Status;
use crate::store::{Missing, Store};

/// How often `--follow` looks for new output.
const POLL_INTERVAL: TimeDelta = TimeDelta::milliseconds(20);
/// Number of bytes by which the end of what was shown is recognized in a longer output.
const OVERLAP: usize = 256;

/// Print the output of a run's commands
///
/// Prints the output of every attempt, in order. The output of a running attempt is recorded about once a second. Only the beginning and the
/// end of long output are kept (`tempo run --keep-output`). If a step keeps stderr separate (`separate_stderr` in a definition file), its
/// stderr is printed to stderr.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Prefix of a run id, or a workflow id (its newest run)
    #[arg(add = ArgValueCandidates::new(complete::runs))]
    run: String,
    /// Only the output of this step
    step: Option<String>,
    /// Keep printing as the run continues, until it has closed; with `-o jsonl`, each step when it closes
    #[arg(short, long)]
    follow: bool,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Error> {
    let store = context.open(Missing::Refuse)?;
    let row = store.read(|r| r.run_named(&args.run))?;
    let is_selected = |name: &str| args.step.as_ref().is_none_or(|step| name == step);
    let steps = |store: &Store| -> Result<Vec<StepView>, Error> {
        let view = store.read(|r| present::run_in_full(r, &row))?;
        Ok(view.steps.unwrap_or_default())
    };
    let all = steps(&store)?;
    if let Some(name) = &args.step
        && !all.iter().any(|s| s.name == *name)
    {
        let error = Error::new(
            Kind::NotFound,
            format_args!("no step of run `{}` is named `{name}`", args.run),
        );
        return Err(match nearest(name, all.iter().map(|s| s.name.as_str())) {
            Some(near) => error.hint(format_args!("Did you mean `{near}`?")),
            None if all.is_empty() => error,
            None => {
                let names: Vec<&str> = all.iter().map(|step| step.name.as_str()).collect();
                error.hint(format_args!("Its steps: `{}`.", names.join("`, `")))
            }
        });
    }
    let mut printer = Printer {
        context,
        run: row.key,
        positions: (0..all.len()).filter(|i| is_selected(&all[*i].name)).collect(),
        printed: Vec::new(),
    };
    if args.follow {
        follow(context, &store, row.key, |store| match context.ui.format() {
            Format::Text => printer.print_new(store),
            Format::Jsonl => {
                let steps = steps(store)?;
                printer.print_steps(&steps, |step| step.result.is_some())
            }
            Format::Json => Ok(()),
        })?;
    }
    match context.ui.format() {
        Format::Text => printer.print_new(&store),
        Format::Jsonl => {
            let steps = steps(&store)?;
            printer.print_steps(&steps, |_| true)
        }
        Format::Json => {
            let selected: Vec<_> = steps(&store)?.into_iter().filter(|s| is_selected(&s.name)).collect();
            context.ui.json(&selected)
        }
    }
}

/// Calls `print` until the run has closed, also across a restart of the server, or until nobody reads stdout.
fn follow(context: &Context, store: &Store, run: i64, mut print: impl FnMut(&Store) -> Result<(), Error>) -> Result<(), Error> {
    let never_raised = Wakeup::default();
    let mut is_down = false;
    loop {
        let status = store.read(|r| r.run(run))?.map(|r| r.status);
        print(store)?;
        if status != Some(Status::Running) || context.ui.has_no_reader() {
            return Ok(());
        }
        let was_down = std::mem::replace(&mut is_down, context.server()?.is_none());
        if is_down {
            store.refuse_displaced()?;
        }
        if is_down && !was_down {
            context.hint_when_down("the run continues when you run `tempo run`.")?;
        }
        context.clock.wait(&never_raised, context.now() + POLL_INTERVAL);
    }
}

/// Prints the output of the selected steps of a run, each part once.
struct Printer<'a> {
    context: &'a Context,
    run: i64,
    /// The positions of the selected steps.
    positions: Vec<usize>,
    /// What was printed of each attempt: its output, and its stderr if it is separate. For JSON, one entry for each step.
    printed: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Printer<'_> {
    /// Prints what was written since the last call, as raw bytes: JSON can only hold text.
    fn print_new(&mut self, store: &Store) -> Result<(), Error> {
        let attempts = store.read(|r| r.attempts_of(self.run))?;
        let selected = attempts.into_iter().filter(|a| self.positions.contains(&a.position));
        for (index, attempt) in selected.enumerate() {
            if self.printed.len() == index {
                self.printed.push(Default::default());
            }
            let (output, stderr) = (attempt.output.unwrap_or_default(), attempt.stderr.unwrap_or_default());
            let (before, rest) = self.printed.split_at_mut(index);
            let [printed, ..] = rest else { continue };
            if starts_within_line(before.iter().map(|(out, _)| out), &printed.0, &output) {
                self.context.ui.output(b"\n")?;
            }
            self.context.ui.output(new_part(&printed.0, &output))?;
            if starts_within_line(before.iter().map(|(_, err)| err), &printed.1, &stderr) {
                Ui::stderr_of_step(b"\n");
            }
            Ui::stderr_of_step(new_part(&printed.1, &stderr));
            *printed = (output, stderr);
        }
        Ok(())
    }

    /// Prints the selected steps as JSON, from the first that was not printed to the first that is not ready.
    fn print_steps(&mut self, steps: &[StepView], is_ready: impl Fn(&StepView) -> bool) -> Result<(), Error> {
        for position in self.positions.iter().skip(self.printed.len()) {
            let Some(step) = steps.get(*position).filter(|step| is_ready(step)) else {
                break;
            };
            self.context.ui.json(step)?;
            self.printed.push(Default::default());
        }
        Ok(())
    }
}

/// Whether the output of an attempt begins after one that ended within a line.
fn starts_within_line<'a>(before: impl DoubleEndedIterator<Item = &'a Vec<u8>>, printed: &[u8], output: &[u8]) -> bool {
    let last = before.rev().find(|out| !out.is_empty());
    printed.is_empty() && !output.is_empty() && last.is_some_and(|out| !out.ends_with(b"\n"))
}

/// The part of an output that follows what was shown of it. Once the middle of a long output is omitted, its end continues after the last bytes shown.
fn new_part<'a>(shown: &[u8], output: &'a [u8]) -> &'a [u8] {
    if let Some(rest) = output.strip_prefix(shown) {
        return rest;
    }
    let last = &shown[shown.len().saturating_sub(OVERLAP)..];
    let found = output.windows(last.len()).rposition(|window| window == last);
    found.map_or(output, |at| &output[at + last.len()..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_output_across_omitted_bytes() {
        let lines = |range: std::ops::Range<u32>| range.fold(String::new(), |text, n| format!("{text}line {n}\n"));
        let (head, all) = (lines(0..100), lines(0..300));
        assert_eq!(new_part(b"", all.as_bytes()), all.as_bytes());
        assert_eq!(new_part(head.as_bytes(), all.as_bytes()), lines(100..300).as_bytes());
        let cut = format!("{}\n… 9 bytes omitted …\n{}", lines(0..50), lines(200..400));
        assert_eq!(new_part(all.as_bytes(), cut.as_bytes()), lines(300..400).as_bytes());
        // So much was written in between that nothing of what was shown is left.
        let later = format!("{}\n… 99 bytes omitted …\n{}", lines(0..50), lines(900..950));
        assert_eq!(new_part(cut.as_bytes(), later.as_bytes()), later.as_bytes());
    }
}
