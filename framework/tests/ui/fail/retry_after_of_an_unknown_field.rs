use pandaflow::Classify;
use thiserror::Error;

#[derive(Debug, Error, Classify)]
enum RiskError {
    #[error("down")]
    #[class(rate_limit, retry_after = wai)]
    Down { wait: std::time::Duration },
}

fn main() {}
