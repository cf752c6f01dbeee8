//! The results of a check as `JUnit` XML, for CI servers.

use std::path::Path;
use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::report::{StepOutcome, elapsed_ms, outcome_of};
use crate::error::{Error, Kind};
use crate::output::run_views::{RunView, StepView};

/// Writes the results of a check to a file.
pub(super) fn write(file: &Path, view: &RunView) -> Result<(), Error> {
    let mut suite = TestSuite::new(view.workflow_id.clone());
    suite.set_timestamp(view.started_at.0);
    for step in view.steps.iter().flatten() {
        suite.add_test_case(case(step, view));
    }
    let mut report = Report::new("tempo check");
    report.add_test_suite(suite);
    let failed = |e: Box<dyn std::error::Error + Send + Sync>| {
        Error::new(Kind::System, format_args!("cannot write `{}`", file.display())).because(e)
    };
    let text = report.to_string().map_err(|e| failed(e.into()))?;
    std::fs::write(file, text).map_err(|e| failed(e.into()))
}

fn case(step: &StepView, view: &RunView) -> TestCase {
    // An interrupted step has no result of its own; it ended for the same reason as the run.
    let result = step.result.as_deref().or(view.reason.as_deref()).unwrap_or("interrupted");
    let interruption = match view.status {
        "TimedOut" => Some("Timeout"),
        "Canceled" => Some("Canceled"),
        _ => None,
    };
    let status = match outcome_of(step) {
        StepOutcome::Ok => TestCaseStatus::success(),
        StepOutcome::NotReached => TestCaseStatus::skipped(),
        StepOutcome::Failed => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_message(xml_text(result.strip_prefix("incident: ").unwrap_or(result)));
            let last = step.attempts.last().and_then(|a| a.error_type.as_deref());
            if let Some(error_type) = if step.result.is_some() { last } else { interruption } {
                status.set_type(error_type);
            }
            status
        }
    };
    let mut case = TestCase::new(step.name.clone(), status);
    case.set_classname(view.workflow_id.clone());
    case.set_time(Duration::from_millis(elapsed_ms(step).unsigned_abs()));
    if let Some(output) = step.attempts.last().and_then(|a| a.output.as_deref()) {
        case.set_system_out(xml_text(output));
    }
    if let Some(stderr) = step.attempts.last().and_then(|a| a.stderr.as_deref()) {
        case.set_system_err(xml_text(stderr));
    }
    case
}

/// Replaces the two characters that XML cannot represent but the writer does not filter out.
fn xml_text(text: &str) -> String {
    text.replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}")
}
