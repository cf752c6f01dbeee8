//! The command line: one file per subcommand, a directory per family. Each parses its arguments, calls `ops` or the engine, and prints the result.

mod apply;
mod beat;
mod check;
mod complete;
mod completions;
mod deferred;
mod definition;
mod demo;
mod diff;
mod doctor;
mod examples;
mod exit_codes;
mod export;
mod help;
mod import;
mod incident;
mod interrupt;
mod log;
mod man;
mod notify;
mod open;
mod run;
mod schedule;
mod schema;
mod service;
mod sleep;
mod status;
mod step;
mod step_args;
mod suggest;
mod temporal;
mod upgrade;
mod usage;
mod wait;
mod workflow;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use chrono::{DateTime, Utc};
use clap::error::ErrorKind;
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueHint};

use self::deferred::Deferred;
use crate::clock::{Clock as _, SystemClock};
use crate::error::{Error, Kind};
use crate::machine;
use crate::output::times::Times;
use crate::output::ui::{ColorWhen, Format, Ui, Verbosity};
use crate::spec::zone::{Zone, Zones as _};
use crate::store::{self, Missing, Store};
use crate::zoneinfo::ZoneInfo;

/// Maximum number of columns of an example, without its indentation: it must fit a terminal of 80 columns, to be pasted from there.
const EXAMPLE_WIDTH: usize = 72;

/// Durable scheduling for one machine
///
/// A schedule is a stored record of what to run and when. `tempo run` is the server and worker: it starts due runs, executes their
/// steps, retries failures, and records every attempt and its outcome. Commands work whether or not the server is running.
#[derive(Debug, Parser)]
#[command(
    name = "tempo",
    version,
    propagate_version = false,
    disable_help_subcommand = true,
    max_term_width = 100
)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Global options")]
struct Global {
    /// Use this database file; the default is `TEMPO_DB`, or `~/.local/state/tempo/tempo.db` (root: `/var/lib/tempo/tempo.db`)
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    db: Option<PathBuf>,
    /// Format of the data on stdout
    #[arg(short, long, global = true, value_enum, default_value = "text", value_name = "FORMAT")]
    output: Format,
    /// When to use colors
    #[arg(long, global = true, value_enum, default_value = "auto", value_name = "WHEN")]
    color: ColorWhen,
    /// Show times in UTC instead of the time zone of this machine or of the schedule
    #[arg(long, global = true)]
    utc: bool,
    /// Print only data and errors, no hints or notes
    #[arg(short, long, global = true)]
    quiet: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    Schedule(Deferred<Box<schedule::Args>>),
    Workflow(Deferred<Box<workflow::Args>>),
    Incident(Deferred<incident::Args>),
    Notify(Deferred<notify::Args>),
    Beat(Deferred<beat::Args>),
    Run(Deferred<run::Args>),
    Status(Deferred<status::Args>),
    Log(Deferred<log::Args>),
    Open(Deferred<open::Args>),
    Service(Deferred<service::Args>),
    Check(Deferred<Box<check::Args>>),
    Step(Deferred<step::Args>),
    Sleep(Deferred<sleep::Args>),
    Apply(Deferred<apply::Args>),
    Diff(Deferred<diff::Args>),
    Export(Deferred<export::Args>),
    Import(Deferred<import::Args>),
    Schema(Deferred<schema::Args>),
    Demo(Deferred<demo::Args>),
    Doctor(Deferred<doctor::Args>),
    Upgrade(Deferred<upgrade::Args>),
    Temporal(Deferred<temporal::Args>),
    Help(Deferred<help::Args>),
    Completions(Deferred<completions::Args>),
    Man(Deferred<man::Args>),
}

/// The context that every command receives.
struct Context {
    ui: Ui,
    utc: bool,
    database: Option<PathBuf>,
    zones: ZoneInfo,
    clock: SystemClock,
}

impl Context {
    /// The path of the database.
    fn database(&self) -> Result<PathBuf, Error> {
        self.database.clone().map_or_else(machine::default_database, Ok)
    }

    /// Opens the database.
    fn open(&self, missing: Missing) -> Result<Store, Error> {
        Store::open(&self.database()?, missing)
    }

