//! Views of simulated events.

use chrono::{DateTime, Utc};

use crate::ops::{self, Candidate, SimulationInput};
use crate::output::instant::Instant;
use crate::output::views::SimulatedView;
use crate::run::Stop;
use crate::schedule::OverlapPolicy;
use crate::schedule::history::What;
use crate::schedule::not_started::{Reason, ReasonDetails};
use crate::spec::describe::human_duration;

/// Returns the events of a simulation, one per time, in order of occurrence.
pub(crate) fn simulated(schedule: &Candidate, input: &SimulationInput, outcome: &ops::Simulated) -> Vec<SimulatedView> {
    let event = |nominal, at, event, reason| SimulatedView {
        scheduled_at: Instant(nominal),
        at: Instant(at),
        event,
        reason,
    };
    let reason_details = ReasonDetails {
        catchup_window_ms: schedule.policies.catchup_window_ms,
        paused_since: None,
        note: "",
    };
    let spec = &schedule.spec;
    let just_before = |at: DateTime<Utc>| at - chrono::TimeDelta::nanoseconds(1);
    let mut views = Vec::new();
    for h in &outcome.happened {
        match h.what {
            What::Start => {
                let late = (h.at - spec.due(h.nominal)).num_milliseconds();
                let late = late.unsigned_abs();
                // Above one second, milliseconds are not shown.
                let rounded = if late < 1000 { late } else { late / 1000 * 1000 };
                let late = (late > 0).then(|| format!("{} late", human_duration(u128::from(rounded))));
                views.push(event(h.nominal, h.at, "start", late));
            }
            What::Buffered => {
                let reason = if schedule.policies.overlap == OverlapPolicy::AllowAll {
                    "waiting for one of the open runs to finish"
                } else {
                    "waiting for the current run to finish"
                };
                views.push(event(h.nominal, h.at, "buffered", Some(reason.to_owned())));
            }
            What::Close(status) => views.push(event(h.nominal, h.at, "close", Some(status.name().to_owned()))),
            What::Stop(stop) => {
                let what = match stop {
                    Stop::Cancel => "cancel",
                    Stop::Terminate => "terminate",
                };
                views.push(event(h.nominal, h.at, what, Some("replaced by a newer start".to_owned())));
            }
            What::NotStarted { to, outcome, reason, .. } => {
                let times = spec.times_after(just_before(h.nominal)).take_while(|t| *t <= to);
                views.extend(times.map(|t| event(t, h.at, outcome.name(), Some(reason.text_with(&reason_details)))));
            }
        }
    }
    let all = spec.without_exclusions();
    for removed in spec.excluded(input.from, input.to) {
        let times = all.times_after(just_before(removed.first)).take_while(|t| *t <= removed.last);
        views.extend(times.map(|t| event(t, t, "excluded", Some("the spec excludes it".to_owned()))));
    }
    if let Some(exhausted) = outcome.exhausted {
        let times = spec
            .times_after(just_before(exhausted.first))
            .take_while(|t| *t <= exhausted.last);
        let reason = Reason::NoActionsLeft.text();
        views.extend(times.map(|t| event(t, spec.due(t), "exhausted", Some(reason.to_owned()))));
    }
    views.sort_by_key(|v| v.at);
    views
}
