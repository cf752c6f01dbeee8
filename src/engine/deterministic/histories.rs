//! Histories that the engine once got wrong, or that only the engine can have.

use super::*;

fn initial(created: &str, interval: &str, jitter: Option<&str>, overlap: OverlapPolicy) -> InitialState {
    InitialState {
        id: "j".to_owned(),
        spec: every(interval, jitter),
        policies: Policies {
            overlap,
            ..Policies::default()
        },
        state: State::default(),
        max_buffer: MAX_BUFFER,
        created: created.parse().unwrap(),
        run_timeout: None,
        steps: 1,
        reserved: 1,
    }
}

fn every(interval: &str, jitter: Option<&str>) -> SpecText {
    SpecText {
        interval: vec![interval.to_owned()],
        jitter: jitter.map(str::to_owned),
        ..SpecText::default()
    }
}

fn runs_a_minute(_: &str, now: DateTime<Utc>) -> RunScript {
    RunScript {
        ends_at: now + TimeDelta::minutes(1),
        status: Status::Completed,
        on_cancel: TimeDelta::zero(),
        on_terminate: TimeDelta::zero(),
    }
}

/// Starts another server that reads zone data from `directory`, and updates the schedule to run at noon in its zone `Here`.
fn move_to_zone_here(engine: &mut Engine<'_>, directory: &std::path::Path, policies: Policies, now: DateTime<Utc>) {
    engine.zones = Some(directory.to_owned());
    engine.operation(&Operation::Down, now);
    engine.operation(&Operation::Up, now);
    let spec = SpecText {
        cron: vec!["0 12 * * *".to_owned()],
        time_zone: Some("Here".to_owned()),
        ..SpecText::default()
    };
    engine.operation(&Operation::Update(Box::new(spec), policies, "myid".to_owned()), now);
}

/// Returns the nominal times of the runs, and those of the times recorded as paused, each in order, as seconds since `created`.
fn decided(engine: &Engine<'_>, created: DateTime<Utc>) -> (Vec<i64>, Vec<i64>) {
    let since = |at: DateTime<Utc>| (at - created).num_seconds();
    let mut runs: Vec<_> = engine
        .read(|r| r.runs(&RunFilter::default()))
        .iter()
        .map(|r| since(r.nominal))
        .collect();
    runs.sort_unstable();
    let paused = engine.happened.iter().filter_map(|h| match h.what {
        What::NotStarted { to, count, .. } => {
            assert_eq!((h.nominal, count), (to, 1), "each record has one time in this history");
            Some(since(h.nominal))
        }
        What::Buffered | What::Start | What::Close(_) | What::Stop(_) => None,
    });
    (runs, paused.collect())
}

#[test]
fn starts_a_time_between_nominal_and_due_once_when_jitter_is_shortened() {
    let initial = initial("2022-06-01T00:00:01Z", "10s", Some("9s"), OverlapPolicy::AllowAll);
    let (created, spec) = (initial.created, compiled(&initial.spec, "j"));
    // A due time long after its nominal time, with other times before it.
    let late = |at: &DateTime<Utc>| spec.due(*at) - *at > TimeDelta::seconds(6);
    let pending = spec.times_after(created + TimeDelta::seconds(20)).find(late).unwrap();
    let changes: [(DateTime<Utc>, &[&str]); 3] = [
        (pending + TimeDelta::seconds(3), &["1s", "500ms", "9s"]),
        (pending + TimeDelta::seconds(3), &["1s"]),
        // Exactly at the nominal time, without jitter from then on.
        (pending, &["0s"]),
    ];
    let cases = changes
        .iter()
        .flat_map(|c| [(false, false), (true, false), (false, true), (true, true)].map(|d| (c, d)));
    for ((change, jitters), (down, paused)) in cases {
        let change = *change;
        let mut engine = Engine::new(&initial, &runs_a_minute);
        if down {
            engine.operation(&Operation::Down, created);
        }
        engine.advance(change);
        if paused {
            engine.operation(&Operation::Pause(String::new()), change);
        }
        for jitter in *jitters {
            let update = Operation::Update(Box::new(every("10s", Some(jitter))), initial.policies, "myid".to_owned());
            engine.operation(&update, change);
        }
        if paused {
            engine.operation(&Operation::Unpause(String::new()), change);
        }
        if down {
            engine.operation(&Operation::Up, change);
        }
        engine.advance(change + TimeDelta::minutes(2));
        let (runs, not_started) = decided(&engine, created);
        let pending = (pending - created).num_seconds();
        assert_eq!(
            not_started,
            if paused { vec![pending] } else { vec![] },
            "down: {down}, paused: {paused}"
        );
        assert_eq!(runs.contains(&pending), !paused, "down: {down}, paused: {paused}");
        let mut all = [runs, not_started].concat();
        all.sort_unstable();
        let want: Vec<_> = (0..).map(|n| 9 + 10 * n).take(all.len()).collect();
        assert_eq!(all, want, "each time once, down: {down}, paused: {paused}");
        assert!(all.len() > 10);
    }
}

