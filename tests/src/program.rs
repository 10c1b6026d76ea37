//! The trading pipeline's program, started as a user starts it.

use std::{
    env, fs,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc,
    thread::{self, JoinHandle},
    time::Duration,
};

use serde_json::Value;

/// How to start `alpha-panda`: `run` unless another command is said.
#[derive(Debug, Clone)]
pub struct AlphaPanda {
    home: PathBuf,
    arguments: Vec<String>,
    feeds: Vec<PathBuf>,
    options: Vec<String>,
    variables: Vec<(String, String)>,
}

/// One life of the program: from its start to its end, however that comes. Dropped, it is killed.
pub struct Life {
    child: Child,
    stdout: Option<JoinHandle<String>>,
    stderr: mpsc::Receiver<String>,
    lines: Vec<String>,
}

/// What a life left behind.
#[derive(Debug)]
pub struct Report {
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

/// A feed that the project ships.
#[must_use]
pub fn shipped_feed(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/alpha-panda/market-data").join(file)
}

impl AlphaPanda {
    /// On a data folder, with these feeds.
    #[must_use]
    pub fn on(data: &Path, feeds: &[PathBuf]) -> Self {
        let arguments = ["run", "--json", "--data", &data.display().to_string()].map(str::to_owned);
        Self {
            home: data.parent().unwrap_or(data).to_owned(),
            arguments: arguments.to_vec(),
            feeds: feeds.to_vec(),
            options: Vec::new(),
            variables: Vec::new(),
        }
    }

    /// On Kafka, with these feeds; `home` is the folder to work in.
    #[must_use]
    pub fn on_kafka(home: &Path, feeds: &[PathBuf]) -> Self {
        let program = Self {
            home: home.to_owned(),
            arguments: Vec::new(),
            feeds: feeds.to_vec(),
            options: Vec::new(),
            variables: Vec::new(),
        };
        program.command("run").variable("LOGGING__FILE", "false")
    }

    /// The same on Kafka with another command: `run`, `serve`, `feed` or `report`.
    #[must_use]
    pub fn command(&self, command: &str) -> Self {
        let mut arguments = vec![command.to_owned(), "--mode=kafka".to_owned()];
        if ["run", "report"].contains(&command) {
            arguments.push("--json".to_owned());
        }
        Self { arguments, ..self.clone() }
    }

    /// The same with these arguments alone.
    #[must_use]
    pub fn bare(&self, arguments: &[&str]) -> Self {
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        Self { arguments, feeds: Vec::new(), options: Vec::new(), ..self.clone() }
    }

    /// With one more option of `run`.
    #[must_use]
    pub fn option(mut self, option: &str) -> Self {
        self.options.push(option.to_owned());
        self
    }

    /// With a variable in its environment.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The value of a variable that it is given; the last one counts.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        let mut given = self.variables.iter().rev();
        given.find_map(|(known, value)| (known == name).then_some(value.as_str()))
    }

    /// The program as the build made it, beside this test.
    ///
    /// # Panics
    /// If it has not been built: `tests/run` does that first.
    #[must_use]
    pub fn binary() -> PathBuf {
        let test = env::current_exe().expect("a test knows its own path");
        let folder = test.parent().and_then(Path::parent).expect("a test lies two folders deep");
        let binary = folder.join("alpha-panda");
        assert!(
            binary.is_file(),
            "{} is not there: run `cargo build -p alpha-panda` first",
            binary.display()
        );
        binary
    }

