//! `tempo workflow output`.

use super::super::Context;
use crate::error::{Error, Kind};
use crate::names::nearest;
use crate::present;
use crate::store::Missing;

/// Show what the commands of a run wrote
///
/// Of every attempt, in order; long output keeps its beginning and its end.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The beginning of a run id, or a workflow id (the newest run of it)
    run: String,
    /// Only of this step
    step: Option<String>,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Error> {
    let store = context.open(Missing::Refuse)?;
    let view = store.read(|r| present::run_in_full(r, &r.run_named(&args.run)?))?;
    let steps = view.steps.unwrap_or_default();
    if let Some(wanted) = &args.step
        && !steps.iter().any(|s| s.name == *wanted)
    {
        let error = Error::new(
            Kind::NotFound,
            format_args!("no step of run `{}` is named `{wanted}`", args.run),
        );
        return Err(match nearest(wanted, steps.iter().map(|s| s.name.as_str())) {
            Some(near) => error.hint(format_args!("Did you mean `{near}`?")),
            None => error,
        });
    }
    let shown: Vec<_> = steps
        .into_iter()
        .filter(|s| args.step.as_ref().is_none_or(|w| s.name == *w))
        .collect();
    if !context.ui.is_text() {
        return context.ui.json_list(&shown);
    }
    shown
        .iter()
        .flat_map(|s| &s.attempts)
        .filter_map(|a| a.output.as_ref())
        .try_for_each(|o| context.ui.raw(o.as_bytes()))
}
