//! The tree of a definition file: values with their places, from TOML or JSON.

use std::collections::HashSet;

use serde_json::value::RawValue;
use toml::de::{DeTable, DeValue};

use crate::names::shown;
use crate::spec::calendar_text::Object;

/// Maximum nesting depth of JSON; each level is parsed by a recursive call.
const MAX_DEPTH: usize = 64;

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

/// The message for a key that occurs twice in a table.
pub(super) fn duplicate_key(key: &str) -> String {
    format!("duplicate key `{}`", shown(key.trim_matches(['"', '\''])))
}

/// Consumes the table while converting it, so that a large file is not in memory twice. `base` is the offset of the parsed text in the file.
pub(super) fn of_table(table: DeTable<'_>, base: usize, at: usize) -> Result<Node, (usize, String)> {
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
pub(super) fn of_json(json: &str, whole: &str, depth: usize) -> Result<Node, (usize, String)> {
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
