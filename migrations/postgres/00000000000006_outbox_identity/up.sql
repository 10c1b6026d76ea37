-- What the outbox is called, unlike every other: what is noted on the broker about its records counts for this one alone, also
-- when the tables were made anew and their numbers begin again.
CREATE TABLE pandaflow_outbox_identity (
    only_row BOOLEAN PRIMARY KEY DEFAULT TRUE CHECK (only_row),
    id UUID NOT NULL DEFAULT gen_random_uuid()
);
INSERT INTO pandaflow_outbox_identity DEFAULT VALUES;
