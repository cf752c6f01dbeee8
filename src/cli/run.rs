//! `tempo run`: the server and worker, in the foreground.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use super::Context;
use crate::actions::Live;
use crate::clock::{Clock as _, SystemClock};
use crate::engine::{Event, Server, Settings, Until};
use crate::error::{Error, Kind};
use crate::output::log::Line;
use crate::output::times::Times;
use crate::output::{Format, counted};
use crate::spec::text;

mod words;

/// Serve: take up what is due, run it, record it
///
/// The server and worker, in the foreground. It ticks the schedules, performs the steps, retries, and logs a line for each thing that
/// happens. After a crash the next `tempo run` goes on with every run at the first step that has not completed.
///
/// SIGTERM and SIGINT let running steps finish within the drain timeout; a second one gives them up. Runs that are cut off stay open
/// for the next `tempo run`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// How many runs are performed at once
    #[arg(long, default_value_t = 64, value_name = "N")]
    workers: usize,
    /// How long running steps may take to end when it is told to stop
    #[arg(long, default_value = "30s", value_name = "DURATION")]
    drain_timeout: String,
    /// How the log is written
    #[arg(long, value_enum, default_value = "text", value_name = "FORMAT")]
    log_format: LogFormat,
    /// Take up what is due, finish it, and exit; with 1 when a run failed or recorded an incident
    #[arg(long, conflicts_with = "for")]
    once: bool,
    /// Serve so long, drain, and exit
    #[arg(long, value_name = "DURATION")]
    r#for: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum LogFormat {
    /// A line for people.
    Text,
    /// A JSON object a line.
    Json,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Error> {
    if args.workers == 0 {
        return Err(Error::new(Kind::Usage, "`--workers 0` would run nothing").hint("One worker runs one run at a time."));
    }
    let until = match (&args.r#for, args.once) {
        (Some(span), _) => Until::For(text::duration(span)?),
        (None, true) => Until::Done,
        (None, false) => Until::Told,
    };
    let settings = Settings {
        workers: args.workers,
        drain_timeout: text::duration(&args.drain_timeout)?,
        until,
    };
    let (sender, events) = channel();
    watch_signals(&sender)?;
    let server = Server::start(&context.database()?, settings, Arc::new(SystemClock), Arc::new(Live), sender)?;
    let json = args.log_format == LogFormat::Json || context.ui.format() != Format::Text;
    let unhappy = speak(context, &server, &events, json);
    server.join();
    match unhappy {
        n if n > 0 && args.once => Err(Error::new(
            Kind::Failed,
            format_args!("{} failed or recorded an incident", counted(n, "run")),
        )),
        _ => Ok(()),
    }
}

/// Signals become events like any other.
fn watch_signals(events: &Sender<Event>) -> Result<(), Error> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM])
        .map_err(|e| Error::new(Kind::System, "cannot watch for signals").because(e))?;
    let events = events.clone();
    let watch = move || {
        for _ in signals.forever() {
            if events.send(Event::Signal).is_err() {
                return;
            }
        }
    };
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(watch)
        .map(|_| ())
        .map_err(|e| Error::new(Kind::System, "cannot watch for signals").because(e))
}

/// The voice: puts what happens in words, one line each, until the server has ended. How many runs were unhappy.
fn speak(context: &Context, server: &Server, events: &Receiver<Event>, json: bool) -> u64 {
    let zone = context.local_zone();
    while let Ok(event) = events.recv() {
        if let Event::Ended { unhappy_runs } = &event {
            return *unhappy_runs;
        }
        if let Event::Signal = &event {
            server.stop();
        }
        if let (Event::Trouble(e), false) = (&event, json) {
            context.ui.error(e);
            continue;
        }
        let now = context.clock.now();
        let Some(line) = words::line(&event, now) else { continue };
        say(context, &line, &Times::new(zone.clone(), now), json);
    }
    0
}

fn say(context: &Context, line: &Line, times: &Times, json: bool) {
    let text = if json {
        line.json()
    } else {
        line.text(times, |style, text| context.ui.paint(style, text))
    };
    // The log is what the command is asked for: data. A reader that has gone does not end the server.
    let _ = context.ui.data(&text);
    let _ = std::io::stdout().flush();
}