#[test]
fn a_backfill_keeps_its_times_when_the_spec_is_updated() {
    let initial = initial("2022-06-01T12:00:01Z", "1h", None, OverlapPolicy::AllowAll);
    let now = initial.created;
    let mut engine = Engine::new(&initial, &runs_a_minute);
    engine.operation(&Operation::Down, now);
    let backfill = Operation::Backfill(now - TimeDelta::hours(3), now, Some(OverlapPolicy::AllowAll));
    engine.operation(&backfill, now);
    for interval in ["7h", "1d"] {
        let update = Operation::Update(Box::new(every(interval, None)), initial.policies, "myid".to_owned());
        engine.operation(&update, now);
    }
    let row = engine.read(|r| ops::find(r, &engine.id));
    let backfills = engine
        .read(|r| crate::present::schedule(r, &engine.zone_info(), row, now))
        .backfills;
    assert_eq!(backfills[0].times, 3);
    engine.operation(&Operation::Up, now);
    let mut hours: Vec<_> = engine
        .read(|r| r.runs(&RunFilter::default()))
        .iter()
        .map(|r| r.nominal.to_rfc3339())
        .collect();
    hours.sort();
    assert_eq!(hours, [10, 11, 12].map(|h| format!("2022-06-01T{h}:00:00+00:00")));
}

#[test]
fn a_run_with_a_free_worker_begins_in_the_transaction_that_starts_it() {
    for (reserved, attempts) in [(0, 0), (1, 1)] {
        let initial = InitialState {
            reserved,
            ..initial("2022-06-01T00:00:01Z", "1m", None, OverlapPolicy::Skip)
        };
        let mut engine = Engine::new(&initial, &runs_a_minute);
        let due = initial.created + TimeDelta::seconds(59);
        engine.clock.set(due);
        done(engine.server.as_mut().unwrap().ticker.tick(due));
        let runs = engine.read(|r| r.runs(&RunFilter::default()));
        let open = engine.read(|r| r.open_run(runs[0].key)).unwrap();
        assert_eq!((runs.len(), open.progress.attempts), (1, attempts));
    }
}

#[test]
fn an_attempt_that_was_not_performed_is_taken_back() {
    let initial = initial("2022-06-01T00:00:01Z", "1m", None, OverlapPolicy::Skip);
    let mut engine = Engine::new(&initial, &runs_a_minute);
    let due = initial.created + TimeDelta::seconds(59);
    engine.clock.set(due);
    done(engine.server.as_mut().unwrap().ticker.tick(due));
    let run = engine.read(|r| r.runs(&RunFilter::default())).remove(0);
    let attempts = |engine: &Engine<'_>| {
        let (row, attempts) = engine.read(|r| Ok((r.run(run.key)?, r.attempts_of(run.key)?)));
        (row.unwrap().begun, attempts.len())
    };
    assert_eq!(attempts(&engine), (true, 1));
    // The server is told to stop before a worker takes the run.
    let draining = engine.step_with(run.key, Some(run::Event::NotPerformed), MayStart::Draining, due);
    assert!(matches!(draining, Next::Nothing), "{draining:?}");
    assert_eq!(attempts(&engine), (false, 0));
    let next = engine.step_with(run.key, None, MayStart::Yes, due);
    assert!(matches!(next, Next::Perform(_)), "{next:?}");
    assert_eq!(attempts(&engine), (true, 1));
}

