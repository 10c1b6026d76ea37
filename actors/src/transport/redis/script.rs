//! The scripts that Redis runs, one for each call of the store.

use redis::{Cmd, ErrorKind, RedisResult, ServerErrorKind, Value, aio::ConnectionManager};

/// A script, known to the server by its hash once it ran there.
#[derive(Debug)]
pub(super) struct Script {
    code: String,
    hash: String,
}

/// What a script is given.
#[derive(Debug, Default)]
pub(super) struct Input {
    pub(super) keys: Vec<Vec<u8>>,
    pub(super) arguments: Vec<Vec<u8>>,
}

impl Input {
    pub(super) fn argument(self, argument: impl ToString) -> Self {
        self.bytes(argument.to_string().into_bytes())
    }

    pub(super) fn bytes(mut self, argument: Vec<u8>) -> Self {
        self.arguments.push(argument);
        self
    }
}

impl Script {
    pub(super) fn new(code: impl Into<String>) -> Self {
        let code = code.into();
        Self { hash: redis::Script::new(&code).get_hash().to_owned(), code }
    }

    /// Runs it, in one round trip; in two if the server has not seen it since its start.
    pub(super) async fn run(&self, connection: &mut ConnectionManager, input: &Input) -> RedisResult<Value> {
        let known = self.command("EVALSHA", &self.hash, input).query_async(connection).await;
        match known {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                self.command("EVAL", &self.code, input).query_async(connection).await
            }
            answer => answer,
        }
    }

    fn command(&self, name: &str, script: &str, input: &Input) -> Cmd {
        let all = || input.keys.iter().chain(&input.arguments);
        let bytes = all().map(Vec::len).sum::<usize>() + script.len() + 32;
        let mut command = Cmd::with_capacity(3 + all().count(), bytes);
        command.arg(name).arg(script).arg(input.keys.len());
        for one in all() {
            command.arg(one.as_slice());
        }
        command
    }
}
