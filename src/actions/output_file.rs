//! The file to which a command writes its outputs, `KEY=VALUE` lines for later steps.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::os::unix::fs::fchown;
use std::path::Path;

use tempfile::NamedTempFile;

use super::Task;
use super::secrets::Secrets;
use super::spawn::Caller;
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
        let file = tempfile::Builder::new().prefix("tempo-output-").tempfile()?;
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
        match read(file.as_file_mut()) {
            Ok(outputs) => result.outputs = sealed(outputs, secrets),
            Err(why) => {
                result.ending = Ending::Failed(Failure {
                    error_type: ErrorType::UnexpectedBody,
                    message: secrets.masked_text(&format!("invalid outputs: {why}")),
                });
            }
        }
        result
    }
}

fn read(file: &mut File) -> Result<Outputs, String> {
    // Not opened by its path: the command, perhaps of another user, may have put a link there.
    let mut bytes = Vec::new();
    file.rewind()
        .and_then(|()| file.take(MAX_FILE as u64 + 1).read_to_end(&mut bytes))
        .map_err(|e| e.to_string())?;
    if bytes.len() > MAX_FILE {
        return Err(format!("more than {} KiB", MAX_FILE / 1024));
    }
    let text = String::from_utf8(bytes).map_err(|_| "not valid UTF-8".to_owned())?;
    if text.contains('\0') {
        return Err("a NUL character".to_owned());
    }
    outputs::parse(&text)
}

/// The outputs with names in place of secrets.
fn sealed(outputs: Outputs, secrets: &Secrets) -> Outputs {
    let seal = |value: String| String::from_utf8_lossy(&secrets.seal(value.as_bytes())).into_owned();
    outputs.into_iter().map(|(key, value)| (key, seal(value))).collect()
}
