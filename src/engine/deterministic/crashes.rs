//! Histories on a failing disk: wherever the power is cut or an operation fails, the next server resumes, and nothing is lost or done twice.
//!
//! With `TEMPO_LONG=1` the disk fails at every operation of many histories in turn; `TEMPO_SEED` sets the first history.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::random::History;
use super::*;
use crate::engine::notices::notices;
use crate::engine::prune::prune;
use crate::error::Kind;
use crate::files::notify_text::NotifyText;
use crate::notify::{Delivery, Topic};
use crate::store::failing_vfs::{self, Failure};
use crate::store::{EventFilter, EventKind, RunRow};

const FAILURES: [Failure; 4] = [Failure::PowerCut, Failure::TornPowerCut, Failure::IoError, Failure::Full];
/// Length of a history; long enough for operations of every kind.
const SPAN: TimeDelta = TimeDelta::minutes(25);
/// Number of histories, and number of operations in each at which the disk fails.
const SHORT: (u64, u64) = (10, 25);
const LONG: (u64, u64) = (40, u64::MAX);

#[test]
fn nothing_is_lost_or_done_twice_wherever_the_disk_fails() {
    let number = |name: &str| machine::variable(name).and_then(|n| n.to_str()?.parse().ok());
    let (histories, points) = if number("TEMPO_LONG").is_some() { LONG } else { SHORT };
    let first: u64 = number("TEMPO_SEED").unwrap_or(1);
    let mut tested = 0;
    for seed in first..first + histories {
        let mut history = History::random(seed, SPAN);
        history.initial.steps = 3;
        let total = play(&history, None).unwrap_or_else(|why| panic!("TEMPO_SEED={seed}, no failure: {why}\n{history:#?}"));
        let step = (total / points).max(1);
        // At different operations in each history, with each failure in turn.
        for (n, at) in (1 + seed % step..=total).step_by(usize::try_from(step).unwrap()).enumerate() {
            let failure = FAILURES[(n + usize::try_from(seed).unwrap()) % FAILURES.len()];
            play(&history, Some((at, failure)))
                .unwrap_or_else(|why| panic!("TEMPO_SEED={seed}, {failure:?} at {at} of {total}: {why}\n{history:#?}"));
            tested += 1;
        }
    }
    assert!(tested >= histories * points.min(20), "only {tested} failures tested");
}

/// Plays a history on a disk that fails at one operation, and checks the result. Returns the number of disk operations.
fn play(history: &History, failure: Option<(u64, Failure)>) -> Result<u64, String> {
    let _disk = failing_vfs::arm(failure);
    let script = |id: &str, now: DateTime<Utc>| history.life(id, now);
    let mut engine = Engine::down(&history.initial, &script);
    surviving(&mut engine, Engine::start)?;
    surviving(&mut engine, |e| e.create(&history.initial))?;
    surviving(&mut engine, add_receiver)?;
    let told_after = engine.read(|r| r.receivers())[0].cursor;
    for (now, operation) in history.operations.iter().chain([&(history.end, Operation::Refresh)]) {
        surviving(&mut engine, |e| e.advance(*now))?;
        surviving(&mut engine, |e| e.operation(operation, *now))?;
    }
    check(&engine, history)?;
    let end = history.end;
    surviving(&mut engine, |e| {
        e.deliver(end);
    })?;
    check_messages(&engine, told_after)?;
    // Prunes finished runs, and then deletes the schedule.
    let (id, end) = (engine.id.clone(), history.end);
    surviving(&mut engine, |e| {
        let up = e.up();
        done(prune(&up.shared, up.ticker.reader(), usize::MAX, end + TimeDelta::days(31)));
    })?;
    let running = engine.active.len();
    surviving(&mut engine, |e| {
        let id = id.clone();
        if e.read(|r| Ok(ops::find(r, &id).is_ok())) {
            e.write(move |w| ops::delete(w, &id, end));
        }
    })?;
    let left = engine.read(|r| r.all_running()).len();
    if left != running {
        return Err(format!(
            "{running} runs were open when their schedule was deleted, {left} are left"
        ));
    }
    check_database(&engine)?;
    Ok(failing_vfs::operations())
}

/// Adds a receiver that gets every event at once.
fn add_receiver(engine: &mut Engine<'_>) {
    let receiver = NotifyText {
        name: "r".to_owned(),
        webhook: Some("http://127.0.0.1/".to_owned()),
        events: Topic::ALL.map(|topic| topic.name().to_owned()).to_vec(),
        group_wait: Some("0s".to_owned()),
        ..NotifyText::default()
    };
    // A failed disk may have reported an error for a receiver that was added.
    let now = engine.clock.now();
    engine.write(move |w| match ops::add_receiver(w, &receiver, now) {
        Err(e) if e.kind() == Kind::Conflict => Ok(()),
        added => added,
    });
}

