//! The editor of a definition: checks it as it is typed, and keeps what was entered when it cannot be saved.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::{Html, IntoResponse as _};
use http::HeaderMap;
use maud::{Markup, html};

use super::super::super::answers;
use super::super::super::app::{App, Context};
use super::super::super::changes;
use super::super::layout::{Section, Shell};
use super::super::parts::{self, argument, plain, time};
use super::super::{Page, error_box, forms, show};
use crate::error::{Error, Kind};
use crate::names::ScheduleId;
use crate::ops;
use crate::present;

/// Checks an edited definition, and shows what it would change and its next times; a part of the page for the script, or a page without it.
pub(in crate::web::pages) async fn preview(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Page {
    let id = ScheduleId::parse(&id)?;
    let text = forms::parse(&bytes).remove("definition").unwrap_or_default();
    let shown = id.clone();
    let checked = changes::check_edit(&app, id.clone(), text.clone()).await;
    let checked = checked.map(|(difference, next)| (present::change(&difference), next));
    let (original, incidents, context) = now(&app, id).await?;
    let part = html! {
        @match &checked {
            Err(e) => (error_box(e)),
            Ok((change, next)) => {
                @if change.fields.is_empty() { p.dim { "Nothing would change." } } @else {
                    table {
                        thead { tr { th { "Would change" } th { "From" } th { "To" } } }
                        tbody { @for field in &change.fields {
                            tr { td { (field.name) } td { del { (value(&field.old)) } } td { ins { (value(&field.new)) } } }
                        } }
                    }
                }
                p { "Next times: " @if next.is_empty() { "none" } @for (index, at) in next.iter().enumerate() { @if index > 0 { ", " } (time(&context.times, at.due_at.0)) } }
            }
        }
    };
    if headers.contains_key("x-part") {
        return Ok(Html(part.into_string()).into_response());
    }
    let shell = Shell::new(format!("Edit {shown}"), Section::Schedules, &context, incidents);
    let body = html! {
        h1 { "Edit " (shown) }
        (part)
        (editor(shown.as_str(), &original, &text))
    };
    Ok(show(&app, &headers, &shell, &body))
}

/// The definition as it is now, the number of open incidents, and the context.
async fn now(app: &Arc<App>, id: ScheduleId) -> Result<(String, u64, Context), Error> {
    app.read(move |r, c| Ok((ops::definition_text(r, &id)?, r.unresolved_incidents()?.0, c.clone())))
        .await
}

/// The editor with a text that could not be saved, and why. Saving it again replaces the definition as it is now.
pub(super) async fn edit_again(app: &Arc<App>, headers: &HeaderMap, id: ScheduleId, why: &Error, text: String) -> Page {
    let shown = id.clone();
    let (original, incidents, context) = now(app, id).await?;
    let shell = Shell::new(format!("Edit {shown}"), Section::Schedules, &context, incidents);
    let body = html! {
        h1 { "Edit " (shown) }
        (error_box(why))
        (editor(shown.as_str(), &original, &text))
        @if why.kind() == Kind::Conflict {
            h2 { "The definition as it is now" }
            pre { (original) }
        }
    };
    let mut response = show(app, headers, &shell, &body);
    *response.status_mut() = answers::status_of(why.kind());
    Ok(response)
}

/// A value of a definition as text.
fn value(of: &serde_json::Value) -> String {
    match of {
        serde_json::Value::Null => "–".to_owned(),
        serde_json::Value::String(text) => plain(text),
        serde_json::Value::Bool(_)
        | serde_json::Value::Number(_)
        | serde_json::Value::Array(_)
        | serde_json::Value::Object(_) => plain(&of.to_string()),
    }
}

/// The form with a definition.
pub(super) fn editor(id: &str, original: &str, text: &str) -> Markup {
    let here = parts::schedule_path(id);
    html! {
        form method="post" action=(here) data-preview={ (here) "/preview" } {
            input type="hidden" name="original" value=(original);
            label.hidden for="definition" { "Definition" }
            textarea #definition name="definition" rows=(text.lines().count().clamp(6, 30) + 1) spellcheck="false" autocapitalize="off" { "\n" (text) }
            div #preview aria-live="polite" {}
            div.actions {
                button type="submit" formaction={ (here) "/preview" } { "Preview" }
                button.primary type="submit" name="do" value="save" { "Save" }
                (parts::command(&format!("tempo schedule edit {}", argument(id))))
            }
        }
    }
}
