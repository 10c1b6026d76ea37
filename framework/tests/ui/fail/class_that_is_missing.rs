use pandaflow::Classify;
use thiserror::Error;

#[derive(Debug, Error, Classify)]
enum RiskError {
    #[error("down")]
    #[class(retry_after = wait)]
    Down { wait: std::time::Duration },
}

fn main() {}
