//! The policy timelines through the real engine: the ticker's and the workers' transactions on a real file, stepped on one thread under a
//! simulated clock, with scripted runs.

use std::path::Path;
use std::sync::mpsc::{Receiver, channel};

use chrono::{SecondsFormat, TimeDelta};
use serde_json::{Value, json};

use super::advance::{MayStart, Next, advance};
use super::*;
use crate::actions::{Control, Task};
use crate::clock::SimClock;
use crate::names::ScheduleId;
use crate::ops::{self, IfExists, Never, Patch, Remaining};
use crate::run;
use crate::run::outcome::{AttemptResult, Ending, ErrorType, Failure};
use crate::run::written::StepText;
use crate::schedule::OverlapPolicy;
use crate::spec::written::{CalendarText, Written};

/// Never asked: the runs of a timeline are scripted from outside.
struct Nobody;

impl Actions for Nobody {
    fn perform(&self, _: &Task<'_>, _: &Control) -> AttemptResult {
        AttemptResult::new(Ending::Ok, 0)
    }
}

#[test]
fn the_engine_follows_the_timelines_of_the_simulation() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/data/conformance/policy.json");
    let rows: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    // A shorter buffer is not to be had from outside; the simulation shows that row.
    let rows = rows.iter().filter(|r| r.get("max_buffer").is_none());
    let failed: Vec<String> = rows
        .filter_map(|row| follow(row).err().map(|why| format!("{}: {why}", row["name"])))
        .collect();
    assert!(failed.is_empty(), "{} timelines failed:\n{}", failed.len(), failed.join("\n"));
}

#[test]
fn a_time_between_nominal_and_due_survives_a_shorter_jitter_once() {
    let row = json!({"spec": {"cron": [], "intervals": [{"every_s": 10, "offset_s": 0}], "jitter_s": 9}, "jitter_seed": "j",
        "policy": {"overlap": "ALLOW_ALL", "catchup_window_s": 600}});
    let created = instant(&json!("2022-06-01T00:00:01Z"));
    for down in [false, true] {
        let mut world = World::new(&row, created, 0);
        let written = world.ticker.reader().read(|r| ops::find(r, &world.id)).unwrap().spec;
        let spec = crate::spec::Spec::compile(&written, world.id.as_str(), &ZoneInfo::of_machine()).unwrap();
        // A time that is due long after it is nominal, with others before it.
        let late = |at: &DateTime<Utc>| spec.due(*at) - *at > TimeDelta::seconds(6);
        let pending = spec.times_after(created + TimeDelta::seconds(20)).find(late).unwrap();
        let change = pending + TimeDelta::seconds(3);
        if !down {
            world.advance(change);
        }
        for jitter in ["1s", "500ms", "9s"] {
            let (id, zones) = (world.id.clone(), ZoneInfo::of_machine());
            let spec = Written {
                jitter: Some(jitter.to_owned()),
                ..Written::default()
            };
            let patch = Patch {
                spec,
                ..Patch::default()
            };
            world
                .shared
                .writer
                .write(move |w| ops::update(w, &zones, &id, &patch, Never::Refuse, change))
                .unwrap();
        }
        world.clock.set(change);
        world.tick(change);
        world.advance(change + TimeDelta::minutes(2));
        let runs = world
            .ticker
            .reader()
            .read(|r| r.runs(&crate::store::RunFilter::default()))
            .unwrap();
        let mut nominals: Vec<_> = runs.iter().map(|r| r.nominal.timestamp()).collect();
        nominals.sort_unstable();
        let want: Vec<_> = (0..).map(|n| created.timestamp() + 9 + 10 * n).take(nominals.len()).collect();
        assert_eq!(nominals, want, "each time once, server down: {down}");
        assert!(nominals.contains(&pending.timestamp()) && nominals.len() > 10);
    }
}

