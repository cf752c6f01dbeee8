//! The worker of a task queue: performs the runs of a cluster on this machine.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use temporalio_sdk::runtime::RuntimeOptions;
use temporalio_sdk::runtime::worker_tuner::{FixedSizeSlotSupplier, TunerHolder};
use temporalio_sdk::{Runtime, Worker, WorkerOptions};

use tokio::runtime::Handle;

use super::connection::Cluster;
use super::step::{HEARTBEAT, Log, Steps};
use super::workflow::Run;
use crate::error::{Error, Kind};

/// Number of workflows that may be decided at once; deciding takes milliseconds.
const WORKFLOW_TASKS: usize = 100;

/// The settings of a worker.
#[derive(Debug, Clone)]
pub(crate) struct WorkerSettings {
    pub(crate) task_queue: String,
    /// Maximum number of steps that are performed at once.
    pub(crate) workers: usize,
    /// How long steps may go on after a request to stop, before they are ended and left to other workers.
    pub(crate) drain_timeout: Duration,
    /// Maximum number of bytes kept of the output of a command.
    pub(crate) output_limit: usize,
}

/// Stops a worker.
pub(crate) type Stop = Box<dyn Fn() + Send>;

/// Performs runs until it is stopped, and then until the steps have ended. `log` is called with a line for each attempt that has ended, `started` with
/// the function that stops the worker.
///
/// # Errors
/// `System` when the cluster refuses the worker; those of `started`.
pub(crate) fn work(
    cluster: &Cluster,
    settings: &WorkerSettings,
    log: Log,
    started: impl FnOnce(Stop) -> Result<(), Error>,
) -> Result<(), Error> {
    let failed = |e: &dyn std::fmt::Display| {
        Error::new(
            Kind::System,
            format_args!("the worker of task queue `{}` failed: {e}", settings.task_queue),
        )
    };
    cluster.block_on(async {
        let options = RuntimeOptions::builder().build().map_err(|e| failed(&e))?;
        let runtime = Runtime::from_current_tokio(options).map_err(|e| failed(&e))?;
        let is_stopping = Arc::new(AtomicBool::new(false));
        let slots = FixedSizeSlotSupplier::new;
        let tuner = TunerHolder::builder()
            .workflow_task_slot_supplier(slots(WORKFLOW_TASKS))
            .activity_task_slot_supplier(slots(settings.workers))
            .local_activity_task_slot_supplier(slots(1))
            .nexus_task_slot_supplier(slots(1))
            .build();
        let options = WorkerOptions::new(settings.task_queue.clone())
            .tuner(tuner)
            .max_heartbeat_throttle_interval(HEARTBEAT)
            .graceful_shutdown_period(settings.drain_timeout)
            .register_workflow::<Run>()
            .map_err(|e| failed(&e))?
            .register_activities(Steps {
                output_limit: settings.output_limit,
                log,
                is_stopping: Arc::clone(&is_stopping),
            })
            .build();
        let mut worker = Worker::new(&runtime, cluster.client(), options).map_err(|e| failed(&e))?;
        let (shut_down, here) = (worker.shutdown_handle(), Handle::current());
        started(Box::new(move || {
            is_stopping.store(true, Ordering::SeqCst);
            // Stopping starts tasks of the runtime.
            let _entered = here.enter();
            shut_down();
        }))?;
        worker.run().await.map_err(|e| failed(&e))
    })
}
