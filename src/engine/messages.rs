//! Writes messages about new events into the outbox. A message and the new cursor of its receiver are written in one transaction, so no event is
//! without its message.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::events::Event;
use super::notices::notices;
use super::shared::Shared;
use crate::error::Error;
use crate::files::notify_text::NotifyText;
use crate::notify::{Receiver, Topic};
use crate::store::{EventFilter, ReceiverRow, Store};

/// Maximum number of events read at once: the output of each may be long.
const BATCH: u64 = 200;
/// How far the recorded cursor of a receiver without events may lag behind.
const CURSOR_LAG: i64 = 200;

/// Writes messages.
pub(super) struct MessageWriter {
    shared: Arc<Shared>,
    /// The receivers as last read, with their definitions, by key; `None` if the definition is not valid.
    receivers: HashMap<i64, (String, Option<Arc<Receiver>>)>,
    /// The newest event for which messages have been written, by the key of the receiver.
    written_up_to: HashMap<i64, i64>,
}

/// A message about one event, to be added to the outbox.
struct NewMessage {
    /// The topic of its message.
    topic: &'static str,
    /// Whether it may share a message with others of the same topic.
    joins: bool,
    /// The notice as JSON.
    event: String,
}

impl MessageWriter {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        Self {
            shared: Arc::clone(shared),
            receivers: HashMap::new(),
            written_up_to: HashMap::new(),
        }
    }

    /// The receiver of a row; `None`, reported once, if its definition is not valid.
    pub(super) fn receiver(&mut self, row: &ReceiverRow) -> Option<Arc<Receiver>> {
        let known = self
            .receivers
            .get(&row.key)
            .filter(|(definition, _)| *definition == row.definition);
        if let Some((_, Some(receiver))) = known {
            return Some(Arc::clone(receiver));
        }
        let is_reported = known.is_some();
        let receiver = match NotifyText::stored((&row.name, &row.definition), &**self.shared.catalog.zones()) {
            Ok(receiver) => Some(Arc::new(receiver)),
            Err(e) => {
                if !is_reported {
                    self.shared.emit(Event::Error(e));
                }
                None
            }
        };
        self.receivers.insert(row.key, (row.definition.clone(), receiver.clone()));
        receiver
    }

    /// The newest event for which messages have been written for a receiver.
    pub(super) fn written_up_to(&self, row: &ReceiverRow) -> i64 {
        row.cursor.max(self.written_up_to.get(&row.key).copied().unwrap_or(0))
    }

    /// Writes the messages about the events after the cursor of each receiver. If its definition is not valid, a receiver keeps its cursor, and gets these
    /// events once the definition is valid.
    pub(super) fn write(&mut self, reader: &Store, rows: &[ReceiverRow], now: DateTime<Utc>) -> Result<(), Error> {
        while self.write_batch(reader, rows, now)? {}
        Ok(())
    }

    /// Writes the messages about the next events; returns whether there may be more.
    fn write_batch(&mut self, reader: &Store, rows: &[ReceiverRow], now: DateTime<Utc>) -> Result<bool, Error> {
        let receivers: Vec<(&ReceiverRow, Arc<Receiver>)> =
            rows.iter().filter_map(|row| Some((row, self.receiver(row)?))).collect();
        let Some(after) = receivers.iter().map(|(row, _)| self.written_up_to(row)).min() else {
            return Ok(false);
        };
        let filter = EventFilter {
            after: Some(after),
            notable: true,
            finishes: receivers.iter().any(|(_, receiver)| receiver.topics.contains(&Topic::Output)),
            ..EventFilter::default()
        };
        let (newest, all, is_full) = reader.read(|read| {
            let events = read.first_events(&filter, BATCH)?;
            let is_full = events.len() as u64 == BATCH;
            let newest = match events.last() {
                Some(last) if is_full => last.key,
                _ => read.newest_event()?,
            };
            let mut all = Vec::new();
            for event in events {
                let of_event = notices(read, &event)?;
                all.extend(of_event.into_iter().map(|(topic, notice)| (event.key, topic, notice)));
            }
            Ok((newest, all, is_full))
        })?;
        let mut changes = Vec::new();
        for (row, receiver) in &receivers {
            let seen = self.written_up_to(row);
            let due = receiver.timing.due(now);
            let is_quiet = receiver.timing.quiet_until(now).is_some();
            let wanted = all
                .iter()
                .filter(|(key, topic, notice)| *key > seen && receiver.wants(*topic, notice));
            let told: Vec<NewMessage> = wanted
                .map(|(_, topic, notice)| {
                    // The output of a run is a message of its own, as with cron.
                    let joins = receiver.takes_groups() && *topic != Topic::Output;
                    NewMessage {
                        // Events in quiet hours are sent in one message at their end.
                        topic: if is_quiet && joins { "digest" } else { topic.name() },
                        joins,
                        event: serde_json::to_string(notice).unwrap_or_default(),
                    }
                })
                .collect();
            if !told.is_empty() || newest - row.cursor > CURSOR_LAG {
                changes.push((row.key, told, due));
            }
        }
        if !changes.is_empty() {
            self.shared.writer.write(move |write| {
                for (receiver, told, due) in &changes {
                    for one in told {
                        write.add_notice(*receiver, one.topic, (&one.event, one.joins), *due, now)?;
                    }
                    write.move_cursor(*receiver, newest)?;
                }
                Ok(())
            })?;
        }
        for (row, _) in &receivers {
            // Another receiver may be further behind.
            let written = self.written_up_to(row).max(newest);
            self.written_up_to.insert(row.key, written);
        }
        Ok(is_full)
    }
}
