-- Which events a group has handled (`done`: until when that is remembered) or is handling (a claim: until when it holds).
-- A claim of the same owner is looked at by `part` and `epoch`.
CREATE TABLE dedup_inbox (
    group_name TEXT NOT NULL,
    id UUID NOT NULL,
    part BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    until_ms BIGINT NOT NULL,
    done BOOLEAN NOT NULL,
    PRIMARY KEY (group_name, id)
);

-- For the fence, which ends the claims of earlier owners of a partition.
CREATE INDEX dedup_inbox_claims ON dedup_inbox (group_name, part) WHERE NOT done;
-- For clearing away what has ended.
CREATE INDEX dedup_inbox_until ON dedup_inbox (until_ms);
