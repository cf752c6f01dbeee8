//! A definition file, TOML or JSON, as a tree that records the place of each key and value.

use std::fmt;
use std::ops::Range;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use toml::de::DeTable;
use toml_parser::lexer::{Token, TokenKind};

use super::node::{Node, Value, duplicate_key, of_json, of_table};
use crate::error::{Error, Kind};
use crate::names::shown;

/// The name and the text of a definition file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source<'a> {
    /// The name shown in errors.
    pub(crate) name: &'a str,
    /// The contents of the file.
    pub(crate) text: &'a str,
}

impl Source<'_> {
    /// Returns the line and column of a byte, counted from 1.
    pub(crate) fn place(&self, at: usize) -> (usize, usize) {
        let before = &self.text[..self.text.floor_char_boundary(at)];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |l| l.chars().count()) + 1;
        (line, column)
    }

    /// Returns a line counter for places in ascending order.
    pub(crate) fn places(&self) -> Places<'_> {
        Places {
            text: self.text,
            at: 0,
            line: 1,
        }
    }

    /// Returns the place of a byte as compilers write it: `jobs.toml:7:8`.
    pub(crate) fn place_text(&self, at: usize) -> String {
        let (line, column) = self.place(at);
        format!("{}:{line}:{column}", self.name)
    }

    pub(super) fn error_at(&self, at: usize, message: impl fmt::Display) -> Error {
        Error::new(Kind::Usage, message).within(self.place_text(at))
    }

    /// The text without the mark of its byte order.
    fn without_mark(&self) -> &str {
        self.text.strip_prefix('\u{feff}').unwrap_or(self.text)
    }

    fn is_json(&self) -> bool {
        let start = self.without_mark().trim_start();
        start.starts_with('{') || (start.starts_with('[') && !is_header(start))
    }

    /// Parses the text: as JSON if it begins with a bracket that is not a TOML header, otherwise as TOML.
    ///
    /// # Errors
    /// `Usage` with line and column.
    pub(crate) fn tree(&self) -> Result<Node, Error> {
        if self.is_json() {
            let text = self.without_mark();
            let raw: &RawValue = serde_json::from_str(text).map_err(|e| {
                let message = e.to_string();
                let message = match message.split(" at line ").next().unwrap_or_default() {
                    _ if e.is_eof() => "unexpected end of the text",
                    message => message,
                };
                let line = text.lines().nth(e.line().saturating_sub(1)).unwrap_or_default();
                let before = line.floor_char_boundary(e.column().saturating_sub(1));
                let column = line[..before].chars().count() + 1;
                Error::new(Kind::Usage, message).within(format_args!("{}:{}:{column}", self.name, e.line()))
            })?;
            return of_json(raw.get(), self.text, 0).map_err(|(at, message)| self.error_at(at, message));
        }
        let table = DeTable::parse(self.text).map_err(|e| {
            let message = e.message().lines().collect::<Vec<_>>().join(", ");
            let span = e.span().unwrap_or_default();
            let error = match self.text.get(span.clone()) {
                Some(key) if message == "duplicate key" => self.error_at(span.start, duplicate_key(key)),
                Some(_) | None => self.error_at(span.start, message),
            };
            let extension = Path::new(self.name).extension();
            if extension.is_some_and(|extension| extension == "yaml" || extension == "yml") {
                return error.hint("Definition files are TOML or JSON.");
            }
            error
        })?;
        let at = table.span().start;
        of_table(table.into_inner(), 0, at).map_err(|(at, message)| self.error_at(at, message))
    }

    /// Splits a TOML file at its `[[key]]` headers into one part per table. Parts are parsed one at a time, because the tree of a whole file takes
    /// twenty times its size. `None` if anything precedes the first header, there is no header, or there may be other tables than those of the list `key`.
    pub(crate) fn parts(&self, key: &str) -> Option<impl Iterator<Item = Range<usize>>> {
        let mut starts = Vec::new();
        let mut line: Vec<Token> = Vec::new();
        let text_of = |token: &Token| &self.text[token.span().start()..token.span().end()];
        for token in toml_parser::Source::new(self.text).lex() {
            let kind = token.kind();
            if matches!(kind, TokenKind::Newline | TokenKind::Eof) {
                let is_before = starts.is_empty() && !line.is_empty();
                // Or a line within a list; then the file is only read in another way.
                let is_header = line.first().is_some_and(|first| first.kind() == TokenKind::LeftSquareBracket);
                let mut names = line.iter().filter(|token| token.kind() != TokenKind::LeftSquareBracket);
                if is_before || is_header && names.next().map(text_of) != Some(key) {
                    return None;
                }
                line.clear();
            } else if !matches!(kind, TokenKind::Whitespace | TokenKind::Comment) && line.len() <= HEADER.len() {
                line.push(token);
            }
            if kind == TokenKind::RightSquareBracket && line.iter().map(Token::kind).eq(HEADER) && text_of(&line[2]) == key {
                starts.push(line[0].span().start());
            }
        }
        let ends: Vec<usize> = starts.iter().skip(1).copied().chain([self.text.len()]).collect();
        (!starts.is_empty()).then(|| starts.into_iter().zip(ends).map(|(start, end)| start..end))
    }

    /// Parses a part returned by [`Self::parts`]. `None` if it is not exactly one table of the list `key`; parsing the whole file gives the error.
    pub(crate) fn part(&self, part: Range<usize>, key: &str) -> Option<Node> {
        let start = part.start;
        let table = DeTable::parse(&self.text[part]).ok()?.into_inner();
        let mut root = of_table(table, start, start).ok()?;
        let Value::Table(entries) = &root.value else { return None };
        let is_alone = entries.len() == 1;
        let mut items = root.take_items(key);
        items.pop().filter(|_| is_alone && items.is_empty())
    }

    /// Deserializes a node.
    ///
    /// # Errors
    /// `Usage` with line and column; for an unknown key, with the closest known key as a hint.
    pub(crate) fn read<T: DeserializeOwned>(&self, node: &Node) -> Result<T, Error> {
        T::deserialize(node).map_err(|e| {
            let at = e.at.unwrap_or(node.at);
            let header = self.text[at..].strip_prefix('[').and_then(|rest| rest.split(']').next());
            let header = header.filter(|name| e.message == "expected a list, found a table" && !name.starts_with('['));
            let hint = e.hint.or_else(|| {
                Some(format!(
                    "Write `[[{}]]`: each table of the list begins with double brackets.",
                    shown(header?.trim())
                ))
            });
            let is_command = e.message.starts_with("expected a list, found the string") && self.key_before(at) == "command";
            let hint = hint.or_else(|| {
                let form = "Write a list: the program and each argument; or use `shell` for a command line.";
                is_command.then(|| form.to_owned())
            });
            let message = if self.is_json() {
                e.message.replace("a list", "an array").replace("a table", "an object")
            } else {
                e.message
            };
            hint.iter().fold(self.error_at(at, message), Error::hint)
        })
    }

    /// The key whose value begins at a byte: the word before its `=` or `:`.
    fn key_before(&self, at: usize) -> &str {
        let before = self.text[..at].trim_end().trim_end_matches(['=', ':']).trim_end();
        let before = before.trim_end_matches('"');
        let start = before.rfind(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-')));
        &before[start.map_or(0, |start| start + 1)..]
    }

    /// Adds the place to an error about a table: that of the setting which it names, or the line of the table.
    pub(super) fn within_table(&self, node: &Node, error: Error) -> Error {
        match error.setting().and_then(|key| node.field(key)) {
            Some(value) => {
                let place = self.place_text(value.at);
                error.within(place)
            }
            None => error.within(format_args!("{}:{}", self.name, self.place(node.at).0)),
        }
    }
}

/// Counts lines incrementally, so that a file of thousands of tables is scanned only once.
pub(crate) struct Places<'a> {
    text: &'a str,
    at: usize,
    line: usize,
}

impl Places<'_> {
    /// Returns the line of a byte, which must not precede the byte of the last call.
    pub(crate) fn line_of(&mut self, at: usize) -> usize {
        let passed = self.text.get(self.at..at).unwrap_or_default();
        self.line += passed.matches('\n').count();
        self.at = self.at.max(at);
        self.line
    }
}

/// The tokens of the header of a table in a list: `[[key]]`.
const HEADER: [TokenKind; 5] = [
    TokenKind::LeftSquareBracket,
    TokenKind::LeftSquareBracket,
    TokenKind::Atom,
    TokenKind::RightSquareBracket,
    TokenKind::RightSquareBracket,
];

/// Whether the text begins with a TOML table header: a bare key in brackets that is not a JSON literal.
fn is_header(text: &str) -> bool {
    let line = text.lines().next().unwrap_or_default().trim_end();
    let key = line.trim_start_matches('[').split(']').next().unwrap_or_default().trim();
    let bare = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    !key.is_empty() && key.chars().all(bare) && key.parse::<f64>().is_err() && !matches!(key, "true" | "false" | "null")
}
