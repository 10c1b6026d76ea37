use pandaflow::Classify;
use thiserror::Error;

#[derive(Debug, Error, Classify)]
enum RiskError {
    #[error("down")]
    #[class(source)]
    Down(#[from] std::io::Error),
}

fn main() {}
