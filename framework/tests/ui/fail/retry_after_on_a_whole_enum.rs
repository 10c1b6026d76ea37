use pandaflow::Classify;
use thiserror::Error;

#[derive(Debug, Error, Classify)]
#[class(transient, retry_after = wait)]
enum RiskError {
    #[error("down")]
    #[class(rate_limit)]
    Down { wait: std::time::Duration },
}

fn main() {}
