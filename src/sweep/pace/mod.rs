//! When a call may start: rate limits, pauses, windows and deadlines, and the forecast made from them.

pub(super) mod backoff;
pub(super) mod clock;
pub(super) mod deadline;
pub(super) mod forecast;
pub(super) mod pacer;
pub(super) mod pause;
pub(super) mod wait_limit;
pub(super) mod windows;
pub(super) mod workload;
