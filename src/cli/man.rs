//! `tempo man`.

use std::path::{Path, PathBuf};

use clap_mangen::roff::{Roff, bold, roman};

use super::help::{TOPICS, Topic, exit_codes as exit_code_lines};
use super::{Context, examples, exit_codes};
use crate::error::{Error, Kind};

/// The source that the pages name.
const SOURCE: &str = concat!("tempo ", env!("CARGO_PKG_VERSION"));

/// Print the manual page, or write the pages of all commands to a directory
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Directory to write the pages to; without it, the page of `tempo` itself is printed
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
    // Pages of section 7 go into a sibling directory, where `man` looks for them.
    let topics = if dir.ends_with("man1") {
        dir.with_file_name("man7")
    } else {
        dir.clone()
    };
    std::fs::create_dir_all(&topics).map_err(|e| failed(&topics, e))?;
    for (name, page) in &pages {
        let path = if name.ends_with(".7") {
            topics.join(name)
        } else {
            dir.join(name)
        };
        std::fs::write(&path, page).map_err(|e| failed(&path, e))?;
    }
    context.ui.say(&format!(
        "Wrote {} to {}",
        crate::output::counted(pages.len() as u64, "page"),
        dir.display()
    ));
    Ok(())
}

/// Returns the page of each command and each topic with its file name, that of `tempo` itself first.
pub(crate) fn pages() -> Result<Vec<(String, Vec<u8>)>, Error> {
    let mut pages = Vec::new();
    collect(&super::command(), "tempo", &mut pages)?;
    for topic in &TOPICS {
        let mut page = Vec::new();
        topic_page(topic, &mut page).map_err(|e| render_error(topic.name, e))?;
        pages.push((format!("tempo-{}.7", topic.name), page));
    }
    Ok(pages)
}

fn render_error(name: &str, e: std::io::Error) -> Error {
    Error::new(Kind::System, format_args!("cannot render the page of `{name}`")).because(e)
}

fn collect(command: &clap::Command, name: &str, pages: &mut Vec<(String, Vec<u8>)>) -> Result<(), Error> {
    // The page of `tempo` itself has the global options.
    let is_first = pages.is_empty();
    let named = command
        .clone()
        .mut_args(|arg| {
            let is_hidden = arg.is_hide_set() || !is_first && arg.is_global_set();
            arg.hide(is_hidden)
        })
        .name(name.to_owned())
        .bin_name(name.replace('-', " "))
        .display_name(name.to_owned());
    let mut page = Vec::new();
    command_page(named, name, &mut page).map_err(|e| render_error(name, e))?;
    pages.push((format!("{name}.1"), page));
    for sub in command.get_subcommands().filter(|s| !s.is_hide_set()) {
        collect(sub, &format!("{name}-{}", sub.get_name()), pages)?;
    }
    Ok(())
}

fn command_page(command: clap::Command, name: &str, page: &mut Vec<u8>) -> std::io::Result<()> {
    let path = name.strip_prefix("tempo-").unwrap_or_default().replace('-', " ");
    let is_leaf = !command.has_subcommands();
    let man = clap_mangen::Man::new(command).title(name.to_uppercase()).source(SOURCE);
    man.render_title(page)?;
    man.render_name_section(page)?;
    man.render_synopsis_section(page)?;
    man.render_description_section(page)?;
    man.render_options_section(page)?;
    if !is_leaf {
        man.render_subcommands_section(page)?;
    }
    let mut end = Roff::new();
    if is_leaf {
        end.control("SH", ["EXAMPLES"]);
        for (line, what) in examples::of(&path) {
            end.control("PP", []).text([roman(format!("{what}:"))]);
            verbatim(&mut end, [*line]);
        }
    }
    end.control("SH", ["EXIT STATUS"]);
    let specific = exit_codes::of(&path);
    for (code, meaning) in exit_code_lines()
        .into_iter()
        .filter(|(code, _)| !is_leaf || [0, 2, 6].contains(code) || specific.contains(code))
    {
        end.control("TP", []).text([bold(code.to_string())]).text([roman(meaning)]);
    }
    end.control("SH", ["SEE ALSO"]);
    let topics = TOPICS.iter().map(|t| format!("tempo-{}(7)", t.name));
    let mut others: Vec<String> = topics.collect();
    if name != "tempo" {
        others.insert(0, "tempo(1)".to_owned());
    }
    end.text([roman(others.join(", "))]);
    end.to_writer(page)
}

/// Renders a topic as a page: headings, paragraphs, and indented lines verbatim.
fn topic_page(topic: &Topic, page: &mut Vec<u8>) -> std::io::Result<()> {
    let name = format!("tempo-{}", topic.name);
    let mut roff = Roff::new();
    roff.control("TH", [name.to_uppercase().as_str(), "7", "", SOURCE]);
    roff.control("SH", ["NAME"]);
    roff.text([roman(format!("{name} - {}", topic.title()))]);
    if !topic.body().starts_with('#') {
        roff.control("SH", ["DESCRIPTION"]);
    }
    for paragraph in topic.body().split("\n\n") {
        if let Some(heading) = paragraph.strip_prefix("# ") {
            roff.control("SH", [heading.to_uppercase().as_str()]);
        } else if paragraph.starts_with("    ") {
            verbatim(&mut roff, paragraph.lines());
        } else {
            roff.control("PP", []).text([roman(paragraph.replace('\n', " "))]);
        }
    }
    roff.to_writer(page)
}

/// Adds lines verbatim, without their indent.
fn verbatim<'a>(roff: &mut Roff, lines: impl IntoIterator<Item = &'a str>) {
    roff.control("PP", []).control("RS", ["4"]).control("nf", []);
    for line in lines {
        roff.text([roman(line.trim_start_matches("    "))]);
    }
    roff.control("fi", []).control("RE", []);
}
