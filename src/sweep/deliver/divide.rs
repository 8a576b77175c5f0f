//! Dividing a batch by what a read found of its IDs.

use std::sync::atomic::Ordering;

use super::settle::{Context, Recorded, settle};
use crate::api::Api;
use crate::journal::{Batch, BatchId, Entry, Part, State};
use crate::sweep::deliver::status_read::{Findings, Found};
use crate::sweep::pool::worker::{StateChange, Worker};

/// What a read left of a batch.
pub(in crate::sweep) struct Sorted {
    /// IDs shown as revoked.
    pub(in crate::sweep) revoked: u64,
    /// Whether some are still active.
    pub(in crate::sweep) still_active: bool,
    /// What is still active and may be sent: the batch itself, or a part of it.
    pub(in crate::sweep) active: Option<Batch>,
    /// The state that all IDs are in, if it is one.
    pub(in crate::sweep) whole: Option<State>,
}

impl<A: Api> Worker<A> {
    /// Sorts a batch in doubt by what a read found of its IDs.
    pub(in crate::sweep) fn sort_out(
        &mut self,
        batch: &Batch,
        findings: &Findings,
        recorded: &Recorded,
        context: Context<'_>,
    ) -> Sorted {
        let sorted = self.divide(batch, findings, |found| settle(recorded, found, context));
        let whole = match sorted.as_slice() {
            [(_, only)] => Some(only.state),
            _ => None,
        };
        let revoked = sorted
            .iter()
            .filter(|(found, _)| *found == Found::Revoked)
            .map(|(_, batch)| batch.len())
            .sum();
        let active = sorted
            .into_iter()
            .find(|(found, _)| *found == Found::Active)
            .map(|(_, batch)| batch);
        Sorted {
            revoked,
            still_active: active.is_some(),
            active: active.filter(|batch| batch.state == State::Pending),
            whole,
        }
    }

    /// Gives each ID of a batch the state that belongs to what was found: the
    /// batch changes as a whole if all agree, and is divided otherwise. What
    /// comes to the same is not told apart.
    pub(in crate::sweep) fn divide(
        &mut self,
        batch: &Batch,
        findings: &Findings,
        fate: impl Fn(Found) -> (State, StateChange),
    ) -> Vec<(Found, Batch)> {
        let fates = Found::ALL.map(&fate);
        let alike = |found: Found| {
            let of = |found: Found| &fates[found as usize];
            let first = Found::ALL.into_iter().find(|one| of(*one) == of(found));
            first.unwrap_or(found)
        };
        let mut groups: Vec<(Found, Batch)> = Vec::new();
        for (id, line) in batch.ids.iter().zip(&batch.lines) {
            let found = alike(findings.of(*id));
            let index = groups
                .iter()
                .position(|group| group.0 == found)
                .unwrap_or_else(|| {
                    groups.push((
                        found,
                        Batch {
                            ids: Vec::new(),
                            lines: Vec::new(),
                            ..batch.clone()
                        },
                    ));
                    groups.len() - 1
                });
            groups[index].1.ids.push(*id);
            groups[index].1.lines.push(*line);
        }
        if let [(found, whole)] = groups.as_mut_slice() {
            let (state, finding) = fates[*found as usize].clone();
            self.moved(whole, state, finding);
            return groups;
        }
        let mut parts = Vec::with_capacity(groups.len());
        for ((found, part), step) in groups.iter_mut().zip(1..) {
            let (state, finding) = fates[*found as usize].clone();
            part.id = self.new_batch();
            part.path = format!("{}.{step}", batch.path);
            part.state = state;
            parts.push(Part {
                batch: part.clone(),
                reason: finding.reason,
                message: finding.message,
                verified: finding.verified,
                owed: finding.owed,
            });
        }
        self.note(Entry::Divided {
            batch: batch.id,
            from: batch.state,
            parts,
            at: self.shared.clock.now(),
        });
        groups
    }

    pub(in crate::sweep) fn new_batch(&self) -> BatchId {
        self.shared.last_batch.fetch_add(1, Ordering::Relaxed) + 1
    }
}
