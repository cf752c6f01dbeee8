-- Version 4: schedules that a file defines know which, and what it said of their state last.

ALTER TABLE schedule ADD COLUMN source TEXT;     -- the file whose `apply` or import made it
ALTER TABLE schedule ADD COLUMN declared TEXT    -- what that file said of its state last, as JSON
    CHECK ((declared IS NULL) = (source IS NULL));
CREATE INDEX schedule_source ON schedule (source) WHERE source IS NOT NULL;   -- for `sources`
