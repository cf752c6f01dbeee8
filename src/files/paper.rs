//! Files of definitions and crontabs as they lie about: named one by one, by their folder, or `-` for stdin.

use std::io::Read as _;
use std::path::Path;

use crate::error::{Error, Kind};

/// The text of a file.
#[derive(Debug, Clone)]
pub(crate) struct Paper {
    /// As it is called in errors.
    pub(crate) name: String,
    /// Which file it is, however it is called.
    pub(crate) source: String,
    /// What stands in it.
    pub(crate) text: String,
}

/// What stdin is called.
const STDIN: &str = "-";

impl Paper {
    /// Reads a file; `-` is stdin.
    ///
    /// # Errors
    /// `Usage` when it cannot be read, or is not text.
    pub(crate) fn read(name: &str) -> Result<Self, Error> {
        let refuse = |e: std::io::Error| Error::new(Kind::Usage, format_args!("cannot read `{name}`")).because(e);
        let mut text = String::new();
        if name == STDIN {
            std::io::stdin().read_to_string(&mut text).map_err(refuse)?;
        } else {
            text = std::fs::read_to_string(name).map_err(refuse)?;
        }
        Ok(Self {
            source: source_of(name),
            name: name.to_owned(),
            text,
        })
    }

    /// Reads what is named: files, and of folders the files in them that `belongs` says yes to, in the order of their names.
    ///
    /// # Errors
    /// As [`Paper::read`]; `Usage` where a folder holds nothing that belongs.
    pub(crate) fn read_all(named: &[String], belongs: impl Fn(&str) -> bool) -> Result<Vec<Self>, Error> {
        let mut papers = Vec::new();
        for name in named {
            if !Path::new(name).is_dir() {
                papers.push(Self::read(name)?);
                continue;
            }
            let refuse = |e: std::io::Error| Error::new(Kind::Usage, format_args!("cannot list `{name}`")).because(e);
            let mut found = Vec::new();
            for entry in std::fs::read_dir(name).map_err(refuse)? {
                let entry = entry.map_err(refuse)?;
                let file = entry.file_name().to_string_lossy().into_owned();
                if entry.path().is_file() && belongs(&file) {
                    found.push(entry.path().display().to_string());
                }
            }
            if found.is_empty() {
                return Err(
                    Error::new(Kind::Usage, format_args!("nothing to read in the folder `{name}`"))
                        .hint("Definitions are in files that end in `.toml` or `.json`."),
                );
            }
            found.sort();
            for file in found {
                papers.push(Self::read(&file)?);
            }
        }
        Ok(papers)
    }
}

/// Which file or folder it is, however it is called.
pub(crate) fn source_of(name: &str) -> String {
    if name == STDIN {
        return STDIN.to_owned();
    }
    let found = std::fs::canonicalize(name).or_else(|_| std::path::absolute(name));
    found.map_or_else(|_| name.to_owned(), |p| p.display().to_string())
}
