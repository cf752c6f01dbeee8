//! One run: its steps, attempts and waits to scale, its output while it runs, its incidents, and how to stop or retry it.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use chrono::{DateTime, TimeDelta, Utc};
use http::{HeaderMap, Uri};
use maud::{Markup, html};
use serde::Deserialize;

use super::super::answers;
use super::super::app::{App, Context};
use super::super::changes;
use super::ansi::html_of;
use super::charts::{self, Piece};
use super::layout::{Section, Shell};
use super::log::newest_first;
use super::parts::{self, argument, plain, schedule_link, status, time};
use super::schedules::unknown_change;
use super::{Page, forms, show};
use crate::output::run_views::{AttemptView, RunView, StepView};
use crate::output::views::EventView;
use crate::present;
use crate::run::Stop;
use crate::run::outcome::failure_of;
use crate::spec::describe::human_elapsed;
use crate::store::EventFilter;

/// Maximum number of bytes shown of an attempt's output, unless all of it is asked for.
const OUTPUT_SHOWN: usize = 16 * 1024;
/// Maximum number of events shown.
const MAX_EVENTS: u64 = 200;

#[derive(Deserialize, Default)]
struct Asked {
    output: Option<String>,
}

pub(super) async fn page(State(app): State<Arc<App>>, Path(id): Path<String>, headers: HeaderMap, uri: Uri) -> Page {
    let asked: Asked = answers::query(&uri)?;
    let (view, events, incidents, context) = app
        .read(move |r, c| {
            let row = r.run_named(&id)?;
            let filter = EventFilter {
                run: Some(row.key),
                limit: Some(MAX_EVENTS),
                ..EventFilter::default()
            };
            Ok((
                present::run_in_full(r, &row)?,
                newest_first(r, c, &filter)?,
                r.unresolved_incidents()?.0,
                c.clone(),
            ))
        })
        .await?;
    let shell = Shell::new(view.workflow_id.clone(), Section::Runs, &context, incidents);
    let limit = if asked.output.as_deref() == Some("all") {
        usize::MAX
    } else {
        OUTPUT_SHOWN
    };
    Ok(show(&app, &headers, &shell, &body(&context, &view, &events, limit)))
}

/// Cancels, terminates or retries a run.
pub(super) async fn change(State(app): State<Arc<App>>, Path(id): Path<String>, bytes: Bytes) -> Page {
    let fields = forms::parse(&bytes);
    let reason = forms::text(&fields, "reason");
    let with_reason = reason
        .as_deref()
        .map_or_else(String::new, |reason| format!(" --reason {}", argument(reason)));
    let (here, name) = (format!("/runs/{}", answers::encoded(&id)), argument(&id));
    let message = match fields.get("do").map(String::as_str) {
        Some("cancel") => {
            changes::stop(&app, id, Stop::Cancel, reason).await?;
            format!("Cancellation requested. Same as: tempo workflow cancel {name}{with_reason}")
        }
        Some("terminate") => {
            changes::stop(&app, id, Stop::Terminate, reason).await?;
            format!("Termination requested. Same as: tempo workflow terminate {name}{with_reason}")
        }
        Some("retry") => {
            changes::retry(&app, id).await?;
            format!("Retry requested. Same as: tempo workflow retry {name}")
        }
        _ => return Err(unknown_change().into()),
    };
    Ok(forms::then(&here, &message))
}

fn body(context: &Context, run: &RunView, events: &[EventView], limit: usize) -> Markup {
    let times = &context.times;
    let here = format!("/runs/{}", answers::encoded(&run.run_id));
    let failed: Vec<&String> = run
        .result
        .0
        .iter()
        .map(|(_, result)| result)
        .filter(|r| failure_of(r).is_some())
        .collect();
    let has_incident = failed.iter().any(|result| result.starts_with("incident"));
    let end = run.closed_at.map_or(context.now, |closed| closed.0);
    let steps = run.steps.as_deref().unwrap_or_default();
    html! {
        p.crumbs {
            a href="/runs" { "Runs" } " / "
            @if let Some(id) = &run.schedule_id { (schedule_link(id)) " /" }
        }
        section #head data-live {
            h1 { (plain(&run.workflow_id)) }
            p.lead {
                (status(run.status, !failed.is_empty()))
                @if let Some(reason) = &run.reason { ": " (parts::prose(reason)) }
                span.dim { (if run.closed_at.is_some() { ", after " } else { " for " }) (human_elapsed((end - run.started_at.0).num_milliseconds())) }
            }
            @if let Some(since) = run.waiting_for_worker_since { p { "Waiting for a worker since " (time(times, since.0)) "." } }
            dl.facts {
                dt { "Run" } dd { code { (run.run_id) } }
                dt { "Scheduled" } dd { (time(times, run.scheduled_at.0)) }
                dt { "Started" } dd { (time(times, run.started_at.0)) @if let Some(late) = run.lateness_ms { ", " (human_elapsed(late)) " late" } }
                @if let Some(closed) = run.closed_at { dt { "Closed" } dd { (time(times, closed.0)) } }
            }
            (actions(run, &here, has_incident))
        }
        section #steps data-live {
            h2 { "Steps" }
            (time_line(context, run, steps))
            @for step in steps { (step_part(context, step, limit, &here, 3)) }
        }
        section #log data-live {
            h2 { "Log" }
            (parts::log(times, events, None))
            (parts::command(&format!("tempo log {}", run.run_id.get(..8).unwrap_or(&run.run_id))))
        }
    }
}

