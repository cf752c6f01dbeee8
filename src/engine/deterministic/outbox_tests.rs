//! Alerts under a simulated clock: receivers that are down, limits, quiet hours, reminders, and schedules that do not succeed.

use super::*;
use crate::files::notify_text::NotifyText;
use crate::notify::Delivery;
use crate::schedule::Alerts;
use crate::store::{IncidentFilter, IncidentScope};

/// A history of one schedule that misses a time, so that its receiver is told.
fn engine(receiver: NotifyText) -> Engine<'static> {
    let initial = InitialState {
        id: "s".to_owned(),
        spec: SpecText {
            interval: vec!["1h".to_owned()],
            ..SpecText::default()
        },
        policies: Policies::default(),
        state: State::default(),
        max_buffer: 10,
        created: start(),
        run_timeout: None,
        steps: 1,
        reserved: 1,
    };
    let script: Script<'static> = &|_, now| RunScript {
        ends_at: now + TimeDelta::seconds(1),
        status: Status::Completed,
        on_cancel: TimeDelta::zero(),
        on_terminate: TimeDelta::zero(),
    };
    let engine = Engine::new(&initial, script);
    add(&engine, receiver);
    engine
}

fn add(engine: &Engine<'_>, receiver: NotifyText) {
    let now = engine.clock.now();
    engine.write(move |w| ops::add_receiver(w, &receiver, now));
}

fn all_incidents() -> IncidentFilter {
    IncidentFilter {
        scope: IncidentScope::All,
        ..IncidentFilter::default()
    }
}

fn start() -> DateTime<Utc> {
    "2026-05-05T00:30:00Z".parse().unwrap()
}

fn receiver() -> NotifyText {
    NotifyText {
        name: "r".to_owned(),
        webhook: Some("http://127.0.0.1/".to_owned()),
        ..NotifyText::default()
    }
}

/// Has the schedule miss the next time: the server is down meanwhile.
fn miss(engine: &mut Engine<'_>) {
    let now = engine.clock.now();
    engine.server = None;
    engine.clock.set(now + TimeDelta::minutes(75));
    engine.start();
    let now = engine.clock.now();
    engine.tick(now);
}

/// Moves the clock and delivers what is due, until `until`. Returns the times of the passes.
fn pass_time(engine: &mut Engine<'_>, until: DateTime<Utc>) -> Vec<DateTime<Utc>> {
    let mut passes = Vec::new();
    loop {
        let now = engine.clock.now();
        passes.push(now);
        match engine.deliver(now) {
            Some(next) if next <= until => engine.clock.set(next.max(now + TimeDelta::milliseconds(1))),
            _ => break,
        }
    }
    engine.clock.set(until);
    passes
}

fn bodies(engine: &Engine<'_>) -> Vec<serde_json::Value> {
    let delivered = engine.delivered.lock().unwrap();
    let body = |delivery: &Delivery| match delivery {
        Delivery::Webhook(webhook) => serde_json::from_str(webhook.body.as_deref().unwrap_or_default()).unwrap(),
        other @ (Delivery::Mail(_) | Delivery::Command { .. }) => panic!("{other:?}"),
    };
    delivered.iter().map(body).collect()
}

#[test]
fn a_receiver_that_is_down_for_an_hour_gets_each_message_once() {
    let mut engine = engine(receiver());
    engine.receiver_down.store(true, std::sync::atomic::Ordering::SeqCst);
    miss(&mut engine);
    let hour = engine.clock.now() + TimeDelta::hours(1);
    let passes = pass_time(&mut engine, hour);
    // Two messages, the attempts of each 2 s, 4 s, 8 s … up to ten minutes apart; the second waits for six attempts of the first.
    assert!((20..=30).contains(&passes.len()), "{passes:?}");
    let pending = engine.read(|r| r.messages(None, false));
    assert_eq!(
        pending.iter().map(|m| m.topic.as_str()).collect::<Vec<_>>(),
        ["server-recovered", "missed"]
    );
    assert!(
        pending.iter().all(|m| m.error.as_deref() == Some("it is down")),
        "{pending:?}"
    );
    engine.receiver_down.store(false, std::sync::atomic::Ordering::SeqCst);
    let later = hour + TimeDelta::hours(1);
    pass_time(&mut engine, later);
    let mut ids: Vec<_> = bodies(&engine).iter().map(|body| body["id"].to_string()).collect();
    ids.sort();
    let mut expected: Vec<_> = pending.iter().map(|m| format!("\"{}\"", m.id)).collect();
    expected.sort();
    assert_eq!(ids, expected);
    assert!(engine.read(|r| r.messages(None, false)).is_empty());
}

