//! `tempo workflow output`.

use clap_complete::engine::ArgValueCandidates;

use super::super::{Context, complete, wait};
use crate::error::{Error, Kind};
use crate::names::nearest;
use crate::output::views::StepView;
use crate::present;
use crate::run::outcome::Status;
use crate::store::{Missing, Store};

/// Print the output of a run's commands
///
/// Prints the output of every attempt that has ended, in order. Only the beginning and the end of long output are kept.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Prefix of a run id, or a workflow id (its newest run)
    #[arg(add = ArgValueCandidates::new(complete::runs))]
    run: String,
    /// Only the output of this step
    step: Option<String>,
    /// Keep printing as attempts end, until the run has closed
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
    let mut shown = 0;
    // Raw bytes: JSON can only hold text.
    let mut show_more = |store: &Store| -> Result<(), Error> {
        let attempts = store.read(|r| r.attempts_of(row.key))?;
        let ended = attempts
            .iter()
            .filter(|a| positions.contains(&a.position) && a.outcome.is_some());
        for attempt in ended.skip(shown) {
            shown += 1;
            context.ui.output(attempt.output.as_deref().unwrap_or_default())?;
        }
        Ok(())
    };
    if args.follow {
        wait::until(context, &store, None, |store| {
            let status = store.read(|r| r.run(row.key))?.map(|r| r.status);
            if context.ui.is_text() {
                show_more(store)?;
            }
            Ok((status != Some(Status::Running)).then_some(()))
        })?;
    }
    if context.ui.is_text() {
        return show_more(&store);
    }
    let selected: Vec<_> = steps(&store)?.into_iter().filter(|s| is_selected(&s.name)).collect();
    context.ui.json_list(&selected)
}
