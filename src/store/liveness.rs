//! Whether the server that holds a lock still does its work, asked through the lock file: a command sets its modification time, and the server's loop sets
//! it back. This works without the page, and writes nothing unless somebody asks.

use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::identity::{FileId, resolved};
use super::lock_file::{SAFE, lock_path, regular, server_pid};
use crate::clock::{Stopwatch, pause};
use crate::error::{Error, Kind};

/// How long a server may take to answer. Its loop may wait twice for another process that is changing the database, 10 s each time.
pub(crate) const MAX_SILENCE: Duration = Duration::from_secs(25);
/// Number of polls for the answer between two checks of the lock.
const POLLS_PER_LOCK_CHECK: u32 = 50;
/// Interval between polls.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// The modification time that asks for an answer: 2000-01-01, which every file system can store and no server has as its start time.
const QUESTION: Duration = Duration::from_hours(262_968);

/// Whether the server running on a database responds within [`MAX_SILENCE`]: whether its loop, which decides what starts, still runs.
///
/// # Errors
/// `System` if the lock file cannot be changed.
pub(crate) fn server_responds(database: &Path) -> Result<bool, Error> {
    let path = lock_path(&resolved(database));
    let failed = |e| {
        Error::new(
            Kind::System,
            format_args!("cannot query the server through `{}`", path.display()),
        )
        .because(e)
    };
    let waiting = Stopwatch::start();
    let (mut asked, mut polls) = (None, 0_u32);
    loop {
        polls += 1;
        // It may have ended meanwhile.
        if polls.is_multiple_of(POLLS_PER_LOCK_CHECK) && server_pid(database).is_none() {
            return Ok(false);
        }
        match &asked {
            Some(file) if !is_question(file).map_err(failed)? => return Ok(true),
            // The server does not answer in a file that was removed or replaced.
            Some(file) if FileId::of(file) == FileId::at(&path) => {}
            Some(_) | None => asked = ask(&path).map_err(failed)?,
        }
        if waiting.elapsed() >= MAX_SILENCE {
            return Ok(false);
        }
        pause(POLL_INTERVAL);
    }
}

/// Asks for an answer. Returns the file; `None` if there is no lock file, which a server that responds creates again.
fn ask(path: &Path) -> std::io::Result<Option<File>> {
    use std::os::unix::fs::OpenOptionsExt as _;
    match File::options().write(true).custom_flags(SAFE).open(path).and_then(regular) {
        Ok(file) => {
            file.set_modified(SystemTime::UNIX_EPOCH + QUESTION)?;
            Ok(Some(file))
        }
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// Whether a file still asks for an answer.
fn is_question(file: &File) -> std::io::Result<bool> {
    let modified = file.metadata()?.modified()?;
    let since_epoch = modified.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    // Some file systems store only every other second.
    Ok(since_epoch.abs_diff(QUESTION) <= Duration::from_secs(2))
}
