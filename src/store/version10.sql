-- Version 10: the times that schedules have spent on a Temporal cluster.

CREATE TABLE move (
    key INTEGER PRIMARY KEY,
    schedule INTEGER NOT NULL REFERENCES schedule ON DELETE CASCADE,
    at_ms INTEGER NOT NULL,            -- times that were due later run there
    address TEXT NOT NULL,
    namespace TEXT NOT NULL,
    task_queue TEXT NOT NULL,
    was_paused INTEGER NOT NULL CHECK (was_paused IN (0, 1)),
    last_ms INTEGER,                   -- the last nominal time that runs there, once the return has begun
    returned_ms INTEGER                -- when it returned; NULL while it is there
) STRICT;
CREATE INDEX move_schedule ON move (schedule);   -- for `moves_of`, and for the deletion of schedules
CREATE UNIQUE INDEX move_open ON move (schedule) WHERE returned_ms IS NULL;
