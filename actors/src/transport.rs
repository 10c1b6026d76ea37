//! Transports: the implementations of [`pandaflow::ports::Transport`].

#[cfg(feature = "embedded")]
pub mod embedded;
