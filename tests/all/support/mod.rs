//! What tests share: processes and servers to test with, and what compares
//! their claims with the truth.

pub(crate) mod audit;
pub(crate) mod crash;
pub(crate) mod fault_server;
pub(crate) mod in_process;
pub(crate) mod process;
mod scratch;
pub(crate) mod scripted_server;
pub(crate) mod small_fs;
pub(crate) mod summary_schema;

pub(crate) use scratch::scratch;
