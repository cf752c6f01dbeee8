//! Tables that fit the terminal, and lists of names and values.

use comfy_table::{Attribute, Cell, Color, ColumnConstraint, ContentArrangement, Table, Width, presets};
use std::io::IsTerminal as _;
use unicode_width::UnicodeWidthStr;

use super::ui::{Style, Ui, sanitize};
use crate::error::Error;

/// A cell: its text and its style.
pub(crate) type StyledCell = (String, Option<Style>);

/// Writes a table with a header; without rows, prints the message `if_empty` instead.
pub(crate) fn table(ui: &Ui, header: &[&str], rows: &[Vec<StyledCell>], if_empty: &str) -> Result<(), Error> {
    if rows.is_empty() {
        ui.say(if_empty);
        return Ok(());
    }
    let header: Vec<StyledCell> = header.iter().map(|h| ((*h).to_owned(), Some(Style::Dim))).collect();
    let all = std::iter::once(header.as_slice()).chain(rows.iter().map(Vec::as_slice));
    ui.raw(fitted(ui, all, terminal_width(), Head::First).as_bytes())
}

/// Like [`table`], without the columns in which every cell is empty or 0.
pub(crate) fn short_table(ui: &Ui, header: &[&str], rows: &[Vec<StyledCell>], if_empty: &str) -> Result<(), Error> {
    let says_something = |column: &usize| rows.iter().any(|row| !matches!(row[*column].0.as_str(), "" | "0"));
    let columns: Vec<usize> = (0..header.len())
        .filter(|column| rows.is_empty() || says_something(column))
        .collect();
    let header: Vec<&str> = columns.iter().map(|column| header[*column]).collect();
    let rows: Vec<Vec<StyledCell>> = rows
        .iter()
        .map(|row| columns.iter().map(|column| row[*column].clone()).collect())
        .collect();
    table(ui, &header, &rows, if_empty)
}

/// Writes names with their values, without those that are empty.
pub(crate) fn pairs(ui: &Ui, pairs: &[(&str, StyledCell)]) -> Result<(), Error> {
    let shown = pairs.iter().filter(|(_, (value, _))| !value.is_empty());
    let styled: Vec<Vec<StyledCell>> = shown
        .map(|(name, value)| vec![((*name).to_owned(), Some(Style::Dim)), value.clone()])
        .collect();
    rows(ui, &styled)
}

/// Writes rows in columns, without a header.
pub(crate) fn rows(ui: &Ui, rows: &[Vec<StyledCell>]) -> Result<(), Error> {
    ui.raw(fitted(ui, rows.iter().map(Vec::as_slice), terminal_width(), Head::None).as_bytes())
}

/// Whether the first row is a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Head {
    First,
    None,
}

/// Formats rows in columns: unwrapped if they fit or there is no terminal; else wrapped between words; else, with a header, one block per row.
fn fitted<'a>(ui: &Ui, rows: impl Iterator<Item = &'a [StyledCell]> + Clone, width: Option<u16>, head: Head) -> String {
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

/// The maximum of `of` over the texts of each column.
fn widths<'a>(rows: impl Iterator<Item = &'a [StyledCell]>, of: impl Fn(&str) -> usize) -> Vec<usize> {
    let mut widths: Vec<usize> = Vec::new();
    for row in rows {
        widths.resize(widths.len().max(row.len()), 0);
        for (width, (text, _)) in widths.iter_mut().zip(row) {
            *width = of(text).max(*width);
        }
    }
    widths
}

/// Formats rows in columns at least as wide as their longest words, fitted to a terminal.
fn wrapped<'a>(ui: &Ui, rows: impl Iterator<Item = &'a [StyledCell]>, width: u16, words: &[usize]) -> String {
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
        // Lines are padded with spaces to the full width.
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Formats each row as a block of names and values, for terminals too narrow for columns.
fn blocks<'a>(ui: &Ui, mut rows: impl Iterator<Item = &'a [StyledCell]>) -> String {
    let Some(header) = rows.next() else { return String::new() };
    let widest = header.iter().map(|(name, _)| width_of(name)).max().unwrap_or(0);
    let mut blocks = Vec::new();
    for row in rows {
        let mut block = String::new();
        for ((name, _), (text, style)) in header.iter().zip(row).filter(|(_, (text, _))| !text.is_empty()) {
            let shown = sanitize(text).replace('\n', &format!("\n{}", " ".repeat(widest + 2)));
            let shown = style
                .filter(|_| ui.is_colored())
                .map_or_else(|| shown.clone(), |style| ui.paint(style, &shown));
            let padding = " ".repeat(widest - width_of(name) + 2);
            block.push_str(&format!("{}{padding}{shown}\n", ui.paint(Style::Dim, name)));
        }
        blocks.push(block);
    }
    blocks.join("\n")
}

