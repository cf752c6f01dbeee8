//! Deserializes a node of a document with serde; errors keep the position of the node.

use serde::de::{self, DeserializeSeed, IntoDeserializer as _, MapAccess, SeqAccess, Visitor};

use super::node::{Node, Value};
use super::parse_error::ParseError;

impl<'de> de::Deserializer<'de> for &'de Node {
    type Error = ParseError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParseError> {
        let read = match &self.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(bool) => visitor.visit_bool(*bool),
            Value::Integer(number) => visitor.visit_i64(*number),
            Value::Float(number) => visitor.visit_f64(*number),
            Value::Text(text) => visitor.visit_str(text),
            Value::List(items) => visitor.visit_seq(Items(items.iter())),
            Value::Table(entries) => visitor.visit_map(Pairs {
                rest: entries.iter(),
                value: None,
            }),
        };
        read.map_err(|e| e.at(self.at))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParseError> {
        match self.value {
            Value::Null => visitor.visit_none(),
            Value::Bool(_) | Value::Integer(_) | Value::Float(_) | Value::Text(_) | Value::List(_) | Value::Table(_) => {
                visitor.visit_some(self)
            }
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ParseError> {
        let read = match &self.value {
            Value::Text(text) => visitor.visit_enum(de::value::StrDeserializer::<ParseError>::new(text)),
            Value::Null | Value::Bool(_) | Value::Integer(_) | Value::Float(_) | Value::List(_) | Value::Table(_) => {
                Err(<ParseError as de::Error>::custom("expected a string"))
            }
        };
        read.map_err(|e: ParseError| e.at(self.at))
    }

    /// Only from a table: serde would also take the values of a list in the order of the fields.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ParseError> {
        if matches!(self.value, Value::List(_)) {
            return Err(<ParseError as de::Error>::custom("expected a table, found a list").at(self.at));
        }
        self.deserialize_any(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, ParseError> {
        visitor.visit_newtype_struct(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier ignored_any
    }
}

struct Items<'de>(std::slice::Iter<'de, Node>);

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = ParseError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, ParseError> {
        self.0
            .next()
            .map(|node| seed.deserialize(node).map_err(|e: ParseError| e.at(node.at)))
            .transpose()
    }
}

struct Pairs<'de> {
    rest: std::slice::Iter<'de, (String, usize, Node)>,
    value: Option<&'de Node>,
}

impl<'de> MapAccess<'de> for Pairs<'de> {
    type Error = ParseError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, ParseError> {
        let Some((key, at, node)) = self.rest.next() else {
            return Ok(None);
        };
        self.value = Some(node);
        let key: de::value::StrDeserializer<'_, ParseError> = key.as_str().into_deserializer();
        seed.deserialize(key).map(Some).map_err(|e: ParseError| e.at(*at))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, ParseError> {
        let node = self
            .value
            .take()
            .ok_or_else(|| <ParseError as de::Error>::custom("a value without a key"))?;
        // An error about the value as a whole is reported at the value.
        seed.deserialize(node).map_err(|e: ParseError| e.at(node.at))
    }
}
