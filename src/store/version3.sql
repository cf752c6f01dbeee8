-- Version 3: a run can be asked to go on after it has failed; durable scripts; history that is pruned.

CREATE TABLE request_3 (
    key INTEGER PRIMARY KEY AUTOINCREMENT,   -- never used again: runs outlive their request
    request_id TEXT NOT NULL UNIQUE DEFAULT (lower(hex(randomblob(8)))),
    kind TEXT NOT NULL CHECK (kind IN ('trigger', 'backfill', 'cancel', 'terminate', 'retry')),
    schedule INTEGER REFERENCES schedule ON DELETE CASCADE,
    run INTEGER REFERENCES run ON DELETE CASCADE,
    overlap TEXT,
    start_ms INTEGER,
    end_ms INTEGER,
    done_to_ms INTEGER,
    taken INTEGER NOT NULL DEFAULT 0,
    reason TEXT,
    created_ms INTEGER NOT NULL,
    settled_ms INTEGER,
    spec TEXT,                               -- of a backfill: the spec it was asked under, where that has changed
    CHECK ((kind IN ('trigger', 'backfill')) = (schedule IS NOT NULL)),
    CHECK ((kind IN ('cancel', 'terminate', 'retry')) = (run IS NOT NULL)),
    CHECK ((kind = 'backfill') = (start_ms IS NOT NULL AND end_ms IS NOT NULL))
) STRICT;
INSERT INTO sqlite_sequence (name, seq) SELECT 'request_3', seq FROM sqlite_sequence WHERE name = 'request';
INSERT INTO request_3 (key, request_id, kind, schedule, run, overlap, start_ms, end_ms, done_to_ms, taken, reason, created_ms, settled_ms, spec)
    SELECT key, request_id, kind, schedule, run, overlap, start_ms, end_ms, done_to_ms, taken, reason, created_ms, settled_ms, spec FROM request;
DROP TABLE request;
ALTER TABLE request_3 RENAME TO request;
CREATE INDEX request_open ON request (schedule) WHERE settled_ms IS NULL;   -- for `situation` and `open_requests`
CREATE INDEX request_schedule ON request (schedule);                        -- for the cascade
CREATE INDEX request_run ON request (run) WHERE run IS NOT NULL;            -- for the cascade
CREATE INDEX request_of_run ON request (key) WHERE settled_ms IS NULL AND schedule IS NULL;   -- for `open_run_requests`
CREATE INDEX request_settled ON request (settled_ms) WHERE settled_ms IS NOT NULL;   -- for `prune`

ALTER TABLE run ADD COLUMN resumed_ms INTEGER;                     -- since when its time counts, where it was retried
CREATE INDEX run_unhappy ON run (schedule, key) WHERE closed_ms IS NOT NULL AND (status <> 'Completed' OR incidents > 0);   -- for `prune`: the last failures of each schedule

CREATE TABLE script_step (
    key INTEGER PRIMARY KEY,
    run INTEGER NOT NULL REFERENCES run ON DELETE CASCADE,
    position INTEGER NOT NULL,         -- of the step whose command called it
    name TEXT NOT NULL,
    parent TEXT,                       -- the script step that called it, where one did
    kind TEXT NOT NULL CHECK (kind IN ('command', 'sleep')),
    work TEXT NOT NULL,                -- argv as JSON, or the duration: the same name means the same work
    wake_ms INTEGER,                   -- of a sleep
    stdout BLOB,                       -- of its first success; returned whenever the script runs again
    closed_ms INTEGER,
    CHECK ((kind = 'sleep') = (wake_ms IS NOT NULL)),
    CHECK ((closed_ms IS NULL) = (stdout IS NULL)),
    UNIQUE (run, position, name)
) STRICT;

CREATE TABLE script_attempt (
    step INTEGER NOT NULL REFERENCES script_step ON DELETE CASCADE,
    number INTEGER NOT NULL,
    started_ms INTEGER NOT NULL,
    elapsed_ms INTEGER,
    outcome TEXT CHECK (outcome IN ('ok', 'failed', 'lost', 'canceled', 'terminated')),
    error_type TEXT,
    error TEXT,
    exit_code INTEGER,
    pid INTEGER NOT NULL,              -- of the `tempo step` that makes it
    pid_started INTEGER NOT NULL,
    boot TEXT NOT NULL,
    CHECK ((outcome IS NULL) = (elapsed_ms IS NULL)),
    PRIMARY KEY (step, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX script_attempt_open ON script_attempt (step) WHERE outcome IS NULL;   -- for `end_script_attempts`

ALTER TABLE progress ADD COLUMN pruned_ms INTEGER;                 -- what became of nominal times up to here is not on file any more
CREATE INDEX refused_decided ON refused (decided_ms);              -- for `prune`
CREATE INDEX incident_resolved ON incident (resolved_ms) WHERE resolved_ms IS NOT NULL;   -- for `prune`
