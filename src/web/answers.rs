//! What all requests share: the answers of the API, the status of an error, and the texts of which queries and bodies consist.

use axum::body::Bytes;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, Uri, header};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Kind};
use crate::names::suggestion;
use crate::run::outcome::Status;
use crate::schedule::OverlapPolicy;

/// The path under which the API is served.
pub(super) const BASE: &str = "/api/v1";

/// Number of schedules, runs or events in an answer unless the request says otherwise.
const DEFAULT_LIMIT: u64 = 100;

/// Maximum number in one answer.
const MAX_LIMIT: u64 = 1000;

/// An error, answered as JSON in the form that the commands use.
pub(super) struct ApiError(Error);

impl From<Error> for ApiError {
    fn from(e: Error) -> Self {
        Self(e)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        refusal(status_of(self.0.kind()), &self.0)
    }
}

/// The HTTP status for an error.
pub(super) fn status_of(kind: Kind) -> StatusCode {
    match kind {
        Kind::Usage => StatusCode::BAD_REQUEST,
        Kind::NotFound => StatusCode::NOT_FOUND,
        Kind::Conflict => StatusCode::CONFLICT,
        Kind::ServerDown => StatusCode::SERVICE_UNAVAILABLE,
        Kind::Timeout => StatusCode::GATEWAY_TIMEOUT,
        Kind::Failed | Kind::System | Kind::Interrupted => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// An error as JSON with a status.
pub(super) fn refusal(status: StatusCode, error: &Error) -> Response {
    let body = serde_json::json!({
        "error": {"kind": error.kind().name(), "message": error.to_string(), "hints": error.hints()}
    });
    (status, json_of(body.to_string())).into_response()
}

pub(super) fn json_of(text: String) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}

pub(super) type Answer = Result<Response, ApiError>;

pub(super) fn json(value: &impl Serialize) -> Answer {
    let text = serde_json::to_string(value).map_err(|e| Error::new(Kind::System, "cannot write JSON").because(e))?;
    Ok(json_of(text))
}

/// A page of a list; a full one names the next in the `Link` header.
pub(super) fn json_page<T: Serialize>(list: &[T], limit: u64, next: Option<String>) -> Answer {
    let mut response = json(&list)?;
    if list.len() as u64 == limit
        && let Some(link) = next.and_then(|next| HeaderValue::from_str(&format!("<{next}>; rel=\"next\"")).ok())
    {
        response.headers_mut().insert(header::LINK, link);
    }
    Ok(response)
}

/// Parses the parameters of a query.
pub(super) fn query<T: DeserializeOwned>(uri: &Uri) -> Result<T, Error> {
    let parsed = axum::extract::Query::<T>::try_from_uri(uri);
    parsed.map(|query| query.0).map_err(|e| {
        let reason = std::error::Error::source(&e).map_or_else(|| e.to_string(), ToString::to_string);
        Error::new(Kind::Usage, format_args!("cannot parse the query: {reason}"))
    })
}

/// Parses the JSON object of a request; an empty request is an object without fields.
pub(super) fn body<T: DeserializeOwned>(bytes: &Bytes) -> Result<T, Error> {
    let bytes: &[u8] = if bytes.is_empty() { b"{}" } else { bytes };
    serde_json::from_slice(bytes).map_err(|e| {
        Error::new(Kind::Usage, format_args!("cannot parse the request as JSON: {e}"))
            .hint("Send a JSON object; `/api/v1/openapi.json` lists the fields of each request.")
    })
}

/// The address of the next page of a list: the same query, continued after an item.
pub(super) fn continued(uri: &Uri, list: &str, cursor: &str, item: &str) -> String {
    let is_cursor = |pair: &&str| pair.split('=').next() == Some(cursor);
    let query = uri.query().unwrap_or_default().split('&');
    let kept: Vec<&str> = query.filter(|pair| !pair.is_empty() && !is_cursor(pair)).collect();
    let cursor = format!("{cursor}={}", encoded(item));
    format!("{BASE}/{list}?{}", [kept, vec![cursor.as_str()]].concat().join("&"))
}

pub(super) fn limit(wanted: Option<u64>) -> u64 {
    wanted.unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT)
}

/// The characters that need an escape in a path segment and in a query.
const IN_URL: &percent_encoding::AsciiSet = &percent_encoding::NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b':')
    .remove(b'@');

/// A text for a path segment or a query.
pub(super) fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, IN_URL).to_string()
}

/// Parses the name of an overlap policy; an empty one means the schedule's own.
pub(super) fn policy(name: Option<String>) -> Result<Option<OverlapPolicy>, Error> {
    name.filter(|name| !name.is_empty())
        .as_deref()
        .map(OverlapPolicy::parse)
        .transpose()
}

/// Parses the name of a status.
pub(super) fn run_status(name: Option<String>) -> Result<Option<Status>, Error> {
    let named = |name: String| {
        Status::named(&name).ok_or_else(|| {
            Error::new(Kind::Usage, format_args!("no status is named `{}`", name.escape_debug()))
                .hint(suggestion(&name, &Status::ALL.map(Status::name)))
        })
    };
    name.filter(|name| !name.is_empty()).map(named).transpose()
}

/// Parses the number of an incident.
pub(super) fn incident_id(text: &str) -> Result<i64, Error> {
    text.parse().map_err(|_| {
        Error::new(
            Kind::NotFound,
            format_args!("no incident has the number `{}`", text.escape_debug()),
        )
    })
}
