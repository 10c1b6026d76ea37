//! What runs a pandaflow processor.

pub mod transport;
