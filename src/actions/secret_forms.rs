//! The forms in which programs print a value: escaped, quoted, in base64 and hexadecimal, and line by line.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde_json::Value;

use crate::run::sealed::Form;

/// Minimum length of a base64 fragment that is masked as part of a secret.
const MIN_ENCODED: usize = 6;

/// Minimum number of hexadecimal digits that are masked as a secret.
const MIN_HEX: usize = 8;
/// Minimum length of a string that is masked as part of a secret in JSON.
const MIN_STRING: usize = 8;
/// Minimum length of a line that is masked as part of a secret of several lines.
const MIN_LINE: usize = 12;

/// Indices of the hexadecimal and base64 forms, which may be broken across lines.
const WRAPPING: [usize; 3] = [16, 17, 20];

/// Returns the forms of a value, in a fixed order: escaped, quoted, in hexadecimal, and in base64.
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

/// Returns the strings in a value that is a JSON object or array, and those in strings that are JSON themselves.
fn strings(value: &str) -> Vec<String> {
    let parsed = |text: &str| {
        let may_be_json = text.trim_start().starts_with(['{', '[']);
        may_be_json.then(|| serde_json::from_str::<Value>(text).ok()).flatten()
    };
    let mut found = Vec::new();
    let mut left: Vec<Value> = parsed(value).into_iter().collect();
    while let Some(value) = left.pop() {
        match value {
            Value::String(text) if text.len() >= MIN_STRING => {
                left.extend(parsed(&text));
                found.push(text);
            }
            Value::Array(items) => left.extend(items),
            Value::Object(entries) => left.extend(entries.into_values()),
            Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    found
}

/// Returns all forms of a value; those of its lines follow the others, because their number depends on the value.
pub(super) fn all_forms(value: &str) -> Vec<Form> {
    forms(value).into_iter().chain(lines(value).into_iter().map(whole)).collect()
}

/// Returns all forms of a value, and of the strings in it; those cannot be found again by their places if the value changes.
pub(super) fn masked_forms(value: &str) -> Vec<Form> {
    let strings = strings(value);
    all_forms(value)
        .into_iter()
        .chain(strings.iter().flat_map(|text| all_forms(text)))
        .collect()
}

fn whole(bytes: Vec<u8>) -> Form {
    Form { bytes, wraps: false }
}
