//! The only printer: data on stdout, messages on stderr, both readable without color.

use std::borrow::Cow;
use std::io::{ErrorKind, IsTerminal as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;

use crate::error::{Error, Kind};
use crate::machine;

/// The output format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum Format {
    /// Text for people.
    #[default]
    Text,
    /// One JSON document.
    Json,
    /// One JSON document per line.
    Jsonl,
}

/// When to use colors.
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

/// The meaning of a text, which determines its color.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// Success.
    Good,
    /// Needs attention.
    Warn,
    /// Failure.
    Bad,
    /// Less important.
    Dim,
    /// More important.
    Strong,
}

impl Style {
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

/// The verbosity of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verbosity {
    /// Errors only.
    Quiet,
    /// Messages and hints.
    Normal,
}

/// The printer.
#[derive(Debug, Clone)]
pub(crate) struct Ui {
    format: Format,
    verbosity: Verbosity,
    color_out: bool,
    color_err: bool,
    /// Whether the reader has closed stdout; nothing more is written then.
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
    /// Creates a printer from the flags and the terminal.
    pub(crate) fn new(format: Format, color: ColorWhen, verbosity: Verbosity) -> Self {
        Self {
            format,
            verbosity,
            color_out: use_color(color, std::io::stdout().is_terminal()),
            color_err: use_color(color, std::io::stderr().is_terminal()),
            closed: Arc::new(AtomicBool::new(false)),
        }
    }

    /// The output format.
    pub(crate) fn format(&self) -> Format {
        self.format
    }

    /// Whether the format is text.
    pub(crate) fn is_text(&self) -> bool {
        self.format == Format::Text
    }

    /// Whether stdout shows colors.
    pub(crate) fn is_colored(&self) -> bool {
        self.color_out
    }

    /// Colors a text for stdout by its meaning. The text must not contain control characters, and the result is written unchanged.
    pub(crate) fn paint(&self, style: Style, text: &str) -> String {
        painted(self.color_out, style, text)
    }

    /// Writes a line of data.
    ///
    /// # Errors
    /// `System` when writing to stdout fails; a broken pipe is not an error.
    pub(crate) fn data(&self, line: &str) -> Result<(), Error> {
        if self.is_text() {
            return self.write(&format!("{}\n", sanitize(line)));
        }
        self.write(&format!("{line}\n"))
    }

    /// Writes a line of which only `mark` is colored.
    ///
    /// # Errors
    /// As [`Ui::data`].
    pub(crate) fn marked(&self, before: &str, (style, mark): (Style, &str), after: &str) -> Result<(), Error> {
        let mark = self.paint(style, &sanitize(mark));
        self.write(&format!("{}{mark}{}\n", sanitize(before), sanitize(after)))
    }

    /// Writes the output of a step: unchanged to a pipe or a file, without control characters to a terminal.
    ///
    /// # Errors
    /// As [`Ui::data`].
    pub(crate) fn output(&self, bytes: &[u8]) -> Result<(), Error> {
        if !std::io::stdout().is_terminal() {
            return self.raw(bytes);
        }
        self.write(&for_terminal(bytes))
    }

    /// Writes the stderr of a step to stderr, likewise. An error has nowhere to be reported, and is ignored.
    pub(crate) fn stderr_of_step(bytes: &[u8]) {
        let mut err = std::io::stderr().lock();
        let _ = if err.is_terminal() {
            err.write_all(for_terminal(bytes).as_bytes())
        } else {
            err.write_all(bytes)
        };
    }

    /// Writes bytes unchanged.
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

    /// Writes bytes to stderr as they are: the output of a command that passes through.
    pub(crate) fn raw_stderr(bytes: &[u8]) {
        // Whoever reads it may have gone.
        let _ = std::io::stderr().lock().write_all(bytes);
    }

    fn write(&self, text: &str) -> Result<(), Error> {
        self.raw(text.as_bytes())
    }

