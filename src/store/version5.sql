-- Version 5: events, in the order in which they were committed; the history on file becomes the first of them.

CREATE TABLE event (
    key INTEGER PRIMARY KEY,           -- never reused: the newest event is never pruned
    at_ms INTEGER NOT NULL,
    kind TEXT NOT NULL,
    schedule INTEGER,                  -- may have been deleted
    schedule_id TEXT,                  -- of events that are about the schedule itself
    run INTEGER,                       -- deleted together with the run
    position INTEGER,                  -- of the step
    number INTEGER,                    -- of the attempt or of the failure
    value INTEGER,                     -- a key, time, duration or count; `store/event_kind.rs` tells which
    detail TEXT
) STRICT;
CREATE INDEX event_schedule ON event (schedule_id) WHERE schedule_id IS NOT NULL;          -- for `events`: the keys of deleted schedules
CREATE INDEX event_of ON event (schedule, schedule_id) WHERE schedule_id IS NOT NULL;      -- for `events`: the ids of deleted schedules
CREATE INDEX event_run ON event (run) WHERE run IS NOT NULL;                                -- for `events` of a run
CREATE INDEX event_server ON event (key) WHERE schedule IS NULL AND run IS NULL;           -- for `last_server_event`

INSERT INTO event (at_ms, kind, schedule, schedule_id, run, position, number, value, detail)
    SELECT at, kind, schedule, schedule_id, run, position, number, value, detail FROM (
        SELECT created_ms AS at, 0 AS rank, 'create' AS kind, key AS schedule, id AS schedule_id, NULL AS run, NULL AS position,
            NULL AS number, NULL AS value, nullif(spec_text, '') AS detail FROM schedule
        UNION ALL SELECT paused_ms, 1, 'pause', key, id, NULL, NULL, NULL, NULL, nullif(note, '')
            FROM schedule WHERE paused_ms IS NOT NULL AND paused_ms > created_ms
        UNION ALL SELECT decided_ms, 2, CASE outcome WHEN 'skipped' THEN 'skip' WHEN 'missed' THEN 'miss' WHEN 'dropped' THEN 'drop' ELSE outcome END,
            schedule, NULL, NULL, NULL, from_ms, key, reason FROM refused
        UNION ALL SELECT started_ms, 3, 'start', schedule, NULL, key, NULL, NULL, NULL, NULL FROM run
        UNION ALL SELECT a.started_ms + a.elapsed_ms, 4, CASE a.outcome WHEN 'lost' THEN 'lost' ELSE 'retry' END,
            r.schedule, NULL, a.run, a.position, a.number, n.started_ms, NULL
            FROM attempt a JOIN run r ON r.key = a.run LEFT JOIN attempt n ON n.run = a.run AND n.position = a.position AND n.number = a.number + 1
            WHERE a.outcome = 'lost' OR (a.outcome = 'failed' AND n.number IS NOT NULL)
        UNION ALL SELECT s.closed_ms, 5, 'step', r.schedule, NULL, s.run, s.position, NULL, NULL, nullif(s.result, CASE s.status WHEN 'Completed' THEN s.result END)
            FROM step s JOIN run r ON r.key = s.run WHERE s.status NOT IN ('Failed', 'TimedOut')
        UNION ALL SELECT o.detected_ms, 5, 'incident', r.schedule, NULL, o.run, NULL, o.number, o.incident, NULL
            FROM occurrence o JOIN run r ON r.key = o.run
        UNION ALL SELECT resolved_ms, 6, 'resolved', CAST(substr(owner, 10) AS INTEGER), schedule_id, NULL, NULL, NULL, id, nullif(note, '')
            FROM incident WHERE resolved_ms IS NOT NULL AND owner LIKE 'schedule %'
        UNION ALL SELECT closed_ms, 7, 'finish', schedule, NULL, key, NULL, nullif(incidents, 0), closed_ms - coalesce(resumed_ms, started_ms),
            CASE WHEN status <> 'Completed' THEN status || coalesce(': ' || reason, '') END FROM run WHERE closed_ms IS NOT NULL
    ) ORDER BY at, rank;

CREATE TABLE rollup (                  -- closed steps, summed by the hour
    schedule INTEGER NOT NULL REFERENCES schedule ON DELETE CASCADE,
    step TEXT NOT NULL,
    hour INTEGER NOT NULL,             -- hours since the epoch
    ok INTEGER NOT NULL,
    failed INTEGER NOT NULL,           -- those that recorded a failure in an incident
    slowest_ms INTEGER NOT NULL,
    latencies BLOB NOT NULL,           -- a histogram; `run/statistics.rs` tells its form
    PRIMARY KEY (schedule, step, hour)
) STRICT, WITHOUT ROWID;

ALTER TABLE schedule ADD COLUMN note_before TEXT;                  -- the note that the note of the pause replaced; restored when it is unpaused

