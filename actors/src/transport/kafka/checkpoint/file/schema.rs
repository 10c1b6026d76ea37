//! The tables of a checkpoint's file.

/// Makes them.
pub(super) const CREATE: &str = "
    CREATE TABLE mark (
        id INTEGER NOT NULL PRIMARY KEY CHECK (id = 0),
        topic TEXT NOT NULL,
        part BIGINT NOT NULL,
        off BIGINT NOT NULL,
        written_ms BIGINT NOT NULL,
        print BIGINT NOT NULL,
        end_off BIGINT NOT NULL,
        as_of_ms BIGINT NOT NULL,
        good_for_ms BIGINT NOT NULL,
        row_count BIGINT NOT NULL,
        row_sum BIGINT NOT NULL,
        tidied_ms BIGINT NOT NULL,
        tidied_off BIGINT NOT NULL,
        crc BIGINT NOT NULL
    );
    CREATE TABLE records (
        key BLOB NOT NULL PRIMARY KEY,
        epoch BIGINT NOT NULL,
        off BIGINT NOT NULL,
        written_ms BIGINT NOT NULL,
        timestamp_ms BIGINT NOT NULL,
        overwritten BOOLEAN NOT NULL,
        crc BIGINT NOT NULL,
        value BLOB,
        headers BLOB
    );";

diesel::table! {
    mark (id) {
        id -> Integer,
        topic -> Text,
        part -> BigInt,
        off -> BigInt,
        written_ms -> BigInt,
        print -> BigInt,
        end_off -> BigInt,
        as_of_ms -> BigInt,
        good_for_ms -> BigInt,
        row_count -> BigInt,
        row_sum -> BigInt,
        tidied_ms -> BigInt,
        tidied_off -> BigInt,
        crc -> BigInt,
    }
}

diesel::table! {
    records (key) {
        key -> Binary,
        epoch -> BigInt,
        off -> BigInt,
        written_ms -> BigInt,
        timestamp_ms -> BigInt,
        overwritten -> Bool,
        crc -> BigInt,
        value -> Nullable<Binary>,
        headers -> Nullable<Binary>,
    }
}
