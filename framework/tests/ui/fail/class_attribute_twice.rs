use pandaflow::Classify;
use thiserror::Error;

#[derive(Debug, Error, Classify)]
enum RiskError {
    #[error("down")]
    #[class(transient)]
    #[class(poison)]
    Down,
}

fn main() {}
