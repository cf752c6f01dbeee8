-- Version 8: an id of the database, which its backups have in their names.

CREATE TABLE identity (
    id TEXT NOT NULL                   -- 8 hexadecimal digits
) STRICT;
INSERT INTO identity (id) VALUES (lower(hex(randomblob(4))));
