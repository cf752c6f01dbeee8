//! `tempo apply`, and the code shared with `tempo diff`.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};

use clap::ValueHint;

use super::Context;
use crate::error::{Error, Kind};
use crate::files::definition;
use crate::files::document::Source;
use crate::files::source_file::{SourceFile, scopes_of};
use crate::ops::{self, Change, DefinedKind, Difference, FieldsOfNew, FileDefinition, Prune};
use crate::output::{Style, counted};
use crate::present;
use crate::store::Missing;
use crate::zoneinfo::ZoneInfo;

/// Maximum number of warnings printed.
const MAX_WARNINGS: usize = 20;

/// Number of definitions that are handed from the thread that reads them to the one that applies them at once.
const BATCH: usize = 512;
/// Maximum number of batches that wait to be applied.
const MAX_BATCHES: usize = 4;

type Batch = Result<Vec<FileDefinition>, Error>;

/// The definitions of files, in order.
pub(super) type Definitions<'a> = Box<dyn Iterator<Item = Result<FileDefinition, Error>> + 'a>;

/// Create and update schedules and notification receivers from definition files
///
/// Makes all changes or none. Applying the same files again changes nothing. A definition replaces the whole schedule, except that `note`,
/// `paused` and `remaining_actions` keep their current values if the file omits them. Times due before a change are decided by the
/// definition in force at that time.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    files: FileArgs,
    /// Show what would change, without changing anything
    #[arg(long)]
    dry_run: bool,
}

/// Number of definitions after which the files of the database are checked: an apply can take a long time.
const CHECK_FILES_EVERY: usize = 64;

/// Options that select definition files.
#[derive(Debug, clap::Args)]
pub(super) struct FileArgs {
    /// Files of `[[schedule]]` and `[[notify]]` tables in TOML, or the same as JSON; directories of such files; `-` is stdin
    #[arg(short, long = "file", value_name = "FILE", required = true, num_args = 1.., value_hint = ValueHint::AnyPath)]
    file: Vec<String>,
    /// Also delete schedules and receivers that an earlier apply of the same files created and that the files no longer define
    #[arg(long)]
    prune: bool,
}

impl FileArgs {
    /// Passes the definitions of the files to `apply`, while another thread reads the next ones. If few definitions precede the first error, nothing is
    /// passed.
    ///
    /// # Errors
    /// `Usage` or `System` when a file cannot be read; those of `apply`.
    pub(super) fn read<T>(&self, context: &Context, apply: impl FnOnce(Definitions<'_>) -> Result<T, Error>) -> Result<T, Error> {
        let (files, zones) = (SourceFile::definitions(&self.file)?, &context.zones);
        let (sender, batches) = sync_channel(MAX_BATCHES);
        std::thread::scope(|scope| {
            let reading = std::thread::Builder::new().name("definitions".to_owned());
            let started = reading.spawn_scoped(scope, move || {
                if let Err(e) = read_files(&files, zones, &sender) {
                    // The receiver is gone if it has failed itself.
                    let _ = sender.send(Err(e));
                }
            });
            started.map_err(|e| Error::new(Kind::System, "cannot start the thread that reads the files").because(e))?;
            let incomplete = || Error::new(Kind::System, "the thread that reads the files has ended early");
            let first = batches.recv().unwrap_or_else(|_| Err(incomplete()))?;
            // An empty batch is the end. Without it, not everything was read, and pruning would delete the rest.
            let is_complete = Cell::new(first.is_empty());
            let rest = batches.into_iter().inspect(|batch| {
                let is_end = batch.as_ref().map_or(true, Vec::is_empty);
                is_complete.set(is_complete.get() || is_end);
            });
            let end = std::iter::once(())
                .filter(|()| !is_complete.get())
                .map(|()| Err(incomplete()));
            let batches = std::iter::once(Ok(first)).chain(rest).chain(end);
            let definitions = batches.flat_map(|batch| match batch {
                Ok(batch) => batch.into_iter().map(Ok).collect(),
                Err(e) => vec![Err(e)],
            });
            apply(Box::new(definitions))
        })
    }

    /// A hint that names the command to make `changes` changes.
    pub(super) fn apply_hint(&self, changes: u64) -> String {
        let option = if self.prune { " --prune" } else { "" };
        let what = if changes == 1 { "this change" } else { "these changes" };
        format!("Run `tempo apply{option}` with the same files to make {what}.")
    }

    /// The sources to prune: the given files and directories, or none without `--prune`.
    pub(super) fn scopes(&self) -> Result<Vec<String>, Error> {
        if !self.prune {
            return Ok(Vec::new());
        }
        if self.file.iter().any(|f| f == "-") {
            return Err(Error::new(
                Kind::Usage,
                "`--prune` cannot be used with stdin: its earlier content is unknown",
            )
            .hint("Write the definitions to a file, and apply that."));
        }
        scopes_of(&self.file)
    }
}

/// Whether the output has the fields of new schedules.
pub(super) fn fields_of_new(context: &Context) -> FieldsOfNew {
    if context.ui.is_text() {
        FieldsOfNew::Omitted
    } else {
        FieldsOfNew::Listed
    }
}

/// Returns what to prune: nothing, or the given sources.
pub(super) fn prune(scopes: &[String]) -> Prune<'_> {
    if scopes.is_empty() { Prune::No } else { Prune::Of(scopes) }
}