#[test]
fn the_lateness_of_a_run_is_that_of_its_first_attempt() {
    let initial = initial("2022-06-01T00:00:01Z", "1m", None, OverlapPolicy::Skip);
    let mut engine = Engine::new(&initial, &runs_a_minute);
    let due = initial.created + TimeDelta::seconds(59);
    engine.clock.set(due);
    done(engine.server.as_mut().unwrap().ticker.tick(due));
    let run = engine.read(|r| r.runs(&RunFilter::default())).remove(0);
    let late = |engine: &Engine<'_>| engine.read(|r| r.lateness(run.schedule.unwrap(), 100));
    // Recorded in the transaction that starts the run; the attempt began later.
    assert_eq!(late(&engine), [0]);
    let result = AttemptResult {
        began: Some(due + TimeDelta::milliseconds(7)),
        ..AttemptResult::new(Ending::Ok, 1)
    };
    engine.end(run.key, result, due + TimeDelta::milliseconds(9));
    assert_eq!(late(&engine), [7]);
}

#[test]
fn unpausing_counts_times_due_during_the_pause_with_a_nominal_time_before_it() {
    let initial = initial("2022-06-01T00:00:01Z", "1m", Some("50s"), OverlapPolicy::AllowAll);
    let (created, spec) = (initial.created, compiled(&initial.spec, "j"));
    let late = |at: &DateTime<Utc>| spec.due(*at) - *at > TimeDelta::seconds(10);
    let nominal = spec.times_after(created).find(late).unwrap();
    let (paused, unpaused) = (nominal + TimeDelta::seconds(5), spec.due(nominal) + TimeDelta::seconds(1));
    let mut engine = Engine::new(&initial, &runs_a_minute);
    engine.advance(paused);
    engine.operation(&Operation::Pause(String::new()), paused);
    engine.advance(unpaused);
    let (id, zones) = (engine.id.clone(), engine.zone_info());
    let counted = engine.write(move |w| ops::unpause(w, &zones, &id, None, unpaused)).unwrap();
    assert_eq!((counted.first, counted.last, counted.count), (nominal, nominal, 1));
}

#[test]
fn a_schedule_that_cannot_be_decided_is_retried_until_it_is_deleted() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("Here");
    let stored = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/data/zoneinfo/berlin");
    std::fs::copy(stored, &file).unwrap();
    let initial = initial("2022-06-01T00:00:00Z", "1d", None, OverlapPolicy::Skip);
    let mut engine = Engine::new(&initial, &runs_a_minute);
    let now = initial.created;
    move_to_zone_here(&mut engine, directory.path(), initial.policies, now);
    // The next server does not find the zone.
    engine.operation(&Operation::Down, now);
    std::fs::remove_file(&file).unwrap();
    engine.operation(&Operation::Up, now);
    let due = now + TimeDelta::days(1);
    let next = |engine: &mut Engine<'_>, now| engine.server.as_mut().unwrap().ticker.tick(now).unwrap().next;
    for tried in [due, due + TimeDelta::seconds(1)] {
        assert_eq!(next(&mut engine, tried), Some(tried + TimeDelta::seconds(1)));
    }
    let id = engine.id.clone();
    let deleted = due + TimeDelta::seconds(2);
    engine
        .up()
        .shared
        .writer
        .write(move |w| ops::delete(w, &id, deleted))
        .unwrap();
    assert_eq!(next(&mut engine, deleted), None);
}

