//! Records are delivered whole, in order, and only as far as they were asked for.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use pandaflow::{
    Epoch, Header, Headers, Offset, Outgoing, Partition, Timestamp,
    ports::{Assignee, Assignment, Batch, Demand, StoreError, SubscriptionRequest},
};
use tokio::sync::mpsc;

use super::stage::{Stage, keyed, numbers, values, within};

/// An assignment alone brings nothing.
pub async fn nothing_is_delivered_before_it_is_asked_for(stage: Stage) {
    let topic = stage.topic("paper.in", 1).await;
    stage.publish_values(&topic, 0..3).await;
    let mut member = stage.subscribe("g", &[&topic]);
    member.assigned_one().await;
    stage.publish_values(&topic, 3..6).await;
    assert!(member.finish().await.is_empty());
}

/// Key, value, headers, time and place are those that were written.
pub async fn records_arrive_whole_and_in_order(stage: Stage) {
    let topic = stage.topic("paper.in", 1).await;
    let any_name: &[u8] = if stage.limits().any_header_names { b"\xff\xfe" } else { b"b" };
    let headers = vec![
        Header { name: Bytes::from_static(b"a"), value: Some(Bytes::from_static(b"1")) },
        Header { name: Bytes::from_static(b"a"), value: None },
        Header { name: Bytes::from_static(any_name), value: Some(Bytes::new()) },
        Header { name: Bytes::new(), value: Some(Bytes::from_static(b"\x00\x01")) },
    ];
    let first = Outgoing { headers: Headers::new(headers), ..keyed(&topic, "key", "value") };
    let second = Outgoing { timestamp: Timestamp(-5), value: Some(vec![0, 255, 10].into()), ..first.clone() };
    stage.publish(vec![first.clone(), second.clone()]).await;
    let found = stage.read(&topic, 2).await;
    for (place, (found, written)) in found.iter().zip([&first, &second]).enumerate() {
        assert_eq!(found.position().offset, Offset(place as u64));
        assert_eq!(found.partition, Partition(0));
        assert_eq!(found.topic, topic);
        assert_eq!(found.key, written.key);
        assert_eq!(found.value, written.value);
        assert_eq!(found.headers, written.headers);
        assert_eq!(found.timestamp, written.timestamp);
    }
}

/// The demand is a bound.
pub async fn no_more_is_delivered_than_was_asked_for(stage: Stage) {
    let topic = stage.topic("paper.in", 1).await;
    stage.publish_values(&topic, 0..10).await;
    let mut member = stage.subscribe("g", &[&topic]);
    member.assigned_one().await.request(3);
    assert_eq!(values(&member.records(3).await), numbers(0..3));
    stage.publish_values(&topic, 10..12).await;
    assert!(member.finish().await.is_empty());
}

/// Nothing is left out and nothing comes twice between two requests.
pub async fn later_demand_goes_on_where_delivery_stopped(stage: Stage) {
    let topic = stage.topic("paper.in", 1).await;
    stage.publish_values(&topic, 0..10).await;
    let mut member = stage.subscribe("g", &[&topic]);
    let task = member.assigned_one().await;
    for (count, expected) in [(1, 0..1), (4, 1..5), (5, 5..10)] {
        task.request(count);
        assert_eq!(values(&member.records(count).await), numbers(expected));
    }
}

/// What was asked for before there was anything counts when there is.
pub async fn demand_adds_up(stage: Stage) {
    let topic = stage.topic("paper.in", 1).await;
    let mut member = stage.subscribe("g", &[&topic]);
    let task = member.assigned_one().await;
    task.request(2);
    task.request(3);
    stage.publish_values(&topic, 0..9).await;
    assert_eq!(values(&member.records(5).await), numbers(0..5));
    assert!(member.finish().await.is_empty());
}

/// The record that uses the bytes up is delivered, the next one is not.
pub async fn bytes_bound_a_delivery_but_for_one_record(stage: Stage) {
    let topic = stage.topic("paper.in", 1).await;
    let value = "x".repeat(99);
    stage.publish((0..10).map(|_| keyed(&topic, "k", &value)).collect()).await;
    let mut member = stage.subscribe("g", &[&topic]);
    let task = member.assigned_one().await;
    let mut found = 0;
    for (events, bytes, allowed) in [(10, 250, 2), (0, 300, 5)] {
        task.request_bytes(events, bytes);
        while found < allowed {
            found += member.batch().await.records.len();
        }
        assert!(found <= allowed + 1, "{found} records of 100 bytes");
    }
    found += member.finish().await.len();
    assert!((5..=6).contains(&found), "550 bytes allow 5 or 6 records of 100, not {found}");
}

/// Demand that is open is served when records come.
pub async fn records_appended_later_are_delivered(stage: Stage) {
    let topic = stage.topic("paper.in", 1).await;
    let mut member = stage.subscribe("g", &[&topic]);
    member.assigned_one().await.request(100);
    for value in 0..5 {
        stage.publish_values(&topic, value..value + 1).await;
        assert_eq!(values(&member.records(1).await), numbers(value..value + 1));
    }
}

