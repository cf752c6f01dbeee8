//! Plays the policy timelines of the conformance data through the simulation and through the engine, and also those in the directory
//! `TEMPO_CONFORMANCE_DIR`.

use std::path::{Path, PathBuf};

use chrono::SecondsFormat;
use serde_json::{Value, json};

use super::*;
use crate::spec::calendar_text::CalendarText;
use crate::spec::exclusion::Exclusion;

#[test]
fn the_simulation_follows_the_timelines() {
    play_all(|row| {
        let script = script(row);
        let initial = initial(row);
        let mut simulation = simulation(&initial, &script);
        for run in running_at_start(row) {
            simulation.already_running(run["id"].as_str().unwrap(), life(run, initial.created, 60));
        }
        play(row, &mut simulation, 0)
    });
}

#[test]
fn the_engine_follows_the_timelines() {
    play_all(|row| {
        let script = script(row);
        let mut initial = initial(row);
        let processed_to = initial.created;
        let running_at_start = running_at_start(row).count();
        if running_at_start > 0 {
            // A run that is running at the start was started by an earlier tick, so the schedule must be older.
            initial.created -= TimeDelta::minutes(5);
        }
        let mut engine = Engine::new(&initial, &script);
        if running_at_start > 0 {
            engine.advance(processed_to);
        }
        play(row, &mut engine, running_at_start)
    });
}

/// Plays every row and lists those that failed.
fn play_all(play: impl Fn(&Value) -> Result<(), String>) {
    let bundled = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/data/conformance");
    let extra = machine::variable("TEMPO_CONFORMANCE_DIR").map(PathBuf::from);
    let files = std::iter::once(bundled)
        .chain(extra)
        .map(|directory| directory.join("policy.json"));
    let rows: Vec<Value> = files
        .filter_map(|file| std::fs::read_to_string(file).ok())
        .flat_map(|text| serde_json::from_str::<Vec<Value>>(&text).unwrap())
        .collect();
    assert!(!rows.is_empty());
    let failed: Vec<String> = rows
        .iter()
        .filter_map(|row| play(row).err().map(|why| format!("{}: {why}", row["name"])))
        .collect();
    assert!(failed.is_empty(), "{} timelines failed:\n{}", failed.len(), failed.join("\n"));
}

fn instant(v: &Value) -> DateTime<Utc> {
    v.as_str().unwrap().parse().unwrap()
}

fn list<'a>(row: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    row[key].as_array().into_iter().flatten()
}

fn running_at_start(row: &Value) -> impl Iterator<Item = &Value> {
    list(row, "initial_running")
}

fn policies(v: &Value) -> Policies {
    Policies {
        overlap: OverlapPolicy::parse(v["overlap"].as_str().unwrap()).unwrap(),
        pause_after: None,
        max_running: None,
        catchup_window_ms: v["catchup_window_s"].as_u64().unwrap() * 1000,
        pause_on_failure: v["pause_on_failure"].as_bool().unwrap_or(false),
    }
}

fn spec_text(v: &Value) -> SpecText {
    let calendar = |c: &Value| {
        let field = |key: &str| {
            let texts: Vec<_> = list(c, key)
                .map(|r| format!("{}-{}/{}", r["start"], r["end"], r["step"]))
                .collect();
            (!texts.is_empty()).then(|| texts.join(","))
        };
        CalendarText {
            second: field("second"),
            minute: field("minute"),
            hour: field("hour"),
            day_of_month: field("day_of_month"),
            month: field("month"),
            year: field("year"),
            day_of_week: field("day_of_week"),
            comment: None,
        }
    };
    SpecText {
        cron: serde_json::from_value(v["cron"].clone()).unwrap(),
        interval: list(v, "intervals")
            .map(|i| format!("{}s/{}s", i["every_s"], i["offset_s"]))
            .collect(),
        calendar: list(v, "calendars").map(calendar).collect(),
        exclude_calendar: list(v, "exclude_calendars")
            .map(|c| Exclusion::Calendar(calendar(c)))
            .collect(),
        time_zone: v["timezone"].as_str().map(str::to_owned),
        start_time: v["start_at"].as_str().map(|t| t.parse().unwrap()),
        end_time: v["end_at"].as_str().map(|t| t.parse().unwrap()),
        jitter: v["jitter_s"].as_i64().filter(|j| *j > 0).map(|j| format!("{j}s")),
        ..SpecText::default()
    }
}

fn initial(row: &Value) -> InitialState {
    // A run times out only by its own time limit.
    let limit = list(row, "runs").find(|r| r["result"] == "TIMED_OUT");
    InitialState {
        id: row["jitter_seed"].as_str().unwrap_or("s").to_owned(),
        spec: spec_text(&row["spec"]),
        policies: policies(&row["policy"]),
        state: State {
            paused: row["state"]["paused"].as_bool().unwrap_or(false),
            remaining_actions: row["state"]["remaining_actions"].as_u64(),
            ..State::default()
        },
        max_buffer: row["max_buffer"]
            .as_u64()
            .map_or(MAX_BUFFER, |max| usize::try_from(max).unwrap()),
        created: instant(row.get("last_processed_at").unwrap_or(&row["start_at"])),
        run_timeout: limit.map(|_| "3m".to_owned()),
        steps: 1,
        reserved: 1,
    }
}

