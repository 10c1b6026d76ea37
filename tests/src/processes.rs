//! Processes of `alpha-panda serve` that share the work, each of which may be killed, held still and started again.

use std::{
    os::unix::process::ExitStatusExt,
    time::{Duration, Instant},
};

use super::program::{AlphaPanda, Life, Report};

/// Exit code of a program that could not begin, such as while a server is away.
const COULD_NOT_BEGIN: i32 = 2;
const SEGMENTATION_FAULT: i32 = 11;
/// What a process says once it takes part.
const SERVING: &str = "\"event\":\"serving\"";

/// How many crashes of librdkafka one run puts up with.
const MOST_CRASHES: usize = 3;

/// librdkafka 2.12 may read, and write by, what it has not filled in when a broker tells of partitions without a leader, as one
/// does that has just been started (confluentinc/librdkafka issue 5280). Where such a number is no leader it is logged; where it
/// is one, nothing is said. To everybody else the crash is a SIGKILL. Our own code has no means to crash so: it is free of
/// `unsafe`.
fn is_crash_of_client(report: &Report) -> bool {
    report.status.signal() == Some(SEGMENTATION_FAULT)
}

/// Some processes, by number.
pub struct Processes {
    serve: AlphaPanda,
    lives: Vec<Option<Life>>,
    starts: usize,
    crashes: usize,
}

impl Processes {
    /// Starts as many of `program`, and waits until all take part.
    #[must_use]
    pub fn start(program: &AlphaPanda, count: usize) -> Self {
        let serve = program.command("serve");
        let lives: Vec<_> = (0..count).map(|_| Some(serve.start())).collect();
        let mut processes = Self { serve, lives, starts: count, crashes: 0 };
        processes.await_serving(Duration::from_secs(60));
        processes
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.lives.len()
    }

    /// How often one was started, over all of them.
    #[must_use]
    pub fn starts(&self) -> usize {
        self.starts
    }

    /// Kills one. It stays away until it is started.
    ///
    /// # Panics
    /// If it doesn't live.
    pub fn kill(&mut self, number: usize) {
        self.lives[number].take().expect("it lives").kill();
    }

    /// Starts one that is away.
    pub fn restart(&mut self, number: usize) {
        self.starts += 1;
        self.lives[number] = Some(self.serve.start());
    }

    /// Asks one to end, and waits until it has.
    ///
    /// # Panics
    /// If it doesn't live, or not end in time.
    #[must_use]
    pub fn end(&mut self, number: usize, time: Duration) -> Report {
        let mut life = self.lives[number].take().expect("it lives");
        life.signal("TERM");
        assert!(!life.live(time), "process {number} is still there {time:?} after SIGTERM");
        life.end()
    }

    /// Sends one a signal, such as `STOP` or `CONT`; nothing if it is away.
    pub fn signal(&self, number: usize, name: &str) {
        if let Some(life) = &self.lives[number] {
            life.signal(name);
        }
    }

    /// Starts again who could not begin, or was taken along by a crash of librdkafka, as whatever starts services does.
    ///
    /// # Panics
    /// If one has ended by itself after it had begun, or librdkafka crashes time and again.
    pub fn tend(&mut self) {
        for number in 0..self.lives.len() {
            let Some(mut life) = self.lives[number].take() else { continue };
            if life.live(Duration::ZERO) {
                self.lives[number] = Some(life);
                continue;
            }
            let report = life.end();
            let could_not_begin =
                report.status.code() == Some(COULD_NOT_BEGIN) && !report.stderr.contains(SERVING);
            if is_crash_of_client(&report) {
                self.crashes += 1;
                println!("process {number} crashed inside librdkafka, as by its issue 5280: started again");
            }
            assert!(
                could_not_begin || is_crash_of_client(&report) && self.crashes <= MOST_CRASHES,
                "process {number} has ended by itself, {}:\n{}",
                report.status,
                report.stderr
            );
            self.restart(number);
        }
    }

    /// Waits until all take part.
    ///
    /// # Panics
    /// If they don't within `time`, or one has ended by itself.
    pub fn await_serving(&mut self, time: Duration) {
        let until = Instant::now() + time;
        for number in 0..self.lives.len() {
            loop {
                self.tend();
                let life = self.lives[number].as_mut().expect("nobody is away");
                let left = until.saturating_duration_since(Instant::now());
                if life.has_said(SERVING, left.min(Duration::from_millis(200))) {
                    break;
                }
                assert!(!left.is_zero(), "process {number} doesn't serve:\n{}", life.said());
            }
        }
    }

    /// What each has said on standard error in its present life, for people.
    #[must_use]
    pub fn said(&mut self) -> String {
        let lives = self.lives.iter_mut().enumerate();
        let said = lives.map(|(number, life)| match life {
            Some(life) => {
                life.live(Duration::ZERO);
                format!("process {number}:\n{}", life.said())
            }
            None => format!("process {number} is away"),
        });
        said.collect::<Vec<_>>().join("\n")
    }

    /// Asks all to end, and gives their reports.
    ///
    /// # Panics
    /// If one doesn't end in time.
    #[must_use]
    pub fn end_all(mut self, time: Duration) -> Vec<Report> {
        (0..self.lives.len()).map(|number| self.end(number, time)).collect()
    }
}