fn actions(run: &RunView, here: &str, has_incident: bool) -> Markup {
    let name = run.run_id.get(..8).unwrap_or(&run.run_id);
    html! {
        @if run.status == "Running" {
            form.actions method="post" action=(here) {
                label { "Reason " input name="reason" maxlength="1000"; }
                button type="submit" name="do" value="cancel" { "Cancel" }
                button.danger type="submit" name="do" value="terminate" { "Terminate" }
                (parts::command(&format!("tempo workflow cancel {name}")))
                span.dim { "Cancel lets the step end within 5 s; terminate kills it at once." }
            }
        } @else if run.status != "Completed" {
            form.actions method="post" action=(here) {
                button.primary type="submit" name="do" value="retry" { "Retry from the step where it ended" }
                (parts::command(&format!("tempo workflow retry {name}")))
            }
        }
        @if has_incident { p { a href="/incidents" { "Open incidents" } } }
    }
}

/// The class of an attempt.
fn class_of_attempt(attempt: &AttemptView) -> &'static str {
    match attempt.outcome.as_deref() {
        None => "now",
        Some("ok") => "good",
        Some("failed") => "bad",
        Some("lost") => "warn",
        Some(_) => "off",
    }
}

fn time_line(context: &Context, run: &RunView, steps: &[StepView]) -> Markup {
    let started = run.started_at.0;
    let mut rows = Vec::new();
    collect(context, steps, 0, &mut rows);
    // A run that was retried much later is as long as that.
    let ends = rows
        .iter()
        .flat_map(|(_, pieces): &(String, Vec<Piece>)| pieces)
        .map(|piece| piece.to);
    let end = ends.chain(run.closed_at.map(|closed| closed.0)).max().unwrap_or(context.now);
    charts::time_line((started, end.max(started + TimeDelta::milliseconds(1))), &rows)
}

fn collect(context: &Context, steps: &[StepView], depth: usize, rows: &mut Vec<(String, Vec<Piece>)>) {
    for step in steps {
        let piece = |attempt: &AttemptView| {
            let from = attempt.started_at.0;
            let to = attempt.elapsed_ms.map_or(context.now, |ms| later(from, ms));
            let outcome = attempt.outcome.as_deref().unwrap_or("running");
            Piece {
                from,
                to,
                class: class_of_attempt(attempt),
                text: format!(
                    "attempt {}: {outcome}, {}",
                    attempt.number,
                    human_elapsed((to - from).num_milliseconds())
                ),
            }
        };
        let name: String = step.name.chars().take(24).collect();
        rows.push((
            format!("{}{name}", "  ".repeat(depth)),
            step.attempts.iter().map(piece).collect(),
        ));
        collect(context, &step.steps, depth + 1, rows);
    }
}

/// The time `ms` after another, or the same time if there is none.
fn later(from: DateTime<Utc>, ms: i64) -> DateTime<Utc> {
    let delta = TimeDelta::try_milliseconds(ms);
    delta.and_then(|delta| from.checked_add_signed(delta)).unwrap_or(from)
}

fn step_part(context: &Context, step: &StepView, limit: usize, here: &str, level: u8) -> Markup {
    let result = step.result.as_deref().unwrap_or_default();
    let has_failed = failure_of(result).is_some();
    let heading = html! { (step.name) " " (status(step.status, has_failed)) };
    html! {
        div.step.nested[level > 3] {
            @if level == 3 { h3 { (heading) } } @else { h4 { (heading) } }
            @if !result.is_empty() { p { (parts::prose(result)) } }
            @if !step.attempts.is_empty() {
                ol.attempts {
                    @for attempt in &step.attempts {
                        li value=(attempt.number) {
                            span.status.(class_of_attempt(attempt)) { (attempt.outcome.as_deref().unwrap_or("running")) }
                            " " (time(&context.times, attempt.started_at.0))
                            @if let Some(ms) = attempt.elapsed_ms { ", " (human_elapsed(ms)) }
                            @if let Some(code) = attempt.status_code { ", status " (code) }
                            @if let (Some(code), None) = (attempt.exit_code, &attempt.error) { ", exit " (code) }
                            @if let Some(error) = &attempt.error { ": " (plain(error)) }
                        }
                    }
                }
            }
            @if let Some(attempt) = step.attempts.iter().rev().find(|attempt| [&attempt.output, &attempt.stderr].into_iter().flatten().any(|output| !output.is_empty())) {
                @for (name, all) in [("Output", &attempt.output), ("Stderr", &attempt.stderr)] {
                    @if let Some(all) = all.as_deref().filter(|all| !all.is_empty()) {
                        (output((name, all), step, attempt, limit, here))
                    }
                }
            }
            @if !step.outputs.is_empty() {
                dl.facts {
                    @for (key, value) in &step.outputs { dt { "output " (key) } dd { (plain(value)) } }
                }
            }
            @for inner in &step.steps { (step_part(context, inner, limit, here, 4)) }
        }
    }
}

fn output((name, all): (&str, &str), step: &StepView, attempt: &AttemptView, limit: usize, here: &str) -> Markup {
    let mut from = all.len().saturating_sub(limit);
    while !all.is_char_boundary(from) {
        from += 1;
    }
    html! {
        p.dim {
            (name) " of attempt " (attempt.number)
            @if from > 0 { ", its end (" a href={ (here) "?output=all" } { "show all of it" } ")" }
        }
        pre.output tabindex="0" aria-label={ (name) " of " (step.name) } { (html_of(&all[from..])) }
    }
}
