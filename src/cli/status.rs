//! `tempo status`.

use chrono::TimeDelta;

use super::Context;
use crate::clock::{Clock as _, Wakeup};
use crate::error::Error;
use crate::output::Style;
use crate::output::counted;
use crate::output::table::{pairs, plain};
use crate::present;

/// Show how things stand: the server, what runs, what comes next, open incidents
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Show it again every second, until Ctrl-C; on a terminal in the same place
    #[arg(short, long)]
    watch: bool,
}

/// How often it is shown again.
const AGAIN: TimeDelta = TimeDelta::seconds(1);

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Error> {
    if !args.watch {
        return show(context);
    }
    let nobody = Wakeup::default();
    while context.ui.begin_again()? {
        show(context)?;
        context.clock.wait(&nobody, context.now() + AGAIN);
    }
    Ok(())
}

fn show(context: &Context) -> Result<(), Error> {
    let server = context.server()?;
    let store = context.open_to_show()?;
    let view = store.read(|r| present::status(r, &context.zones, server, context.now()))?;
    if !context.ui.is_text() {
        return context.ui.json(&view);
    }
    let times = context.times();
    let up = match (view.pid, view.since) {
        (Some(pid), Some(since)) => (
            format!("up, pid {pid}, since {} {}", times.full(since.0), times.zone()),
            Some(Style::Good),
        ),
        _ => ("not up; nothing runs until `tempo run` is".to_owned(), Some(Style::Warn)),
    };
    let running: Vec<&str> = view.running.iter().map(|r| r.workflow_id.as_str()).collect();
    let next: Vec<String> = view
        .next
        .iter()
        .take(5)
        .map(|n| {
            format!(
                "{} {} ({})",
                n.schedule_id,
                times.short(n.due_at.0),
                times.relative(n.due_at.0)
            )
        })
        .collect();
    let incidents = if view.incidents_open == 0 {
        ("none open".to_owned(), Some(Style::Good))
    } else {
        (format!("{} open", counted(view.incidents_open, "incident")), Some(Style::Bad))
    };
    let none = |list: &[&str]| {
        if list.is_empty() {
            "nothing".to_owned()
        } else {
            list.join(", ")
        }
    };
    let next: Vec<&str> = next.iter().map(String::as_str).collect();
    pairs(
        &context.ui,
        &[
            ("Server", up),
            (if view.up { "Running" } else { "Cut off" }, plain(none(&running))),
            ("Waiting", plain(counted(view.queued, "start"))),
            ("Next", plain(none(&next))),
            ("Incidents", incidents),
        ],
    )
}
