//! Histories on a disk that fails: wherever the power is cut or an operation fails, the next server goes on, and nothing is lost or done twice.
//!
//! `TEMPO_LONG=1` fails at every operation of many histories, one after the other; `TEMPO_SEED` says with which history to begin.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::random::History;
use super::*;
use crate::engine::prune::prune;
use crate::store::failing_vfs::{self, Failure};

const FAULTS: [Failure; 4] = [Failure::PowerCut, Failure::TornPowerCut, Failure::IoError, Failure::Full];
/// How long a history is: a short one has operations of every kind.
const SPAN: TimeDelta = TimeDelta::minutes(25);
/// How many histories are lived through, and at how many operations of each the disk fails.
const SHORT: (u64, u64) = (10, 25);
const LONG: (u64, u64) = (40, u64::MAX);

#[test]
fn wherever_the_disk_fails_nothing_is_lost_and_nothing_is_done_twice() {
    let number = |name: &str| machine::variable(name).and_then(|n| n.to_str()?.parse().ok());
    let (histories, points) = if number("TEMPO_LONG").is_some() { LONG } else { SHORT };
    let first: u64 = number("TEMPO_SEED").unwrap_or(1);
    let mut lived = 0;
    for seed in first..first + histories {
        let mut history = History::random(seed, SPAN);
        history.initial.steps = 3;
        let whole = live(&history, None).unwrap_or_else(|why| panic!("TEMPO_SEED={seed}, no fault: {why}\n{history:#?}"));
        let step = (whole / points).max(1);
        // Another place in each history, and each fault in its turn.
        for (n, at) in (1 + seed % step..=whole).step_by(usize::try_from(step).unwrap()).enumerate() {
            let fault = FAULTS[(n + usize::try_from(seed).unwrap()) % FAULTS.len()];
            live(&history, Some((at, fault)))
                .unwrap_or_else(|why| panic!("TEMPO_SEED={seed}, {fault:?} at {at} of {whole}: {why}\n{history:#?}"));
            lived += 1;
        }
    }
    assert!(lived >= histories * points.min(20), "{lived} points");
}

/// Lives through a history on a disk that fails there, and looks whether everything is as it must be; how many operations there were.
fn live(history: &History, fault: Option<(u64, Failure)>) -> Result<u64, String> {
    let _disk = failing_vfs::arm(fault);
    let script = |id: &str, now: DateTime<Utc>| history.life(id, now);
    let mut engine = Engine::down(&history.initial, &script);
    surviving(&mut engine, Engine::start)?;
    surviving(&mut engine, |e| e.create(&history.initial))?;
    for (now, operation) in history.deeds.iter().chain([&(history.end, Operation::Refresh)]) {
        surviving(&mut engine, |e| e.advance(*now))?;
        surviving(&mut engine, |e| e.operation(operation, *now))?;
    }
    check(&engine, history)?;
    // What is done with is let go, and then the schedule itself.
    let (id, end) = (engine.id.clone(), history.end);
    surviving(&mut engine, |e| {
        let up = e.up();
        done(prune(&up.shared, up.ticker.reader(), usize::MAX, end + TimeDelta::days(31)));
    })?;
    let open = engine.going.len();
    surviving(&mut engine, |e| {
        let id = id.clone();
        if e.read(|r| Ok(ops::find(r, &id).is_ok())) {
            e.write(move |w| ops::delete(w, &id, end));
        }
    })?;
    let left = engine.read(|r| r.all_running()).len();
    if left != open {
        return Err(format!(
            "{open} runs were going when their schedule was deleted, {left} are left"
        ));
    }
    sound(&engine)?;
    Ok(failing_vfs::operations())
}

/// Does something until it is done: where the disk fails, the server dies, the next one goes on, and it is done again.
fn surviving<'a>(engine: &mut Engine<'a>, operation: impl Fn(&mut Engine<'a>)) -> Result<(), String> {
    let was_up = engine.server.is_some();
    let mut why = String::new();
    for _ in 0..3 {
        let lived = catch_unwind(AssertUnwindSafe(|| {
            if was_up && engine.server.is_none() {
                engine.start();
            }
            operation(engine);
        }));
        match lived {
            // The power may also go while a file is closed, where SQLite tells nobody.
            Ok(()) if !failing_vfs::is_off() => return Ok(()),
            Ok(()) => {}
            Err(panic) => match panic.downcast::<DiskFailed>() {
                Ok(failed) => why = failed.0.to_string(),
                Err(other) => resume_unwind(other),
            },
        }
        engine.server = None;
        engine.going.clear();
        failing_vfs::restore(&engine.database());
    }
    Err(format!("it fails again and again: {why}"))
}

/// Everything that was acknowledged is on file, every time is accounted for once, counters are what a recount gives, and no run is stuck.
fn check(engine: &Engine<'_>, history: &History) -> Result<(), String> {
    sound(engine)?;
    history.account(engine)?;
    let runs = engine.read(|r| r.runs(&RunFilter::default()));
    for told in &engine.happened {
        let on_file = runs
            .iter()
            .filter(|r| r.workflow_id == told.workflow_id && r.nominal == told.nominal);
        let statuses: Vec<Status> = on_file.map(|r| r.status).collect();
        let holds = match told.what {
            What::Start => !statuses.is_empty(),
            What::Close(status) => statuses.contains(&status),
            What::NotStarted { .. } | What::Buffered | What::Stop(_) => true,
        };
        if !holds {
            return Err(format!("acknowledged and gone: {told:?}; on file: {statuses:?}"));
        }
    }
    let counted = engine.read(|r| ops::find(r, &engine.id)).counters.actions;
    if counted != runs.len() as u64 {
        return Err(format!("{counted} actions counted, {} runs on file", runs.len()));
    }
    let open: BTreeSet<i64> = runs.iter().filter(|r| r.status == Status::Running).map(|r| r.key).collect();
    let going: BTreeSet<i64> = engine.going.iter().map(|g| g.run).collect();
    if open == going {
        Ok(())
    } else {
        Err(format!("open on file: {open:?}, going: {going:?}"))
    }
}

fn sound(engine: &Engine<'_>) -> Result<(), String> {
    let faults = done(engine.up().ticker.reader().check());
    if faults.is_empty() { Ok(()) } else { Err(faults.join("; ")) }
}
