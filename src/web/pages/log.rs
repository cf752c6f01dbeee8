//! The log: what happened, newest first, with filters.

use std::sync::Arc;

use axum::extract::State;
use chrono::{DateTime, Utc};
use http::{HeaderMap, Uri};
use maud::html;
use serde::Deserialize;

use super::super::answers;
use super::super::app::App;
use super::layout::{Section, Shell};
use super::parts::{self, Subjects, argument};
use super::{Page, show};
use crate::error::Error;
use crate::present::EventViews;
use crate::spec::instant;
use crate::store::EventFilter;

/// Maximum number of events shown.
const SHOWN: usize = 200;

#[derive(Deserialize, Default, Clone)]
struct Asked {
    schedule: Option<String>,
    since: Option<String>,
    until: Option<String>,
    failed: Option<String>,
}

pub(super) async fn page(State(app): State<Arc<App>>, headers: HeaderMap, uri: Uri) -> Page {
    let asked: Asked = answers::query(&uri)?;
    let filled = |text: &Option<String>| {
        text.clone()
            .map(|text| text.trim().to_owned())
            .filter(|text| !text.is_empty())
    };
    let given = asked.clone();
    let (events, incidents, context) = app
        .read(move |r, c| {
            let zone = c.times.time_zone();
            let time = |text: Option<String>| -> Result<Option<DateTime<Utc>>, Error> {
                text.map(|text| instant::parse_past(&text, &zone, c.now)).transpose()
            };
            let filter = EventFilter {
                schedule_id: filled(&given.schedule),
                since: time(filled(&given.since))?,
                until: time(filled(&given.until))?,
                failed: given.failed.is_some(),
                limit: Some(SHOWN as u64),
                ..EventFilter::default()
            };
            let short = |at: DateTime<Utc>| c.times.short(at);
            let mut views = EventViews::new(r, &short);
            let mut events = r
                .events(&filter)?
                .iter()
                .map(|row| views.view(row))
                .collect::<Result<Vec<_>, Error>>()?;
            events.reverse();
            Ok((events, r.unresolved_incidents()?.0, c.clone()))
        })
        .await?;
    let shell = Shell {
        title: "Log".to_owned(),
        section: Section::Log,
        zone: context.times.zone().to_owned(),
        incidents,
    };
    let option = |name: &str, text: &Option<String>| {
        filled(text).map_or_else(String::new, |text| format!(" --{name} {}", argument(&text)))
    };
    let command = format!(
        "tempo log{}{}{}{}",
        filled(&asked.schedule).map_or_else(String::new, |id| format!(" {}", argument(&id))),
        option("since", &asked.since),
        option("until", &asked.until),
        if asked.failed.is_some() { " --failed" } else { "" }
    );
    let value = |text: &Option<String>| text.clone().unwrap_or_default();
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
            @if events.len() == SHOWN { p.dim { "These are the newest " (SHOWN) " events; a later end or a narrower span shows others." } }
        }
    };
    Ok(show(&app, &headers, &shell, &body))
}
