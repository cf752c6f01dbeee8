//! Secrets: values read from the environment when a step runs. They are never stored, and are masked in everything that is stored.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::masker::Masker;
use super::secret_forms::all_forms;
use crate::error::{Error, Kind};
use crate::machine;
use crate::run::command::Command;
use crate::run::outcome::{ErrorType, Failure};
use crate::run::probe::Http;
use crate::run::sealed::{self, Secret};

/// The environment variable that lists the variables of a command that hold secrets; for the steps of its script.
pub(super) const SECRETS: &str = "TEMPO_SECRETS";

/// Separates the names in that list; no name of a variable contains it.
pub(super) const SEPARATOR: &str = "=";

/// The secrets of one attempt, by the references to them: `env:NAME`.
#[derive(Clone, Default)]
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

    /// Reads as [`Secrets::read`], and from a file for every text `file:PATH`; the end of its last line is not part of the secret.
    ///
    /// # Errors
    /// As [`Secrets::read`]; also for a file that cannot be read.
    pub(super) fn read_any<'a>(texts: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, Failure> {
        let texts: Vec<_> = texts.into_iter().collect();
        let mut secrets = Self::read(texts.iter().copied())?;
        for (purpose, text) in texts {
            let Some(path) = text.strip_prefix("file:") else { continue };
            let secret = std::fs::read_to_string(path).map_err(|e| Failure {
                error_type: ErrorType::Spawn,
                message: format!("cannot read `{path}` (needed for `{purpose}`): {e}"),
            })?;
            secrets
                .0
                .insert(text.to_owned(), secret.trim_end_matches(['\n', '\r']).to_owned());
        }
        Ok(secrets)
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
        for name in names.split(SEPARATOR).filter(|name| !name.is_empty()) {
            if let Some(value) = machine::environment(name)? {
                known.insert(format!("env:{name}"), value);
            }
        }
        Ok(Self(known))
    }

    /// Adds the secrets of a command. One that cannot be read is left out: the attempt fails with the reason.
    pub(crate) fn and_of(&self, command: &Command) -> Self {
        let mut all = self.clone();
        for (name, value) in &command.env {
            if let Ok(own) = Self::read([(name.as_str(), value.as_str())]) {
                all.0.extend(own.0);
            }
        }
        all
    }

    /// Whether `text` contains one of the values.
    pub(crate) fn are_in(&self, text: &str) -> bool {
        self.values().iter().any(|value| text.contains(value))
    }

    /// Returns output as it is stored, with a name in place of each value.
    pub(crate) fn seal(&self, output: &[u8]) -> Vec<u8> {
        sealed::seal(output, &self.sealable())
    }

    /// Whether output contains one of the values in any form.
    pub(super) fn are_in_output(&self, output: &[u8]) -> bool {
        self.masked(output) != output
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
            forms: all_forms(value),
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
        Masker::new(self.values())
    }

    /// Returns a text with the values and their encodings masked.
    pub(crate) fn masked_text(&self, text: &str) -> String {
        String::from_utf8_lossy(&self.masked(text.as_bytes())).into_owned()
    }

    /// Returns bytes with the values and their encodings masked.
    pub(crate) fn masked(&self, bytes: &[u8]) -> Vec<u8> {
        let mut clean = Vec::new();
        let mut masker = self.masker();
        masker.mask(bytes, |bytes| clean.extend(bytes));
        masker.finish(|bytes| clean.extend(bytes));
        clean
    }

    /// The secrets with these values.
    pub(super) fn of_values<'a>(values: impl IntoIterator<Item = &'a str>) -> Self {
        Self(values.into_iter().map(|v| (v.to_owned(), v.to_owned())).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_masked_however_programs_print_it() {
        let masked = |secret: &str, printed: &str| Secrets::of_values([secret]).masked_text(printed);
        let long = "0123456789".repeat(9);
        let of_pair = STANDARD.encode(format!("user:{long}"));
        let of_pair = format!("{}\n{}\r\n{}", &of_pair[7..70], &of_pair[70..100], &of_pair[100..126]);
        let encoded = STANDARD.encode(&long);
        let wrapped = format!("{}\n{}", &encoded[..76], &encoded[76..]);
        let with_newline = STANDARD.encode(format!("{long}\n"));
        let newline_wrapped = format!("{}\n{}", &with_newline[..76], &with_newline[76..]);
        let hex = long.bytes().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
        let hex_wrapped = format!("{}\n{}\n{}", &hex[..60], &hex[60..120], &hex[120..]);
        for (secret, printed) in [
            (long.as_str(), wrapped.as_str()),
            ("it's here", r"+ echo 'it'\''s here'"),
            ("it's here", r#"'it'"'"'s here'"#),
            ("it's here", r"'it\'s here'"),
            ("a b/c&d-e", "a%20b/c%26d-e"),
            ("ä=b?c", "%c3%a4%3db%3fc"),
            ("pässword<&>", r"p\u00e4ssword\u003c\u0026\u003e"),
            ("one/two/three", r"one\/two\/three"),
            ("with a newline\n", "with a newline"),
            ("with a newline\n", "d2l0aCBhIG5ld2xpbmU="),
            ("the first line\nthe second line", "the first line\r\nthe second line"),
            ("the first line\nthe second line", "    the first line\n    the second line"),
            ("secret key", "736563726574206b6579"),
            (long.as_str(), of_pair.as_str()),
            (long.as_str(), &newline_wrapped[..newline_wrapped.len() - 4]),
            (long.as_str(), hex_wrapped.as_str()),
            ("pa$s\"w`d", r#"pa\$s\"w\`d"#),
            ("it's (here)", r"it\'s\ \(here\)"),
            ("it's <here>", "it&apos;s &lt;here&gt;"),
            ("secret key", "736563726574206B6579"),
            (r#"{"password": "s3cr3t-t0ken"}"#, "s3cr3t-t0ken"),
            (r#"{"password": "s3cr3t-t0ken"}"#, "czNjcjN0LXQwa2Vu"),
            (r#"["{\"password\": \"s3cr3t-t0ken\"}"]"#, "s3cr3t-t0ken"),
            ("a<b>&\"c\"", "a&lt;b&gt;&amp;&quot;c&quot;"),
            ("s3cr3t-t0ken-value", "s3cr3t-\x1b[01;31m\x1b[Kt0ken\x1b[m\x1b[K-value"),
            ("s3cr3t-t0ken-value", "s3cr3t-\x1b]8;;http://x\x07t0ken-\x1b]8;;\x1b\\value"),
        ] {
            let shown = masked(secret, &format!("[{printed}]"));
            let rest = shown.replace("***", "").replace(char::is_whitespace, "");
            let quotes = rest.trim_start_matches("[+echo").trim_matches(['[', ']', '\'']);
            assert!(
                shown.contains("***") && quotes.is_empty(),
                "{secret:?} as {printed:?}: {shown}"
            );
        }
        assert_eq!(masked("ab", "6162 is a number"), "6162 is a number");
        // The end of the secret was not written any more.
        assert_eq!(masked("s3cr3t-t0ken-value", "> s3cr3t-t"), "> ***");
        assert_eq!(masked("s3cr3t-t0ken-value", "> s3cr3t-"), "> s3cr3t-");
    }

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
