//! Killing the program at chosen moments, and comparing what it left with
//! what the served sandbox did.

pub(crate) mod claims;
pub(crate) mod finish;
pub(crate) mod interrupted;
pub(crate) mod phase;
pub(crate) mod rig;
