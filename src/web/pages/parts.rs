//! Parts that several pages share: times, statuses, links, and forms with the command that does the same.

use chrono::{DateTime, Utc};
use maud::{Markup, html};

use super::super::answers::encoded;
use crate::output::instant::rfc3339;
use crate::output::times::Times;
use crate::output::views::EventView;

/// Makes the marks that would reverse or hide text visible.
pub(super) fn plain(text: &str) -> String {
    crate::output::ui::sanitize(text).into_owned()
}

/// A time, with its date unless it is today, and the exact instant for the script and on hover.
pub(super) fn time(times: &Times, at: DateTime<Utc>) -> Markup {
    html! { time datetime=(rfc3339(at)) title=(times.full(at)) { (times.short(at)) } }
}

/// How long ago or how far ahead a time is; the script keeps it up to date.
pub(super) fn relative(times: &Times, at: DateTime<Utc>) -> Markup {
    html! { time.dim data-relative datetime=(rfc3339(at)) title=(times.full(at)) { (times.relative(at)) } }
}

/// A text with names in backticks.
pub(super) fn prose(text: &str) -> Markup {
    let text = plain(text);
    let pieces: Vec<&str> = text.split('`').collect();
    // An odd number of pieces has its backticks in pairs.
    let is_paired = pieces.len() % 2 == 1;
    html! {
        @if is_paired {
            @for (index, piece) in pieces.iter().enumerate() { @if index % 2 == 1 { code { (piece) } } @else { (piece) } }
        } @else { (text) }
    }
}

/// The class for a status of a run or step.
pub(super) fn class_of(status: &str, has_failed_step: bool) -> &'static str {
    match status {
        "Completed" if has_failed_step => "warn",
        "Completed" => "good",
        "Running" => "now",
        "Failed" | "TimedOut" => "bad",
        _ => "off",
    }
}

/// A status as text, with a mark of a distinct shape.
pub(super) fn status(name: &str, has_failed_step: bool) -> Markup {
    let mark = match class_of(name, has_failed_step) {
        "good" => "✓",
        "warn" => "!",
        "bad" => "✗",
        "now" => "▶",
        _ => "–",
    };
    let text = if has_failed_step && name == "Completed" {
        "Completed, with a failed step"
    } else {
        name
    };
    html! { span.status.(class_of(name, has_failed_step)) { span aria-hidden="true" { (mark) } " " (text) } }
}

/// The address of a list: its path, and the fields of its filter that are given.
pub(super) fn address(path: &str, fields: &[(&str, Option<&str>)]) -> String {
    let given = fields.iter().filter_map(|(name, text)| Some((name, text.as_ref()?)));
    let pairs: Vec<String> = given.map(|(name, text)| format!("{name}={}", encoded(text))).collect();
    format!("{path}?{}", pairs.join("&"))
}

/// The page of a schedule.
pub(super) fn schedule_path(id: &str) -> String {
    format!("/schedules/{}", encoded(id))
}

pub(super) fn schedule_link(id: &str) -> Markup {
    html! { a href=(schedule_path(id)) { (id) } }
}

/// The page of a run.
pub(super) fn run_link(run_id: &str, text: &str) -> Markup {
    html! { a href={ "/runs/" (encoded(run_id)) } { (plain(text)) } }
}

/// A text as an argument on a shell's command line.
pub(super) fn argument(text: &str) -> String {
    let is_safe = |c: char| c.is_ascii_alphanumeric() || "._:/@+-=,".contains(c);
    if !text.is_empty() && text.chars().all(is_safe) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// The command that does the same as a form, to copy. The script adds what is entered as options.
pub(super) fn command(line: &str) -> Markup {
    html! { code.command title="The command that does the same" data-command=(line) { (line) } }
}

/// A button that sends one field, in a form of its own.
pub(super) fn button(action: &str, (name, value): (&str, &str), label: &str) -> Markup {
    html! {
        form.inline method="post" action=(action) {
            button type="submit" name=(name) value=(value) { (label) }
        }
    }
}

/// What each line of a log names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subjects {
    /// Its schedule and run.
    All,
    /// Its run.
    Runs,
}

/// Events in the order given; `subjects` is `None` in the log of one run.
pub(super) fn log(times: &Times, events: &[EventView], subjects: Option<Subjects>) -> Markup {
    html! {
        @if events.is_empty() { p.dim { "Nothing is recorded." } } @else {
            ul.log {
                @for event in events {
                    li {
                        (time(times, event.at.0)) " " span.event { (event.event) } " "
                        @if let Some(step) = &event.step { (plain(step)) ": " }
                        @if let (Some(of), Some(id)) = (subjects, &event.schedule_id) { @if of == Subjects::All { (schedule_link(id)) ": " } }
                        (prose(&event.message))
                        @if let (Some(_), Some(run)) = (subjects, &event.run_id) { " " (run_link(run, run.get(..8).unwrap_or(run))) }
                    }
                }
            }
        }
    }
}

/// What failed: the schedule, and the step unless it has the name of every only command.
pub(super) fn target(schedule: Option<&str>, step: &str) -> Markup {
    html! {
        @if let Some(id) = schedule { (schedule_link(id)) @if step != "command" { ", " (plain(step)) } } @else { (plain(step)) }
    }
}
