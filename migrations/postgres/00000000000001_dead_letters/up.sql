-- Events that were given up on: the record in columns of its own, byte for byte.
-- `detail` is versioned JSON: what the last failure was, how often it was tried, whether to replay. It is text since
-- jsonb refuses messages that hold a null character.
CREATE TABLE dead_letters (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    stored_ms BIGINT NOT NULL,
    group_name TEXT NOT NULL,
    processor TEXT NOT NULL,
    namespace TEXT NOT NULL,
    class TEXT NOT NULL,
    topic TEXT NOT NULL,
    part BIGINT NOT NULL,
    off BIGINT NOT NULL,
    timestamp_ms BIGINT NOT NULL,
    key BYTEA,
    value BYTEA,
    headers BYTEA,
    detail TEXT NOT NULL,
    -- A hash of all that stands above but `stored_ms`: one that is filed again, since the answer was lost, is there once.
    content UUID NOT NULL UNIQUE
);
