//! A verification: every permission of a run is read again and compared with
//! what was claimed of it.
//!
//! It marks what it finds and makes nothing sendable, since a permission may
//! have been granted anew since: what was revoked and is active now stays
//! `revoked` and says so. A claim is only corrected towards what needs no
//! revocation. Nothing here sends one.
//!
//! Of a run that is not finished it also pays the reads that are owed: what was
//! only accepted and is shown as active never counted as proven, and becomes
//! `unknown` here as it would in the sweep.

use std::collections::VecDeque;

use tokio::time::Instant;

use super::settle::{Context, Recorded, settle};
use crate::api::Api;
use crate::journal::{
    BatchId, Doubt, Entry, Evidence, JournalError, RecordedState, State, VerificationResult,
};
use crate::list::PermissionId;
use crate::sweep::deliver::status_read::{Findings, Found};
use crate::sweep::policy::Policy;
use crate::sweep::pool::jobs::{Job, Words};
use crate::sweep::pool::ledger::JournalHandle;
use crate::sweep::pool::worker::Worker;
use crate::sweep::shutdown::{Reason, Shutdown, Stopped};

/// About this many IDs are fetched from the journal at once.
const FETCH: usize = 20_000;

/// Where a verification stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum VerifyPhase {
    /// Choosing what is read first.
    First,
    /// Waiting for what comes of it.
    Alone,
    /// Everybody reads.
    Pool,
}

/// How it is told that the API knows none of what was read first.
const UNMARKED: Words = Words {
    which: "that were read first",
    so: "nothing more was read",
    cause: "Wrong environment or column, or another user's token?",
};

/// Which look at claims it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::sweep) enum Look {
    /// The first of the process: if the API knows nothing, it is the last.
    First,
    /// Any other.
    Next,
    /// Once more, at what counts as revoked and was shown as active.
    Second,
}

/// What is to be read and compared.
#[derive(Debug)]
pub(in crate::sweep) struct Examination {
    pub(in crate::sweep) claims: Vec<RecordedState>,
    /// What is known of the sending, where the one claim is in doubt: it is
    /// not read before that has come to rest.
    pub(in crate::sweep) doubt: Option<Doubt>,
    pub(in crate::sweep) look: Look,
}

/// What came of it.
#[derive(Debug)]
pub(in crate::sweep) struct Examined {
    look: Look,
    /// To be read once more, later. Nothing was said of them.
    again: Vec<RecordedState>,
    /// Why nothing could be read.
    unreadable: Option<String>,
}

/// The way through a verification.
#[derive(Debug)]
pub(in crate::sweep) struct Inspection {
    phase: VerifyPhase,
    after: BatchId,
    /// What is divided on the way has been read already.
    last: BatchId,
    ahead: VecDeque<RecordedState>,
    second_looks: VecDeque<(Instant, Vec<RecordedState>)>,
    /// Reads in a row that failed.
    failures: u32,
}

impl Inspection {
    /// Of the batches up to `last`.
    pub(in crate::sweep) fn new(last: BatchId) -> Self {
        Self {
            phase: VerifyPhase::First,
            after: 0,
            last,
            ahead: VecDeque::new(),
            second_looks: VecDeque::new(),
            failures: 0,
        }
    }

    /// When the next second look is due.
    pub(in crate::sweep) fn next_look(&self) -> Option<Instant> {
        self.second_looks.front().map(|(due, _)| *due)
    }

    pub(in crate::sweep) async fn next_job(
        &mut self,
        ledger: &JournalHandle,
        policy: &Policy,
    ) -> Result<Option<Job>, JournalError> {
        if self.phase == VerifyPhase::Alone {
            return Ok(None);
        }
        if let Some((due, _)) = self.second_looks.front()
            && *due <= Instant::now()
        {
            let claims = self.second_looks.pop_front();
            return Ok(claims.map(|(_, claims)| {
                Job::Examine(Examination {
                    claims,
                    doubt: None,
                    look: Look::Second,
                })
            }));
        }
        let look = match self.phase {
            VerifyPhase::First => Look::First,
            _ => Look::Next,
        };
        let claims = self.take(ledger, policy.read_size).await?;
        let Some(first) = claims.first() else {
            return Ok(None);
        };
        let doubt = if first.batch.state.is_doubtful() {
            let batch = first.batch.clone();
            let doubt = ledger.with(move |journal| journal.doubt(batch)).await;
            doubt.transpose()?
        } else {
            None
        };
        if look == Look::First {
            self.phase = VerifyPhase::Alone;
        }
        Ok(Some(Job::Examine(Examination {
            claims,
            doubt,
            look,
        })))
    }

    /// As many claims as one read holds, and at least one, if there is one;
    /// what is in doubt by itself.
    async fn take(
        &mut self,
        ledger: &JournalHandle,
        read_size: usize,
    ) -> Result<Vec<RecordedState>, JournalError> {
        let mut taken: Vec<RecordedState> = Vec::new();
        let mut ids = 0;
        while self.more(ledger).await? {
            let Some(next) = self.ahead.front() else {
                break;
            };
            let (size, doubtful) = (next.batch.ids.len(), next.batch.state.is_doubtful());
            if !taken.is_empty() && (doubtful || ids + size > read_size) {
                break;
            }
            ids += size;
            taken.extend(self.ahead.pop_front());
            if doubtful {
                break;
            }
        }
        Ok(taken)
    }

