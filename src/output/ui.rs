//! The only printer: data on stdout, talk on stderr, both readable without colour.

use std::borrow::Cow;
use std::io::{ErrorKind, IsTerminal as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;

use crate::error::{Error, Kind};
use crate::machine;

/// How data is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON document.
    Json,
    /// One JSON document a line.
    Jsonl,
}

/// When colours are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum ColorWhen {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What a text means; the colour follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// It is as it should be.
    Good,
    /// It wants attention.
    Warn,
    /// It has failed.
    Bad,
    /// It matters less.
    Dim,
    /// It matters more.
    Strong,
}

impl Style {
    const ALL: [Self; 5] = [Self::Good, Self::Warn, Self::Bad, Self::Dim, Self::Strong];

    fn code(self) -> &'static str {
        match self {
            Self::Good => "32",
            Self::Warn => "33",
            Self::Bad => "31",
            Self::Dim => "2",
            Self::Strong => "1",
        }
    }
}

/// How much talk there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Talk {
    /// Errors only.
    Quiet,
    /// What people want to know.
    Normal,
    /// More.
    Verbose,
}

/// The printer.
#[derive(Debug, Clone)]
pub(crate) struct Ui {
    format: Format,
    talk: Talk,
    color_out: bool,
    color_err: bool,
    /// The reader of stdout has gone: nothing more is written.
    closed: Arc<AtomicBool>,
}

fn use_color(when: ColorWhen, terminal: bool) -> bool {
    let set = |name: &str| machine::variable(name).is_some_and(|v| !v.is_empty() && v != "0");
    match when {
        ColorWhen::Always => true,
        ColorWhen::Never => false,
        ColorWhen::Auto if machine::variable("NO_COLOR").is_some_and(|v| !v.is_empty()) => false,
        ColorWhen::Auto => set("CLICOLOR_FORCE") || terminal,
    }
}

impl Ui {
    /// A printer as the flags and the terminal ask for.
    pub(crate) fn new(format: Format, color: ColorWhen, talk: Talk) -> Self {
        Self {
            format,
            talk,
            color_out: use_color(color, std::io::stdout().is_terminal()),
            color_err: use_color(color, std::io::stderr().is_terminal()),
            closed: Arc::new(AtomicBool::new(false)),
        }
    }

    /// How data is written.
    pub(crate) fn format(&self) -> Format {
        self.format
    }

    /// Whether data is for people.
    pub(crate) fn is_text(&self) -> bool {
        self.format == Format::Text
    }

    /// Whether stdout shows colours.
    pub(crate) fn is_colored(&self) -> bool {
        self.color_out
    }

    /// A text for stdout in the colour of its meaning.
    pub(crate) fn paint(&self, style: Style, text: &str) -> String {
        painted(self.color_out, style, text)
    }

    /// Writes a line of data.
    ///
    /// # Errors
    /// `System` when stdout cannot be written; that its reader has gone is no error.
    pub(crate) fn data(&self, line: &str) -> Result<(), Error> {
        if self.is_text() {
            return self.write(&format!("{}\n", tame_painted(line, self.color_out)));
        }
        self.write(&format!("{line}\n"))
    }

    /// Writes what a step has written: as it is into a pipe or a file, without what would control a terminal to one.
    ///
    /// # Errors
    /// As [`Ui::data`].
    pub(crate) fn output(&self, bytes: &[u8]) -> Result<(), Error> {
        if !std::io::stdout().is_terminal() {
            return self.raw(bytes);
        }
        let text = String::from_utf8_lossy(bytes).replace("\r\n", "\n").replace('\r', "\n");
        self.write(&tame(&text))
    }

    /// Writes bytes of data as they are.
    ///
    /// # Errors
    /// As [`Ui::data`].
    pub(crate) fn raw(&self, bytes: &[u8]) -> Result<(), Error> {
        if self.closed.load(Ordering::Relaxed) {
            return Ok(());
        }
        let mut out = std::io::stdout().lock();
        match out.write_all(bytes).and_then(|()| out.flush()) {
            Ok(()) => Ok(()),
            Err(e) if e.kind() == ErrorKind::BrokenPipe => {
                self.closed.store(true, Ordering::Relaxed);
                Ok(())
            }
            Err(e) => Err(Error::new(Kind::System, "cannot write to stdout").because(e)),
        }
    }

    fn write(&self, text: &str) -> Result<(), Error> {
        self.raw(text.as_bytes())
    }

