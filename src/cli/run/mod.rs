//! `tempo run`: the server and worker, in the foreground.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};

use super::{Context, interrupt};
use crate::actions::Live;
use crate::clock::{Clock as _, SystemClock, pause};
use crate::engine::{Event, Retention, Server, Settings, Until};
use crate::error::{Error, Kind};
use crate::output::times::Times;
use crate::output::ui::Ui;
use crate::output::{Format, counted};
use crate::spec::text;
use crate::spec::zone::Zone;

mod log_lines;

/// How many lines are written at once, at most.
const MOST_AT_ONCE: usize = 1024;
/// A pause for breath between them: a server that is busy would wake the voice for every word.
const BREATH: Duration = Duration::from_millis(5);
/// How long the last lines of the log are waited for when the server has ended.
const LAST_WORDS: Duration = Duration::from_secs(2);

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
    /// How long runs, their output and the reasons of times that did not run are kept
    #[arg(long, default_value = "30d", value_name = "DURATION")]
    keep_for: String,
    /// How many runs, and how many failures, of each schedule are kept however old they are
    #[arg(long, default_value_t = 100, value_name = "N")]
    keep_runs: u64,
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
        retention: Retention {
            keep_for: text::duration(&args.keep_for)?,
            keep_runs: args.keep_runs,
        },
    };
    let (sender, events) = channel();
    let signals = interrupt::catch(&[SIGINT, SIGTERM])?;
    let server = Server::start(&context.database()?, settings, Arc::new(SystemClock), Arc::new(Live), sender)?;
    // They reach the server on their own way, whatever the log is doing.
    let stopper = server.stopper();
    interrupt::on_each(signals, move || stopper.stop())?;
    let json = args.log_format == LogFormat::Json || context.ui.format() != Format::Text;
    let said = speak(
        Logger {
            ui: context.ui.clone(),
            zone: context.local_zone(),
            json,
        },
        events,
    )?;
    let outcome = server.join();
    // What is still to be said gets a moment; a reader that does not read does not keep a server from ending.
    let _ = said.recv_timeout(LAST_WORDS);
    if outcome.lost_file {
        let database = context.database()?;
        return Err(Error::new(
            Kind::System,
            format_args!(
                "a file of the database `{}` was deleted, moved or replaced under this server",
                database.display()
            ),
        )
        .hint(
            "Running steps were stopped because their results could not be recorded. Put the file back, or a backup of it, and start again.",
        ));
    }
    if outcome.damaged {
        let message = format_args!(
            "the database `{}` is damaged; what could be read was served",
            context.database()?.display()
        )
        .to_string();
        return Err(Error::new(Kind::System, message)
            .hint("Run `tempo doctor` to see where; keep a copy of the file, and restore a backup."));
    }
    if args.once && outcome.troubles > 0 {
        return Err(Error::new(Kind::System, "not everything that was due could be taken up"));
    }
    if args.once && outcome.failed_runs > 0 {
        let runs = counted(outcome.failed_runs, "run");
        return Err(Error::new(
            Kind::Failed,
            format_args!("{runs} failed or recorded an incident"),
        ));
    }
    Ok(())
}

/// Puts what happens in words.
struct Logger {
    ui: Ui,
    zone: Zone,
    json: bool,
}

/// Says a line for each event, from a thread of its own, until the server has ended. The receiver hears when everything is said.
fn speak(logger: Logger, events: Receiver<Event>) -> Result<Receiver<()>, Error> {
    let (done, said) = channel();
    let speak = move || {
        while let Ok(first) = events.recv() {
            // What has happened meanwhile is said in one breath.
            let all: Vec<Event> = std::iter::once(first).chain(events.try_iter().take(MOST_AT_ONCE)).collect();
            logger.say(&all);
            if let Some(Event::Ended { .. }) = all.last() {
                break;
            }
            pause(BREATH);
        }
        drop(done);
    };
    let started = std::thread::Builder::new().name("voice".to_owned()).spawn(speak);
    started
        .map(|_| said)
        .map_err(|e| Error::new(Kind::System, "cannot start the log").because(e))
}

impl Logger {
    fn say(&self, events: &[Event]) {
        let now = SystemClock.now();
        let times = Times::new(self.zone.clone(), now);
        let mut log = String::new();
        for event in events {
            if let (Event::Trouble(e), false) = (event, self.json) {
                self.ui.error(e);
                continue;
            }
            let line = log_lines::line(event, now, self.json);
            log += &if self.json {
                line.json()
            } else {
                line.text(&times, |style, text| self.ui.paint(style, text))
            };
            log.push('\n');
        }
        // The log is what the command is asked for: data. A reader that has gone does not end the server.
        let _ = self.ui.raw(log.as_bytes());
    }
}
