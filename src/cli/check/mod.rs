//! `tempo check`: runs steps now, with the real engine on a temporary database.

mod junit;
mod report;
mod runner;
mod suite;

use clap::ValueHint;

use clap_complete::engine::ArgValueCandidates;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use self::report::Report;
use self::runner::{Ended, Runner};
use self::suite::Suite;
use super::definition::WhatArgs;
use super::{Context, complete};
use crate::error::{Error, Kind};
use crate::files;
use crate::files::document::Source;
use crate::files::source_file::SourceFile;
use crate::names::ScheduleId;
use crate::ops;
use crate::output::run_views::RunView;
use crate::run::step::Workflow;
use crate::run::step_text::Action;
use crate::spec::text;
use crate::store::{Missing, Store};

/// Run checks now and exit with 1 if any fails
///
/// Runs the steps of a schedule, of files, or of the command line, with their retries and timeouts, as `tempo run` would, but without a
/// server and without recording anything. Made for CI: `--junit`, `-o json`, and annotations if `GITHUB_ACTIONS` is set.
#[derive(Debug, clap::Args)]
#[command(mut_arg("grace", |grace| grace.hide(true)), mut_arg("workflow_id", |id| id.hide(true)))]
pub(super) struct Args {
    /// Run the steps of this schedule
    #[arg(add = ArgValueCandidates::new(complete::schedules))]
    id: Option<ScheduleId>,
    /// Run the steps of all schedules in files of `[[schedule]]` tables, or the steps of files of `[[step]]` tables; `-` is stdin
    #[arg(short, long = "file", value_name = "FILE", num_args = 1.., conflicts_with = "id", value_hint = ValueHint::AnyPath)]
    file: Vec<String>,
    /// Stop after this long, and exit with 124; defaults to no limit
    #[arg(long, value_name = "DURATION")]
    deadline: Option<String>,
    /// Number of steps to run in parallel, from 1 to 1024. Steps run one after another if it is 1, or if one uses outputs of another; those after a failed command are then skipped
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    parallel: u16,
    #[expect(clippy::doc_markdown, reason = "this is help, where backticks would be shown")]
    /// Write the results to this file as JUnit XML, for CI
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    junit: Option<PathBuf>,
    #[command(flatten)]
    what: WhatArgs,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Error> {
    let suites = suites(context, args)?;
    for suite in &suites {
        let checked = Workflow::check(&suite.action).and_then(|workflow| workflow.check_new());
        checked.map_err(|e| suite.place.iter().fold(e, Error::within))?;
    }
    let deadline = args.deadline.as_deref().map(text::duration).transpose()?;
    let private = Permissions::from_mode(0o700);
    let directory = tempfile::Builder::new().prefix("tempo-check-").permissions(private).tempdir();
    let directory =
        directory.map_err(|e| Error::new(Kind::System, "cannot create a temporary directory for the check").because(e))?;
    let database = directory.path().join("check.db");
    let mut store = Store::open(&database, Missing::Create)?;
    let mut report = Report::new(context, store.reopen()?, suites);
    let mut runner = Runner::new(context, &database, args.parallel, deadline)?;
    let mut ended = Ended::Done;
    // Suites start one after another, so that the run timeout of one is not spent waiting for those before it.
    let batch = if args.parallel == 1 { 1 } else { report.suites().len() };
    while report.next_suite() < report.suites().len() {
        for _ in 0..batch {
            let suite = &report.suites()[report.next_suite()];
            let runs = start(context, &mut store, suite, args.parallel)?;
            report.record_started(runs);
        }
        if ended == Ended::Done {
            ended = runner.of(&mut report)?;
        }
    }
    let view = report.view(ended == Ended::Late, deadline)?;
    report.conclude(&view)?;
    if let Some(file) = &args.junit {
        junit::write(file, &view)?;
    }
    verdict(&view, ended, deadline)
}

/// Collects the steps to run, grouped by schedule or file.
fn suites(context: &Context, args: &Args) -> Result<Vec<Suite>, Error> {
    let command_line = args.what.action()?;
    let sources =
        usize::from(args.id.is_some()) + usize::from(!args.file.is_empty()) + usize::from(!command_line.steps.is_empty());
    if sources != 1 {
        return Err(Error::new(
            Kind::Usage,
            "expected exactly one of a schedule, files (`-f`) or steps",
        )
        .hint(
            "For example: `tempo check health`, `tempo check -f jobs.toml`, or `tempo check --probe 'site=http://127.0.0.1/'`.",
        ));
    }
    let mut suites = if let Some(id) = &args.id {
        let store = context.open(Missing::ShowNothing)?;
        let action = store.read(|r| r.action(ops::find(r, id)?.workflow)).map_err(|e| {
            if e.kind() == Kind::NotFound && Path::new(id.as_str()).exists() {
                return Error::new(Kind::NotFound, &e).hint(format_args!("`{id}` is a file: run `tempo check -f {id}`."));
            }
            e
        })?;
        if action.is_beat_only() {
            return Err(Error::new(
                Kind::Usage,
                format_args!("schedule `{id}` expects heartbeats, so there is nothing to check"),
            )
            .hint(format_args!("Run `tempo log {id}` to see its heartbeats.")));
        }
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

fn of_files(context: &Context, paths: &[String]) -> Result<Vec<Suite>, Error> {
    let mut suites = Vec::new();
    for source_file in SourceFile::definitions(paths)? {
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
        for one in files::definition::parse(&source, &context.zones)?.schedules {
            // Heartbeats of jobs that run elsewhere cannot be checked now.
            if one.definition.action.steps.iter().any(|step| step.beat.is_some()) {
                continue;
            }
            suites.push(Suite {
                place: Some(one.place),
                ..Suite::of_schedule(&one.id, one.definition.action)
            });
        }
    }
    if suites.is_empty() {
        return Err(Error::new(Kind::Usage, "the files contain no steps")
            .hint("Write `[[schedule]]` tables with `[[schedule.step]]`, or `[[step]]` tables."));
    }
    Ok(suites)
}

/// Records the runs of a suite in the temporary database: one run, or one for each step if steps run in parallel.
fn start(context: &Context, store: &mut Store, suite: &Suite, parallel: u16) -> Result<Vec<i64>, Error> {
    let whole = suite.named_action();
    // If a step uses outputs, all steps run in one run, in order.
    let depend = Workflow::check(&whole)?.steps.iter().any(|step| step.reads_outputs);
    let parts = if parallel == 1 || depend {
        vec![whole]
    } else {
        let single = |step: &_| Action {
            steps: vec![Clone::clone(step)],
            ..whole.clone()
        };
        whole.steps.iter().map(single).collect()
    };
    store.write(|w| {
        let keys = parts.iter().map(|action| ops::start_workflow(w, action, context.now()));
        keys.collect::<Result<_, _>>()
    })
}

fn verdict(view: &RunView, ended: Ended, deadline: Option<Duration>) -> Result<(), Error> {
    let (total, failed, not_reached) = report::counts(view);
    match ended {
        Ended::Interrupted => Err(Error::new(Kind::Interrupted, "the check was interrupted")),
        Ended::Late => {
            let limit = deadline.map(text::duration_text).unwrap_or_default();
            Err(Error::new(
                Kind::Timeout,
                format_args!("the check did not finish within {limit}"),
            ))
        }
        Ended::Done if failed == 0 && not_reached == 0 => Ok(()),
        Ended::Done => {
            let total = crate::output::counted(total as u64, "step");
            Err(Error::new(Kind::Failed, format_args!("{failed} of {total} failed")))
        }
    }
}
