//! Tables that fit the terminal, and lists of names and values.

use comfy_table::{Attribute, Cell, Color, ContentArrangement, Table, presets};
use std::io::IsTerminal as _;

use super::ui::{Style, Ui, tame};
use crate::error::Error;

/// A cell: its text, and what it means.
pub(crate) type Meant = (String, Option<Style>);

/// Writes a table with a header, or says that there is nothing.
pub(crate) fn table(ui: &Ui, header: &[&str], rows: &[Vec<Meant>], nothing: &str) -> Result<(), Error> {
    if rows.is_empty() {
        ui.say(nothing);
        return Ok(());
    }
    let mut table = bare(ui);
    table.set_header(header.iter().map(|h| cell(ui, h, Some(Style::Dim))));
    for row in rows {
        table.add_row(row.iter().map(|(text, style)| cell(ui, text, *style)));
    }
    print(ui, &table)
}

/// Writes names with their values.
pub(crate) fn pairs(ui: &Ui, pairs: &[(&str, Meant)]) -> Result<(), Error> {
    let mut table = bare(ui);
    for (name, (value, style)) in pairs.iter().filter(|(_, (value, _))| !value.is_empty()) {
        table.add_row([cell(ui, name, Some(Style::Dim)), cell(ui, value, *style)]);
    }
    print(ui, &table)
}

/// A cell without meaning.
pub(crate) fn plain(text: impl Into<String>) -> Meant {
    (text.into(), None)
}

fn bare(ui: &Ui) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    if ui.is_colored() {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    if let Some(width) = terminal_width() {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    } else {
        table.set_content_arrangement(ContentArrangement::Disabled);
    }
    table
}

/// The width of the terminal on stdout, if there is one.
fn terminal_width() -> Option<u16> {
    if !std::io::stdout().is_terminal() {
        return None;
    }
    let named = crate::machine::environment("COLUMNS").and_then(|c| c.parse().ok());
    named
        .or_else(|| rustix::termios::tcgetwinsize(std::io::stdout()).ok().map(|s| s.ws_col))
        .filter(|w| *w >= 20)
}

fn cell(ui: &Ui, text: &str, style: Option<Style>) -> Cell {
    let cell = Cell::new(tame(text).as_ref());
    let Some(style) = style.filter(|_| ui.is_colored()) else {
        return cell;
    };
    match style {
        Style::Good => cell.fg(Color::DarkGreen),
        Style::Warn => cell.fg(Color::DarkYellow),
        Style::Bad => cell.fg(Color::DarkRed),
        Style::Dim => cell.add_attribute(Attribute::Dim),
        Style::Strong => cell.add_attribute(Attribute::Bold),
    }
}

fn print(ui: &Ui, table: &Table) -> Result<(), Error> {
    let mut text = String::new();
    for line in table.lines() {
        // The preset indents by a blank and fills up with blanks: neither says anything.
        text.push_str(line.strip_prefix(' ').unwrap_or(&line).trim_end());
        text.push('\n');
    }
    ui.raw(text.as_bytes())
}