#[test]
fn a_message_is_given_up_after_a_day_and_can_be_retried() {
    let mut engine = engine(NotifyText {
        events: vec!["missed".to_owned()],
        ..receiver()
    });
    engine.receiver_down.store(true, std::sync::atomic::Ordering::SeqCst);
    miss(&mut engine);
    let later = engine.clock.now() + TimeDelta::hours(30);
    pass_time(&mut engine, later);
    let failed = engine.read(|r| r.messages(None, true));
    assert_eq!(failed.len(), 1);
    let lived = failed[0].attempted.unwrap() - failed[0].created;
    assert!(lived > TimeDelta::hours(23) && lived < TimeDelta::hours(24), "{lived}");
    engine.receiver_down.store(false, std::sync::atomic::Ordering::SeqCst);
    let retried = engine.write(move |w| ops::retry_messages(w, &[], later));
    assert_eq!(retried, 1);
    pass_time(&mut engine, later + TimeDelta::minutes(1));
    assert_eq!(bodies(&engine)[0]["id"], failed[0].id.as_str());
}

#[test]
fn a_rate_limit_delays_messages_and_merges_them() {
    let mut engine = engine(NotifyText {
        events: vec!["server-recovered".to_owned()],
        rate_limit: Some("1/4h".to_owned()),
        ..receiver()
    });
    for _ in 0..3 {
        miss(&mut engine);
        let soon = engine.clock.now() + TimeDelta::minutes(1);
        pass_time(&mut engine, soon);
        engine.tick(soon);
    }
    assert_eq!(bodies(&engine).len(), 1);
    let later = engine.clock.now() + TimeDelta::hours(4);
    pass_time(&mut engine, later);
    let bodies = bodies(&engine);
    assert_eq!(
        (bodies.len(), bodies[1]["events"].as_array().map(Vec::len)),
        (2, Some(2)),
        "{bodies:?}"
    );
}

#[test]
fn a_rate_limit_does_not_count_messages_that_were_sent_before_the_clock_was_set_back() {
    let mut engine = engine(NotifyText {
        events: vec!["server-recovered".to_owned()],
        rate_limit: Some("1/4h".to_owned()),
        ..receiver()
    });
    for sent in 1..=2 {
        miss(&mut engine);
        let soon = engine.clock.now() + TimeDelta::minutes(1);
        pass_time(&mut engine, soon);
        assert_eq!(bodies(&engine).len(), sent);
        engine.clock.set(soon - TimeDelta::days(1));
    }
}

#[test]
fn a_message_that_is_held_after_the_clock_was_set_back_is_not_written_again_and_again() {
    let mut engine = engine(NotifyText {
        quiet_hours: Some("00:00-23:59".to_owned()),
        ..receiver()
    });
    miss(&mut engine);
    let now = engine.clock.now();
    engine.deliver(now);
    let back = now - TimeDelta::days(1);
    engine.clock.set(back);
    engine.deliver(back);
    let reader = engine.open();
    let before = reader.data_version().unwrap();
    engine.deliver(back);
    assert_eq!(reader.data_version().unwrap(), before);
    assert!(bodies(&engine).is_empty());
}

