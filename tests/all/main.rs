//! Integration tests, in one binary.

mod reading;
