//! LOGGING: what is logged, how, and where to.

use std::path::PathBuf;

use super::{byte_size::ByteSize, choice::one_of, section::Checks, value::Value};

crate::choice! {
    /// How much is logged.
    pub enum Level {
        /// Nothing but what stops the program.
        Critical = "critical",
        /// What failed.
        Error = "error",
        /// What may go wrong.
        Warning = "warning",
        /// What happens, in the large.
        Info = "info",
        /// What happens, event by event.
        Debug = "debug",
        /// Everything.
        Trace = "trace",
    }
}

crate::choice! {
    /// A channel: log lines for one kind of reader, with a level and a file of their own.
    pub enum Channel {
        /// What belongs to no other channel.
        Application = "application",
        /// Signals, orders, fills.
        Trading = "trading",
        /// Feeds and ticks.
        MarketData = "market_data",
        /// Stores and migrations.
        Database = "database",
        /// Requests.
        Api = "api",
        /// What must be shown to have happened.
        Audit = "audit",
        /// Times and rates.
        Performance = "performance",
        /// Errors of all channels.
        Error = "error",
        /// Health and alerts.
        Monitoring = "monitoring",
    }
}

crate::choice! {
    /// When log lines are JSON.
    pub enum Json {
        /// Where standard error is not a terminal.
        Auto = "auto",
        /// Always.
        Always = "true",
        /// Never.
        Never = "false",
    }
}

/// The level of one channel, written `trading=debug`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChannelLevel {
    /// The channel.
    pub channel: Channel,
    /// Its level.
    pub level: Level,
}

impl Value for ChannelLevel {
    fn expected() -> String {
        let words = |all: &[&str]| one_of(all);
        let channels: Vec<_> = Channel::ALL.iter().map(|c| c.as_str()).collect();
        let levels: Vec<_> = Level::ALL.iter().map(|l| l.as_str()).collect();
        format!(
            "channel=level, for example trading=debug; a channel is {}, a level {}",
            words(&channels),
            words(&levels)
        )
    }

    fn parse(text: &str) -> Result<Self, String> {
        let (channel, level) = text.split_once('=').ok_or("not channel=level")?;
        Ok(Self {
            channel: Channel::parse(channel).map_err(|_| "for no known channel")?,
            level: Level::parse(level).map_err(|_| "of no known level")?,
        })
    }

    fn show(&self) -> String {
        format!("{}={}", self.channel, self.level)
    }
}

crate::section! {
    /// What is logged, how, and where to. Lines go to standard error.
    pub struct Logging("LOGGING", check = each_channel_once) {
        /// The level of each channel that `CHANNELS` does not name.
        pub level: Level = "info",
        /// Levels of single channels.
        pub channels: Vec<ChannelLevel> = "database=warning",
        /// Whether lines are JSON; `auto` says yes where standard error is not a terminal.
        pub json: Json = "auto",
        /// Whether lines are also written to files, one a channel.
        pub file: bool = "false",
        /// The folder of the files.
        pub dir: PathBuf = "logs",
        /// The size at which a file is put aside, compressed, and a new one begun.
        pub max_size: ByteSize = "100MB" in "4KB"..="100GB",
        /// How many files put aside are kept of each channel.
        pub backups: usize = "5" in "1"..="10000",
        /// Keys whose values are never logged, at any depth; case, `-` and `_` make no difference.
        pub redact_keys: Vec<String> =
            "password,passwd,secret,token,api_key,api_secret,access_token,refresh_token,authorization,cookie",
    }
}

fn each_channel_once(logging: &Logging, checks: &mut Checks) {
    let channels = &logging.channels;
    for (i, one) in channels.iter().enumerate() {
        if channels[..i].iter().any(|before| before.channel == one.channel) {
            let channel = one.channel;
            checks.refuse("channels", format!("names {channel} twice; name it once"));
        }
    }
}