#[test]
fn what_starts_at_boot_starts_once_after_each_boot_and_not_while_paused() {
    let row = json!({"spec": {"cron": [], "intervals": [{"every_s": 86400, "offset_s": 0}]}, "policy": {"overlap": "SKIP", "catchup_window_s": 600}});
    let created = instant(&json!("2022-06-01T00:01:00Z"));
    let mut world = World::new(&row, created, 0);
    let started = |world: &mut World<'_>, boot: &'static str, minutes: i64| {
        let now = created + TimeDelta::minutes(minutes);
        world.advance(now);
        let booted = now - TimeDelta::seconds(30);
        let started = world
            .shared
            .writer
            .write(move |w| w.serve_in_boot(boot, booted, now))
            .unwrap();
        world.tick(now);
        started
    };
    assert_eq!(started(&mut world, "a", 1), 0, "it does not start at boot");
    let (id, zones) = (world.id.clone(), ZoneInfo::of_machine());
    let patch = Patch {
        at_boot: Some(true),
        ..Patch::default()
    };
    world
        .shared
        .writer
        .write(move |w| ops::update(w, &zones, &id, &patch, Never::Refuse, created))
        .unwrap();
    assert_eq!(started(&mut world, "a", 2), 0, "the same boot");
    assert_eq!(started(&mut world, "b", 3), 1, "a new boot");
    assert_eq!(started(&mut world, "b", 4), 0, "the same boot again");
    let (id, zones) = (world.id.clone(), ZoneInfo::of_machine());
    world
        .shared
        .writer
        .write(move |w| ops::pause(w, &zones, &id, None, created + TimeDelta::minutes(5)))
        .unwrap();
    assert_eq!(started(&mut world, "c", 6), 0, "paused");
    let runs = world
        .ticker
        .reader()
        .read(|r| r.runs(&crate::store::RunFilter::default()))
        .unwrap();
    assert_eq!(runs.len(), 1);
}

/// A run that is going.
struct Going {
    run: i64,
    ends_at: DateTime<Utc>,
    script: Value,
    stopped: Option<Ending>,
}

struct World<'a> {
    _folder: tempfile::TempDir,
    row: &'a Value,
    id: ScheduleId,
    clock: Arc<SimClock>,
    shared: Arc<Shared>,
    ticker: Ticker,
    events: Receiver<Event>,
    going: Vec<Going>,
    /// Cancels and terminates, as the expectations have them.
    stops: Vec<(&'static str, Value)>,
    initial: usize,
}

fn instant(v: &Value) -> DateTime<Utc> {
    v.as_str().unwrap().parse().unwrap()
}

