//! The tables of the embedded file, as diesel sees them, and the migrations that make them.

use diesel_migrations::{EmbeddedMigrations, embed_migrations};

/// All versions of the file, oldest first.
pub(super) const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../migrations/sqlite");

diesel::table! {
    topics (id) {
        id -> Integer,
        name -> Text,
        partitions -> BigInt,
        retention_ms -> BigInt,
        is_table -> Bool,
        crc -> BigInt,
    }
}

diesel::table! {
    streams (id) {
        id -> BigInt,
        topic_id -> Integer,
        part -> BigInt,
        first_off -> BigInt,
        next_off -> BigInt,
        crc -> BigInt,
    }
}

diesel::table! {
    log (id) {
        id -> BigInt,
        appended_ms -> BigInt,
        timestamp_ms -> BigInt,
        crc -> BigInt,
        key -> Nullable<Binary>,
        value -> Nullable<Binary>,
        headers -> Nullable<Binary>,
    }
}

diesel::table! {
    groups (id) {
        id -> Integer,
        name -> Text,
        crc -> BigInt,
    }
}

diesel::table! {
    owners (group_id, part) {
        group_id -> Integer,
        part -> BigInt,
        epoch -> BigInt,
        consumed -> BigInt,
        succeeded -> BigInt,
        filtered -> BigInt,
        duplicate -> BigInt,
        dead_lettered -> BigInt,
        parked -> BigInt,
        crc -> BigInt,
    }
}

diesel::table! {
    progress (group_id, part, topic_id) {
        group_id -> Integer,
        part -> BigInt,
        topic_id -> Integer,
        settled -> Text,
        crc -> BigInt,
    }
}

diesel::table! {
    attempts (group_id, part, topic_id, off) {
        group_id -> Integer,
        part -> BigInt,
        topic_id -> Integer,
        off -> BigInt,
        times -> BigInt,
        first_failed_ms -> BigInt,
        crc -> BigInt,
    }
}

diesel::table! {
    parked (group_id, part, topic_id, off) {
        group_id -> Integer,
        part -> BigInt,
        topic_id -> Integer,
        off -> BigInt,
        place -> BigInt,
        timestamp_ms -> BigInt,
        times -> BigInt,
        first_failed_ms -> Nullable<BigInt>,
        due_ms -> Nullable<BigInt>,
        crc -> BigInt,
        key -> Nullable<Binary>,
        value -> Nullable<Binary>,
        headers -> Nullable<Binary>,
    }
}

diesel::table! {
    state (group_id, key) {
        group_id -> Integer,
        key -> Binary,
        crc -> BigInt,
        value -> Binary,
    }
}

diesel::table! {
    dedup (group_id, id) {
        group_id -> Integer,
        id -> Binary,
        expires_ms -> BigInt,
        crc -> BigInt,
    }
}

diesel::table! {
    latest (topic_id, key) {
        topic_id -> Integer,
        key -> Binary,
        log_id -> BigInt,
        timestamp_ms -> BigInt,
        crc -> BigInt,
        value -> Nullable<Binary>,
        headers -> Nullable<Binary>,
    }
}

diesel::table! {
    dead_letters (id) {
        id -> BigInt,
        stored_ms -> BigInt,
        group_name -> Text,
        processor -> Text,
        namespace -> Text,
        class -> Text,
        topic -> Text,
        part -> BigInt,
        off -> BigInt,
        timestamp_ms -> BigInt,
        key -> Nullable<Binary>,
        value -> Nullable<Binary>,
        headers -> Nullable<Binary>,
        detail -> Text,
        crc -> BigInt,
    }
}

diesel::allow_tables_to_appear_in_same_query!(groups, owners, progress);
