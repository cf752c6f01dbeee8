//! Tables that fit the terminal, and lists of names and values.

use comfy_table::{Attribute, Cell, Color, ContentArrangement, Table, presets};
use std::io::IsTerminal as _;
use unicode_width::UnicodeWidthStr;

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
    let header: Vec<Meant> = header.iter().map(|h| ((*h).to_owned(), Some(Style::Dim))).collect();
    lines(ui, std::iter::once(header.as_slice()).chain(rows.iter().map(Vec::as_slice)))
}

/// Writes names with their values.
pub(crate) fn pairs(ui: &Ui, pairs: &[(&str, Meant)]) -> Result<(), Error> {
    let shown = pairs.iter().filter(|(_, (value, _))| !value.is_empty());
    let rows: Vec<[Meant; 2]> = shown
        .map(|(name, value)| [((*name).to_owned(), Some(Style::Dim)), value.clone()])
        .collect();
    lines(ui, rows.iter().map(<[Meant; 2]>::as_slice))
}

/// Writes rows in columns: fitted to the terminal, or else as wide as they are.
fn lines<'a>(ui: &Ui, rows: impl Iterator<Item = &'a [Meant]> + Clone) -> Result<(), Error> {
    let Some(width) = terminal_width() else {
        return ui.raw(columns(ui, rows).as_bytes());
    };
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    if ui.is_colored() {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    for row in rows {
        table.add_row(row.iter().map(|(text, style)| cell(ui, text, *style)));
    }
    let mut text = String::new();
    for line in table.lines() {
        // The preset indents by a blank and fills up with blanks: neither says anything.
        text.push_str(line.strip_prefix(' ').unwrap_or(&line).trim_end());
        text.push('\n');
    }
    ui.raw(text.as_bytes())
}

/// Rows as lines, two blanks between columns: a table that is fitted to nothing need not be arranged, which costs as much as all the rest.
fn columns<'a>(ui: &Ui, rows: impl Iterator<Item = &'a [Meant]> + Clone) -> String {
    let mut widths: Vec<usize> = Vec::new();
    for row in rows.clone() {
        widths.resize(widths.len().max(row.len()), 0);
        for (width, (text, _)) in widths.iter_mut().zip(row) {
            *width = text.split('\n').map(width_of).fold(*width, usize::max);
        }
    }
    let mut all = String::new();
    for row in rows {
        let height = row.iter().map(|(text, _)| 1 + text.matches('\n').count()).max().unwrap_or(1);
        for n in 0..height {
            let mut blanks = 0;
            for ((text, style), width) in row.iter().zip(&widths) {
                // Nearly every text is one line: it need not be looked for.
                let line = if height == 1 {
                    text
                } else {
                    text.lines().nth(n).unwrap_or_default()
                };
                if !line.is_empty() {
                    all.extend(std::iter::repeat_n(' ', blanks));
                    blanks = 0;
                    let line = tame(line);
                    match style.filter(|_| ui.is_colored()) {
                        Some(style) => all.push_str(&ui.paint(style, &line)),
                        None => all.push_str(&line),
                    }
                }
                blanks += width.saturating_sub(width_of(line)) + 2;
            }
            all.push('\n');
        }
    }
    all
}

/// How many columns of a terminal a text takes.
fn width_of(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.width() }
}

/// A cell without meaning.
pub(crate) fn plain(text: impl Into<String>) -> Meant {
    (text.into(), None)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::ui::{ColorWhen, Format, Talk};

    #[test]
    fn columns_stand_under_each_other_whatever_is_in_them() {
        let rows = [
            vec![plain("ID"), plain("NOTE"), plain("RUNS")],
            vec![plain("a"), plain("two\nlines"), plain("1")],
            vec![plain("längste"), plain(""), plain("12")],
            vec![plain("日本"), plain("x"), (String::new(), Some(Style::Dim))],
        ];
        let plainly = Ui::new(Format::Text, ColorWhen::Never, Talk::Normal);
        let told = columns(&plainly, rows.iter().map(Vec::as_slice));
        let want = [
            "ID       NOTE   RUNS",
            "a        two    1",
            "         lines",
            "längste         12",
            "日本     x",
            "",
        ];
        assert_eq!(told, want.join("\n"));
    }
}
