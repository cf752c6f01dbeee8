//! Group commit: threads hand in changes, one thread runs all that wait in one transaction, each of them all or nothing by itself, and answers after
//! the commit.

use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
#[cfg(test)]
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::{Store, Write};
use crate::clock::{Stopwatch, pause};
use crate::error::{Error, Kind};

/// The most changes in one transaction: beyond, waiting for one another costs more than a sync.
const MAX_GROUP: usize = 512;
/// A pause between transactions that follow one another, so that other processes get their turn (facts.md).
const BETWEEN_GROUPS: Duration = Duration::from_micros(100);
/// How often the length of the log is checked.
const BETWEEN_LOOKS_AT_LOG: Duration = Duration::from_secs(1);

/// The handle that threads write through.
#[derive(Clone)]
pub(crate) struct Writer(Way);

#[derive(Clone)]
enum Way {
    /// To the writer's thread.
    Thread(Sender<Box<dyn WriteJob>>),
    /// On the caller's own thread: for histories that are stepped.
    #[cfg(test)]
    Inline(Arc<Mutex<Store>>),
}

/// A change that waits, with somebody to be told.
trait WriteJob: Send {
    /// Runs it, possibly once more after all was undone; whether it is to be kept.
    fn run(&mut self, write: &Write<'_>) -> bool;
    /// Tells what became of it, once the transaction has ended.
    fn answer(self: Box<Self>, committed: Result<(), &Error>);
}

struct WriteTask<T, F> {
    change: F,
    outcome: Option<Result<T, Error>>,
    reply: SyncSender<Result<T, Error>>,
}

impl<T: Send, F: Fn(&Write<'_>) -> Result<T, Error> + Send> WriteJob for WriteTask<T, F> {
    fn run(&mut self, write: &Write<'_>) -> bool {
        let outcome = (self.change)(write);
        let kept = outcome.is_ok();
        self.outcome = Some(outcome);
        kept
    }

    fn answer(self: Box<Self>, committed: Result<(), &Error>) {
        let outcome = match (committed, self.outcome) {
            (Err(e), _) => Err(e.repeated()),
            (Ok(()), Some(outcome)) => outcome,
            (Ok(()), None) => Err(Error::new(Kind::System, "a change was not run")),
        };
        // Nobody need be waiting any more.
        let _ = self.reply.send(outcome);
    }
}

/// An answer that will come.
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
    /// Starts the writer's thread; it ends when every handle is gone.
    pub(crate) fn start(mut store: Store) -> Result<(Self, JoinHandle<()>), Error> {
        let (sender, jobs) = channel();
        let thread = std::thread::Builder::new()
            .name("writer".to_owned())
            .spawn(move || {
                let mut next = jobs.recv();
                let mut looked = Stopwatch::start();
                while let Ok(first) = next {
                    let mut group = vec![first];
                    group.extend(jobs.try_iter().take(MAX_GROUP - 1));
                    commit(&mut store, group);
                    if looked.elapsed() > BETWEEN_LOOKS_AT_LOG {
                        store.shorten_log();
                        looked = Stopwatch::start();
                    }
                    // Where nobody waits others have their turn anyway, and the next change is not kept waiting.
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
        Ok((Self(Way::Thread(sender)), thread))
    }

    /// A writer that runs each change at once, on the thread that asks.
    #[cfg(test)]
    pub(crate) fn inline(store: Store) -> Self {
        Self(Way::Inline(Arc::new(Mutex::new(store))))
    }

    /// Hands in a change and waits until it is on disk.
    pub(crate) fn write<T: Send + 'static>(
        &self,
        change: impl Fn(&Write<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.submit(change).wait()
    }

    /// Hands in a change; the answer can be waited for, or left alone.
    pub(crate) fn submit<T: Send + 'static>(
        &self,
        change: impl Fn(&Write<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Pending<T> {
        let (reply, answer) = sync_channel(1);
        let job: Box<dyn WriteJob> = Box::new(WriteTask {
            change,
            outcome: None,
            reply,
        });
        match &self.0 {
            // When the thread is gone the job is dropped, and with it `reply`: the waiter is told.
            Way::Thread(sender) => drop(sender.send(job)),
            #[cfg(test)]
            Way::Inline(store) => commit(&mut store.lock().unwrap_or_else(PoisonError::into_inner), vec![job]),
        }
        Pending(answer)
    }
}

/// Runs a group of changes in one transaction and tells everybody.
fn commit(store: &mut Store, mut group: Vec<Box<dyn WriteJob>>) {
    let committed = store.write_group(group.len(), |index, write| group[index].run(write));
    for job in group {
        job.answer(committed.as_ref().copied());
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

    #[test]
    fn a_change_that_fails_undoes_itself_and_no_other_of_its_group() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(&folder.path().join("t.db"), Missing::Create).unwrap();
        let reader = store.again().unwrap();
        let now = chrono::DateTime::from_timestamp(0, 0).unwrap();
        let (mut group, mut answers): (Vec<Box<dyn WriteJob>>, Vec<_>) = (Vec::new(), Vec::new());
        for (name, fails) in [("a", false), ("b", true), ("c", false)] {
            let (reply, answer) = sync_channel(1);
            let change = move |w: &Write<'_>| {
                w.insert_run(&run(name), now)?;
                if fails { Err(Error::new(Kind::Failed, "no")) } else { Ok(()) }
            };
            group.push(Box::new(WriteTask {
                change,
                outcome: None,
                reply,
            }));
            answers.push(Pending(answer));
        }
        commit(&mut store, group);
        let answered: Vec<bool> = answers.into_iter().map(|a| a.wait().is_ok()).collect();
        assert_eq!(answered, [true, false, true]);
        let kept = reader.read(|r| r.runs(&RunFilter::default())).unwrap();
        assert_eq!(kept.iter().map(|r| r.workflow_id.as_str()).collect::<Vec<_>>(), ["c", "a"]);
    }

    #[test]
    fn the_log_is_emptied_between_readers_that_overlap() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.db");
        let mut store = Store::open(&path, Missing::Create).unwrap();
        let readers = [store.again().unwrap(), store.again().unwrap()];
        let read = |reader: &Store| reader.connection.execute_batch("BEGIN; SELECT count(*) FROM run").unwrap();
        let now = chrono::DateTime::from_timestamp(0, 0).unwrap();
        let length = || std::fs::metadata(folder.path().join("t.db-wal")).unwrap().len();
        read(&readers[0]);
        // Each reader begins before the other ends: SQLite's own checkpoints never start the log anew.
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
        assert!(length() > 0, "a reader that stays is not waited for longer than its patience");
        for reader in &readers {
            let _ = reader.connection.execute_batch("COMMIT");
        }
        store.shorten_log();
        assert_eq!(length(), 0);
    }

    #[test]
    fn the_writer_ends_when_nobody_can_ask_it_any_more() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("t.db"), Missing::Create).unwrap();
        let (writer, thread) = Writer::start(store).unwrap();
        let now = chrono::DateTime::from_timestamp(0, 0).unwrap();
        let (key, _) = writer.write(move |w| w.insert_run(&run("a"), now)).unwrap();
        assert_eq!(key, 1);
        drop(writer);
        thread.join().unwrap();
    }
}
