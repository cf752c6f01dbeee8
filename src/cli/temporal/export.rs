//! `tempo temporal export`.

use super::ClusterArgs;

/// Print the schedules of a Temporal cluster created by tempo, as a definition file
///
/// Changes that were made on the cluster are part of the output. Applying it changes nothing. With `-o json`, prints the same file as JSON.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    cluster: ClusterArgs,
}

#[cfg(feature = "temporal")]
pub(super) fn run(context: &crate::cli::Context, args: &Args) -> Result<(), crate::error::Error> {
    use crate::files::schedule_text::{self, ScheduleText};
    use crate::files::vars;
    use crate::temporal;

    let cluster = args.cluster.connect()?;
    let schedules = temporal::exported(&cluster, &args.cluster.task_queue, &context.zones)?;
    let texts = schedules
        .iter()
        .map(|(id, definition, state)| ScheduleText::of(id, definition, state));
    let file = vars::file_of(texts.collect(), Vec::new())?;
    if context.ui.is_text() {
        context.ui.output(schedule_text::toml(&file)?.as_bytes())
    } else {
        context.ui.json(&file)
    }
}
