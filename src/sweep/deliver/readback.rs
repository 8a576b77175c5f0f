//! Reading back what is owed, and settling what an earlier process left in
//! doubt. Nothing here sends a revocation.

use std::borrow::Cow;
use std::time::Duration;

use super::settle::{Context, Recorded, settle};
use crate::api::Api;
use crate::journal::{BatchId, Doubt, Owed, State, VERIFICATION_MISMATCH, Verified};
use crate::sweep::deliver::status_read::{Findings, Found, UnreadableAnswer};
use crate::sweep::pace::pacer::LOOK_AHEAD;
use crate::sweep::pool::worker::{StateChange, Worker};
use crate::sweep::shutdown::Stopped;

/// What came of reading back one batch that owed it.
#[derive(Clone, Copy, Debug)]
pub(in crate::sweep) struct Looked {
    /// The list's own batch that it is, or is a part of.
    pub(in crate::sweep) root: BatchId,
    /// Whether some of its IDs are shown as revoked.
    pub(in crate::sweep) revoked: bool,
    /// Whether some of its IDs are to be read once more.
    pub(in crate::sweep) again: bool,
}

/// What came of reading back.
#[derive(Debug, Default)]
pub(in crate::sweep) struct Checked {
    /// Each batch, in order.
    pub(in crate::sweep) looked: Vec<Looked>,
    /// IDs that had counted as revoked and are not.
    pub(in crate::sweep) lost: u64,
    /// IDs that had not counted as revoked and are.
    pub(in crate::sweep) gained: u64,
    /// IDs that are not shown as revoked, whatever they had counted as.
    pub(in crate::sweep) missed: u64,
    /// Accepted, but still active: to be read once more.
    pub(in crate::sweep) again: Vec<Owed>,
}

impl<A: Api> Worker<A> {
    /// Reads back batches that owe it, all in one go, and compares.
    pub(in crate::sweep) async fn check(&mut self, owed: Vec<Owed>) -> Result<Checked, Stopped> {
        let ids: Vec<_> = owed
            .iter()
            .flat_map(|owed| owed.batch.ids.iter().copied())
            .collect();
        let mut checked = Checked::default();
        match self.read(&ids).await? {
            Ok(findings) => {
                for owed in owed {
                    self.compare(&owed, &findings, &mut checked);
                }
            }
            Err(unreadable) => {
                for owed in owed {
                    checked.missed += owed.batch.len();
                    if owed.batch.state == State::Revoked {
                        checked.lost += owed.batch.len();
                    }
                    checked.looked.push(Looked {
                        root: owed.batch.root,
                        revoked: false,
                        again: false,
                    });
                    self.unreadable(owed, &unreadable);
                }
            }
        }
        Ok(checked)
    }

    /// Compares what was claimed of a batch with what was found.
    fn compare(&mut self, owed: &Owed, findings: &Findings, checked: &mut Checked) {
        let claimed = owed.batch.state == State::Revoked;
        let mut looked = Looked {
            root: owed.batch.root,
            revoked: false,
            again: false,
        };
        let recorded = Recorded::from(owed);
        let groups = self.divide(&owed.batch, findings, |found| {
            settle(&recorded, found, Context::ReadBack)
        });
        for (found, batch) in groups {
            if found == Found::Revoked {
                looked.revoked = true;
                checked.gained += if claimed { 0 } else { batch.len() };
                continue;
            }
            checked.missed += batch.len();
            if !claimed {
                continue;
            }
            checked.lost += batch.len();
            if found == Found::Active {
                looked.again = true;
                checked.again.push(Owed {
                    batch,
                    reason: Cow::Borrowed(VERIFICATION_MISMATCH),
                    message: String::new(),
                });
            }
        }
        checked.looked.push(looked);
    }

    /// What cannot be read is not claimed as revoked, nor as not executed.
    fn unreadable(&mut self, mut owed: Owed, unreadable: &UnreadableAnswer) {
        let (to, reason, message) = match owed.batch.state {
            State::Revoked => (
                State::Unknown,
                Cow::Borrowed("read_failed"),
                unreadable.message.clone(),
            ),
            other => (other, owed.reason, owed.message),
        };
        let finding = StateChange {
            reason,
            message,
            verified: Verified::Unreadable,
            ..StateChange::default()
        };
        self.moved(&mut owed.batch, to, finding);
    }

    /// The request of a batch that is in doubt may still be executing: waits
    /// until a backoff has passed since its end or, where that is not
    /// recorded, since its time-out: this process's or its own, whichever is
    /// longer.
    pub(in crate::sweep) async fn come_to_rest(&mut self, doubt: &Doubt) -> Result<(), Stopped> {
        let policy = &self.shared.policy;
        let clock = self.shared.clock;
        let backoff = match doubt.reason.as_str() {
            // Accepted: its second look is due.
            VERIFICATION_MISMATCH => policy.retry_max,
            _ => policy.retry_initial,
        };
        let (since, wait) = match (doubt.ended, doubt.recorded) {
            (Some(ended), _) => (clock.since(ended), backoff),
            (None, Some(recorded)) => {
                let timeout = doubt.timeout.unwrap_or_default().max(policy.timeout);
                (clock.since(recorded), LOOK_AHEAD + timeout + backoff)
            }
            (None, None) => (Duration::ZERO, Duration::ZERO),
        };
        match wait.checked_sub(since) {
            Some(left) => self.rest(left).await,
            None => Ok(()),
        }
    }

    /// Settles a batch that an earlier process left in doubt, by reading it
    /// once its request cannot be executing any more. What is active becomes
    /// sendable, unless it was accepted.
    pub(in crate::sweep) async fn settle_doubt(&mut self, doubt: Doubt) -> Result<(), Stopped> {
        self.come_to_rest(&doubt).await?;
        let mut batch = doubt.batch;
        let crashed = batch.state == State::InFlight;
        let reason = match doubt.reason.as_str() {
            _ if crashed => "crash",
            VERIFICATION_MISMATCH => VERIFICATION_MISMATCH,
            _ => "read_failed",
        };
        let finding = StateChange {
            reason: Cow::Borrowed(reason),
            ..StateChange::default()
        };
        if crashed {
            self.moved(&mut batch, State::Unknown, finding.clone());
        }
        if !self.reads() {
            return Ok(());
        }
        match self.read(&batch.ids).await? {
            Ok(findings) => {
                let recorded = Recorded::in_doubt(doubt.accepted, "");
                let context = Context::InDoubt {
                    last: false,
                    resend: self.shared.policy.resend_mismatched,
                };
                self.sort_out(&batch, &findings, &recorded, context);
            }
            Err(unreadable) => {
                let finding = StateChange {
                    message: unreadable.message,
                    verified: Verified::Unreadable,
                    ..finding
                };
                self.moved(&mut batch, State::Unknown, finding);
            }
        }
        Ok(())
    }
}

impl From<&Owed> for Recorded {
    fn from(owed: &Owed) -> Self {
        Self {
            state: owed.batch.state,
            accepted: owed.batch.state == State::Revoked,
            reason: owed.reason.clone(),
            message: owed.message.clone(),
            verified: Verified::No,
            owed: true,
        }
    }
}
