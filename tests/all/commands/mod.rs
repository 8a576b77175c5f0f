//! The built binary against a served sandbox, command by command.

mod approvals;
mod deferred;
mod exit_codes;
mod input;
mod login;
mod notices;
mod plan_online;
mod process_end;
mod prune;
mod runs;
mod sandbox_rules;
mod signals;
mod terminals;
mod usage;
mod usage_errors;
mod verification;
