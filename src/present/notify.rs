//! Views of receivers of notifications and of their messages.

use crate::error::Error;
use crate::files::notify_text::NotifyText;
use crate::notify::{Message, Notice};
use crate::output::instant::Instant;
use crate::output::views::{MessageView, ReceiverView};
use crate::spec::zone::Zones;
use crate::store::{MessageRow, Read, ReceiverRow};

/// Returns a receiver.
pub(crate) fn receiver(read: &Read<'_>, zones: &dyn Zones, row: &ReceiverRow) -> Result<ReceiverView, Error> {
    let receiver = NotifyText::stored((&row.name, &row.definition), zones)?;
    let state = read.receiver_state(row.key)?;
    Ok(ReceiverView {
        name: row.name.clone(),
        kind: receiver.kind(),
        target: receiver.target(),
        events: receiver.topics.iter().map(|topic| topic.name()).collect(),
        schedules: receiver.schedules.clone(),
        labels: receiver.labels.clone(),
        min_severity: receiver.min_severity.name(),
        source: row.source.clone(),
        pending: state.pending,
        failed: state.failed,
        last_delivered_at: state.last_delivered.map(Instant),
        last_error: state.last_error,
    })
}

/// Returns a message.
pub(crate) fn message(row: &MessageRow) -> MessageView {
    let notices: Vec<Notice> = serde_json::from_str(&row.events).unwrap_or_default();
    let text = if notices.is_empty() {
        String::new()
    } else {
        let message = Message {
            id: row.id.clone(),
            host: String::new(),
            notices,
        };
        message.headline()
    };
    MessageView {
        id: row.id.clone(),
        receiver: row.receiver_name.clone(),
        event: row.topic.clone(),
        message: text,
        status: row.status.clone(),
        created_at: Instant(row.created),
        attempts: row.attempts,
        last_attempt_at: row.attempted.map(Instant),
        next_attempt_at: row.closed.is_none().then_some(Instant(row.due)),
        error: row.error.clone(),
    }
}
