//! Killing the program at chosen moments, and comparing what it left with
//! what the served sandbox did.

pub(crate) mod campaign;
pub(crate) mod claims;
pub(crate) mod interrupted;
mod phase;
pub(crate) mod rig;

pub(crate) use phase::Phase;
