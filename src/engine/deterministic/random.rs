//! Plays random histories through the simulation and through the engine, which must agree on every event.
//!
//! `TEMPO_CASES` sets the number of histories, `TEMPO_SEED` the first.

use fastrand::Rng;

use super::*;
use crate::schedule::explain::TimeOutcome;
use crate::schedule::not_started::Outcome;
use crate::spec::exclusion::Exclusion;

const CASES: u64 = 100;

/// Length of a history.
const SPAN: TimeDelta = TimeDelta::hours(3);

#[test]
fn engine_and_simulation_agree_in_random_histories() {
    let number = |name: &str| machine::variable(name).and_then(|n| n.to_str()?.parse().ok());
    let first = number("TEMPO_SEED").unwrap_or(1);
    for seed in first..first + number("TEMPO_CASES").unwrap_or(CASES) {
        let history = History::random(seed, SPAN);
        let outcome = std::panic::catch_unwind(|| history.compare());
        let why = match outcome {
            Ok(Ok(())) => continue,
            Ok(Err(why)) => why,
            Err(_) => "it panicked".to_owned(),
        };
        panic!("TEMPO_SEED={seed} TEMPO_CASES=1: {why}\n{history:#?}");
    }
}

#[derive(Debug)]
pub(super) struct History {
    seed: u64,
    pub(super) initial: InitialState,
    pub(super) operations: Vec<(DateTime<Utc>, Operation)>,
    /// The end: a minute after the last possible operation.
    pub(super) end: DateTime<Utc>,
}

impl History {
    pub(super) fn random(seed: u64, span: TimeDelta) -> Self {
        let mut rng = Rng::with_seed(seed);
        // Around a transition in Berlin, around one in New York, and without one.
        let created: DateTime<Utc> = rng
            .choice(["2022-03-26T23:20:07Z", "2022-03-13T05:30:00.250Z", "2022-06-01T00:00:00Z"])
            .and_then(|t| t.parse().ok())
            .unwrap_or_default();
        let initial = InitialState {
            id: "s".to_owned(),
            spec: random_spec(&mut rng, created),
            policies: random_policies(&mut rng),
            state: State {
                note: String::new(),
                paused: rng.u8(..8) == 0,
                remaining_actions: (rng.u8(..4) == 0).then(|| rng.u64(..20)),
            },
            max_buffer: if rng.bool() { rng.usize(1..5) } else { MAX_BUFFER },
            created,
            run_timeout: None,
            steps: 1,
            // A few, none, or all that start at once.
            reserved: [1, 0, 2, 1000][usize::try_from(seed % 4).unwrap_or(0)],
        };
        let mut at: Vec<i64> = (0..rng.usize(..14)).map(|_| rng.i64(1..span.num_milliseconds())).collect();
        at.sort_unstable();
        at.dedup();
        let mut up = true;
        let mut outages = 0;
        let operations = at.into_iter().map(|ms| {
            let mut now = created + TimeDelta::milliseconds(ms);
            if rng.bool() {
                // On a full second, where due times fall too.
                now = DateTime::from_timestamp(now.timestamp() + 1, 0).unwrap_or(now);
            }
            let operation = random_operation(&mut rng, created, now, (&mut up, &mut outages));
            (now, operation)
        });
        let mut operations: Vec<_> = operations.collect();
        operations.sort_by_key(|(at, _)| *at);
        if !up {
            operations.push((created + span, Operation::Up));
        }
        let mut initial = initial;
        if rng.u8(..4) == 0 {
            limit_runs(&mut initial, &mut operations, rng.u32(1..4));
        }
        Self {
            seed,
            end: created + span + TimeDelta::minutes(1),
            initial,
            operations,
        }
    }

    fn compare(&self) -> Result<(), String> {
        let script = |id: &str, now: DateTime<Utc>| self.life(id, now);
        let mut simulation = simulation(&self.initial, &script);
        let mut engine = Engine::new(&self.initial, &script);
        let created = self.initial.created;
        let last = (self.end, Operation::Refresh);
        simulation.operation(&Operation::Refresh, created);
        engine.operation(&Operation::Refresh, created);
        for (now, operation) in self.operations.iter().chain([&last]) {
            for world in [&mut simulation as &mut dyn World, &mut engine] {
                world.advance(*now);
                world.operation(operation, *now);
            }
            let (want, got) = (in_order(World::happened(&simulation)), in_order(engine.happened()));
            let equal = want.iter().zip(&got).take_while(|(want, got)| want == got).count();
            if equal < want.len().max(got.len()) {
                let lines = |list: &[HistoryEvent]| {
                    let events: Vec<_> = list.iter().take(4).map(|h| format!("\n  {h:?}")).collect();
                    events.concat()
                };
                let before = lines(&want[equal.saturating_sub(4)..equal]);
                return Err(format!(
                    "up to {now} ({operation:?}): the first {equal} events agree; the last of them:{before}\nsimulated:{}\nengine:{}",
                    lines(&want[equal..]),
                    lines(&got[equal..])
                ));
            }
            let (want, got) = (simulation.observe(*now), engine.observe(*now));
            if engine.server.is_some() && want != got {
                return Err(format!("at {now} ({operation:?}): simulated {want:#?}, engine {got:#?}"));
            }
        }
        self.account(&engine)
    }