    /// Writes a value as JSON.
    ///
    /// # Errors
    /// As [`Ui::data`].
    pub(crate) fn json(&self, value: &impl Serialize) -> Result<(), Error> {
        let text = match self.format {
            Format::Jsonl => serde_json::to_string(value),
            Format::Json | Format::Text => serde_json::to_string_pretty(value),
        };
        let text = text.map_err(|e| Error::new(Kind::System, "cannot write JSON").because(e))?;
        self.data(&escape_controls(text))
    }

    /// Writes a list as JSON: one array, or one line per item.
    ///
    /// # Errors
    /// As [`Ui::data`].
    pub(crate) fn json_list<T: Serialize>(&self, list: &[T]) -> Result<(), Error> {
        if self.format == Format::Jsonl {
            return list.iter().try_for_each(|item| self.json(item));
        }
        self.json(&list)
    }

    /// Starts a repeated display again, on a terminal by clearing the screen. Returns false if stdout is closed.
    ///
    /// # Errors
    /// As [`Ui::data`].
    pub(crate) fn redraw(&self) -> Result<bool, Error> {
        if self.is_text() && std::io::stdout().is_terminal() {
            self.raw(b"\x1b[H\x1b[2J")?;
        }
        Ok(!self.closed.load(Ordering::Relaxed))
    }

    /// Whether whoever read stdout has gone: nothing that is written can arrive.
    pub(crate) fn has_no_reader(&self) -> bool {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let stdout = std::io::stdout();
        let mut fds = [PollFd::new(&stdout, PollFlags::empty())];
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        let polled = poll(&mut fds, Some(&at_once)).is_ok();
        self.closed.load(Ordering::Relaxed) || (polled && fds[0].revents().intersects(PollFlags::ERR | PollFlags::HUP))
    }

    /// Prints a message to stderr, unless quiet or in JSON, where stderr holds nothing but an error.
    pub(crate) fn say(&self, line: &str) {
        if self.verbosity >= Verbosity::Normal && self.is_text() {
            err(&sanitize(line));
        }
    }

    /// Prints a hint to stderr, unless quiet or in JSON.
    pub(crate) fn hint(&self, hint: &str) {
        if self.verbosity >= Verbosity::Normal && self.is_text() {
            err(&format!(
                "{} {}",
                painted(self.color_err, Style::Strong, "hint:"),
                sanitize(hint)
            ));
        }
    }

    /// Prints a line for programs to stderr, even when quiet.
    pub(crate) fn tell(line: &str) {
        err(line);
    }

    /// Prints an error with its excerpt and hints to stderr.
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
            sanitize(&error.to_string())
        ));
        if let Some(excerpt) = error.excerpt_lines() {
            for line in excerpt.lines() {
                err(&format!("         {}", sanitize(line)));
            }
        }
        for hint in error.hints() {
            self.hint(hint);
        }
    }
}

fn err(line: &str) {
    // If stderr is closed, there is no place to report it.
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// The output of a step without control characters.
fn for_terminal(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes).replace("\r\n", "\n").replace('\r', "\n");
    sanitize(&text).into_owned()
}

fn painted(color: bool, style: Style, text: &str) -> String {
    if color {
        format!("\x1b[{}m{text}\x1b[0m", style.code())
    } else {
        text.to_owned()
    }
}

/// Whether a character controls the terminal, changes the order of the text or is hidden in it: Unicode directional marks, line separators and tags.
fn controls(c: char) -> bool {
    (c.is_control() && c != '\n' && c != '\t')
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{e0000}'..='\u{e007f}')
}

/// JSON in which the characters that control a terminal are escaped: they only occur in strings, and mean the same there.
fn escape_controls(json: String) -> String {
    if !json.contains(controls) {
        return json;
    }
    let mut escaped = String::with_capacity(json.len());
    for c in json.chars() {
        if controls(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                escaped += &format!("\\u{unit:04x}");
            }
        } else {
            escaped.push(c);
        }
    }
    escaped
}

/// Replaces characters in external text that would control the terminal.
pub(crate) fn sanitize(text: &str) -> Cow<'_, str> {
    let plain = text.bytes().all(|b| (b' '..0x7f).contains(&b));
    if plain || !text.contains(controls) {
        return Cow::Borrowed(text);
    }
    text.chars().map(|c| if controls(c) { '\u{fffd}' } else { c }).collect()
}
