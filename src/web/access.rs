//! What a request must satisfy before it is answered: a known `Host` (against DNS rebinding), a session, and for changes its own `Origin`. Adds the
//! headers that tell browsers what a page may do.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use percent_encoding::percent_decode_str;

use super::app::App;
use super::{answers, pages};
use crate::error::{Error, Kind};

/// Paths that need no session: they reveal nothing of what is stored.
const OPEN: [&str; 7] = [
    "/healthz",
    "/readyz",
    "/metrics",
    "/login",
    "/assets/style.css",
    "/assets/page.js",
    "/assets/icon.svg",
];

/// Maximum duration of a request, including the time to receive its body.
const MAX_TIME: Duration = Duration::from_secs(20);

/// Maximum number of bytes of the body of a request.
pub(super) const MAX_BODY: usize = 256 * 1024;

/// Headers of every response.
const HEADERS: [(HeaderName, &str); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; \
         base-uri 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    // Without a referrer, browsers would send a form's `Origin` as `null`.
    (header::REFERRER_POLICY, "same-origin"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// Checks a request and answers it, or refuses it.
pub(super) async fn check(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let mut response = match admit(&app, &request) {
        // A stream of events has its head at once.
        Ok(()) => match tokio::time::timeout(MAX_TIME, next.run(request)).await {
            Ok(response) => response,
            Err(_) => (StatusCode::REQUEST_TIMEOUT, "the request took too long\n").into_response(),
        },
        Err(Refusal(status, error)) if path.starts_with("/api/") => answers::refusal(status, &error),
        Err(Refusal(StatusCode::UNAUTHORIZED, _)) if request.method() == Method::GET => {
            pages::sign_in(StatusCode::UNAUTHORIZED, None)
        }
        Err(Refusal(status, error)) => pages::refusal(status, &error),
    };
    for (name, value) in HEADERS {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
        .headers_mut()
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

/// The status and the error with which a request is refused.
struct Refusal(StatusCode, Error);

fn admit(app: &App, request: &Request) -> Result<(), Refusal> {
    let refused = |status, error| Err(Refusal(status, error));
    let headers = request.headers();
    // The target of a request may name the host as well, and it takes precedence over the header.
    let in_target = request.uri().authority().map(ToString::to_string);
    let mut hosts = headers.get_all(header::HOST).iter().map(|host| host.to_str().ok());
    let host = hosts.next().map_or(in_target.as_deref(), |host| host);
    let is_own = |host: Option<&str>| host.is_some_and(|host| is_own_host(app, host));
    if !is_own(host) || hosts.next().is_some() || (in_target.is_some() && !is_own(in_target.as_deref())) {
        let error = Error::new(Kind::Usage, "this server does not serve that `Host`")
            .hint("Behind a reverse proxy, name its host with `tempo run --web-host NAME`.");
        return refused(StatusCode::MISDIRECTED_REQUEST, error);
    }
    let path = request.uri().path();
    let is_open = OPEN.contains(&path) || (app.settings.open_status && (path == "/status" || path.starts_with("/status/")));
    let changes = ![Method::GET, Method::HEAD].contains(request.method());
    if changes && !is_own_origin(headers, host.unwrap_or_default()) {
        let error = Error::new(Kind::Usage, "a change must come from a page of this server");
        return refused(StatusCode::FORBIDDEN, error);
    }
    if !is_open && !has_session(app, headers) && !may_beat(app, request) {
        let error = Error::new(Kind::Usage, "this request has no session")
            .hint("Run `tempo open`, or send the token as `Authorization: Bearer TOKEN`.");
        return refused(StatusCode::UNAUTHORIZED, error);
    }
    if changes && app.settings.read_only && path != "/login" {
        return refused(
            StatusCode::FORBIDDEN,
            Error::new(Kind::Usage, "this page is read-only").hint("`tempo run` was started with `--web-read-only`."),
        );
    }
    let length = text(headers, &header::CONTENT_LENGTH).and_then(|length| length.parse::<usize>().ok());
    if length.is_some_and(|length| length > MAX_BODY) {
        return refused(
            StatusCode::PAYLOAD_TOO_LARGE,
            Error::new(Kind::Usage, format_args!("the request has more than {MAX_BODY} bytes")),
        );
    }
    Ok(())
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

fn is_own_host(app: &App, host: &str) -> bool {
    let port = app.settings.address.port();
    let local = ["127.0.0.1", "localhost", "[::1]"].map(|name| format!("{name}:{port}"));
    let is_listed = |name: &String| host.eq_ignore_ascii_case(name) || host.eq_ignore_ascii_case(&format!("{name}:{port}"));
    let is_implied = port == 80 && ["127.0.0.1", "localhost", "[::1]"].contains(&host);
    is_implied
        || local.iter().any(|own| own.eq_ignore_ascii_case(host))
        || app.settings.hosts.iter().any(is_listed)
        || host == app.settings.address.to_string()
}

/// Whether a change comes from a page of this server, or from a client that is not a browser.
fn is_own_origin(headers: &HeaderMap, host: &str) -> bool {
    let is_same_site = text(headers, &HeaderName::from_static("sec-fetch-site")).is_none_or(|site| site == "same-origin");
    let origin = headers.get(header::ORIGIN).map(|origin| origin.to_str().unwrap_or_default());
    let is_own = origin.is_none_or(|origin| {
        let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host))
    });
    is_same_site && is_own
}

/// Whether a request has the session.
pub(super) fn has_session(app: &App, headers: &HeaderMap) -> bool {
    let session = &app.settings.session;
    let cookie = cookie(headers, &cookie_name(app));
    bearer(headers).is_some_and(|token| session.admits(&token)) || cookie.is_some_and(|token| session.admits(&token))
}

/// Whether a request is a heartbeat with the token of its schedule.
fn may_beat(app: &App, request: &Request) -> bool {
    let id = request.uri().path().strip_prefix("/api/v1/beat/");
    let id = id.and_then(|id| percent_decode_str(id).decode_utf8().ok());
    let token = bearer(request.headers());
    request.method() == Method::POST
        && id
            .zip(token)
            .is_some_and(|(id, token)| app.settings.session.admits_beat(&id, &token))
}

/// The token in the header `Authorization`.
fn bearer(headers: &HeaderMap) -> Option<String> {
    let value = text(headers, &header::AUTHORIZATION)?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
}

/// The name of the session cookie: browsers send the cookies of one port to all others of the same host.
pub(super) fn cookie_name(app: &App) -> String {
    format!("tempo-session-{}", app.settings.address.port())
}

/// The value of a cookie.
pub(super) fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let cookies = headers
        .get_all(header::COOKIE)
        .into_iter()
        .filter_map(|value| value.to_str().ok());
    let mut pairs = cookies
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(found, _)| *found == name).map(|(_, value)| value.to_owned())
}