fn life(run: &Value, started: DateTime<Utc>, default_s: i64) -> RunScript {
    let seconds = |key: &str| TimeDelta::seconds(run[key].as_i64().unwrap_or(0));
    let result = run["result"].as_str().unwrap_or("COMPLETED");
    RunScript {
        ends_at: run.get("ends_at").map_or(started + TimeDelta::seconds(default_s), instant),
        status: Status::named(result).unwrap(),
        on_cancel: seconds("on_cancel_s"),
        on_terminate: seconds("on_terminate_s"),
    }
}

fn script(row: &Value) -> impl Fn(&str, DateTime<Utc>) -> RunScript {
    move |id, now| {
        let run = list(row, "runs").chain(running_at_start(row)).find(|r| r["id"] == id);
        life(
            run.unwrap_or(&Value::Null),
            now,
            row["default_duration_s"].as_i64().unwrap_or(60),
        )
    }
}

fn operation(v: &Value) -> Operation {
    let note = || v["note"].as_str().unwrap_or_default().to_owned();
    let overlap = v["overlap"].as_str().map(|p| OverlapPolicy::parse(p).unwrap());
    match v["do"].as_str().unwrap() {
        "pause" => Operation::Pause(note()),
        "unpause" => Operation::Unpause(note()),
        "trigger" => Operation::Trigger(overlap),
        "backfill" => Operation::Backfill(instant(&v["from"]), instant(&v["to"]), overlap),
        "update" => {
            let s = &v["schedule"];
            let workflow_id = s["workflow_id"].as_str().unwrap_or("myid").to_owned();
            Operation::Update(Box::new(spec_text(&s["spec"])), policies(&s["policy"]), workflow_id)
        }
        "refresh" => Operation::Refresh,
        other => panic!("unknown event {other}"),
    }
}

/// Plays a row and checks it; `before` is the number of runs started before its beginning.
fn play(row: &Value, world: &mut dyn World, before: usize) -> Result<(), String> {
    let (start, until) = (instant(&row["start_at"]), instant(&row["until"]));
    world.operation(&Operation::Refresh, start);
    // Events and checks by time; at the same instant, events come first.
    let mut moments: Vec<(DateTime<Utc>, bool, &Value)> = Vec::new();
    moments.extend(list(row, "events").map(|e| (instant(&e["at"]), false, e)));
    moments.extend(list(&row["expect"], "checks").map(|c| (instant(&c["at"]), true, c)));
    moments.sort_by_key(|(at, is_check, _)| (*at, *is_check));
    for (at, is_check, v) in moments {
        world.advance(at);
        if is_check {
            compare(&world.observe(at), v, before, at)?;
        } else {
            world.operation(&operation(v), at);
        }
    }
    world.advance(until);
    compare(&world.observe(until), &row["expect"]["final"], before, until)?;
    let happened = world.happened();
    let select = |matches: &dyn Fn(What) -> bool| -> Vec<Value> {
        happened
            .iter()
            .filter(|h| matches(h.what))
            .map(|h| json!({"id": h.workflow_id, "at": h.at.to_rfc3339_opts(SecondsFormat::AutoSi, true)}))
            .collect()
    };
    for (key, got) in [
        ("starts", select(&|w| w == What::Start).split_off(before)),
        ("cancels", select(&|w| w == What::Stop(run::Stop::Cancel))),
        ("terminates", select(&|w| w == What::Stop(run::Stop::Terminate))),
    ] {
        let want = row["expect"].get(key).cloned().unwrap_or(json!([]));
        if json!(got) != want {
            return Err(format!("{key}: got {}, want {want}", json!(got)));
        }
    }
    Ok(())
}

fn compare(observed: &Observed, want: &Value, before: usize, at: DateTime<Utc>) -> Result<(), String> {
    let got = json!({
        "action_count": observed.counters.actions - before as u64, "overlap_skipped": observed.counters.skipped,
        "missed_catchup_window": observed.counters.missed, "buffer_dropped": observed.counters.dropped,
        "buffer_size": observed.waiting, "paused": observed.state.paused, "remaining_actions": observed.state.remaining_actions,
        "running": observed.running, "future_action_count": observed.upcoming,
    });
    let note = &observed.state.note;
    for (key, want) in want.as_object().unwrap().iter().filter(|(k, _)| *k != "at") {
        let is_equal = match key.as_str() {
            "notes_contains" => note.contains(want.as_str().unwrap()),
            _ => got.get(key).ok_or_else(|| format!("unknown check {key}"))? == want,
        };
        if !is_equal {
            return Err(format!("at {at}: {key}: got {} (note `{note}`), want {want}", got[key]));
        }
    }
    Ok(())
}
