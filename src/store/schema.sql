-- Version 1. Times are milliseconds since the epoch, UTC. What changes at every tick (progress, due) stays out of the wide rows.

CREATE TABLE meta (
    name TEXT PRIMARY KEY,             -- 'boot': the boot in which the file was last served
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE workflow (
    key INTEGER PRIMARY KEY,
    json TEXT NOT NULL UNIQUE          -- an action as written; shared by all that are alike, never changed
) STRICT;

CREATE TABLE schedule (
    key INTEGER PRIMARY KEY AUTOINCREMENT,   -- never used again: runs outlive their schedule
    id TEXT NOT NULL UNIQUE,
    spec TEXT NOT NULL,
    workflow INTEGER NOT NULL REFERENCES workflow,
    workflow_id TEXT NOT NULL,         -- the base of the ids of its runs
    overlap TEXT NOT NULL CHECK (overlap IN ('skip', 'buffer-one', 'buffer-all', 'cancel-other', 'terminate-other', 'allow-all')),
    catchup_window_ms INTEGER NOT NULL CHECK (catchup_window_ms >= 0),
    pause_on_failure INTEGER NOT NULL CHECK (pause_on_failure IN (0, 1)),
    note TEXT NOT NULL,
    paused INTEGER NOT NULL CHECK (paused IN (0, 1)),
    created_ms INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE progress (
    schedule INTEGER PRIMARY KEY REFERENCES schedule ON DELETE CASCADE,
    cursor_ms INTEGER NOT NULL,        -- nominal times up to here are decided
    floor_ms INTEGER NOT NULL,         -- due times up to here are decided
    next_ms INTEGER,                   -- the next due time, for people
    attention_ms INTEGER,              -- when the ticker must look; the key of the row in `due`
    remaining INTEGER CHECK (remaining >= 0),
    actions INTEGER NOT NULL DEFAULT 0,
    skipped INTEGER NOT NULL DEFAULT 0,
    missed INTEGER NOT NULL DEFAULT 0,
    dropped INTEGER NOT NULL DEFAULT 0,
    last_nominal_ms INTEGER,
    last_started_ms INTEGER
) STRICT;

CREATE TABLE due (
    at_ms INTEGER NOT NULL,
    schedule INTEGER NOT NULL REFERENCES schedule ON DELETE CASCADE,
    PRIMARY KEY (at_ms, schedule)
) STRICT, WITHOUT ROWID;
CREATE INDEX due_schedule ON due (schedule);                       -- for the cascade

CREATE TABLE epoch (
    key INTEGER PRIMARY KEY,
    schedule INTEGER NOT NULL REFERENCES schedule ON DELETE CASCADE,
    until_ms INTEGER NOT NULL,
    spec TEXT NOT NULL,
    workflow INTEGER NOT NULL REFERENCES workflow,
    workflow_id TEXT NOT NULL,
    overlap TEXT NOT NULL,
    catchup_window_ms INTEGER NOT NULL,
    paused INTEGER NOT NULL CHECK (paused IN (0, 1)),
    remaining INTEGER CHECK (remaining >= 0)
) STRICT;
CREATE INDEX epoch_schedule ON epoch (schedule);                   -- for `situation`

CREATE TABLE request (
    key INTEGER PRIMARY KEY AUTOINCREMENT,   -- never used again: runs outlive their request
    request_id TEXT NOT NULL UNIQUE DEFAULT (lower(hex(randomblob(8)))),
    kind TEXT NOT NULL CHECK (kind IN ('trigger', 'backfill', 'cancel', 'terminate')),
    schedule INTEGER REFERENCES schedule ON DELETE CASCADE,
    run INTEGER REFERENCES run,
    overlap TEXT,
    start_ms INTEGER,
    end_ms INTEGER,
    done_to_ms INTEGER,
    taken INTEGER NOT NULL DEFAULT 0,
    reason TEXT,
    created_ms INTEGER NOT NULL,
    settled_ms INTEGER,
    CHECK ((kind IN ('trigger', 'backfill')) = (schedule IS NOT NULL)),
    CHECK ((kind IN ('cancel', 'terminate')) = (run IS NOT NULL)),
    CHECK ((kind = 'backfill') = (start_ms IS NOT NULL AND end_ms IS NOT NULL))
) STRICT;
CREATE INDEX request_open ON request (schedule) WHERE settled_ms IS NULL;   -- for `situation` and `open_requests`
CREATE INDEX request_schedule ON request (schedule);                        -- for the cascade
CREATE INDEX request_run ON request (run) WHERE run IS NOT NULL;

CREATE TABLE waiting (
    key INTEGER PRIMARY KEY,
    schedule INTEGER NOT NULL REFERENCES schedule ON DELETE CASCADE,
    nominal_ms INTEGER NOT NULL,
    due_ms INTEGER NOT NULL,
    origin TEXT NOT NULL CHECK (origin IN ('scheduled', 'trigger', 'backfill')),
    request INTEGER,
    overlap TEXT,
    CHECK ((origin = 'scheduled') = (request IS NULL))
) STRICT;
CREATE INDEX waiting_schedule ON waiting (schedule);               -- for `situation`
CREATE INDEX waiting_request ON waiting (request) WHERE request IS NOT NULL;   -- for `request_state`

CREATE TABLE run (
    key INTEGER PRIMARY KEY,
    run_id TEXT NOT NULL UNIQUE DEFAULT (lower(hex(randomblob(10)))),
    workflow_id TEXT NOT NULL,
    schedule INTEGER,                  -- may be gone; then `schedule_id` still says whose it was
    schedule_id TEXT,
    origin TEXT NOT NULL CHECK (origin IN ('scheduled', 'trigger', 'backfill', 'start')),
    request INTEGER,
    workflow INTEGER NOT NULL REFERENCES workflow,
    nominal_ms INTEGER NOT NULL,
    due_ms INTEGER NOT NULL,
    started_ms INTEGER NOT NULL,
    closed_ms INTEGER,
    status TEXT NOT NULL DEFAULT 'Running'
        CHECK (status IN ('Running', 'Completed', 'Failed', 'Canceled', 'Terminated', 'TimedOut')),
    reason TEXT,
    incidents INTEGER NOT NULL DEFAULT 0,
    position INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    lost INTEGER NOT NULL DEFAULT 0,
    lost_in_a_row INTEGER NOT NULL DEFAULT 0,
    step_started_ms INTEGER,
    phase TEXT NOT NULL DEFAULT 'ready' CHECK (phase IN ('ready', 'waiting', 'running')),
    phase_ms INTEGER,                  -- waiting: until when; running: since when
    stop TEXT CHECK (stop IN ('cancel', 'terminate')),
    stop_reason TEXT,
    CHECK ((closed_ms IS NULL) = (status = 'Running')),
    CHECK ((phase = 'ready') = (phase_ms IS NULL))
) STRICT;
CREATE UNIQUE INDEX run_nominal ON run (schedule, nominal_ms) WHERE origin = 'scheduled';   -- each nominal time once
CREATE INDEX run_open ON run (schedule) WHERE closed_ms IS NULL;   -- for `running_of` and `open_runs`
CREATE INDEX run_schedule ON run (schedule, key);                  -- for `recent_of`
CREATE INDEX run_workflow_id ON run (workflow_id, key);            -- for `run_named`
CREATE INDEX run_request ON run (request) WHERE request IS NOT NULL;   -- for `request_state`

CREATE TABLE step (
    run INTEGER NOT NULL REFERENCES run ON DELETE CASCADE,
    position INTEGER NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('Completed', 'Failed', 'Canceled', 'Terminated', 'TimedOut')),
    result TEXT NOT NULL,
    closed_ms INTEGER NOT NULL,
    PRIMARY KEY (run, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE attempt (
    run INTEGER NOT NULL REFERENCES run ON DELETE CASCADE,
    position INTEGER NOT NULL,
    number INTEGER NOT NULL,
    started_ms INTEGER NOT NULL,
    elapsed_ms INTEGER,
    outcome TEXT CHECK (outcome IN ('ok', 'failed', 'lost', 'canceled', 'terminated')),
    error_type TEXT,
    error TEXT,
    status_code INTEGER,
    exit_code INTEGER,
    pid INTEGER,                       -- of the process group, so that one left behind can be ended
    pid_started INTEGER,
    boot TEXT,
    CHECK ((outcome IS NULL) = (elapsed_ms IS NULL)),
    PRIMARY KEY (run, position, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE output (
    run INTEGER NOT NULL REFERENCES run ON DELETE CASCADE,
    position INTEGER NOT NULL,
    number INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (run, position, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE refused (
    key INTEGER PRIMARY KEY,
    schedule INTEGER NOT NULL REFERENCES schedule ON DELETE CASCADE,
    from_ms INTEGER NOT NULL,
    to_ms INTEGER NOT NULL,
    count INTEGER NOT NULL CHECK (count > 0),
    outcome TEXT NOT NULL CHECK (outcome IN ('skipped', 'missed', 'dropped', 'superseded', 'paused', 'exhausted')),
    reason TEXT NOT NULL,
    origin TEXT NOT NULL,
    request INTEGER,
    run INTEGER,                       -- the one that was going
    decided_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX refused_schedule ON refused (schedule, key);          -- for folding, and to be asked for
CREATE INDEX refused_request ON refused (request) WHERE request IS NOT NULL;   -- for `request_state`

CREATE TABLE incident (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    owner TEXT NOT NULL,               -- the schedule's key, or the workflow id of a run without schedule
    step TEXT NOT NULL,
    schedule_id TEXT,
    status TEXT NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'acked', 'resolved')),
    count INTEGER NOT NULL DEFAULT 0,
    resolved_ms INTEGER,
    CHECK ((status = 'resolved') = (resolved_ms IS NOT NULL))
) STRICT;
CREATE UNIQUE INDEX incident_open ON incident (owner, step) WHERE status <> 'resolved';   -- one open incident each

CREATE TABLE occurrence (
    incident INTEGER NOT NULL REFERENCES incident ON DELETE CASCADE,
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
    PRIMARY KEY (incident, number)
) STRICT, WITHOUT ROWID;