    /// Writes one thing as JSON.
    ///
    /// # Errors
    /// As [`Ui::data`].
    pub(crate) fn json(&self, thing: &impl Serialize) -> Result<(), Error> {
        let text = match self.format {
            Format::Jsonl => serde_json::to_string(thing),
            Format::Json | Format::Text => serde_json::to_string_pretty(thing),
        };
        let text = text.map_err(|e| Error::new(Kind::System, "cannot write JSON").because(e))?;
        self.data(&escape_controls(text))
    }

    /// Writes a list as JSON: one array, or a line each.
    ///
    /// # Errors
    /// As [`Ui::data`].
    pub(crate) fn json_list<T: Serialize>(&self, list: &[T]) -> Result<(), Error> {
        if self.format == Format::Jsonl {
            return list.iter().try_for_each(|thing| self.json(thing));
        }
        self.json(&list)
    }

    /// Begins to show the same thing anew, on a terminal in the same place; false where nobody reads it any more.
    ///
    /// # Errors
    /// As [`Ui::data`].
    pub(crate) fn begin_again(&self) -> Result<bool, Error> {
        if self.is_text() && std::io::stdout().is_terminal() {
            self.raw(b"\x1b[H\x1b[2J")?;
        }
        Ok(!self.closed.load(Ordering::Relaxed))
    }

    /// Says something on stderr.
    pub(crate) fn say(&self, line: &str) {
        if self.talk >= Talk::Normal {
            err(&tame_painted(line, self.color_err));
        }
    }

    /// Says what to try next.
    pub(crate) fn hint(&self, hint: &str) {
        if self.talk >= Talk::Normal && self.is_text() {
            err(&format!("{} {}", painted(self.color_err, Style::Strong, "hint:"), tame(hint)));
        }
    }

    /// Writes a line to stderr that a program reads, however quiet it is to be.
    pub(crate) fn tell(line: &str) {
        err(line);
    }

    /// Tells an error, with where it is and what to try.
    pub(crate) fn error(&self, error: &Error) {
        if !self.is_text() {
            let body = serde_json::json!({
                "error": {"kind": error.kind().name(), "message": error.to_string(), "hints": error.hints()}
            });
            err(&body.to_string());
            return;
        }
        err(&format!(
            "{} {}",
            painted(self.color_err, Style::Bad, "error:"),
            tame(&error.to_string())
        ));
        if let Some(excerpt) = error.excerpt_lines() {
            for line in excerpt.lines() {
                err(&format!("         {}", tame(line)));
            }
        }
        for hint in error.hints() {
            self.hint(hint);
        }
    }
}

fn err(line: &str) {
    // Where stderr is closed there is nobody to tell.
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// Ends a color.
const RESET: &str = "\x1b[0m";

fn painted(color: bool, style: Style, text: &str) -> String {
    if color {
        format!("\x1b[{}m{text}\x1b[0m", style.code())
    } else {
        text.to_owned()
    }
}

/// Whether a character controls the terminal, or turns the order of what is read: directional marks and line separators of Unicode.
fn controls(c: char) -> bool {
    (c.is_control() && c != '\n' && c != '\t')
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A line as this program builds it: where there is color, this program's color codes stay, and everything else that controls the terminal is replaced.
/// Text from outside may contain the same codes: no color outlives the line.
fn tame_painted(line: &str, color: bool) -> Cow<'_, str> {
    if !color || !line.contains('\x1b') {
        return tame(line);
    }
    let mut clean = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find('\x1b') {
        clean += &tame(&rest[..at]);
        let mut codes = Style::ALL.iter().map(|style| style.code()).chain(["0"]);
        let own = codes.find_map(|code| {
            let sequence = format!("\x1b[{code}m");
            rest[at..].starts_with(&sequence).then_some(sequence)
        });
        clean += own.as_deref().unwrap_or("\u{fffd}");
        rest = &rest[at + own.map_or(1, |sequence| sequence.len())..];
    }
    clean += &tame(rest);
    if !clean.ends_with(RESET) {
        clean += RESET;
    }
    clean.into()
}

/// JSON in which the characters that control a terminal are escaped: they only occur in strings, and mean the same there.
fn escape_controls(json: String) -> String {
    if !json.contains(controls) {
        return json;
    }
    let mut escaped = String::with_capacity(json.len());
    for c in json.chars() {
        if controls(c) {
            escaped += &format!("\\u{:04x}", u32::from(c));
        } else {
            escaped.push(c);
        }
    }
    escaped
}

/// Text from outside without what would control the terminal.
pub(crate) fn tame(text: &str) -> Cow<'_, str> {
    let plain = text.bytes().all(|b| (b' '..0x7f).contains(&b));
    if plain || !text.contains(controls) {
        return Cow::Borrowed(text);
    }
    text.chars().map(|c| if controls(c) { '\u{fffd}' } else { c }).collect()
}
