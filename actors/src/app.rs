//! A whole program in a few lines: its processors, and the command line that every program has.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use pandaflow::{
    EventId, Group, Namespace, Outgoing, Payload, StreamProcessor, Timestamp, TopicName, TopicSpec,
    codec::EncodeError,
    ports::Transport,
    settings::{Loader, Section, Settings},
};
use serde::Serialize;

use crate::{
    Mode, NotPublished, Process, Program, Publisher, Signals,
    cli::{self, ConfigCommand, DeadLettersArguments, TopicsCommand},
    data_folder,
    logging::{self, Console},
    read_settings,
};

/// How often a run that ends when it is idle looks whether it is.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// The first and the longest wait before events that did not become real are published again; then it is given up.
const SEED_BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

type Build = Box<dyn Fn(Program, &Arc<Settings>) -> Program>;
type Seed = Box<dyn Fn(&Program, &str, &Namespace) -> Result<(TopicName, Vec<Outgoing>), EncodeError>>;

/// A program, by itself on the embedded transport and with `--mode kafka` on Kafka: [`App::main`] gives it a command line with `run`, `topics`,
/// `dead-letters` and `config`.
///
/// ```no_run
/// # use pandaflow::{Context, Event, Handle, StreamProcessor};
/// # #[derive(serde::Serialize, serde::Deserialize, Event)]
/// # #[event(type = "name_given", key = "{0}")]
/// # struct NameGiven(String);
/// # #[derive(StreamProcessor)]
/// # #[processor(name = "greeter", input(topic = "names.given", event = NameGiven))]
/// # struct Greeter;
/// # impl Handle<NameGiven> for Greeter {
/// #     type Error = std::convert::Infallible;
/// #     async fn handle(&mut self, _: Event<NameGiven>, _: &mut Context<Self>) -> Result<(), Self::Error> { Ok(()) }
/// # }
/// use pandaflow_actors::App;
///
/// #[actix::main]
/// async fn main() -> std::process::ExitCode {
///     App::new("greeter").processor(|_settings| Greeter).main().await
/// }
/// ```
pub struct App {
    name: &'static str,
    loader: Loader,
    build: Vec<Build>,
    seeds: Vec<Seed>,
}

#[derive(Parser)]
#[command(disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Run the processors until a signal comes; this is the default
    Run(Run),
    /// Print the topics that the processors declare; with `plan`, `apply` and `check`, those on the broker
    Topics {
        #[command(subcommand)]
        command: Option<TopicsCommand>,
    },
    /// List and show events that were given up on
    DeadLetters(DeadLettersArguments),
    /// Check and print the settings
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
}

#[derive(clap::Args, Default)]
struct Run {
    /// The folder that the data lies in; the default is DATABASE__URL's, or the program's name with -data
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// What carries the events: embedded (a file in the data folder) or kafka (the brokers of the settings of KAFKA)
    #[arg(long, value_enum, default_value_t, value_name = "MODE")]
    mode: Mode,
    /// End when every event has been handled
    #[arg(long)]
    until_idle: bool,
}

