//! One file for each command.

pub(super) mod plan_online;
pub(super) mod prune;
pub(super) mod review;
pub(super) mod run;
pub(super) mod runs;
pub(super) mod sandbox;
pub(super) mod verify;
