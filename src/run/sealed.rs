//! Replaces the secrets in stored output by their names, and restores the output exactly. Pure.
//!
//! Output with secrets begins with [`MARK`]. In it a secret is NUL, a reference (`NAME#FORM+OFFSET`), NUL; a NUL of the output itself is doubled.
//! What is inserted into the secret follows: line ends, `/76,152`, with an `r` after one that is CRLF, and escape sequences of terminals in
//! hexadecimal, `/4x1b5b306d`.

/// The beginning of sealed output; other output is stored as it is.
const MARK: &[u8] = b"\0sealed\0";
/// The text shown in place of a secret.
pub const MASK: &[u8] = b"***";

/// A secret: its name, and the forms in which its value may occur, such as encodings.
#[derive(Debug, Clone)]
pub struct Secret {
    /// The name, without NUL.
    pub name: String,
    /// The forms; one that is empty does not occur. If the value changes, each form must keep its index.
    pub forms: Vec<Form>,
}

/// A form in which a secret may occur.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Form {
    /// The form itself.
    pub bytes: Vec<u8>,
    /// Whether lines may end anywhere in it, as in base64.
    pub wraps: bool,
}

/// Whether output begins with a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FormMatch {
    /// It does; the form has this many bytes there, line ends included.
    Whole(usize),
    /// The output ends within it.
    Partial,
    /// It does not.
    No,
}

impl Form {
    /// Compares the beginning of `output` with the form.
    #[must_use]
    pub fn compare(&self, output: &[u8]) -> FormMatch {
        self.compare_with(output, |_, _| ())
    }

    /// Compares, and passes on what is inserted into the form, line ends and up to [`MAX_ESCAPES`] bytes of escape sequences, such as the colors of a
    /// found word: after how many bytes of the form, and what.
    fn compare_with(&self, output: &[u8], mut inserted: impl FnMut(usize, &[u8])) -> FormMatch {
        let (mut at, mut escapes) = (0, 0);
        for (index, byte) in self.bytes.iter().enumerate() {
            let mut may_end_line = self.wraps;
            while index > 0 && output.get(at) != Some(byte) {
                let rest = &output[at..];
                let length = if may_end_line && rest.starts_with(b"\r\n") {
                    may_end_line = false;
                    2
                } else if may_end_line && rest.first() == Some(&b'\n') {
                    may_end_line = false;
                    1
                } else if may_end_line && rest == b"\r" {
                    return FormMatch::Partial;
                } else {
                    match escape_sequence(rest) {
                        Escape::Whole(length) if escapes + length <= MAX_ESCAPES => {
                            escapes += length;
                            length
                        }
                        Escape::Partial if escapes + rest.len() <= MAX_ESCAPES => return FormMatch::Partial,
                        Escape::Whole(_) | Escape::Partial | Escape::No => break,
                    }
                };
                inserted(index, &rest[..length]);
                at += length;
            }
            match output.get(at) {
                None => return FormMatch::Partial,
                Some(found) if found == byte => at += 1,
                Some(_) => return FormMatch::No,
            }
        }
        FormMatch::Whole(at)
    }

    /// The form with what is inserted into it.
    fn with(&self, inserted: &[(usize, Vec<u8>)]) -> Vec<u8> {
        let mut with = Vec::with_capacity(self.bytes.len());
        for (index, byte) in self.bytes.iter().enumerate() {
            for (_, bytes) in inserted.iter().filter(|(after, _)| *after == index) {
                with.extend_from_slice(bytes);
            }
            with.push(*byte);
        }
        with
    }
}

/// Maximum number of bytes of escape sequences within a secret.
pub const MAX_ESCAPES: usize = 256;

/// What output begins with.
enum Escape {
    /// An escape sequence of this length.
    Whole(usize),
    /// An escape sequence that is not complete.
    Partial,
    /// None.
    No,
}

/// Looks for a control sequence (ECMA-48, CSI), an operating system command (OSC) or a sequence with intermediate bytes, such as `ESC ( B`, at the
/// beginning of `output`.
fn escape_sequence(output: &[u8]) -> Escape {
    let Some(rest) = output.strip_prefix(b"\x1b") else {
        return Escape::No;
    };
    match rest.first() {
        None => Escape::Partial,
        Some(b'[') => match rest[1..].iter().position(|byte| !(0x20..0x40).contains(byte)) {
            None => Escape::Partial,
            Some(end) if (0x40..0x7f).contains(&rest[1 + end]) => Escape::Whole(end + 3),
            Some(_) => Escape::No,
        },
        Some(b']') => match rest.iter().position(|byte| matches!(byte, 0x07 | 0x1b)) {
            None if rest.len() < MAX_ESCAPES => Escape::Partial,
            None => Escape::No,
            Some(end) if rest[end] == 0x07 => Escape::Whole(end + 2),
            Some(end) => match rest.get(end + 1) {
                None => Escape::Partial,
                Some(b'\\') => Escape::Whole(end + 3),
                Some(_) => Escape::No,
            },
        },
        Some(0x20..0x30) => match rest.iter().position(|byte| !(0x20..0x30).contains(byte)) {
            None => Escape::Partial,
            Some(end) if (0x30..0x7f).contains(&rest[end]) => Escape::Whole(end + 2),
            Some(_) => Escape::No,
        },
        Some(_) => Escape::No,
    }
}

