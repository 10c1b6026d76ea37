use pandaflow::Classify;
use thiserror::Error;

#[derive(Debug, Error, Classify)]
enum RiskError {
    #[error("down")]
    #[class(rate_limit, retry_after = wait)]
    Down,
}

fn main() {}