    /// Checks that the recorded outcomes cover every time of the spec exactly once, and match the counters.
    pub(super) fn account(&self, engine: &Engine<'_>) -> Result<(), String> {
        let end = self.end;
        let zones = ZoneInfo::of_machine();
        let all = (self.initial.created, end);
        let entries = engine.read(|r| ops::explain(r, &zones, &engine.id, all, end));
        let mut outcomes: Vec<(DateTime<Utc>, u64)> = Vec::new();
        let mut counted = Counters::default();
        for entry in &entries {
            match entry.outcome {
                TimeOutcome::NotStarted(Outcome::Skipped) => counted.skipped += entry.count,
                TimeOutcome::NotStarted(Outcome::Missed) => counted.missed += entry.count,
                TimeOutcome::NotStarted(Outcome::Dropped) => counted.dropped += entry.count,
                TimeOutcome::NotStarted(Outcome::Superseded | Outcome::Paused | Outcome::Exhausted)
                | TimeOutcome::Started
                | TimeOutcome::Buffered
                | TimeOutcome::Excluded
                | TimeOutcome::Pending => {}
            }
            // A backfilled time from before the creation is not one of the schedule's own.
            if entry.outcome != TimeOutcome::Excluded && entry.to > self.initial.created {
                outcomes.push((entry.to, entry.count));
            }
        }
        let expected = self.expected_times(end);
        let sum: u64 = outcomes.iter().map(|(_, count)| count).sum();
        if sum != expected.len() as u64 {
            return Err(format!(
                "{} times expected, {sum} accounted for: {entries:#?}",
                expected.len()
            ));
        }
        let row = engine.read(|r| ops::find(r, &engine.id));
        // Manual starts are counted too, although their times are not times of the spec.
        let manual = self
            .operations
            .iter()
            .any(|(_, operation)| matches!(operation, Operation::Backfill(..) | Operation::Trigger(_)));
        let counters = Counters {
            actions: 0,
            ..row.counters
        };
        if !manual && counters != counted {
            return Err(format!("counters {counters:?}, accounted for {counted:?}: {entries:#?}"));
        }
        Ok(())
    }

    /// Returns every time expected up to `end`, by brute force: for each spec in turn the times that came due while it was in force, and at each
    /// change those that would otherwise be passed over.
    fn expected_times(&self, end: DateTime<Utc>) -> Vec<DateTime<Utc>> {
        let mut spec = compiled(&self.initial.spec, &self.initial.id);
        let mut times: Vec<DateTime<Utc>> = Vec::new();
        let (mut cursor, mut since) = (self.initial.created, self.initial.created);
        let changes = self.operations.iter().filter_map(|(at, operation)| match operation {
            Operation::Update(text, ..) => Some((*at, compiled(text, &self.initial.id))),
            Operation::Pause(_)
            | Operation::Unpause(_)
            | Operation::Trigger(_)
            | Operation::Backfill(..)
            | Operation::Refresh
            | Operation::Down
            | Operation::Up => None,
        });
        let last = (end, spec.clone());
        for (at, next) in changes.chain([last]) {
            let due: Vec<_> = spec
                .times_after(cursor)
                .take_while(|n| *n <= at)
                // At the end, times that are not due yet count too.
                .filter(|n| spec.due(*n) > since && (at == end || spec.due(*n) <= at))
                .collect();
            cursor = due.last().copied().unwrap_or(cursor);
            times.extend(due);
            if at < end {
                let pending = spec
                    .times_after(cursor)
                    .take_while(|n| *n <= at)
                    .filter(|n| spec.due(*n) > at);
                let passed: Vec<_> = pending.filter(|n| next.names(*n) && next.due(*n) <= at).collect();
                cursor = passed.last().copied().unwrap_or(cursor);
                times.extend(passed);
                (spec, since) = (next, at);
            }
        }
        times
    }

    /// Returns how a run proceeds. It depends only on the workflow id and the start time, so that both worlds see the same.
    pub(super) fn life(&self, id: &str, now: DateTime<Utc>) -> RunScript {
        let hash = id.bytes().fold(self.seed ^ now.timestamp_millis().unsigned_abs(), |h, b| {
            h.rotate_left(5).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from(b)
        });
        let mut rng = Rng::with_seed(hash);
        let longest = *rng.choice(&[2_000, 60_000, 900_000]).unwrap_or(&60_000);
        RunScript {
            ends_at: now + TimeDelta::milliseconds(rng.i64(1..longest)),
            status: if rng.u8(..5) == 0 { Status::Failed } else { Status::Completed },
            // Never zero: no process ends at the instant it is asked to, and the order of closes, starts and requests at one instant does not matter.
            on_cancel: TimeDelta::milliseconds(rng.i64(1..5_000)),
            on_terminate: TimeDelta::milliseconds(rng.i64(1..10)),
        }
    }
}

