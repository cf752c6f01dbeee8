//! Masks secrets in a stream.

use std::collections::BTreeSet;

use super::secret_forms::masked_forms;
use crate::run::sealed::{self, Form, FormMatch, MASK};

/// The maximum length of a form in output: at worst, each of its bytes is a line.
fn longest_of(form: &Form) -> usize {
    if form.wraps { form.bytes.len() * 3 } else { form.bytes.len() }
}

/// Minimum number of bytes of a secret that are masked where the stream ends within it: the program may have been killed while it wrote the secret.
const MIN_BEGINNING: usize = 8;

/// Masks secrets in a stream, even if a secret is split between two writes or two secrets overlap.
pub(super) struct Masker {
    /// In order of their bytes.
    secrets: Vec<Form>,
    /// The length of the longest, line ends included.
    longest: usize,
    /// For each byte, the secrets that begin with it are those from this index to that of the next byte.
    first: [usize; 257],
    /// Bytes not passed on yet, in which a secret may begin.
    pending: Vec<u8>,
    /// Number of bytes at the beginning of `pending` that belong to a secret whose mask has been passed on.
    covered: usize,
}

impl Masker {
    /// Returns a masker for every form of the values.
    pub(super) fn new<'a>(values: impl IntoIterator<Item = &'a str>) -> Self {
        let values = values.into_iter();
        let forms: BTreeSet<Form> = values.flat_map(masked_forms).filter(|form| !form.bytes.is_empty()).collect();
        let secrets: Vec<Form> = forms.into_iter().collect();
        let first = std::array::from_fn(|byte| secrets.partition_point(|form| usize::from(form.bytes[0]) < byte));
        Self {
            longest: secrets
                .iter()
                .map(|form| longest_of(form) + sealed::MAX_ESCAPES)
                .max()
                .unwrap_or_default(),
            secrets,
            first,
            pending: Vec::new(),
            covered: 0,
        }
    }

    /// Adds bytes, and passes on those that can no longer be part of an incomplete secret.
    pub(super) fn mask(&mut self, bytes: &[u8], pass: impl FnMut(&[u8])) {
        self.pending.extend(bytes);
        let before = self.pending.len().saturating_sub(self.longest.saturating_sub(1));
        let may_begin = |at: &usize| {
            let rest = &self.pending[*at..];
            self.that_may_begin(rest)
                .iter()
                .any(|secret| secret.compare(rest) == FormMatch::Partial)
        };
        let certain = (before..self.pending.len()).find(may_begin).unwrap_or(self.pending.len());
        self.pass_on(certain, usize::MAX, pass);
    }

    /// Passes on the rest at the end of the stream.
    pub(super) fn finish(&mut self, pass: impl FnMut(&[u8])) {
        self.pass_on(self.pending.len(), MIN_BEGINNING, pass);
    }

    /// The secrets that begin with the same byte.
    fn that_may_begin(&self, bytes: &[u8]) -> &[Form] {
        let byte = usize::from(bytes[0]);
        &self.secrets[self.first[byte]..self.first[byte + 1]]
    }

    /// Passes on the first `certain` bytes. The rest of the stream is masked if it is the beginning of a secret and has at least `min_beginning` bytes.
    fn pass_on(&mut self, certain: usize, min_beginning: usize, mut pass: impl FnMut(&[u8])) {
        let (mut from, mut covered) = (0, self.covered);
        for at in 0..certain {
            let rest = &self.pending[at..];
            let found = self
                .that_may_begin(rest)
                .iter()
                .filter_map(|secret| match secret.compare(rest) {
                    FormMatch::Whole(length) => Some(at + length),
                    FormMatch::Partial if rest.len() >= min_beginning => Some(self.pending.len()),
                    FormMatch::Partial | FormMatch::No => None,
                });
            let Some(end) = found.max() else { continue };
            if at >= covered {
                pass(&self.pending[from.max(covered)..at]);
                pass(MASK);
            }
            from = at;
            covered = covered.max(end);
        }
        pass(&self.pending[from.max(covered).min(certain)..certain]);
        self.pending.drain(..certain);
        self.covered = covered.saturating_sub(certain);
    }
}
