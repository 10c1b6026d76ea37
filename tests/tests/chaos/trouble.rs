//! What goes wrong, and when: made of a seed alone, so that the same seed makes the same trouble.

use std::{collections::BTreeMap, process::Child, time::Duration};

use pandaflow_tests::{Chance, Processes, Servers};

/// One thing that goes wrong, or is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Action {
    Kill(usize),
    Restart(usize),
    HoldStill(usize),
    LetGoOn(usize),
    KillServer(&'static str),
    StartServer(&'static str),
    PauseServer(&'static str),
    ResumeServer(&'static str),
}

/// Whom it is done to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Victim {
    Process(usize),
    Server(&'static str),
}

/// The first two troubles, of the database: a short run would have none of it by chance.
const OF_THE_DATABASE: [u64; 2] = [8, 10];

/// Trouble for as long: every 2 to 5 seconds something begins to go wrong. By time, from the beginning.
pub(crate) fn schedule(chance: &mut Chance, length: Duration, processes: usize) -> Vec<(Duration, Action)> {
    let mut kinds = OF_THE_DATABASE.into_iter();
    let mut actions = Vec::new();
    let mut well_from: BTreeMap<Victim, Duration> = BTreeMap::new();
    let mut at = Duration::ZERO;
    loop {
        at += Duration::from_millis(2_000 + chance.below(3_001));
        if at >= length {
            break;
        }
        // Whoever has trouble already has enough of it.
        let (victim, begins, ends, lasts) = loop {
            let kind = kinds.next().unwrap_or_else(|| chance.below(11));
            let trouble = draw(chance, processes, kind);
            if well_from.get(&trouble.0).is_none_or(|well| *well <= at) {
                break trouble;
            }
        };
        well_from.insert(victim, at + lasts + Duration::from_secs(1));
        actions.push((at, begins));
        actions.push((at + lasts, ends));
    }
    actions.sort();
    actions
}

fn draw(chance: &mut Chance, processes: usize, kind: u64) -> (Victim, Action, Action, Duration) {
    let process = usize::try_from(chance.below(processes as u64)).expect("it is a small number");
    let length = Duration::from_millis(chance.below(3_000));
    let of_process = Victim::Process(process);
    let server = match kind {
        5 => "redis",
        6 | 7 => "kafka",
        _ => "postgres",
    };
    match kind {
        0..=2 => (of_process, Action::Kill(process), Action::Restart(process), length),
        3 | 4 => (of_process, Action::HoldStill(process), Action::LetGoOn(process), Duration::from_secs(10)),
        5 | 6 | 8 | 9 => {
            (Victim::Server(server), Action::KillServer(server), Action::StartServer(server), length)
        }
        _ => {
            let lasts = Duration::from_secs(2) + 2 * length;
            (Victim::Server(server), Action::PauseServer(server), Action::ResumeServer(server), lasts)
        }
    }
}

/// Servers that are on their way back.
#[derive(Default)]
pub(crate) struct Returning(BTreeMap<&'static str, Child>);

impl Returning {
    /// Waits until a server is back that was started.
    pub(crate) fn wait_for(&mut self, server: &str, servers: &Servers) {
        let Some(mut start) = self.0.remove(server) else { return };
        // On a busy machine a broker that crashed may take longer than the script waits: the next start waits on.
        if !start.wait().is_ok_and(|status| status.success()) {
            servers.run("start", server);
        }
    }

    pub(crate) fn wait_for_all(&mut self, servers: &Servers) {
        while let Some(server) = self.0.keys().next().copied() {
            self.wait_for(server, servers);
        }
    }
}

impl Action {
    pub(crate) fn perform(self, processes: &mut Processes, servers: &Servers, returning: &mut Returning) {
        match self {
            Self::Kill(number) => processes.kill(number),
            Self::Restart(number) => processes.restart(number),
            Self::HoldStill(number) => processes.signal(number, "STOP"),
            Self::LetGoOn(number) => processes.signal(number, "CONT"),
            Self::StartServer(server) => drop(returning.0.insert(server, servers.begin("start", server))),
            Self::KillServer(server) => {
                returning.wait_for(server, servers);
                servers.run("kill", server);
            }
            Self::PauseServer(server) => {
                returning.wait_for(server, servers);
                servers.run("pause", server);
            }
            Self::ResumeServer(server) => servers.run("resume", server),
        }
    }
}
