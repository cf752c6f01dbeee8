//! Views of the attempts of a step.

use crate::output::instant::Instant;
use crate::output::run_views::AttemptView;
use crate::store::AttemptRow;

pub(super) fn attempt(row: &AttemptRow) -> AttemptView {
    AttemptView {
        number: row.number,
        started_at: Instant(row.started),
        elapsed_ms: row.elapsed_ms,
        outcome: row.outcome.clone(),
        error_type: row.error_type.clone(),
        error: row.error.clone(),
        status_code: row.status_code,
        exit_code: row.exit_code,
        output: row.output.as_deref().map(text),
        stderr: row.stderr.as_deref().map(text),
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