#[test]
fn changed_zone_data_moves_next_times_at_once_and_is_reported_once() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("Here");
    // As in an upgrade, a new file replaces the old one.
    let install = |zone: &str| {
        let new = directory.path().join("new");
        let stored = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/data/zoneinfo");
        std::fs::copy(stored.join(zone), &new).unwrap();
        std::fs::rename(new, &file).unwrap();
    };
    install("berlin");
    let initial = initial("2022-06-01T00:00:00Z", "1d", None, OverlapPolicy::Skip);
    let mut engine = Engine::new(&initial, &runs_a_minute);
    let now = initial.created;
    move_to_zone_here(&mut engine, directory.path(), initial.policies, now);
    let next = |engine: &Engine<'_>| engine.read(|r| ops::find(r, &engine.id)).next.unwrap().to_rfc3339();
    let mut watch = ZoneWatch::default();
    let mut observe = |engine: &mut Engine<'_>| {
        let up = engine.up();
        watch.look(&up.shared, up.ticker.reader(), now).unwrap();
        let reported: Vec<_> = up
            .events
            .try_iter()
            .filter(|e| matches!(e, Event::ZoneChanged { .. }))
            .collect();
        engine.tick(now);
        reported.len()
    };
    assert_eq!(
        (observe(&mut engine), next(&engine).as_str()),
        (0, "2022-06-01T10:00:00+00:00")
    );
    install("new_york");
    assert_eq!(
        (observe(&mut engine), next(&engine).as_str()),
        (1, "2022-06-01T16:00:00+00:00")
    );
    assert_eq!(
        (observe(&mut engine), next(&engine).as_str()),
        (0, "2022-06-01T16:00:00+00:00")
    );
    // The same data in another file is no change. The next server finds a change made while none was running.
    install("new_york");
    assert_eq!(observe(&mut engine), 0);
    engine.operation(&Operation::Down, now);
    install("berlin");
    engine.operation(&Operation::Up, now);
    let mut watch = ZoneWatch::default();
    let up = engine.up();
    watch.look(&up.shared, up.ticker.reader(), now).unwrap();
    engine.tick(now);
    assert_eq!(next(&engine), "2022-06-01T10:00:00+00:00");
}

#[test]
fn an_at_boot_schedule_starts_once_after_each_boot_and_not_while_paused() {
    let initial = initial("2022-06-01T00:01:00Z", "1d", None, OverlapPolicy::Skip);
    let created = initial.created;
    let mut engine = Engine::new(&initial, &runs_a_minute);
    let started = |engine: &mut Engine<'_>, boot: &'static str, minutes: i64| {
        let now = created + TimeDelta::minutes(minutes);
        engine.advance(now);
        let started = engine.write(move |w| w.serve_in_boot(boot, now - TimeDelta::seconds(30), now));
        engine.tick(now);
        started
    };
    assert_eq!(started(&mut engine, "a", 1), 0, "not an at-boot schedule");
    let spec = SpecText {
        at_boot: true,
        ..initial.spec.clone()
    };
    let patch = Patch {
        at_boot: Some(true),
        ..patch(&spec, initial.policies, "myid")
    };
    let id = engine.id.clone();
    engine.write(move |w| ops::update(w, &ZoneInfo::of_machine(), &id, &patch, Never::Refuse, created));
    assert_eq!(started(&mut engine, "a", 2), 0, "the same boot");
    assert_eq!(started(&mut engine, "b", 3), 1, "a new boot");
    assert_eq!(started(&mut engine, "b", 4), 0, "the same boot again");
    engine.operation(&Operation::Pause(String::new()), created + TimeDelta::minutes(5));
    assert_eq!(started(&mut engine, "c", 6), 0, "paused");
    assert_eq!(engine.read(|r| r.runs(&RunFilter::default())).len(), 1);
}

#[test]
fn fires_nothing_twice_when_the_clock_goes_back_and_follows_the_window_when_it_leaps() {
    let initial = initial("2022-06-01T00:00:00Z", "10s", None, OverlapPolicy::AllowAll);
    let (created, at) = (initial.created, |s: i64| initial.created + TimeDelta::seconds(s));
    let mut engine = Engine::new(&initial, &runs_a_minute);
    engine.advance(at(35));
    // Back by an hour: times that have fired do not fire again, and later times are not delayed.
    for s in [-3600, -1800, 12, 34] {
        engine.clock.set(at(s));
        engine.tick(at(s));
    }
    engine.advance(at(45));
    assert_eq!(decided(&engine, created).0, [10, 20, 30, 40]);
    // Forward by two hours: times older than ten minutes are missed.
    engine.clock.set(at(7245));
    engine.tick(at(7245));
    let row = engine.read(|r| ops::find(r, &engine.id));
    assert_eq!((row.counters.missed, row.counters.actions), (660, 4 + 60));
    let runs = engine.read(|r| r.runs(&RunFilter::default()));
    let mut nominals: Vec<_> = runs.iter().map(|r| r.nominal).collect();
    nominals.sort_unstable();
    nominals.dedup();
    assert_eq!(nominals.len(), 64, "each time once");
}