    /// Opens the database for a listing. Without a database, prints a note and opens an empty one in memory.
    fn open_to_show(&self) -> Result<Store, Error> {
        let database = self.database()?;
        let store = Store::open(&database, Missing::ShowNothing)?;
        if !database.exists() && self.ui.is_text() {
            self.ui
                .say(&format!("note: there is no database at `{}` yet", database.display()));
        }
        Ok(store)
    }

    fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// The pid and start time (milliseconds since the epoch) of the running server, if any.
    fn server(&self) -> Result<Option<(u32, i64)>, Error> {
        Ok(store::server_pid(&self.database()?))
    }

    /// Prints a hint with the consequence `what` if no server is running.
    fn hint_when_down(&self, what: &str) -> Result<(), Error> {
        if self.server()?.is_none() {
            self.ui.hint(&format!("The server is not running; {what}"));
        }
        Ok(())
    }

    /// The time zone for times shown to people: the machine's, or UTC if it is unknown or under `--utc`.
    fn local_zone(&self) -> Zone {
        if self.utc {
            return Zone::utc();
        }
        ZoneInfo::local_name()
            .and_then(|name| self.zones.zone(&name))
            .unwrap_or_else(|_| Zone::utc())
    }

    /// A formatter of the times of a schedule: in its time zone, or in UTC under `--utc`.
    fn times_in(&self, zone: Zone) -> Times {
        Times::new(if self.utc { Zone::utc() } else { zone }, self.now())
    }

    /// A formatter of times in the machine's time zone.
    fn times(&self) -> Times {
        Times::new(self.local_zone(), self.now())
    }
}

/// Parses the command line, runs the command, and returns the exit code.
pub(crate) fn main() -> ExitCode {
    let arguments: Vec<_> = machine::arguments_os().collect();
    // First of all: the environment is that of the program to become.
    if let Some((error, code)) = machine::become_limited(&arguments) {
        Ui::tell(&error);
        return ExitCode::from(code);
    }
    if complete::answered() {
        return ExitCode::SUCCESS;
    }
    // Only help and errors need the whole definition.
    let parsed = Cli::command()
        .try_get_matches()
        .or_else(|e| {
            if e.kind() == ErrorKind::DisplayVersion {
                return Err(e);
            }
            command().try_get_matches()
        })
        .and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(e) => return unparsed(&e),
    };
    let verbosity = if cli.global.quiet {
        Verbosity::Quiet
    } else {
        Verbosity::Normal
    };
    let context = Context {
        ui: Ui::new(cli.global.output, cli.global.color, verbosity),
        utc: cli.global.utc,
        database: cli.global.db,
        zones: ZoneInfo::of_machine(),
        clock: SystemClock,
    };
    interrupt::survive_file_size_limit();
    if machine::pid() == 1 && matches!(cli.command, Command::Run(_)) {
        return run::init::supervise().unwrap_or_else(|e| {
            context.ui.error(&e);
            ExitCode::from(e.exit_code())
        });
    }
    match perform(&context, cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            let e = usage::with_option(e, &shown_arguments());
            context.ui.error(&e);
            ExitCode::from(e.exit_code())
        }
    }
}

fn perform(context: &Context, command: Command) -> Result<(), Error> {
    match command {
        Command::Schedule(Deferred(args)) => schedule::run(context, *args),
        Command::Workflow(Deferred(args)) => workflow::run(context, *args),
        Command::Incident(Deferred(args)) => incident::run(context, args),
        Command::Notify(Deferred(args)) => notify::run(context, args),
        Command::Beat(Deferred(args)) => beat::run(context, &args),
        Command::Run(Deferred(args)) => run::run(context, &args),
        Command::Status(Deferred(args)) => status::run(context, &args),
        Command::Log(Deferred(args)) => log::run(context, &args),
        Command::Open(Deferred(args)) => open::run(context, &args),
        Command::Service(Deferred(args)) => service::run(context, &args),
        Command::Check(Deferred(args)) => check::run(context, &args),
        Command::Step(Deferred(args)) => step::run(context, &args),
        Command::Sleep(Deferred(args)) => sleep::run(context, &args),
        Command::Apply(Deferred(args)) => apply::run(context, &args),
        Command::Diff(Deferred(args)) => diff::run(context, &args),
        Command::Export(Deferred(args)) => export::run(context, &args),
        Command::Import(Deferred(args)) => import::run(context, args),
        Command::Schema(Deferred(args)) => schema::run(context, &args),
        Command::Demo(Deferred(args)) => demo::run(context, &args),
        Command::Help(Deferred(args)) => help::run(context, &args),
        Command::Doctor(Deferred(args)) => doctor::run(context, &args),
        Command::Upgrade(Deferred(args)) => upgrade::run(context, &args),
        Command::Temporal(Deferred(args)) => temporal::run(context, &args),
        Command::Completions(Deferred(args)) => completions::run(context, &args),
        Command::Man(Deferred(args)) => man::run(context, &args),
    }
}

