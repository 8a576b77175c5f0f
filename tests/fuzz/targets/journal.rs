//! Opening a journal; see `attacks/journal.rs`.
#![no_main]

#[path = "../attacks/journal.rs"]
mod journal;

libfuzzer_sys::fuzz_target!(|input: &[u8]| journal::attack(input));
