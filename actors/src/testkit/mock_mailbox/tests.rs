//! Mock mailboxes: order, defaults, failures, delays and complaints.

use std::panic::AssertUnwindSafe;

use pandaflow::Timestamp;

use super::*;
use crate::{
    health::{HealthReport, ReadHealth, Status},
    mailbox::{MailboxError, Refusal},
};

fn report(ready: bool) -> HealthReport {
    let status = if ready { Status::Healthy } else { Status::Failing };
    HealthReport { status, timestamp: Timestamp(0), ready, alive: true, checks: Vec::new() }
}

fn read(now: i64) -> ReadHealth {
    ReadHealth { now: Timestamp(now) }
}

fn complaint(mock: &MockMailbox<ReadHealth>) -> String {
    let panicked = std::panic::catch_unwind(AssertUnwindSafe(|| mock.verify())).unwrap_err();
    *panicked.downcast::<String>().unwrap()
}

#[actix::test]
async fn expectations_are_met_in_their_order_and_the_rest_gets_the_default() {
    let mock = MockMailbox::answering("read", |_| report(true));
    mock.expect(|read: &ReadHealth| read.now.0 == 1).answer(report(false));
    mock.expect(|read| read.now.0 == 2)
        .answer_with(|read| HealthReport { timestamp: read.now, ..report(false) });
    let mailbox = mock.mailbox();
    assert!(mailbox.ask(read(2)).await.unwrap().ready, "not its turn: the default");
    assert!(!mailbox.ask(read(1)).await.unwrap().ready);
    assert_eq!(mailbox.ask(read(2)).await.unwrap().timestamp, Timestamp(2));
    assert_eq!(mock.received(), [read(2), read(1), read(2)]);
    mock.verify();
}

#[actix::test]
async fn a_message_is_failed_alone_and_a_closed_mailbox_fails_all() {
    let mock = MockMailbox::answering("read", |_| report(true));
    mock.expect(|_| true).fail();
    let mailbox = mock.mailbox();
    let closed = Err(MailboxError::Closed { service: "read" });
    assert_eq!(mailbox.ask(read(1)).await, closed);
    assert!(mailbox.ask(read(2)).await.is_ok());
    mock.close().await;
    assert_eq!(mailbox.ask(read(3)).await, closed);
    let undelivered = mailbox.tell(read(4)).unwrap_err();
    assert_eq!((undelivered.message, undelivered.reason), (read(4), Refusal::Closed));
    assert!(!mailbox.is_open());
}

#[actix::test]
async fn an_answer_waits_behind_its_gate_while_others_go() {
    let mock = MockMailbox::answering("read", |_| report(true));
    let gate = Gate::shut();
    mock.expect(|_| true).delay_until_released(&gate).answer(report(false));
    let held = actix_rt::spawn(mock.mailbox().ask(read(1)));
    assert!(mock.mailbox().ask(read(2)).await.unwrap().ready);
    assert!(!held.is_finished());
    gate.release();
    assert!(!held.await.unwrap().unwrap().ready);
}

#[actix::test]
async fn a_test_can_wait_for_messages() {
    let mock = MockMailbox::answering("read", |_| report(true));
    let mailbox = mock.mailbox();
    actix_rt::spawn(async move {
        for now in 0..3 {
            tokio::task::yield_now().await;
            mailbox.tell(read(now)).unwrap();
        }
    });
    mock.received_at_least(3).await;
    assert_eq!(mock.received().len(), 3);
}

#[actix::test]
#[should_panic(expected = "waits for 2 messages; it got [")]
async fn a_wait_for_messages_that_never_come_ends() {
    tokio::time::pause();
    let mock = MockMailbox::answering("read", |_| report(true));
    mock.mailbox().tell(read(1)).unwrap();
    mock.received_at_least(2).await;
}

#[actix::test]
async fn what_is_not_as_expected_is_told_line_by_line() {
    let mock = MockMailbox::start("read");
    mock.expect(|read: &ReadHealth| read.now.0 == 1).answer(report(true));
    mock.expect(|read| read.now.0 == 2).answer(report(true));
    assert!(mock.mailbox().ask(read(1)).await.is_ok());
    assert!(mock.mailbox().ask(read(9)).await.is_err(), "there is no default answer");
    let text = complaint(&mock);
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[0], "the mock mailbox \"read\" did not get what was expected:");
    assert!(
        lines[1].starts_with("    came, as expected at actors/src/testkit/mock_mailbox/tests.rs:"),
        "{text}"
    );
    assert_eq!(lines[2], "  + came, and was not expected: ReadHealth { now: Timestamp(9) }");
    assert!(lines[3].starts_with("  - never came: what is expected at actors/src/"), "{text}");
}

#[actix::test]
async fn a_strict_mock_complains_of_what_its_default_would_answer() {
    let health = MockHealth::start();
    assert!(health.handle().read(Timestamp(1)).await.is_ok());
    health.verify();
    health.read.be_strict();
    assert!(health.handle().read(Timestamp(2)).await.is_err());
    assert!(complaint(&health.read).contains("was not expected: ReadHealth"));
}

#[actix::test]
async fn the_handle_of_each_mock_is_the_one_of_the_service() {
    tokio::time::pause();
    let (dedup, letters) = (MockDedup::start(), MockDeadLetters::start());
    let (health, metrics) = (MockHealth::start(), MockMetrics::start());
    let services = crate::Services {
        dedup: dedup.handle(),
        dead_letters: letters.handle(),
        health: health.handle(),
        metrics: metrics.handle(),
    };
    assert!(services.dead_letters.list(Default::default()).await.unwrap().is_empty());
    assert_eq!(services.metrics.render().await.unwrap(), "");
    services.health.supervisor_beat();
    health.supervisor.received_at_least(1).await;
    assert!(services.dedup.is_open());
    dedup.verify();
    letters.verify();
    health.verify();
    metrics.verify();
}
