//! Backs the database up regularly (`--backup-dir`), and deletes the oldest backups.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;
use std::time::Duration;

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use rustix::fs::FlockOperation;
use rustix::io::Errno;

use crate::clock::{Stopwatch, pause};
use crate::engine::{Event, Handle};
use crate::error::{Error, Kind};
use crate::spec::text;
use crate::store::{Missing, Store, server_pid};

/// How often the thread checks whether a backup is due.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long after a failure the next attempt is made, unless backups are more frequent.
const AFTER_ERROR: Duration = Duration::from_mins(5);
/// How often the directory is read to see whether a backup is due: the clock may have been set.
const CHECK_EVERY: Duration = Duration::from_mins(1);
/// The name of a backup, after the name and the id of the database: the time in UTC. Other files in the directory are left alone.
const NAME: &str = "-%Y%m%dT%H%M%SZ.db";

/// The options for backups.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_field_names, reason = "the options are named so")]
pub(super) struct BackupArgs {
    /// Back the database up into this directory regularly, as `tempo doctor --backup` does
    #[arg(long, value_name = "DIR", conflicts_with = "once", value_hint = clap::ValueHint::DirPath)]
    backup_dir: Option<PathBuf>,
    /// Time between backups, counted from the newest one in the directory; at least 1s
    #[arg(long, value_name = "DURATION", default_value = "1d", requires = "backup_dir")]
    backup_every: String,
    /// How many backups to keep, from 1 to 65535; older ones are deleted
    #[arg(long, value_name = "N", default_value_t = 7, requires = "backup_dir", value_parser = clap::value_parser!(u16).range(1..))]
    backup_keep: u16,
}

impl BackupArgs {
    /// The directory, if it is given as text.
    pub(super) fn path(&self) -> Option<String> {
        self.backup_dir.as_ref().and_then(|path| path.to_str()).map(str::to_owned)
    }

    /// Checks the options.
    ///
    /// # Errors
    /// `Usage` when the interval is invalid, or the directory is not one.
    pub(super) fn check(&self) -> Result<TimeDelta, Error> {
        let every = text::at_least_a_second("--backup-every", &self.backup_every)?;
        if let Some(directory) = self.backup_dir.as_ref().filter(|directory| !directory.is_dir()) {
            return Err(Error::new(
                Kind::Usage,
                format_args!("`--backup-dir {}` is not a directory", directory.display()),
            )
            .hint("Create it first, on a different disk from the database."));
        }
        Ok(TimeDelta::from_std(every).unwrap_or(TimeDelta::MAX))
    }

    /// Reserves the directory, if there is one, for the server of this process: two would delete each other's backups.
    ///
    /// # Errors
    /// `Conflict` when another server uses the directory; `System` when it cannot be opened.
    pub(super) fn reserve(&self, database: &Path) -> Result<Option<File>, Error> {
        let Some(directory) = &self.backup_dir else { return Ok(None) };
        let shown = directory.display();
        let opened =
            File::open(directory).map_err(|e| Error::new(Kind::System, format_args!("cannot open `{shown}`")).because(e))?;
        // On a file system without locks, this is not detected. A second server on this database is reported by its lock.
        let is_used = rustix::fs::flock(&opened, FlockOperation::NonBlockingLockExclusive) == Err(Errno::WOULDBLOCK);
        if is_used && server_pid(database).is_none() {
            return Err(Error::new(
                Kind::Conflict,
                format_args!("the backup directory `{shown}` is used by another `tempo run`"),
            )
            .hint("Give each server a directory of its own."));
        }
        Ok(Some(opened))
    }

    /// Starts the thread that backs up, if there is a directory, which [`BackupArgs::reserve`] has `reserved`.
    ///
    /// # Errors
    /// As [`BackupArgs::check`]; `System` when the thread cannot be started.
    pub(super) fn start(
        &self,
        database: &Path,
        reserved: Option<File>,
        server: Handle,
        tell: &Sender<Event>,
    ) -> Result<(), Error> {
        let every = self.check()?;
        let (Some(directory), Some(reserved)) = (self.backup_dir.clone(), reserved) else {
            return Ok(());
        };
        let backups = Backups {
            name: format!(
                "{}-{}",
                database.file_stem().unwrap_or_default().to_string_lossy(),
                Store::open(database, Missing::Refuse)?.identity()?
            ),
            database: database.to_owned(),
            directory,
            _reserved: reserved,
            every,
            keep: usize::from(self.backup_keep),
            server,
            tell: tell.clone(),
        };
        let started = std::thread::Builder::new()
            .name("backups".to_owned())
            .spawn(move || backups.run());
        started
            .map(|_| ())
            .map_err(|e| Error::new(Kind::System, "cannot start the thread that backs up").because(e))
    }
}

