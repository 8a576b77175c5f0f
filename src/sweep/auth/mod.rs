//! The token of a sweep: its state, and its refresh by log-in, renewal or its source.

pub(super) mod refresh;
pub(super) mod state;
