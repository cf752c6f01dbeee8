//! `tempo run -f`: definition files that are applied at startup, and whenever they change.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use super::super::apply::prune;
use crate::clock::pause;
use crate::engine::{Event, Handle};
use crate::error::{Error, Kind};
use crate::files::definition;
use crate::files::document::Source;
use crate::files::source_file::{SourceFile, files_in, is_definitions, scopes_of};
use crate::ops::{self, Change, DefinitionFile, FieldsOfNew};
use crate::spec::describe::human_duration;
use crate::zoneinfo::ZoneInfo;

/// How often the files are scanned. Scanning finds every way of replacing a file, also on file systems that report no changes.
const SCAN_EVERY: Duration = Duration::from_secs(1);

/// Maximum number of names of changed schedules in the log.
const MAX_NAMES: usize = 20;

/// Number of scans after which files that could not be applied are applied again, as are files that have changed at each scan.
const RETRY_SCANS: u32 = 5;

/// The options that select definition files.
#[derive(Debug, clap::Args)]
pub(super) struct DefinitionArgs {
    /// Apply these definition files, or directories of them, at startup and whenever they change, as `tempo apply` does
    #[arg(short, long = "file", value_name = "FILE", num_args = 1.., conflicts_with = "once", value_hint = clap::ValueHint::AnyPath)]
    file: Vec<String>,
    /// With `-f`: delete schedules and receivers that the files created and no longer define, as `tempo apply --prune` does
    #[arg(long, requires = "file")]
    prune: bool,
}

/// What identifies the contents of the files: path, inode, size, and the times of the last change of each and of its attributes.
type Fingerprint = Vec<(String, [u64; 2], [i64; 4])>;

/// Rejects a pipe or a device: reading it could take forever. A file that does not exist is reported when it is read.
fn check_files(files: &[String]) -> Result<(), Error> {
    let is_other = |file: &&String| std::fs::metadata(file).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir());
    match files.iter().find(is_other) {
        Some(file) => Err(Error::new(
            Kind::Usage,
            format_args!("`{}` is neither a file nor a directory", file.escape_debug()),
        )
        .hint("`tempo run -f` needs files that it can read again; use `tempo apply -f` for a pipe.")),
        None => Ok(()),
    }
}

/// How long looking at the files, or applying them, may take before that is logged. The start does not wait longer either.
const MAX_WAIT: Duration = Duration::from_secs(10);

fn start_thread(name: &str, run: impl FnOnce() + Send + 'static) -> Result<(), Error> {
    let started = std::thread::Builder::new().name(name.to_owned()).spawn(run);
    started
        .map(|_| ())
        .map_err(|e| Error::new(Kind::System, "cannot start the thread that watches the definition files").because(e))
}

/// Logs when the thread that scans the files has not finished a scan within `patience`, until it ends. While a disk does not answer, that thread
/// cannot say so. `is_silent`: whether it is late already.
fn report_silence(mut is_silent: bool, scans: &Receiver<()>, patience: Duration, events: &Sender<Event>) {
    loop {
        if is_silent {
            let message = format_args!(
                "reading and applying the files of `-f` takes longer than {}",
                human_duration(patience.as_millis())
            )
            .to_string();
            let late = Error::new(Kind::System, message)
                .hint("Until it ends, the schedules stay as they are. Check the disk that the files are on.");
            // At the very end, the logger may have stopped listening.
            let _ = events.send(Event::Error(late));
            if scans.recv().is_err() {
                return;
            }
        }
        is_silent = match scans.recv_timeout(patience) {
            Ok(()) => false,
            Err(RecvTimeoutError::Timeout) => true,
            Err(RecvTimeoutError::Disconnected) => return,
        };
    }
}

impl DefinitionArgs {
    /// The files and directories.
    pub(super) fn paths(&self) -> impl Iterator<Item = String> + '_ {
        self.file.iter().cloned()
    }

    /// Checks the options.
    ///
    /// # Errors
    /// `Usage` for stdin, which cannot change, and for anything else that is neither a file nor a directory.
    pub(super) fn check(&self) -> Result<(), Error> {
        if self.file.iter().any(|file| file == "-") {
            return Err(Error::new(Kind::Usage, "`tempo run -f` cannot read stdin")
                .hint("Write the definitions to a file, or use `tempo apply -f -`."));
        }
        check_files(&self.file)
    }

    /// Starts the thread that applies the files, and applies them again when they change, or when the returned flag is set. If they are invalid, the
    /// schedules stay as they are, and the error is logged.
    ///
    /// # Errors
    /// `System` when the thread cannot be started.
    pub(super) fn watch(&self, server: Handle, events: &Sender<Event>) -> Result<Option<Arc<AtomicBool>>, Error> {
        if self.file.is_empty() {
            return Ok(None);
        }
        let reload = Arc::new(AtomicBool::new(false));
        let files = Applied {
            files: self.file.clone(),
            scopes: if self.prune { self.scopes()? } else { Vec::new() },
            server,
            events: events.clone(),
        };
        let (scanned, scans) = channel();
        let asked = Arc::clone(&reload);
        start_thread("definitions", move || files.watch(&asked, &scanned))?;
        // The server is ready once they are applied, unless a file is very large, or on a disk that does not answer.
        let is_silent = scans.recv_timeout(MAX_WAIT) == Err(RecvTimeoutError::Timeout);
        let events = events.clone();
        start_thread("definitions-timeout", move || {
            report_silence(is_silent, &scans, MAX_WAIT, &events);
        })?;
        Ok(Some(reload))
    }

    fn scopes(&self) -> Result<Vec<String>, Error> {
        scopes_of(&self.file)
    }
}

