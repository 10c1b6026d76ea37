use pandaflow::Classify;

#[derive(Classify)]
#[class(transient)]
union RiskError {
    a: u32,
}

impl std::fmt::Debug for RiskError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("down")
    }
}

impl std::fmt::Display for RiskError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("down")
    }
}

impl std::error::Error for RiskError {}

fn main() {}
