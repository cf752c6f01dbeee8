//! The outbox: messages to receivers, kept until each is delivered or given up.

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::{OptionalExtension as _, Row, ToSql, named_params};

use super::rows::{Context as _, at, at_opt, count, ms, text, text_opt, to_json};
use super::{Read, Write};
use crate::error::Error;

/// Maximum number of events in one message.
const MAX_EVENTS: u64 = 500;

/// A message.
#[derive(Debug, Clone)]
pub(crate) struct MessageRow {
    pub(crate) key: i64,
    pub(crate) id: String,
    /// The key of its receiver.
    pub(crate) receiver: i64,
    /// The name of its receiver.
    pub(crate) receiver_name: String,
    pub(crate) topic: String,
    /// The events as JSON.
    pub(crate) events: String,
    /// The addresses of a mail that have not got it, as JSON; `None` for all.
    pub(crate) left_to: Option<String>,
    /// Why addresses of a mail were refused for good.
    pub(crate) refused: Option<String>,
    pub(crate) created: DateTime<Utc>,
    /// When it is sent, or sent again, while it is pending.
    pub(crate) due: DateTime<Utc>,
    pub(crate) attempts: u32,
    pub(crate) attempted: Option<DateTime<Utc>>,
    pub(crate) error: Option<String>,
    pub(crate) status: String,
    pub(crate) closed: Option<DateTime<Utc>>,
}

impl MessageRow {
    /// Whether it is to be sent at `now`. One that was written, or last sent, after `now` is: its time was set before the clock was set back.
    pub(crate) fn is_due(&self, now: DateTime<Utc>) -> bool {
        self.due <= now || self.attempted.unwrap_or(self.created) > now
    }
}

const MESSAGE: &str = "SELECT m.key, m.id, m.receiver, r.name, m.topic, m.events, m.left_to, m.refused, m.created_ms, m.due_ms, m.attempts, m.attempted_ms, m.error, m.status, m.closed_ms
    FROM message m JOIN receiver r ON r.key = m.receiver";

fn row(r: &Row<'_>) -> rusqlite::Result<MessageRow> {
    Ok(MessageRow {
        key: r.get("key")?,
        id: r.get("id")?,
        receiver: r.get("receiver")?,
        receiver_name: text(r, "name")?,
        topic: text(r, "topic")?,
        events: text(r, "events")?,
        left_to: r.get("left_to")?,
        refused: r.get("refused")?,
        created: at(r.get("created_ms")?),
        due: at(r.get("due_ms")?),
        attempts: r.get("attempts")?,
        attempted: at_opt(r.get("attempted_ms")?),
        error: text_opt(r, "error")?,
        status: r.get("status")?,
        closed: at_opt(r.get("closed_ms")?),
    })
}

/// The end of an attempt to deliver a message.
#[derive(Debug, Clone)]
pub(crate) enum DeliveryOutcome {
    /// The receiver acknowledged it; `refused` says why addresses of a mail were refused for good, if any were.
    Delivered { refused: Option<String> },
    /// It did not, or the addresses that are `left` have not got it; the message is sent again at a time, or given up.
    Failed {
        error: String,
        retry_at: Option<DateTime<Utc>>,
        left: Option<Vec<String>>,
        refused: Option<String>,
    },
}

