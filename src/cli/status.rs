//! `tempo status`.

use chrono::TimeDelta;

use super::Context;
use crate::clock::{Clock as _, Wakeup};
use crate::error::{Error, Kind};
use crate::output::Style;
use crate::output::counted;
use crate::output::table::{pairs, plain};
use crate::present;
use crate::spec::describe::human_duration;
use crate::store::{MAX_SILENCE, server_responds};

/// Show the server, open runs, next times and open incidents
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Refresh every second until Ctrl-C; on a terminal, in place
    #[arg(short, long)]
    watch: bool,
    /// Exit with 5 if the server is not running or does not respond within 25 s, for a health check
    #[arg(long, conflicts_with = "watch")]
    check: bool,
}

/// How often `--watch` refreshes.
const REFRESH_INTERVAL: TimeDelta = TimeDelta::seconds(1);

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Error> {
    if !args.watch {
        show(context)?;
        return if args.check { check(context) } else { Ok(()) };
    }
    let never_raised = Wakeup::default();
    while context.ui.redraw()? {
        show(context)?;
        context.clock.wait(&never_raised, context.now() + REFRESH_INTERVAL);
    }
    Ok(())
}

/// Fails unless a server is running and responds.
fn check(context: &Context) -> Result<(), Error> {
    if context.server()?.is_some() && server_responds(&context.database()?)? {
        return Ok(());
    }
    // It may have ended while it was asked.
    let Some((pid, _)) = context.server()? else {
        return Err(Error::new(Kind::ServerDown, "the server is not running").hint("Start it with `tempo run`."));
    };
    let silence = human_duration(MAX_SILENCE.as_millis());
    Err(Error::new(
        Kind::ServerDown,
        format_args!("the server (pid {pid}) has not responded for {silence}"),
    )
    .hint("Restart it. A process that was stopped with SIGSTOP continues with `kill -CONT PID`."))
}

/// Maximum number of runs and of next times that are shown.
const MAX_SHOWN: usize = 5;

fn show(context: &Context) -> Result<(), Error> {
    let server = context.server()?;
    let store = context.open_to_show()?;
    let view = store.read(|r| present::status(r, &context.zones, server, context.now()))?;
    if !context.ui.is_text() {
        return context.ui.json(&view);
    }
    let times = context.times();
    let server = match (view.pid, view.since) {
        (Some(pid), Some(since)) => (
            format!("running, pid {pid}, since {} {}", times.full(since.0), times.zone()),
            Some(Style::Good),
        ),
        _ => (
            "not running; nothing starts until you run `tempo run`".to_owned(),
            Some(Style::Warn),
        ),
    };
    let mut running: Vec<&str> = view.running.iter().take(MAX_SHOWN).map(|r| r.workflow_id.as_str()).collect();
    let more = view.running.len() - running.len();
    let more = format!("and {more} more");
    if view.running.len() > MAX_SHOWN {
        running.push(&more);
    }
    let next: Vec<String> = view
        .next
        .iter()
        .take(MAX_SHOWN)
        .map(|n| {
            format!(
                "{} {} ({})",
                n.schedule_id,
                times.short(n.due_at.0),
                times.relative(n.due_at.0)
            )
        })
        .collect();
    let acked = match view.incidents_acked {
        0 => String::new(),
        n => format!(", {n} acknowledged"),
    };
    let incidents = if view.incidents_open == 0 {
        (format!("none open{acked}"), Some(Style::Good))
    } else {
        (format!("{} open{acked}", view.incidents_open), Some(Style::Bad))
    };
    let join_or_none = |list: &[&str]| {
        if list.is_empty() { "none".to_owned() } else { list.join(", ") }
    };
    let next: Vec<&str> = next.iter().map(String::as_str).collect();
    pairs(
        &context.ui,
        &[
            ("Server", server),
            (if view.up { "Running" } else { "Unfinished" }, plain(join_or_none(&running))),
            (
                "Waiting",
                plain(if view.queued == 0 {
                    "none".to_owned()
                } else {
                    counted(view.queued, "start")
                }),
            ),
            ("Next", plain(join_or_none(&next))),
            ("Incidents", incidents),
        ],
    )
}