/// Formats rows unwrapped, with two spaces between columns. The table library is not used here: its layout costs as much as everything else.
fn columns<'a>(ui: &Ui, rows: impl Iterator<Item = &'a [StyledCell]> + Clone) -> String {
    let widths = widths(rows.clone(), |text| text.split('\n').map(width_of).max().unwrap_or(0));
    let mut all = String::new();
    for row in rows {
        let height = row.iter().map(|(text, _)| 1 + text.matches('\n').count()).max().unwrap_or(1);
        for n in 0..height {
            let mut padding = 0;
            for ((text, style), width) in row.iter().zip(&widths) {
                // Nearly every row is a single line, so there is nothing to split.
                let line = if height == 1 {
                    text
                } else {
                    text.lines().nth(n).unwrap_or_default()
                };
                if !line.is_empty() {
                    all.extend(std::iter::repeat_n(' ', padding));
                    padding = 0;
                    let line = sanitize(line);
                    match style.filter(|_| ui.is_colored()) {
                        Some(style) => all.push_str(&ui.paint(style, &line)),
                        None => all.push_str(&line),
                    }
                }
                padding += width.saturating_sub(width_of(line)) + 2;
            }
            all.push('\n');
        }
    }
    all
}

/// The width of a text in terminal columns.
fn width_of(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.width() }
}

/// A cell without a style.
pub(crate) fn plain(text: impl Into<String>) -> StyledCell {
    (text.into(), None)
}

/// The width of the terminal on stdout, if stdout is one.
pub(crate) fn terminal_width() -> Option<u16> {
    if !std::io::stdout().is_terminal() {
        return None;
    }
    let from_env = crate::machine::variable("COLUMNS").and_then(|c| c.to_str()?.parse().ok());
    from_env
        .or_else(|| rustix::termios::tcgetwinsize(std::io::stdout()).ok().map(|s| s.ws_col))
        .filter(|w| *w >= 20)
}

fn cell(ui: &Ui, text: &str, style: Option<Style>) -> Cell {
    let cell = Cell::new(sanitize(text).as_ref());
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
    use crate::output::ui::{ColorWhen, Format, Verbosity};

    #[test]
    fn columns_align_with_wide_characters_and_line_breaks() {
        let rows = [
            vec![plain("ID"), plain("NOTE"), plain("RUNS")],
            vec![plain("a"), plain("two\nlines"), plain("1")],
            vec![plain("längste"), plain(""), plain("12")],
            vec![plain("日本"), plain("x"), (String::new(), Some(Style::Dim))],
        ];
        let ui = Ui::new(Format::Text, ColorWhen::Never, Verbosity::Normal);
        let text = columns(&ui, rows.iter().map(Vec::as_slice));
        let want = [
            "ID       NOTE   RUNS",
            "a        two    1",
            "         lines",
            "längste         12",
            "日本     x",
            "",
        ];
        assert_eq!(text, want.join("\n"));
    }

    #[test]
    fn a_table_fits_the_terminal_without_breaking_words() {
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
        let ui = Ui::new(Format::Text, ColorWhen::Never, Verbosity::Normal);
        let render = |width| fitted(&ui, rows.iter().map(Vec::as_slice), width, Head::First);
        let wide = "ID              WHEN                                    NEXT (UTC)
nightly-backup  every weekday at 02:30 (Europe/Berlin)  Mon 01:30:00 (in 6 h 17 min)
health          every 10 s, up to 2 s later             paused
";
        assert_eq!(render(None), wide);
        assert_eq!(render(Some(120)), wide);
        let wrapped = "ID              WHEN                    NEXT (UTC)
nightly-backup  every weekday at 02:30  Mon 01:30:00 (in 6 h
                (Europe/Berlin)         17 min)
health          every 10 s, up to 2 s   paused
                later
";
        assert_eq!(render(Some(64)), wrapped);
        let blocks = "ID          nightly-backup
WHEN        every weekday at 02:30 (Europe/Berlin)
NEXT (UTC)  Mon 01:30:00 (in 6 h 17 min)

ID          health
WHEN        every 10 s, up to 2 s later
NEXT (UTC)  paused
";
        assert_eq!(render(Some(40)), blocks);
        let words: Vec<&str> = rows.iter().flatten().flat_map(|(text, _)| text.split_whitespace()).collect();
        for width in 20..120 {
            let text = render(Some(width));
            assert!(words.iter().all(|w| text.contains(w)), "{width}:\n{text}");
        }
    }
}