impl App {
    /// An app of that name: lower-case letters, digits and `-`.
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        Self { name, loader: Loader::new(), build: Vec::new(), seeds: Vec::new() }
    }

    /// Adds a processor, made from the settings once for each lane that is used.
    #[must_use]
    pub fn processor<P: StreamProcessor>(
        mut self,
        factory: impl Fn(&Settings) -> P + Clone + Send + Sync + 'static,
    ) -> Self {
        self.loader = self.loader.processor::<P>();
        self.build.push(Box::new(move |program, settings| {
            let (factory, settings) = (factory.clone(), settings.clone());
            program.processor(move || factory(&settings))
        }));
        self
    }

    /// Says what a topic is made with; see [`Program::topic`].
    #[must_use]
    pub fn topic(mut self, topic: TopicSpec) -> Self {
        self.build.push(Box::new(move |program, _| program.topic(topic.clone())));
        self
    }

    /// Says that all namespaces share the topics of a domain; see [`Program::shared_domain`].
    #[must_use]
    pub fn shared_domain(mut self, domain: &'static str) -> Self {
        self.build.push(Box::new(move |program, _| program.shared_domain(domain)));
        self
    }

    /// Adds a section of settings of the program's own.
    #[must_use]
    pub fn section<S: Section>(mut self) -> Self {
        self.loader = self.loader.section::<S>();
        self
    }

    /// Puts events on a topic, each once: the first run on a data folder publishes them.
    #[must_use]
    pub fn publish<E: Payload + Serialize + 'static>(
        mut self,
        topic: &'static str,
        events: impl IntoIterator<Item = E>,
    ) -> Self {
        let events: Vec<E> = events.into_iter().collect();
        let place = self.seeds.len();
        self.seeds.push(Box::new(move |program, app, namespace| {
            let name = program.topic_name(topic, namespace);
            // Each call has a source of its own, so that none takes another's events for published.
            let source = format!("{app}.published.{place}.{name}");
            let now = Timestamp::from(chrono::Utc::now());
            let root = |(ordinal, event)| {
                let id = EventId::of_source(&source, ordinal, Timestamp(0));
                Outgoing::root(name.clone(), id, now, app, event)
            };
            let records = (0..).zip(&events).map(root).collect::<Result<_, _>>()?;
            Ok((TopicName::new(&source), records))
        }));
        self
    }

    /// Does what the command line says. Exit code 0 if all went well, 1 if a processor failed for good or the
    /// drain took too long, 2 if there is something for the user to mend.
    pub async fn main(self) -> ExitCode {
        let matches = Arguments::command().name(self.name).get_matches();
        let arguments = match Arguments::from_arg_matches(&matches) {
            Ok(arguments) => arguments,
            Err(error) => error.exit(),
        };
        match arguments.command.unwrap_or_else(|| Command::Run(Run::default())) {
            Command::Run(run) => self.run(run).await,
            Command::Topics { command } => self.topics(command).await,
            Command::DeadLetters(letters) => letters.run(&self.loader, |settings| self.data(settings)).await,
            Command::Config { command } => cli::answer(command.run(&self.loader)),
        }
    }

    fn data(&self, settings: &Settings) -> PathBuf {
        data_folder(settings, Path::new(&format!("{}-data", self.name)))
    }

    fn program(&self, settings: &Arc<Settings>) -> Program {
        let program = self.build.iter().fold(Program::new(), |program, build| build(program, settings));
        let namespaces = settings.root.active_brokers.iter().cloned();
        namespaces.fold(program, Program::namespace)
    }

    async fn topics(&self, command: Option<TopicsCommand>) -> ExitCode {
        let settings = match read_settings(&self.loader) {
            Ok(settings) => Arc::new(settings),
            Err(error) => return cli::refuse(error),
        };
        match command {
            None => cli::answer(cli::topics(&self.program(&settings))),
            Some(command) => {
                let program = Mode::Kafka.fit(self.program(&settings), &settings);
                command.run(&program, &settings).await
            }
        }
    }

    async fn run(&self, run: Run) -> ExitCode {
        // First of all, so that a signal at any time drains.
        let signals = match Signals::listen() {
            Ok(signals) => signals,
            Err(error) => return cli::refuse(format_args!("signals can't be listened for: {error}")),
        };
        let settings = match read_settings(&self.loader) {
            Ok(settings) => Arc::new(settings),
            Err(error) => return cli::refuse(error),
        };
        let _guard = match logging::start(&settings, self.name, Console::stderr()) {
            Ok(guard) => guard,
            Err(error) => return cli::refuse(error),
        };
        let data = run.data.clone().unwrap_or_else(|| self.data(&settings));
        let program = run.mode.fit(self.program(&settings), &settings);
        let transport = match run.mode.open(&data, &program, &settings).await {
            Ok(transport) => transport,
            Err(error) => return cli::refuse(error),
        };
        let process = match Process::start(&program, &settings, transport.clone(), logging::logger()).await {
            Ok(process) => process,
            Err(error) => return cli::refuse(error),
        };
        let code = match self.seed(&program, &*transport).await {
            Ok(()) => wait(&process, &signals, run.until_idle).await,
            Err(reason) => cli::refuse(reason),
        };
        let in_time = process.drain().await;
        process.end().await;
        if in_time { code } else { ExitCode::FAILURE }
    }

    async fn seed(&self, program: &Program, transport: &dyn Transport) -> Result<(), String> {
        for namespace in program.namespaces() {
            for seed in &self.seeds {
                let (source, mut records) =
                    seed(program, self.name, namespace).map_err(|error| error.to_string())?;
                let group = Group::from(source.as_str());
                let mut publisher = Publisher::open(transport, group, vec![source.clone()])
                    .await
                    .map_err(|error| error.to_string())?;
                let before = usize::try_from(publisher.published(&source)).unwrap_or(usize::MAX);
                let new = records.split_off(before.min(records.len()));
                let count = new.len() as u64;
                if count > 0 {
                    let mut published = publisher.publish(new, [(source, count)]).await;
                    if published.is_ok() {
                        published = publisher.flush().await;
                    }
                    let mut wait = SEED_BACKOFF.0;
                    while published.as_ref().is_err_and(NotPublished::may_be_tried_again) {
                        if wait > SEED_BACKOFF.1 {
                            break;
                        }
                        tokio::time::sleep(wait).await;
                        wait *= 2;
                        published = publisher.flush().await;
                    }
                    published.map_err(|error| error.to_string())?;
                }
            }
        }
        Ok(())
    }
}

/// Waits for the end of a run: a signal, a failure, or that there is nothing more to do.
async fn wait(process: &Process, signals: &Signals, until_idle: bool) -> ExitCode {
    let runtime = process.runtime();
    let idle = async {
        while !until_idle || !runtime.is_idle().await.unwrap_or(false) {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    tokio::select! {
        () = signals.first() => ExitCode::SUCCESS,
        () = idle => ExitCode::SUCCESS,
        reason = runtime.failed() => failed(&reason),
        reason = runtime.halted(), if until_idle => failed(&reason),
    }
}

fn failed(reason: &str) -> ExitCode {
    cli::warn(format_args!("error: {reason}"));
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests;