#[test]
fn quiet_hours_end_with_a_digest() {
    let mut engine = engine(NotifyText {
        quiet_hours: Some("00:00-12:00".to_owned()),
        ..receiver()
    });
    miss(&mut engine);
    let noon: DateTime<Utc> = "2026-05-05T12:00:00Z".parse().unwrap();
    pass_time(&mut engine, noon - TimeDelta::seconds(1));
    assert!(bodies(&engine).is_empty());
    pass_time(&mut engine, noon + TimeDelta::seconds(1));
    let bodies = bodies(&engine);
    let topics = |body: &serde_json::Value| -> Vec<String> {
        body["events"]
            .as_array()
            .unwrap()
            .iter()
            .map(|e| e["event"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!((bodies.len(), bodies[0]["event"].as_str()), (1, Some("digest")), "{bodies:?}");
    assert_eq!(topics(&bodies[0]), ["server-recovered", "missed"]);
}

#[test]
fn a_schedule_that_does_not_succeed_in_time_opens_an_incident_whatever_the_reason_and_reminds_of_it() {
    let mut engine = engine(NotifyText {
        group_wait: Some("0s".to_owned()),
        ..receiver()
    });
    let alerts = Alerts {
        expect_within: Some("25h".to_owned()),
        remind: Some("4h".to_owned()),
        ..Alerts::default()
    };
    let patch = Patch {
        alerts,
        paused: Some(true),
        ..Patch::default()
    };
    let (id, now) = (engine.id.clone(), engine.clock.now());
    engine.write(move |w| ops::update(w, &ZoneInfo::of_machine(), &id, &patch, Never::Allow, now));
    let tick_at = |engine: &mut Engine<'_>, hours: i64| {
        let at = start() + TimeDelta::hours(hours);
        engine.clock.set(at);
        engine.tick(at);
    };
    tick_at(&mut engine, 24);
    assert!(engine.read(|r| r.incidents(&all_incidents())).is_empty());
    // The server is down when the time passes: the incident is opened at its next start.
    engine.server = None;
    engine.clock.set(start() + TimeDelta::hours(26));
    engine.start();
    tick_at(&mut engine, 26);
    let incidents = engine.read(|r| r.incidents(&IncidentFilter::default()));
    assert_eq!(
        incidents[0].latest.error,
        "has not succeeded for 1 d 2 h (expected within 1 d 1 h); it is paused"
    );
    // It is opened once, and recalled every four hours.
    for hours in 27..=31 {
        tick_at(&mut engine, hours);
    }
    let (id, now) = (engine.id.clone(), engine.clock.now());
    engine.write(move |w| {
        ops::unpause(w, &ZoneInfo::of_machine(), &id, None, now)?;
        ops::trigger(w, &id, None, now).map(|_| ())
    });
    engine.tick(now);
    World::advance(&mut engine, now + TimeDelta::minutes(1));
    let now = now + TimeDelta::minutes(1);
    engine.clock.set(now);
    engine.tick(now);
    let told: Vec<_> = bodies(&engine)
        .iter()
        .map(|b| b["message"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        told,
        [
            "the server had not stopped cleanly; its last event was at 2026-05-05T00:30:00Z; it is running again",
            "s has not succeeded for 1 d 2 h (expected within 1 d 1 h); it is paused",
            "s has not succeeded for 1 d 6 h",
            "s has succeeded again, 5 h 1 s after the incident",
        ]
    );
    // From here on, it has 25 hours again.
    tick_at(&mut engine, 55);
    assert!(engine.read(|r| r.incidents(&IncidentFilter::default())).is_empty());
}

#[test]
fn a_receiver_with_a_backlog_gets_each_event_once_and_others_get_none_twice() {
    let mut engine = engine(NotifyText {
        events: vec!["server-recovered".to_owned()],
        group_wait: Some("0s".to_owned()),
        ..receiver()
    });
    let definition = engine.read(|r| r.receiver("r")).unwrap().definition;
    // More events than are read at once.
    for _ in 0..210 {
        let now = engine.clock.now() + TimeDelta::seconds(1);
        engine.clock.set(now);
        engine.server = None;
        engine.start();
        engine.tick(now);
    }
    let told = bodies(&engine).len();
    assert_eq!(told, 210);
    let now = engine.clock.now() + TimeDelta::seconds(1);
    let definition = definition.replace("\"r\"", "\"behind\"");
    engine.write(move |w| w.put_receiver("behind", (&definition, None), None, now));
    engine.write(|w| w.set_cursor("behind", 0));
    engine.tick(now);
    engine.deliver(now);
    let ids: BTreeSet<String> = bodies(&engine).iter().map(|body| body["id"].to_string()).collect();
    let events: usize = bodies(&engine)
        .iter()
        .map(|body| body["events"].as_array().map_or(1, Vec::len))
        .sum();
    assert_eq!((ids.len(), events), (bodies(&engine).len(), 2 * told));
}
