//! Secrets: values read from the environment when a step runs. They are never stored, and are masked in everything that is.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::machine;
use crate::run::outcome::{ErrorType, Failure};
use crate::run::probe::Http;

/// The secrets of one attempt, by their reference `env:NAME`.
pub(super) struct Secrets(BTreeMap<String, String>);

impl Secrets {
    /// Reads the secret for every text `env:NAME`; `texts` are pairs of a purpose, which error messages name, and a text.
    ///
    /// # Errors
    /// `Spawn`, naming the variable that is not set or not valid UTF-8.
    pub(super) fn read<'a>(texts: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, Failure> {
        let mut known = BTreeMap::new();
        for (purpose, text) in texts {
            let Some(name) = text.strip_prefix("env:") else { continue };
            let failure = |message: String| Failure {
                error_type: ErrorType::Spawn,
                message,
            };
            // No message may contain the value or a part of it.
            let secret = machine::variable(name)
                .ok_or_else(|| failure(format!("`{name}` is not set in tempo's environment (needed for `{purpose}`)")))?
                .into_string()
                .map_err(|_| {
                    failure(format!(
                        "`{name}` is not valid UTF-8 in tempo's environment (needed for `{purpose}`)"
                    ))
                })?;
            known.insert(text.to_owned(), secret);
        }
        Ok(Self(known))
    }

    /// Reads the secrets of a request.
    ///
    /// # Errors
    /// As [`Secrets::read`].
    pub(super) fn of(http: &Http) -> Result<Self, Failure> {
        let headers = http.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let body = http.body.iter().map(|body| ("body", body.as_str()));
        let bearer = http.bearer.iter().map(|token| ("bearer", token.as_str()));
        let pair = http.basic_auth.iter();
        let pair = pair.flat_map(|(user, password)| [("basic_auth", user.as_str()), ("basic_auth", password.as_str())]);
        let mut secrets = Self::read(headers.chain(body).chain(bearer).chain(pair))?;
        if let Some((user, password)) = &http.basic_auth
            && (user.starts_with("env:") || password.starts_with("env:"))
        {
            // The encoded pair that is sent: either half would reveal the other.
            let pair = format!("{}:{}", secrets.revealed(user), secrets.revealed(password));
            secrets.0.insert("basic_auth".to_owned(), STANDARD.encode(pair));
        }
        Ok(secrets)
    }

    /// The values, longest first, since one may be part of another.
    fn values(&self) -> Vec<&str> {
        let mut values: Vec<&str> = self.0.values().map(String::as_str).filter(|s| !s.is_empty()).collect();
        values.sort_by_key(|s| std::cmp::Reverse(s.len()));
        values
    }

    /// Returns the secret that a text refers to, or the text itself.
    pub(super) fn revealed<'a>(&'a self, text: &'a str) -> &'a str {
        self.0.get(text).map_or(text, String::as_str)
    }

    /// Returns a masker for the values and their base64 encodings.
    pub(super) fn masker(&self) -> Masker {
        let encoded = self
            .0
            .values()
            .filter(|s| !s.is_empty())
            .map(|s| STANDARD.encode(s).into_bytes());
        let plain = self.values().into_iter().map(|s| s.as_bytes().to_vec());
        let secrets: Vec<Vec<u8>> = plain.chain(encoded).collect();
        let mut begins = [false; 256];
        for secret in &secrets {
            begins[usize::from(secret[0])] = true;
        }
        Masker {
            longest: secrets.iter().map(Vec::len).max().unwrap_or_default(),
            secrets,
            begins,
            pending: Vec::new(),
            covered: 0,
        }
    }

    /// Returns a text with the values and their base64 encodings masked.
    pub(super) fn masked_text(&self, text: &str) -> String {
        let mut clean = Vec::new();
        let mut masker = self.masker();
        masker.mask(text.as_bytes(), |bytes| clean.extend(bytes));
        masker.finish(|bytes| clean.extend(bytes));
        String::from_utf8_lossy(&clean).into_owned()
    }

    #[cfg(test)]
    pub(super) fn of_values<'a>(values: impl IntoIterator<Item = &'a str>) -> Self {
        Self(values.into_iter().map(|v| (v.to_owned(), v.to_owned())).collect())
    }
}

/// The replacement for a secret.
const MASK: &[u8] = b"***";

/// Masks secrets in a stream, even if a secret is split between two writes or two secrets overlap.
pub(super) struct Masker {
    secrets: Vec<Vec<u8>>,
    longest: usize,
    /// For each byte, whether a secret begins with it.
    begins: [bool; 256],
    /// Bytes not passed on yet, in which a secret may begin.
    pending: Vec<u8>,
    /// Number of bytes at the beginning of `pending` that belong to a secret whose mask has been passed on.
    covered: usize,
}

impl Masker {
    /// Adds bytes, and passes on those that can no longer be part of an incomplete secret.
    pub(super) fn mask(&mut self, bytes: &[u8], pass: impl FnMut(&[u8])) {
        self.pending.extend(bytes);
        let certain = self.pending.len().saturating_sub(self.longest.saturating_sub(1));
        self.pass_on(certain, pass);
    }

    /// Passes on the rest at the end of the stream.
    pub(super) fn finish(&mut self, pass: impl FnMut(&[u8])) {
        self.pass_on(self.pending.len(), pass);
    }

    fn pass_on(&mut self, certain: usize, mut pass: impl FnMut(&[u8])) {
        let (mut from, mut covered) = (0, self.covered);
        for at in 0..certain {
            if !self.begins[usize::from(self.pending[at])] {
                continue;
            }
            let found = self.secrets.iter().filter(|secret| self.pending[at..].starts_with(secret));
            let Some(end) = found.map(|secret| at + secret.len()).max() else {
                continue;
            };
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
