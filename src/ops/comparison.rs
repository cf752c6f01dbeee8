//! The comparison of definition files with what is stored: changes of schedules and receivers.

use std::sync::Arc;

use crate::error::Error;
use crate::files::definition::{Defined, FileReceiver, FileSchedule};
use crate::files::difference::FieldChange;
use crate::schedule::after::times_text;

/// The kind of change to a schedule or a receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Create,
    Update,
    Delete,
    None,
}

impl Change {
    /// The name in JSON.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::None => "none",
        }
    }
}

/// The difference between a definition and the stored schedule.
#[derive(Debug, Clone)]
pub(crate) struct Difference {
    pub(crate) id: String,
    pub(crate) kind: DefinedKind,
    pub(crate) change: Change,
    pub(crate) fields: Vec<FieldChange>,
    /// The line where its definition begins; `None` if it is no longer defined.
    pub(crate) line: Option<usize>,
    pub(crate) warnings: Vec<String>,
    /// Whether it is paused, or will be deleted.
    pub(crate) paused: bool,
    /// When it fires, in English.
    pub(crate) spec_text: String,
}

/// What a definition defines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DefinedKind {
    Schedule,
    /// A receiver of notifications.
    Receiver,
}

/// Whether the difference of a new schedule has its fields. Hundreds of thousands of them take time and memory, and only JSON shows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FieldsOfNew {
    Listed,
    Omitted,
}

/// The definitions of one file.
#[derive(Debug, Clone)]
pub(crate) struct DefinitionFile {
    /// The path of the file.
    pub(crate) source: String,
    pub(crate) defined: Vec<FileSchedule>,
    pub(crate) receivers: Vec<FileReceiver>,
}

impl DefinitionFile {
    /// The definitions of files one at a time, in order.
    pub(crate) fn definitions(files: Vec<Self>) -> impl Iterator<Item = Result<FileDefinition, Error>> {
        files.into_iter().flat_map(|file| {
            let source: Arc<str> = file.source.into();
            let schedules = file.defined.into_iter().map(Box::new).map(Defined::Schedule);
            let receivers = file.receivers.into_iter().map(Box::new).map(Defined::Receiver);
            let defined = schedules.chain(receivers);
            defined.map(move |defined| Ok(FileDefinition::new(&source, defined)))
        })
    }
}

/// A definition in a file.
#[derive(Debug)]
pub(crate) struct FileDefinition {
    /// The path of the file.
    pub(crate) source: Arc<str>,
    pub(crate) defined: Defined,
    /// When a schedule fires, in English; computed here because another thread reads the files.
    pub(crate) spec_text: String,
}

impl FileDefinition {
    pub(crate) fn new(source: &Arc<str>, defined: Defined) -> Self {
        Self {
            source: Arc::clone(source),
            spec_text: match &defined {
                Defined::Schedule(one) => times_text(&one.definition.spec, &one.definition.after),
                Defined::Receiver(_) => String::new(),
            },
            defined,
        }
    }
}

/// Whether to delete schedules that the files no longer define.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Prune<'a> {
    /// Keep them.
    No,
    /// Delete those that an earlier apply of these files, or of files in these directories, created.
    Of(&'a [String]),
}

impl Prune<'_> {
    /// Whether definitions from this file are deleted when they are no longer defined.
    pub(crate) fn covers(&self, source: &str) -> bool {
        let Self::Of(scopes) = self else { return false };
        // Subdirectories are not read, so a schedule from one of their files is not missing.
        let in_directory = |scope: &String| {
            let rest = source.strip_prefix(scope.as_str()).and_then(|rest| rest.strip_prefix('/'));
            rest.is_some_and(|file| !file.contains('/'))
        };
        scopes.iter().any(|scope| scope == source || in_directory(scope))
    }
}
