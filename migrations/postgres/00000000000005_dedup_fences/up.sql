-- Per partition of a group, the epoch of its latest owner that the inbox has heard of: earlier ones mark nothing any more.
CREATE TABLE dedup_fences (
    group_name TEXT NOT NULL,
    part BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    PRIMARY KEY (group_name, part)
);
