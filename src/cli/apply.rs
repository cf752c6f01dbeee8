//! `tempo apply`, and what it has in common with `tempo diff`.

use clap::ValueHint;

use super::Context;
use crate::error::{Error, Kind};
use crate::files::definition;
use crate::files::document::Source;
use crate::files::source_file::{SourceFile, source_of};
use crate::ops::{self, Change, DefinitionFile, Difference, Prune};
use crate::output::{Style, counted};
use crate::present;
use crate::store::Missing;

/// How many warnings are told.
const MOST_WARNINGS: usize = 20;

/// Make the schedules that files define
///
/// All or nothing, and the same again changes nothing. What a file says of a schedule replaces what the schedule was, but for `note`,
/// `paused` and `remaining_actions`, which are left to people where the file leaves them out. Times due before a change are decided by
/// what was in force then.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    files: FileArgs,
    /// Show what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
}

/// The files that define schedules.
#[derive(Debug, clap::Args)]
pub(super) struct FileArgs {
    /// Files of `[[schedule]]` tables in TOML, or the same as JSON; folders of them; `-` is stdin
    #[arg(short, long = "file", value_name = "FILE", required = true, num_args = 1.., value_hint = ValueHint::AnyPath)]
    file: Vec<String>,
    /// Delete schedules that an earlier apply of the same files made and that they no longer hold; no others
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
                Ok(DefinitionFile {
                    defined: definition::parse(&source, &context.zones)?,
                    source: source_file.source,
                })
            })
            .collect()
    }

    /// The command that makes it so.
    pub(super) fn makes_it_so(&self) -> &'static str {
        if self.prune {
            "`tempo apply --prune` with the same files makes it so."
        } else {
            "`tempo apply` with the same files makes it so."
        }
    }

    /// What is pruned, in the folders and files that are named.
    pub(super) fn scopes(&self) -> Result<Vec<String>, Error> {
        if !self.prune {
            return Ok(Vec::new());
        }
        if self.file.iter().any(|f| f == "-") {
            return Err(Error::new(Kind::Usage, "`--prune` cannot know what stdin has held before")
                .hint("Put the definitions into a file, and apply that."));
        }
        self.file.iter().map(|f| source_of(f)).collect()
    }
}

/// Whether something is pruned, and where.
pub(super) fn prune(scopes: &[String]) -> Prune<'_> {
    if scopes.is_empty() { Prune::No } else { Prune::Of(scopes) }
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Error> {
    let defining = args.files.defining(context)?;
    let scopes = args.files.scopes()?;
    let (zones, now) = (&context.zones, context.now());
    let differences = if args.dry_run {
        let store = context.open(Missing::ShowNothing)?;
        store.read(|r| ops::compare(r, zones, defining, prune(&scopes), now))?
    } else {
        let mut store = context.open(Missing::Create)?;
        store.write(|w| ops::apply(w, zones, defining, prune(&scopes), now))?
    };
    show(context, &differences, if args.dry_run { Tense::Would } else { Tense::Did })?;
    if args.dry_run {
        return Ok(());
    }
    context.hint_when_down("nothing runs until it is.")
}

/// Whether it has been done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tense {
    Did,
    Would,
}

/// Shows what is different, schedule by schedule, and how much.
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
        let mark = ui.paint(style, &format!("{mark} {}", difference.change.name()));
        ui.data(&format!("{mark} {}: {}", difference.id, difference.spec_text))?;
        if difference.change == Change::Update {
            for field in &difference.fields {
                ui.data(&format!("    {}: {} → {}", field.name, said(&field.old), said(&field.new)))?;
            }
        }
    }
    let warnings: Vec<_> = differences
        .iter()
        .flat_map(|d| d.warnings.iter().map(move |w| (&d.id, w)))
        .collect();
    for (id, warning) in warnings.iter().take(MOST_WARNINGS) {
        ui.say(&format!("note: {id}: {warning}"));
    }
    if warnings.len() > MOST_WARNINGS {
        ui.say(&format!(
            "note: and {} more like these; `-o json` has them all",
            warnings.len() - MOST_WARNINGS
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
        "nothing changes".to_owned()
    } else {
        parts.join(", ")
    };
    ui.data(&format!("{}: {changed}", counted(differences.len() as u64, "schedule")))
}

/// A value for people: texts without quotes.
fn said(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Null => "(none)".to_owned(),
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Array(items) if items.len() == 1 => said(&items[0]),
        serde_json::Value::Bool(_)
        | serde_json::Value::Number(_)
        | serde_json::Value::Array(_)
        | serde_json::Value::Object(_) => value.to_string(),
    }
}
