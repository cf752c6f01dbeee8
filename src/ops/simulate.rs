//! What a schedule would do: the oracle of the engine, asked for a span to come.

use std::rc::Rc;

use chrono::{DateTime, TimeDelta, Utc};

use super::patch::{Patch, Settings};
use super::schedules::{find, new_settings, settings_of};
use crate::error::{Error, Kind};
use crate::names::ScheduleId;
use crate::run::outcome::Status;
use crate::schedule::history::{HistoryEvent, Input, RunScript};
use crate::schedule::simulate::Simulation;
use crate::schedule::{Policies, State};
use crate::spec::zone::Zones;
use crate::spec::{CountedTimes, Spec};
use crate::store::Read;

/// The most times that are simulated: beyond, nobody reads what comes out.
const MOST_TIMES: usize = 100_000;

/// From when to when the server is down.
pub(crate) type Outage = (DateTime<Utc>, DateTime<Utc>);

/// What is asked of a simulation.
#[derive(Debug)]
pub(crate) struct SimulationInput {
    /// How long each run takes.
    pub(crate) takes: TimeDelta,
    pub(crate) from: DateTime<Utc>,
    pub(crate) to: DateTime<Utc>,
    /// When the server is down.
    pub(crate) outages: Vec<Outage>,
}

/// A schedule as it would be.
#[derive(Debug)]
pub(crate) struct Candidate {
    pub(crate) id: String,
    pub(crate) spec: Spec,
    pub(crate) policies: Policies,
    pub(crate) remaining_actions: Option<u64>,
    /// It is simulated as if it were not.
    pub(crate) paused: bool,
    /// Whether it has a jitter that is left out, for want of a seed.
    pub(crate) without_jitter: bool,
}

/// A schedule on file with what a patch names changed.
///
/// # Errors
/// `NotFound`; `Usage` when a part is wrong.
pub(crate) fn would_be(read: &Read<'_>, zones: &dyn Zones, id: &ScheduleId, patch: &Patch) -> Result<Candidate, Error> {
    let settings = patch.apply(&settings_of(read, &find(read, id)?)?);
    compiled(settings, zones, id.as_str())
}

/// A schedule that a patch describes and that is on no file. Without an id its jitter has no seed: due times are the nominal ones.
///
/// # Errors
/// `Usage` when a part is wrong.
pub(crate) fn would_be_new(zones: &dyn Zones, patch: &Patch) -> Result<Candidate, Error> {
    let mut settings = new_settings(patch)?;
    let without_jitter = settings.definition.spec.jitter.take().is_some();
    Ok(Candidate {
        without_jitter,
        ..compiled(settings, zones, "")?
    })
}

fn compiled(settings: Settings, zones: &dyn Zones, id: &str) -> Result<Candidate, Error> {
    Ok(Candidate {
        id: settings.definition.action.workflow_id.unwrap_or_else(|| id.to_owned()),
        spec: Spec::compile(&settings.definition.spec, id, zones)?,
        policies: settings.definition.policies,
        remaining_actions: settings.state.remaining_actions,
        paused: settings.state.paused,
        without_jitter: false,
    })
}

/// What would happen.
#[derive(Debug)]
pub(crate) struct Simulated {
    /// Everything, in order.
    pub(crate) happened: Vec<HistoryEvent>,
    /// Times that would come to nothing since no actions are left.
    pub(crate) exhausted: Option<CountedTimes>,
}

/// Lives through a span.
///
/// # Errors
/// `Usage` when the span holds more times than anybody reads.
pub(crate) fn simulate(schedule: &Candidate, outlook: &SimulationInput) -> Result<Simulated, Error> {
    // Excluded times are told as well.
    let all = schedule.spec.without_exclusions();
    if all
        .times_after(outlook.from)
        .take_while(|t| *t <= outlook.to)
        .nth(MOST_TIMES)
        .is_some()
    {
        return Err(
            Error::new(Kind::Usage, format_args!("the span holds more than {MOST_TIMES} times"))
                .hint("Simulate a shorter one: `--for 1h`."),
        );
    }
    let state = State {
        remaining_actions: schedule.remaining_actions,
        ..State::default()
    };
    let takes = outlook.takes;
    let life_of = move |_: &str, now: DateTime<Utc>| RunScript {
        ends_at: now + takes,
        status: Status::Completed,
        on_cancel: TimeDelta::zero(),
        on_terminate: TimeDelta::zero(),
    };
    let spec = Rc::new(schedule.spec.clone());
    let mut simulation = Simulation::new(spec, schedule.policies, state, &schedule.id, outlook.from, life_of);
    simulation.settle(outlook.from);
    let within = outlook
        .outages
        .iter()
        .filter(|(from, to)| *from <= outlook.to && *to > outlook.from);
    for (from, to) in within {
        let from = (*from).max(outlook.from);
        simulation.advance(from);
        simulation.input(from, Input::Down);
        if *to <= outlook.to {
            simulation.input(*to, Input::Up);
        }
    }
    simulation.advance(outlook.to);
    Ok(Simulated {
        happened: simulation.happened().to_vec(),
        exhausted: simulation.exhausted(outlook.to),
    })
}
