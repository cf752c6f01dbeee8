-- Version 9: the outputs of steps, for later steps of their run.

CREATE TABLE step_output (
    run INTEGER NOT NULL REFERENCES run ON DELETE CASCADE,
    position INTEGER NOT NULL CHECK (position >= 0),
    key TEXT NOT NULL CHECK (length(key) BETWEEN 1 AND 100),
    value TEXT NOT NULL,
    PRIMARY KEY (run, position, key)   -- for `step_outputs`, and for the deletion of runs
) STRICT, WITHOUT ROWID;
