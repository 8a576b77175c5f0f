//! The boot of a host, by which the times of several processes are brought
//! onto one clock.
//!
//! Somebody may set the wall clock between two processes. The time since the
//! host was booted goes on meanwhile, whatever the wall clock shows, and is
//! the same for all processes of that boot.

use jiff::{SignedDuration, Timestamp};

/// A boot of a host, as a process sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Boot {
    /// Which boot it is: the same for all processes of it, and for no other.
    pub id: String,
    /// When it began, by the clock of that process.
    pub began: Timestamp,
}

impl Boot {
    /// What a time that was recorded by a process which saw its boot as
    /// `theirs` is to be shifted by, to be right on the clock of the process
    /// that sees its own as `ours`. Of another boot only the wall clock is
    /// known.
    pub(super) fn shift(ours: Option<&Self>, theirs: Option<&Self>) -> SignedDuration {
        match (ours, theirs) {
            (Some(ours), Some(theirs)) if ours.id == theirs.id => {
                ours.began.duration_since(theirs.began)
            }
            _ => SignedDuration::ZERO,
        }
    }
}

/// `moment` shifted by so much, as far as time goes.
pub(super) fn shifted(moment: Timestamp, by: SignedDuration) -> Timestamp {
    moment.checked_add(by).unwrap_or(if by.is_negative() {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    })
}
