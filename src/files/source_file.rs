//! Files of definitions and crontabs as they lie about: named one by one, by their folder, or `-` for stdin.

use std::io::Read as _;
use std::path::Path;

use crate::error::{Error, Kind};
use crate::machine::path_text;

/// The text of a file.
#[derive(Debug, Clone)]
pub(crate) struct SourceFile {
    /// As it is called in errors.
    pub(crate) name: String,
    /// Which file it is, however it is called.
    pub(crate) source: String,
    /// What stands in it.
    pub(crate) text: String,
}

/// What stdin is called.
const STDIN: &str = "-";

impl SourceFile {
    /// Reads a file; `-` is stdin.
    ///
    /// # Errors
    /// `Usage` when it cannot be read, or is not text.
    pub(crate) fn read(name: &str) -> Result<Self, Error> {
        let text = String::from_utf8(bytes_of(name)?)
            .map_err(|e| Error::new(Kind::Usage, format_args!("`{name}` is not text in UTF-8")).because(e.utf8_error()))?;
        Self::of(name, text)
    }

    /// Reads a file as [`SourceFile::read`] does; where bytes are no UTF-8, U+FFFD stands for them.
    ///
    /// # Errors
    /// `Usage` when it cannot be read.
    pub(crate) fn read_in_any_encoding(name: &str) -> Result<Self, Error> {
        Self::of(name, String::from_utf8_lossy(&bytes_of(name)?).into_owned())
    }

    fn of(name: &str, text: String) -> Result<Self, Error> {
        Ok(Self {
            source: source_of(name)?,
            name: name.to_owned(),
            text,
        })
    }

    /// Reads definitions: files, and of folders the files that end in `.toml` or `.json`, in the order of their names.
    ///
    /// # Errors
    /// As [`SourceFile::read`]; `Usage` where a folder holds none.
    pub(crate) fn definitions(named: &[String]) -> Result<Vec<Self>, Error> {
        let mut source_files = Vec::new();
        for name in named {
            if !Path::new(name).is_dir() {
                source_files.push(Self::read(name)?);
                continue;
            }
            let (files, _) = files_in(name, is_definitions)?;
            if files.is_empty() {
                return Err(
                    Error::new(Kind::Usage, format_args!("nothing to read in the folder `{name}`"))
                        .hint("Definitions are in files that end in `.toml` or `.json`."),
                );
            }
            for file in files {
                source_files.push(Self::read(&file)?);
            }
        }
        Ok(source_files)
    }
}

/// The files of a folder that belong, and those that do not, in the order of their names.
///
/// # Errors
/// `Usage` when it cannot be listed.
pub(crate) fn files_in(folder: &str, belongs: impl Fn(&str) -> bool) -> Result<(Vec<String>, Vec<String>), Error> {
    let refuse = |e: std::io::Error| Error::new(Kind::Usage, format_args!("cannot list `{folder}`")).because(e);
    let (mut files, mut others) = (Vec::new(), Vec::new());
    for entry in std::fs::read_dir(folder).map_err(refuse)? {
        let entry = entry.map_err(refuse)?;
        let path = entry.path();
        if path.is_file() {
            let list = if belongs(&entry.file_name().to_string_lossy()) {
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

/// Whether a file of a folder holds definitions, by its name.
fn is_definitions(name: &str) -> bool {
    let ending = Path::new(name).extension();
    ending.is_some_and(|e| e.eq_ignore_ascii_case("toml") || e.eq_ignore_ascii_case("json"))
}

fn bytes_of(name: &str) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let read = if name == STDIN {
        std::io::stdin().read_to_end(&mut bytes).map(|_| ())
    } else {
        std::fs::read(name).map(|read| bytes = read)
    };
    read.map_err(|e| Error::new(Kind::Usage, format_args!("cannot read `{name}`")).because(e))?;
    Ok(bytes)
}

/// Which file or folder it is, however it is called.
///
/// # Errors
/// `Usage` when a folder above it has a name that is not UTF-8.
pub(crate) fn source_of(name: &str) -> Result<String, Error> {
    if name == STDIN {
        return Ok(STDIN.to_owned());
    }
    let found = std::fs::canonicalize(name).or_else(|_| std::path::absolute(name));
    found.map_or_else(|_| Ok(name.to_owned()), |path| path_text(&path))
}
