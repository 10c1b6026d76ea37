use pandaflow::Classify;
use thiserror::Error;

#[derive(Debug, Error, Classify)]
enum RiskError {
    #[error("down")]
    Down,
    #[error("limit")]
    #[class(business)]
    Limit,
}

fn main() {}
