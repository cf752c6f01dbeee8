//! `tempo run`: the server and worker, in the foreground.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use clap::FromArgMatches as _;

use super::Context;
use crate::actions::Live;
use crate::clock::{Clock as _, SystemClock, pause};
use crate::engine::{Event, Retention, Server, Settings, Until};
use crate::error::{Error, Kind};
use crate::names::QueueName;
use crate::output::times::Times;
use crate::output::ui::Ui;
use crate::output::{Format, counted};
use crate::run::step::DEFAULT_QUEUE;
use crate::spec::text;
use crate::spec::zone::Zone;

mod backups;
mod definitions;
pub(super) mod init;
mod log_fields;
mod log_lines;
mod page;
mod ping;
mod signals;
mod supervision;

/// Maximum number of log lines written at once.
const MAX_BATCH: usize = 1024;
/// Pause between batches, so that a busy server does not wake the logger for every line.
const BATCH_PAUSE: Duration = Duration::from_millis(5);
/// How long to wait for the last log lines after the server has ended.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// Run the server and worker in the foreground
///
/// Starts runs when they are due, executes their steps, retries failures, and logs one line per event. After a crash, the next
/// `tempo run` resumes every run at the first step that has not completed.
///
/// SIGTERM and SIGINT let running steps finish within the drain timeout; a second signal stops them at once. Interrupted runs stay
/// open, and the next `tempo run` resumes them. SIGHUP stops a server that has a terminal; one without a terminal applies the files of
/// `-f` again. SIGUSR1 logs the state.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Maximum number of runs at a time in the default task queue, at least 1; `--queue default=N` overrides it
    #[arg(long, default_value_t = 64, value_name = "N")]
    workers: usize,
    /// Limits of task queues, such as `default=64,heavy=1`: how many of their runs may run at a time, from 1 to 10000. Runs of other queues count toward `default`
    #[arg(long = "queue", value_name = "NAME=N", value_delimiter = ',', value_parser = queue_limit)]
    queues: Vec<(String, usize)>,
    /// How long to let running steps finish when stopping
    #[arg(long, default_value = "30s", value_name = "DURATION")]
    drain_timeout: String,
    /// Format of the log
    #[arg(long, value_enum, default_value = "text", value_name = "FORMAT")]
    log_format: LogFormat,
    /// How long to keep runs, their output, and the records of times that did not run
    #[arg(long, default_value = "30d", value_name = "DURATION")]
    keep_for: String,
    /// How many runs and how many failures of each schedule to keep regardless of age
    #[arg(long, default_value_t = 100, value_name = "N")]
    keep_runs: u64,
    /// How much of each command's output to keep (its beginning and its end): a size from `1k` to `64m`, or the same in bytes
    #[arg(long, default_value = "64k", value_name = "SIZE", value_parser = output_limit)]
    keep_output: usize,
    /// Run everything that is due, then exit (with 1 if a run failed or had a failed step)
    #[arg(long, conflicts_with = "for")]
    once: bool,
    /// Serve for this long, then drain and exit
    #[arg(long, value_name = "DURATION")]
    r#for: Option<String>,
    #[command(flatten)]
    definitions: definitions::DefinitionArgs,
    #[command(flatten)]
    backups: backups::BackupArgs,
    #[command(flatten)]
    ping: ping::PingArgs,
    #[command(flatten)]
    page: page::PageArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum LogFormat {
    /// Plain text, one line per event.
    Text,
    /// JSON, one object per line.
    Json,
}

/// Parses a limit of `--queue`.
fn queue_limit(text: &str) -> Result<(String, usize), String> {
    let (name, limit) = text.split_once('=').ok_or_else(|| "expected `NAME=N`".to_owned())?;
    let name = QueueName::parse(name).map_err(|e| e.to_string())?;
    let limit = limit.parse().ok().filter(|limit| (1..=10_000).contains(limit));
    let limit = limit.ok_or_else(|| "expected a limit from 1 to 10000".to_owned())?;
    Ok((name.into(), limit))
}

/// Parses `--keep-output`: 1 KiB to 64 MiB.
fn output_limit(text: &str) -> Result<usize, String> {
    let size = text::size(text).and_then(|size| usize::try_from(size).ok());
    size.filter(|size| (1024..=64 * 1024 * 1024).contains(size))
        .ok_or_else(|| "expected a size from `1k` to `64m`".to_owned())
}

