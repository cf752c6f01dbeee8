-- Version 9: the outputs of steps, for later steps of their run.

CREATE TABLE step_output (
    run INTEGER NOT NULL REFERENCES run ON DELETE CASCADE,
    position INTEGER NOT NULL CHECK (position >= 0),
    key TEXT NOT NULL,
    value TEXT NOT NULL,               -- with names in place of secrets
    PRIMARY KEY (run, position, key)
) STRICT, WITHOUT ROWID;
