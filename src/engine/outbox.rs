//! The outbox: delivers due messages, each in a thread of its own, so that no receiver delays a tick or another receiver.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver as Channel, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::events::Event;
use super::messages::MessageWriter;
use super::shared::Shared;
use crate::actions::{Control, DELIVERY_TIMEOUT, StopKind};
use crate::clock::Stopwatch;
use crate::error::{Error, Kind};
use crate::machine;
use crate::notify::timing::retry_at;
use crate::notify::{Delivery, Message, Notice, Receiver, delivery};
use crate::store::{DeliveryOutcome, MessageRow, Missing, Store};

/// Maximum number of messages being delivered at once.
const MAX_DELIVERIES: usize = 64;
/// Number of attempts of a message before later ones of its receiver are sent.
const ATTEMPTS_BEFORE_OTHERS: u32 = 6;
/// How long deliveries may continue after the server was asked to stop.
const DRAIN: Duration = Duration::from_secs(2);
/// How long a server that exits when everything is done waits for its deliveries.
const FLUSH: Duration = Duration::from_secs(20);
/// Interval between checks for finished deliveries while draining.
const POLL: TimeDelta = TimeDelta::milliseconds(20);

/// Writes and delivers messages.
pub(super) struct Outbox {
    shared: Arc<Shared>,
    reader: Store,
    messages: MessageWriter,
    /// The deliveries that are running, by the key of the receiver.
    running: BTreeMap<i64, Arc<Control>>,
    finished: (Sender<i64>, Channel<i64>),
}

/// Starts the thread of the outbox.
pub(super) fn start(shared: &Arc<Shared>) -> Result<JoinHandle<()>, Error> {
    let here = Arc::clone(shared);
    std::thread::Builder::new()
        .name("outbox".to_owned())
        .spawn(move || keep_delivering(&here))
        .map_err(|e| Error::new(Kind::System, "cannot start the thread that sends notifications").because(e))
}

/// The body of the thread: delivers until the server drains.
fn keep_delivering(shared: &Arc<Shared>) {
    let mut outbox: Option<Outbox> = None;
    let mut next = DateTime::<Utc>::MAX_UTC;
    while !shared.draining.load(Ordering::SeqCst) {
        // Without receivers there is no connection, which would hold memory.
        if shared.has_receivers.load(Ordering::SeqCst) || outbox.is_some() {
            let now = shared.clock.now();
            let passed = match &mut outbox {
                Some(outbox) => outbox.send_in_threads(Pass::Due, now),
                None => Outbox::open(shared).and_then(|opened| outbox.insert(opened).send_in_threads(Pass::Due, now)),
            };
            next = passed
                .unwrap_or_else(|e| {
                    shared.emit(Event::Error(e));
                    Some(now + super::AFTER_ERROR)
                })
                .unwrap_or(DateTime::<Utc>::MAX_UTC);
        }
        shared
            .clock
            .wait(&shared.outbox, next.min(shared.clock.now() + TimeDelta::minutes(1)));
    }
    if let Some(mut outbox) = outbox {
        outbox.drain(DRAIN);
    }
}

/// Writes and delivers the messages about everything that has happened, for a server that is about to exit. Those that cannot be delivered stay
/// in the outbox.
pub(super) fn flush(shared: &Arc<Shared>) {
    if !shared.has_receivers.load(Ordering::SeqCst) {
        return;
    }
    let watch = Stopwatch::start();
    let flushed = Outbox::open(shared).and_then(|mut outbox| {
        // A receiver gets its messages one after the other.
        while watch.elapsed() < FLUSH {
            outbox.send_in_threads(Pass::Unsent, shared.clock.now())?;
            if outbox.running.is_empty() {
                break;
            }
            shared.clock.wait(&shared.outbox, shared.clock.now() + POLL);
        }
        outbox.drain(Duration::ZERO);
        Ok(())
    });
    if let Err(e) = flushed {
        shared.emit(Event::Error(e));
    }
}

/// Which messages a pass sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pass {
    /// Those that are due.
    Due,
    /// Those that were never sent, without waiting for further events; quiet hours and limits hold.
    Unsent,
}

/// The outcome of trying to start a delivery.
enum Delivering {
    Begun(Box<Begun>),
    /// It is due later.
    Held(DateTime<Utc>),
    /// It is no longer pending.
    Gone,
}

/// How long after its start a delivery without a recorded result is made again.
fn lost_delivery_timeout() -> TimeDelta {
    TimeDelta::from_std(DELIVERY_TIMEOUT).unwrap_or_default() * 2
}

/// A delivery whose attempt is recorded as begun.
pub(super) struct Begun {
    receiver: Arc<Receiver>,
    message: MessageRow,
    /// The events as JSON.
    events: String,
    control: Arc<Control>,
}

