//! `tempo schedule edit`.

use std::io::Write as _;
use std::path::Path;

use clap_complete::engine::ArgValueCandidates;

use super::super::{Context, apply, complete, interrupt};
use crate::error::{Error, Kind};
use crate::files::document::Source;
use crate::files::source_file::SourceFile;
use crate::machine;
use crate::names::ScheduleId;
use crate::ops;

/// Edit a schedule's definition in your editor
///
/// Opens the definition as TOML in `VISUAL` or `EDITOR` (otherwise `vi`). When the editor exits, the definition is validated, and the changes
/// are shown and applied. If it is invalid, or the schedule was changed in the meantime, nothing is
/// applied and the file is kept.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Id of the schedule
    #[arg(add = ArgValueCandidates::new(complete::schedules))]
    id: ScheduleId,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Error> {
    let mut store = super::open_for(context, &args.id)?;
    let original = store.read(|r| ops::definition_text(r, &args.id))?;
    let failed = |e: std::io::Error| Error::new(Kind::System, "cannot write a temporary file").because(e);
    let mut file = tempfile::Builder::new()
        .prefix("tempo-")
        .suffix(".toml")
        .tempfile()
        .map_err(failed)?;
    file.write_all(original.as_bytes()).map_err(failed)?;
    let unedited = original.clone().into_bytes();
    let opened = open_editor(file.path());
    // An editor may have put a pipe or a device in its place, which would be waited for.
    let is_file = || std::fs::metadata(file.path()).is_ok_and(|file| file.is_file());
    let edit = || {
        opened?;
        if !is_file() {
            let path = file.path().display();
            return Err(Error::new(
                Kind::Failed,
                format_args!("the editor left no regular file at `{path}`; nothing was changed"),
            ));
        }
        let edited = SourceFile::read(&machine::path_text(file.path())?)?;
        if edited.text == original {
            return Ok(None);
        }
        let source = |text| Source {
            name: &edited.name,
            text,
        };
        store
            .write(|w| {
                ops::edit(
                    w,
                    &context.zones,
                    &args.id,
                    (&source(&original), &source(&edited.text)),
                    context.now(),
                )
            })
            .map(Some)
    };
    match edit() {
        Ok(Some(difference)) => apply::show(context, &[difference], apply::Tense::Did),
        Ok(None) if context.ui.is_text() => context.ui.data(&format!("Schedule {} was not changed", args.id)),
        Ok(None) => apply::show(context, &[], apply::Tense::Did),
        Err(e) if !is_file() || std::fs::read(file.path()).is_ok_and(|text| text == unedited) => Err(e),
        Err(e) => Err(match file.keep() {
            Ok((_, path)) if path.exists() => e.hint(format_args!("Your edit is kept in `{}`.", path.display())),
            Ok(_) | Err(_) => e,
        }),
    }
}

/// Opens a file in the user's editor and waits until it exits.
fn open_editor(path: &Path) -> Result<(), Error> {
    let variable = |name| machine::environment(name).map(|value| value.filter(|v| !v.trim().is_empty()));
    let editor = match variable("VISUAL")? {
        Some(editor) => editor,
        None => variable("EDITOR")?.unwrap_or_else(|| "vi".to_owned()),
    };
    let failed = |why: String| {
        Error::new(
            Kind::Failed,
            format_args!("the editor `{editor}` failed: {why}; nothing was changed"),
        )
        .hint("Set `VISUAL` or `EDITOR` to the command of your editor; `VISUAL` takes precedence.")
    };
    // Ctrl-C belongs to the editor.
    let _ignored = interrupt::catch(&[signal_hook::consts::SIGINT])?;
    // The variable may contain arguments, as in `code --wait`.
    let status = std::process::Command::new("/bin/sh")
        .args(["-c", &format!("{editor} \"$1\""), "sh"])
        .arg(path)
        .status()
        .map_err(|e| failed(e.to_string()))?;
    if status.success() {
        Ok(())
    } else {
        Err(failed(status.to_string().replace("exit status: ", "exit code ")))
    }
}
