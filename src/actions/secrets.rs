//! Values that are read from the environment when a step runs, never stored, and masked in whatever is.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::machine;
use crate::run::outcome::{ErrorType, Failure};
use crate::run::probe::Http;

/// The secrets of one attempt, by what stands for them: `env:NAME`.
pub(super) struct Secrets(BTreeMap<String, String>);

impl Secrets {
    /// Reads every text that is `env:NAME`; `what` each is for is told where it is not set.
    ///
    /// # Errors
    /// `Spawn` with the name that is not set.
    pub(super) fn read<'a>(texts: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, Failure> {
        let mut known = BTreeMap::new();
        for (what, text) in texts {
            let Some(name) = text.strip_prefix("env:") else { continue };
            let secret = machine::environment(name).ok_or_else(|| Failure {
                error_type: ErrorType::Spawn,
                message: format!("`{name}` is not set where tempo runs, for `{what}`"),
            })?;
            known.insert(text.to_owned(), secret);
        }
        Ok(Self(known))
    }

    /// Those of a request.
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
            // As it travels: half of it would tell the other half.
            let pair = format!("{}:{}", secrets.revealed(user), secrets.revealed(password));
            secrets.0.insert("basic_auth".to_owned(), STANDARD.encode(pair));
        }
        Ok(secrets)
    }

    /// The values, the longest first: one may be part of another.
    fn values(&self) -> Vec<&str> {
        let mut values: Vec<&str> = self.0.values().map(String::as_str).filter(|s| !s.is_empty()).collect();
        values.sort_by_key(|s| std::cmp::Reverse(s.len()));
        values
    }

    /// A text, or what it stands for.
    pub(super) fn revealed<'a>(&'a self, text: &'a str) -> &'a str {
        self.0.get(text).map_or(text, String::as_str)
    }

    /// Bytes without the values.
    pub(super) fn masked(&self, mut bytes: Vec<u8>) -> Vec<u8> {
        for secret in self.values().into_iter().map(str::as_bytes) {
            let mut clean = Vec::with_capacity(bytes.len());
            let mut rest = bytes.as_slice();
            while let Some(at) = rest.windows(secret.len()).position(|w| w == secret) {
                clean.extend(&rest[..at]);
                clean.extend(b"***");
                rest = &rest[at + secret.len()..];
            }
            clean.extend(rest);
            bytes = clean;
        }
        bytes
    }

    /// A text without the values, nor what base64 makes of them.
    pub(super) fn masked_text(&self, text: &str) -> String {
        let masked = self.values().into_iter().fold(Cow::Borrowed(text), |text, secret| {
            Cow::Owned(text.replace(secret, "***").replace(&STANDARD.encode(secret), "***"))
        });
        masked.into_owned()
    }
}