/// One form of a secret found in output.
struct Found<'a> {
    secret: &'a Secret,
    form: usize,
    /// Where it begins and ends in the output.
    start: usize,
    end: usize,
    /// What is inserted into it, each after a number of bytes of the form.
    inserted: Vec<(usize, Vec<u8>)>,
}

impl Found<'_> {
    /// The reference to the part of it from `from` on.
    fn reference(&self, from: usize) -> String {
        let inserted: Vec<String> = self
            .inserted
            .iter()
            .map(|(after, bytes)| reference_to(*after, bytes))
            .collect();
        let inserted = if inserted.is_empty() {
            String::new()
        } else {
            format!("/{}", inserted.join(","))
        };
        format!("{}#{}+{}{inserted}", self.secret.name, self.form, from - self.start)
    }
}

fn reference_to(after: usize, inserted: &[u8]) -> String {
    match inserted {
        b"\n" => after.to_string(),
        b"\r\n" => format!("{after}r"),
        _ => inserted
            .iter()
            .fold(format!("{after}x"), |text, byte| format!("{text}{byte:02x}")),
    }
}

/// What [`reference_to`] refers to.
fn referenced(text: &str) -> Option<(usize, Vec<u8>)> {
    if let Some((after, hex)) = text.split_once('x') {
        let (pairs, []) = hex.as_bytes().as_chunks::<2>() else {
            return None;
        };
        let byte = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
        return Some((after.parse().ok()?, pairs.iter().map(byte).collect::<Option<_>>()?));
    }
    match text.strip_suffix('r') {
        Some(after) => Some((after.parse().ok()?, b"\r\n".to_vec())),
        None => Some((text.parse().ok()?, b"\n".to_vec())),
    }
}

/// Replaces every form of every secret. Returns output without secrets unchanged.
#[must_use]
pub fn seal(output: &[u8], secrets: &[Secret]) -> Vec<u8> {
    let mut sealed = MARK.to_vec();
    let mut begins = [false; 256];
    for form in secrets.iter().flat_map(|secret| &secret.forms) {
        if let Some(first) = form.bytes.first() {
            begins[usize::from(*first)] = true;
        }
    }
    let longest_at = |at: usize| {
        begins[usize::from(output[at])]
            .then(|| longest_at(output, at, secrets))
            .flatten()
    };
    let (mut at, mut any) = (0, output.starts_with(MARK));
    while at < output.len() {
        let Some(mut found) = longest_at(at) else {
            sealed.push(output[at]);
            if output[at] == 0 {
                sealed.push(0);
            }
            at += 1;
            continue;
        };
        any = true;
        let mut from = at;
        // A secret that overlaps the end of this one follows from where this one ends.
        loop {
            let reference = found.reference(from);
            sealed.push(0);
            sealed.extend(reference.as_bytes());
            sealed.push(0);
            from = found.end;
            let overlapping = (found.start + 1..found.end).filter_map(longest_at);
            match overlapping.filter(|next| next.end > from).max_by_key(|next| next.end) {
                Some(next) => found = next,
                None => break,
            }
        }
        at = from;
    }
    if any { sealed } else { output.to_vec() }
}

fn longest_at<'a>(output: &[u8], start: usize, secrets: &'a [Secret]) -> Option<Found<'a>> {
    let forms = secrets.iter().flat_map(|secret| {
        secret
            .forms
            .iter()
            .enumerate()
            .map(move |(form, value)| (secret, form, value))
    });
    let matching = forms.filter_map(|(secret, form, value)| {
        let mut inserted = Vec::new();
        match value.compare_with(&output[start..], |after, bytes| inserted.push((after, bytes.to_vec()))) {
            FormMatch::Whole(length) if length > 0 => Some(Found {
                secret,
                form,
                start,
                end: start + length,
                inserted,
            }),
            FormMatch::Whole(_) | FormMatch::Partial | FormMatch::No => None,
        }
    });
    // The first of equally long forms: the value itself rather than an escaped form that is the same.
    matching.min_by_key(|found| std::cmp::Reverse(found.end))
}

/// Restores the output.
///
/// # Errors
/// The name of the first secret that is not known.
pub fn open(sealed: &[u8], secrets: &[Secret]) -> Result<Vec<u8>, String> {
    replace(sealed, |reference| {
        let parsed = reference.rsplit_once('+').and_then(|(rest, place)| {
            let (name, form) = rest.rsplit_once('#')?;
            let (offset, inserted) = place.split_once('/').unwrap_or((place, ""));
            let inserted = inserted.split(',').filter(|text| !text.is_empty());
            let inserted = inserted.map(referenced).collect::<Option<Vec<_>>>()?;
            Some((name, form.parse::<usize>().ok()?, offset.parse::<usize>().ok()?, inserted))
        });
        let (name, form, offset, inserted) = parsed.ok_or_else(|| reference.to_owned())?;
        let secret = secrets.iter().find(|secret| secret.name == name);
        let form = secret.and_then(|secret| secret.forms.get(form).filter(|form| !form.bytes.is_empty()));
        let value = form.and_then(|form| form.with(&inserted).get(offset..).map(<[u8]>::to_vec));
        value.ok_or_else(|| name.to_owned())
    })
}

