//! `tempo run -f`: definition files that are applied at the start, and whenever they change.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use super::super::apply::prune;
use crate::clock::pause;
use crate::engine::{Event, Handle};
use crate::error::{Error, Kind};
use crate::files::definition;
use crate::files::document::Source;
use crate::files::source_file::{SourceFile, files_in, source_of};
use crate::ops::{self, Change, DefinitionFile};
use crate::zoneinfo::ZoneInfo;

/// How often the files are looked at. Looking finds every way of replacing a file, also on file systems that report no changes.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The options that select definition files.
#[derive(Debug, clap::Args)]
pub(super) struct DefinitionArgs {
    /// Apply these definition files, or directories of them, at the start and whenever they change; as `tempo apply`
    #[arg(short, long = "file", value_name = "FILE", num_args = 1.., conflicts_with = "once", value_hint = clap::ValueHint::AnyPath)]
    file: Vec<String>,
    /// With `-f`: delete schedules that the files no longer define
    #[arg(long, requires = "file")]
    prune: bool,
}

/// What identifies the contents of the files: path, inode, size, and time of the last change of each.
type Fingerprint = Vec<(String, u64, u64, i64, i64)>;

impl DefinitionArgs {
    /// Checks the options.
    ///
    /// # Errors
    /// `Usage` for stdin, which cannot change.
    pub(super) fn check(&self) -> Result<(), Error> {
        if self.file.iter().any(|file| file == "-") {
            return Err(Error::new(Kind::Usage, "`tempo run -f` cannot read stdin")
                .hint("Write the definitions to a file, or use `tempo apply -f -`."));
        }
        Ok(())
    }

    /// Applies the files and starts the thread that applies them again when they change. If they are invalid, the schedules stay as they are,
    /// and the error is logged.
    ///
    /// # Errors
    /// `System` when the thread cannot be started.
    pub(super) fn watch(&self, server: Handle, tell: &Sender<Event>) -> Result<(), Error> {
        if self.file.is_empty() {
            return Ok(());
        }
        let applied = Applied {
            files: self.file.clone(),
            scopes: if self.prune { self.scopes()? } else { Vec::new() },
            server,
            tell: tell.clone(),
        };
        let seen = applied.fingerprint();
        applied.apply();
        let watch = move || applied.watch(seen);
        let started = std::thread::Builder::new().name("definitions".to_owned()).spawn(watch);
        started
            .map(|_| ())
            .map_err(|e| Error::new(Kind::System, "cannot start the thread that watches the definition files").because(e))
    }

    fn scopes(&self) -> Result<Vec<String>, Error> {
        self.file.iter().map(|file| source_of(file)).collect()
    }
}

/// Files whose definitions are kept applied.
struct Applied {
    files: Vec<String>,
    /// What may be pruned.
    scopes: Vec<String>,
    server: Handle,
    tell: Sender<Event>,
}

impl Applied {
    /// Applies the files whenever they have changed, until the server has ended. A change counts when the next look finds the same: whoever writes a
    /// file may not have finished.
    fn watch(&self, mut applied: Fingerprint) {
        let mut before = applied.clone();
        while self.server.metrics().is_some() {
            pause(LOOK_EVERY);
            let now = self.fingerprint();
            if now == before && now != applied {
                applied.clone_from(&now);
                self.apply();
            }
            before = now;
        }
    }

    fn fingerprint(&self) -> Fingerprint {
        let all = self.files.iter().flat_map(|file| {
            let in_folder = Path::new(file).is_dir().then(|| files_in(file, |_| true));
            in_folder
                .and_then(Result::ok)
                .map_or_else(|| vec![file.clone()], |(files, _)| files)
        });
        let identify = |file: String| {
            let metadata = std::fs::metadata(&file).ok();
            let of = |field: fn(&std::fs::Metadata) -> i64| metadata.as_ref().map_or(0, field);
            let (inode, size) = metadata.as_ref().map_or((0, 0), |m| (m.ino(), m.size()));
            (file, inode, size, of(|m| m.mtime()), of(|m| m.mtime_nsec()))
        };
        all.map(identify).collect()
    }

    fn apply(&self) {
        // At the very end, the logger may have stopped listening.
        match self.try_apply() {
            Ok([0, 0, 0]) => {}
            Ok([created, updated, deleted]) => {
                let _ = self.tell.send(Event::Applied {
                    created,
                    updated,
                    deleted,
                });
            }
            Err(e) if e.kind() == Kind::ServerDown => {}
            Err(e) => {
                let _ = self.tell.send(Event::Trouble(e));
            }
        }
    }

    /// The numbers of schedules created, updated and deleted.
    fn try_apply(&self) -> Result<[u64; 3], Error> {
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
        let differences = self
            .server
            .write(move |write, now| ops::apply(write, &*zones, defining.clone(), prune(&scopes), now))?;
        let count = |change| differences.iter().filter(|difference| difference.change == change).count() as u64;
        Ok([Change::Create, Change::Update, Change::Delete].map(count))
    }
}
