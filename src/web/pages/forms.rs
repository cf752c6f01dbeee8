//! What forms send, and the message that the next page shows about it.

use std::collections::BTreeMap;

use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::super::access;

/// The cookie that carries the message to the next page.
const MESSAGE: &str = "tempo-message";
/// Maximum length of a message, in bytes: browsers drop cookies over 4 KiB.
const MAX_MESSAGE: usize = 1000;

/// The fields of a form; of a field that repeats, the last.
pub(super) fn parse(bytes: &[u8]) -> BTreeMap<String, String> {
    url::form_urlencoded::parse(bytes).into_owned().collect()
}

/// All values of a field.
pub(super) fn all(bytes: &[u8], name: &str) -> Vec<String> {
    let pairs = url::form_urlencoded::parse(bytes).into_owned();
    pairs.filter(|(field, _)| field == name).map(|(_, value)| value).collect()
}

/// A field that is not blank.
pub(super) fn text(fields: &BTreeMap<String, String>, name: &str) -> Option<String> {
    fields
        .get(name)
        .map(|text| text.trim().to_owned())
        .filter(|text| !text.is_empty())
}

/// A parameter of a query that is not blank.
pub(super) fn filled(text: Option<&String>) -> Option<String> {
    text.map(|text| text.as_str())
        .map(str::trim)
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
}

/// Sends the browser to a page, which shows the message once.
pub(super) fn then(location: &str, message: &str) -> Response {
    let mut end = message.len().min(MAX_MESSAGE);
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    let value = percent_encoding::utf8_percent_encode(&message[..end], percent_encoding::NON_ALPHANUMERIC);
    let cookie = format!("{MESSAGE}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age=60");
    (
        StatusCode::SEE_OTHER,
        [(header::SET_COOKIE, cookie), (header::LOCATION, location.to_owned())],
    )
        .into_response()
}

/// The message that a form left for this page.
pub(super) fn message(headers: &HeaderMap) -> Option<String> {
    let value = access::cookie(headers, MESSAGE)?;
    let text = percent_encoding::percent_decode_str(&value).decode_utf8().ok()?;
    Some(text.into_owned()).filter(|text| !text.is_empty())
}

/// The header that removes the message.
pub(super) fn clear_message() -> HeaderValue {
    HeaderValue::from_static("tempo-message=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0")
}
