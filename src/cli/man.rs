//! `tempo man`.

use std::path::{Path, PathBuf};

use super::Context;
use crate::error::{Error, Kind};

/// Print the manual page, or write the pages of all commands to a folder
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Where the pages are written; the page of `tempo` itself is printed when not given
    dir: Option<PathBuf>,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Error> {
    let pages = pages()?;
    let Some(dir) = &args.dir else {
        return pages.first().map_or(Ok(()), |(_, page)| context.ui.raw(page));
    };
    let failed =
        |path: &Path, e: std::io::Error| Error::new(Kind::System, format_args!("cannot write `{}`", path.display())).because(e);
    std::fs::create_dir_all(dir).map_err(|e| failed(dir, e))?;
    for (name, page) in &pages {
        let path = dir.join(name);
        std::fs::write(&path, page).map_err(|e| failed(&path, e))?;
    }
    context.ui.say(&format!(
        "Wrote {} to {}",
        crate::output::counted(pages.len() as u64, "page"),
        dir.display()
    ));
    Ok(())
}

/// The page of each command, by file name; that of `tempo` itself first.
pub(crate) fn pages() -> Result<Vec<(String, Vec<u8>)>, Error> {
    let mut pages = Vec::new();
    collect(&super::command(), "tempo", &mut pages)?;
    Ok(pages)
}

fn collect(command: &clap::Command, name: &str, pages: &mut Vec<(String, Vec<u8>)>) -> Result<(), Error> {
    let named = command
        .clone()
        .name(name.to_owned())
        .bin_name(name.replace('-', " "))
        .display_name(name.to_owned());
    let mut page = Vec::new();
    let drawn = clap_mangen::Man::new(named)
        .title(name.to_uppercase())
        .source(concat!("tempo ", env!("CARGO_PKG_VERSION")))
        .render(&mut page);
    drawn.map_err(|e| Error::new(Kind::System, format_args!("cannot draw the page of `{name}`")).because(e))?;
    pages.push((format!("{name}.1"), page));
    for sub in command.get_subcommands().filter(|s| !s.is_hide_set()) {
        collect(sub, &format!("{name}-{}", sub.get_name()), pages)?;
    }
    Ok(())
}
