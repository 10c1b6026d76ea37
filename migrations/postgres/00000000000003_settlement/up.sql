-- What a settlement makes real in one transaction. The names begin with `pandaflow_`: the handlers' own tables may lie beside
-- them.

-- The newest owner of a group's partition. Whoever settles locks this row, so that an owner's settlements come one after the
-- other, and an earlier owner finds another epoch. `settled` counts its settlements in this epoch: whether one became real whose
-- commit had no answer. The rest is the ledger.
CREATE TABLE pandaflow_owners (
    group_name TEXT NOT NULL,
    part BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    settled BIGINT NOT NULL,
    consumed BIGINT NOT NULL,
    succeeded BIGINT NOT NULL,
    filtered BIGINT NOT NULL,
    duplicate BIGINT NOT NULL,
    dead_lettered BIGINT NOT NULL,
    parked BIGINT NOT NULL,
    PRIMARY KEY (group_name, part)
) WITH (fillfactor = 50);

-- How far a group has come in a topic's partition: the first offset that is not settled and the ranges settled above it, as
-- framework/src/policy/watermark.rs writes them, version first.
CREATE TABLE pandaflow_progress (
    group_name TEXT NOT NULL,
    part BIGINT NOT NULL,
    topic TEXT NOT NULL,
    progress TEXT NOT NULL,
    PRIMARY KEY (group_name, part, topic)
) WITH (fillfactor = 50);

-- Events that have failed and not ended.
CREATE TABLE pandaflow_attempts (
    group_name TEXT NOT NULL,
    part BIGINT NOT NULL,
    topic TEXT NOT NULL,
    off BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    first_failed_ms BIGINT NOT NULL,
    PRIMARY KEY (group_name, part, topic, off)
);

-- State per key, as actors/src/runtime/state_row.rs writes it. Keys are of any length and an index takes short ones only, so they
-- are found by their digest.
CREATE TABLE pandaflow_states (
    group_name TEXT NOT NULL,
    part BIGINT NOT NULL,
    digest BYTEA NOT NULL GENERATED ALWAYS AS (sha256(key)) STORED,
    key BYTEA NOT NULL,
    value BYTEA NOT NULL,
    PRIMARY KEY (group_name, part, digest)
) WITH (fillfactor = 80);

-- Records that wait to be published. `batch` rises per settlement and is drawn under the owner's lock, so that records of one owner
-- lie in the order of its settlements; `place` is the order within one. `headers` are as actors/src/transport/headers_codec.rs
-- writes them.
CREATE TABLE pandaflow_outbox (
    batch BIGINT NOT NULL,
    place BIGINT NOT NULL,
    topic TEXT NOT NULL,
    timestamp_ms BIGINT NOT NULL,
    key BYTEA,
    value BYTEA,
    headers BYTEA,
    PRIMARY KEY (batch, place)
);
CREATE SEQUENCE pandaflow_outbox_batches;

-- Whose settlements are made here, one row: deployments that name their topics and groups alike would take each other's progress
-- for their own.
CREATE TABLE pandaflow_deployment (
    only_row BOOLEAN PRIMARY KEY DEFAULT TRUE CHECK (only_row),
    prefix TEXT NOT NULL
);