impl Args {
    /// The arguments `words` of `tempo run` for a service: checked, and with absolute paths.
    ///
    /// # Errors
    /// `Usage` when they are invalid, or the server would end by itself.
    pub(super) fn for_service(words: &[String]) -> Result<(Self, Vec<String>), Error> {
        let line: Vec<String> = std::iter::once("run")
            .chain(words.iter().map(String::as_str))
            .map(str::to_owned)
            .collect();
        let invalid = |e: &clap::Error| super::usage::error(&super::command(), &line, e);
        let matches = super::command()
            .try_get_matches_from(std::iter::once("tempo").chain(line.iter().map(String::as_str)))
            .map_err(|e| invalid(&e))?;
        let is_global = |name: &str| matches.value_source(name) == Some(clap::parser::ValueSource::CommandLine);
        let args = matches.subcommand_matches("run").map(Self::from_arg_matches);
        let args = args.ok_or_else(|| Error::new(Kind::Usage, "these are not arguments of `tempo run`"))?;
        let args = args.map_err(|e| invalid(&e))?;
        if is_global("db") {
            return Err(Error::new(Kind::Usage, "`--db` cannot be given after `--`")
                .hint("Write it before: `tempo --db FILE service install`."));
        }
        if args.once || args.r#for.is_some() {
            return Err(Error::new(
                Kind::Usage,
                "`--once` and `--for` cannot be used with `tempo service install`: a service must keep running",
            ));
        }
        args.definitions.check()?;
        args.ping.checked()?;
        args.backups.check()?;
        let mut absolute = Vec::with_capacity(words.len());
        let paths = args
            .definitions
            .paths()
            .chain(args.page.token_file())
            .chain(args.backups.path());
        let paths: Vec<String> = paths.collect();
        for word in words {
            let (mut option, mut value) = match word.split_once('=') {
                Some((option, value)) if option.starts_with('-') => (format!("{option}="), value),
                _ => match word.strip_prefix("-f").filter(|path| !path.is_empty()) {
                    Some(path) => ("-f".to_owned(), path),
                    None => (String::new(), word.as_str()),
                },
            };
            // The URL of `--ping` may be in a file.
            if let Some(path) = value.strip_prefix("file:").filter(|_| args.ping.is_url(value)) {
                (option, value) = (format!("{option}file:"), path);
            } else if !paths.iter().any(|path| path == value) {
                absolute.push(word.clone());
                continue;
            }
            let path = std::path::absolute(value)
                .map_err(|e| Error::new(Kind::System, format_args!("cannot find the path of `{value}`")).because(e))?;
            absolute.push(format!("{option}{}", crate::machine::path_text(&path)?));
        }
        Ok((args, absolute))
    }

    /// The limit of the default task queue, and those of the others.
    ///
    /// # Errors
    /// `Usage` when one is given twice.
    fn limits(&self) -> Result<(usize, Vec<(String, usize)>), Error> {
        let (mut workers, mut queues) = (self.workers, Vec::<(String, usize)>::new());
        let mut has_default = false;
        for (name, limit) in &self.queues {
            let is_default = name == DEFAULT_QUEUE;
            if is_default && has_default || queues.iter().any(|(other, _)| other == name) {
                return Err(Error::new(Kind::Usage, format_args!("`--queue` has two limits for `{name}`")));
            }
            if is_default {
                (workers, has_default) = (*limit, true);
            } else {
                queues.push((name.clone(), *limit));
            }
        }
        Ok((workers, queues))
    }

    /// How long running steps may take to finish when the server stops.
    ///
    /// # Errors
    /// `Usage` when it is not a duration.
    pub(super) fn drain_timeout(&self) -> Result<Duration, Error> {
        Ok(text::duration(&self.drain_timeout)?)
    }
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Error> {
    if args.workers == 0 {
        return Err(Error::new(Kind::Usage, "`--workers` must be at least 1").hint("Each worker runs one workflow at a time."));
    }
    let (workers, queues) = args.limits()?;
    let until = match (&args.r#for, args.once) {
        (Some(span), _) => Until::For(text::duration(span)?),
        (None, true) => Until::Done,
        (None, false) => Until::Told,
    };
    let settings = Settings {
        workers,
        queues,
        drain_timeout: args.drain_timeout()?,
        until,
        output_limit: args.keep_output,
        retention: Retention {
            keep_for: text::duration(&args.keep_for)?,
            keep_runs: args.keep_runs,
        },
    };
    let (sender, events) = channel();
    let signals = signals::catch()?;
    args.definitions.check()?;
    args.ping.checked()?;
    args.backups.check()?;
    let page = if args.once { None } else { args.page.settings(context)? };
    let tell = sender.clone();
    let backups = args.backups.reserve(&context.database()?)?;
    let server = Server::start(&context.database()?, settings, Arc::new(SystemClock), Arc::new(Live), sender)?;
    let page = page.and_then(|settings| page::start(settings, &server, &tell));
    let reload = args.definitions.watch(server.handle(), &tell)?;
    args.ping.start(server.handle(), &tell)?;
    args.backups.start(&context.database()?, backups, server.handle(), &tell)?;
    supervision::start(server.handle(), format!("serving {}", context.database()?.display()))?;
    // Signals reach the server directly, even while the log is blocked.
    signals::handle(signals, server.stopper(), reload, &context.database()?, tell)?;
    let json = args.log_format == LogFormat::Json || context.ui.format() != Format::Text;
    let log_done = spawn_logger(
        Logger {
            ui: context.ui.clone(),
            zone: context.local_zone(),
            json,
        },
        events,
    )?;
    let outcome = server.join(|| {
        if let Some(page) = page {
            page.stop();
        }
    });
    // Waits only briefly for the last log lines: a log reader that is stuck must not keep the command from exiting.
    let _ = log_done.recv_timeout(FLUSH_TIMEOUT);
    if outcome.lost_file {
        let database = context.database()?;
        return Err(Error::new(
            Kind::System,
            format_args!(
                "a file of the database `{}` was deleted, moved, replaced or overwritten while the server was running",
                database.display()
            ),
        )
        .hint(
            "Running steps were stopped because their results could not be recorded. Restore the file or a backup, then start the server again.",
        ));
    }
    if outcome.unrecorded > 0 {
        let results = counted(outcome.unrecorded, "result");
        return Err(Error::new(
            Kind::System,
            format_args!("{results} could not be recorded before the server stopped"),
        )
        .hint("The log says why the database could not be written. When the server starts again, it runs these steps again."));
    }
    if outcome.damaged {
        let message = format_args!(
            "the database `{}` is damaged; the server ran only what it could read",
            context.database()?.display()
        )
        .to_string();
        return Err(Error::new(Kind::System, message)
            .hint("Run `tempo doctor` to locate the damage. Keep a copy of the file, and restore a backup."));
    }
    if args.once && outcome.errors > 0 {
        return Err(Error::new(Kind::System, "some due times could not be processed"));
    }
    if args.once && outcome.failed_runs > 0 {
        let runs = counted(outcome.failed_runs, "run");
        return Err(Error::new(Kind::Failed, format_args!("{runs} failed or had a failed step")));
    }
    Ok(())
}

