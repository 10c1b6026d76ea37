use pandaflow::Event;

#[derive(Event)]
#[event(type = "signal", key = "{account}")]
union Signal {
    account: u32,
}

fn main() {}
