//! `tempo import crontab`.

use clap::ValueHint;

use std::collections::HashSet;
use std::path::Path;

use super::super::Context;
use super::super::apply::fields_of_new;
use crate::error::{Error, Kind};
use crate::files::crontab::{self, Host, Job, Sort};
use crate::files::document::Source;
use crate::files::source_file::{SourceFile, files_in, source_of};
use crate::machine::{self, User};
use crate::names::ScheduleId;
use crate::ops::{self, Change, DefinedKind, DefinitionFile, Difference, Prune};
use crate::output::instant::Instant;
use crate::output::views::ImportView;
use crate::output::{Style, counted};
use crate::present;
use crate::spec::Spec;
use crate::store::{Missing, Read};
use crate::zoneinfo::ZoneInfo;

/// Import schedules from crontabs
///
/// Each line becomes a schedule that fires when cron would, in this machine's time zone. Settings that cannot be carried over are reported.
/// If any line cannot be read, nothing is imported. Importing the same crontab again changes nothing. Removing a line from the crontab does
/// not delete its schedule.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A crontab, a directory of crontabs, or `-` for stdin: `crontab -l | tempo import crontab -`
    #[arg(value_name = "FILE|DIR|-", value_hint = ValueHint::AnyPath)]
    file: String,
    /// Expect a user column, as in `/etc/crontab` and `/etc/cron.d`
    #[arg(long)]
    system: bool,
    /// Show the schedule that each line would become, without changing anything
    #[arg(long)]
    dry_run: bool,
    /// Import the lines that can be read, and exit with 2 if there were others
    #[arg(long)]
    keep_going: bool,
}

