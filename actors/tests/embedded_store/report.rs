//! A data folder is read from outside while a process runs on it.

use pandaflow::ports::{DeadLetterFilter, DeadLetterId};
use pandaflow_actors::transport::embedded::{EmbeddedReport, OpenError};

use super::shop::{Shop, everything, letter};

#[test]
fn dead_letters_are_listed_and_shown_while_a_process_runs() {
    let folder = tempfile::tempdir().unwrap();
    let shop = Shop::open(folder.path());
    let topic = shop.topic("paper.in", 1, false);
    let owner = shop.acquire("g", 0, &[&topic]).owner;
    shop.settle(everything(&owner, &topic, 1)).unwrap();

    let report = EmbeddedReport::open(folder.path()).unwrap();
    let listed = report.dead_letters(DeadLetterFilter::default()).unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].letter, letter(&topic));
    shop.settle(everything(&owner, &topic, 2)).unwrap();
    assert_eq!(report.dead_letters(DeadLetterFilter::default()).unwrap().len(), 2);
    assert_eq!(report.dead_letter(DeadLetterId(1)).unwrap(), Some(listed[0].clone()));
    assert_eq!(report.dead_letter(DeadLetterId(3)).unwrap(), None);
    let processor = Some("another".to_owned());
    assert_eq!(report.dead_letters(DeadLetterFilter { processor, ..Default::default() }).unwrap(), []);
    assert_eq!(report.lag().unwrap().iter().map(pandaflow::ports::Lag::records).sum::<u64>(), 2);
    shop.close();
}

#[test]
fn dead_letters_are_listed_after_the_process_has_ended() {
    let folder = tempfile::tempdir().unwrap();
    let shop = Shop::open(folder.path());
    let topic = shop.topic("paper.in", 1, false);
    let owner = shop.acquire("g", 0, &[&topic]).owner;
    shop.settle(everything(&owner, &topic, 1)).unwrap();
    shop.close();
    let report = EmbeddedReport::open(folder.path()).unwrap();
    assert_eq!(report.dead_letters(DeadLetterFilter::default()).unwrap()[0].letter, letter(&topic));
    // A report holds up nobody.
    Shop::open(folder.path()).close();
}

#[test]
fn a_folder_without_data_is_said_to_be_one() {
    let folder = tempfile::tempdir().unwrap();
    let error = EmbeddedReport::open(folder.path()).err().expect("there is nothing to read");
    assert!(matches!(error, OpenError::Missing { .. }), "{error}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
