-- Version 2: what a list shows stands beside the spec; since when a schedule is paused; which specs were in force before.

ALTER TABLE schedule ADD COLUMN spec_text TEXT NOT NULL DEFAULT '';   -- in English; empty: not put in words yet
ALTER TABLE schedule ADD COLUMN time_zone TEXT NOT NULL DEFAULT '';
ALTER TABLE schedule ADD COLUMN jitter TEXT;
ALTER TABLE schedule ADD COLUMN paused_ms INTEGER;                    -- since when it is paused
UPDATE schedule SET paused_ms = updated_ms WHERE paused = 1;

ALTER TABLE epoch ADD COLUMN note TEXT NOT NULL DEFAULT '';
ALTER TABLE epoch ADD COLUMN paused_ms INTEGER;
UPDATE epoch SET paused_ms = until_ms WHERE paused = 1;

CREATE TABLE past_spec (
    schedule INTEGER NOT NULL REFERENCES schedule ON DELETE CASCADE,
    until_ms INTEGER NOT NULL,         -- nominal times up to here, and after the row before, were named by it
    spec TEXT NOT NULL,
    PRIMARY KEY (schedule, until_ms)
) STRICT, WITHOUT ROWID;

CREATE INDEX refused_until ON refused (schedule, to_ms);           -- for `refused_between`
CREATE INDEX run_backfilled ON run (schedule, nominal_ms) WHERE origin = 'backfill';   -- for `refused_between`

CREATE INDEX schedule_zone ON schedule (time_zone, key);           -- for `zones_in_use` and `attend_zone`
CREATE TABLE zone (
    name TEXT PRIMARY KEY,
    fingerprint TEXT NOT NULL,         -- of the spans that next times were computed by
    since_ms INTEGER NOT NULL          -- when the server first saw them
) STRICT, WITHOUT ROWID;

ALTER TABLE incident ADD COLUMN note TEXT NOT NULL DEFAULT '';        -- what people say of it

ALTER TABLE request ADD COLUMN spec TEXT;                             -- of a backfill: the spec it was asked under, where that has changed