/// A batch names the topic by its place in the request, and each topic is in order.
pub async fn records_of_all_topics_come_with_their_input(stage: Stage) {
    let topics = [stage.topic("paper.a", 1).await, stage.topic("paper.b", 1).await];
    let mut member = stage.subscribe("g", &[&topics[1], &topics[0]]);
    member.assigned_one().await.request(1000);
    stage.publish_values(&topics[0], 0..40).await;
    stage.publish_values(&topics[1], 100..140).await;
    let mut found = [Vec::new(), Vec::new()];
    while found[0].len() + found[1].len() < 80 {
        let batch = member.batch().await;
        assert!(batch.records.iter().all(|record| record.topic == topics[1 - batch.input]));
        found[batch.input].extend(values(&batch.records));
    }
    assert_eq!(found, [numbers(100..140), numbers(0..40)]);
}

/// One partition's demand says nothing of another's.
pub async fn each_partition_comes_to_its_own_owner(stage: Stage) {
    let topic = stage.topic("paper.in", 4).await;
    let records: Vec<_> = (0..200).map(|key| keyed(&topic, &key.to_string(), "v")).collect();
    stage.publish(records).await;
    let mut member = stage.subscribe("g", &[&topic]);
    let tasks = member.assigned(4).await;
    tasks[2].request(7);
    let batch = member.batch().await;
    assert_eq!((batch.partition, batch.epoch), (Partition(2), tasks[2].acquired.owner.epoch));
    assert!(batch.records.iter().all(|record| record.partition == Partition(2)));
    let rest = member.finish().await;
    assert!(rest.iter().all(|record| record.partition == Partition(2)));
    assert_eq!(batch.records.len() + rest.len(), 7);
}

/// Every group gets every record.
pub async fn groups_read_independently(stage: Stage) {
    let topic = stage.topic("paper.in", 1).await;
    let mut one = stage.subscribe("one", &[&topic]);
    let mut two = stage.subscribe("two", &[&topic]);
    one.assigned_one().await.request(10);
    stage.publish_values(&topic, 0..4).await;
    assert_eq!(values(&one.records(4).await), numbers(0..4));
    two.assigned_one().await.request(10);
    assert_eq!(values(&two.records(4).await), numbers(0..4));
}

/// Null and empty are different things.
pub async fn tombstones_and_missing_keys_arrive_as_they_are(stage: Stage) {
    let topic = stage.topic("paper.in", 1).await;
    let shapes = [
        (Some(Bytes::from_static(b"k")), None),
        (None, Some(Bytes::from_static(b"v"))),
        (Some(Bytes::new()), Some(Bytes::new())),
        (None, None),
    ];
    let record = |(key, value): &(Option<Bytes>, Option<Bytes>)| Outgoing {
        key: key.clone(),
        value: value.clone(),
        ..keyed(&topic, "", "")
    };
    stage.publish(shapes.iter().map(record).collect()).await;
    let found: Vec<_> =
        stage.read(&topic, 4).await.into_iter().map(|record| (record.key, record.value)).collect();
    assert_eq!(found, shapes);
}

/// Asks for the next record whenever one has come.
struct Greedy {
    demand: Mutex<Option<Arc<dyn Demand>>>,
    found: mpsc::UnboundedSender<Batch>,
}

impl Greedy {
    fn ask(&self) {
        let demand = self.demand.lock().expect("nothing panics under this lock").clone();
        demand.expect("it is assigned").request(1, 1000);
    }
}

impl Assignee for Greedy {
    fn assigned(&self, assignment: Assignment) {
        *self.demand.lock().expect("nothing panics under this lock") = Some(assignment.demand);
        self.ask();
    }

    fn delivered(&self, batch: Batch) {
        drop(self.found.send(batch));
        self.ask();
    }

    fn revoked(&self, _: Partition, _: Epoch, _: Box<dyn Send>) {}

    fn lost(&self, _: Partition, _: Epoch) {}

    fn failed(&self, error: StoreError) {
        panic!("{error}");
    }
}

/// Asking from inside a delivery neither locks up nor changes the order, however much there is.
pub async fn demand_can_be_raised_from_within_a_delivery(stage: Stage) {
    let topic = stage.topic("paper.in", 1).await;
    stage.publish_values(&topic, 0..3000).await;
    let (found, mut batches) = mpsc::unbounded_channel();
    let greedy = Arc::new(Greedy { demand: Mutex::default(), found });
    let request = SubscriptionRequest::new("g".into(), vec![topic.clone()]);
    let subscription = stage.transport().source().subscribe(request, greedy).expect("the topic is there");
    for expected in 0..3000 {
        let batch = within(batches.recv()).await.expect("the assignee lives");
        assert_eq!(batch.records.len(), 1);
        let record = &batch.records[0];
        assert_eq!(record.value.as_deref(), Some(expected.to_string().as_bytes()));
        assert!(record.offset == Offset(expected) || !stage.limits().dense_offsets);
    }
    within(subscription.close()).await;
}
