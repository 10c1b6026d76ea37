//! Loads settings: the framework's sections and those that a program adds.

use std::{
    any::{Any, TypeId},
    collections::HashMap,
    ffi::OsString,
    sync::Arc,
};

use super::{
    Api, Database, Dedup, Health, InForce, Kafka, KafkaProperties, Logging, Redis, Root, Runtime, Section,
    Settings, SettingsErrors, Source, choice::one_of, names::Names, reading::Reading, retry,
};
use crate::StreamProcessor;

/// Reads settings: the framework's sections and those that the program adds.
#[derive(Debug, Clone)]
pub struct Loader {
    own: Vec<Own>,
    brokers: Vec<&'static str>,
    processors: Vec<&'static str>,
}

/// A section of the program's own.
#[derive(Debug, Clone)]
struct Own {
    type_id: TypeId,
    names: fn() -> Names,
    read: fn(&mut Reading) -> Arc<dyn Any + Send + Sync>,
}

impl Default for Loader {
    fn default() -> Self {
        Self::new()
    }
}

impl Loader {
    /// Reads the framework's sections, for the brokers `paper` and `zerodha`.
    #[must_use]
    pub fn new() -> Self {
        Self { own: Vec::new(), brokers: vec!["paper", "zerodha"], processors: Vec::new() }
    }

    /// Reads `S` as well.
    #[must_use]
    pub fn section<S: Section>(mut self) -> Self {
        let own = Own {
            type_id: TypeId::of::<S>(),
            names: names_of::<S>,
            read: |reading| Arc::new(reading.section::<S>()),
        };
        if self.own.iter().all(|known| known.type_id != own.type_id) {
            self.own.push(own);
        }
        self
    }

    /// The brokers that `ACTIVE_BROKERS` may name.
    #[must_use]
    pub fn brokers(mut self, brokers: impl IntoIterator<Item = &'static str>) -> Self {
        self.brokers = brokers.into_iter().collect();
        self
    }

    /// Reads the settings of RETRY for the processor `P` as well: `RETRY__NAME__CLASS__FIELD`, with its declared name. Those
    /// of a processor that it is not told of are refused.
    #[must_use]
    pub fn processor<P: StreamProcessor>(mut self) -> Self {
        let name = P::DECLARATION.name;
        if !self.processors.contains(&name) {
            self.processors.push(name);
        }
        self
    }

    /// Reads the settings from variables and the text of a `.env` file, which is empty if there is none. Variables
    /// win.
    ///
    /// # Errors
    /// Everything that is wrong, together.
    pub fn load<N: Into<OsString>, V: Into<OsString>>(
        &self,
        variables: impl IntoIterator<Item = (N, V)>,
        dotenv: &str,
    ) -> Result<Settings, SettingsErrors> {
        let variables = variables.into_iter().map(|(name, value)| (name.into(), value.into()));
        let mut reading = Reading::new(variables, dotenv, &self.names());
        let root = reading.section();
        self.check_brokers(&root, &mut reading);
        let mut settings = Settings {
            root,
            runtime: reading.section(),
            database: reading.section(),
            health: reading.section(),
            api: reading.section(),
            logging: reading.section(),
            dedup: reading.section(),
            kafka: reading.section(),
            kafka_properties: reading.section(),
            redis: reading.section(),
            retry: retry::read(&mut reading, &self.processors),
            own: HashMap::new(),
            in_force: Vec::new(),
            passed_over: reading.passed_over(),
        };
        for own in &self.own {
            settings.own.insert(own.type_id, (own.read)(&mut reading));
        }
        settings.in_force = reading.finish()?;
        let is_default = |one: &InForce| one.variable == "LOGGING__LEVEL" && one.source == Source::Default;
        if let Some(level) = settings.in_force.iter_mut().find(|one| is_default(one)) {
            settings.logging.level = settings.root.log_level;
            level.value = settings.root.log_level.to_string();
        }
        Ok(settings)
    }

    fn names(&self) -> Vec<Names> {
        let mut names = vec![
            names_of::<Root>(),
            names_of::<Runtime>(),
            names_of::<Database>(),
            names_of::<Health>(),
            names_of::<Api>(),
            names_of::<Logging>(),
            names_of::<Dedup>(),
            names_of::<Kafka>(),
            names_of::<KafkaProperties>(),
            names_of::<Redis>(),
            retry::names(&self.processors),
        ];
        names.extend(self.own.iter().map(|own| (own.names)()));
        names
    }

    fn check_brokers(&self, root: &Root, reading: &mut Reading) {
        for broker in &root.active_brokers {
            if !self.brokers.contains(&broker.as_str()) {
                let known = one_of(&self.brokers);
                let reason = format!("there is no broker {broker}; write {known}");
                reading.refuse(root, &Root::fields(), "active_brokers", &reason);
            }
        }
    }
}

fn names_of<S: Section>() -> Names {
    Names::new(S::NAME, &S::fields())
}
