//! A definition file, TOML or JSON, as a tree that records the place of each key and value.

use std::collections::HashSet;
use std::fmt;
use std::ops::Range;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use toml::de::{DeTable, DeValue};
use toml_parser::lexer::{Token, TokenKind};

use crate::error::{Error, Kind};
use crate::names::shown;
use crate::spec::calendar_text::Object;

/// The name and the text of a definition file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source<'a> {
    /// The name shown in errors.
    pub(crate) name: &'a str,
    /// The contents of the file.
    pub(crate) text: &'a str,
}

/// A value and its byte offset.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) at: usize,
    pub(super) value: Value,
}

#[derive(Debug, Clone)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Table(Vec<(String, usize, Node)>),
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

/// Maximum nesting depth of JSON; each level is parsed by a recursive call.
const MAX_DEPTH: usize = 64;

fn duplicate_key(key: &str) -> String {
    format!("duplicate key `{}`", shown(key.trim_matches(['"', '\''])))
}

/// Whether the text begins with a TOML table header: a bare key in brackets that is not a JSON literal.
fn is_header(text: &str) -> bool {
    let line = text.lines().next().unwrap_or_default().trim_end();
    let key = line.trim_start_matches('[').split(']').next().unwrap_or_default().trim();
    let bare = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    !key.is_empty() && key.chars().all(bare) && key.parse::<f64>().is_err() && !matches!(key, "true" | "false" | "null")
}

impl Node {
    /// Returns the value of a key if this is a table that has it.
    pub(crate) fn field(&self, key: &str) -> Option<&Self> {
        match &self.value {
            Value::Table(entries) => entries.iter().find(|(k, _, _)| k == key).map(|(_, _, node)| node),
            Value::Null | Value::Bool(_) | Value::Integer(_) | Value::Float(_) | Value::Text(_) | Value::List(_) => None,
        }
    }

    /// Returns the items of a list; any other value as a list of one.
    pub(crate) fn items(&self) -> &[Self] {
        match &self.value {
            Value::List(items) => items,
            Value::Null | Value::Bool(_) | Value::Integer(_) | Value::Float(_) | Value::Text(_) | Value::Table(_) => {
                std::slice::from_ref(self)
            }
        }
    }

    /// Takes the items of this list, or of the list at a key of this table; empty if there is no list.
    pub(crate) fn take_items(&mut self, key: &str) -> Vec<Self> {
        let list = match &mut self.value {
            Value::Table(entries) => entries
                .iter_mut()
                .find(|(k, _, _)| k == key)
                .map(|(_, _, node)| &mut node.value),
            list @ (Value::Null | Value::Bool(_) | Value::Integer(_) | Value::Float(_) | Value::Text(_) | Value::List(_)) => {
                Some(list)
            }
        };
        match list {
            Some(Value::List(items)) => std::mem::take(items),
            _ => Vec::new(),
        }
    }

    /// Calls `change` for each text of this node and of those below it, with its place; what it returns replaces the text.
    pub(super) fn each_text<E>(&mut self, change: &mut impl FnMut(usize, &str) -> Result<Option<String>, E>) -> Result<(), E> {
        match &mut self.value {
            Value::Text(text) => {
                if let Some(changed) = change(self.at, text)? {
                    *text = changed;
                }
                Ok(())
            }
            Value::List(items) => items.iter_mut().try_for_each(|item| item.each_text(change)),
            Value::Table(entries) => entries.iter_mut().try_for_each(|(_, _, node)| node.each_text(change)),
            Value::Null | Value::Bool(_) | Value::Integer(_) | Value::Float(_) => Ok(()),
        }
    }

