use pandaflow::Classify;
use thiserror::Error;

#[derive(Debug, Error, Classify)]
enum RiskError {
    #[error("down")]
    #[class(source, retry_after = wait)]
    Down { source: std::convert::Infallible, wait: std::time::Duration },
}

fn main() {}