    /// Whether there is a next claim; it is at hand then.
    async fn more(&mut self, ledger: &JournalHandle) -> Result<bool, JournalError> {
        if self.ahead.is_empty() && self.after < self.last {
            let (after, last) = (self.after, self.last);
            let claims = ledger
                .with(move |journal| journal.claims(after, last, FETCH))
                .await
                .unwrap_or_else(|| Ok(Vec::new()))?;
            self.after = claims.last().map_or(self.last, |claim| claim.batch.id);
            self.ahead.extend(claims);
        }
        Ok(!self.ahead.is_empty())
    }

    /// Draws the consequences of an examination.
    pub(in crate::sweep) fn hear(&mut self, examined: Examined, policy: &Policy, stop: &Shutdown) {
        if examined.look == Look::First {
            self.phase = VerifyPhase::Pool;
        }
        if !examined.again.is_empty() {
            let due = Instant::now() + policy.retry_max;
            self.second_looks.push_back((due, examined.again));
        }
        let Some(why) = examined.unreadable else {
            self.failures = 0;
            return;
        };
        self.failures += 1;
        if policy.max_consecutive_failures > 0 && self.failures >= policy.max_consecutive_failures {
            stop.raise(Reason::Guard(format!(
                "{} reads in a row failed; the last one: {why}",
                self.failures
            )));
        }
    }
}

impl<A: Api> Worker<A> {
    /// Reads claims, all in one go, and marks what is found. What counts as
    /// revoked and is shown as active is read once more before that is said.
    pub(in crate::sweep) async fn examine(
        &mut self,
        asked: Examination,
    ) -> Result<Examined, Stopped> {
        let Examination {
            claims,
            doubt,
            look,
        } = asked;
        if let Some(doubt) = doubt {
            self.come_to_rest(&doubt).await?;
        }
        let ids: Vec<_> = claims
            .iter()
            .flat_map(|claim| claim.batch.ids.iter().copied())
            .collect();
        let read = match look {
            Look::First => {
                let seen = self.first_look(&ids, true, UNMARKED).await?;
                self.confirm(seen).await?
            }
            Look::Next | Look::Second => self.read(&ids).await?,
        };
        let mut examined = Examined {
            look,
            again: Vec::new(),
            unreadable: None,
        };
        match read {
            Ok(findings) => {
                for claim in claims {
                    let lost = claim.batch.state == State::Revoked
                        && claim
                            .batch
                            .ids
                            .iter()
                            .any(|id| findings.of(*id) == Found::Active);
                    if lost && look != Look::Second {
                        examined.again.push(claim);
                    } else {
                        self.mark(&claim, &findings);
                    }
                }
            }
            // A read that fails says nothing: nothing changes.
            Err(unreadable) => {
                for claim in claims {
                    self.testify(&claim, Evidence::Unreadable, Vec::new());
                }
                examined.unreadable = Some(unreadable.message);
            }
        }
        Ok(examined)
    }

    /// Notes what was found against one claim, and what becomes of it.
    fn mark(&mut self, claim: &RecordedState, findings: &Findings) {
        for found in Found::ALL {
            let ids = claim.batch.ids.iter();
            let ids: Vec<_> = ids
                .copied()
                .filter(|id| findings.of(*id) == found)
                .collect();
            if ids.len() == claim.batch.ids.len() {
                self.testify(claim, found.into(), Vec::new());
            } else if !ids.is_empty() {
                self.testify(claim, found.into(), ids);
            }
        }
        let now = self.shared.clock.now().strftime("%Y-%m-%d %H:%M UTC");
        let date = &now.to_string();
        let recorded = Recorded::from(claim);
        let fate = |found| settle(&recorded, found, Context::Verification { date });
        let stays = |found: Found| fate(found) == recorded.unchanged();
        if !claim.batch.ids.iter().all(|id| stays(findings.of(*id))) {
            self.divide(&claim.batch, findings, fate);
        }
    }

    fn testify(&mut self, claim: &RecordedState, found: Evidence, some: Vec<PermissionId>) {
        let all = claim.batch.len();
        self.note(Entry::Examined(VerificationResult {
            batch: claim.batch.id,
            root: claim.batch.root,
            claimed: claim.batch.state,
            found,
            ids: if some.is_empty() {
                all
            } else {
                some.len() as u64
            },
            some,
        }));
    }
}

impl From<Found> for Evidence {
    fn from(found: Found) -> Self {
        match found {
            Found::Revoked => Self::Revoked,
            Found::Active => Self::Active,
            Found::Declined => Self::Declined,
            Found::Absent => Self::Absent,
        }
    }
}

impl From<&RecordedState> for Recorded {
    fn from(claim: &RecordedState) -> Self {
        Self {
            state: claim.batch.state,
            accepted: claim.batch.state == State::Revoked,
            reason: claim.reason.clone(),
            message: claim.message.clone(),
            verified: claim.verified,
            owed: claim.owed,
        }
    }
}
