//! `tempo log`.

use chrono::{DateTime, TimeDelta, Utc};
use clap_complete::engine::ArgValueCandidates;

use super::{Context, complete};
use crate::clock::{Clock as _, Wakeup};
use crate::error::{Error, Kind};
use crate::names::nearest;
use crate::output::Style;
use crate::output::instant::rfc3339;
use crate::output::times::Times;
use crate::output::ui::{Format, sanitize};
use crate::output::views::EventView;
use crate::present::EventViews;
use crate::spec::instant;
use crate::store::{EventFilter, Missing, Read, Store};

/// Maximum number of events shown without `--limit`, `--since` or `--until`.
const DEFAULT_LIMIT: u64 = 200;
/// How often `--follow` checks for new events.
const POLL_INTERVAL: TimeDelta = TimeDelta::milliseconds(100);

/// Show what happened, oldest first
///
/// Lists the recorded events of all schedules, of one schedule or of one run: starts, retries, failures with the last lines of output,
/// times that were skipped or missed and why, pauses with their notes, changes, incidents, and the starts, stops and crashes of the
/// server. Works with and without a server, and also for a schedule that has been deleted. Consecutive times that did not run for the
/// same reason are one event, at the first of them.
///
/// Times are accepted as `-2h`, `yesterday`, `yesterday 18:00`, `mon 09:00`, `2026-05-05 09:00` or RFC 3339. Without `--since`,
/// `--until` or `--limit`, the last 200 events are shown.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Id of a schedule, prefix of a run id, or a workflow id (its newest run)
    #[arg(add = ArgValueCandidates::new(complete::schedules), value_name = "SCHEDULE|RUN")]
    subject: Option<String>,
    /// Only events since this time
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    since: Option<String>,
    /// Only events until this time
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    until: Option<String>,
    /// Only failures: failed attempts, incidents, failed runs, missed times and crashes of the server
    #[arg(long)]
    failed: bool,
    /// Keep printing new events until Ctrl-C
    #[arg(short, long, conflicts_with = "until")]
    follow: bool,
    /// Show only the newest events, at most this many; 0 shows all
    #[arg(short = 'n', long, value_name = "N")]
    limit: Option<u64>,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Error> {
    if args.follow && context.ui.format() == Format::Json {
        return Err(
            Error::new(Kind::Usage, "`--follow` cannot be used with `-o json`").hint("Add `-o jsonl` for one document per line.")
        );
    }
    let store = if args.follow {
        context.open(Missing::Refuse)?
    } else {
        context.open_to_show()?
    };
    let mut filter = filter(context, args, &store)?;
    let (events, newest) = read(context, &store, &filter)?;
    if !args.follow {
        return show(context, &filter, &events);
    }
    print(context, &events)?;
    filter.limit = None;
    filter.after = Some(newest);
    let never_raised = Wakeup::default();
    let mut seen = store.data_version()?;
    while !context.ui.has_no_reader() {
        context.clock.wait(&never_raised, context.now() + POLL_INTERVAL);
        store.refuse_displaced()?;
        let version = store.data_version()?;
        if version != seen {
            seen = version;
            let (events, newest) = read(context, &store, &filter)?;
            print(context, &events)?;
            filter.after = Some(newest);
        }
    }
    Ok(())
}

fn filter(context: &Context, args: &Args, store: &Store) -> Result<EventFilter, Error> {
    let (zone, now) = (context.local_zone(), context.now());
    let time = |text: &Option<String>| text.as_deref().map(|t| instant::parse_past(t, &zone, now)).transpose();
    let (since, until) = (time(&args.since)?, time(&args.until)?);
    if let (Some(since), Some(until)) = (since, until)
        && since > until
    {
        let times = context.times();
        return Err(Error::new(
            Kind::Usage,
            format_args!("`--since` {} is after `--until` {}", times.full(since), times.full(until)),
        )
        .hint("The start time must be before the end time."));
    }
    let limit = match args.limit {
        Some(limit) => Some(limit).filter(|limit| *limit > 0),
        None => (since.is_none() && until.is_none()).then_some(DEFAULT_LIMIT),
    };
    let all = EventFilter {
        since,
        until,
        failed: args.failed,
        limit,
        ..EventFilter::default()
    };
    let Some(subject) = &args.subject else { return Ok(all) };
    store.read(|r| of_subject(r, subject, all))
}

