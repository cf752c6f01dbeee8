//! Calendars in normal form as structured calendars of a cluster, and back to text.

use temporalio_common::protos::temporal::api::schedule::v1::{Range as ClusterRange, StructuredCalendarSpec};

use crate::spec::calendar::Fields;
use crate::spec::calendar_text::CalendarText;
use crate::spec::field::{self, Field, Range};

/// Converts a calendar.
pub(super) fn to_cluster(fields: &Fields) -> StructuredCalendarSpec {
    let ranges = |ranges: &[Range]| {
        let range = |range: &Range| ClusterRange {
            start: range.start.into(),
            end: range.end.into(),
            step: range.step.into(),
        };
        ranges.iter().map(range).collect()
    };
    StructuredCalendarSpec {
        second: ranges(&fields.second),
        minute: ranges(&fields.minute),
        hour: ranges(&fields.hour),
        day_of_month: ranges(&fields.day_of_month),
        month: ranges(&fields.month),
        year: ranges(&fields.year),
        day_of_week: ranges(&fields.day_of_week),
        comment: fields.comment.clone(),
    }
}

/// Converts a calendar of a cluster to text. A field without ranges matches nothing there, and no text says so: returns `None` then.
pub(super) fn to_text(calendar: &StructuredCalendarSpec) -> Option<CalendarText> {
    let text = |ranges: &[ClusterRange], field: &Field| {
        let all = field.all();
        let one = |range: &ClusterRange| {
            let (end, step) = (range.end.max(range.start), range.step.max(1));
            let is_all = range.start == i32::from(all.start) && end == i32::from(all.end);
            match (is_all, range.start == end, step) {
                (true, _, 1) => "*".to_owned(),
                (true, _, step) => format!("*/{step}"),
                (false, true, _) => range.start.to_string(),
                (false, false, 1) => format!("{}-{end}", range.start),
                (false, false, step) => format!("{}-{end}/{step}", range.start),
            }
        };
        let ranges: Vec<String> = ranges.iter().map(one).collect();
        (!ranges.is_empty()).then(|| ranges.join(","))
    };
    Some(CalendarText {
        second: Some(text(&calendar.second, &field::SECOND)?),
        minute: Some(text(&calendar.minute, &field::MINUTE)?),
        hour: Some(text(&calendar.hour, &field::HOUR)?),
        day_of_month: Some(text(&calendar.day_of_month, &field::DAY_OF_MONTH)?),
        month: Some(text(&calendar.month, &field::MONTH)?),
        year: text(&calendar.year, &field::YEAR),
        day_of_week: Some(text(&calendar.day_of_week, &field::DAY_OF_WEEK)?),
        comment: Some(calendar.comment.clone()).filter(|comment| !comment.is_empty()),
    })
}
