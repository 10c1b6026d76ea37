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

#[test]
fn a_damaged_file_is_refused_and_nothing_is_left_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let shop = Shop::open(folder.path());
    let topic = shop.topic("paper.in", 1, false);
    let owner = shop.acquire("g", 0, &[&topic]).owner;
    for number in 0..50 {
        shop.settle(everything(&owner, &topic, number)).unwrap();
    }
    shop.close();
    let file = folder.path().join("pandaflow.db");
    let whole = std::fs::read(&file).unwrap();
    let mut torn = whole.clone();
    torn[whole.len() / 2..].iter_mut().step_by(7).for_each(|byte| *byte ^= 0x55);
    for bytes in [&whole[..whole.len() - 5_000], &torn, b"", b"no database"] {
        std::fs::write(&file, bytes).unwrap();
        let before = std::fs::read_dir(folder.path()).unwrap().count();
        let error = EmbeddedReport::open(folder.path()).err().expect("it is damaged");
        assert!(error.to_string().contains("pandaflow.db"), "{error}");
        assert!(matches!(error, OpenError::Damaged { .. } | OpenError::Foreign { .. }), "{error}");
        assert_eq!(std::fs::read(&file).unwrap(), bytes);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), before);
    }
}