/// A schedule created from a crontab line.
struct Imported {
    /// File and line, such as `crontab:7`.
    place: String,
    difference: Difference,
    spec: Spec,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Error> {
    let is_directory = Path::new(&args.file).is_dir();
    let directory = is_directory.then(|| source_of(&args.file)).transpose()?;
    let source_files = source_files(context, &args.file, is_directory)?;
    let time_zone = ZoneInfo::local_name()?;
    let current_user = User::this();
    let current_home = machine::environment("HOME")?;
    let home = |user: &str| {
        let home = match &current_user {
            Some(current) if current.name == user => current_home.clone(),
            Some(_) | None => User::named(user).ok().map(|u| u.home),
        };
        home.filter(|home| Path::new(home).is_dir())
    };
    let host = Host {
        time_zone: &time_zone,
        user: current_user.as_ref().map_or("", |u| u.name.as_str()),
        is_root: machine::is_root(),
        home: &home,
        is_user: &|user| User::named(user).is_ok(),
        zones: &context.zones,
    };
    let (mut crontabs, mut errors) = (Vec::new(), Vec::new());
    for source_file in source_files {
        let source = Source {
            name: &source_file.name,
            text: &source_file.text,
        };
        let sort = if args.system { Sort::System } else { Sort::User };
        let (mut jobs, invalid) = crontab::parse(&source, sort, &host);
        // In a directory of user crontabs, each file is named after its user.
        if is_directory && !args.system {
            let user = source_file.name.rsplit('/').next().unwrap_or_default();
            for job in &mut jobs {
                job.set_owner(user, &host);
            }
        }
        errors.extend(invalid);
        // The prefix marks the owner of the schedules, so that applying a directory that contains the crontab does not prune them.
        crontabs.push((format!("crontab:{}", source_file.source), jobs));
    }
    if !args.system && is_system_crontab(&args.file) {
        context
            .ui
            .hint("System crontabs have a user column; use `--system` to read it.");
    }
    let lines = crontabs.iter().map(|(_, jobs)| jobs.len()).sum::<usize>() + errors.len();
    if !errors.is_empty() && !args.keep_going && !args.dry_run {
        let rejected = rejection(context, &errors, lines, "nothing was imported");
        let hint = "Use `--keep-going` to import the other lines, or `--dry-run` to see what they would become.";
        let has_others = errors.len() < lines;
        return Err(has_others.then_some(hint).iter().fold(rejected, Error::hint));
    }
    let (imported, removed) = if args.dry_run {
        let store = context.open(Missing::ShowNothing)?;
        store.read(|r| {
            let (defining, gone) = definitions(r, &crontabs, directory.as_deref(), &host)?;
            let differences = ops::compare(
                r,
                DefinitionFile::definitions(defining.clone()),
                Prune::No,
                fields_of_new(context),
                context.now(),
            )?;
            Ok((with_specs(&defining, differences), gone))
        })?
    } else {
        let mut store = context.open(Missing::Create)?;
        store.write(|w| {
            let (defining, gone) = definitions(w, &crontabs, directory.as_deref(), &host)?;
            let differences = ops::apply(
                w,
                &context.zones,
                DefinitionFile::definitions(defining.clone()),
                Prune::No,
                fields_of_new(context),
                context.now(),
            )?;
            Ok((with_specs(&defining, differences), gone))
        })?
    };
    show(context, args, &imported)?;
    // With stdin, the earlier input may have been another crontab.
    for id in removed.into_iter().filter(|_| args.file != "-") {
        context.ui.say(&if errors.is_empty() {
            format!("note: {id} is no longer in the crontab but stays active; delete it with `tempo schedule delete {id}`")
        } else {
            format!("note: no readable line of the crontab defines {id}; the schedule stays active")
        });
    }
    if !args.dry_run {
        context.hint_when_down("nothing starts until you run `tempo run`.")?;
    }
    if errors.is_empty() {
        return Ok(());
    }
    let consequence = match (args.keep_going, args.dry_run) {
        _ if errors.len() == lines => "there is nothing else to import",
        (true, true) => "the others would be imported",
        (true, false) => "the others were imported",
        (false, _) => "without `--keep-going`, nothing would be imported",
    };
    Err(rejection(context, &errors, lines, consequence))
}

/// Reads the given crontab, or those in a directory that Debian's cron would read. Prints a note for each file skipped.
fn source_files(context: &Context, path: &str, is_directory: bool) -> Result<Vec<SourceFile>, Error> {
    if !is_directory {
        return Ok(vec![SourceFile::read_in_any_encoding(path)?]);
    }
    let (files, skipped) = files_in(path, is_crontab)?;
    for name in skipped {
        context.ui.say(&format!(
            "note: skipped {name}: cron ignores files with such names too, for example with a dot"
        ));
    }
    files.iter().map(|file| SourceFile::read_in_any_encoding(file)).collect()
}

/// Whether Debian's cron would read a file of this name in a directory of crontabs.
fn is_crontab(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

fn is_system_crontab(name: &str) -> bool {
    let name = name.trim_end_matches('/');
    name == "/etc/crontab" || name.starts_with("/etc/cron.d")
}

/// Reports the lines that cannot be read: one error each in text, or one error with all of them as hints in JSON.
fn rejection(context: &Context, errors: &[Error], lines: usize, consequence: &str) -> Error {
    let count = counted(lines as u64, "line");
    let error = Error::new(
        Kind::Usage,
        format_args!("{} of {count} cannot be imported; {consequence}", errors.len()),
    );
    if context.ui.is_text() {
        for error in errors {
            context.ui.error(error);
        }
        return error;
    }
    errors.iter().fold(error, |error, line| error.hint(line))
}

/// Returns the definitions that the lines become, and the schedules whose lines have been removed from the crontabs.
fn definitions(
    read: &Read<'_>,
    crontabs: &[(String, Vec<Job>)],
    directory: Option<&str>,
    host: &Host<'_>,
) -> Result<(Vec<DefinitionFile>, Vec<ScheduleId>), Error> {
    let mut names = ops::Names::default();
    let mut files = Vec::with_capacity(crontabs.len());
    // One receiver for each `MAILTO`, whichever files have it.
    let mut receivers = HashSet::new();
    for (source, jobs) in crontabs {
        // One that exists is kept: it may have been given a mail server since.
        let mut of_file = Vec::new();
        for receiver in jobs.iter().filter_map(Job::receiver) {
            let name = receiver.text.name.clone();
            if read.receiver(&name)?.is_none() && receivers.insert(name) {
                of_file.push(receiver);
            }
        }
        files.push(DefinitionFile {
            defined: ops::name_jobs(read, source, jobs, host, &mut names)?,
            source: source.clone(),
            receivers: of_file,
        });
    }
    // Schedules from files that have been removed from the directory.
    for (id, source) in read.sources()? {
        let file = directory.and_then(|directory| source.strip_prefix("crontab:")?.strip_prefix(directory)?.strip_prefix('/'));
        if file.is_some_and(|file| !file.contains('/')) && !crontabs.iter().any(|(read, _)| *read == source) {
            names.gone.push(id);
        }
    }
    names.gone.sort();
    Ok((files, names.gone))
}

fn with_specs(files: &[DefinitionFile], differences: Vec<Difference>) -> Vec<Imported> {
    let defined = files.iter().flat_map(|d| &d.defined);
    let of_schedules = differences.into_iter().filter(|one| one.kind == DefinedKind::Schedule);
    let imported = defined.zip(of_schedules).map(|(defined, difference)| Imported {
        place: defined.place.clone(),
        difference,
        spec: defined.spec.clone(),
    });
    imported.collect()
}

fn show(context: &Context, args: &Args, imported: &[Imported]) -> Result<(), Error> {
    let ui = &context.ui;
    let next_times = |one: &Imported| -> Vec<_> {
        let count = if one.difference.paused { 0 } else { 3 };
        let times = one.spec.times_after(context.now()).take(count);
        times.map(|t| one.spec.due(t)).collect()
    };
    if !ui.is_text() {
        let view = |one: &Imported| ImportView {
            change: present::change(&one.difference),
            spec_text: one.difference.spec_text.clone(),
            next_action_times: next_times(one).into_iter().map(Instant).collect(),
        };
        let views: Vec<_> = imported.iter().map(view).collect();
        return ui.json_list(&views);
    }
    let mut seen = HashSet::new();
    for one in imported {
        let difference = &one.difference;
        if difference.change == Change::None && !args.dry_run {
            continue;
        }
        let (mark, style) = match difference.change {
            Change::Create => ("+", Style::Good),
            Change::Update => ("~", Style::Warn),
            Change::Delete | Change::None => ("=", Style::Dim),
        };
        let after = format!(" {}: {}: {}", one.place, difference.id, difference.spec_text);
        ui.marked("", (style, mark), &after)?;
        if args.dry_run {
            let times = context.times_in(one.spec.zone().clone());
            let next: Vec<String> = next_times(one).into_iter().map(|t| times.short(t)).collect();
            if !next.is_empty() {
                ui.data(&format!("    next: {} {}", next.join(", "), times.zone()))?;
            }
        }
        // A note on several lines is printed only for the first of them, except in a dry run.
        for note in difference
            .warnings
            .iter()
            .filter(|note| seen.insert(note.as_str()) || args.dry_run)
        {
            ui.data(&format!("    note: {note}"))?;
        }
    }
    let count = |change| imported.iter().filter(|one| one.difference.change == change).count();
    let would = if args.dry_run { "would be " } else { "" };
    let (created, updated) = (count(Change::Create), count(Change::Update));
    ui.data(&format!(
        "{} in {}: {created} {would}created, {updated} {would}updated, {} unchanged",
        counted(imported.len() as u64, "schedule"),
        context.database()?.display(),
        count(Change::None)
    ))
}
