//! Placeholders in texts: `{{ PREFIX.NAME }}`. Other braces stay as they are: programs such as Docker have templates of their own. Pure.

/// Maximum length of a placeholder, in bytes.
const MAX_PLACEHOLDER: usize = 256;

/// Replaces the placeholders of a text that have this prefix. `None` if there are none. Stops replacing once the text has more than `most` bytes.
///
/// # Errors
/// The first error of `value`, which is given the name without the prefix.
pub fn fill<E>(
    text: &str,
    prefix: &str,
    most: usize,
    mut value: impl FnMut(&str) -> Result<String, E>,
) -> Result<Option<String>, E> {
    let mut filled = String::new();
    let (mut rest, mut has_any) = (text, false);
    while let Some((before, placeholder)) = rest.split_once("{{") {
        filled += before;
        let nearby = &placeholder[..placeholder.floor_char_boundary(MAX_PLACEHOLDER)];
        let name = nearby
            .find("}}")
            .map(|end| (placeholder[..end].trim(), &placeholder[end + 2..]));
        if let Some((name, after)) = name
            && let Some(name) = name.strip_prefix(prefix)
        {
            filled += &value(name)?;
            (rest, has_any) = (after, true);
            if filled.len() > most {
                break;
            }
        } else {
            filled += "{{";
            rest = placeholder;
        }
    }
    filled += rest;
    Ok(has_any.then_some(filled))
}
