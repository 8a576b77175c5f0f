//! Reading back what is owed, and settling what an earlier process left in
//! doubt. Nothing here sends a revocation.

use std::borrow::Cow;
use std::time::Duration;

use super::pacer::LOOK_AHEAD;
use super::reading::Found;
use super::stop::Stopped;
use super::worker::{Finding, Worker};
use crate::api::Api;
use crate::journal::{Doubt, Owed, State, Verified};

/// What came of reading back.
#[derive(Debug, Default)]
pub(super) struct Checked {
    /// IDs that had counted as revoked and are not.
    pub(super) lost: u64,
    /// IDs that are not shown as revoked, whatever they had counted as.
    pub(super) missed: u64,
    /// Accepted, but still active: to be read once more.
    pub(super) again: Vec<Owed>,
}

impl<A: Api> Worker<A> {
    /// Reads back batches that owe it, all in one go, and compares.
    pub(super) async fn check(&mut self, owed: Vec<Owed>) -> Result<Checked, Stopped> {
        let ids: Vec<_> = owed
            .iter()
            .flat_map(|owed| owed.batch.ids.iter().copied())
            .collect();
        let mut checked = Checked::default();
        match self.read(&ids).await? {
            Ok(findings) => {
                for owed in owed {
                    let claim = owed.batch.state;
                    let claimed = claim == State::Revoked;
                    let groups =
                        self.divide(&owed.batch, &findings, |found| compared(&owed, found));
                    for (found, batch) in groups {
                        if found != Found::Revoked {
                            checked.missed += batch.len();
                        }
                        if claimed && found != Found::Revoked {
                            checked.lost += batch.len();
                        }
                        if claimed && found == Found::Active {
                            checked.again.push(Owed {
                                batch,
                                reason: Cow::Borrowed(MISMATCH),
                                message: String::new(),
                            });
                        }
                    }
                }
            }
            Err(unreadable) => {
                for mut owed in owed {
                    checked.missed += owed.batch.len();
                    let finding = Finding {
                        verified: Verified::Unreadable,
                        ..Finding::default()
                    };
                    match owed.batch.state {
                        State::Revoked => {
                            checked.lost += owed.batch.len();
                            let finding = Finding {
                                reason: Cow::Borrowed("read_failed"),
                                message: unreadable.message.clone(),
                                ..finding
                            };
                            self.moved(&mut owed.batch, State::Unknown, finding);
                        }
                        claim => {
                            let to = match claim {
                                State::Exhausted => State::Unknown,
                                other => other,
                            };
                            let finding = Finding {
                                reason: owed.reason,
                                message: owed.message,
                                ..finding
                            };
                            self.moved(&mut owed.batch, to, finding);
                        }
                    }
                }
            }
        }
        Ok(checked)
    }

    /// Settles a batch that an earlier process left in doubt: what is active
    /// becomes sendable. The request may still be executing, so nothing is
    /// read before its time-out and a backoff would have passed.
    pub(super) async fn settle_doubt(&mut self, doubt: Doubt) -> Result<(), Stopped> {
        let policy = &self.shared.policy;
        let clock = self.shared.clock;
        let (since, wait) = match (doubt.ended, doubt.recorded) {
            (Some(ended), _) => (clock.since(ended), policy.retry_initial),
            (None, Some(recorded)) => (clock.since(recorded), policy.timeout + LOOK_AHEAD),
            (None, None) => (Duration::ZERO, Duration::ZERO),
        };
        let mut batch = doubt.batch;
        if let Some(left) = wait.checked_sub(since) {
            self.rest(left).await?;
        }
        let crashed = batch.state == State::InFlight;
        let reason = if crashed { "crash" } else { "read_failed" };
        let doubt = Finding {
            reason: Cow::Borrowed(reason),
            ..Finding::default()
        };
        if crashed {
            self.moved(&mut batch, State::Unknown, doubt.clone());
        }
        if !self.reads() {
            return Ok(());
        }
        match self.read(&batch.ids).await? {
            Ok(findings) => {
                self.sort_out(&batch, &findings, false, &Finding::default());
            }
            Err(unreadable) => {
                let finding = Finding {
                    message: unreadable.message,
                    verified: Verified::Unreadable,
                    ..doubt
                };
                self.moved(&mut batch, State::Unknown, finding);
            }
        }
        Ok(())
    }
}

/// Accepted, but a read shows that it was not revoked.
const MISMATCH: &str = "verification_mismatch";

/// What a claim becomes in the light of what was found.
fn compared(owed: &Owed, found: Found) -> (State, Finding) {
    let plain = |state, reason, verified| {
        (
            state,
            Finding {
                reason: Cow::Borrowed(reason),
                verified,
                ..Finding::default()
            },
        )
    };
    match found {
        Found::Revoked => plain(State::Revoked, "", Verified::Revoked),
        Found::Absent => plain(State::Missing, "absent", Verified::Absent),
        Found::Declined => plain(State::Refused, "declined", Verified::No),
        Found::Active => match owed.batch.state {
            State::Revoked | State::Unknown => {
                let (state, finding) = plain(State::Unknown, MISMATCH, Verified::Active);
                let message = "accepted, but the API still shows it as active".to_owned();
                (state, Finding { message, ..finding })
            }
            claim => (
                claim,
                Finding {
                    reason: owed.reason.clone(),
                    message: owed.message.clone(),
                    verified: Verified::Active,
                    ..Finding::default()
                },
            ),
        },
    }
}
