//! The promises that a crash must not break, in campaigns of kills.

use crate::campaign::{campaign, every_phase};

#[test]
fn kills_at_any_moment_lose_no_id_and_claim_none_falsely() {
    let figures = campaign(1, 11, &[]);
    assert!(figures.in_flight > 0, "too tame: {figures:?}");
}

#[test]
fn kills_in_other_worlds_lose_no_id_and_claim_none_falsely() {
    let figures = campaign(2, 11, &[]);
    assert!(figures.in_flight > 0, "too tame: {figures:?}");
}

#[test]
fn a_kill_in_any_phase_loses_no_id_and_claims_none_falsely() {
    let figures = every_phase(3);
    assert_eq!(figures.missed(), []);
    assert!(figures.waits_kept > 0, "{figures:?}");
}
