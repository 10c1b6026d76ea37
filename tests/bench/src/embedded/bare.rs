//! The bound of the `embedded` workload: one thread that writes the rows that the framework wrote into an empty file of
//! the same tables, with diesel, in the transactions that the framework wrote them in, equally durable.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
};

use diesel::{
    BoolExpressionMethods, Connection, ExpressionMethods, QueryDsl, QueryResult, RunQueryDsl,
    SqliteConnection, connection::SimpleConnection, insert_into, replace_into,
};
use pandaflow::TopicName;

use crate::{
    BenchError,
    usage::{Spent, Stopwatch},
};

/// The tables of an embedded log.
const TABLES: &str = include_str!("../../../../migrations/sqlite/00000000000001_log/up.sql");
/// How the embedded transport writes: the commit of a transaction is on the disk when it returns.
const LIKE_OURS: &str = "PRAGMA page_size = 8192; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
    PRAGMA wal_autocheckpoint = 4096; PRAGMA journal_size_limit = 67108864; PRAGMA cache_size = -65536;
    PRAGMA temp_store = MEMORY;";
/// A stream's id lies above these bits of a row's.
const OFFSET_BITS: u32 = 40;

diesel::table! {
    topics (id) {
        id -> Integer,
        name -> Text,
    }
}

diesel::table! {
    streams (id) {
        id -> BigInt,
        topic_id -> Integer,
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
    progress (group_id, part, topic_id) {
        group_id -> Integer,
        part -> BigInt,
        topic_id -> Integer,
        settled -> Text,
        crc -> BigInt,
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

/// A row of the log.
type Output = (i64, i64, i64, i64, Option<Vec<u8>>, Option<Vec<u8>>, Option<Vec<u8>>);

/// Outputs that were written together.
struct Transaction {
    outputs: Vec<Output>,
    /// Keys whose state went with them, each once.
    keys: Vec<Vec<u8>>,
    /// Partitions whose progress went with them.
    partitions: Vec<i64>,
}

/// The rows that the framework wrote.
pub(super) struct Rows {
    transactions: Vec<Transaction>,
    states: HashMap<Vec<u8>, Vec<u8>>,
}

impl Rows {
    /// Reads the outputs of a topic, and the states, from an embedded log that nobody has open.
    pub(super) fn read(file: &Path, topic: &TopicName) -> Result<Self, BenchError> {
        let mut connection = open(file)?;
        let topic: i32 = topics::table
            .filter(topics::name.eq(topic.as_str()))
            .select(topics::id)
            .first(&mut connection)?;
        let streams: Vec<i64> =
            streams::table.filter(streams::topic_id.eq(topic)).select(streams::id).load(&mut connection)?;
        // All rows of a transaction carry the same time of appending, and a commit takes longer than its unit.
        let mut by_time: BTreeMap<i64, Vec<Output>> = BTreeMap::new();
        for stream in streams {
            let (from, to) = (stream << OFFSET_BITS, (stream + 1) << OFFSET_BITS);
            let rows: Vec<Output> = log::table
                .filter(log::id.ge(from).and(log::id.lt(to)))
                .order(log::id)
                .load(&mut connection)?;
            for row in rows {
                by_time.entry(row.1).or_default().push(row);
            }
        }
        let states: Vec<(Vec<u8>, Vec<u8>)> =
            state::table.select((state::key, state::value)).load(&mut connection)?;
        let transactions = by_time.into_values().map(Transaction::new).collect();
        Ok(Self { transactions, states: states.into_iter().collect() })
    }

    /// How many outputs there are.
    pub(super) fn len(&self) -> u64 {
        self.transactions.iter().map(|transaction| transaction.outputs.len() as u64).sum()
    }

    /// How many transactions they came in.
    pub(super) fn transactions(&self) -> usize {
        self.transactions.len()
    }

    /// Writes them into a new file.
    pub(super) fn write(&self, file: &Path) -> Result<Spent, BenchError> {
        let mut connection = open(file)?;
        connection.batch_execute(LIKE_OURS)?;
        connection.batch_execute(TABLES)?;
        let stopwatch = Stopwatch::start();
        for transaction in &self.transactions {
            connection.immediate_transaction(|connection| self.write_one(connection, transaction))?;
        }
        Ok(stopwatch.spent())
    }

    fn write_one(&self, connection: &mut SqliteConnection, transaction: &Transaction) -> QueryResult<()> {
        for (id, appended, timestamp, crc, key, value, headers) in &transaction.outputs {
            insert_into(log::table)
                .values((
                    log::id.eq(id),
                    log::appended_ms.eq(appended),
                    log::timestamp_ms.eq(timestamp),
                    log::crc.eq(crc),
                    log::key.eq(key.as_deref()),
                    log::value.eq(value.as_deref()),
                    log::headers.eq(headers.as_deref()),
                ))
                .execute(connection)?;
        }
        for key in &transaction.keys {
            let Some(value) = self.states.get(key) else { continue };
            replace_into(state::table)
                .values((state::group_id.eq(1), state::key.eq(key), state::crc.eq(1), state::value.eq(value)))
                .execute(connection)?;
        }
        for partition in &transaction.partitions {
            replace_into(progress::table)
                .values((
                    progress::group_id.eq(1),
                    progress::part.eq(partition),
                    progress::topic_id.eq(1),
                    progress::settled.eq("1;100000;"),
                    progress::crc.eq(1),
                ))
                .execute(connection)?;
        }
        Ok(())
    }
}

impl Transaction {
    fn new(outputs: Vec<Output>) -> Self {
        let mut keys: Vec<Vec<u8>> = outputs.iter().filter_map(|output| output.4.clone()).collect();
        keys.sort_unstable();
        keys.dedup();
        let mut partitions: Vec<i64> = outputs.iter().map(|output| output.0 >> OFFSET_BITS).collect();
        partitions.sort_unstable();
        partitions.dedup();
        Self { outputs, keys, partitions }
    }
}

fn open(file: &Path) -> Result<SqliteConnection, BenchError> {
    Ok(SqliteConnection::establish(&file.to_string_lossy())?)
}
