//! The file to which a command writes its outputs, `KEY=VALUE` lines for later steps.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, fchown};
use std::path::Path;

use tempfile::NamedTempFile;

use super::Task;
use super::secrets::Secrets;
use super::spawn::{Caller, DATABASE};
use crate::machine::{self, User};
use crate::run::command::Command;
use crate::run::outcome::{AttemptResult, Ending, ErrorType, Failure};
use crate::run::outputs::{self, MAX_FILE, Outputs};

/// The file, which is deleted with this value; a command whose outputs no later step uses has none.
pub(super) struct OutputFile(Option<NamedTempFile>);

impl OutputFile {
    /// The file for an attempt, accessible to the user of the command only.
    pub(super) fn of(command: &Command, task: &Task<'_>, caller: Caller) -> std::io::Result<Self> {
        if caller == Caller::Script || !task.step.gives_outputs {
            return Ok(Self(None));
        }
        let database = task.environment.iter().find(|(name, _)| *name == DATABASE);
        let prefix = prefix(database.map_or(OsStr::new(""), |(_, path)| path.as_ref()));
        let file = tempfile::Builder::new().prefix(&prefix).tempfile()?;
        // An unknown user is reported when the command is started.
        let user = command.user.as_ref().filter(|_| machine::is_root());
        if let Some(user) = user.and_then(|user| User::named(user).ok()) {
            fchown(file.as_file(), Some(user.uid), Some(user.gid))?;
        }
        Ok(Self(Some(file)))
    }

    /// Where the command writes its outputs.
    pub(super) fn path(&self) -> &OsStr {
        self.0
            .as_ref()
            .map_or(Path::new("/dev/null"), NamedTempFile::path)
            .as_os_str()
    }

    /// Adds the outputs to the result of an attempt that has succeeded; it fails if they are invalid.
    pub(super) fn add_to(self, mut result: AttemptResult, secrets: &Secrets) -> AttemptResult {
        let Some(mut file) = self.0.filter(|_| result.ending == Ending::Ok) else {
            return result;
        };
        match read(&mut file, secrets) {
            Ok(outputs) => result.outputs = outputs,
            Err(why) => {
                result.ending = Ending::Failed(Failure {
                    error_type: ErrorType::UnexpectedBody,
                    message: format!("invalid outputs: {why}"),
                });
            }
        }
        result
    }
}

/// The beginning of the names of the files for the attempts of a database.
fn prefix(database: &OsStr) -> String {
    format!("tempo-output-{:016x}-", farmhash::fingerprint64(database.as_bytes()))
}

/// Deletes the files that attempts of an earlier server have left behind.
pub(crate) fn discard_left_outputs(database: &Path) {
    let prefix = prefix(database.as_os_str());
    let files = std::fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten();
    for file in files.filter(|file| file.file_name().to_string_lossy().starts_with(&prefix)) {
        // One that cannot be deleted is in nobody's way.
        let _ = std::fs::remove_file(file.path());
    }
}

/// Reads the outputs. Secrets are refused: outputs are stored, shown, and passed to commands that do not know them.
fn read(file: &mut NamedTempFile, secrets: &Secrets) -> Result<Outputs, String> {
    let identity = |file: std::io::Result<std::fs::Metadata>| file.map(|file| (file.dev(), file.ino())).ok();
    if identity(std::fs::symlink_metadata(file.path())) != identity(file.as_file().metadata()) {
        return Err("the file was replaced; write to it, or append".to_owned());
    }
    let bytes = contents(file.as_file_mut()).map_err(|e| e.to_string())?;
    if bytes.len() > MAX_FILE {
        return Err(format!("more than {} KiB", MAX_FILE / 1024));
    }
    if secrets.are_in_output(&bytes) {
        return Err("they contain a secret".to_owned());
    }
    let text = String::from_utf8(bytes).map_err(|_| "not valid UTF-8".to_owned())?;
    if text.contains('\0') {
        return Err("a value contains a NUL character".to_owned());
    }
    outputs::parse(&text)
}

/// Not opened by its path: the command, perhaps of another user, may have put a link there.
fn contents(file: &mut File) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.take(MAX_FILE as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
