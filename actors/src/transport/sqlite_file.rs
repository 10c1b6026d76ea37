//! SQLite files: how one is opened by its path, and which complaints of SQLite's are the disk's and not the data's.

use std::{fmt::Write, path::Path};

use diesel::{Connection, ConnectionError, SqliteConnection};

/// What SQLite says when the disk is the trouble, and not what lies on it.
const OF_THE_DISK: [&str; 5] = [
    "disk I/O error",
    "database or disk is full",
    "unable to open database file",
    "attempt to write a readonly database",
    "out of memory",
];

/// Whether SQLite complains of the disk.
pub(super) fn is_of_the_disk(problem: &str) -> bool {
    OF_THE_DISK.iter().any(|of_the_disk| problem.contains(of_the_disk))
}

/// Opens a file with these options of a SQLite URI, such as `mode=ro`; its name may hold any bytes.
pub(super) fn establish(file: &Path, options: &str) -> Result<SqliteConnection, ConnectionError> {
    let mut uri = String::from("file:");
    for byte in file.as_os_str().as_encoded_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' | b'\\' | b':' => {
                uri.push(char::from(*byte));
            }
            _ => {
                let _ = write!(uri, "%{byte:02x}");
            }
        }
    }
    let _ = write!(uri, "?{options}");
    SqliteConnection::establish(&uri)
}