impl Read<'_> {
    /// The message that a receiver gets next, due or not. A message holds the later ones back, until it has been tried `attempts_before_others` times; from then on
    /// it is sent between them, when it is due.
    pub(crate) fn next_message_of(
        &self,
        receiver: i64,
        attempts_before_others: u32,
        now: DateTime<Utc>,
    ) -> Result<Option<MessageRow>, Error> {
        let what = "read the pending messages";
        let one = |condition: &str, parameters: &[(&str, &dyn ToSql)]| {
            let sql = format!("{MESSAGE} WHERE m.receiver = :receiver AND m.status = 'pending' AND {condition} LIMIT 1");
            let mut statement = self.0.prepare_cached(&sql).context(what)?;
            statement.query_row(parameters, row).optional().context(what)
        };
        let parameters =
            named_params! {":receiver": receiver, ":attempts_before_others": attempts_before_others, ":now": ms(now)};
        // A mail that some of its addresses have got holds nothing back.
        let first = one(
            "m.attempts < :attempts_before_others AND m.left_to IS NULL ORDER BY m.key",
            &parameters[..2],
        )?;
        if first.as_ref().is_some_and(|first| first.is_due(now)) {
            return Ok(first);
        }
        // First those that are due, as in `MessageRow::is_due`.
        let tried = one(
            "(m.attempts >= :attempts_before_others OR m.left_to IS NOT NULL)
            ORDER BY m.due_ms > :now AND coalesce(m.attempted_ms, m.created_ms) <= :now, m.due_ms, m.key",
            parameters,
        )?;
        Ok(first
            .into_iter()
            .chain(tried)
            .min_by_key(|message| (!message.is_due(now), message.due)))
    }

    /// When the oldest of the last `most` messages to a receiver was sent; `None` if fewer have been sent since `since`. Those after `now` do not
    /// count: the clock was set back.
    pub(crate) fn oldest_of_last_sends(
        &self,
        receiver: i64,
        most: u32,
        (since, now): (DateTime<Utc>, DateTime<Utc>),
    ) -> Result<Option<DateTime<Utc>>, Error> {
        const SQL: &str =
            "SELECT attempted_ms FROM message WHERE receiver = :receiver AND attempted_ms > :since AND attempted_ms <= :now
            ORDER BY attempted_ms DESC LIMIT 1 OFFSET :most - 1";
        let mut statement = self.0.prepare_cached(SQL).context("read the sent messages")?;
        let found = statement.query_row(
            named_params! {":receiver": receiver, ":most": most, ":since": ms(since), ":now": ms(now)},
            |r| Ok(at(r.get("attempted_ms")?)),
        );
        found.optional().context("read the sent messages")
    }

    /// Messages, oldest first: those that were given up, or all that are not delivered; of one receiver, or of all.
    pub(crate) fn messages(&self, receiver: Option<&str>, failed: bool) -> Result<Vec<MessageRow>, Error> {
        let what = "list the messages";
        let sql = format!(
            "{MESSAGE} WHERE m.status <> 'delivered' AND (NOT :failed OR m.status = 'failed') AND (:receiver IS NULL OR r.name = :receiver) ORDER BY m.key"
        );
        let mut statement = self.0.prepare_cached(&sql).context(what)?;
        let rows = statement
            .query_map(named_params! {":receiver": receiver, ":failed": failed}, row)
            .context(what)?;
        rows.collect::<rusqlite::Result<_>>().context(what)
    }

    /// The events of a message as they are now: others may have joined it since it was read.
    pub(crate) fn message_events(&self, key: i64) -> Result<Option<String>, Error> {
        const SQL: &str = "SELECT events FROM message WHERE key = :key AND status = 'pending'";
        let mut statement = self.0.prepare_cached(SQL).context("read the message")?;
        let found = statement.query_row(named_params! {":key": key}, |r| r.get("events"));
        found.optional().context("read the message")
    }
}