/// When an application of the files is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Report {
    /// If it changed something.
    Changes,
    Always,
}

/// Files whose definitions are kept applied.
struct Applied {
    files: Vec<String>,
    /// What may be pruned.
    scopes: Vec<String>,
    server: Handle,
    events: Sender<Event>,
}

impl Applied {
    /// Applies the files at once and whenever they have changed, until the server has ended; sends to `scanned` after each scan. A change counts when
    /// the next scan finds the same: whoever writes a file may not have finished.
    ///
    /// After a failure they are applied again every few seconds: its cause, such as a full disk, may end without a change of the files.
    fn watch(&self, reload: &AtomicBool, scanned: &Sender<()>) {
        let mut applied = self.fingerprint();
        let mut failed = self.apply(None);
        let mut before = applied.clone();
        let (mut scans, mut unstable) = (0, 0);
        // Nobody listens once the server has ended.
        while scanned.send(()).is_ok() && self.server.metrics().is_some() {
            pause(SCAN_EVERY);
            scans += 1;
            let now = self.fingerprint();
            unstable = if now == before { 0 } else { unstable + 1 };
            if reload.swap(false, Ordering::SeqCst) {
                applied.clone_from(&now);
                failed = self.apply_when(None, Report::Always);
            } else if unstable % RETRY_SCANS == 0 && (now != applied || failed.is_some() && scans % RETRY_SCANS == 0) {
                if now != applied {
                    failed = None;
                }
                applied.clone_from(&now);
                failed = self.apply(failed.as_deref());
            }
            before = now;
        }
    }

    fn fingerprint(&self) -> Fingerprint {
        let all = self.files.iter().flat_map(|file| {
            let in_directory = Path::new(file).is_dir().then(|| files_in(file, is_definitions));
            in_directory
                .and_then(Result::ok)
                .map_or_else(|| vec![file.clone()], |(files, _)| files)
        });
        let identify = |file: String| {
            let metadata = std::fs::metadata(&file).ok();
            let (numbers, times) = metadata.map_or_else(Default::default, |m| {
                ([m.ino(), m.size()], [m.mtime(), m.mtime_nsec(), m.ctime(), m.ctime_nsec()])
            });
            (file, numbers, times)
        };
        all.map(identify).collect()
    }

    /// Applies the files, and reports what changed or why it failed, unless it failed for the same reason `before`. Returns that reason.
    fn apply(&self, before: Option<&str>) -> Option<String> {
        self.apply_when(before, Report::Changes)
    }

    fn apply_when(&self, before: Option<&str>, report: Report) -> Option<String> {
        // At the very end, the logger may have stopped listening.
        match self.try_apply() {
            Ok(Event::Applied { changed, .. }) if changed.is_empty() && report == Report::Changes => {}
            Ok(applied) => {
                let _ = self.events.send(applied);
            }
            Err(e) if e.kind() == Kind::ServerDown => {}
            Err(e) => {
                let reason = format!("{e:?}");
                if before != Some(&reason) {
                    let (files, message) = (self.files.join(" "), e.to_string());
                    let recorded = self
                        .server
                        .write(move |write, now| ops::definitions_failed(write, &files, &message, now));
                    let _ = self.events.send(Event::Error(e));
                    if let Err(e) = recorded {
                        let _ = self.events.send(Event::Error(e));
                    }
                }
                return Some(reason);
            }
        }
        None
    }

    /// Applies the files; returns the event of what has changed.
    fn try_apply(&self) -> Result<Event, Error> {
        check_files(&self.files)?;
        let zones: Arc<ZoneInfo> = self.server.zones()?;
        let defining = |file: SourceFile| {
            let source = Source {
                name: &file.name,
                text: &file.text,
            };
            let defined = definition::parse(&source, &*zones)?;
            Ok(DefinitionFile {
                defined: defined.schedules,
                receivers: defined.receivers,
                source: file.source,
            })
        };
        let files = SourceFile::definitions(&self.files)?;
        let defining: Vec<DefinitionFile> = files.into_iter().map(defining).collect::<Result<_, Error>>()?;
        let (scopes, zones) = (self.scopes.clone(), Arc::clone(&zones));
        let differences = self.server.write(move |write, now| {
            ops::definitions_applied(write, now)?;
            let definitions = DefinitionFile::definitions(defining.clone());
            ops::apply(write, &*zones, definitions, prune(&scopes), FieldsOfNew::Omitted, now)
        })?;
        let count = |change| differences.iter().filter(|difference| difference.change == change).count() as u64;
        let changed = differences.iter().filter(|difference| difference.change != Change::None);
        Ok(Event::Applied {
            created: count(Change::Create),
            updated: count(Change::Update),
            deleted: count(Change::Delete),
            changed: changed.map(|difference| difference.id.clone()).take(MAX_NAMES).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_each_slow_scan_once() {
        let ((scanned, scans), (events, told)) = (channel(), channel());
        let reporter = std::thread::spawn(move || report_silence(true, &scans, Duration::ZERO, &events));
        for _ in 0..2 {
            let Event::Error(late) = told.recv().unwrap() else {
                panic!("not an error")
            };
            assert!(late.to_string().contains("takes longer than"), "{late}");
            assert!(told.try_recv().is_err(), "reported twice");
            scanned.send(()).unwrap();
        }
        drop(scanned);
        reporter.join().unwrap();
    }
}
