//! What a mock expects, what it does then, and what came.

use std::{
    collections::VecDeque,
    fmt::{self, Write},
    panic::Location,
    sync::{Mutex, PoisonError},
};

use actix::Message;

use super::{
    Gate,
    reply::{Answer, Reply},
};

type Wanted<M> = Box<dyn Fn(&M) -> bool + Send>;
type DefaultAnswer<M> = Box<dyn Fn(&M) -> <M as Message>::Result + Send>;

/// Expectations in order, and all that has come.
pub(super) struct Script<M: Message> {
    expected: VecDeque<Expected<M>>,
    default: Option<DefaultAnswer<M>>,
    came: Vec<Came<M>>,
}

struct Expected<M: Message> {
    wanted: Wanted<M>,
    stated_at: &'static Location<'static>,
    behind: Option<Gate>,
    answer: Option<Answer<M>>,
}

struct Came<M> {
    message: M,
    matched: Matched,
}

/// What a message was taken for.
enum Matched {
    Expected(&'static Location<'static>),
    ByDefault,
    Unexpected,
}

/// An expectation that waits for what its message gets. It counts once that is said.
#[must_use = "say what the message gets: answer, answer_with or fail"]
pub struct Expectation<'a, M: Message> {
    script: &'a Mutex<Script<M>>,
    wanted: Wanted<M>,
    stated_at: &'static Location<'static>,
    behind: Option<Gate>,
}

impl<'a, M> Expectation<'a, M>
where
    M: Message + 'static,
    M::Result: Send + 'static,
{
    pub(super) fn new(
        script: &'a Mutex<Script<M>>,
        wanted: Wanted<M>,
        stated_at: &'static Location<'static>,
    ) -> Self {
        Self { script, wanted, stated_at, behind: None }
    }

    /// The answer, or the failure, is held back until the gate is released.
    pub fn delay_until_released(mut self, gate: &Gate) -> Self {
        self.behind = Some(gate.clone());
        self
    }

    /// It gets this answer, which may be an error.
    pub fn answer(self, result: M::Result) {
        self.answer_with(|_| result);
    }

    /// It gets the answer that this makes of it.
    pub fn answer_with(self, answer: impl FnOnce(&M) -> M::Result + Send + 'static) {
        self.expect(Some(Box::new(answer)));
    }

    /// It gets no answer, as if the actor had failed while it worked on it.
    pub fn fail(self) {
        self.expect(None);
    }

    fn expect(self, answer: Option<Answer<M>>) {
        let Self { script, wanted, stated_at, behind } = self;
        let mut script = script.lock().unwrap_or_else(PoisonError::into_inner);
        script.expected.push_back(Expected { wanted, stated_at, behind, answer });
    }
}

impl<M: Message> Default for Script<M> {
    fn default() -> Self {
        Self { expected: VecDeque::new(), default: None, came: Vec::new() }
    }
}

impl<M> Script<M>
where
    M: Message + Clone,
{
    pub(super) fn answer_by_default(&mut self, answer: Option<DefaultAnswer<M>>) {
        self.default = answer;
    }

    pub(super) fn received(&self) -> Vec<M> {
        self.came.iter().map(|came| came.message.clone()).collect()
    }

    /// Takes a message in and says what it gets.
    pub(super) fn take(&mut self, message: M) -> Reply<M>
    where
        M::Result: Send + 'static,
    {
        let (matched, behind, answer) = self.reaction(&message);
        self.came.push(Came { message: message.clone(), matched });
        Reply { message, behind, answer }
    }

    fn reaction(&mut self, message: &M) -> (Matched, Option<Gate>, Option<Answer<M>>)
    where
        M::Result: Send + 'static,
    {
        if self.expected.front().is_some_and(|next| (next.wanted)(message))
            && let Some(Expected { stated_at, behind, answer, .. }) = self.expected.pop_front()
        {
            return (Matched::Expected(stated_at), behind, answer);
        }
        match &self.default {
            None => (Matched::Unexpected, None, None),
            Some(default) => {
                let result = default(message);
                (Matched::ByDefault, None, Some(Box::new(|_| result)))
            }
        }
    }
}

impl<M> Script<M>
where
    M: Message + fmt::Debug,
{
    /// Whether all went as expected; else what was expected and what came.
    pub(super) fn verdict(&self, mock: &str) -> Result<(), String> {
        let surprised = self.came.iter().any(|came| matches!(came.matched, Matched::Unexpected));
        if self.expected.is_empty() && !surprised {
            return Ok(());
        }
        let mut text = format!("the mock mailbox {mock:?} did not get what was expected:\n");
        for Came { message, matched } in &self.came {
            let line = match matched {
                Matched::Expected(at) => writeln!(text, "    came, as expected at {at}: {message:?}"),
                Matched::ByDefault => writeln!(text, "    came, answered by default: {message:?}"),
                Matched::Unexpected => writeln!(text, "  + came, and was not expected: {message:?}"),
            };
            line.map_err(|error| error.to_string())?;
        }
        for Expected { stated_at, .. } in &self.expected {
            writeln!(text, "  - never came: what is expected at {stated_at}")
                .map_err(|error| error.to_string())?;
        }
        Err(text)
    }
}