struct Backups {
    database: PathBuf,
    /// The name and the id of the database, with which the names of its backups begin.
    name: String,
    directory: PathBuf,
    /// The directory, locked.
    _reserved: File,
    every: TimeDelta,
    keep: usize,
    server: Handle,
    tell: Sender<Event>,
}

impl Backups {
    fn run(&self) {
        let (mut since, mut wait) = (Stopwatch::start(), Duration::ZERO);
        while let (Ok(now), false) = (self.server.now(), self.server.is_draining()) {
            if since.elapsed() >= wait {
                since = Stopwatch::start();
                wait = self.back_up_if_due(now).unwrap_or_else(|e| {
                    self.report(Event::Error(e));
                    AFTER_ERROR.min(self.every.to_std().unwrap_or(AFTER_ERROR))
                });
            }
            pause(LOOK_EVERY);
        }
    }

    fn report(&self, event: Event) {
        // At the very end, the logger may have stopped listening.
        let _ = self.tell.send(event);
    }

    /// Writes a backup if one is due, and deletes those that are too many. Returns how long to wait until the next, at most [`CHECK_EVERY`].
    fn back_up_if_due(&self, now: DateTime<Utc>) -> Result<Duration, Error> {
        let wait = |until: TimeDelta| until.to_std().unwrap_or_default().min(CHECK_EVERY);
        let newest = self.existing(now)?.pop().map(|(at, _)| at);
        if let Some(due) = newest.filter(|newest| *newest <= now).map(|newest| newest + self.every)
            && due > now
        {
            return Ok(wait(due - now));
        }
        self.delete_unfinished()?;
        let file = self.directory.join(format!("{}{}", self.name, now.format(NAME)));
        Store::open(&self.database, Missing::Refuse)?.back_up(&file)?;
        let existing = self.existing(now)?;
        for (_, old) in &existing[..existing.len().saturating_sub(self.keep)] {
            // A server may be running on this backup.
            if server_pid(old).is_some() {
                continue;
            }
            if let Err(e) = std::fs::remove_file(old) {
                let old = old.display();
                let error = Error::new(Kind::System, format_args!("cannot delete the old backup `{old}`"));
                self.report(Event::Error(error.because(e)));
            }
        }
        self.report(Event::BackedUp { file });
        Ok(wait(self.every))
    }

    /// The backups in the directory with their times, oldest first. Those with a time after `now` come first: they were written before the clock
    /// was corrected.
    fn existing(&self, now: DateTime<Utc>) -> Result<Vec<(DateTime<Utc>, PathBuf)>, Error> {
        let mut found = self.named(|name| self.time_of(name))?;
        found.sort_by_key(|(at, _)| (*at <= now, *at));
        Ok(found)
    }

    /// Deletes what a server left that died while it wrote a backup.
    fn delete_unfinished(&self) -> Result<(), Error> {
        let unfinished = self.named(|name| {
            let name = name.strip_suffix("-journal").unwrap_or(name);
            self.time_of(name.strip_suffix(".part")?.rsplit_once('.')?.0)
        })?;
        for (_, path) in unfinished {
            let failed = |e| Error::new(Kind::System, format_args!("cannot delete `{}`", path.display())).because(e);
            std::fs::remove_file(&path).map_err(failed)?;
        }
        Ok(())
    }

    /// The files in the directory for whose names `time_of` returns a time.
    fn named(&self, time_of: impl Fn(&str) -> Option<DateTime<Utc>>) -> Result<Vec<(DateTime<Utc>, PathBuf)>, Error> {
        let failed =
            |e: std::io::Error| Error::new(Kind::System, format_args!("cannot read `{}`", self.directory.display())).because(e);
        let mut found = Vec::new();
        for entry in std::fs::read_dir(&self.directory).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
            let at = entry.file_name().to_str().filter(|_| is_file).and_then(&time_of);
            found.extend(at.map(|at| (at, entry.path())));
        }
        Ok(found)
    }

    /// The time in the name of a backup of this database.
    fn time_of(&self, name: &str) -> Option<DateTime<Utc>> {
        let at = NaiveDateTime::parse_from_str(name.strip_prefix(&self.name)?, NAME);
        at.ok().map(|at| at.and_utc())
    }
}
