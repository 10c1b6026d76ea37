//! Rotation, and folders that change under the log files.

use std::{collections::BTreeSet, fs, path::Path};

use pandaflow::settings::Settings;
use serde_json::{Value, json};

use super::*;

/// All lines in the folder, those of compressed files as well, which are counted.
fn lines_of(dir: &Path) -> (Vec<Value>, usize) {
    let mut lines = Vec::new();
    let mut compressed = 0;
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "gz") {
            compressed += 1;
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.ends_with('\n'), "a line is torn over two files");
        lines.extend(text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()));
    }
    (lines, compressed)
}

#[test]
fn rotation_keeps_lines_whole_and_old_files_few() {
    let dir = tempfile::tempdir().unwrap();
    let mut files = Files::open(&logging(dir.path(), "2")).unwrap();
    for i in 0..200 {
        let line = json!({"i": i, "padding": "x".repeat(i * 7 % 900)}).to_string() + "\n";
        assert_eq!(files.write(Channel::Trading, line.as_bytes()), None);
    }
    let (lines, compressed) = lines_of(dir.path());
    assert_eq!(lines.last().map(|_| compressed), Some(1));
    assert!(dir.path().join("trading.log.1").exists() && dir.path().join("trading.log.2.gz").exists());
    let numbers: BTreeSet<_> = lines.iter().map(|line| line["i"].as_u64().unwrap()).collect();
    assert_eq!(numbers.len(), lines.len(), "a line is there twice");
    assert!(numbers.contains(&199));
}

#[test]
fn a_folder_that_others_tidy_up_does_not_end_logging() {
    let dir = tempfile::tempdir().unwrap();
    let mut files = Files::open(&logging(dir.path(), "3")).unwrap();
    let line = "x".repeat(5000) + "\n";
    for round in 0..40 {
        assert_eq!(files.write(Channel::Trading, line.as_bytes()), None, "round {round}");
        match round {
            9 => fs::remove_file(dir.path().join("trading.log.1")).unwrap(),
            19 => fs::remove_file(dir.path().join("trading.log")).unwrap(),
            29 => fs::remove_dir_all(dir.path()).unwrap(),
            _ => {}
        }
    }
    let last = fs::read_to_string(dir.path().join("trading.log")).unwrap();
    assert_eq!(last, line);
}

#[test]
fn a_folder_that_fails_is_told_once_and_so_is_its_recovery() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("logs");
    let mut files = Files::open(&logging(&path, "3")).unwrap();
    fs::remove_dir_all(&path).unwrap();
    fs::write(&path, "in the way").unwrap();
    let told = files.write(Channel::Audit, b"x\n").unwrap();
    assert!(told.starts_with("can't write log files in "), "{told}");
    assert_eq!(files.write(Channel::Audit, b"x\n"), None);
    fs::remove_file(&path).unwrap();
    assert!(files.write(Channel::Audit, b"x\n").unwrap().ends_with("can be written again"));
    let why = Files::open(&logging(Path::new("/dev/null/logs"), "3")).unwrap_err().to_string();
    assert!(why.starts_with("can't write log files in /dev/null/logs: "), "{why}");
}

fn logging(dir: &Path, backups: &str) -> Logging {
    let variables = [
        ("LOGGING__DIR", dir.to_str().unwrap()),
        ("LOGGING__MAX_SIZE", "4KB"),
        ("LOGGING__BACKUPS", backups),
    ];
    Settings::load(variables, "").unwrap().logging
}