CREATE TABLE receiver (                -- who is notified of events: the `[[notify]]` tables
    key INTEGER PRIMARY KEY AUTOINCREMENT,   -- never used again: a message belongs to one receiver
    name TEXT NOT NULL UNIQUE,
    definition TEXT NOT NULL,          -- as JSON
    source TEXT,                       -- the file whose `apply` made it
    cursor INTEGER NOT NULL            -- messages about events up to this key have been written
) STRICT;

CREATE TABLE message (                 -- the outbox
    key INTEGER PRIMARY KEY AUTOINCREMENT,   -- never used again: the end of a delivery names its message by it
    id TEXT NOT NULL UNIQUE DEFAULT (lower(hex(randomblob(16)))),   -- by which a receiver recognizes a message that it has already got
    receiver INTEGER NOT NULL REFERENCES receiver ON DELETE CASCADE,
    topic TEXT NOT NULL,
    events TEXT NOT NULL,              -- as JSON; fixed from the first attempt on
    created_ms INTEGER NOT NULL,
    due_ms INTEGER NOT NULL,           -- when it is sent, or sent again
    attempts INTEGER NOT NULL DEFAULT 0,
    attempted_ms INTEGER,              -- when it was last sent
    error TEXT,                        -- why the last attempt failed
    status TEXT NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'delivered', 'failed')),
    closed_ms INTEGER,
    CHECK ((status = 'pending') = (closed_ms IS NULL)),
    CHECK ((attempts = 0) = (attempted_ms IS NULL))
) STRICT;
CREATE INDEX message_open ON message (receiver, due_ms) WHERE status = 'pending';       -- for `next_message_of`
CREATE INDEX message_of ON message (receiver, status, key);                             -- for `receiver_state` and the cascade
CREATE INDEX message_attempted ON message (receiver, attempted_ms) WHERE attempted_ms IS NOT NULL;   -- for the limit of a receiver
CREATE INDEX message_closed ON message (closed_ms) WHERE closed_ms IS NOT NULL;         -- for `prune`

ALTER TABLE schedule ADD COLUMN alerts TEXT;                       -- the alert settings as JSON; null: the defaults
ALTER TABLE incident ADD COLUMN successes INTEGER NOT NULL DEFAULT 0;   -- in a row, since its last failure
ALTER TABLE incident ADD COLUMN remind_every_ms INTEGER;
ALTER TABLE incident ADD COLUMN remind_ms INTEGER;                 -- when receivers are reminded of it
CREATE INDEX incident_remind ON incident (remind_ms) WHERE remind_ms IS NOT NULL;   -- for `due_reminders`

CREATE TABLE failing (                 -- failures in a row that are too few for an incident; they become its first ones
    owner TEXT NOT NULL,               -- as in `incident`
    step TEXT NOT NULL,
    number INTEGER NOT NULL,
    run INTEGER,
    run_id TEXT NOT NULL,
    target_name TEXT NOT NULL,
    target_url TEXT NOT NULL,
    status_code INTEGER,
    error TEXT NOT NULL,
    error_type TEXT NOT NULL,
    elapsed_ms INTEGER NOT NULL,
    detected_ms INTEGER NOT NULL,
    PRIMARY KEY (owner, step, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE expectation (             -- schedules that must succeed within a time
    schedule INTEGER PRIMARY KEY REFERENCES schedule ON DELETE CASCADE,
    within_ms INTEGER NOT NULL CHECK (within_ms > 0),
    since_ms INTEGER NOT NULL,         -- the last success, or when the setting was made
    due_ms INTEGER                     -- null: an incident is open
) STRICT;
CREATE INDEX expectation_due ON expectation (due_ms) WHERE due_ms IS NOT NULL;   -- for `overdue_expectations`

CREATE TABLE beat (                    -- heartbeats of jobs that another scheduler runs
    key INTEGER PRIMARY KEY AUTOINCREMENT,   -- never used again: the server remembers the newest that it has seen
    schedule INTEGER NOT NULL REFERENCES schedule ON DELETE CASCADE,
    at_ms INTEGER NOT NULL,
    elapsed_ms INTEGER,                -- of a command that was wrapped
    exit_code INTEGER,
    error TEXT,                        -- why it failed
    output BLOB
) STRICT;
CREATE INDEX beat_schedule ON beat (schedule, at_ms);   -- for `beat_between` and the cascade
CREATE INDEX beat_at ON beat (at_ms);                   -- for `prune`

ALTER TABLE schedule ADD COLUMN max_running INTEGER CHECK (max_running > 0);
ALTER TABLE epoch ADD COLUMN max_running INTEGER CHECK (max_running > 0);

CREATE TABLE follower (                -- schedules that start after the runs of others
    target TEXT NOT NULL,              -- the id of the other; it need not exist
    outcome TEXT NOT NULL CHECK (outcome IN ('completed', 'failed')),
    schedule INTEGER NOT NULL REFERENCES schedule ON DELETE CASCADE,
    PRIMARY KEY (target, outcome, schedule)
) STRICT, WITHOUT ROWID;
CREATE INDEX follower_schedule ON follower (schedule);   -- for `after_of` and the cascade
