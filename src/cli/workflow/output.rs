//! `tempo workflow output`.

use clap_complete::engine::ArgValueCandidates;

use super::super::{Context, complete, wait};
use crate::error::{Error, Kind};
use crate::names::nearest;
use crate::output::ui::Ui;
use crate::output::views::StepView;
use crate::present;
use crate::run::outcome::Status;
use crate::store::{Missing, Store};

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
    /// Keep printing as the run goes on, until it has closed
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
            None => error,
        });
    }
    let positions: Vec<usize> = (0..all.len()).filter(|i| is_selected(&all[*i].name)).collect();
    let mut shown: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    // Raw bytes: JSON can only hold text.
    let mut show_more = |store: &Store| -> Result<(), Error> {
        let attempts = store.read(|r| r.attempts_of(row.key))?;
        let selected = attempts.into_iter().filter(|a| positions.contains(&a.position));
        for (index, attempt) in selected.enumerate() {
            if shown.len() == index {
                shown.push(Default::default());
            }
            let (output, stderr) = (attempt.output.unwrap_or_default(), attempt.stderr.unwrap_or_default());
            context.ui.output(new_part(&shown[index].0, &output))?;
            Ui::stderr_of_step(new_part(&shown[index].1, &stderr));
            shown[index] = (output, stderr);
        }
        Ok(())
    };
    if args.follow {
        wait::until(context, &store, None, |store| {
            let status = store.read(|r| r.run(row.key))?.map(|r| r.status);
            if context.ui.is_text() {
                show_more(store)?;
            }
            Ok((status != Some(Status::Running) || context.ui.has_no_reader()).then_some(()))
        })?;
    }
    if context.ui.is_text() {
        return show_more(&store);
    }
    let selected: Vec<_> = steps(&store)?.into_iter().filter(|s| is_selected(&s.name)).collect();
    context.ui.json_list(&selected)
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
