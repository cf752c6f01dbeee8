//! `tempo temporal status`.

use super::ClusterArgs;

/// Show a Temporal cluster: its version, the schedules created by tempo, and the workers of the task queue
///
/// Without a worker of the task queue, nothing is performed: run `tempo temporal worker`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    cluster: ClusterArgs,
}

#[cfg(feature = "temporal")]
pub(super) fn run(context: &crate::cli::Context, args: &Args) -> Result<(), crate::error::Error> {
    use crate::output::Style;
    use crate::output::table::{pairs, plain};
    use crate::output::views::ClusterView;
    use crate::temporal;

    let cluster = args.cluster.connect()?;
    let view: ClusterView = temporal::status(&cluster, &args.cluster.task_queue)?;
    if !context.ui.is_text() {
        return context.ui.json(&view);
    }
    let schedules = match view.paused {
        0 => view.schedules.to_string(),
        paused => format!("{}, {paused} paused", view.schedules),
    };
    let workers = if view.workers.is_empty() {
        let none = "none; nothing is performed until you run `tempo temporal worker`";
        (none.to_owned(), Some(Style::Warn))
    } else {
        (view.workers.join(", "), Some(Style::Good))
    };
    pairs(
        &context.ui,
        &[
            (
                "Cluster",
                plain(format!("{}, Temporal {}", view.address, view.server_version)),
            ),
            ("Namespace", plain(view.namespace.clone())),
            ("Schedules", plain(schedules)),
            ("Task queue", plain(view.task_queue.clone())),
            ("Workers", workers),
        ],
    )
}
