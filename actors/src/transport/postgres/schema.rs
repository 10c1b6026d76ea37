//! The tables, as diesel sees them, and the migrations that make them.

use diesel_migrations::{EmbeddedMigrations, embed_migrations};

/// All versions, oldest first.
pub(super) const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../migrations/postgres");

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
        content -> Uuid,
    }
}