/// Writes the server's events to the log.
struct Logger {
    ui: Ui,
    zone: Zone,
    json: bool,
}

/// Starts a thread that logs a line for each event until the server has ended. The returned receiver disconnects once all lines are written.
fn spawn_logger(logger: Logger, events: Receiver<Event>) -> Result<Receiver<()>, Error> {
    let (done, finished) = channel();
    let run = move || {
        while let Ok(first) = events.recv() {
            // Events that arrived meanwhile are written as one batch.
            let all: Vec<Event> = std::iter::once(first).chain(events.try_iter().take(MAX_BATCH)).collect();
            logger.write(&all);
            if let Some(Event::Stopped { .. }) = all.last() {
                break;
            }
            pause(BATCH_PAUSE);
        }
        drop(done);
    };
    let started = std::thread::Builder::new().name("logger".to_owned()).spawn(run);
    started
        .map(|_| finished)
        .map_err(|e| Error::new(Kind::System, "cannot start the log").because(e))
}

impl Logger {
    fn write(&self, events: &[Event]) {
        let now = SystemClock.now();
        let times = Times::new(self.zone.clone(), now);
        let mut log = String::new();
        for event in events {
            if let (Event::Error(e), false) = (event, self.json) {
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
        // The log is this command's data, so it goes to stdout. A closed pipe does not stop the server.
        let _ = self.ui.raw(log.as_bytes());
    }
}