/// The arguments, to be searched and shown only: conversion to text may lose something.
fn shown_arguments() -> Vec<String> {
    machine::arguments_os().map(|a| a.to_string_lossy().into_owned()).collect()
}

/// Prints help, the version, or a usage error, and returns the exit code.
fn unparsed(e: &clap::Error) -> ExitCode {
    if !e.use_stderr() || e.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        let printed = e.print().and_then(|()| std::io::stdout().flush());
        return match printed {
            // A closed pipe is not an error here.
            Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => {
                let error = Error::new(Kind::System, "cannot write to stdout").because(e);
                Ui::new(Format::Text, ColorWhen::Auto, Verbosity::Normal).error(&error);
                ExitCode::from(error.exit_code())
            }
            _ => ExitCode::from(u8::try_from(e.exit_code()).unwrap_or(Kind::Usage.exit_code())),
        };
    }
    let arguments = shown_arguments();
    let wants_json = arguments
        .windows(2)
        .any(|w| matches!(w[0].as_str(), "-o" | "--output") && w[1].starts_with("json"))
        || arguments
            .iter()
            .any(|a| a.starts_with("-ojson") || a.starts_with("--output=json"));
    let format = if wants_json { Format::Json } else { Format::Text };
    let error = usage::error(&command(), arguments.get(1..).unwrap_or_default(), e);
    Ui::new(format, ColorWhen::Auto, Verbosity::Normal).error(&error);
    ExitCode::from(error.exit_code())
}

/// The definition of the command line, from which `--help`, the man pages and the completions are generated.
pub(crate) fn command() -> clap::Command {
    let mut command = Cli::command();
    command.build();
    with_examples(command, "")
}

/// Adds examples to the long help of a command and of its subcommands.
fn with_examples(mut command: clap::Command, path: &str) -> clap::Command {
    let names: Vec<String> = command.get_subcommands().map(|s| s.get_name().to_owned()).collect();
    for name in names {
        let path = format!("{path} {name}");
        command = command.mut_subcommand(&name, |sub| with_examples(sub, path.trim_start()));
    }
    let examples = examples::of(path);
    if examples.is_empty() {
        return command;
    }
    let shown = |(line, what): &examples::Example| format!("  {what}:\n    {}", examples::continued(line, EXAMPLE_WIDTH));
    let lines: Vec<String> = examples.iter().map(shown).collect();
    command.after_long_help(format!("Examples:\n{}", lines.join("\n")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Splits a command line into words, as a shell would.
    fn words(line: &str) -> Vec<String> {
        let mut words = vec![String::new()];
        let mut quoted = false;
        for c in line.chars() {
            match c {
                '\'' => quoted = !quoted,
                ' ' if !quoted => words.push(String::new()),
                c => words.last_mut().unwrap().push(c),
            }
        }
        words
    }

    fn leaves(command: &clap::Command, path: &str, found: &mut Vec<String>) {
        if !command.has_subcommands() {
            found.push(path.trim_start().to_owned());
        }
        for sub in command.get_subcommands() {
            leaves(sub, &format!("{path} {}", sub.get_name()), found);
        }
    }

    #[test]
    fn every_command_has_examples_that_parse_as_that_command() {
        let mut paths = Vec::new();
        leaves(&command(), "", &mut paths);
        for path in &paths {
            let examples = examples::of(path);
            assert!(!examples.is_empty(), "`tempo {path}` has no example");
            for (line, _) in examples {
                assert!(line.starts_with(&format!("tempo {path}")), "{line}");
                let parsed = Cli::try_parse_from(words(line));
                assert!(parsed.is_ok(), "{line}: {}", parsed.unwrap_err());
            }
        }
        command().debug_assert();
    }
}