    /// The text, if this is a string.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            Value::Null | Value::Bool(_) | Value::Integer(_) | Value::Float(_) | Value::List(_) | Value::Table(_) => None,
        }
    }

    /// Adds the entries of another table whose keys this table does not have, except some.
    pub(super) fn complete(&mut self, from: &Self, except: &[&str]) {
        if let (Value::Table(entries), Value::Table(others)) = (&mut self.value, &from.value) {
            let missing = |(key, ..): &&(String, usize, Self)| {
                !except.contains(&key.as_str()) && !entries.iter().any(|(known, ..)| known == key)
            };
            let missing: Vec<_> = others.iter().filter(missing).cloned().collect();
            entries.extend(missing);
        }
    }

    /// Whether this is `true`.
    pub(super) fn is_true(&self) -> bool {
        matches!(self.value, Value::Bool(true))
    }

    /// Whether this is a list.
    pub(crate) fn is_list(&self) -> bool {
        matches!(self.value, Value::List(_))
    }
}

/// Consumes the table while converting it, so that a large file is not in memory twice. `base` is the offset of the parsed text in the file.
fn of_table(table: DeTable<'_>, base: usize, at: usize) -> Result<Node, (usize, String)> {
    let mut entries = Vec::with_capacity(table.len());
    for (key, value) in table {
        let value_at = base + value.span().start;
        let node = of_toml(value.into_inner(), base, value_at)?;
        entries.push((key.get_ref().to_string(), base + key.span().start, node));
    }
    Ok(Node {
        at,
        value: Value::Table(entries),
    })
}

fn of_toml(value: DeValue<'_>, base: usize, at: usize) -> Result<Node, (usize, String)> {
    let value = match value {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Boolean(bool) => Value::Bool(bool),
        DeValue::Datetime(at) => Value::Text(at.to_string()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map(Value::Integer)
            .map_err(|_| (at, format!("the number `{number}` is too large")))?,
        DeValue::Float(number) => number
            .as_str()
            .parse()
            .ok()
            .filter(|n: &f64| n.is_finite())
            .map(Value::Float)
            .ok_or_else(|| (at, format!("`{number}` is not a finite number")))?,
        DeValue::Array(items) => Value::List(
            items
                .into_iter()
                .map(|item| {
                    let item_at = base + item.span().start;
                    of_toml(item.into_inner(), base, item_at)
                })
                .collect::<Result<_, _>>()?,
        ),
        DeValue::Table(table) => return of_table(table, base, at),
    };
    Ok(Node { at, value })
}

/// Parses `json`, a slice of `whole`: its offset in `whole` is its place in the file.
fn of_json(json: &str, whole: &str, depth: usize) -> Result<Node, (usize, String)> {
    let at = json.as_ptr().addr() - whole.as_ptr().addr();
    let error = |e: serde_json::Error| (at, e.to_string());
    if depth > MAX_DEPTH {
        return Err((at, format!("lists and objects are nested more than {MAX_DEPTH} levels deep")));
    }
    let value = match json.as_bytes().first() {
        Some(b'{') => {
            let entries: Object<'_> = serde_json::from_str(json).map_err(error)?;
            let mut fields = Vec::with_capacity(entries.0.len());
            let mut keys = HashSet::new();
            for (key, raw) in entries.0 {
                let node = of_json(raw.get(), whole, depth + 1)?;
                // A key with escapes is not found as it is.
                let key_at = whole[at..node.at]
                    .rfind(&format!("\"{key}\""))
                    .map_or(node.at, |k| at + k + 1);
                if !keys.insert(key.clone()) {
                    return Err((key_at, duplicate_key(&key)));
                }
                fields.push((key, key_at, node));
            }
            Value::Table(fields)
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(json).map_err(error)?;
            Value::List(
                items
                    .iter()
                    .map(|i| of_json(i.get(), whole, depth + 1))
                    .collect::<Result<_, _>>()?,
            )
        }
        _ => match serde_json::from_str(json).map_err(error)? {
            serde_json::Value::Bool(bool) => Value::Bool(bool),
            serde_json::Value::String(text) => Value::Text(text),
            serde_json::Value::Number(number) => {
                let float = || Value::Float(number.as_f64().unwrap_or(f64::NAN));
                number.as_i64().map_or_else(float, Value::Integer)
            }
            serde_json::Value::Null | serde_json::Value::Array(_) | serde_json::Value::Object(_) => Value::Null,
        },
    };
    Ok(Node { at, value })
}
