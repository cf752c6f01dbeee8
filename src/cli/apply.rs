//! `tempo apply`, and the code shared with `tempo diff`.

use clap::ValueHint;

use super::Context;
use crate::error::{Error, Kind};
use crate::files::definition;
use crate::files::document::Source;
use crate::files::source_file::{SourceFile, source_of};
use crate::ops::{self, Change, DefinedKind, DefinitionFile, Difference, FieldsOfNew, Prune};
use crate::output::{Style, counted};
use crate::present;
use crate::store::Missing;

/// Maximum number of warnings printed.
const MAX_WARNINGS: usize = 20;

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

/// Options that select definition files.
#[derive(Debug, clap::Args)]
pub(super) struct FileArgs {
    /// Files of `[[schedule]]` and `[[notify]]` tables in TOML, or the same as JSON; directories of such files; `-` is stdin
    #[arg(short, long = "file", value_name = "FILE", required = true, num_args = 1.., value_hint = ValueHint::AnyPath)]
    file: Vec<String>,
    /// Delete schedules and receivers that an earlier apply of the same files created and that they no longer define; no others
    #[arg(long)]
    prune: bool,
}

impl FileArgs {
    pub(super) fn defining(&self, context: &Context) -> Result<Vec<DefinitionFile>, Error> {
        let source_files = SourceFile::definitions(&self.file)?;
        source_files
            .into_iter()
            .map(|source_file| {
                let source = Source {
                    name: &source_file.name,
                    text: &source_file.text,
                };
                let defined = definition::parse(&source, &context.zones)?;
                Ok(DefinitionFile {
                    defined: defined.schedules,
                    receivers: defined.receivers,
                    source: source_file.source,
                })
            })
            .collect()
    }

    /// A hint that names the command to apply the differences.
    pub(super) fn apply_hint(&self) -> &'static str {
        if self.prune {
            "Run `tempo apply --prune` with the same files to make this change."
        } else {
            "Run `tempo apply` with the same files to make this change."
        }
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
        self.file.iter().map(|f| source_of(f)).collect()
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

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Error> {
    let defining = args.files.defining(context)?;
    let scopes = args.files.scopes()?;
    let (zones, now) = (&context.zones, context.now());
    let fields = fields_of_new(context);
    let differences = if args.dry_run {
        let store = context.open(Missing::ShowNothing)?;
        store.read(|r| ops::compare(r, zones, defining, prune(&scopes), fields, now))?
    } else {
        let mut store = context.open(Missing::Create)?;
        store.write(|w| ops::apply(w, zones, defining, prune(&scopes), fields, now))?
    };
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
        ui.say(&format!("warning: {id}: {warning}"));
    }
    if warnings.len() > MAX_WARNINGS {
        ui.say(&format!(
            "{} more warnings are not shown; `-o json` prints all of them",
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
