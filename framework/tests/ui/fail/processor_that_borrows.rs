use pandaflow::StreamProcessor;

#[derive(StreamProcessor)]
#[processor(name = "risk", input(topic = "signals.raw", event = Signal))]
struct Risk<'a>(&'a str);

struct Signal;

fn main() {}
