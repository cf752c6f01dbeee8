//! `tempo beat`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use clap_complete::engine::ArgValueCandidates;
use serde::Serialize;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::{Context, complete, interrupt};
use crate::actions::{Stream, wrap};
use crate::error::{Error, Kind};
use crate::machine;
use crate::names::ScheduleId;
use crate::ops;
use crate::output::ui::Ui;
use crate::present;
use crate::store::{self, Beat, Missing, ServedPage};
use crate::web;

/// Send a heartbeat for a job that another scheduler runs
///
/// A schedule with `--grace` expects a heartbeat within that time after each of its times, and opens an incident if none arrives; one with
/// `--expect-within` opens an incident if none arrives for that long. With a command, runs it and passes on its output and exit code: the
/// heartbeat reports whether it succeeded. The command runs even if the database is missing or cannot be written; only an unknown schedule
/// keeps it from running. Works whether or not the server is running.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Id of the schedule
    #[arg(add = ArgValueCandidates::new(complete::schedules))]
    id: ScheduleId,
    /// Print a token that can only send heartbeats of this schedule over HTTP: `POST /api/v1/beat/ID`, with
    /// `{"exit_code": 3}` or `{"error": "…"}` if the job failed
    #[arg(long, conflicts_with = "command")]
    token: bool,
    /// Command to run
    #[arg(last = true, value_name = "COMMAND", value_hint = clap::ValueHint::AnyPath)]
    command: Vec<String>,
}

#[derive(Serialize)]
struct TokenView<'a> {
    schedule_id: &'a str,
    token: String,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Error> {
    if args.token {
        return show_token(context, &args.id);
    }
    if args.command.is_empty() {
        let beat = Beat {
            at: context.now(),
            elapsed_ms: None,
            exit_code: None,
            error: None,
            output: Vec::new(),
        };
        record(context, &args.id, &beat)?;
        return show(context, &args.id, &beat);
    }
    // Only a wrong name keeps the command from running, not a database that is missing or cannot be read.
    let opened = context.open(Missing::Refuse);
    let reported = match opened.and_then(|store| store.read(|r| Ok(ops::find(r, &args.id).map(|_| ())))) {
        Ok(Err(e)) if e.kind() == Kind::NotFound => return Err(e),
        Ok(Err(e)) | Err(e) => {
            context.ui.error(&e);
            Some(e.to_string())
        }
        Ok(Ok(())) => None,
    };
    let (beat, code) = perform(context, &args.command)?;
    if let Err(e) = record(context, &args.id, &beat)
        && reported.as_ref() != Some(&e.to_string())
    {
        context.ui.error(&e);
    }
    let Some(error) = &beat.error else { return Ok(()) };
    let code = u8::try_from(code).unwrap_or(Kind::Failed.exit_code());
    Err(Error::new(Kind::Failed, format_args!("the job failed: {error}")).exit_with(code))
}

/// Runs the command; signals of this process reach it. Returns the exit code to pass on, as a shell would.
fn perform(context: &Context, argv: &[String]) -> Result<(Beat, i32), Error> {
    let pid = Arc::new(AtomicU32::new(0));
    let target = Arc::clone(&pid);
    // Those that are ignored, as under `nohup`, are ignored by the command as well.
    let signals: Vec<i32> = [SIGHUP, SIGINT, SIGTERM]
        .into_iter()
        .filter(|signal| !machine::ignores(*signal))
        .collect();
    let signals = interrupt::catch(&signals)?;
    interrupt::pass_each(signals, move |signal| {
        machine::signal_group(target.load(Ordering::SeqCst), signal);
    })?;
    let ended = wrap(argv, &pid, |stream, bytes| match stream {
        // Whoever reads the output may have gone; the command goes on.
        Stream::Stdout => drop(context.ui.raw(bytes)),
        Stream::Stderr => Ui::raw_stderr(bytes),
    });
    let at = context.now();
    Ok(match ended {
        Ok(ended) => {
            let code = ended.exit_code.unwrap_or(128 + ended.signal.unwrap_or_default());
            let beat = Beat {
                at,
                elapsed_ms: Some(ended.elapsed_ms),
                error: match (ended.exit_code, ended.signal) {
                    (Some(0), _) => None,
                    (Some(code), _) => Some(format!("exit {code}")),
                    (None, signal) => Some(format!("killed by signal {}", signal.unwrap_or_default())),
                },
                exit_code: ended.exit_code,
                output: ended.output,
            };
            (beat, code)
        }
        Err(e) => {
            let code = if e.kind() == std::io::ErrorKind::NotFound { 127 } else { 126 };
            let beat = Beat {
                at,
                elapsed_ms: None,
                exit_code: Some(code),
                error: Some(format!("cannot start `{}`: {e}", argv[0])),
                output: Vec::new(),
            };
            (beat, code)
        }
    })
}

fn record(context: &Context, id: &ScheduleId, beat: &Beat) -> Result<(), Error> {
    let mut store = context.open(Missing::Refuse)?;
    store.write(|w| ops::beat(w, id, beat, beat.at))
}

fn show(context: &Context, id: &ScheduleId, beat: &Beat) -> Result<(), Error> {
    if context.ui.is_text() {
        return context.ui.data(&format!("Recorded a heartbeat for {id}"));
    }
    context.ui.json(&present::beat(id, beat))
}

/// Prints the token with which heartbeats of a schedule can be sent over HTTP.
fn show_token(context: &Context, id: &ScheduleId) -> Result<(), Error> {
    context.open(Missing::Refuse)?.read(|r| ops::find(r, id).map(|_| ()))?;
    let database = context.database()?;
    let token = web::beat_token(&database, id.as_str())?;
    if !context.ui.is_text() {
        let schedule_id = id.as_str();
        return context.ui.json(&TokenView { schedule_id, token });
    }
    context.ui.data(&token)?;
    let address = match store::server_page(&database) {
        ServedPage::At(address) => address,
        ServedPage::NoServer => web::DEFAULT_ADDRESS.to_owned(),
        ServedPage::None => {
            context
                .ui
                .hint("The server serves no page (`--no-web`), so it takes no heartbeats over HTTP.");
            return Ok(());
        }
    };
    context.ui.hint(&format!(
        "For example: `curl -fsS -X POST -H 'Authorization: Bearer TOKEN' {}`.",
        web::beat_url(&address, id.as_str())
    ));
    Ok(())
}
