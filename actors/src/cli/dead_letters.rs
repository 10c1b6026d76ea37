//! `dead-letters list` and `dead-letters show`, also while another process runs on the data: from the file of the embedded
//! mode, or from where a program on Kafka keeps them.

use std::{
    fmt::Write,
    path::{Path, PathBuf},
    process::ExitCode,
};

use bytes::Bytes;
use clap::{Args, Subcommand};
use pandaflow::{
    DeadLetter, ErrorClass, Timestamp,
    ports::{DeadLetterFilter, DeadLetterId, StoreError, StoredDeadLetter},
    settings::{Loader, Settings},
};
use serde_json::{Value, json};

use crate::{
    Mode, ModeError, cli,
    mode::KeptLetters,
    read_settings,
    transport::embedded::{EmbeddedReport, OpenError},
};

/// `dead-letters` with its options.
#[derive(Debug, Clone, Args)]
pub struct DeadLettersArguments {
    /// Where they are: embedded (a file in the data folder) or kafka (topics, or PostgreSQL, as the settings say)
    #[arg(long, value_enum, default_value_t, value_name = "MODE", global = true)]
    pub mode: Mode,
    /// The folder that the data of the embedded mode lies in
    #[arg(long, value_name = "DIR", global = true)]
    pub data: Option<PathBuf>,
    /// What to do with them.
    #[command(subcommand)]
    pub command: DeadLettersCommand,
}

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
    /// Where a program on Kafka keeps them can't be reached.
    #[error(transparent)]
    Mode(#[from] ModeError),
    /// There is no such letter.
    #[error("there is no dead letter {0}; `dead-letters list` tells which there are")]
    Unknown(i64),
}

impl DeadLettersArguments {
    /// Prints the answer, or what is to be mended; `folder` is where data lies by the settings.
    pub async fn run(&self, loader: &Loader, folder: impl FnOnce(&Settings) -> PathBuf) -> ExitCode {
        match (self.mode, &self.data) {
            (Mode::Kafka, Some(_)) => {
                cli::refuse("--data goes with --mode embedded: on Kafka the servers keep the data")
            }
            (Mode::Embedded, Some(folder)) => cli::answer(self.command.run(folder)),
            (mode, None) => match (mode, read_settings(loader)) {
                (_, Err(error)) => cli::refuse(error),
                (Mode::Embedded, Ok(settings)) if settings.database.url.postgres().is_some() => {
                    cli::refuse(ModeError::NoFile)
                }
                (Mode::Embedded, Ok(settings)) => cli::answer(self.command.run(&folder(&settings))),
                (Mode::Kafka, Ok(settings)) => cli::answer(self.command.run_on_kafka(&settings).await),
            },
        }
    }
}

impl DeadLettersCommand {
    /// The text to print, from the data in `folder`.
    ///
    /// # Errors
    /// The data can't be read, or there is no such letter.
    pub fn run(&self, folder: &Path) -> Result<String, DeadLettersError> {
        let report = EmbeddedReport::open(folder)?;
        match self {
            Self::List { json, .. } => Ok(listed(&report.dead_letters(self.filter())?, *json)),
            Self::Show { id, json } => shown(report.dead_letter(DeadLetterId(*id))?, *id, *json),
        }
    }

    /// The text to print, from where the settings of a program on Kafka keep dead letters: `{topic}.dlq`, or PostgreSQL.
    ///
    /// # Errors
    /// The servers can't be reached or read, or there is no such letter.
    pub async fn run_on_kafka(&self, settings: &Settings) -> Result<String, DeadLettersError> {
        let kept = KeptLetters::open(settings).await?;
        let answer = self.read(&kept).await;
        kept.close().await;
        answer
    }

    async fn read(&self, kept: &KeptLetters) -> Result<String, DeadLettersError> {
        let store = kept.store();
        match self {
            Self::List { json, .. } => Ok(listed(&store.list(self.filter()).await?, *json)),
            Self::Show { id, json } => shown(store.show(DeadLetterId(*id)).await?, *id, *json),
        }
    }

    /// Which letters are asked for; all of them where one is to be shown.
    fn filter(&self) -> DeadLetterFilter {
        match self {
            Self::Show { .. } => DeadLetterFilter::default(),
            Self::List { processor, namespace, class, limit, .. } => DeadLetterFilter {
                processor: processor.clone(),
                namespace: namespace.clone(),
                class: *class,
                limit: *limit,
            },
        }
    }
}

fn listed(letters: &[StoredDeadLetter], json: bool) -> String {
    if json { lines(letters) } else { table(letters) }
}

fn shown(letter: Option<StoredDeadLetter>, id: i64, json: bool) -> Result<String, DeadLettersError> {
    let letter = letter.ok_or(DeadLettersError::Unknown(id))?;
    Ok(if json { format!("{:#}\n", object(&letter)) } else { sheet(&letter) })
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
