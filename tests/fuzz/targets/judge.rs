//! Judging an answer; see `attacks/judge.rs`.
#![no_main]

#[path = "../attacks/judge.rs"]
mod judge;

libfuzzer_sys::fuzz_target!(|input: &[u8]| judge::attack(input));
