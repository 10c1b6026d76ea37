//! Clients of Kafka that are not ours: its own command line, and one in Python. They say what lies on the broker without our code.

use std::{
    ffi::OsStr,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::{Value, json};

use crate::{found::Found, servers::given};

/// Between the parts of what the console prints and reads; it is in none of the records.
const BETWEEN: &str = "<|>";
const HEADERS: &str = "<,>";
const LINES: &str = "<;>";
const NULL: &str = "<null>";

/// aiokafka, which speaks the protocol itself; `servers python` makes it.
#[derive(Debug)]
pub struct Python(PathBuf);

impl Python {
    /// The one that PANDAFLOW_TEST_PYTHON names; without it the test is skipped and says so.
    #[must_use]
    pub fn where_given() -> Option<Self> {
        given("PANDAFLOW_TEST_PYTHON").map(|path| Self(path.into()))
    }

    /// All records of a topic, by partition and offset.
    ///
    /// # Panics
    /// If it can't read them.
    #[must_use]
    pub fn read(&self, servers: &str, topic: &str) -> Vec<Found> {
        let output = self.run("read", servers, topic, "");
        let lines = String::from_utf8(output.stdout).expect("it prints JSON");
        let mut found: Vec<_> = lines.lines().map(found_in).collect();
        found.sort_by_key(|record| record.partition);
        found
    }

    /// Writes records in order; each goes to the partition of its key.
    ///
    /// # Panics
    /// If it can't write them.
    pub fn write(&self, servers: &str, topic: &str, records: &[Found]) {
        let line = |record: &Found| {
            let headers: Vec<_> =
                record.headers.iter().map(|(name, value)| json!([name, hexadecimal(value)])).collect();
            let key = record.key.as_deref().map(hexadecimal);
            let value = record.value.as_deref().map(hexadecimal);
            format!("{}\n", json!({ "key": key, "value": value, "headers": headers }))
        };
        self.run("write", servers, topic, &records.iter().map(line).collect::<String>());
    }

    fn run(&self, what: &str, servers: &str, topic: &str, input: &str) -> Output {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/kafka.py");
        let mut python = Command::new(&self.0);
        run(python.arg(script).args([what, servers, topic]), input)
    }
}

/// The command line that comes with Kafka.
#[derive(Debug)]
pub struct Console(String);

impl Console {
    /// The one of the jars that PANDAFLOW_TEST_KAFKA_LIBS names; without them the test is skipped and says so.
    #[must_use]
    pub fn where_given() -> Option<Self> {
        given("PANDAFLOW_TEST_KAFKA_LIBS").map(Self)
    }

    /// The first records of a topic, by partition and offset.
    ///
    /// # Panics
    /// If there are fewer, or what it prints is not as it should be.
    #[must_use]
    pub fn read(&self, servers: &str, topic: &str, records: usize) -> Vec<Found> {
        let mut command = self.command("org.apache.kafka.tools.consumer.ConsoleConsumer", servers, topic);
        command.args(["--from-beginning", "--timeout-ms", "60000", "--max-messages", &records.to_string()]);
        for print in ["timestamp", "partition", "headers", "key", "value"] {
            command.arg("--formatter-property").arg(format!("print.{print}=true"));
        }
        for (name, value) in
            [("key", BETWEEN), ("headers", HEADERS), ("line", LINES)].map(|(name, value)| (name, value))
        {
            command.arg("--formatter-property").arg(format!("{name}.separator={value}"));
        }
        command.arg("--formatter-property").arg(format!("null.literal={NULL}"));
        let output = run(&mut command, "");
        let mut lines = split(&output.stdout, LINES);
        let rest = lines.pop().unwrap_or_default();
        assert!(rest.is_empty(), "{}", String::from_utf8_lossy(rest));
        let mut found: Vec<_> = lines.into_iter().map(printed).collect();
        assert_eq!(found.len(), records, "{}", String::from_utf8_lossy(&output.stderr));
        found.sort_by_key(|record| record.partition);
        found
    }

    /// Writes keys and values in order; a value of `None` is a tombstone.
    ///
    /// # Panics
    /// If it can't write them.
    pub fn write(&self, servers: &str, topic: &str, records: &[(&str, Option<String>)]) {
        let mut command = self.command("org.apache.kafka.tools.ConsoleProducer", servers, topic);
        for property in
            ["parse.key=true", &format!("key.separator={BETWEEN}"), &format!("null.marker={NULL}")]
        {
            command.arg("--reader-property").arg(property);
        }
        let line = |(key, value): &(&str, Option<String>)| {
            format!("{key}{BETWEEN}{}\n", value.as_deref().unwrap_or(NULL))
        };
        run(&mut command, &records.iter().map(line).collect::<String>());
    }

    fn command(&self, class: &str, servers: &str, topic: &str) -> Command {
        let mut java = Command::new("java");
        java.args(["-Xmx128m", "-cp", &format!("{}/*", self.0), class]);
        java.args(["--bootstrap-server", servers, "--topic", topic]);
        java
    }
}

/// Runs a client to its end, which must be a good one.
fn run(command: &mut Command, input: &str) -> Output {
    let program: &OsStr = command.get_program();
    let program = program.to_owned();
    let started = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = started.unwrap_or_else(|error| panic!("{} can't be run: {error}", program.display()));
    let mut stdin = child.stdin.take().expect("standard input is a pipe");
    stdin.write_all(input.as_bytes()).expect("it reads");
    drop(stdin);
    let output = child.wait_with_output().expect("it can be waited for");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

fn found_in(line: &str) -> Found {
    let record: Value = serde_json::from_str(line).expect("it prints JSON");
    let bytes = |value: &Value| value.as_str().map(raw);
    let header = |header: &Value| {
        (header[0].as_str().expect("a header has a name").to_owned(), bytes(&header[1]).unwrap_or_default())
    };
    Found {
        partition: i32::try_from(record["partition"].as_i64().expect("it has a partition")).expect("it fits"),
        timestamp: record["timestamp"].as_i64().expect("it has a time"),
        key: bytes(&record["key"]),
        value: bytes(&record["value"]),
        headers: record["headers"].as_array().expect("it has headers").iter().map(header).collect(),
    }
}

/// What the console consumer printed of one record.
fn printed(line: &[u8]) -> Found {
    let parts = split(line, BETWEEN);
    let [time, partition, headers, key, value] = parts[..] else {
        panic!("not the five parts of a record: {}", String::from_utf8_lossy(line));
    };
    let number = |text: &[u8], name: &str| -> i64 {
        let text = String::from_utf8_lossy(text);
        let number = text.strip_prefix(name).and_then(|number| number.parse().ok());
        number.unwrap_or_else(|| panic!("no {name} in {text}"))
    };
    let header = |header: &[u8]| {
        let colon = header.iter().position(|byte| *byte == b':').expect("a header is a name and a value");
        (String::from_utf8_lossy(&header[..colon]).into_owned(), header[colon + 1..].to_vec())
    };
    let known = |bytes: &[u8]| (bytes != NULL.as_bytes()).then(|| bytes.to_vec());
    Found {
        partition: i32::try_from(number(partition, "Partition:")).expect("it fits"),
        timestamp: number(time, "CreateTime:"),
        key: known(key),
        value: known(value),
        headers: match headers {
            b"NO_HEADERS" => Vec::new(),
            headers => split(headers, HEADERS).into_iter().map(header).collect(),
        },
    }
}

fn split<'a>(mut bytes: &'a [u8], separator: &str) -> Vec<&'a [u8]> {
    let separator = separator.as_bytes();
    let mut parts = Vec::new();
    while let Some(at) = bytes.windows(separator.len()).position(|window| window == separator) {
        parts.push(&bytes[..at]);
        bytes = &bytes[at + separator.len()..];
    }
    parts.push(bytes);
    parts
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn raw(hexadecimal: &str) -> Vec<u8> {
    let byte = |at: usize| u8::from_str_radix(&hexadecimal[at..at + 2], 16).expect("it is hexadecimal");
    (0..hexadecimal.len()).step_by(2).map(byte).collect()
}
