-- Version 2: events that wait beside their partition, which has gone on without them. The record lies here whole, as the log may not
-- have it any more when its time comes. `place` is the order in which the partition's owner parked them; `due_ms` is null for an
-- event that waits for the one before it of its key.
CREATE TABLE parked (
    group_id INTEGER NOT NULL,
    part INTEGER NOT NULL,
    topic_id INTEGER NOT NULL,
    off INTEGER NOT NULL,
    place INTEGER NOT NULL,
    timestamp_ms INTEGER NOT NULL,
    times INTEGER NOT NULL,
    first_failed_ms INTEGER,
    due_ms INTEGER,
    crc INTEGER NOT NULL,
    key BLOB,
    value BLOB,
    headers BLOB,
    PRIMARY KEY (group_id, part, topic_id, off)
);
