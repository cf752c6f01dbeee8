//! Policy timelines, through the pure simulation.

use std::rc::Rc;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Value, json};
use tempo::run::Stop;
use tempo::run::outcome::Status;
use tempo::schedule::simulate::{Input, Life, Simulation, What};
use tempo::schedule::{OverlapPolicy, Policies, State};

#[test]
fn the_simulation_follows_the_timelines() {
    super::check_all("policy.json", check);
}

fn instant(v: &Value) -> DateTime<Utc> {
    v.as_str().unwrap().parse().unwrap()
}

fn policies(v: &Value) -> Policies {
    Policies {
        overlap: OverlapPolicy::parse(v["overlap"].as_str().unwrap()).unwrap(),
        catchup_window_ms: v["catchup_window_s"].as_u64().unwrap() * 1000,
        pause_on_failure: v["pause_on_failure"].as_bool().unwrap_or(false),
    }
}

fn life(run: &Value, started: DateTime<Utc>, default_s: i64) -> Life {
    let seconds = |key: &str| TimeDelta::seconds(run[key].as_i64().unwrap_or(0));
    let result = run["result"].as_str().unwrap_or("COMPLETED");
    Life {
        ends_at: run.get("ends_at").map_or(started + TimeDelta::seconds(default_s), instant),
        status: Status::named(result).unwrap(),
        on_cancel: seconds("on_cancel_s"),
        on_terminate: seconds("on_terminate_s"),
    }
}

fn check(row: &Value) -> Result<(), String> {
    let seed = row["jitter_seed"].as_str().unwrap_or("").to_owned();
    let spec = |v: &Value| super::spec_of(v, &seed).map(Rc::new).unwrap();
    let state = State {
        paused: row["state"]["paused"].as_bool().unwrap_or(false),
        remaining_actions: row["state"]["remaining_actions"].as_u64(),
        ..State::default()
    };
    let default_s = row["default_duration_s"].as_i64().unwrap_or(60);
    let runs = row["runs"].as_array().cloned().unwrap_or_default();
    let life_of = |id: &str, now: DateTime<Utc>| {
        let run = runs.iter().find(|r| r["id"] == id).cloned().unwrap_or(Value::Null);
        life(&run, now, default_s)
    };
    let (start, until) = (instant(&row["start_at"]), instant(&row["until"]));
    let processed_to = row.get("last_processed_at").map_or(start, instant);
    let mut sim = Simulation::new(
        spec(&row["spec"]),
        policies(&row["policy"]),
        state,
        "myid",
        processed_to,
        life_of,
    );
    if let Some(max) = row["max_buffer"].as_u64() {
        sim.limit_buffer(usize::try_from(max).unwrap());
    }
    for run in row["initial_running"].as_array().into_iter().flatten() {
        sim.already_running(run["id"].as_str().unwrap(), life(run, start, default_s));
    }
    sim.advance(start);
    sim.settle(start);
    // Events and checks in the order of time; at one instant the events first.
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
        sim.advance(at);
        if kind == 0 {
            let input = input(v, &spec);
            sim.input(at, input);
        } else {
            expect(&mut sim, at, v)?;
        }
    }
    sim.advance(until);
    expect(&mut sim, until, &row["expect"]["final"])?;
    let list = |wanted: &dyn Fn(What) -> bool| -> Value {
        sim.happened()
            .iter()
            .filter(|h| wanted(h.what))
            .map(|h| json!({"id": h.workflow_id, "at": h.at.to_rfc3339_opts(SecondsFormat::AutoSi, true)}))
            .collect()
    };
    for (key, got) in [
        ("starts", list(&|w| w == What::Start)),
        ("cancels", list(&|w| w == What::Stop(Stop::Cancel))),
        ("terminates", list(&|w| w == What::Stop(Stop::Terminate))),
    ] {
        let want = row["expect"].get(key).cloned().unwrap_or(json!([]));
        if got != want {
            return Err(format!("{key}: got {got}, want {want}"));
        }
    }
    Ok(())
}

fn input(v: &Value, spec: &dyn Fn(&Value) -> Rc<tempo::spec::Spec>) -> Input {
    let note = || v["note"].as_str().unwrap_or_default().to_owned();
    let overlap = v["overlap"].as_str().map(|p| OverlapPolicy::parse(p).unwrap());
    match v["do"].as_str().unwrap() {
        "pause" => Input::Pause(note()),
        "unpause" => Input::Unpause(note()),
        "trigger" => Input::Trigger(overlap),
        "backfill" => Input::Backfill(instant(&v["from"]), instant(&v["to"]), overlap),
        "update" => {
            let s = &v["schedule"];
            Input::Update(
                spec(&s["spec"]),
                policies(&s["policy"]),
                s["workflow_id"].as_str().unwrap_or("myid").to_owned(),
            )
        }
        "refresh" => Input::Refresh,
        other => panic!("unknown event {other}"),
    }
}

fn expect(sim: &mut Simulation<'_>, at: DateTime<Utc>, want: &Value) -> Result<(), String> {
    let (counters, state, waiting) = sim.at(at);
    let note = state.note.clone();
    let mut got = json!({
        "action_count": counters.actions, "overlap_skipped": counters.skipped, "missed_catchup_window": counters.missed,
        "buffer_dropped": counters.dropped, "buffer_size": waiting, "paused": state.paused,
        "remaining_actions": state.remaining_actions,
    });
    got["running"] = json!(sim.running());
    got["future_action_count"] = json!(sim.to_come(10));
    for (key, want) in want.as_object().unwrap().iter().filter(|(k, _)| *k != "at") {
        let right = match key.as_str() {
            "notes_contains" => note.contains(want.as_str().unwrap()),
            _ => got.get(key).ok_or_else(|| format!("unknown check {key}"))? == want,
        };
        if !right {
            return Err(format!("at {at}: {key}: got {} (note `{note}`), want {want}", got[key]));
        }
    }
    Ok(())
}
