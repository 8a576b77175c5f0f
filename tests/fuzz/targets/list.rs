//! Reading a list; see `attacks/list.rs`.
#![no_main]

#[path = "../attacks/list.rs"]
mod list;

libfuzzer_sys::fuzz_target!(|input: &[u8]| list::attack(input));
