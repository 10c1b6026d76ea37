//! The plan of a run: drawn from a seed, then plain data, so that it can be cut down and run again.

use std::{fmt, time::Duration};

use super::{
    action::{Action, Disturbance, Place, Refusal, Store, Trouble, Waiting, When},
    faults::Faults,
    input::Input,
    rng::Rng,
};

/// Steps of a run, and the limits of its runtime.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) limits: Limits,
    pub(super) actions: Vec<Action>,
}

/// The limits of a runtime, drawn small so that they are met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    pub(super) in_flight_events: usize,
    pub(super) settle_events: usize,
    pub(super) cached_keys: usize,
    pub(super) restarts: usize,
    /// Dead letters in a row.
    pub(super) dead_letters: u64,
}

impl Limits {
    /// None is met.
    pub(super) const WIDE: Self = Self {
        in_flight_events: 8_192,
        settle_events: 1_000,
        cached_keys: 10_000,
        restarts: 10,
        dead_letters: u64::MAX,
    };
}

impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { in_flight_events, settle_events, cached_keys, restarts, dead_letters } = self;
        write!(
            f,
            "{in_flight_events} events in flight, {settle_events} in a settlement, {cached_keys} keys in memory, \
             {restarts} restarts, {dead_letters} dead letters in a row"
        )
    }
}

/// What a plan may be made of.
pub(super) struct Stage<'a> {
    pub(super) inputs: &'a [Input],
    /// Partitions of each processor.
    pub(super) partitions: &'a [u32],
    /// Inputs that may come twice, as all who read them dedup.
    pub(super) repeatable: &'a [bool],
    pub(super) faults: Faults,
    pub(super) steps: usize,
}

impl Plan {
    pub(super) fn draw(rng: &mut Rng, stage: &Stage<'_>) -> Self {
        let limits = Limits {
            in_flight_events: rng.pick(&[1, 3, 8, 8_192]),
            settle_events: rng.pick(&[1, 2, 5, 1_000]),
            cached_keys: rng.pick(&[1, 2, 10_000]),
            restarts: rng.pick(&[1, 10, 10]),
            // From a copy: what is drawn after it stays as it was before there was this limit.
            dead_letters: rng.clone().pick(&[1, 2, 100, 100]),
        };
        let mut actions = Vec::with_capacity(stage.steps + stage.inputs.len());
        let mut sent = 0;
        for _ in 0..stage.steps {
            let action = draw_action(rng, stage, &mut sent);
            actions.extend(action);
        }
        actions.extend((sent..stage.inputs.len()).map(Action::Send));
        Self { limits, actions }
    }
}

/// How often the steps that are no fault are drawn, against the faults.
const CALM: [u64; 3] = [34, 16, 16];

fn draw_action(rng: &mut Rng, stage: &Stage<'_>, sent: &mut usize) -> Option<Action> {
    let Faults { crashes, restarts, rebalances, settlements, stores, handlers, repeats } = stage.faults;
    let [send, turn, advance] = CALM;
    let weights =
        [send, turn, advance, crashes, restarts, rebalances, settlements, stores, handlers, repeats];
    match weighted(rng, &weights) {
        0 if *sent < stage.inputs.len() => {
            *sent += 1;
            Some(Action::Send(*sent - 1))
        }
        0 | 1 => Some(Action::Turn(u32::try_from(rng.between(1, 12)).unwrap_or(1))),
        2 => Some(Action::Advance(time(rng))),
        3 => Some(Action::Crash(rng.pick(&[Waiting::Lost, Waiting::Real]))),
        4 => Some(Action::Restart(Duration::from_millis(rng.pick(&[0, 5, 1_000, 30_000])))),
        5 => rebalance(rng, stage.partitions),
        6 => Some(settlement(rng)),
        7 => Some(store(rng)),
        8 => Some(Action::Disturb(disturbance(rng))),
        _ => {
            let place = usize::try_from(rng.below(*sent as u64)).unwrap_or(0);
            stage.repeatable.get(place).filter(|may| **may && *sent > 0).map(|_| Action::Repeat(place))
        }
    }
}

fn weighted(rng: &mut Rng, weights: &[u64]) -> usize {
    let mut drawn = rng.below(weights.iter().sum());
    for (place, weight) in weights.iter().enumerate() {
        match drawn.checked_sub(*weight) {
            Some(left) => drawn = left,
            None => return place,
        }
    }
    0
}

/// Mostly short, seldom past time-outs and leases.
fn time(rng: &mut Rng) -> Duration {
    let longest = rng.pick(&[3, 3, 20, 20, 200, 2_000, 15_000]);
    Duration::from_millis(rng.between(1, longest + 1))
}

fn rebalance(rng: &mut Rng, partitions: &[u32]) -> Option<Action> {
    let processor = usize::try_from(rng.below(partitions.len() as u64)).unwrap_or(0);
    let partition = u32::try_from(rng.below(u64::from(*partitions.get(processor)?))).unwrap_or(0);
    let place = Place { processor, partition };
    Some(match rng.below(7) {
        0 | 1 => Action::Revoke(place),
        2 | 3 => Action::Lose(place),
        _ => Action::Assign(place),
    })
}

fn settlement(rng: &mut Rng) -> Action {
    let times = usize::try_from(rng.between(1, 4)).unwrap_or(1);
    match rng.below(8) {
        0 | 1 => Action::FailSettlements(times, Refusal::Retry),
        2 => Action::FailSettlements(1, Refusal::Refused),
        3 => Action::FailSettlements(1, Refusal::StartOver),
        4 | 5 => Action::HoldSettlements,
        6 => Action::LateAnswers(Duration::from_millis(rng.pick(&[1, 40, 1_500]))),
        _ => Action::Heal,
    }
}

fn store(rng: &mut Rng) -> Action {
    let store = rng.pick(&[Store::Dedup, Store::States, Store::DeadLetters]);
    match rng.below(4) {
        0 | 1 => Action::FailStore(store, usize::try_from(rng.between(1, 4)).unwrap_or(1)),
        2 => Action::HangStore(store),
        _ => Action::Heal,
    }
}

fn disturbance(rng: &mut Rng) -> Disturbance {
    let what = match rng.below(10) {
        0..3 => Trouble::Fails(Duration::ZERO),
        3 => Trouble::Fails(Duration::from_secs(rng.pick(&[2, 45]))),
        4 | 5 => Trouble::Panics,
        6 => Trouble::Hangs,
        _ => Trouble::Waits(Duration::from_millis(rng.pick(&[1, 5, 30, 400]))),
    };
    Disturbance { when: rng.pick(&[When::Before, When::After, When::After]), what }
}
