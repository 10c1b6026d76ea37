//! The test kit.
mod kit;
pub mod mock_mailbox;
mod test_clock;
pub use kit::TestKit;
pub use test_clock::TestClock;
