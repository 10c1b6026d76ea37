//! The service actors as mocks: what they are told, and that their trouble is nobody's but their own.

use std::time::Duration;

use pandaflow::{EventId, ports::Verdict};
use pandaflow_actors::{
    RuntimeConfig,
    testkit::mock_mailbox::{Gate, MockDeadLetters, MockDedup, MockHealth, MockMetrics},
};

use crate::support::*;

#[actix::test]
async fn an_event_is_claimed_before_it_is_handled_and_said_to_be_done_once_it_is_settled() {
    let dedup = MockDedup::start();
    let handle = dedup.handle();
    let (mut kit, journal) = start_with(RuntimeConfig::default(), |mut services| {
        services.dedup = handle;
        services
    })
    .await;
    let id = kit.send("jobs", Job::new("ada", 0, &[]));
    kit.transport().faults().hold_settlements();
    kit.advance(Duration::from_millis(5)).await;
    let claims = dedup.claim.received();
    assert_eq!(claims.iter().flat_map(|claim| claim.0.ids.clone()).collect::<Vec<EventId>>(), [id]);
    assert_eq!(dedup.fence.received().len(), 1, "the owners before are fenced first");
    assert_eq!((journal.started().len(), dedup.done.received().len()), (1, 0));
    kit.transport().faults().release_settlements();
    kit.run_until_idle().await;
    kit.advance(Duration::from_millis(1)).await;
    assert_eq!(dedup.done.received().iter().flat_map(|done| done.ids.clone()).collect::<Vec<_>>(), [id]);
}

#[actix::test]
async fn what_is_done_already_is_not_handled_and_a_lease_is_waited_for() {
    let dedup = MockDedup::start();
    let (mut kit, journal) = start_with(RuntimeConfig::default(), |mut services| {
        services.dedup = dedup.handle();
        services
    })
    .await;
    let until = kit.now().after(Duration::from_millis(20));
    dedup.claim.expect(|_| true).answer(Ok(vec![Verdict::Done]));
    dedup.claim.expect(|_| true).answer(Ok(vec![Verdict::Leased { until }]));
    dedup.claim.answer_by_default(move |claim| {
        let verdict = if claim.0.now < until { Verdict::Leased { until } } else { Verdict::Fresh };
        Ok(vec![verdict; claim.0.ids.len()])
    });
    kit.send("jobs", Job::new("ada", 0, &[]));
    kit.advance(Duration::from_millis(1)).await;
    kit.send("jobs", Job::new("ada", 1, &[]));
    kit.run_until_idle().await;
    dedup.verify();
    assert_eq!(journal.started(), [(1, 1)]);
    assert!(kit.now() >= until);
    assert_eq!(kit.ledger::<Worker>().duplicate, 1);
}

#[actix::test]
async fn a_claim_that_fails_or_is_late_delays_its_events_and_loses_none() {
    let dedup = MockDedup::start();
    let gate = Gate::shut();
    dedup.claim.expect(|_| true).fail();
    dedup.claim.expect(|_| true).delay_until_released(&gate).answer(Ok(vec![Verdict::Fresh]));
    let (mut kit, journal) = start_with(RuntimeConfig::default(), |mut services| {
        services.dedup = dedup.handle();
        services
    })
    .await;
    kit.send("jobs", Job::new("ada", 0, &[]));
    kit.advance(Duration::from_secs(60)).await;
    assert!(journal.started().is_empty());
    gate.release();
    kit.run_until_idle().await;
    assert_eq!(done(&kit, "ada"), [0]);
    dedup.verify();
}

#[actix::test]
async fn a_dead_letter_that_is_not_taken_is_filed_again_until_it_is() {
    let letters = MockDeadLetters::start();
    letters.file.expect(|_| true).fail();
    letters.file.expect(|_| true).fail();
    let (mut kit, journal) = start_with(RuntimeConfig::default(), |mut services| {
        services.dead_letters = letters.handle();
        services
    })
    .await;
    kit.send("jobs", Job::new("ada", 7, &[Then::Poison]));
    kit.send("jobs", Job::new("ada", 8, &[]));
    kit.run_until_idle().await;
    letters.verify();
    let filed = letters.file.received();
    assert_eq!(filed.len(), 3);
    assert!(filed.iter().all(|letter| *letter == filed[0]), "the same letter each time");
    assert_eq!(filed[0].0.attempts, 1);
    assert_eq!(journal.started(), [(7, 1), (8, 1)]);
    assert_eq!(kit.ledger::<Worker>().dead_lettered, 1);
}

#[test]
fn telemetry_that_fails_or_is_full_or_gone_changes_no_outcome() {
    let ledgers: Vec<_> = ["well", "failing", "closed"]
        .into_iter()
        .map(|telemetry| {
            on_its_own_clock(async move {
                let (health, metrics) = (MockHealth::start(), MockMetrics::start());
                let (health_handle, metrics_handle) = (health.handle(), metrics.handle());
                match telemetry {
                    "failing" => {
                        metrics.observe.be_strict();
                        health.component.be_strict();
                        health.progress.be_strict();
                    }
                    "closed" => {
                        metrics.observe.close().await;
                        metrics.forget.close().await;
                        metrics.count.close().await;
                        health.component.close().await;
                        health.processor.close().await;
                        health.progress.close().await;
                        health.supervisor.close().await;
                    }
                    _ => {}
                }
                let config = RuntimeConfig { restarts: without_budget(), ..RuntimeConfig::default() };
                let (mut kit, _) = start_with(config, |mut services| {
                    services.health = health_handle;
                    services.metrics = metrics_handle;
                    services
                })
                .await;
                for no in 0..40 {
                    let thens = [Then::Fail, Then::Panic, Then::Filter, Then::Poison, Then::Hang];
                    kit.send("jobs", Job::new(&format!("k{}", no % 5), no, &[thens[no as usize % 5]]));
                }
                kit.run_until_idle().await;
                let states: Vec<_> = (0..5).map(|key| kit.state::<Worker>(&format!("k{key}"))).collect();
                (kit.ledger::<Worker>(), states, kit.dead_letters().len())
            })
        })
        .collect();
    assert_eq!(ledgers[0], ledgers[1]);
    assert_eq!(ledgers[0], ledgers[2]);
    assert!(ledgers[0].0.is_settled() && ledgers[0].0.consumed == 40);
}