/// Sorts runs that close at the same instant by nominal time; the order of their closing does not matter.
fn in_order(mut happened: Vec<HistoryEvent>) -> Vec<HistoryEvent> {
    happened.sort_by_key(|h| match h.what {
        What::Close(_) => (h.at, Some(h.nominal)),
        What::NotStarted { .. } | What::Buffered | What::Start | What::Stop(_) => (h.at, None),
    });
    happened
}

fn random_spec(rng: &mut Rng, created: DateTime<Utc>) -> SpecText {
    let mut spec = SpecText::default();
    for _ in 0..rng.usize(1..3) {
        if rng.bool() {
            let every = rng.i64(20..900);
            spec.interval.push(format!("{every}s/{}s", rng.i64(0..every)));
        } else {
            let cron = rng.choice([
                "*/5 * * * *",
                "*/7 * * * *",
                "30 2 * * *",
                "0-20 * * * *",
                "15,45 1-3 * * *",
                "*/20 */3 * * * * *",
            ]);
            spec.cron.extend(cron.map(str::to_owned));
        }
    }
    if rng.bool() {
        spec.time_zone = rng.choice(["Europe/Berlin", "America/New_York", "UTC"]).map(str::to_owned);
    }
    if rng.u8(..3) == 0 {
        let exclusion = rng.choice([
            r#"{"minute":"0-14"}"#,
            r#"{"hour":"2"}"#,
            r#"{"minute":"*/3","second":"0"}"#,
            "2022-03-27",
        ]);
        spec.exclude_calendar.extend(exclusion.and_then(|e| Exclusion::parse(e).ok()));
    }
    if rng.bool() {
        spec.jitter = rng.choice(["1s", "10s", "2m", "20m"]).map(str::to_owned);
    }
    if rng.u8(..6) == 0 {
        spec.start_time = Some(created + TimeDelta::milliseconds(rng.i64(0..7_200_000)));
    }
    if rng.u8(..6) == 0 {
        spec.end_time = Some(created + TimeDelta::milliseconds(rng.i64(7_200_000..10_800_000)));
    }
    spec
}

fn random_overlap(rng: &mut Rng) -> OverlapPolicy {
    *rng.choice(&OverlapPolicy::ALL).unwrap_or(&OverlapPolicy::Skip)
}

fn random_policies(rng: &mut Rng) -> Policies {
    let pause_after = (rng.u8(..4) == 0).then(|| rng.u32(1..4));
    Policies {
        overlap: random_overlap(rng),
        catchup_window_ms: *rng.choice(&[10_000, 60_000, 600_000, 86_400_000]).unwrap_or(&60_000),
        pause_on_failure: pause_after.is_none() && rng.u8(..4) == 0,
        pause_after,
        max_running: None,
    }
}

/// Gives all definitions a limit of open runs. Requests have no policies of their own: several of them in one queue with such a limit are decided in
/// an order within the instant that only the engine knows.
fn limit_runs(initial: &mut InitialState, operations: &mut [(DateTime<Utc>, Operation)], limit: u32) {
    let limited = |policies: &mut Policies| {
        (policies.overlap, policies.max_running) = (OverlapPolicy::AllowAll, Some(limit));
    };
    limited(&mut initial.policies);
    for (_, operation) in operations {
        match operation {
            Operation::Update(_, policies, _) => limited(policies),
            Operation::Trigger(overlap) | Operation::Backfill(_, _, overlap) => *overlap = None,
            Operation::Pause(_) | Operation::Unpause(_) | Operation::Refresh | Operation::Down | Operation::Up => {}
        }
    }
}

fn random_operation(
    rng: &mut Rng,
    created: DateTime<Utc>,
    now: DateTime<Utc>,
    (up, outages): (&mut bool, &mut u32),
) -> Operation {
    let overlap = rng.bool().then(|| random_overlap(rng));
    match rng.u8(..14) {
        0 => Operation::Pause("for a while".to_owned()),
        1..=3 => Operation::Unpause("on".to_owned()),
        4 => Operation::Trigger(overlap),
        5 => {
            let from = created - TimeDelta::seconds(rng.i64(0..3600));
            Operation::Backfill(from, from.max(now - TimeDelta::seconds(rng.i64(0..600))), overlap)
        }
        6 | 7 => Operation::Update(Box::new(random_spec(rng, created)), random_policies(rng), "myid".to_owned()),
        8 => Operation::Update(Box::new(random_spec(rng, created)), random_policies(rng), "other".to_owned()),
        // A step that is lost three times in a row fails.
        _ if *up && *outages < 2 => {
            (*up, *outages) = (false, *outages + 1);
            Operation::Down
        }
        _ if !*up => {
            *up = true;
            Operation::Up
        }
        _ => Operation::Refresh,
    }
}
