//! The environment and arguments of this process, as bytes: values that are not UTF-8 are never altered or treated as unset.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::is_root;
use crate::error::{Error, Kind};

/// The value of an environment variable, if it is set.
#[must_use]
pub fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

/// The value of an environment variable as text, if it is set.
///
/// # Errors
/// `Usage` when the value is not valid UTF-8.
pub fn environment(name: &str) -> Result<Option<String>, Error> {
    let text = |value: OsString| {
        value.into_string().map_err(|value| {
            Error::new(
                Kind::Usage,
                format_args!("the environment variable `{name}` is not valid UTF-8: {}", value.display()),
            )
            .hint(format_args!("Set `{name}` to valid UTF-8, or unset it."))
        })
    };
    variable(name).map(text).transpose()
}

/// A path as text, for storing or comparing it as text.
///
/// # Errors
/// `Usage` when the path is not valid UTF-8.
pub fn path_text(path: &Path) -> Result<String, Error> {
    path.to_str().map(str::to_owned).ok_or_else(|| {
        Error::new(Kind::Usage, format_args!("the path `{}` is not valid UTF-8", path.display()))
            .hint("Rename the file or directory so that its name is valid UTF-8.")
    })
}

/// Finds a program as a shell does: a name with a slash is a path, any other is searched for in `path`.
#[must_use]
pub fn find_program(name: &str, path: Option<&OsStr>) -> Option<PathBuf> {
    use std::os::unix::fs::PermissionsExt as _;
    if name.contains('/') {
        return Some(PathBuf::from(name));
    }
    let path = path.unwrap_or(OsStr::new("/usr/local/bin:/usr/bin:/bin"));
    std::env::split_paths(path)
        .map(|dir| {
            if dir.as_os_str().is_empty() {
                PathBuf::from(name)
            } else {
                dir.join(name)
            }
        })
        .find(|p| p.metadata().is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0))
}

/// The default path of the database: `TEMPO_DB`, else a file in the user's state directory.
///
/// # Errors
/// `System` when neither `XDG_STATE_HOME` nor `HOME` is set.
pub fn default_database() -> Result<PathBuf, Error> {
    if let Some(file) = variable("TEMPO_DB").filter(|v| !v.is_empty()) {
        return Ok(PathBuf::from(file));
    }
    if let Some(state) = variable("XDG_STATE_HOME").filter(|v| Path::new(v).is_absolute()) {
        return Ok(Path::new(&state).join("tempo/tempo.db"));
    }
    if is_root() {
        return Ok(PathBuf::from("/var/lib/tempo/tempo.db"));
    }
    let home = variable("HOME").filter(|v| !v.is_empty()).ok_or_else(|| {
        Error::new(
            Kind::System,
            "cannot choose a path for the database: neither `HOME` nor `XDG_STATE_HOME` is set",
        )
        .hint("Specify the file, for example: `--db /srv/tempo.db`.")
    })?;
    Ok(Path::new(&home).join(".local/state/tempo/tempo.db"))
}

/// The arguments of this process, starting with its name.
pub fn arguments_os() -> impl Iterator<Item = OsString> {
    std::env::args_os()
}