fn written(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

fn follow(row: &Value) -> Result<(), String> {
    let (start, until) = (instant(&row["start_at"]), instant(&row["until"]));
    let processed_to = row.get("last_processed_at").map_or(start, instant);
    let initial = row["initial_running"].as_array().map_or(0, Vec::len);
    // A run that is going at the wake-up was started by a tick before: the schedule is that much older.
    let created = if initial > 0 {
        processed_to - TimeDelta::minutes(5)
    } else {
        processed_to
    };
    let mut world = World::new(row, created, initial);
    if initial > 0 {
        world.advance(processed_to);
    }
    world.clock.set(start);
    world.tick(start);
    let mut moments: Vec<(DateTime<Utc>, u8, &Value)> = Vec::new();
    moments.extend(
        row["events"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|e| (instant(&e["at"]), 0, e)),
    );
    moments.extend(
        row["expect"]["checks"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|c| (instant(&c["at"]), 1, c)),
    );
    moments.sort_by_key(|(at, kind, _)| (*at, *kind));
    for (at, kind, v) in moments {
        world.advance(at);
        if kind == 0 { world.event(v, at) } else { world.expect(at, v)? }
    }
    world.advance(until);
    world.expect(until, &row["expect"]["final"])?;
    let mut runs = world
        .ticker
        .reader()
        .read(|r| r.runs(&crate::store::RunFilter::default()))
        .unwrap();
    runs.reverse();
    let starts: Vec<Value> = runs
        .iter()
        .skip(initial)
        .map(|r| json!({"id": r.workflow_id, "at": written(r.started)}))
        .collect();
    let stops = |kind: &str| -> Vec<Value> {
        world
            .stops
            .iter()
            .filter(|(k, _)| *k == kind)
            .map(|(_, v)| v.clone())
            .collect()
    };
    for (key, got) in [
        ("starts", starts),
        ("cancels", stops("cancels")),
        ("terminates", stops("terminates")),
    ] {
        let want = row["expect"].get(key).cloned().unwrap_or(json!([]));
        if json!(got) != want {
            return Err(format!("{key}: got {}, want {want}", json!(got)));
        }
    }
    Ok(())
}

fn spec(v: &Value) -> Written {
    let cron = serde_json::from_value(v["cron"].clone()).unwrap();
    let intervals = v["intervals"].as_array().into_iter().flatten();
    let calendars = v["calendars"].as_array().into_iter().flatten();
    let field = |c: &Value, key: &str| {
        let ranges = c[key].as_array().cloned().unwrap_or_default();
        let texts: Vec<_> = ranges
            .iter()
            .map(|r| format!("{}-{}/{}", r["start"], r["end"], r["step"]))
            .collect();
        (!texts.is_empty()).then(|| texts.join(","))
    };
    Written {
        cron,
        interval: intervals.map(|i| format!("{}s/{}s", i["every_s"], i["offset_s"])).collect(),
        calendar: calendars
            .map(|c| CalendarText {
                second: field(c, "second"),
                minute: field(c, "minute"),
                hour: field(c, "hour"),
                day_of_month: field(c, "day_of_month"),
                month: field(c, "month"),
                year: field(c, "year"),
                day_of_week: field(c, "day_of_week"),
                comment: None,
            })
            .collect(),
        jitter: v["jitter_s"].as_i64().filter(|j| *j > 0).map(|j| format!("{j}s")),
        ..Written::default()
    }
}

fn patch(v: &Value, policy: &Value) -> Patch {
    Patch {
        spec: spec(v),
        overlap: Some(OverlapPolicy::parse(policy["overlap"].as_str().unwrap()).unwrap()),
        catchup_window_ms: policy["catchup_window_s"].as_u64().map(|s| s * 1000),
        pause_on_failure: policy["pause_on_failure"].as_bool(),
        ..Patch::default()
    }
}

impl<'a> World<'a> {
    fn new(row: &'a Value, created: DateTime<Utc>, initial: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("t.db"), Missing::Create).unwrap();
        let reader = store.again().unwrap();
        let clock = Arc::new(SimClock::at(created));
        let (sender, events) = channel();
        let shared = Arc::new(Shared {
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            writer: Writer::inline(store),
            catalog: Catalog::new(ZoneInfo::of_machine()),
            actions: Arc::new(Nobody),
            queue: Queue::default(),
            signal: Signal::default(),
            events: sender,
            draining: AtomicBool::new(false),
            hurried: AtomicBool::new(false),
            unhappy_runs: AtomicU64::new(0),
            troubles: AtomicU64::new(0),
            // No worker thread is ever started: the queue is stepped.
            settings: Settings {
                workers: 0,
                drain_timeout: Duration::ZERO,
                until: Until::Told,
            },
            started: created,
            database: String::new(),
        });
        let id = ScheduleId::parse(row["jitter_seed"].as_str().unwrap_or("s")).unwrap();
        let limit = row["runs"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|r| r["result"] == "TIMED_OUT");
        let new = Patch {
            steps: Some(vec![StepText {
                name: "x".to_owned(),
                shell: Some("x".to_owned()),
                ..StepText::default()
            }]),
            workflow_id: Some("myid".to_owned()),
            run_timeout: limit.map(|_| "3m".to_owned()),
            paused: row["state"]["paused"].as_bool(),
            remaining_actions: row["state"]["remaining_actions"].as_u64().map(Remaining::Only),
            ..patch(&row["spec"], &row["policy"])
        };
        let (of, now) = (id.clone(), created);
        shared
            .writer
            .write(move |w| ops::create(w, &ZoneInfo::of_machine(), &of, &new, (IfExists::Refuse, Never::Allow), now))
            .unwrap();
        let ticker = Ticker::new(reader, Arc::clone(&shared));
        Self {
            _folder: folder,
            row,
            id,
            clock,
            shared,
            ticker,
            events,
            going: Vec::new(),
            stops: Vec::new(),
            initial,
        }
    }

    /// Ticks, and lets workers begin with what is ready.
    fn tick(&mut self, now: DateTime<Utc>) {
        while self.ticker.tick(now).unwrap().more {}
        self.begin(now);
    }

    fn begin(&mut self, now: DateTime<Utc>) {
        while let Some((run, _)) = self.shared.queue.take_now() {
            if matches!(self.step(run, None, now), Next::Perform(_)) {
                let row = self.ticker.reader().read(|r| r.run(run)).unwrap().unwrap();
                let scripts = self.row["runs"]
                    .as_array()
                    .into_iter()
                    .chain(self.row["initial_running"].as_array())
                    .flatten();
                let script = scripts
                    .into_iter()
                    .find(|s| s["id"] == *row.workflow_id)
                    .cloned()
                    .unwrap_or(Value::Null);
                let default = TimeDelta::seconds(self.row["default_duration_s"].as_i64().unwrap_or(60));
                let ends_at = script.get("ends_at").map_or(now + default, instant);
                self.going.push(Going {
                    run,
                    ends_at,
                    script,
                    stopped: None,
                });
            }
        }
        self.hear(now);
    }

    fn step(&self, run: i64, event: Option<run::Event>, now: DateTime<Utc>) -> Next {
        let here = Arc::clone(&self.shared);
        let advanced = self.shared.writer.write(move |w| {
            advance(
                w,
                &here.catalog,
                run,
                event.as_ref(),
                MayStart::Yes,
                now,
                DateTime::<Utc>::MAX_UTC,
            )
        });
        let advanced = advanced.unwrap();
        self.shared.follow(advanced.decided);
        advanced.next
    }

    /// Stops reach the runs that are going.
    fn hear(&mut self, now: DateTime<Utc>) {
        for event in self.events.try_iter().collect::<Vec<_>>() {
            if let Event::Trouble(e) = event {
                panic!("{e}");
            }
            let Event::Stopping { run, stop } = event else { continue };
            let row = self.ticker.reader().read(|r| r.run_named(&run.run_id)).unwrap();
            let (kind, key, ending) = match stop {
                crate::run::Stop::Cancel => ("cancels", "on_cancel_s", Ending::Canceled),
                crate::run::Stop::Terminate => ("terminates", "on_terminate_s", Ending::Terminated),
            };
            self.stops.push((kind, json!({"id": row.workflow_id, "at": written(now)})));
            if let Some(going) = self.going.iter_mut().find(|g| g.run == row.key) {
                let delay = TimeDelta::seconds(going.script[key].as_i64().unwrap_or(0));
                going.ends_at = going.ends_at.min(now + delay);
                going.stopped = Some(ending);
            }
        }
    }

    /// Everything up to `until`: at one instant the closes, then what is due.
    fn advance(&mut self, until: DateTime<Utc>) {
        loop {
            let close = self.going.iter().map(|g| g.ends_at).min();
            let due = self.ticker.reader().read(|r| r.next_attention()).unwrap();
            let Some(next) = close.into_iter().chain(due).min().filter(|at| *at <= until) else {
                break;
            };
            self.clock.set(next);
            while let Some(i) = self.going.iter().position(|g| g.ends_at <= next) {
                let run = self.going.remove(i);
                let ending = run.stopped.unwrap_or_else(|| match run.script["result"].as_str() {
                    None | Some("COMPLETED") => Ending::Ok,
                    Some("CANCELED") => Ending::Canceled,
                    Some("TERMINATED") => Ending::Terminated,
                    Some(other) => Ending::Failed(Failure {
                        error_type: ErrorType::NonZeroExit,
                        message: other.to_owned(),
                    }),
                });
                let result = AttemptResult {
                    exit_code: Some(0),
                    ..AttemptResult::new(ending, 1)
                };
                self.step(run.run, Some(run::Event::AttemptEnded(result)), next);
                self.shared.queue.forget(run.run);
            }
            self.tick(next);
        }
        self.clock.set(until);
    }

    fn event(&mut self, v: &Value, now: DateTime<Utc>) {
        let (id, v) = (self.id.clone(), v.clone());
        let overlap = v["overlap"].as_str().map(|p| OverlapPolicy::parse(p).unwrap());
        let zones = ZoneInfo::of_machine();
        let done = self.shared.writer.write(move |w| {
            let note = v["note"].as_str();
            match v["do"].as_str().unwrap() {
                "pause" => ops::pause(w, &zones, &id, note, now),
                "unpause" => ops::unpause(w, &zones, &id, note, now).map(|_| ()),
                "trigger" => ops::trigger(w, &id, overlap, now).map(|_| ()),
                "backfill" => ops::backfill(w, &zones, &id, (instant(&v["from"]), instant(&v["to"])), overlap, now).map(|_| ()),
                "update" => {
                    let s = &v["schedule"];
                    let workflow_id = s["workflow_id"].as_str().map(str::to_owned);
                    let patch = Patch {
                        workflow_id,
                        ..patch(&s["spec"], &s["policy"])
                    };
                    ops::update(w, &zones, &id, &patch, Never::Allow, now)
                }
                "refresh" => Ok(()),
                other => panic!("unknown event {other}"),
            }
        });
        done.unwrap();
        self.tick(now);
    }

    fn expect(&mut self, at: DateTime<Utc>, want: &Value) -> Result<(), String> {
        let row = self.ticker.reader().read(|r| ops::find(r, &self.id)).unwrap();
        let running = self.ticker.reader().read(|r| r.running_of(row.key)).unwrap();
        let spec = crate::spec::Spec::compile(&row.spec, self.id.as_str(), &ZoneInfo::of_machine()).unwrap();
        let got = json!({
            "action_count": row.counters.actions - self.initial as u64, "overlap_skipped": row.counters.skipped,
            "missed_catchup_window": row.counters.missed, "buffer_dropped": row.counters.dropped,
            "buffer_size": row.waiting, "paused": row.state.paused, "remaining_actions": row.state.remaining_actions,
            "running": running.iter().map(|g| g.workflow_id.clone()).collect::<Vec<_>>(),
            "future_action_count": ops::next_times(&row, &spec, 10, at).len(),
        });
        for (key, want) in want.as_object().unwrap().iter().filter(|(k, _)| *k != "at") {
            let right = match key.as_str() {
                "notes_contains" => row.state.note.contains(want.as_str().unwrap()),
                _ => got.get(key).ok_or_else(|| format!("unknown check {key}"))? == want,
            };
            if !right {
                return Err(format!(
                    "at {at}: {key}: got {} (note `{}`), want {want}",
                    got[key], row.state.note
                ));
            }
        }
        Ok(())
    }
}
