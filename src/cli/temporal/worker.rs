//! `tempo temporal worker`.

use super::ClusterArgs;

/// Perform the runs of a Temporal cluster on this machine, in the foreground
///
/// Performs the steps of the task queue's runs as `tempo run` does; several workers share a task queue. If a worker dies, its steps are
/// performed by another one after 5 s, while a command that it was running may go on. On Ctrl-C or SIGTERM, it takes no more steps and waits for those that it is performing.
#[derive(Debug, clap::Args)]
#[command(mut_arg("task_queue", |queue| queue.help("Task queue whose runs to perform")))]
pub(super) struct Args {
    #[command(flatten)]
    cluster: ClusterArgs,
    /// Maximum number of steps that are performed at once, 1-500
    #[arg(long, value_name = "N", default_value = "64", value_parser = clap::value_parser!(u16).range(1..=500))]
    workers: u16,
    /// How long to wait for steps when stopping, before they are ended and left to other workers
    #[arg(long, value_name = "DURATION", default_value = "30s")]
    drain_timeout: String,
}

#[cfg(feature = "temporal")]
pub(super) fn run(context: &crate::cli::Context, args: &Args) -> Result<(), crate::error::Error> {
    use crate::actions::OUTPUT_LIMIT;
    use crate::cli::interrupt;
    use crate::clock::Clock as _;
    use crate::output::instant::rfc3339;
    use crate::spec::text;
    use crate::temporal::{WorkerSettings, work};

    let settings = WorkerSettings {
        task_queue: args.cluster.task_queue.clone(),
        workers: args.workers.into(),
        drain_timeout: text::duration(&args.drain_timeout)?,
        output_limit: OUTPUT_LIMIT,
    };
    let cluster = args.cluster.connect()?;
    let signals = interrupt::catch(&interrupt::SIGNALS)?;
    let queue = &args.cluster.task_queue;
    context.ui.data(&format!(
        "working on task queue `{queue}` of {}, namespace {}; Ctrl-C to stop",
        cluster.address(),
        cluster.namespace()
    ))?;
    let (ui, clock) = (context.ui.clone(), context.clock);
    let log = move |line: &str| {
        // A closed stdout does not stop the worker.
        let _ = ui.data(&format!("{} {line}", rfc3339(clock.now())));
    };
    work(&cluster, &settings, Box::new(log), |stop| interrupt::on_each(signals, stop))?;
    context.ui.data("stopped")
}
