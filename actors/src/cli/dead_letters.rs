//! `dead-letters list` and `dead-letters show`, also while another process runs on the data.

use std::{fmt::Write, path::Path};

use bytes::Bytes;
use clap::Subcommand;
use pandaflow::{
    DeadLetter, ErrorClass, Timestamp,
    ports::{DeadLetterFilter, DeadLetterId, StoreError, StoredDeadLetter},
};
use serde_json::{Value, json};

use crate::transport::embedded::{EmbeddedReport, OpenError};

/// What to do with dead letters.
#[derive(Debug, Clone, Subcommand)]
pub enum DeadLettersCommand {
    /// List dead letters, newest first
    List {
        /// Only those of this processor
        #[arg(long)]
        processor: Option<String>,
        /// Only those of this namespace
        #[arg(long)]
        namespace: Option<String>,
        /// Only those of this class: transient, infrastructure, rate_limit, business, authentication or poison
        #[arg(long)]
        class: Option<ErrorClass>,
        /// At most as many
        #[arg(long, default_value_t = 100)]
        limit: usize,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Show one dead letter with everything that is known of it
    Show {
        /// Its number, as `list` gives it
        id: i64,
        /// As a JSON object; key, value and headers that are not UTF-8 in hexadecimal digits
        #[arg(long)]
        json: bool,
    },
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeadLettersError {
    /// The data can't be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The data can't be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no such letter.
    #[error("there is no dead letter {0}; `dead-letters list` tells which there are")]
    Unknown(i64),
}

impl DeadLettersCommand {
    /// The text to print, from the data in `folder`.
    ///
    /// # Errors
    /// The data can't be read, or there is no such letter.
    pub fn run(&self, folder: &Path) -> Result<String, DeadLettersError> {
        let report = EmbeddedReport::open(folder)?;
        match self {
            Self::List { processor, namespace, class, limit, json } => {
                let filter = DeadLetterFilter {
                    processor: processor.clone(),
                    namespace: namespace.clone(),
                    class: *class,
                    limit: *limit,
                };
                let letters = report.dead_letters(filter)?;
                Ok(if *json { lines(&letters) } else { table(&letters) })
            }
            Self::Show { id, json } => {
                let letter = report.dead_letter(DeadLetterId(*id))?.ok_or(DeadLettersError::Unknown(*id))?;
                Ok(if *json { format!("{:#}\n", object(&letter)) } else { sheet(&letter) })
            }
        }
    }
}

fn lines(letters: &[StoredDeadLetter]) -> String {
    letters.iter().map(|letter| format!("{}\n", object(letter))).collect()
}

fn table(letters: &[StoredDeadLetter]) -> String {
    if letters.is_empty() {
        return "no dead letters\n".into();
    }
    let mut text =
        String::from("id  stored  namespace  processor  class  attempts  position  fingerprint  error\n");
    for StoredDeadLetter { id, stored, letter } in letters {
        let error: String = letter.message.chars().take(80).collect();
        // Writing to a string can't fail.
        let _ = writeln!(
            text,
            "{}  {stored}  {}  {}  {}  {}  {}  {}  {error:?}",
            id.0,
            letter.namespace,
            letter.processor,
            letter.class,
            letter.attempts,
            letter.record.position(),
            letter.fingerprint,
        );
    }
    text
}

/// Everything of a letter, a line each.
fn sheet(stored: &StoredDeadLetter) -> String {
    let mut text = String::new();
    if let Value::Object(fields) = object(stored) {
        for (name, value) in fields {
            let _ = match value {
                Value::String(value) => writeln!(text, "{name}: {value}"),
                value => writeln!(text, "{name}: {value}"),
            };
        }
    }
    text
}

fn object(StoredDeadLetter { id, stored, letter }: &StoredDeadLetter) -> Value {
    let DeadLetter { record, replay, .. } = letter;
    let headers: Vec<Value> = record
        .headers
        .as_slice()
        .iter()
        .map(|header| json!({ "name": bytes(Some(&header.name)), "value": bytes(header.value.as_ref()) }))
        .collect();
    json!({
        "id": id.0,
        "stored": time(*stored),
        "namespace": letter.namespace.as_str(),
        "processor": letter.processor,
        "group": letter.group.as_str(),
        "topic": record.topic.as_str(),
        "partition": record.partition.0,
        "offset": record.offset.0,
        "timestamp": time(record.timestamp),
        "event_id": letter.event_id.map(|id| id.to_string()),
        "class": letter.class.as_str(),
        "kind": letter.kind,
        "error_type": letter.error_type,
        "message": letter.message,
        "chain": letter.chain,
        "fingerprint": letter.fingerprint,
        "attempts": letter.attempts,
        "first_failed": time(letter.first_failed),
        "last_failed": time(letter.last_failed),
        "replay_allowed": replay.allowed,
        "replay_after_seconds": replay.after.as_secs(),
        "replay_count": replay.count,
        "key": bytes(record.key.as_ref()),
        "value": bytes(record.value.as_ref()),
        "headers": headers,
    })
}

fn time(at: Timestamp) -> String {
    at.to_string()
}

/// Text where the bytes are UTF-8, else `{"hex": ".."}`; null where there are none.
fn bytes(bytes: Option<&Bytes>) -> Value {
    match bytes {
        None => Value::Null,
        Some(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => text.into(),
            Err(_) => {
                let hex = bytes.iter().fold(String::new(), |mut hex, byte| {
                    let _ = write!(hex, "{byte:02x}");
                    hex
                });
                json!({ "hex": hex })
            }
        },
    }
}
