//! `tempo import crontab`.

use clap::ValueHint;

use std::collections::HashSet;
use std::path::Path;

use super::super::Context;
use crate::error::{Error, Kind};
use crate::files::crontab::{self, Host, Job, Sort};
use crate::files::document::Source;
use crate::files::source_file::{SourceFile, files_in, source_of};
use crate::machine::{self, User};
use crate::names::ScheduleId;
use crate::ops::{self, Change, DefinitionFile, Difference, Prune};
use crate::output::views::{ImportView, Instant};
use crate::output::{Style, counted};
use crate::present;
use crate::spec::Spec;
use crate::store::{Missing, Read};
use crate::zoneinfo::ZoneInfo;

/// Make schedules from crontabs
///
/// Each line becomes a schedule that fires when cron would, in this machine's zone. What cannot be kept is said, and a crontab with a line
/// that cannot be read imports nothing. The same crontab again changes nothing; lines that were taken out of it leave their schedules behind.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A crontab, a folder of them, or `-` for stdin: `crontab -l | tempo import crontab -`
    #[arg(value_name = "FILE|DIR|-", value_hint = ValueHint::AnyPath)]
    file: String,
    /// There is a column for the user, as in `/etc/crontab` and `/etc/cron.d`
    #[arg(long)]
    system: bool,
    /// Show what each line would become, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Import the lines that can be read, and exit with 2 where there were others
    #[arg(long)]
    keep_going: bool,
}

