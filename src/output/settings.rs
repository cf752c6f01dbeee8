//! The settings of a schedule and its steps in words, for people.

use super::counted;
use super::views::{ActionView, LatenessView, ScheduleView, StatisticsView};
use crate::run::step_text::StepText;
use crate::run::threshold::ThresholdText;
use crate::schedule::Alerts;
use crate::spec::describe::{human_duration, human_elapsed};

/// What limits the runs of a schedule.
pub(crate) fn limits(view: &ScheduleView) -> Vec<String> {
    let action = view.action.as_ref();
    let of =
        |field: fn(&ActionView) -> Option<&String>, what: &str| action.and_then(field).map(|value| format!("{what} {value}"));
    let parts = [
        view.max_running
            .map(|n| format!("at most {} under allow-all", counted(u64::from(n), "open run"))),
        of(|a| a.task_queue.as_ref(), "task queue"),
        of(|a| a.lock.as_ref(), "lock"),
        action
            .and_then(|a| a.condition.as_ref())
            .map(|condition| format!("only if `{condition}` succeeds")),
    ];
    parts.into_iter().flatten().collect()
}

/// The alert settings that are not the defaults, except labels.
pub(crate) fn alerts(of: &Alerts) -> Vec<String> {
    let open_after = of.open_after.as_ref().map(|threshold| match threshold {
        ThresholdText::Number(n) => format!("incident after {}", counted(u64::from(*n), "failure")),
        ThresholdText::Text(text) => format!("incident after {text} of failing"),
    });
    let parts = [
        of.severity.map(|severity| format!("severity {}", severity.name())),
        of.expect_within
            .as_ref()
            .map(|within| format!("must succeed at least every {within}")),
        open_after,
        of.resolve_after
            .map(|n| format!("resolved after {}", counted(u64::from(n), "success"))),
        of.remind.as_ref().map(|every| format!("reminder every {every}")),
    ];
    parts.into_iter().flatten().collect()
}

/// `999 of 1000 ok (99.90%), p50 12 ms, p95 80 ms, slowest 1 s`.
pub(crate) fn reliability(of: &StatisticsView) -> String {
    let total = of.ok.saturating_add(of.failed);
    // Rounded down: a single failure in a million must not read as 100%.
    let hundredths = of.ok.saturating_mul(10_000).checked_div(total).unwrap_or(0);
    let share = match hundredths {
        10_000 => "100%".to_owned(),
        _ => format!("{}.{:02}%", hundredths / 100, hundredths % 100),
    };
    let ok = format!("{} of {total} ok ({share})", of.ok);
    let duration = |name: &str, ms: Option<u64>| ms.map(|ms| format!("{name} {}", rounded(ms)));
    let durations = [
        duration("p50", of.p50_ms),
        duration("p95", of.p95_ms),
        of.p50_ms.and_then(|_| duration("slowest", Some(of.slowest_ms))),
    ];
    let parts: Vec<String> = std::iter::once(ok).chain(durations.into_iter().flatten()).collect();
    parts.join(", ")
}

/// How late the last runs of a schedule began: `p50 2 ms, p99 5 ms (last 100 runs)`.
pub(crate) fn lateness(of: &LatenessView) -> String {
    let runs = match of.runs {
        1 => "last run".to_owned(),
        n => format!("last {n} runs"),
    };
    format!("p50 {}, p99 {} ({runs})", human_elapsed(of.p50_ms), human_elapsed(of.p99_ms))
}

/// A duration to two digits: the percentiles are no more exact.
fn rounded(ms: u64) -> String {
    let unit = 10_u64.pow(ms.max(1).ilog10().saturating_sub(1));
    match (ms + unit / 2) / unit * unit {
        0 => "under 1 ms".to_owned(),
        ms => human_duration(u128::from(ms)),
    }
}

/// Summarizes a step in one line.
pub(crate) fn summary(step: &StepText) -> String {
    let action = match (&step.probe, &step.command, &step.shell) {
        (Some(probe), ..) => probe.summary(),
        (None, Some(argv), _) => argv.join(" "),
        (None, None, Some(line)) => line.clone(),
        (None, None, None) => step.beat.as_ref().map_or_else(String::new, |grace| {
            format!("expects a heartbeat (`tempo beat`) within {grace}")
        }),
    };
    let names: Vec<&str> = step.env.keys().map(String::as_str).collect();
    let attempts = step.retry.as_ref().and_then(|r| r.maximum_attempts);
    let settings = [
        step.cwd.as_ref().map(|cwd| format!("in {cwd}")),
        step.user.as_ref().map(|user| format!("as {user}")),
        step.memory.as_ref().map(|memory| format!("at most {memory} of memory")),
        step.cpu_time.as_ref().map(|time| format!("at most {time} of CPU time")),
        step.nice.map(|nice| format!("nice {nice}")),
        (!names.is_empty()).then(|| format!("env {}", names.join(", "))),
        step.stdin
            .as_ref()
            .map(|text| format!("stdin of {}", counted(text.lines().count() as u64, "line"))),
        attempts.map(|n| match n {
            0 => "unlimited attempts".to_owned(),
            n => counted(u64::from(n), "attempt"),
        }),
        step.retry.as_ref().and_then(|r| r.exit_codes.as_ref()).map(|codes| {
            let codes: Vec<String> = codes.iter().map(i32::to_string).collect();
            let noun = if codes.len() == 1 { "exit code" } else { "exit codes" };
            format!("retried only for {noun} {}", codes.join(", "))
        }),
        step.start_to_close_timeout
            .as_ref()
            .map(|limit| format!("{limit} per attempt")),
        step.schedule_to_close_timeout
            .as_ref()
            .map(|limit| format!("{limit} in total")),
    ];
    let settings: Vec<String> = settings.into_iter().flatten().collect();
    if settings.is_empty() {
        action
    } else {
        format!("{action} ({})", settings.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::step_text::{ProbeText, RetryText};

    #[test]
    fn reliability_is_rounded_down_and_never_overflows() {
        for (ok, failed, expected) in [
            (2, 0, "2 of 2 ok (100%)"),
            (999_999, 1, "999999 of 1000000 ok (99.99%)"),
            (0, 0, "0 of 0 ok (0.00%)"),
            (u64::MAX, 1, "18446744073709551615 of 18446744073709551615 ok (0.01%)"),
        ] {
            let of = StatisticsView {
                step: "s".to_owned(),
                ok,
                failed,
                p50_ms: None,
                p95_ms: None,
                slowest_ms: 0,
            };
            assert_eq!(reliability(&of), expected);
        }
    }

    #[test]
    fn a_step_summary_lists_its_settings() {
        let step = StepText {
            retry: Some(RetryText {
                maximum_attempts: Some(3),
                ..RetryText::default()
            }),
            start_to_close_timeout: Some("5m".to_owned()),
            ..StepText::default()
        };
        let command = StepText {
            command: Some(vec!["tar".to_owned(), "-c".to_owned()]),
            env: [("A".to_owned(), "1".to_owned())].into(),
            ..step.clone()
        };
        assert_eq!(summary(&command), "tar -c (env A; 3 attempts; 5m per attempt)");
        let probe = StepText {
            probe: Some(ProbeText::Url("http://127.0.0.1/".to_owned())),
            ..step
        };
        assert!(
            summary(&probe).ends_with(" (3 attempts; 5m per attempt)"),
            "{}",
            summary(&probe)
        );
    }
}
