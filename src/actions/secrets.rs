//! Secrets: values read from the environment when a step runs. They are never stored, and are masked in everything that is stored.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

use crate::error::{Error, Kind};
use crate::machine;
use crate::run::outcome::{ErrorType, Failure};
use crate::run::probe::Http;
use crate::run::sealed::{self, MASK, Secret};

/// Minimum length of a base64 fragment that is masked as part of a secret.
const MIN_ENCODED: usize = 6;

/// The environment variable that lists, separated by commas, the variables of a command that hold secrets; for the steps of its script.
pub(super) const SECRETS: &str = "TEMPO_SECRETS";

/// The secrets of one attempt, by the references to them: `env:NAME`.
pub(crate) struct Secrets(BTreeMap<String, String>);

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

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
            // The encoded pair is masked as a whole, since it reveals both halves.
            let pair = format!("{}:{}", secrets.resolve(user), secrets.resolve(password));
            secrets.0.insert("basic_auth".to_owned(), STANDARD.encode(pair));
        }
        Ok(secrets)
    }

    /// Reads the secrets that the script of this process was given.
    ///
    /// # Errors
    /// `Usage` when one is not valid UTF-8.
    pub(crate) fn of_script() -> Result<Self, Error> {
        let mut known = BTreeMap::new();
        let names = machine::environment(SECRETS)?.unwrap_or_default();
        for name in names.split(',').filter(|name| !name.is_empty()) {
            if let Some(value) = machine::environment(name)? {
                known.insert(format!("env:{name}"), value);
            }
        }
        Ok(Self(known))
    }

    /// Whether `text` contains one of the values.
    pub(crate) fn are_in(&self, text: &str) -> bool {
        self.values().iter().any(|value| text.contains(value))
    }

    /// Returns output as it is stored, with a name in place of each value.
    pub(crate) fn seal(&self, output: &[u8]) -> Vec<u8> {
        sealed::seal(output, &self.sealable())
    }

    /// Restores stored output.
    ///
    /// # Errors
    /// `Failed` when a secret in it is no longer set.
    pub(crate) fn open(&self, output: &[u8]) -> Result<Vec<u8>, Error> {
        sealed::open(output, &self.sealable()).map_err(|name| {
            Error::new(
                Kind::Failed,
                format_args!("the stored output contains the secret `{name}`, which is no longer set for this command"),
            )
            .hint(format_args!(
                "Set `{name} = \"env:…\"` in the step's `env` again, as when the output was stored."
            ))
        })
    }

    fn sealable(&self) -> Vec<Secret> {
        let secret = |(name, value): (&String, &String)| Secret {
            name: name.trim_start_matches("env:").to_owned(),
            forms: forms(value),
        };
        self.0.iter().filter(|(_, value)| !value.is_empty()).map(secret).collect()
    }

    /// Returns the values, longest first: one may be part of another.
    fn values(&self) -> Vec<&str> {
        let mut values: Vec<&str> = self.0.values().map(String::as_str).filter(|s| !s.is_empty()).collect();
        values.sort_by_key(|s| std::cmp::Reverse(s.len()));
        values
    }

    /// Returns the secret that a text refers to, or the text itself.
    pub(super) fn resolve<'a>(&'a self, text: &'a str) -> &'a str {
        self.0.get(text).map_or(text, String::as_str)
    }

    /// Returns a masker for every form of the values.
    pub(super) fn masker(&self) -> Masker {
        let forms = self.values().into_iter().flat_map(forms);
        let secrets: BTreeSet<Vec<u8>> = forms.filter(|form| !form.is_empty()).collect();
        let secrets: Vec<Vec<u8>> = secrets.into_iter().collect();
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

    /// Returns a text with the values and their encodings masked.
    pub(crate) fn masked_text(&self, text: &str) -> String {
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

/// Returns the escaped forms of a value: in JSON, in Rust's debug notation and in URLs.
fn escaped(value: &str) -> Vec<Vec<u8>> {
    let json = serde_json::to_string(value).unwrap_or_default();
    let json = json.trim_start_matches('"').strip_suffix('"').unwrap_or_default().to_owned();
    let in_query = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
    let in_path = percent_encoding::utf8_percent_encode(value, percent_encoding::CONTROLS);
    let in_path = in_path
        .to_string()
        .replace('"', "%22")
        .replace(' ', "%20")
        .replace('<', "%3C")
        .replace('>', "%3E");
    let all_escaped = percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC).to_string();
    let all = [json, value.escape_debug().to_string(), in_query, in_path, all_escaped];
    all.into_iter().map(String::into_bytes).collect()
}

/// Returns the value and every other form in which it may occur. Each kind of form is always at the same index, whatever the value is; it is empty if
/// a text that short may occur by chance.
fn forms(value: &str) -> Vec<Vec<u8>> {
    let plain = std::iter::once(value.as_bytes().to_vec());
    plain.chain(encodings(value)).chain(escaped(value)).collect()
}

/// Returns the base64 encodings of a value in both alphabets: on its own, and within a longer text, where adjacent bytes change
/// its first and last characters.
fn encodings(value: &str) -> Vec<Vec<u8>> {
    let alone = STANDARD.encode(value).into_bytes();
    let inside = (0..3).flat_map(|before| {
        let bytes = [&[0; 2][..before], value.as_bytes()].concat();
        // Each character encodes six bits: this range depends on the value alone.
        let (first, end) = ((before * 8).div_ceil(6), bytes.len() * 8 / 6);
        let part = move |text: String| text.as_bytes().get(first..end).unwrap_or_default().to_vec();
        [part(STANDARD.encode(&bytes)), part(URL_SAFE.encode(&bytes))]
    });
    let or_empty = |part: Vec<u8>| if part.len() < MIN_ENCODED { Vec::new() } else { part };
    std::iter::once(alone).chain(inside.map(or_empty)).collect()
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_output_returns_a_changed_secret_in_the_form_that_it_had() {
        let secrets = |value: &str| Secrets(BTreeMap::from([("env:TOKEN".to_owned(), value.to_owned())]));
        // Without fixed places, their forms would differ in number and order.
        for (before, after) in [("abcdef", "a \"b\" c/d?"), ("x&y z", "abcdefgh"), ("zzzz", "ab")] {
            let output = |value: &str| format!("{value}|{}\n", STANDARD.encode(value));
            let sealed = secrets(before).seal(output(before).as_bytes());
            assert!(!String::from_utf8_lossy(&sealed).contains(before), "{before}");
            assert_eq!(secrets(after).open(&sealed).unwrap(), output(after).as_bytes(), "{before}");
        }
    }
}
