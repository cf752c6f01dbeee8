//! `tempo check`: steps here and now, by the engine itself on a private file.

mod junit;
mod report;
mod runner;

use clap::ValueHint;

use clap_complete::engine::ArgValueCandidates;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use self::report::{Report, Suite};
use self::runner::{Ended, Runner};
use super::definition::WhatArgs;
use super::{Context, complete};
use crate::error::{Error, Kind};
use crate::files;
use crate::files::document::Source;
use crate::files::source_file::SourceFile;
use crate::names::ScheduleId;
use crate::ops;
use crate::output::views::RunView;
use crate::run::step::Workflow;
use crate::run::step_text::Action;
use crate::spec::text;
use crate::store::{Missing, Store};

/// Run probes and steps here and now, and exit with 1 when anything failed
///
/// The steps of a schedule, of a file, or of the command line, with their retries and timeouts, as `tempo run` would perform them; without a
/// server, and nothing is recorded. Made for CI: `--junit`, `-o json`, and annotations where `GITHUB_ACTIONS` is set.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The steps of this schedule
    #[arg(add = ArgValueCandidates::new(complete::schedules))]
    id: Option<ScheduleId>,
    /// The steps of all schedules in files of `[[schedule]]` tables, or those of a file of `[[step]]` tables; `-` is stdin
    #[arg(short, long = "file", value_name = "FILE", num_args = 1.., conflicts_with = "id", value_hint = ValueHint::AnyPath)]
    file: Vec<String>,
    #[command(flatten)]
    what: WhatArgs,
    /// Give up when it is not done after so long: exit 124
    #[arg(long, value_name = "DURATION")]
    deadline: Option<String>,
    /// How many steps run side by side; one after the other when not given, and none after a command that failed
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    parallel: u16,
    /// Write what came out as `JUnit` XML, for CI
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    junit: Option<PathBuf>,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Error> {
    let suites = suites(context, args)?;
    for suite in &suites {
        Workflow::check(&suite.action).map_err(|e| suite.place.iter().fold(e, Error::within))?;
    }
    let deadline = args.deadline.as_deref().map(text::duration).transpose()?;
    let own = Permissions::from_mode(0o700);
    let folder = tempfile::Builder::new().prefix("tempo-check-").permissions(own).tempdir();
    let folder = folder.map_err(|e| Error::new(Kind::System, "cannot make a folder for the check").because(e))?;
    let database = folder.path().join("check.db");
    let mut store = Store::open(&database, Missing::Create)?;
    let mut report = Report::new(context, store.again()?, suites);
    let mut performance = Runner::new(context, &database, args.parallel, deadline)?;
    let mut ended = Ended::Done;
    // One suite after the other: the time that a run may take is not spent in waiting for those before it.
    let at_once = if args.parallel == 1 { 1 } else { report.suites().len() };
    while report.next_suite() < report.suites().len() {
        for _ in 0..at_once {
            let suite = &report.suites()[report.next_suite()];
            let runs = start(context, &mut store, suite, args.parallel)?;
            report.begun(runs);
        }
        if ended == Ended::Done {
            ended = performance.of(&mut report)?;
        }
    }
    let view = report.view(ended == Ended::Late, deadline)?;
    report.conclude(&view)?;
    if let Some(file) = &args.junit {
        junit::write(file, &view)?;
    }
    verdict(&view, ended, deadline)
}

/// What is to be done, by the schedules that it belongs to.
fn suites(context: &Context, args: &Args) -> Result<Vec<Suite>, Error> {
    let command_line = args.what.action()?;
    let named = usize::from(args.id.is_some()) + usize::from(!args.file.is_empty()) + usize::from(!command_line.steps.is_empty());
    if named != 1 {
        return Err(
            Error::new(Kind::Usage, "name a schedule, files with `-f`, or what to run: one of them")
                .hint("`tempo check health`, `tempo check -f jobs.toml`, or `tempo check --probe 'site=http://127.0.0.1/'`."),
        );
    }
    let mut suites = if let Some(id) = &args.id {
        let store = context.open(Missing::ShowNothing)?;
        let action = store.read(|r| r.action(ops::find(r, id)?.workflow))?;
        vec![Suite::of_schedule(id, action)]
    } else if args.file.is_empty() {
        vec![Suite::plain(command_line)]
    } else {
        of_files(context, &args.file)?
    };
    for suite in &mut suites {
        args.what.complete(&mut suite.action)?;
    }
    Ok(suites)
}

fn of_files(context: &Context, named: &[String]) -> Result<Vec<Suite>, Error> {
    let mut suites = Vec::new();
    for source_file in SourceFile::definitions(named)? {
        let source = Source {
            name: &source_file.name,
            text: &source_file.text,
        };
        if files::steps::are_in(&source.tree()?) {
            let steps = files::steps::parse(&source)?;
            suites.push(Suite {
                place: Some(format!("{}:1", source_file.name)),
                file: Some(source_file.name.clone()),
                ..Suite::plain(Action {
                    steps,
                    ..Action::default()
                })
            });
            continue;
        }
        for one in files::definition::parse(&source, &context.zones)? {
            suites.push(Suite {
                place: Some(one.place),
                ..Suite::of_schedule(&one.id, one.definition.action)
            });
        }
    }
    if suites.is_empty() {
        return Err(Error::new(Kind::Usage, "the files hold no step")
            .hint("Write `[[schedule]]` tables with `[[schedule.step]]`, or `[[step]]` tables."));
    }
    Ok(suites)
}

/// Puts a suite on the private file: one run, or one for each step where they run side by side.
fn start(context: &Context, store: &mut Store, suite: &Suite, parallel: u16) -> Result<Vec<i64>, Error> {
    let whole = suite.named_action();
    let parts = if parallel == 1 {
        vec![whole]
    } else {
        let alone = |step: &_| Action {
            steps: vec![Clone::clone(step)],
            ..whole.clone()
        };
        whole.steps.iter().map(alone).collect()
    };
    store.write(|w| {
        let keys = parts.iter().map(|action| ops::start_workflow(w, action, context.now()));
        keys.collect::<Result<_, _>>()
    })
}

fn verdict(view: &RunView, ended: Ended, deadline: Option<Duration>) -> Result<(), Error> {
    let (of, failed, not_reached) = report::counts(view);
    match ended {
        Ended::Interrupted => Err(Error::new(Kind::Interrupted, "the check was interrupted")),
        Ended::Late => {
            let limit = deadline.map(text::duration_text).unwrap_or_default();
            Err(Error::new(
                Kind::Timeout,
                format_args!("the check was not done within {limit}"),
            ))
        }
        Ended::Done if failed == 0 && not_reached == 0 => Ok(()),
        Ended::Done => {
            let of = crate::output::counted(of as u64, "step");
            Err(Error::new(Kind::Failed, format_args!("{failed} of {of} failed")))
        }
    }
}
