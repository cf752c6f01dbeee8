//! Secrets: values read from the environment when a step runs. They are never stored, and are masked in everything that is stored.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

use crate::error::{Error, Kind};
use crate::machine;
use crate::run::outcome::{ErrorType, Failure};
use crate::run::probe::Http;
use crate::run::sealed::{self, Form, FormMatch, MASK, Secret};
use crate::run::step::Command;

/// Minimum length of a base64 fragment that is masked as part of a secret.
const MIN_ENCODED: usize = 6;

/// Minimum number of hexadecimal digits that are masked as a secret.
const MIN_HEX: usize = 8;
/// Minimum length of a line that is masked as part of a secret of several lines.
const MIN_LINE: usize = 12;

/// The places of hexadecimal digits and base64 among the escaped forms: lines may end within these.
const WRAPPING: [usize; 3] = [16, 17, 20];

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
        let values = self.values().into_iter();
        let forms: BTreeSet<Form> = values.flat_map(all_forms).filter(|form| !form.bytes.is_empty()).collect();
        let secrets: Vec<Form> = forms.into_iter().collect();
        let mut begins = [false; 256];
        for secret in &secrets {
            begins[usize::from(secret.bytes[0])] = true;
        }
        Masker {
            longest: secrets
                .iter()
                .map(|form| longest_of(form) + sealed::MAX_ESCAPES)
                .max()
                .unwrap_or_default(),
            secrets,
            begins,
            pending: Vec::new(),
            covered: 0,
        }
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
    // New kinds are added at the end: the index of a kind is stored in sealed output.
    let ascii: String = json
        .chars()
        .map(|c| if c.is_ascii() { c.to_string() } else { unicode_escape(c) })
        .collect();
    let in_html = value
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;");
    let as_python = percent_encoding::utf8_percent_encode(value, PYTHON_QUOTE).to_string();
    // A short number may occur by chance.
    let hex = value.bytes().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    let hex = if hex.len() < MIN_HEX { String::new() } else { hex };
    let lower = lower_case_escapes(&all_escaped);
    let all = [
        json.clone(),
        value.escape_debug().to_string(),
        in_query,
        in_path,
        all_escaped,
        ascii.clone(),
        json.replace('/', "\\/"),
        ascii.replace('&', "\\u0026").replace('<', "\\u003c").replace('>', "\\u003e"),
        lower_case_escapes(&as_python),
        as_python,
        lower,
        // As shells and Python quote it.
        value.replace('\'', "'\\''"),
        value.replace('\'', "'\"'\"'"),
        value.replace('\\', "\\\\").replace('\'', "\\'"),
        in_html.replace('\'', "&#39;"),
        in_html.replace('\'', "&#x27;"),
        hex.to_uppercase(),
        hex,
        value.replace('\n', "\r\n"),
        // As command substitution and `base64` give a value that ends in a newline.
        value.trim_end_matches('\n').to_owned(),
        STANDARD.encode(value.trim_end_matches('\n')),
        wrapped(&STANDARD.encode(value), 76),
        wrapped(&STANDARD.encode(value), 64),
        // In double quotes, and as `printf %q` writes it.
        backslashed(value, |c| matches!(c, '$' | '"' | '\\' | '`')),
        backslashed(value, |c| c.is_ascii_punctuation() && !"%+,-./:=@^_".contains(c) || c == ' '),
        in_html.replace('\'', "&apos;"),
    ];
    all.into_iter().map(String::into_bytes).collect()
}

/// A text with a backslash before some characters.
fn backslashed(text: &str, is_special: impl Fn(char) -> bool) -> String {
    let escaped = |c: char| if is_special(c) { format!("\\{c}") } else { c.to_string() };
    text.chars().map(escaped).collect()
}

/// The characters that Python's `urllib.parse.quote` escapes.
const PYTHON_QUOTE: &percent_encoding::AsciiSet = &percent_encoding::NON_ALPHANUMERIC
    .remove(b'_')
    .remove(b'.')
    .remove(b'-')
    .remove(b'~')
    .remove(b'/');

/// `\u00e9`, as JSON that is only ASCII writes a character.
fn unicode_escape(c: char) -> String {
    let mut units = [0; 2];
    let units = c.encode_utf16(&mut units);
    units.iter().fold(String::new(), |text, unit| format!("{text}\\u{unit:04x}"))
}

/// A percent-encoded text with its hexadecimal digits in lower case.
fn lower_case_escapes(text: &str) -> String {
    let mut parts = text.split('%');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |done, part| {
        let (digits, rest) = part.split_at_checked(2).unwrap_or((part, ""));
        format!("{done}%{}{rest}", digits.to_ascii_lowercase())
    })
}

/// A text in lines of `width` characters.
fn wrapped(text: &str, width: usize) -> String {
    let lines: Vec<&[u8]> = text.as_bytes().chunks(width).collect();
    String::from_utf8_lossy(&lines.join(&b'\n')).into_owned()
}

/// Returns the lines of a value of several lines, which may be indented or end differently.
fn lines(value: &str) -> Vec<Vec<u8>> {
    let lines = value.contains('\n').then(|| value.lines()).into_iter().flatten();
    let lines = lines.map(|line| line.trim().as_bytes().to_vec());
    lines.filter(|line| line.len() >= MIN_LINE).collect()
}

/// Returns the value and every other form in which it may occur. Each kind of form is always at the same index, whatever the value is; it is empty if
/// a text that short may occur by chance.
fn forms(value: &str) -> Vec<Form> {
    let plain = std::iter::once(value.as_bytes().to_vec());
    let whole = |bytes| Form { bytes, wraps: false };
    let wrapping = |bytes| Form { bytes, wraps: true };
    // Hexadecimal digits and further base64 are among the escaped forms, at places that are stored.
    let escaped = escaped(value).into_iter();
    let escaped = escaped.enumerate().map(|(index, bytes)| Form {
        bytes,
        wraps: WRAPPING.contains(&index),
    });
    plain
        .map(whole)
        .chain(encodings(value).into_iter().map(wrapping))
        .chain(escaped)
        .collect()
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

/// Returns all forms of a value; those of its lines follow the others, because their number depends on the value.
fn all_forms(value: &str) -> Vec<Form> {
    forms(value)
        .into_iter()
        .chain(lines(value).into_iter().map(|bytes| Form { bytes, wraps: false }))
        .collect()
}

/// The maximum length of a form in output: at worst, each of its bytes is a line.
fn longest_of(form: &Form) -> usize {
    if form.wraps { form.bytes.len() * 3 } else { form.bytes.len() }
}

/// Masks secrets in a stream, even if a secret is split between two writes or two secrets overlap.
pub(super) struct Masker {
    secrets: Vec<Form>,
    /// The length of the longest, line ends included.
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
        let before = self.pending.len().saturating_sub(self.longest.saturating_sub(1));
        let may_begin = |at: &usize| {
            self.secrets
                .iter()
                .any(|secret| secret.compare(&self.pending[*at..]) == FormMatch::Partial)
        };
        let certain = (before..self.pending.len()).find(may_begin).unwrap_or(self.pending.len());
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
            let found = self
                .secrets
                .iter()
                .filter_map(|secret| match secret.compare(&self.pending[at..]) {
                    FormMatch::Whole(length) => Some(at + length),
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
