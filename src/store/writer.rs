//! Group commit: threads submit changes; one thread runs all queued changes in one transaction, each of them all or nothing, and replies after the
//! commit.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
#[cfg(test)]
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::{Store, Write};
use crate::clock::{Stopwatch, pause};
use crate::error::{Error, Kind};

/// Maximum number of changes in one transaction: in larger groups, waiting for each other costs more than a sync.
const MAX_GROUP: usize = 512;
/// Pause between consecutive transactions, so that other processes can write.
const BETWEEN_GROUPS: Duration = Duration::from_micros(100);
/// How often the length of the log is checked.
const LOG_CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// A handle for writing to the database from any thread.
#[derive(Clone)]
pub(crate) struct Writer {
    target: Target,
    commits: Arc<AtomicU64>,
}

#[derive(Clone)]
enum Target {
    /// Changes run on the writer's thread.
    Thread(Sender<Box<dyn WriteJob>>),
    /// Changes run on the caller's thread: for histories that are simulated step by step.
    #[cfg(test)]
    Inline(Arc<Mutex<Store>>),
}

/// A queued change whose submitter gets a reply.
trait WriteJob: Send {
    /// Runs the change, possibly a second time after a rollback; returns whether to keep it.
    fn run(&mut self, write: &Write<'_>) -> bool;
    /// Sends the outcome, after the transaction has ended.
    fn reply(self: Box<Self>, committed: Result<(), &Error>);
}

struct WriteTask<T, F> {
    change: F,
    outcome: Option<Result<T, Error>>,
    reply: SyncSender<Result<T, Error>>,
}

impl<T: Send, F: Fn(&Write<'_>) -> Result<T, Error> + Send> WriteJob for WriteTask<T, F> {
    fn run(&mut self, write: &Write<'_>) -> bool {
        let outcome = (self.change)(write);
        let keep = outcome.is_ok();
        self.outcome = Some(outcome);
        keep
    }

    fn reply(self: Box<Self>, committed: Result<(), &Error>) {
        let outcome = match (committed, self.outcome) {
            // The reason why this change was not kept, even if the transaction failed because of it.
            (_, Some(Err(e))) => Err(e),
            (Err(e), _) => Err(e.repeated()),
            (Ok(()), Some(outcome)) => outcome,
            (Ok(()), None) => Err(Error::new(Kind::System, "a change did not run")),
        };
        // The submitter may have stopped waiting.
        let _ = self.reply.send(outcome);
    }
}

/// The outcome of a submitted change, once it is available.
pub(crate) struct Pending<T>(Receiver<Result<T, Error>>);

impl<T> Pending<T> {
    /// Waits until the change is on disk.
    pub(crate) fn wait(self) -> Result<T, Error> {
        self.0
            .recv()
            .unwrap_or_else(|_| Err(Error::new(Kind::System, "the writer has stopped")))
    }
}

impl Writer {
    /// Starts the writer's thread, which ends when all handles are dropped.
    pub(crate) fn start(mut store: Store) -> Result<(Self, JoinHandle<()>), Error> {
        let (sender, jobs) = channel();
        let commits = Arc::new(AtomicU64::new(0));
        let committed = Arc::clone(&commits);
        let thread = std::thread::Builder::new()
            .name("writer".to_owned())
            .spawn(move || {
                let mut next = jobs.recv();
                let mut checked = Stopwatch::start();
                while let Ok(first) = next {
                    let mut group = vec![first];
                    group.extend(jobs.try_iter().take(MAX_GROUP - 1));
                    commit(&mut store, group);
                    committed.fetch_add(1, Ordering::Relaxed);
                    if checked.elapsed() > LOG_CHECK_INTERVAL {
                        store.shorten_log();
                        checked = Stopwatch::start();
                    }
                    // When the queue is empty, other processes can write anyway, and the next change starts without a pause.
                    next = jobs.try_recv().map_or_else(
                        |_| jobs.recv(),
                        |waiting| {
                            pause(BETWEEN_GROUPS);
                            Ok(waiting)
                        },
                    );
                }
            })
            .map_err(|e| Error::new(Kind::System, "cannot start the writer").because(e))?;
        let target = Target::Thread(sender);
        Ok((Self { target, commits }, thread))
    }

    /// Creates a writer that runs each change immediately, on the caller's thread.
    #[cfg(test)]
    pub(crate) fn inline(store: Store) -> Self {
        Self {
            target: Target::Inline(Arc::new(Mutex::new(store))),
            commits: Arc::default(),
        }
    }

    /// The number of transactions since the start.
    pub(crate) fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    /// Submits a change and waits until it is on disk.
    pub(crate) fn write<T: Send + 'static>(
        &self,
        change: impl Fn(&Write<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.submit(change).wait()
    }