/// Restricts a filter to the schedule or, if none has that id, to the run that `subject` identifies.
fn of_subject(read: &Read<'_>, subject: &str, filter: EventFilter) -> Result<EventFilter, Error> {
    let ids = read.schedule_ids()?;
    if ids.iter().any(|id| id == subject) || read.has_events_of(subject)? {
        return Ok(EventFilter {
            schedule_id: Some(subject.to_owned()),
            ..filter
        });
    }
    match read.run_named(subject) {
        Ok(run) => Ok(EventFilter {
            run: Some(run.key),
            ..filter
        }),
        Err(e) if e.kind() == Kind::NotFound => {
            let error = Error::new(
                Kind::NotFound,
                format_args!("no schedule or run is named `{}`", subject.escape_debug()),
            );
            Err(match nearest(subject, ids.iter().map(String::as_str)) {
                Some(near) => error.hint(format_args!("Did you mean `{near}`?")),
                None => error.hint("Run `tempo schedule list` or `tempo workflow list` to see them."),
            })
        }
        Err(e) => Err(e),
    }
}

/// Returns the events that match, and the key of the newest event of all.
fn read(context: &Context, store: &Store, filter: &EventFilter) -> Result<(Vec<EventView>, i64), Error> {
    let times = context.times();
    let for_people = |at: DateTime<Utc>| times.short(at);
    let for_scripts = |at: DateTime<Utc>| rfc3339(at);
    let time: &dyn Fn(DateTime<Utc>) -> String = if context.ui.is_text() { &for_people } else { &for_scripts };
    store.read(|r| {
        let newest = r.newest_event()?;
        let mut views = EventViews::new(r, time);
        let events = r
            .events(filter)?
            .iter()
            .map(|row| views.view(row))
            .collect::<Result<_, _>>()?;
        Ok((events, newest))
    })
}

fn show(context: &Context, filter: &EventFilter, events: &[EventView]) -> Result<(), Error> {
    if !context.ui.is_text() {
        return context.ui.json_list(events);
    }
    if events.is_empty() {
        // A limit alone excludes nothing.
        let all = EventFilter {
            limit: filter.limit,
            ..EventFilter::default()
        };
        context.ui.say(if *filter == all {
            "No events yet."
        } else {
            "No events match."
        });
        return Ok(());
    }
    print(context, events)?;
    if filter.limit == Some(events.len() as u64) {
        let shown = match events.len() {
            1 => "This is the last event".to_owned(),
            n => format!("These are the last {n} events"),
        };
        context
            .ui
            .hint(&format!("{shown}; `--since yesterday` or `--limit 0` may show more."));
    }
    Ok(())
}

/// Prints events: in text, one line each, with the last lines of output below a failure.
fn print(context: &Context, events: &[EventView]) -> Result<(), Error> {
    if !context.ui.is_text() {
        return events.iter().try_for_each(|event| context.ui.json(event));
    }
    let times = context.times();
    let width = |event: &EventView| subject(event).chars().count();
    let width = events.iter().map(width).max().unwrap_or(0);
    let mut text = String::new();
    for event in events {
        text += &line(context, &times, event, width);
        text.push('\n');
        for output in event.output.iter().flatten() {
            let output = format!("{:>21}| {}", "", sanitize(output));
            text += &context.ui.paint(Style::Dim, &output);
            text.push('\n');
        }
    }
    context.ui.raw(text.as_bytes())
}

/// What an event is about: its schedule, or the run if that has none.
fn subject(event: &EventView) -> &str {
    event.schedule_id.as_deref().or(event.workflow_id.as_deref()).unwrap_or("-")
}

fn line(context: &Context, times: &Times, event: &EventView, width: usize) -> String {
    let style = match event.event {
        "finish" if event.message.starts_with("Completed in") => Some(Style::Good),
        "finish" | "incident" | "miss" | "drop" | "crash" => Some(Style::Bad),
        "skip" | "retry" | "lost" | "pause" | "cancel" | "terminate" => Some(Style::Warn),
        "start" | "resolved" => Some(Style::Strong),
        _ => None,
    };
    let word = format!("{:<9}", event.event);
    let word = style.map_or_else(|| word.clone(), |style| context.ui.paint(style, &word));
    let run = event.run_id.as_deref().and_then(|id| id.get(..8)).unwrap_or("-");
    let step = event.step.as_ref().map_or_else(String::new, |step| format!("{step}: "));
    let message = format!("{:<width$} {run:<8} {step}{}", subject(event), event.message);
    format!("{} {word} {}", times.full(event.at.0), sanitize(&message).replace('\n', " "))
}
