//! `tempo schedule delete`.

use clap_complete::engine::ArgValueCandidates;

use super::super::{Context, complete};
use crate::error::Error;
use crate::names::ScheduleId;
use crate::ops;
use crate::output::with_counts;
use crate::present;

/// Delete schedules
///
/// Runs that are already running continue, and past runs stay readable. Buffered starts and requests that have not been carried out
/// are deleted too.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Ids of the schedules
    #[arg(add = ArgValueCandidates::new(complete::schedules), conflicts_with = "all")]
    id: Vec<ScheduleId>,
    /// Delete all schedules
    #[arg(long)]
    all: bool,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Error> {
    let mut store = super::open_for_each(context, &args.id, args.all)?;
    let (deleted, followed) = store.write(|w| {
        let delete = |id: &ScheduleId| Ok(present::deleted(id, ops::delete(w, id, context.now())?));
        let ids = super::given_or_all(w, &args.id)?;
        let deleted = ids.iter().map(delete).collect::<Result<Vec<_>, Error>>()?;
        Ok((deleted, w.all_followed()?))
    })?;
    if !context.ui.is_text() {
        return context.ui.json_list(&deleted);
    }
    for d in deleted {
        let left = [
            (d.still_running, "run", "still running"),
            (d.starts_dropped.unwrap_or(0), "start", "dropped"),
            (d.backfills_canceled.unwrap_or(0), "backfill", "canceled"),
        ];
        context.ui.data(&with_counts(&format!("Deleted schedule {}", d.id), &left))?;
        for follower in followed
            .iter()
            .filter(|(_, targets)| targets.contains(&d.id))
            .map(|(id, _)| id)
        {
            context.ui.hint(&format!(
                "`{follower}` starts after runs of `{}`, which will no longer happen: update or delete it, or create `{}` again.",
                d.id, d.id
            ));
        }
    }
    Ok(())
}
