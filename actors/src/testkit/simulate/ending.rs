//! How a run ends: what of it must be the same whatever happened on the way.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use pandaflow::{EventId, Group, Record, TopicName};

use super::{entry::ids_of, story::Violation, world::World};

/// What a key's records on a topic say, in order, each id once.
type Told = Vec<(Option<EventId>, Bytes)>;

/// The end of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ending {
    states: BTreeMap<(Group, Bytes), Bytes>,
    outputs: BTreeMap<(TopicName, Bytes), Told>,
    dead_letters: BTreeSet<(Group, TopicName, Bytes, String)>,
}

impl Ending {
    pub(super) fn of(world: &World) -> Self {
        let mut states = BTreeMap::new();
        for group in world.groups() {
            let all = world.transport.memory.all_states(group);
            states.extend(all.into_iter().map(|(key, state)| ((group.clone(), key), state)));
        }
        let mut outputs: BTreeMap<_, Told> = BTreeMap::new();
        for topic in world.outputs() {
            let mut seen = BTreeSet::new();
            for Record { topic, key, value, .. } in world.transport.memory.records(topic) {
                let value = value.unwrap_or_default();
                let id = ids_of(&value).0;
                if id.is_none_or(|id| seen.insert(id)) {
                    outputs.entry((topic, key.unwrap_or_default())).or_default().push((id, value));
                }
            }
        }
        let letters = world.transport.memory.dead_letters().into_iter().map(|stored| stored.letter);
        let dead_letters = letters.map(|letter| {
            let event = letter.event_id.map(|id| Bytes::from(id.to_string()));
            let event = event.or(letter.record.value).unwrap_or_default();
            (letter.group, letter.record.topic, event, letter.class.to_string())
        });
        let dead_letters = dead_letters.collect();
        Self { states, outputs, dead_letters }
    }

    /// Checks that this is how the undisturbed run ended: guarantee 20.
    pub(super) fn is_that_of(&self, undisturbed: &Self) -> Result<(), Violation> {
        let text = |bytes: Option<&Bytes>| {
            bytes.map_or("nothing".to_owned(), |bytes| String::from_utf8_lossy(bytes).into_owned())
        };
        if let Some((group, key)) = difference(&self.states, &undisturbed.states) {
            let place = (group.clone(), key.clone());
            let (ours, theirs) = (text(self.states.get(&place)), text(undisturbed.states.get(&place)));
            let key = String::from_utf8_lossy(key);
            let what = format!("the state of {key} in {group} is {ours}, undisturbed it is {theirs}");
            return Err(Violation::new("ends like an undisturbed run", what));
        }
        if let Some((topic, key)) = difference(&self.outputs, &undisturbed.outputs) {
            let place = (topic.clone(), key.clone());
            let none = Vec::new();
            let ours = self.outputs.get(&place).unwrap_or(&none);
            let theirs = undisturbed.outputs.get(&place).unwrap_or(&none);
            let at = ours.iter().zip(theirs).take_while(|(ours, theirs)| ours == theirs).count();
            let value = |all: &[(Option<EventId>, Bytes)]| text(all.get(at).map(|(_, value)| value));
            let key = String::from_utf8_lossy(key);
            let what = format!(
                "event {at} of key {key} on {topic} is {}, undisturbed it is {}",
                value(ours),
                value(theirs)
            );
            return Err(Violation::new("ends like an undisturbed run", what));
        }
        if let Some(letter) = self.dead_letters.symmetric_difference(&undisturbed.dead_letters).next() {
            let (group, topic, event, class) = letter;
            let is = if self.dead_letters.contains(letter) {
                "is, undisturbed it isn't"
            } else {
                "isn't, undisturbed it is"
            };
            let event = String::from_utf8_lossy(event);
            let what = format!("event {event} of {topic} {is} a dead letter of {group} ({class})");
            return Err(Violation::new("ends like an undisturbed run", what));
        }
        Ok(())
    }
}

/// The first key that is not the same in both.
fn difference<'a, K: Ord, V: PartialEq>(
    ours: &'a BTreeMap<K, V>,
    theirs: &'a BTreeMap<K, V>,
) -> Option<&'a K> {
    let differs = |key: &&K| ours.get(key) != theirs.get(key);
    ours.keys().chain(theirs.keys()).find(differs)
}
