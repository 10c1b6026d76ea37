//! The test kit.
mod kit;
mod test_clock;
pub use kit::TestKit;
pub use test_clock::TestClock;
