use pandaflow::Classify;

#[derive(Debug, Classify)]
#[class(transient)]
struct RiskError;

fn main() {}
