//! Replaces the secrets in stored output by their names, and restores the output exactly. Pure.
//!
//! A secret is encoded as NUL, its name, NUL; readable text contains no NUL.

/// The text shown in place of a secret.
const MASK: &[u8] = b"***";
/// Maximum length of a name, in bytes.
const MAX_NAME: usize = 300;

/// Replaces each value by its name. If several values match at the same position, the longest one is replaced.
#[must_use]
pub fn seal(output: &[u8], secrets: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut sealed = Vec::with_capacity(output.len());
    let mut rest = output;
    while let Some(first) = rest.first() {
        let found = secrets
            .iter()
            .filter(|(_, value)| !value.is_empty() && rest.starts_with(value));
        if let Some((name, value)) = found.max_by_key(|(_, value)| value.len()) {
            sealed.push(0);
            sealed.extend(name.as_bytes());
            sealed.push(0);
            rest = &rest[value.len()..];
        } else {
            sealed.push(*first);
            rest = &rest[1..];
        }
    }
    sealed
}

/// Restores the values.
///
/// # Errors
/// The name of the first secret for which `value_of` returns `None`.
pub fn open(sealed: &[u8], value_of: impl Fn(&str) -> Option<Vec<u8>>) -> Result<Vec<u8>, String> {
    replace(sealed, |name| value_of(name).ok_or_else(|| name.to_owned()))
}

/// Returns the output as it is shown, with each secret masked.
#[must_use]
pub fn hide(sealed: &[u8]) -> Vec<u8> {
    replace(sealed, |_| Ok::<_, std::convert::Infallible>(MASK.to_vec())).unwrap_or_else(|never| match never {})
}

fn replace<E>(sealed: &[u8], value_of: impl Fn(&str) -> Result<Vec<u8>, E>) -> Result<Vec<u8>, E> {
    let mut opened = Vec::with_capacity(sealed.len());
    let mut rest = sealed;
    while let Some(at) = rest.iter().position(|b| *b == 0) {
        opened.extend(&rest[..at]);
        rest = &rest[at..];
        if let Some(name) = name_at(rest) {
            opened.extend(value_of(name)?);
            rest = &rest[name.len() + 2..];
        } else {
            opened.push(0);
            rest = &rest[1..];
        }
    }
    opened.extend(rest);
    Ok(opened)
}

/// Returns the name encoded at the start of `rest`, if there is one: other output may also contain NUL.
fn name_at(rest: &[u8]) -> Option<&str> {
    let end = rest.iter().skip(1).take(MAX_NAME).position(|b| *b == 0)? + 1;
    let name = std::str::from_utf8(&rest[1..end]).ok()?;
    (name.starts_with("env:") || name.starts_with("base64:")).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opening_restores_sealed_output_and_hiding_masks_every_secret() {
        let secrets = [
            ("env:A".to_owned(), b"alpha".to_vec()),
            ("env:LONG".to_owned(), b"alphabet".to_vec()),
            ("env:EMPTY".to_owned(), Vec::new()),
        ];
        let value_of = |name: &str| secrets.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
        for (output, hidden) in [
            (&b"x alphabet, alpha.\n"[..], &b"x ***, ***.\n"[..]),
            (b"alphaalpha", b"******"),
            (b"\0alpha\0\0", b"\0***\0\0"),
            (b"", b""),
            (b"\0\0\0binary\xff", b"\0\0\0binary\xff"),
        ] {
            let sealed = seal(output, &secrets);
            assert!(!sealed.windows(5).any(|w| w == b"alpha"), "{sealed:?}");
            assert_eq!(open(&sealed, value_of).unwrap(), output);
            assert_eq!(hide(&sealed), hidden);
        }
        assert_eq!(open(b"\0env:GONE\0", value_of).unwrap_err(), "env:GONE");
    }
}
