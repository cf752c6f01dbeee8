//! Tables that fit the terminal, and lists of names and values.

use comfy_table::{Attribute, Cell, Color, ColumnConstraint, ContentArrangement, Table, Width, presets};
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
    let all = std::iter::once(header.as_slice()).chain(rows.iter().map(Vec::as_slice));
    ui.raw(fitted(ui, all, terminal_width(), Head::First).as_bytes())
}

/// Writes names with their values.
pub(crate) fn pairs(ui: &Ui, pairs: &[(&str, Meant)]) -> Result<(), Error> {
    let shown = pairs.iter().filter(|(_, (value, _))| !value.is_empty());
    let named: Vec<Vec<Meant>> = shown
        .map(|(name, value)| vec![((*name).to_owned(), Some(Style::Dim)), value.clone()])
        .collect();
    rows(ui, &named)
}

/// Writes rows in columns, without a header.
pub(crate) fn rows(ui: &Ui, rows: &[Vec<Meant>]) -> Result<(), Error> {
    ui.raw(fitted(ui, rows.iter().map(Vec::as_slice), terminal_width(), Head::None).as_bytes())
}

/// Whether the first row names the columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Head {
    First,
    None,
}

/// Rows in columns: as wide as they are where there is room or no terminal; else wrapped between words; else, under a header, a block for each row.
fn fitted<'a>(ui: &Ui, rows: impl Iterator<Item = &'a [Meant]> + Clone, width: Option<u16>, head: Head) -> String {
    let Some(width) = width else { return columns(ui, rows) };
    let room = |widths: &[usize]| widths.iter().sum::<usize>() + 2 * widths.len().saturating_sub(1) <= usize::from(width);
    if room(&widths(rows.clone(), |text| {
        text.split('\n').map(width_of).max().unwrap_or(0)
    })) {
        return columns(ui, rows);
    }
    let words = widths(rows.clone(), |text| text.split_whitespace().map(width_of).max().unwrap_or(0));
    match head {
        Head::None => wrapped(ui, rows, width, &words),
        Head::First if room(&words) => wrapped(ui, rows, width, &words),
        Head::First => blocks(ui, rows),
    }
}

/// The most that `of` says of the texts of each column.
fn widths<'a>(rows: impl Iterator<Item = &'a [Meant]>, of: impl Fn(&str) -> usize) -> Vec<usize> {
    let mut widths: Vec<usize> = Vec::new();
    for row in rows {
        widths.resize(widths.len().max(row.len()), 0);
        for (width, (text, _)) in widths.iter_mut().zip(row) {
            *width = of(text).max(*width);
        }
    }
    widths
}

/// Rows in columns that are at least as wide as their longest words, fitted to a terminal.
fn wrapped<'a>(ui: &Ui, rows: impl Iterator<Item = &'a [Meant]>, width: u16, words: &[usize]) -> String {
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
    for (column, word) in table.column_iter_mut().zip(words) {
        column.set_padding((0, 2));
        let least = u16::try_from(word + 2).unwrap_or(width).min(width / 2);
        column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(least)));
    }
    let mut text = String::new();
    for line in table.lines() {
        // It is filled up with blanks, which say nothing.
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Each row as a block of names and values, where columns would be too narrow for words.
fn blocks<'a>(ui: &Ui, mut rows: impl Iterator<Item = &'a [Meant]>) -> String {
    let Some(header) = rows.next() else { return String::new() };
    let widest = header.iter().map(|(name, _)| width_of(name)).max().unwrap_or(0);
    let mut blocks = Vec::new();
    for row in rows {
        let mut block = String::new();
        for ((name, _), (text, style)) in header.iter().zip(row).filter(|(_, (text, _))| !text.is_empty()) {
            let shown = tame(text).replace('\n', &format!("\n{}", " ".repeat(widest + 2)));
            let shown = style
                .filter(|_| ui.is_colored())
                .map_or_else(|| shown.clone(), |style| ui.paint(style, &shown));
            let blanks = " ".repeat(widest - width_of(name) + 2);
            block.push_str(&format!("{}{blanks}{shown}\n", ui.paint(Style::Dim, name)));
        }
        blocks.push(block);
    }
    blocks.join("\n")
}

/// Rows as lines, two blanks between columns: a table that is fitted to nothing need not be arranged, which costs as much as all the rest.
fn columns<'a>(ui: &Ui, rows: impl Iterator<Item = &'a [Meant]> + Clone) -> String {
    let widths = widths(rows.clone(), |text| text.split('\n').map(width_of).max().unwrap_or(0));
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
    let named = crate::machine::variable("COLUMNS").and_then(|c| c.to_str()?.parse().ok());
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

    #[test]
    fn a_table_fits_the_terminal_and_no_word_is_broken() {
        let row = |id: &str, when: &str, next: &str| vec![plain(id), plain(when), plain(next)];
        let rows = [
            row("ID", "WHEN", "NEXT (UTC)"),
            row(
                "nightly-backup",
                "every weekday at 02:30 (Europe/Berlin)",
                "Mon 01:30:00 (in 6 h 17 min)",
            ),
            row("health", "every 10 s, up to 2 s later", "paused"),
        ];
        let plainly = Ui::new(Format::Text, ColorWhen::Never, Talk::Normal);
        let told = |width| fitted(&plainly, rows.iter().map(Vec::as_slice), width, Head::First);
        let wide = "ID              WHEN                                    NEXT (UTC)
nightly-backup  every weekday at 02:30 (Europe/Berlin)  Mon 01:30:00 (in 6 h 17 min)
health          every 10 s, up to 2 s later             paused
";
        assert_eq!(told(None), wide);
        assert_eq!(told(Some(120)), wide);
        let wrapped = "ID              WHEN                    NEXT (UTC)
nightly-backup  every weekday at 02:30  Mon 01:30:00 (in 6 h
                (Europe/Berlin)         17 min)
health          every 10 s, up to 2 s   paused
                later
";
        assert_eq!(told(Some(64)), wrapped);
        let blocks = "ID          nightly-backup
WHEN        every weekday at 02:30 (Europe/Berlin)
NEXT (UTC)  Mon 01:30:00 (in 6 h 17 min)

ID          health
WHEN        every 10 s, up to 2 s later
NEXT (UTC)  paused
";
        assert_eq!(told(Some(40)), blocks);
        let words: Vec<&str> = rows.iter().flatten().flat_map(|(text, _)| text.split_whitespace()).collect();
        for width in 20..120 {
            let text = told(Some(width));
            assert!(words.iter().all(|w| text.contains(w)), "{width}:\n{text}");
        }
    }
}