/// Returns the output as it is shown, with each secret masked.
#[must_use]
pub fn hide(sealed: &[u8]) -> Vec<u8> {
    let masked = |reference: &str| -> Result<Vec<u8>, std::convert::Infallible> {
        Ok(
            if reference
                .rsplit_once('+')
                .is_some_and(|(_, place)| place == "0" || place.starts_with("0/"))
            {
                MASK.to_vec()
            } else {
                Vec::new()
            },
        )
    };
    replace(sealed, masked).unwrap_or_else(|never| match never {})
}

fn replace<E>(sealed: &[u8], value_of: impl Fn(&str) -> Result<Vec<u8>, E>) -> Result<Vec<u8>, E> {
    let Some(mut rest) = sealed.strip_prefix(MARK) else {
        return Ok(sealed.to_vec());
    };
    let mut opened = Vec::with_capacity(sealed.len());
    while let Some(at) = rest.iter().position(|b| *b == 0) {
        opened.extend(&rest[..at]);
        rest = &rest[at + 1..];
        let end = rest.iter().position(|b| *b == 0).unwrap_or(rest.len());
        match std::str::from_utf8(&rest[..end]) {
            Ok("") => opened.push(0),
            Ok(reference) => opened.extend(value_of(reference)?),
            Err(_) => opened.extend(&rest[..end]),
        }
        rest = rest.get(end + 1..).unwrap_or_default();
    }
    opened.extend(rest);
    Ok(opened)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(name: &str, forms: &[&[u8]]) -> Secret {
        Secret {
            name: name.to_owned(),
            forms: forms
                .iter()
                .map(|form| Form {
                    bytes: form.to_vec(),
                    wraps: form.starts_with(b"Y"),
                })
                .collect(),
        }
    }

    #[test]
    fn restores_sealed_output_and_masks_every_secret() {
        let secrets = [
            secret("A", &[b"alpha", b"YWxwaGE"]),
            secret("LONG#+", &[b"alphabet"]),
            secret("OVERLAP", &[b"phabetic"]),
            secret("ESC", &[b"esc\x1b[1mape"]),
        ];
        for (output, hidden) in [
            (&b"x alphabet, alpha.\n"[..], &b"x ***, ***.\n"[..]),
            (b"alphaalpha", b"******"),
            (b"an alphabetic list", b"an *** list"),
            (b"alphabeticalpha", b"******"),
            (b"YWxwaGE=", b"***="),
            (b"x YWx\nwa\r\nGE=", b"x ***="),
            (b"al\npha", b"al\npha"),
            (b"YWx\r", b"YWx\r"),
            (b"an al\x1b[01;31m\x1b[Kph\x1b[0mabetic list", b"an *** list"),
            (b"YW\x1b[1m\nx\x1b[0mwaGE=", b"***="),
            (b"al\x1b[\x1bpha", b"al\x1b[\x1bpha"),
            (b"esc\x1b[1mape", b"***"),
            (b"alp\x1b(B\x1b[mha", b"***"),
            (b"\0alpha\0\0", b"\0***\0\0"),
            (b"", b""),
            (b"\0\0\0binary\xff", b"\0\0\0binary\xff"),
            (b"\0A#0+0\0", b"\0A#0+0\0"),
            (b"\0sealed\0A#0+0\0alpha", b"\0sealed\0A#0+0\0***"),
        ] {
            let sealed = seal(output, &secrets);
            for secret in [&b"alpha"[..], b"phabet", b"YWxwaGE"] {
                assert!(!sealed.windows(secret.len()).any(|w| w == secret), "{sealed:?}");
            }
            assert_eq!(open(&sealed, &secrets).unwrap(), output, "{output:?}");
            assert_eq!(hide(&sealed), hidden, "{output:?}");
        }
        assert_eq!(open(&seal(b"alpha", &secrets), &[]).unwrap_err(), "A");
        let (short, changed) = (secret("A", &[b"a", b""]), secret("A", &[b"beta", b"YmV0YQ"]));
        assert_eq!(seal(b"ba", std::slice::from_ref(&short)), b"\0sealed\0b\0A#0+0\0");
        assert_eq!(open(&seal(b"alpha, YWxwaGE", &secrets), &[changed]).unwrap(), b"beta, YmV0YQ");
        assert_eq!(open(&seal(b"YWxwaGE", &secrets), &[short]).unwrap_err(), "A");
        assert_eq!(open(b"\0sealed\0\0A#1+2/3,5r\0", &secrets).unwrap(), b"x\nwa\r\nGE");
        assert_eq!(open(b"\0A#0+0\0", &[]).unwrap(), b"\0A#0+0\0");
    }
}
