-- The embedded log, version 1: one file holds the log, progress, state, dedup marks and dead letters.
-- `crc` columns hold the CRC-32 of the row's other columns, as src/transport/embedded/checksum.rs takes it.

-- "pfl1": tells pandaflow's files from other SQLite files.
PRAGMA application_id = 1885760561;

CREATE TABLE topics (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    partitions INTEGER NOT NULL,
    retention_ms INTEGER NOT NULL,
    is_table INTEGER NOT NULL,
    crc INTEGER NOT NULL
);

-- A stream is one partition of one topic. Rows of the log below `first_off` have been pruned; `next_off` is
-- a lower bound of the next offset, for streams whose rows have all been pruned.
CREATE TABLE streams (
    id INTEGER PRIMARY KEY,
    topic_id INTEGER NOT NULL,
    part INTEGER NOT NULL,
    first_off INTEGER NOT NULL,
    next_off INTEGER NOT NULL,
    crc INTEGER NOT NULL,
    UNIQUE (topic_id, part)
);

-- `id` is the stream's id in the upper 23 bits and the offset in the lower 40: an integer key is
-- compared and found faster than three columns, and long rows stay on the page.
CREATE TABLE log (
    id INTEGER PRIMARY KEY,
    appended_ms INTEGER NOT NULL,
    timestamp_ms INTEGER NOT NULL,
    crc INTEGER NOT NULL,
    key BLOB,
    value BLOB,
    headers BLOB
);

CREATE TABLE groups (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    crc INTEGER NOT NULL
);

CREATE TABLE owners (
    group_id INTEGER NOT NULL,
    part INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    consumed INTEGER NOT NULL,
    succeeded INTEGER NOT NULL,
    filtered INTEGER NOT NULL,
    duplicate INTEGER NOT NULL,
    dead_lettered INTEGER NOT NULL,
    parked INTEGER NOT NULL,
    crc INTEGER NOT NULL,
    PRIMARY KEY (group_id, part)
) WITHOUT ROWID;

CREATE TABLE progress (
    group_id INTEGER NOT NULL,
    part INTEGER NOT NULL,
    topic_id INTEGER NOT NULL,
    settled TEXT NOT NULL,
    crc INTEGER NOT NULL,
    PRIMARY KEY (group_id, part, topic_id)
) WITHOUT ROWID;

CREATE TABLE attempts (
    group_id INTEGER NOT NULL,
    part INTEGER NOT NULL,
    topic_id INTEGER NOT NULL,
    off INTEGER NOT NULL,
    times INTEGER NOT NULL,
    first_failed_ms INTEGER NOT NULL,
    crc INTEGER NOT NULL,
    PRIMARY KEY (group_id, part, topic_id, off)
) WITHOUT ROWID;

CREATE TABLE state (
    group_id INTEGER NOT NULL,
    key BLOB NOT NULL,
    crc INTEGER NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (group_id, key)
) WITHOUT ROWID;

CREATE TABLE dedup (
    group_id INTEGER NOT NULL,
    id BLOB NOT NULL,
    expires_ms INTEGER NOT NULL,
    crc INTEGER NOT NULL,
    PRIMARY KEY (group_id, id)
) WITHOUT ROWID;

-- The latest record of each key of the topics that are tables.
CREATE TABLE latest (
    topic_id INTEGER NOT NULL,
    key BLOB NOT NULL,
    log_id INTEGER NOT NULL,
    timestamp_ms INTEGER NOT NULL,
    crc INTEGER NOT NULL,
    value BLOB,
    headers BLOB,
    PRIMARY KEY (topic_id, key)
) WITHOUT ROWID;

-- `detail` is versioned JSON: what the last failure was, how often it was tried, whether to replay.
CREATE TABLE dead_letters (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    stored_ms INTEGER NOT NULL,
    group_name TEXT NOT NULL,
    processor TEXT NOT NULL,
    namespace TEXT NOT NULL,
    class TEXT NOT NULL,
    topic TEXT NOT NULL,
    part INTEGER NOT NULL,
    off INTEGER NOT NULL,
    timestamp_ms INTEGER NOT NULL,
    key BLOB,
    value BLOB,
    headers BLOB,
    detail TEXT NOT NULL,
    crc INTEGER NOT NULL
);