    /// Submits a change. The result can be waited for or dropped.
    pub(crate) fn submit<T: Send + 'static>(
        &self,
        change: impl Fn(&Write<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Pending<T> {
        let (reply, receiver) = sync_channel(1);
        let job: Box<dyn WriteJob> = Box::new(WriteTask {
            change,
            outcome: None,
            reply,
        });
        match &self.target {
            // If the thread has ended, the job is dropped together with `reply`, and `wait` returns an error.
            Target::Thread(sender) => drop(sender.send(job)),
            #[cfg(test)]
            Target::Inline(store) => commit(&mut store.lock().unwrap_or_else(PoisonError::into_inner), vec![job]),
        }
        Pending(receiver)
    }
}

/// Runs a group of changes in one transaction and replies to the submitters.
fn commit(store: &mut Store, mut group: Vec<Box<dyn WriteJob>>) {
    let committed = store.write_group(group.len(), |index, write| group[index].run(write));
    for job in group {
        job.reply(committed.as_ref().copied());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::step_text::{Action, StepText};
    use crate::store::{Missing, NewRun, RunFilter};

    fn run(name: &str) -> NewRun {
        let step = StepText {
            name: name.to_owned(),
            shell: Some("true".to_owned()),
            ..StepText::default()
        };
        NewRun {
            workflow_id: name.to_owned(),
            action: Action {
                steps: vec![step],
                ..Action::default()
            },
        }
    }

    /// Inserts three runs in one group, of which the second fails if it is to. Returns their outcomes.
    fn insert_three(store: &mut Store, second_fails: bool) -> Vec<Result<(), Error>> {
        let now = chrono::DateTime::from_timestamp(0, 0).unwrap();
        let (mut group, mut pending): (Vec<Box<dyn WriteJob>>, Vec<_>) = (Vec::new(), Vec::new());
        for (name, fails) in [("a", false), ("b", second_fails), ("c", false)] {
            let (reply, receiver) = sync_channel(1);
            let change = move |w: &Write<'_>| {
                w.insert_run(&run(name), now)?;
                if fails { Err(Error::new(Kind::Failed, "no")) } else { Ok(()) }
            };
            group.push(Box::new(WriteTask {
                change,
                outcome: None,
                reply,
            }));
            pending.push(Pending(receiver));
        }
        commit(store, group);
        pending.into_iter().map(Pending::wait).collect()
    }

    #[test]
    fn reports_why_sqlite_rolled_a_transaction_back() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("t.db");
        let mut store = Store::open(&path, Missing::Create).unwrap();
        let mut other = store.reopen().unwrap();
        assert!(insert_three(&mut other, false).iter().all(Result::is_ok));
        let log = std::fs::OpenOptions::new()
            .write(true)
            .open(directory.path().join("t.db-wal"))
            .unwrap();
        log.set_len(4000).unwrap();
        let errors: Vec<Error> = insert_three(&mut store, false).into_iter().map(Result::unwrap_err).collect();
        assert!(errors.iter().any(|e| e.to_string().contains("disk I/O error")), "{errors:?}");
        assert!(errors.iter().all(|e| !e.to_string().contains("roll")), "{errors:?}");
    }

    #[test]
    fn a_failed_change_does_not_undo_the_others_in_its_group() {
        let directory = tempfile::tempdir().unwrap();
        let mut store = Store::open(&directory.path().join("t.db"), Missing::Create).unwrap();
        let reader = store.reopen().unwrap();
        let succeeded: Vec<bool> = insert_three(&mut store, true).iter().map(Result::is_ok).collect();
        assert_eq!(succeeded, [true, false, true]);
        let kept = reader.read(|r| r.runs(&RunFilter::default())).unwrap();
        assert_eq!(kept.iter().map(|r| r.workflow_id.as_str()).collect::<Vec<_>>(), ["c", "a"]);
    }

    #[test]
    fn empties_a_long_log_between_overlapping_readers() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("t.db");
        let mut store = Store::open(&path, Missing::Create).unwrap();
        let readers = [store.reopen().unwrap(), store.reopen().unwrap()];
        let read = |reader: &Store| reader.connection.execute_batch("BEGIN; SELECT count(*) FROM run").unwrap();
        let now = chrono::DateTime::from_timestamp(0, 0).unwrap();
        let length = || std::fs::metadata(directory.path().join("t.db-wal")).unwrap().len();
        read(&readers[0]);
        // Each reader begins before the other ends, so SQLite's own checkpoints never restart the log.
        for turn in 0.. {
            let group = |w: &Write<'_>| (0..500).try_for_each(|_| w.insert_run(&run(&"x".repeat(200)), now).map(|_| ()));
            store.write(group).unwrap();
            let (next, last) = (&readers[(turn + 1) % 2], &readers[turn % 2]);
            read(next);
            last.connection.execute_batch("COMMIT").unwrap();
            if length() > 9 * 1024 * 1024 {
                break;
            }
            store.shorten_log();
            assert!(length() > 0, "not before it is long");
        }
        store.shorten_log();
        assert!(length() > 0, "the writer does not wait for a long reader");
        for reader in &readers {
            let _ = reader.connection.execute_batch("COMMIT");
        }
        store.shorten_log();
        assert_eq!(length(), 0);
    }

    #[test]
    fn the_writer_thread_ends_when_all_handles_are_dropped() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&directory.path().join("t.db"), Missing::Create).unwrap();
        let (writer, thread) = Writer::start(store).unwrap();
        let now = chrono::DateTime::from_timestamp(0, 0).unwrap();
        let (key, _) = writer.write(move |w| w.insert_run(&run("a"), now)).unwrap();
        assert_eq!(key, 1);
        drop(writer);
        thread.join().unwrap();
    }
}