impl Outbox {
    pub(super) fn new(shared: &Arc<Shared>, reader: Store) -> Self {
        Self {
            shared: Arc::clone(shared),
            reader,
            messages: MessageWriter::new(shared),
            running: BTreeMap::new(),
            finished: channel(),
        }
    }

    fn open(shared: &Arc<Shared>) -> Result<Self, Error> {
        let reader = Store::open(Path::new(&shared.database), Missing::Refuse)?;
        let here = Arc::clone(shared);
        // Messages that an earlier server was sending when it died.
        shared
            .writer
            .write(move |write| write.resume_deliveries(lost_delivery_timeout(), here.clock.now()))?;
        Ok(Self::new(shared, reader))
    }

    /// Writes the messages about new events and starts due deliveries. Returns when the next message is due.
    fn send_in_threads(&mut self, which: Pass, now: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, Error> {
        let (begun, mut next) = self.pass(which, now)?;
        for one in begun {
            let receiver = one.message.receiver;
            if let Err(e) = self.start_thread(one) {
                // It is due again when its attempt counts as lost.
                self.running.remove(&receiver);
                self.shared.emit(Event::Error(e));
                next = next.into_iter().chain([now + lost_delivery_timeout()]).min();
            }
        }
        // A delivery that ends raises the signal.
        Ok(next.map(|next| next.max(now + POLL)))
    }

    fn start_thread(&self, begun: Begun) -> Result<(), Error> {
        let (here, ended) = (Arc::clone(&self.shared), self.finished.0.clone());
        let started = std::thread::Builder::new().name("delivery".to_owned()).spawn(move || {
            deliver(&here, &begun);
            // If the server stopped, the outbox has already ended.
            let _ = ended.send(begun.message.receiver);
            here.outbox.raise();
        });
        started
            .map(|_| ())
            .map_err(|e| Error::new(Kind::System, "cannot start a thread that sends a notification").because(e))
    }

    /// Writes the messages about new events. Returns the deliveries to make, which are recorded as begun, and when the next message is due.
    pub(super) fn pass(&mut self, which: Pass, now: DateTime<Utc>) -> Result<(Vec<Begun>, Option<DateTime<Utc>>), Error> {
        while let Ok(receiver) = self.finished.1.try_recv() {
            self.running.remove(&receiver);
        }
        let receivers = self.reader.read(|r| r.receivers())?;
        self.messages.write(&self.reader, &receivers, now)?;
        let (mut begun, mut next) = (Vec::new(), None);
        let mut waiting = Vec::new();
        for row in &receivers {
            if self.running.contains_key(&row.key) {
                continue;
            }
            let Some(receiver) = self.messages.receiver(row) else {
                continue;
            };
            // A service that follows incidents must not get the end of one before its begin.
            let attempts_before_others = if receiver.takes_groups() {
                ATTEMPTS_BEFORE_OTHERS
            } else {
                u32::MAX
            };
            if let Some(message) = self
                .reader
                .read(|r| r.next_message_of(row.key, attempts_before_others, now))?
            {
                waiting.push((message, receiver));
            }
        }
        // First attempts go before retries, so that receivers that are down take no turn from the others.
        waiting.sort_by_key(|(message, _)| (message.attempts > 0, message.due, message.key));
        for (message, receiver) in waiting {
            let is_due = message.is_due(now) || which == Pass::Unsent && message.attempts == 0;
            if !is_due {
                next = next.into_iter().chain([message.due]).min();
            } else if self.running.len() < MAX_DELIVERIES {
                match self.begin(&receiver, message, now) {
                    Ok(Delivering::Begun(one)) => begun.push(*one),
                    Ok(Delivering::Held(until)) => next = next.into_iter().chain([until]).min(),
                    Ok(Delivering::Gone) => {}
                    // Those that have begun are delivered nevertheless.
                    Err(e) => {
                        self.shared.emit(Event::Error(e));
                        next = next.into_iter().chain([now + super::AFTER_ERROR]).min();
                        break;
                    }
                }
            }
        }
        Ok((begun, next))
    }

    /// Records a delivery as begun, unless its receiver gets nothing now.
    fn begin(&mut self, receiver: &Arc<Receiver>, message: MessageRow, now: DateTime<Utc>) -> Result<Delivering, Error> {
        let key = message.key;
        if let Some(until) = self.held_until(receiver, &message, now)? {
            // Not again: each write would wake the ticker, and it this thread.
            if message.due != until {
                self.shared.writer.write(move |write| write.postpone_message(key, until))?;
            }
            return Ok(Delivering::Held(until));
        }
        let again = now + lost_delivery_timeout();
        let Some(events) = self.shared.writer.write(move |write| write.begin_delivery(key, again, now))? else {
            return Ok(Delivering::Gone);
        };
        let control = Arc::new(Control::default());
        self.running.insert(message.receiver, Arc::clone(&control));
        Ok(Delivering::Begun(Box::new(Begun {
            receiver: Arc::clone(receiver),
            message,
            events,
            control,
        })))
    }

    /// Records that a delivery made by the caller has ended.
    #[cfg(test)]
    pub(super) fn ended(&mut self) {
        self.running.clear();
    }

    /// Until when a message is held: until the end of quiet hours, or until the limit of its receiver allows another.
    fn held_until(&self, receiver: &Receiver, message: &MessageRow, now: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, Error> {
        if let Some(until) = receiver.timing.quiet_until(now) {
            return Ok(Some(until));
        }
        // A retry is not another message.
        let Some((most, period)) = receiver.timing.limit.filter(|_| message.attempts == 0) else {
            return Ok(None);
        };
        let period = TimeDelta::from_std(period).unwrap_or(TimeDelta::MAX);
        let oldest = self
            .reader
            .read(|r| r.oldest_of_last_sends(message.receiver, most, (now - period, now)))?;
        Ok(oldest.map(|oldest| oldest + period + TimeDelta::milliseconds(1)))
    }

    /// Waits for the running deliveries, and stops those that take longer.
    fn drain(&mut self, limit: Duration) {
        // Otherwise a receiver that is changed before the next start would get events that it did not ask for.
        let moved = self.reader.read(|r| r.receivers()).and_then(|rows| {
            let cursors: Vec<(i64, i64)> = rows.iter().map(|row| (row.key, self.messages.written_up_to(row))).collect();
            self.shared
                .writer
                .write(move |write| cursors.iter().try_for_each(|(key, seen)| write.move_cursor(*key, *seen)))
        });
        if let Err(e) = moved {
            self.shared.emit(Event::Error(e));
        }
        let watch = Stopwatch::start();
        let mut stopped = false;
        while !self.running.is_empty() {
            while let Ok(receiver) = self.finished.1.try_recv() {
                self.running.remove(&receiver);
            }
            if watch.elapsed() >= limit && !stopped {
                stopped = true;
                self.running.values().for_each(|control| control.stop(StopKind::Abandon));
            }
            if watch.elapsed() >= limit + DRAIN {
                // Not waited for any longer: the message is sent again when the server is next up.
                return;
            }
            self.shared.clock.wait(&self.shared.outbox, self.shared.clock.now() + POLL);
        }
    }
}

/// Makes a delivery, and records its end.
pub(super) fn deliver(
    shared: &Arc<Shared>,
    Begun {
        receiver,
        message: row,
        events,
        control,
    }: &Begun,
) {
    let outcome = match serde_json::from_str::<Vec<Notice>>(events) {
        Ok(notices) if !notices.is_empty() => {
            let message = Message {
                id: row.id.clone(),
                host: machine::host_name(),
                notices,
            };
            let mut delivery = delivery(receiver, &message);
            if let (Delivery::Mail(mail), Some(left)) = (&mut delivery, &row.left_to) {
                mail.left = serde_json::from_str(left).ok();
            }
            shared.actions.deliver(&delivery, control)
        }
        Ok(_) | Err(_) => Err("the stored message is not valid".to_owned()),
    };
    let now = shared.clock.now();
    let attempts = row.attempts + 1;
    let again = retry_at(row.created, attempts, now);
    let failed = |error, retry_at| DeliveryOutcome::Failed {
        error,
        retry_at,
        left: None,
        refused: None,
    };
    let outcome = match outcome {
        Ok(receipt) => {
            let refused = (!receipt.refusals_for_good.is_empty()).then(|| receipt.refusals_for_good.join("; "));
            if receipt.left.is_empty() {
                DeliveryOutcome::Delivered { refused }
            } else {
                DeliveryOutcome::Failed {
                    error: receipt.all_refusals().join("; "),
                    retry_at: again,
                    left: Some(receipt.left),
                    refused,
                }
            }
        }
        Err(_) if control.requested().is_some() => {
            failed("the server stopped while the message was being sent".to_owned(), Some(now))
        }
        Err(error) => failed(error, again),
    };
    let receiver = || row.receiver_name.clone();
    match &outcome {
        DeliveryOutcome::Failed { error, retry_at, .. } if attempts == 1 || retry_at.is_none() => {
            shared.emit(Event::NotDelivered {
                receiver: receiver(),
                error: error.clone(),
                retry_at: *retry_at,
            });
        }
        DeliveryOutcome::Failed { .. } => {}
        DeliveryOutcome::Delivered { refused } => {
            let all: Vec<&str> = row.refused.iter().chain(refused).map(String::as_str).collect();
            if !all.is_empty() {
                shared.emit(Event::Refused {
                    receiver: receiver(),
                    error: all.join("; "),
                });
            }
        }
    }
    let key = row.key;
    if let Err(e) = shared.writer.write(move |write| write.end_delivery(key, &outcome, now)) {
        shared.emit(Event::Error(e));
    }
}
