//! What follows a refusal: reading back, sending once more, and halving until
//! the refused IDs stand alone, within the bounds of
//! [`BisectBudget`](crate::sweep::deliver::bisect_budget::BisectBudget).

use std::borrow::Cow;
use std::sync::Arc;

use super::delivery::{Delivery, Next, Stage, SubBatch};
use crate::api::Api;
use crate::journal::{Batch, Entry, Part, State, Verified};
use crate::sweep::pool::worker::{StateChange, Worker};
use crate::sweep::shutdown::Stopped;

/// Part of something refused, and the bounds of isolation are used up.
pub(in crate::sweep) const NOT_ISOLATED: &str = "not_isolated";

impl<A: Api> Worker<A> {
    /// The piece, if it may be sent as it is. A part in which the cause of a
    /// refusal must be is halved instead, and one for which isolation has no
    /// request left stays as it is.
    pub(in crate::sweep) fn cleared(
        &mut self,
        mut piece: SubBatch,
        delivery: &mut Delivery,
    ) -> Option<SubBatch> {
        if piece.stage == (Stage::Part { certain: true }) && piece.batch.len() > 1 {
            self.halve(piece, true, delivery);
            return None;
        }
        if piece.stage != Stage::Fresh && !piece.paid {
            if !delivery.isolation.spend(&self.shared.isolation) {
                self.not_isolated(piece, delivery);
                return None;
            }
            piece.paid = true;
        }
        Some(piece)
    }

    /// Refused because of some of its IDs: which, and whether others were
    /// revoked, the answer does not say.
    pub(in crate::sweep) async fn refused(
        &mut self,
        mut piece: SubBatch,
        finding: StateChange,
        delivery: &mut Delivery,
    ) -> Result<Next, Stopped> {
        let shared = Arc::clone(&self.shared);
        let first = piece.stage == Stage::Fresh;
        piece.doubt = true;
        piece.paid = false;
        if piece.batch.len() == 1 && !first {
            let finding = StateChange {
                owed: self.reads(),
                ..finding
            };
            self.settle(piece.batch, State::Refused, finding, delivery);
            return Ok(Next::Done);
        }
        self.moved(&mut piece.batch, State::Unknown, finding.clone());
        if self.reads() && (first || delivery.isolation.partial) {
            if !delivery.isolation.spend(&shared.isolation) {
                self.not_isolated(piece, delivery);
                return Ok(Next::Done);
            }
            let before = delivery.fate.revoked;
            let next = self
                .settle_by_reading(piece, finding, false, delivery)
                .await?;
            delivery.isolation.partial = delivery.fate.revoked > before;
            let Next::Send(rest) = next else {
                return Ok(Next::Done);
            };
            piece = rest;
        }
        if first {
            piece.stage = Stage::Again;
            piece.tries = 0;
        } else if piece.batch.len() > 1 {
            self.halve(piece, true, delivery);
            return Ok(Next::Done);
        }
        Ok(Next::Send(piece))
    }

    /// Divides a piece in two; the first half is the next to be sent. Only
    /// where the whole was refused do the halves bear on one another.
    pub(in crate::sweep) fn halve(
        &mut self,
        piece: SubBatch,
        refused: bool,
        delivery: &mut Delivery,
    ) {
        let left_in = piece.unsent();
        let whole = piece.batch;
        let middle = whole.ids.len() / 2;
        let (stage, tries) = match piece.stage {
            Stage::Fresh => (Stage::Fresh, piece.tries),
            Stage::Again | Stage::Part { .. } => (Stage::Part { certain: false }, 0),
        };
        let halves = [0..middle, middle..whole.ids.len()];
        let parts: Vec<Batch> = halves
            .into_iter()
            .zip(1..)
            .map(|(range, step)| Batch {
                id: self.new_batch(),
                path: format!("{}.{step}", whole.path),
                root: whole.root,
                state: left_in,
                ids: whole.ids[range.clone()].to_vec(),
                lines: whole.lines[range].to_vec(),
            })
            .collect();
        self.note(Entry::Divided {
            batch: whole.id,
            from: whole.state,
            parts: parts
                .iter()
                .map(|batch| Part {
                    batch: batch.clone(),
                    reason: Cow::Borrowed(""),
                    message: String::new(),
                    verified: Verified::No,
                    owed: false,
                })
                .collect(),
            at: self.shared.clock.now(),
        });
        delivery.stands(&whole, State::Divided);
        let mut sibling = None;
        for batch in parts.into_iter().rev() {
            let id = batch.id;
            delivery.stack.push(SubBatch {
                stage,
                tries,
                sibling: sibling.replace(id).filter(|_| refused),
                ..SubBatch::new(batch)
            });
        }
    }

    /// The bounds of isolation are used up: this piece is not sent again, and
    /// no other part of what was refused is. Some of their IDs may have been
    /// revoked by it: a read is owed, and what it shows as active is exhausted.
    fn not_isolated(&mut self, piece: SubBatch, delivery: &mut Delivery) {
        let stack = std::mem::take(&mut delivery.stack);
        let (fresh, parts): (Vec<_>, Vec<_>) = stack
            .into_iter()
            .partition(|piece| piece.stage == Stage::Fresh);
        delivery.stack = fresh;
        for piece in std::iter::once(piece).chain(parts) {
            let (state, owed) = if self.reads() {
                (State::Unknown, true)
            } else {
                (piece.given_up(), false)
            };
            let finding = StateChange {
                reason: Cow::Borrowed(NOT_ISOLATED),
                owed,
                ..StateChange::default()
            };
            self.settle(piece.batch, state, finding, delivery);
        }
    }
}
