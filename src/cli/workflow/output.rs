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
    // The bytes themselves: JSON can only hold what is text of them.
    let (view, attempts) = store.read(|r| {
        let row = r.run_named(&args.run)?;
        Ok((present::run_in_full(r, &row)?, r.attempts_of(row.key)?))
    })?;
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
    let wanted = |name: &str| args.step.as_ref().is_none_or(|w| name == w);
    let positions: Vec<usize> = steps
        .iter()
        .enumerate()
        .filter(|(_, s)| wanted(&s.name))
        .map(|(i, _)| i)
        .collect();
    if !context.ui.is_text() {
        let shown: Vec<_> = steps.iter().filter(|s| wanted(&s.name)).collect();
        return context.ui.json_list(&shown);
    }
    let bytes = attempts
        .iter()
        .filter(|a| positions.contains(&a.position))
        .filter_map(|a| a.output.as_deref());
    bytes.into_iter().try_for_each(|output| context.ui.raw(output))
}
