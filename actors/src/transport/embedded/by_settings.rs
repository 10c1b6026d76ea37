//! The embedded transport as the settings want it.

use pandaflow::settings::Settings;

use super::EmbeddedConfig;

impl EmbeddedConfig {
    /// What the DATABASE settings say; the rest by default.
    #[must_use]
    pub fn by(settings: &Settings) -> Self {
        Self {
            transaction_rows: settings.database.max_rows_per_transaction,
            tidy_every: settings.database.retention_interval,
            ..Self::default()
        }
    }
}
