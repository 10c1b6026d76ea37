//! What tests are written with: processors run in process, on a clock under the test's control.

pub mod contract;
mod kit;
pub mod mock_mailbox;
pub mod simulate;
mod test_clock;

pub use kit::TestKit;
pub use test_clock::TestClock;
