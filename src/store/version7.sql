-- Version 7: schedules that are paused after several failed runs in a row; incidents that keep who is told of them.

ALTER TABLE schedule ADD COLUMN pause_after INTEGER CHECK (pause_after > 0);
ALTER TABLE progress ADD COLUMN failed_runs INTEGER NOT NULL DEFAULT 0 CHECK (failed_runs >= 0);   -- in a row, since it was unpaused

ALTER TABLE incident ADD COLUMN alerts TEXT;                -- the alert settings of the schedule when it was opened, as JSON
ALTER TABLE message ADD COLUMN left_to TEXT;                -- the addresses of a mail that have not got it, as JSON; null: all
ALTER TABLE message ADD COLUMN refused TEXT;                -- why addresses of a mail were refused for good

-- Until now, the note of a paused schedule was taken as the note of its pause.
UPDATE schedule SET note_before = note WHERE paused AND note_before IS NULL AND note <> '';
