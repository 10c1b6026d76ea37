//! Transports: where events lie, and where effects become real.

pub mod memory;
