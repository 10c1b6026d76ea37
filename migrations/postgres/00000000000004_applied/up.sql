-- Of a group that settled on the broker before: events that had gone into a state there and were not settled. They are part of the
-- state that was taken over, and must not go into it again, whoever owns the partition by then. `off` is the last such event of the
-- key. Rows go once the progress has passed them.
CREATE TABLE pandaflow_applied (
    group_name TEXT NOT NULL,
    part BIGINT NOT NULL,
    topic TEXT NOT NULL,
    digest BYTEA NOT NULL GENERATED ALWAYS AS (sha256(key)) STORED,
    key BYTEA NOT NULL,
    off BIGINT NOT NULL,
    PRIMARY KEY (group_name, part, topic, digest)
);
