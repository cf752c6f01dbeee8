//! The log: what happened, newest first, with filters.

use std::sync::Arc;

use axum::extract::State;
use chrono::{DateTime, Utc};
use http::{HeaderMap, Uri};
use maud::html;
use serde::Deserialize;

use super::super::answers;
use super::super::app::{App, Context};
use super::forms::filled;
use super::layout::{Section, Shell};
use super::parts::{self, Subjects, argument};
use super::{Page, show};
use crate::error::Error;
use crate::output::views::EventView;
use crate::present::EventViews;
use crate::store::{EventFilter, EventRow, Read};

/// Maximum number of events shown.
const SHOWN: usize = 200;

#[derive(Deserialize, Default, Clone)]
struct Asked {
    schedule: Option<String>,
    since: Option<String>,
    until: Option<String>,
    failed: Option<String>,
    /// Only events older than the one with this key.
    before: Option<i64>,
}

/// The events that match a filter, newest first.
pub(super) fn newest_first(read: &Read<'_>, context: &Context, filter: &EventFilter) -> Result<Vec<EventView>, Error> {
    views(read, context, &read.events(filter)?)
}

/// Views of events in reverse order.
fn views(read: &Read<'_>, context: &Context, events: &[EventRow]) -> Result<Vec<EventView>, Error> {
    let short = |at: DateTime<Utc>| context.times.short(at);
    let mut views = EventViews::new(read, &short);
    events.iter().rev().map(|row| views.view(row)).collect()
}

pub(super) async fn page(State(app): State<Arc<App>>, headers: HeaderMap, uri: Uri) -> Page {
    let asked: Asked = answers::query(&uri)?;
    let given = asked.clone();
    let (events, older, incidents, context) = app
        .read(move |r, c| {
            let filter = EventFilter {
                schedule_id: filled(given.schedule.as_ref()),
                since: c.past(filled(given.since.as_ref()))?,
                until: c.past(filled(given.until.as_ref()))?,
                failed: given.failed.is_some(),
                before: given.before,
                limit: Some(SHOWN as u64),
                ..EventFilter::default()
            };
            let events = r.events(&filter)?;
            let older = events.first().filter(|_| events.len() == SHOWN).map(|oldest| oldest.key);
            Ok((views(r, c, &events)?, older, r.unresolved_incidents()?.0, c.clone()))
        })
        .await?;
    let shell = Shell::new("Log".to_owned(), Section::Log, &context, incidents);
    let option = |name: &str, text: &Option<String>| {
        filled(text.as_ref()).map_or_else(String::new, |text| format!(" --{name} {}", argument(&text)))
    };
    let command = format!(
        "tempo log{}{}{}{}",
        filled(asked.schedule.as_ref()).map_or_else(String::new, |id| format!(" {}", argument(&id))),
        option("since", &asked.since),
        option("until", &asked.until),
        if asked.failed.is_some() { " --failed" } else { "" }
    );
    let value = |text: &Option<String>| text.clone().unwrap_or_default();
    let from = |before: Option<i64>| {
        let before = before.map(|key| key.to_string());
        let fields = [
            ("schedule", asked.schedule.as_deref()),
            ("since", asked.since.as_deref()),
            ("until", asked.until.as_deref()),
            ("failed", asked.failed.as_deref()),
            ("before", before.as_deref()),
        ];
        parts::address("/log", &fields)
    };
    let body = html! {
        h1 { "Log" }
        form.filter method="get" action="/log" role="search" {
            label { "Schedule " input name="schedule" value=(value(&asked.schedule)); }
            label { "Since " input name="since" value=(value(&asked.since)) placeholder="fri 18:00"; }
            label { "Until " input name="until" value=(value(&asked.until)) placeholder="now"; }
            label { input type="checkbox" name="failed" value="true" checked[asked.failed.is_some()]; " Only failures" }
            button type="submit" { "Show" }
            (parts::command(&command))
        }
        section #log data-live {
            (parts::log(&context.times, &events, Some(Subjects::All)))
            nav.pages aria-label="Pages" {
                @if asked.before.is_some() { a href=(from(None)) { "Newest" } " " }
                @if older.is_some() { a rel="next" href=(from(older)) { "Older" } }
            }
        }
    };
    Ok(show(&app, &headers, &shell, &body))
}
