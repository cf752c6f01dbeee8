//! `tempo schedule delete`.

use clap_complete::engine::ArgValueCandidates;

use super::super::{Context, complete};
use crate::error::Error;
use crate::names::ScheduleId;
use crate::ops;
use crate::output::counted;
use crate::output::views::DeletedView;

/// Delete schedules
///
/// Runs that are already running continue, and past runs stay readable. Buffered starts and requests that have not been carried out
/// are deleted too.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Ids of the schedules
    #[arg(add = ArgValueCandidates::new(complete::schedules), required = true)]
    id: Vec<ScheduleId>,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Error> {
    let mut store = match args.id.first() {
        Some(id) => super::open_for(context, id)?,
        None => return Ok(()),
    };
    let deleted = store.write(|w| {
        let delete = |id: &ScheduleId| {
            Ok(DeletedView {
                id: id.to_string(),
                still_running: ops::delete(w, id, context.now())?,
            })
        };
        args.id.iter().map(delete).collect::<Result<Vec<_>, Error>>()
    })?;
    if !context.ui.is_text() {
        return context.ui.json_list(&deleted);
    }
    for d in deleted {
        let running = if d.still_running == 0 {
            String::new()
        } else {
            format!("; {} still running", counted(d.still_running, "run"))
        };
        context.ui.data(&format!("Deleted schedule {}{running}", d.id))?;
    }
    Ok(())
}
