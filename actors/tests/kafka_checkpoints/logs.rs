//! Logs that are not what the checkpoint was made of, and tails with something special in them.

use super::{
    admin::Admin,
    machine::{CHANGELOG, Machine, key, removal, states, with_500_states},
    raw_log::OpenTransaction,
};

/// Shorter than the one before, or longer.
#[tokio::test]
async fn a_changelog_that_was_made_anew_is_read_from_its_beginning() {
    for records in [20, 700] {
        let Some(machine) = with_500_states().await else { return };
        Admin::new(&machine.broker, &machine.plain.prefix).make_anew(CHANGELOG, 1).await;
        let elsewhere = machine.elsewhere();
        let owner = elsewhere.acquire().await;
        elsewhere.settle(&owner, states(1000..1000 + records, "anew")).await;
        elsewhere.end().await;
        let process = machine.process();
        process.acquire().await;
        assert_eq!(process.read(), (0, records));
        process.assert_has_the_truth(&machine, &[key(0)]).await;
        process.end().await;
        // The file is one of the new log from now on.
        let process = machine.process();
        process.acquire().await;
        assert_eq!(process.read(), (records, 0));
        process.assert_has_the_truth(&machine, &[key(0)]).await;
        process.end().await;
    }
}

#[tokio::test]
async fn what_retention_has_taken_from_the_log_is_gone_with_a_checkpoint_as_well() {
    let Some(machine) = Machine::new() else { return };
    let admin = Admin::new(&machine.broker, &machine.plain.prefix);
    admin.make(CHANGELOG, 1, &[("cleanup.policy", "compact,delete")]).await;
    machine.settle_500_states().await;
    admin.delete_records(CHANGELOG, 100).await;
    let process = machine.process();
    process.acquire().await;
    assert_eq!(process.read(), (400, 0));
    let keys: Vec<_> = (0..500).map(key).collect();
    process.assert_has_the_truth(&machine, &keys).await;
    process.end().await;
}

#[tokio::test]
async fn a_removal_in_the_tail_removes() {
    let Some(machine) = with_500_states().await else { return };
    let elsewhere = machine.elsewhere();
    let owner = elsewhere.acquire().await;
    elsewhere.settle(&owner, (0..7).map(removal).collect()).await;
    elsewhere.end().await;
    for read in [(500, 7), (500, 0)] {
        let process = machine.process();
        process.acquire().await;
        assert_eq!(process.read(), read);
        let removed: Vec<_> = (0..7).map(key).collect();
        assert!(process.states(removed.iter()).await.is_empty());
        process.assert_has_the_truth(&machine, &removed).await;
        process.end().await;
    }
}

/// Neither by a restore, nor by what brings the checkpoint up to date.
#[tokio::test]
async fn aborted_records_in_the_tail_are_seen_by_nobody() {
    let Some(machine) = with_500_states().await else { return };
    let changelog = machine.on_broker(CHANGELOG);
    let aborted = [("saccount-1", "aborted"), ("snew", "aborted")];
    OpenTransaction::begin(&machine.broker, &changelog, &aborted).abort();
    OpenTransaction::begin(&machine.broker, &changelog, &[("sother", "committed")]).commit();
    for read in [(500, 1), (501, 0)] {
        let process = machine.process();
        process.acquire().await;
        assert_eq!(process.read(), read);
        let keys = ["new", "other", "account-1"].map(|key| bytes::Bytes::from_static(key.as_bytes()));
        let found = process.states(keys.iter()).await;
        let values: Vec<_> = keys.iter().map(|key| found.get(key).map(|value| &value[..])).collect();
        assert_eq!(values, [None, Some(&b"committed"[..]), Some(b"first-1")]);
        process.assert_has_the_truth(&machine, &keys).await;
        process.end().await;
    }
}

/// A record that this program doesn't know is not passed over for a later program, which may know it.
#[tokio::test]
async fn a_checkpoint_ends_before_a_record_that_this_program_does_not_know() {
    let Some(machine) = with_500_states().await else { return };
    let changelog = machine.on_broker(CHANGELOG);
    OpenTransaction::begin(&machine.broker, &changelog, &[("x", "what is this?"), ("slater", "state")])
        .commit();
    for _ in 0..2 {
        let process = machine.process();
        process.acquire().await;
        assert_eq!(process.read(), (500, 1));
        process.assert_has_the_truth(&machine, &[]).await;
        process.end().await;
    }
}