    /// Starts it.
    ///
    /// # Panics
    /// If the system can't start it.
    #[must_use]
    pub fn start(&self) -> Life {
        let mut command = Command::new(Self::binary());
        command.args(&self.arguments).args(&self.options);
        let feeds =
            if self.arguments.iter().any(|argument| argument == "serve") { &[][..] } else { &self.feeds };
        for feed in feeds {
            command.arg("--feed").arg(feed);
        }
        // Away from the repository, so that no `.env` of a developer is read.
        fs::create_dir_all(&self.home).expect("the test's folder can be made");
        command.current_dir(&self.home).env("LOGGING__JSON", "true");
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program can be started");
        let mut stdout = child.stdout.take().expect("standard output is a pipe");
        let stderr = BufReader::new(child.stderr.take().expect("standard error is a pipe"));
        let (send, lines) = mpsc::channel();
        thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| send.send(line)));
        let stdout = thread::spawn(move || {
            let mut text = String::new();
            // A program that is killed may leave half a character behind.
            let _ = stdout.read_to_string(&mut text);
            text
        });
        Life { child, stdout: Some(stdout), stderr: lines, lines: Vec::new() }
    }

    /// Starts it and waits for its end.
    #[must_use]
    pub fn run(&self) -> Report {
        self.start().end()
    }
}

impl Life {
    /// Lets it live for `time`, or until it ends by itself. Whether it still lives.
    pub fn live(&mut self, time: Duration) -> bool {
        let until = std::time::Instant::now() + time;
        loop {
            match self.stderr.recv_timeout(until.saturating_duration_since(std::time::Instant::now())) {
                Ok(line) => self.lines.push(line),
                Err(mpsc::RecvTimeoutError::Timeout) => return true,
                // Standard error is closed: it has ended, or is about to.
                Err(mpsc::RecvTimeoutError::Disconnected) => return false,
            }
        }
    }

    /// Lets it live until a line with `part` comes on standard error.
    ///
    /// # Panics
    /// If it ends without one.
    pub fn until_line(&mut self, part: &str) {
        while !self.lines.iter().any(|line| line.contains(part)) {
            let line = self.stderr.recv();
            self.lines.push(line.unwrap_or_else(|_| panic!("no line with {part:?} in {:#?}", self.lines)));
        }
    }

    /// Whether a line with `part` has come on standard error; waits for it, but no longer than `time`.
    pub fn has_said(&mut self, part: &str, time: Duration) -> bool {
        let until = std::time::Instant::now() + time;
        while !self.lines.iter().any(|line| line.contains(part)) {
            match self.stderr.recv_timeout(until.saturating_duration_since(std::time::Instant::now())) {
                Ok(line) => self.lines.push(line),
                Err(_) => return false,
            }
        }
        true
    }

    /// What has come on standard error, as far as it was looked at.
    #[must_use]
    pub fn said(&self) -> String {
        self.lines.join("\n")
    }

    /// Sends it a signal by name, such as `TERM` or `STOP`.
    ///
    /// # Panics
    /// If the system has no `kill`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status();
        // It may have ended before: then there is nobody to tell.
        status.expect("kill can be run");
    }

    /// Kills it at once, and waits until it is gone.
    pub fn kill(mut self) -> Report {
        // An error means that it has ended before.
        let _ = self.child.kill();
        self.end()
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// If the system can't tell.
    pub fn end(mut self) -> Report {
        self.lines.extend(self.stderr.iter());
        let status = self.child.wait().expect("the program can be waited for");
        let stdout = self.stdout.take().and_then(|stdout| stdout.join().ok()).unwrap_or_default();
        Report { status, stdout, stderr: std::mem::take(&mut self.lines).join("\n") }
    }
}

/// A test that fails leaves nothing running.
impl Drop for Life {
    fn drop(&mut self) {
        // An error means that it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Report {
    /// The JSON that it printed.
    ///
    /// # Panics
    /// If it printed something else.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}: {:?}\nstandard error: {}", self.stdout, self.stderr))
    }

    /// The JSON of a run that must have succeeded.
    ///
    /// # Panics
    /// If it did not.
    #[must_use]
    pub fn success(&self) -> Value {
        assert_eq!(self.status.code(), Some(0), "{}\n{}", self.stdout, self.stderr);
        self.json()
    }
}
