//! The pages: HTML made on the server. They work without the script, which only renews them when something has changed.

mod ansi;
mod charts;
mod forms;
mod home;
mod incidents;
mod layout;
mod log;
mod parts;
mod run;
mod runs;
mod schedule;
mod schedules;
mod status;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use maud::{Markup, html};
use serde::Deserialize;

use super::access;
use super::answers;
use super::api;
use super::app::App;
use crate::error::{Error, Kind};

const STYLE: &str = include_str!("../assets/style.css");
const ICON: &str = include_str!("../assets/icon.svg");
const SCRIPT: &str = include_str!("../assets/page.js");

/// Maximum size of the form that signs in, in bytes: anyone may send it.
const MAX_LOGIN: usize = 1024;

/// How long a browser keeps the session, in seconds.
const SESSION_SECONDS: u32 = 30 * 86_400;

/// The routes of the pages, of what their forms send, and of the files they need.
pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/", get(home::page))
        .route("/seen", post(home::seen))
        .route("/schedules", get(schedules::page).post(schedules::change))
        .route("/schedules/{id}", get(schedule::page).post(schedule::change))
        .route("/schedules/{id}/preview", get(schedule::page).post(schedule::preview))
        .route("/log", get(log::page))
        .route("/runs", get(runs::page))
        .route("/runs/{id}", get(run::page).post(run::change))
        .route("/incidents", get(incidents::page))
        .route("/incidents/{id}", get(incidents::one).post(incidents::change))
        .route("/status", get(status::page))
        .route("/status/{schedule}/{badge}", get(status::badge))
        .route(
            "/login",
            get(login).post(sign_in_by_form).layer(DefaultBodyLimit::max(MAX_LOGIN)),
        )
        .route("/assets/icon.svg", get(|| async { asset("image/svg+xml", ICON) }))
        .route("/assets/style.css", get(|| async { asset("text/css; charset=utf-8", STYLE) }))
        .route(
            "/assets/page.js",
            get(|| async { asset("text/javascript; charset=utf-8", SCRIPT) }),
        )
}

fn asset(content_type: &'static str, text: &'static str) -> Response {
    (
        [(header::CONTENT_TYPE, content_type), (header::CACHE_CONTROL, "no-cache")],
        text,
    )
        .into_response()
}

/// A page or an error page.
type Page = Result<Response, PageError>;

/// An error, shown as a page.
pub(super) struct PageError(Error);

impl From<Error> for PageError {
    fn from(e: Error) -> Self {
        Self(e)
    }
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        refusal(answers::status_of(self.0.kind()), &self.0)
    }
}

/// A page with an error.
pub(super) fn refusal(status: StatusCode, error: &Error) -> Response {
    let body = html! { (error_box(error)) p { a href="/" { "Home" } } };
    (status, Html(layout::error(&body).into_string())).into_response()
}

/// An error with its hints.
fn error_box(error: &Error) -> Markup {
    html! {
        div.box.bad role="alert" {
            p { (parts::prose(&error.to_string())) }
            @if let Some(excerpt) = error.excerpt_lines() { pre { (excerpt) } }
            @for hint in error.hints() { p { (parts::prose(hint)) } }
        }
    }
}

pub(super) async fn not_found(uri: Uri) -> Response {
    if uri.path().starts_with("/api/") {
        return api::unknown(uri).await.into_response();
    }
    PageError(Error::new(
        Kind::NotFound,
        format_args!("there is no page `{}`", uri.path().escape_debug()),
    ))
    .into_response()
}

#[derive(Deserialize)]
struct Login {
    code: Option<String>,
}

/// Signs in with the one-time code of `tempo open`, or shows the form for a token.
async fn login(State(app): State<Arc<App>>, uri: Uri) -> Page {
    let asked: Login = answers::query(&uri)?;
    let Some(code) = asked.code else {
        return Ok(sign_in(StatusCode::OK, None));
    };
    let now = app.server.now()?;
    if app.settings.session.redeem(&code, now) {
        // Not a redirect: browsers would follow one that began at another site, or at a file, without the new cookie.
        let mut response = Html(layout::signed_in().into_string()).into_response();
        response.headers_mut().append(header::SET_COOKIE, session_cookie(&app)?);
        Ok(response)
    } else {
        let why =
            "This address has been used, was replaced by a newer one, or is older than five minutes. Run `tempo open` again.";
        Ok(sign_in(StatusCode::UNAUTHORIZED, Some(why)))
    }
}

async fn sign_in_by_form(State(app): State<Arc<App>>, bytes: axum::body::Bytes) -> Page {
    let token = forms::parse(&bytes).remove("token").unwrap_or_default();
    if app.settings.session.admits(token.trim()) {
        let cookie = session_cookie(&app)?;
        let home = (header::LOCATION, HeaderValue::from_static("/"));
        Ok((StatusCode::SEE_OTHER, [(header::SET_COOKIE, cookie), home]).into_response())
    } else {
        Ok(sign_in(StatusCode::UNAUTHORIZED, Some("That is not the token.")))
    }
}

fn session_cookie(app: &App) -> Result<HeaderValue, Error> {
    let cookie = format!(
        "{}={}; Path=/; HttpOnly; SameSite=Strict; Max-Age={SESSION_SECONDS}",
        access::cookie_name(app),
        app.settings.session.token()
    );
    HeaderValue::from_str(&cookie).map_err(|e| Error::new(Kind::System, "the token cannot be sent to a browser").because(e))
}

/// The page for a visitor without a session.
pub(super) fn sign_in(status: StatusCode, why: Option<&str>) -> Response {
    let body = html! {
        h1 { "Sign in" }
        @if let Some(why) = why { p.box.bad role="alert" { (parts::prose(why)) } }
        p { "Run " code { "tempo open" } " on the machine where tempo runs: it opens this page, or prints an address that signs you in once." }
        form.actions method="post" action="/login" {
            label for="token" { "Or enter the token:" }
            input #token name="token" type="password" autocomplete="current-password" required;
            button.primary type="submit" { "Sign in" }
        }
        p.dim { "The token is in the file that " code { "--web-token-file" } " names, otherwise in the file beside the database whose name ends in " code { ".web-token" } ". If you are signed in already and came here by a link from another site, reload this page." }
    };
    (status, Html(layout::bare("Sign in", &body).into_string())).into_response()
}

/// What a page shows around its content.
fn show(app: &App, headers: &HeaderMap, page: &layout::Shell, body: &Markup) -> Response {
    let message = forms::message(headers);
    let text = layout::page(app, page, message.as_deref(), body).into_string();
    let mut response = Html(text).into_response();
    if message.is_some() {
        response.headers_mut().append(header::SET_COOKIE, forms::clear_message());
    }
    response
}
