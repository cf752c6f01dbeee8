//! `tempo export`.

use clap_complete::engine::ArgValueCandidates;

use super::{Context, complete};
use crate::error::Error;
use crate::files::crontab::export;
use crate::files::notify_text::NotifyText;
use crate::files::schedule_text::{self, ScheduleText};
use crate::files::vars;
use crate::machine;
use crate::names::ScheduleId;
use crate::ops;
use crate::store::Missing;

/// Print schedules and notification receivers as a definition file
///
/// Applying the output changes nothing: `tempo export > jobs.toml; tempo apply -f jobs.toml`. With `-o json`, prints the same file as JSON.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Ids of the schedules; defaults to all
    #[arg(add = ArgValueCandidates::new(complete::schedules))]
    id: Vec<ScheduleId>,
    /// Print a crontab; settings that a crontab cannot express are reported
    #[arg(long)]
    crontab: bool,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Error> {
    let store = if args.id.is_empty() {
        context.open_to_show()?
    } else {
        context.open(Missing::ShowNothing)?
    };
    let schedules = store.read(|r| ops::export(r, &args.id))?;
    if args.crontab {
        let exported = export::crontab(&schedules, machine::environment("HOME")?.as_deref());
        context.ui.output(exported.text.as_bytes())?;
        for (id, what) in &exported.lost {
            context.ui.say(&format!("note: {id}: {what}"));
        }
        return Ok(());
    }
    let texts = schedules
        .iter()
        .map(|(id, definition, state)| ScheduleText::of(id, definition, state));
    let receivers = if args.id.is_empty() {
        store.read(|r| r.receivers())?
    } else {
        Vec::new()
    };
    let receivers = receivers.iter().map(|row| NotifyText::of_json(&row.definition));
    let file = vars::file_of(texts.collect(), receivers.collect::<Result<_, _>>()?)?;
    if context.ui.is_text() {
        context.ui.output(schedule_text::toml(&file)?.as_bytes())
    } else {
        context.ui.json(&file)
    }
}