impl Write<'_> {
    /// Adds an event, as JSON, to the newest message of a receiver, if that has this topic and was not sent yet, or to a new one that is due at `due`.
    pub(crate) fn add_notice(
        &self,
        receiver: i64,
        topic: &str,
        (event, joins): (&str, bool),
        due: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        const JOIN: &str = "UPDATE message SET events = json_insert(events, '$[#]', json(:event)) WHERE key = (
            SELECT key FROM message WHERE receiver = :receiver ORDER BY key DESC LIMIT 1)
            AND status = 'pending' AND attempts = 0 AND topic = :topic AND json_array_length(events) < :most";
        const INSERT: &str = "INSERT INTO message (receiver, topic, events, created_ms, due_ms)
            SELECT key, :topic, json_array(json(:event)), :now, :due FROM receiver WHERE key = :receiver";
        let what = "record the message";
        let mut joined = 0;
        if joins {
            let mut statement = self.0.0.prepare_cached(JOIN).context(what)?;
            let parameters = named_params! {":receiver": receiver, ":topic": topic, ":event": event, ":most": count(MAX_EVENTS)};
            joined = statement.execute(parameters).context(what)?;
        }
        if joined == 0 {
            let mut statement = self.0.0.prepare_cached(INSERT).context(what)?;
            let parameters =
                named_params! {":receiver": receiver, ":topic": topic, ":event": event, ":now": ms(now), ":due": ms(due)};
            statement.execute(parameters).context(what)?;
        }
        Ok(())
    }

    /// Makes the messages due whose delivery an earlier server began and did not end: `again` is how long after its begin each would be due.
    pub(crate) fn resume_deliveries(&self, again: TimeDelta, now: DateTime<Utc>) -> Result<(), Error> {
        const SQL: &str =
            "UPDATE message SET due_ms = :now WHERE status = 'pending' AND due_ms > :now AND due_ms = attempted_ms + :again";
        let mut statement = self.0.0.prepare_cached(SQL).context("resume the deliveries")?;
        let done = statement.execute(named_params! {":now": ms(now), ":again": again.num_milliseconds()});
        done.map(|_| ()).context("resume the deliveries")
    }

    /// Postpones a pending message.
    pub(crate) fn postpone_message(&self, key: i64, due: DateTime<Utc>) -> Result<(), Error> {
        const SQL: &str = "UPDATE message SET due_ms = :due WHERE key = :key AND status = 'pending'";
        let mut statement = self.0.0.prepare_cached(SQL).context("postpone the message")?;
        let done = statement.execute(named_params! {":key": key, ":due": ms(due)});
        done.map(|_| ()).context("postpone the message")
    }

    /// Records that a message is being sent; if that is never recorded as over, it is sent again at `again`. Returns its events, which are fixed
    /// from now on; `None` if it is no longer pending.
    pub(crate) fn begin_delivery(&self, key: i64, again: DateTime<Utc>, now: DateTime<Utc>) -> Result<Option<String>, Error> {
        const SQL: &str = "UPDATE message SET attempts = attempts + 1, attempted_ms = :now, due_ms = :again WHERE key = :key AND status = 'pending'";
        let mut statement = self.0.0.prepare_cached(SQL).context("record the attempt")?;
        statement
            .execute(named_params! {":key": key, ":again": ms(again), ":now": ms(now)})
            .context("record the attempt")?;
        self.message_events(key)
    }

    /// Records the end of an attempt to deliver a message.
    pub(crate) fn end_delivery(&self, key: i64, outcome: &DeliveryOutcome, now: DateTime<Utc>) -> Result<(), Error> {
        const SQL: &str =
            "UPDATE message SET status = :status, due_ms = coalesce(:due, due_ms), left_to = coalesce(:left, left_to),
            refused = coalesce(refused || '; ' || :refused, refused, :refused),
            error = CASE :status WHEN 'delivered' THEN coalesce(refused || '; ' || :refused, refused, :refused) ELSE :error END,
            closed_ms = CASE WHEN :status <> 'pending' THEN :now END WHERE key = :key AND status = 'pending'";
        let (status, error, due, left, refused) = match outcome {
            DeliveryOutcome::Delivered { refused } => ("delivered", None, None, None, refused),
            DeliveryOutcome::Failed {
                error,
                retry_at,
                left,
                refused,
            } => {
                let status = if retry_at.is_some() { "pending" } else { "failed" };
                (status, Some(error), retry_at.map(ms), left.as_ref(), refused)
            }
        };
        let left = left.map(|left| to_json("addresses", left)).transpose()?;
        let mut statement = self.0.0.prepare_cached(SQL).context("record the attempt")?;
        let done = statement.execute(named_params! {
            ":key": key, ":status": status, ":error": error, ":due": due, ":left": left, ":refused": refused, ":now": ms(now),
        });
        done.map(|_| ()).context("record the attempt")
    }

    /// Sends a message again that was given up or waits to be retried; its time to be given up begins anew.
    pub(crate) fn retry_message(&self, key: i64, now: DateTime<Utc>) -> Result<(), Error> {
        const SQL: &str = "UPDATE message SET status = 'pending', closed_ms = NULL, created_ms = :now, due_ms = :now
            WHERE key = :key AND status <> 'delivered'";
        let mut statement = self.0.0.prepare_cached(SQL).context("send the message again")?;
        let done = statement.execute(named_params! {":key": key, ":now": ms(now)});
        done.map(|_| ()).context("send the message again")
    }
}
