//! The words of a sentence, read one after another, and the errors that point at them.

use std::ops::Range;

use super::super::text::TextError;
use super::error;

/// A word in lower case, or a comma, and its position in the whole text.
#[derive(Debug, Clone)]
struct Word {
    text: String,
    span: Range<usize>,
}

/// A sentence that is being read.
#[derive(Debug, Clone)]
pub(super) struct Words<'a> {
    source: &'a str,
    list: Vec<Word>,
    next: usize,
    end: usize,
}

impl<'a> Words<'a> {
    /// The words of the part of `source` that begins at byte `at`.
    pub(super) fn new(source: &'a str, at: usize, sentence: &str) -> Self {
        let mut words: Vec<Word> = Vec::new();
        let mut start = None;
        for (index, c) in sentence.char_indices().chain([(sentence.len(), ' ')]) {
            let is_part = !c.is_whitespace() && c != ',';
            if is_part {
                start = start.or(Some(index));
            } else if let Some(start) = start.take() {
                words.push(Word {
                    text: sentence[start..index].to_lowercase(),
                    span: at + start..at + index,
                });
            }
            if c == ',' {
                words.push(Word {
                    text: ",".to_owned(),
                    span: at + index..at + index + 1,
                });
            }
        }
        Self {
            source,
            list: words,
            next: 0,
            end: at + sentence.len(),
        }
    }

    /// The next word as typed, for errors.
    pub(super) fn typed(&self) -> &str {
        let span = self.list.get(self.next).map_or(self.end..self.end, |word| word.span.clone());
        &self.source[span]
    }

    /// The next word.
    pub(super) fn peek(&self) -> Option<&str> {
        self.peek_after(0)
    }

    /// The word `others` positions after the next one.
    pub(super) fn peek_after(&self, others: usize) -> Option<&str> {
        self.list.get(self.next + others).map(|word| word.text.as_str())
    }

    /// Skips a number of words.
    pub(super) fn skip(&mut self, words: usize) {
        self.next += words;
    }

    /// Skips the next word if it is one of these.
    pub(super) fn take(&mut self, any: &[&str]) -> bool {
        let found = self.peek().is_some_and(|word| any.contains(&word));
        self.next += usize::from(found);
        found
    }

    /// Skips these words if they come next.
    pub(super) fn take_all(&mut self, words: &[&str]) -> bool {
        let found = words.iter().enumerate().all(|(i, word)| self.peek_after(i) == Some(*word));
        self.next += if found { words.len() } else { 0 };
        found
    }

    /// Skips what may stand between two items of a list: a comma, `and`, `or`.
    pub(super) fn take_separator(&mut self) -> bool {
        let comma = self.take(&[","]);
        self.take(&["and", "or", "&"]) || comma
    }

    /// The position in the sentence, to return to.
    pub(super) fn position(&self) -> usize {
        self.next
    }

    /// Returns to a position.
    pub(super) fn back_to(&mut self, position: usize) {
        self.next = position;
    }

    /// An error at the next word, or at the end.
    pub(super) fn error(&self, message: impl Into<String>) -> TextError {
        let span = self.list.get(self.next).map_or(self.end..self.end, |word| word.span.clone());
        error(self.source, span, message)
    }

    /// An error at everything read since a position.
    pub(super) fn error_since(&self, position: usize, message: impl Into<String>) -> TextError {
        let first = self.list.get(position).map_or(self.end, |word| word.span.start);
        let last = self
            .list
            .get(self.next.saturating_sub(1))
            .map_or(self.end, |word| word.span.end);
        error(self.source, first..last.max(first), message)
    }
}
