use pandaflow::Event;

#[derive(Event)]
#[event(type = "signal", key = "{account}")]
struct Signal<'a> {
    account: &'a str,
}

fn main() {}