/// Reads the definitions of files, and sends them in batches; an empty one is the end.
fn read_files(files: &[SourceFile], zones: &ZoneInfo, sender: &SyncSender<Batch>) -> Result<(), Error> {
    let mut batch = Vec::new();
    for file in files {
        let path: Arc<str> = file.source.as_str().into();
        let source = Source {
            name: &file.name,
            text: &file.text,
        };
        definition::parse_each(&source, zones, |defined| {
            batch.push(FileDefinition::new(&path, defined));
            if batch.len() == BATCH {
                let full = std::mem::replace(&mut batch, Vec::with_capacity(BATCH));
                return sender
                    .send(Ok(full))
                    .map_err(|_| Error::new(Kind::System, "applying the definitions has failed"));
            }
            Ok(())
        })?;
    }
    for batch in [batch, Vec::new()] {
        // The receiver is gone if it has failed.
        let _ = sender.send(Ok(batch));
    }
    Ok(())
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Error> {
    let scopes = args.files.scopes()?;
    let (zones, now) = (&context.zones, context.now());
    let (fields, prune) = (fields_of_new(context), prune(&scopes));
    let differences = args.files.read(context, |definitions| {
        if args.dry_run {
            let store = context.open(Missing::ShowNothing)?;
            return store.read(|r| ops::compare(r, definitions, prune, fields, now));
        }
        let mut store = context.open(Missing::Create)?;
        store.expect_large_change()?;
        let check = store.displacement_check();
        let checked = definitions.enumerate().map(|(n, definition)| {
            if n % CHECK_FILES_EVERY == 0 {
                check()?;
            }
            definition
        });
        store.write(|w| ops::apply(w, zones, checked, prune, fields, now))
    })?;
    show(context, &differences, if args.dry_run { Tense::Would } else { Tense::Did })?;
    if args.dry_run {
        return Ok(());
    }
    context.hint_when_down("nothing starts until you run `tempo run`.")
}

/// Whether changes are shown as made or as proposed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tense {
    Did,
    Would,
}

/// Prints the differences schedule by schedule, then a summary.
pub(super) fn show(context: &Context, differences: &[Difference], tense: Tense) -> Result<(), Error> {
    let ui = &context.ui;
    if !ui.is_text() {
        let views: Vec<_> = differences.iter().map(present::change).collect();
        return ui.json_list(&views);
    }
    for difference in differences {
        let (mark, style) = match difference.change {
            Change::Create => ("+", Style::Good),
            Change::Update => ("~", Style::Warn),
            Change::Delete => ("-", Style::Bad),
            Change::None => continue,
        };
        let mark = format!("{mark} {}", difference.change.name());
        let what = match difference.kind {
            DefinedKind::Schedule => format!(" {}: {}", difference.id, difference.spec_text),
            DefinedKind::Receiver => format!(" receiver {}", difference.id),
        };
        ui.marked("", (style, &mark), &what)?;
        if difference.change == Change::Update {
            for field in &difference.fields {
                ui.data(&format!(
                    "    {}: {} → {}",
                    field.name,
                    display(&field.old),
                    display(&field.new)
                ))?;
            }
        }
    }
    let warnings: Vec<_> = differences
        .iter()
        .flat_map(|d| d.warnings.iter().map(move |w| (&d.id, w)))
        .collect();
    for (id, warning) in warnings.iter().take(MAX_WARNINGS) {
        ui.say(&format!("note: {id}: {warning}"));
    }
    if warnings.len() > MAX_WARNINGS {
        ui.say(&format!(
            "{} more notes are not shown; `-o json` prints all of them",
            warnings.len() - MAX_WARNINGS
        ));
    }
    let count = |change| differences.iter().filter(|d| d.change == change).count();
    let (created, updated, deleted) = (count(Change::Create), count(Change::Update), count(Change::Delete));
    let would = if tense == Tense::Would { "would be " } else { "" };
    let parts: Vec<String> = [(created, "created"), (updated, "updated"), (deleted, "deleted")]
        .into_iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, what)| format!("{n} {would}{what}"))
        .collect();
    let changed = if parts.is_empty() {
        "no changes".to_owned()
    } else {
        parts.join(", ")
    };
    let of = |kind| differences.iter().filter(|d| d.kind == kind).count() as u64;
    let (schedules, receivers) = (of(DefinedKind::Schedule), of(DefinedKind::Receiver));
    let defined = match receivers {
        0 => counted(schedules, "schedule"),
        receivers => format!("{}, {}", counted(schedules, "schedule"), counted(receivers, "receiver")),
    };
    ui.data(&format!("{defined}: {changed}"))
}

/// Formats a value for people: strings without quotes.
fn display(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Null => "(none)".to_owned(),
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Array(items) if items.len() == 1 => display(&items[0]),
        serde_json::Value::Bool(_)
        | serde_json::Value::Number(_)
        | serde_json::Value::Array(_)
        | serde_json::Value::Object(_) => value.to_string(),
    }
}
