-- Version 6: stderr apart from stdout, for the steps that ask for it.

ALTER TABLE output ADD COLUMN stderr BLOB;      -- NULL: one output in the order of the writes
