-- Events that wait beside their partition, which has gone on without them. The record lies here whole, as its topic may not have it
-- any more when its time comes. `place` is the order in which the partition's owner parked them; `due_ms` is null for an event that
-- waits for the one before it of its key. `headers` are as actors/src/transport/headers_codec.rs writes them.
CREATE TABLE pandaflow_parked (
    group_name TEXT NOT NULL,
    part BIGINT NOT NULL,
    topic TEXT NOT NULL,
    off BIGINT NOT NULL,
    place BIGINT NOT NULL,
    timestamp_ms BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    first_failed_ms BIGINT,
    due_ms BIGINT,
    key BYTEA,
    value BYTEA,
    headers BYTEA,
    PRIMARY KEY (group_name, part, topic, off)
);
