use pandaflow::Classify;

#[derive(Classify)]
#[class(transient)]
union RiskError {
    a: u32,
}

fn main() {}
