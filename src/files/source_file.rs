//! Reads definition files and crontabs: single files, the files of a directory, or `-` for stdin.

use std::io::Read as _;
use std::path::{Component, Path};

use crate::error::{Error, Kind, one_line};
use crate::machine::path_text;

/// The text of a file.
#[derive(Debug, Clone)]
pub(crate) struct SourceFile {
    /// The name shown in errors.
    pub(crate) name: String,
    /// The path that identifies the file: that of [`path_of`], for a crontab that of [`source_of`].
    pub(crate) source: String,
    /// The contents of the file.
    pub(crate) text: String,
}

/// The name for stdin.
const STDIN: &str = "-";

/// Maximum size of a file: reading takes twenty times as much memory.
const MAX_SIZE: u64 = 128 * 1024 * 1024;

impl SourceFile {
    /// Reads a file; `-` is stdin.
    ///
    /// # Errors
    /// `Usage` when it cannot be read, or is not UTF-8.
    pub(crate) fn read(name: &str) -> Result<Self, Error> {
        let text = String::from_utf8(bytes_of(name)?).map_err(|e| {
            Error::new(Kind::Usage, format_args!("`{}` is not valid UTF-8", one_line(name))).because(e.utf8_error())
        })?;
        Ok(Self {
            source: path_of(name)?,
            name: one_line(name),
            text,
        })
    }

    /// Reads a file as [`SourceFile::read`] does, but replaces invalid UTF-8 with U+FFFD.
    ///
    /// # Errors
    /// `Usage` when it cannot be read.
    pub(crate) fn read_in_any_encoding(name: &str) -> Result<Self, Error> {
        Ok(Self {
            source: source_of(name)?,
            name: one_line(name),
            text: String::from_utf8_lossy(&bytes_of(name)?).into_owned(),
        })
    }

    /// Reads definition files; for a directory, its files that end in `.toml` or `.json`, sorted by name.
    ///
    /// # Errors
    /// As [`SourceFile::read`]; `Usage` when a directory has no such file.
    pub(crate) fn definitions(names: &[String]) -> Result<Vec<Self>, Error> {
        let mut source_files = Vec::new();
        for name in names {
            if !Path::new(name).is_dir() {
                source_files.push(Self::read(name)?);
                continue;
            }
            let (files, _) = files_in(name, is_definitions)?;
            if files.is_empty() {
                return Err(
                    Error::new(Kind::Usage, format_args!("no definition files in the directory `{name}`"))
                        .hint("Definition files end in `.toml` or `.json`."),
                );
            }
            for file in files {
                source_files.push(Self::read(&file)?);
            }
        }
        Ok(source_files)
    }
}

/// Lists the files of a directory: those that match, and the others, each sorted by name.
///
/// # Errors
/// `Usage` when the directory cannot be listed.
pub(crate) fn files_in(directory: &str, matches: impl Fn(&str) -> bool) -> Result<(Vec<String>, Vec<String>), Error> {
    let cannot_list = |e: std::io::Error| Error::new(Kind::Usage, format_args!("cannot list `{directory}`")).because(e);
    let (mut files, mut others) = (Vec::new(), Vec::new());
    for entry in std::fs::read_dir(directory).map_err(cannot_list)? {
        let entry = entry.map_err(cannot_list)?;
        let path = entry.path();
        if path.is_file() {
            let list = if matches(&entry.file_name().to_string_lossy()) {
                &mut files
            } else {
                &mut others
            };
            list.push(path_text(&path)?);
        }
    }
    files.sort();
    others.sort();
    Ok((files, others))
}

/// Whether a file of a directory is a definition file, by its name.
pub(crate) fn is_definitions(name: &str) -> bool {
    let extension = Path::new(name).extension();
    extension.is_some_and(|e| e.eq_ignore_ascii_case("toml") || e.eq_ignore_ascii_case("json"))
}

fn bytes_of(name: &str) -> Result<Vec<u8>, Error> {
    let failed = |e: std::io::Error| Error::new(Kind::Usage, format_args!("cannot read `{}`", one_line(name))).because(e);
    let mut bytes = Vec::new();
    if name == STDIN {
        std::io::stdin().take(MAX_SIZE + 1).read_to_end(&mut bytes).map_err(failed)?;
    } else {
        let file = std::fs::File::open(name).map_err(failed)?;
        file.take(MAX_SIZE + 1).read_to_end(&mut bytes).map_err(failed)?;
    }
    if bytes.len() as u64 > MAX_SIZE {
        let message = format!("`{}` is larger than {} MiB", one_line(name), MAX_SIZE / (1024 * 1024));
        return Err(Error::new(Kind::Usage, message).hint("Split it into several files."));
    }
    Ok(bytes)
}

/// Returns the absolute path of a definition file or a directory of them; `-` for stdin. Symbolic links stay as they are: what they lead to may change with
/// each release.
///
/// # Errors
/// `Usage` when a parent directory's name is not UTF-8.
pub(crate) fn path_of(name: &str) -> Result<String, Error> {
    if name == STDIN || Path::new(name).components().any(|part| part == Component::ParentDir) {
        return source_of(name);
    }
    std::path::absolute(name).map_or_else(|_| Ok(name.to_owned()), |path| path_text(&path))
}

/// The paths that definitions from these files and directories may have been recorded with.
///
/// # Errors
/// As [`path_of`].
pub(crate) fn scopes_of(names: &[String]) -> Result<Vec<String>, Error> {
    // Older versions recorded the path with all links resolved.
    let both = names.iter().flat_map(|name| [path_of(name), source_of(name)]);
    both.collect()
}

/// Returns the canonical path of a file or directory; `-` for stdin.
///
/// # Errors
/// `Usage` when a parent directory's name is not UTF-8.
pub(crate) fn source_of(name: &str) -> Result<String, Error> {
    if name == STDIN {
        return Ok(STDIN.to_owned());
    }
    let path = std::fs::canonicalize(name).or_else(|_| std::path::absolute(name));
    path.map_or_else(|_| Ok(name.to_owned()), |path| path_text(&path))
}
