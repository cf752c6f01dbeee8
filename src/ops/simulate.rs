//! Simulates a schedule over a period, with the reference model that the engine is tested against.

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
use crate::spec::describe::grouped;
use crate::spec::zone::Zones;
use crate::spec::{CountedTimes, Spec};
use crate::store::Read;

/// Maximum number of times simulated; longer output is of no use.
pub(crate) const MAX_SIMULATED: usize = 100_000;

/// A period in which the server is down: its start and end.
pub(crate) type Outage = (DateTime<Utc>, DateTime<Utc>);

/// The parameters of a simulation.
#[derive(Debug)]
pub(crate) struct SimulationInput {
    /// How long each run takes.
    pub(crate) takes: TimeDelta,
    pub(crate) from: DateTime<Utc>,
    pub(crate) to: DateTime<Utc>,
    /// The periods in which the server is down.
    pub(crate) outages: Vec<Outage>,
    /// Maximum number of times: with `allow-all`, the work grows with its square.
    pub(crate) at_most: usize,
}

/// A schedule to simulate.
#[derive(Debug)]
pub(crate) struct Candidate {
    pub(crate) id: String,
    pub(crate) spec: Spec,
    pub(crate) policies: Policies,
    pub(crate) remaining_actions: Option<u64>,
    /// Whether it is paused; it is simulated as if it were not.
    pub(crate) paused: bool,
    /// Whether its jitter is ignored because there is no seed.
    pub(crate) without_jitter: bool,
}

/// Returns a stored schedule with a patch applied.
///
/// # Errors
/// `NotFound`; `Usage` when a part is invalid.
pub(crate) fn with_patch(read: &Read<'_>, zones: &dyn Zones, id: &ScheduleId, patch: &Patch) -> Result<Candidate, Error> {
    let settings = patch.apply(&settings_of(read, &find(read, id)?)?);
    compiled(settings, zones, id.as_str())
}

/// Returns a schedule that a patch describes and that is not stored. Without an id its jitter has no seed, so due times equal nominal times.
///
/// # Errors
/// `Usage` when a part is invalid.
pub(crate) fn new_candidate(zones: &dyn Zones, patch: &Patch) -> Result<Candidate, Error> {
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

/// The result of a simulation.
#[derive(Debug)]
pub(crate) struct Simulated {
    /// All events, in order.
    pub(crate) happened: Vec<HistoryEvent>,
    /// Times that would not start because no actions are left.
    pub(crate) exhausted: Option<CountedTimes>,
}

/// Simulates a schedule.
///
/// # Errors
/// `Usage` when there are more times than the input allows.
pub(crate) fn simulate(schedule: &Candidate, input: &SimulationInput) -> Result<Simulated, Error> {
    // Excluded times are shown too.
    let all = schedule.spec.without_exclusions();
    if all
        .times_after(input.from)
        .take_while(|t| *t <= input.to)
        .nth(input.at_most)
        .is_some()
    {
        return Err(Error::new(
            Kind::Usage,
            format_args!(
                "the simulated period contains more than {} times",
                grouped(input.at_most as u64)
            ),
        )
        .hint("Simulate a shorter period, for example: `--for 1h`."));
    }
    let state = State {
        remaining_actions: schedule.remaining_actions,
        ..State::default()
    };
    let takes = input.takes;
    let script_of = move |_: &str, now: DateTime<Utc>| RunScript {
        ends_at: now + takes,
        status: Status::Completed,
        on_cancel: TimeDelta::zero(),
        on_terminate: TimeDelta::zero(),
    };
    let spec = Rc::new(schedule.spec.clone());
    let mut simulation = Simulation::new(spec, schedule.policies, state, &schedule.id, input.from, script_of);
    simulation.settle(input.from);
    let within = input
        .outages
        .iter()
        .filter(|(from, to)| *from <= input.to && *to > input.from);
    for (from, to) in within {
        let from = (*from).max(input.from);
        simulation.advance(from);
        simulation.input(from, Input::Down);
        if *to <= input.to {
            simulation.input(*to, Input::Up);
        }
    }
    simulation.advance(input.to);
    Ok(Simulated {
        happened: simulation.happened().to_vec(),
        exhausted: simulation.exhausted(input.to),
    })
}