/// Checks that the receiver got every event exactly once: a message that it got again has the id that it had before.
fn check_messages(engine: &Engine<'_>, told_after: i64) -> Result<(), String> {
    let delivered = engine.delivered.lock().unwrap();
    let mut told: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for delivery in delivered.iter() {
        let Delivery::Webhook(webhook) = delivery else { continue };
        let body: serde_json::Value =
            serde_json::from_str(webhook.body.as_deref().unwrap_or_default()).map_err(|e| e.to_string())?;
        let events = body["events"].as_array().cloned().unwrap_or_else(|| vec![body.clone()]);
        for event in events {
            let content = format!("{} {} {} {}", event["event"], event["at"], event["message"], event["run_id"]);
            told.entry(content).or_default().insert(body["id"].to_string());
        }
    }
    if let Some((event, ids)) = told.iter().find(|(_, ids)| ids.len() > 1) {
        return Err(format!("sent in several messages: {event}: {ids:?}"));
    }
    let filter = EventFilter {
        notable: true,
        finishes: true,
        ..EventFilter::default()
    };
    let happened = engine.read(|r| {
        let mut happened = BTreeSet::new();
        for event in r.events(&filter)? {
            for (topic, notice) in notices(r, &event)? {
                happened.insert((format!("\"{}\" \"{}\"", topic.name(), notice.at), event.key));
            }
        }
        Ok(happened)
    });
    for (event, key) in happened {
        let is_told = told.keys().any(|content| content.starts_with(&event));
        // It does not get events from before it was added.
        if !is_told && key > told_after {
            return Err(format!("not sent: {event} (event {key})"));
        }
    }
    Ok(())
}

/// Repeats an operation until it succeeds: when the disk fails, the server dies, the next one starts, and the operation is repeated.
fn surviving<'a>(engine: &mut Engine<'a>, operation: impl Fn(&mut Engine<'a>)) -> Result<(), String> {
    let was_up = engine.server.is_some();
    let mut why = String::new();
    for _ in 0..3 {
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            if was_up && engine.server.is_none() {
                engine.start();
            }
            operation(engine);
        }));
        match outcome {
            // The power may also be cut while a file is closed, where SQLite reports no error.
            Ok(()) if !failing_vfs::is_off() => return Ok(()),
            Ok(()) => {}
            Err(panic) => match panic.downcast::<DiskFailed>() {
                Ok(failed) => why = failed.0.to_string(),
                Err(other) => resume_unwind(other),
            },
        }
        engine.server = None;
        engine.active.clear();
        failing_vfs::restore(&engine.database());
    }
    Err(format!("it keeps failing: {why}"))
}

/// Checks that everything acknowledged is recorded, every time is accounted for once, counters match a recount, and no run is stuck.
fn check(engine: &Engine<'_>, history: &History) -> Result<(), String> {
    check_database(engine)?;
    history.account(engine)?;
    let runs = engine.read(|r| r.runs(&RunFilter::default()));
    check_events(engine, &runs)?;
    for event in &engine.happened {
        let recorded = runs
            .iter()
            .filter(|r| r.workflow_id == event.workflow_id && r.nominal == event.nominal);
        let statuses: Vec<Status> = recorded.map(|r| r.status).collect();
        let is_recorded = match event.what {
            What::Start => !statuses.is_empty(),
            What::Close(status) => statuses.contains(&status),
            What::NotStarted { .. } | What::Buffered | What::Stop(_) => true,
        };
        if !is_recorded {
            return Err(format!("acknowledged but not recorded: {event:?}; recorded: {statuses:?}"));
        }
    }
    let counted = engine.read(|r| ops::find(r, &engine.id)).counters.actions;
    if counted != runs.len() as u64 {
        return Err(format!("{counted} actions counted, {} runs recorded", runs.len()));
    }
    let open: BTreeSet<i64> = runs.iter().filter(|r| r.status == Status::Running).map(|r| r.key).collect();
    let active: BTreeSet<i64> = engine.active.iter().map(|active| active.run).collect();
    if open == active {
        Ok(())
    } else {
        Err(format!("open in the database: {open:?}, active: {active:?}"))
    }
}

/// Checks that the events record every start and every close exactly once, in that order.
fn check_events(engine: &Engine<'_>, runs: &[RunRow]) -> Result<(), String> {
    let events = engine.read(|r| r.events(&EventFilter::default()));
    for run in runs {
        let of_run = events.iter().filter(|e| e.run.as_ref().is_some_and(|r| r.key == run.key));
        let kinds: Vec<EventKind> = of_run.map(|e| e.kind).collect();
        let count = |kind| kinds.iter().filter(|k| **k == kind).count();
        let closes = usize::from(run.status != Status::Running);
        let is_last = closes == 0 || kinds.last() == Some(&EventKind::Finish);
        if kinds.first() != Some(&EventKind::Start)
            || count(EventKind::Start) != 1
            || count(EventKind::Finish) != closes
            || !is_last
        {
            return Err(format!(
                "the events of run {} ({:?}) are {kinds:?}",
                run.workflow_id, run.status
            ));
        }
    }
    Ok(())
}

fn check_database(engine: &Engine<'_>) -> Result<(), String> {
    let problems = done(engine.up().ticker.reader().check());
    if problems.is_empty() {
        Ok(())
    } else {
        Err(problems.join("; "))
    }
}
