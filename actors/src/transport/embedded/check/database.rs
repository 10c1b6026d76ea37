//! What SQLite says of the file, and whether the schema is the one that the migrations make.

use std::collections::BTreeMap;

use diesel::{
    Connection, QueryableByName, RunQueryDsl, SqliteConnection,
    migration::{Migration, MigrationSource},
    sql_query,
    sql_types::Text,
    sqlite::Sqlite,
};
use diesel_migrations::MigrationHarness;

use super::verify;
use crate::transport::embedded::{OpenError, place::Place, schema::MIGRATIONS};

/// Tables that stay small.
const SMALL: [&str; 9] =
    ["topics", "streams", "groups", "owners", "progress", "attempts", "parked", "latest", "dead_letters"];

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

#[derive(QueryableByName)]
struct Object {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    sql: String,
}

/// Checks version, schema, pages and rows.
pub(super) fn check(
    place: &Place,
    connection: &mut SqliteConnection,
    is_full: bool,
) -> Result<(), OpenError> {
    let damaged = |problem: String| super::broken(place, problem);
    let sqlite = |error: diesel::result::Error| damaged(error.to_string());
    let objects = objects(connection).map_err(sqlite)?;
    if !objects.contains_key("__diesel_schema_migrations") {
        return Err(damaged("the table of its schema's version is missing".into()));
    }
    let known = known_versions().map_err(damaged)?;
    let applied = applied_versions(connection).map_err(sqlite)?;
    if let Some(newer) = applied.iter().find(|version| !known.contains(version)) {
        return Err(OpenError::Foreign {
            file: place.file.clone(),
            problem: format!(
                "its schema has version {newer}, this program knows up to {}: run a newer program",
                known.last().map_or("none", String::as_str)
            ),
        });
    }
    if applied.len() == known.len() {
        compare(&objects).map_err(damaged)?;
    }
    pages(connection, is_full).map_err(damaged)?;
    // A file of an earlier version has no such table yet.
    let has_parked = objects.contains_key("parked");
    verify::rows(connection, is_full, has_parked).map_err(|error| damaged(error.message))
}

/// Tables and indexes by name, with the statement that made each.
fn objects(connection: &mut SqliteConnection) -> diesel::QueryResult<BTreeMap<String, String>> {
    let rows: Vec<Object> =
        sql_query("SELECT name, coalesce(sql, '') AS sql FROM sqlite_schema").load(connection)?;
    Ok(rows.into_iter().map(|row| (row.name, row.sql)).collect())
}

fn known_versions() -> Result<Vec<String>, String> {
    let migrations: Vec<Box<dyn Migration<Sqlite>>> =
        MIGRATIONS.migrations().map_err(|error| error.to_string())?;
    let mut versions: Vec<String> =
        migrations.iter().map(|migration| migration.name().version().to_string()).collect();
    versions.sort();
    Ok(versions)
}

fn applied_versions(connection: &mut SqliteConnection) -> diesel::QueryResult<Vec<String>> {
    let rows: Vec<Line> =
        sql_query("SELECT version AS line FROM __diesel_schema_migrations ORDER BY version")
            .load(connection)?;
    Ok(rows.into_iter().map(|row| row.line).collect())
}

/// Compares the schema with that of a new file.
fn compare(found: &BTreeMap<String, String>) -> Result<(), String> {
    let mut fresh = SqliteConnection::establish(":memory:").map_err(|error| error.to_string())?;
    fresh.run_pending_migrations(MIGRATIONS).map_err(|error| error.to_string())?;
    let wanted = objects(&mut fresh).map_err(|error| error.to_string())?;
    let differ: Vec<&str> = wanted
        .iter()
        .filter(|(name, sql)| found.get(*name) != Some(sql))
        .map(|(name, _)| name.as_str())
        .collect();
    if differ.is_empty() {
        return Ok(());
    }
    Err(format!("tables or indexes are missing or not as they were made: {}", differ.join(", ")))
}

/// SQLite's `quick_check`, which names pages and tables.
fn pages(connection: &mut SqliteConnection, is_full: bool) -> Result<(), String> {
    let checks: Vec<String> = if is_full {
        vec!["SELECT quick_check AS line FROM pragma_quick_check LIMIT 3".into()]
    } else {
        SMALL
            .iter()
            .map(|table| format!("SELECT quick_check AS line FROM pragma_quick_check('{table}')"))
            .collect()
    };
    for check in checks {
        let lines: Vec<Line> = sql_query(check).load(connection).map_err(|error| error.to_string())?;
        let problems: Vec<String> =
            lines.into_iter().map(|row| row.line).filter(|line| line != "ok").take(3).collect();
        if !problems.is_empty() {
            return Err(format!("its pages don't fit together: {}", problems.join("; ").replace('\n', " ")));
        }
    }
    Ok(())
}