/// A schedule that a line becomes.
struct Imported {
    /// `crontab:7`.
    place: String,
    difference: Difference,
    spec: Spec,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Error> {
    let is_folder = Path::new(&args.file).is_dir();
    let folder = is_folder.then(|| source_of(&args.file)).transpose()?;
    let source_files = source_files(context, &args.file, is_folder)?;
    let time_zone = ZoneInfo::local_name()?;
    let this = User::this();
    let own_home = machine::environment("HOME")?;
    let home = |user: &str| {
        let home = match &this {
            Some(this) if this.name == user => own_home.clone(),
            Some(_) | None => User::named(user).ok().map(|u| u.home),
        };
        home.filter(|home| Path::new(home).is_dir())
    };
    let host = Host {
        time_zone: &time_zone,
        user: this.as_ref().map_or("", |u| u.name.as_str()),
        is_root: machine::is_root(),
        home: &home,
        is_user: &|user| User::named(user).is_ok(),
        zones: &context.zones,
    };
    let (mut crontabs, mut faults) = (Vec::new(), Vec::new());
    for source_file in source_files {
        let source = Source {
            name: &source_file.name,
            text: &source_file.text,
        };
        let sort = if args.system { Sort::System } else { Sort::User };
        let (mut jobs, wrong) = crontab::parse(&source, sort, &host);
        // A folder of users' crontabs names them after the users.
        if is_folder && !args.system {
            let user = source_file.name.rsplit('/').next().unwrap_or_default();
            for job in &mut jobs {
                job.belongs_to(user, &host);
            }
        }
        faults.extend(wrong);
        // Whose the schedules are: a folder of definitions beside the crontab does not prune them.
        crontabs.push((format!("crontab:{}", source_file.source), jobs));
    }
    if !args.system && is_of_the_system(&args.file) {
        context
            .ui
            .hint("A crontab of the system has a column for the user: `--system` reads it.");
    }
    let lines = crontabs.iter().map(|(_, jobs)| jobs.len()).sum::<usize>() + faults.len();
    if !faults.is_empty() && !args.keep_going && !args.dry_run {
        let others = "`--keep-going` imports the others; `--dry-run` shows what they would become.";
        return Err(refusal(context, &faults, lines, "nothing is imported").hint(others));
    }
    let (imported, gone) = if args.dry_run {
        let store = context.open(Missing::ShowNothing)?;
        store.read(|r| {
            let (defining, gone) = named(r, &crontabs, folder.as_deref(), &host)?;
            let differences = ops::compare(r, &context.zones, defining.clone(), Prune::No, context.now())?;
            Ok((with_specs(context, &defining, differences)?, gone))
        })?
    } else {
        let mut store = context.open(Missing::Create)?;
        store.write(|w| {
            let (defining, gone) = named(w, &crontabs, folder.as_deref(), &host)?;
            let differences = ops::apply(w, &context.zones, defining.clone(), Prune::No, context.now())?;
            Ok((with_specs(context, &defining, differences)?, gone))
        })?
    };
    show(context, args, &imported)?;
    // What stdin held before may have been another crontab.
    for id in gone.into_iter().filter(|_| args.file != "-") {
        context.ui.say(&format!(
            "note: no line makes {id} any more, and it goes on; `tempo schedule delete {id}` takes it off"
        ));
    }
    if !args.dry_run {
        context.hint_when_down("nothing runs until it is.")?;
    }
    if faults.is_empty() {
        return Ok(());
    }
    let others = match (args.keep_going, args.dry_run) {
        (true, true) => "the others would be",
        (true, false) => "the others are",
        (false, _) => "nothing would be imported",
    };
    Err(refusal(context, &faults, lines, others))
}

/// The crontabs that are named; of a folder those that Debian's cron reads, and the others are told.
fn source_files(context: &Context, named: &str, is_folder: bool) -> Result<Vec<SourceFile>, Error> {
    if !is_folder {
        return Ok(vec![SourceFile::read_in_any_encoding(named)?]);
    }
    let (files, others) = files_in(named, is_crontab)?;
    for other in others {
        context.ui.say(&format!(
            "note: {other} is left out: by its name, cron does not read it either"
        ));
    }
    files.iter().map(|file| SourceFile::read_in_any_encoding(file)).collect()
}

/// Of a folder of crontabs: what Debian's cron reads.
fn is_crontab(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

fn is_of_the_system(name: &str) -> bool {
    let name = name.trim_end_matches('/');
    name == "/etc/crontab" || name.starts_with("/etc/cron.d")
}

/// Tells each line that cannot be read; a program hears of all of them in one.
fn refusal(context: &Context, faults: &[Error], lines: usize, and: &str) -> Error {
    let count = counted(lines as u64, "line");
    let error = Error::new(
        Kind::Usage,
        format_args!("{} of {count} cannot be imported, {and}", faults.len()),
    );
    if context.ui.is_text() {
        for fault in faults {
            context.ui.error(fault);
        }
        return error;
    }
    faults.iter().fold(error, |error, fault| error.hint(fault))
}

/// The definitions that the lines become, and the schedules that no line makes any more.
fn named(
    read: &Read<'_>,
    crontabs: &[(String, Vec<Job>)],
    folder: Option<&str>,
    host: &Host<'_>,
) -> Result<(Vec<DefinitionFile>, Vec<ScheduleId>), Error> {
    let mut names = ops::Names::default();
    let mut defining = Vec::with_capacity(crontabs.len());
    for (source, jobs) in crontabs {
        defining.push(DefinitionFile {
            defined: ops::name_jobs(read, source, jobs, host, &mut names)?,
            source: source.clone(),
        });
    }
    // Of a folder: what is made from a file that has gone from it.
    for (id, source) in read.sources()? {
        let file = folder.and_then(|folder| source.strip_prefix("crontab:")?.strip_prefix(folder)?.strip_prefix('/'));
        if file.is_some_and(|file| !file.contains('/')) && !crontabs.iter().any(|(read, _)| *read == source) {
            names.gone.push(id);
        }
    }
    names.gone.sort();
    Ok((defining, names.gone))
}

fn with_specs(context: &Context, defining: &[DefinitionFile], differences: Vec<Difference>) -> Result<Vec<Imported>, Error> {
    let defined = defining.iter().flat_map(|d| &d.defined);
    defined
        .zip(differences)
        .map(|(defined, difference)| {
            let spec = Spec::compile(&defined.definition.spec, defined.id.as_str(), &context.zones)?;
            Ok(Imported {
                place: defined.place.clone(),
                difference,
                spec,
            })
        })
        .collect()
}

fn show(context: &Context, args: &Args, imported: &[Imported]) -> Result<(), Error> {
    let ui = &context.ui;
    let next = |one: &Imported| -> Vec<_> {
        let wanted = if one.difference.paused { 0 } else { 3 };
        let times = one.spec.times_after(context.now()).take(wanted);
        times.map(|t| one.spec.due(t)).collect()
    };
    if !ui.is_text() {
        let view = |one: &Imported| ImportView {
            change: present::change(&one.difference),
            spec_text: one.difference.spec_text.clone(),
            next_action_times: next(one).into_iter().map(Instant).collect(),
        };
        let views: Vec<_> = imported.iter().map(view).collect();
        return ui.json_list(&views);
    }
    let mut told = HashSet::new();
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
        let id = ui.paint(Style::Strong, difference.id.as_str());
        let mark = ui.paint(style, mark);
        ui.data(&format!("{mark} {}: {id}: {}", one.place, difference.spec_text))?;
        if args.dry_run {
            let times = crate::output::times::Times::new(one.spec.zone().clone(), context.now());
            let next: Vec<String> = next(one).into_iter().map(|t| times.short(t)).collect();
            if !next.is_empty() {
                ui.data(&format!("    next: {} {}", next.join(", "), times.zone()))?;
            }
        }
        // What holds of many lines is told with the first of them, but where each line is looked at.
        for note in difference
            .warnings
            .iter()
            .filter(|note| told.insert(note.as_str()) || args.dry_run)
        {
            ui.data(&format!("    note: {note}"))?;
        }
    }
    let count = |change| imported.iter().filter(|one| one.difference.change == change).count();
    let would = if args.dry_run { "would be " } else { "" };
    let (created, updated) = (count(Change::Create), count(Change::Update));
    ui.data(&format!(
        "{} in {}: {created} {would}created, {updated} {would}updated, {} as before",
        counted(imported.len() as u64, "schedule"),
        context.database()?.display(),
        count(Change::None)
    ))
}
