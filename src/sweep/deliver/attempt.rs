//! Delivering one batch until the fate of each of its IDs is settled, as far
//! as it can be.
//!
//! The IDs of a batch travel together as a [`SubBatch`] until an answer or a
//! read makes them part ways; then the piece is divided, and what is still to
//! be sent goes on as pieces of its own.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::delivery::{Delivery, DeliveryResult, Next, Stage, SubBatch, join};
use super::settle::{Context, Recorded};
use crate::api::{Api, Call, Verdict, judge_revoke, revoke_body};
use crate::journal::{Batch, Owed, State, Verified};
use crate::sweep::pace::pause::PauseSignal;
use crate::sweep::policy::Verify;
use crate::sweep::pool::worker::{StateChange, Worker, status};
use crate::sweep::shutdown::Stopped;

/// How many penalties and lockouts one body, or one read, may meet. So many in
/// a row stop the run sooner; this is for an API that holds one request back
/// for ever and answers the others.
pub(in crate::sweep) const ROUNDS: u32 = 8;

impl<A: Api> Worker<A> {
    /// Delivers a batch.
    pub(in crate::sweep) async fn deliver(
        &mut self,
        mut delivery: Delivery,
    ) -> Result<DeliveryResult, Stopped> {
        while let Some(piece) = delivery.stack.pop() {
            let mut next = Next::Send(piece);
            while let Next::Send(piece) = next {
                next = self.send(piece, &mut delivery).await?;
            }
        }
        Ok(delivery.fate)
    }

    /// Sends a piece once and draws the consequences.
    async fn send(&mut self, piece: SubBatch, delivery: &mut Delivery) -> Result<Next, Stopped> {
        let shared = Arc::clone(&self.shared);
        let Some(mut piece) = self.cleared(piece, delivery) else {
            return Ok(Next::Done);
        };
        let ticket = piece.ticket.take();
        let body = revoke_body(&piece.batch.ids, ticket.as_deref());
        let ids = piece.batch.len();
        let sent = self
            .request(&shared, &Call::Revoke(body), ids, Some(&mut piece.batch))
            .await?;
        delivery.fate.sent = true;
        let verdict = judge_revoke(&sent.answer);
        let asked = sent.answer.retry_after();
        let finding = StateChange {
            reason: verdict.reason(),
            message: verdict.message().to_owned(),
            status: status(&sent.answer),
            ..StateChange::default()
        };
        let strike = self.strike(&verdict);
        let generation = sent.generation;
        self.answered(sent, verdict.word(), &finding.message, strike);
        let refused_before = std::mem::take(&mut piece.unauthorized);

        let early = verdict.refused_by_status() && !shared.accepted.load(Ordering::Relaxed);
        match verdict {
            Verdict::Accepted => {
                self.accepted(piece, finding, delivery);
                Ok(Next::Done)
            }
            Verdict::Refused { .. } if !early => self.refused(piece, finding, delivery).await,
            Verdict::TooLarge if ids > 1 => {
                self.put_back(&mut piece, finding);
                self.halve(piece, false, delivery);
                Ok(Next::Done)
            }
            Verdict::Refused { .. } | Verdict::BadRequest { .. } | Verdict::TooLarge => {
                // The first batch of a process is read back, whatever it met.
                let finding = StateChange {
                    owed: delivery.alone && self.reads(),
                    ..finding
                };
                Ok(self.give_up(piece, finding, delivery))
            }
            Verdict::Unauthorized { message } => {
                self.put_back(&mut piece, finding);
                if refused_before {
                    return Err(self.refused_again(&message));
                }
                self.token_refused(generation, &message).await?;
                piece.ticket = ticket;
                piece.unauthorized = true;
                Ok(Next::Send(piece))
            }
            Verdict::Penalty { ticket, .. } => {
                piece.ticket = ticket;
                Ok(self.held(piece, finding, delivery))
            }
            Verdict::Lockout { .. } => {
                piece.ticket = ticket;
                Ok(self.held(piece, finding, delivery))
            }
            Verdict::NotSent { .. } => {
                piece.ticket = ticket;
                self.not_sent(piece, finding, delivery).await
            }
            Verdict::InDoubt { .. } => self.in_doubt(piece, finding, asked, delivery).await,
        }
    }

    fn strike(&self, verdict: &Verdict) -> PauseSignal {
        match verdict {
            Verdict::Penalty { wait, captcha, .. }
            | Verdict::InDoubt {
                penalty: Some((wait, captcha)),
                ..
            } => self.penalty(*wait, *captcha),
            Verdict::Lockout { retry_after, .. } => self.lockout(*retry_after),
            Verdict::Unauthorized { .. } | Verdict::NotSent { .. } | Verdict::InDoubt { .. } => {
                PauseSignal::Unclear
            }
            _ => PauseSignal::Clean,
        }
    }

    /// `ok:true`: revoked as far as the API says so; the proof may be owed.
    fn accepted(&mut self, piece: SubBatch, finding: StateChange, delivery: &mut Delivery) {
        self.shared.accepted.store(true, Ordering::Relaxed);
        if let Some(sibling) = piece.sibling
            && let Some(other) = delivery.stack.last_mut()
            && other.batch.id == sibling
        {
            other.stage = Stage::Part { certain: true };
        }
        let owed = match self.shared.policy.verify {
            Verify::All => true,
            // The word of the API alone was worth nothing before.
            Verify::Doubtful => delivery.alone || self.shared.policy.resend_mismatched,
            Verify::Off => false,
        };
        let finding = StateChange {
            reason: Cow::Borrowed("unverified"),
            owed,
            ..finding
        };
        self.settle(piece.batch, State::Revoked, finding, delivery);
    }

    /// The last request was not executed, and there will be another.
    fn put_back(&mut self, piece: &mut SubBatch, finding: StateChange) {
        let state = piece.unsent();
        self.moved(&mut piece.batch, state, finding);
    }

    /// The last request was not executed, and there will be no other.
    fn give_up(&mut self, piece: SubBatch, finding: StateChange, delivery: &mut Delivery) -> Next {
        let state = piece.given_up();
        self.settle(piece.batch, state, finding, delivery);
        Next::Done
    }

    /// A penalty or a lockout: not executed, and to be sent after the wait
    /// that everybody keeps.
    fn held(&mut self, mut piece: SubBatch, finding: StateChange, delivery: &mut Delivery) -> Next {
        piece.rounds += 1;
        if piece.rounds >= ROUNDS {
            return self.give_up(piece, finding, delivery);
        }
        self.put_back(&mut piece, finding);
        Next::Send(piece)
    }

    async fn not_sent(
        &mut self,
        mut piece: SubBatch,
        finding: StateChange,
        delivery: &mut Delivery,
    ) -> Result<Next, Stopped> {
        piece.tries += 1;
        if piece.tries >= self.shared.policy.max_attempts {
            return Ok(self.give_up(piece, finding, delivery));
        }
        self.put_back(&mut piece, finding);
        self.back_off(piece.tries, None).await?;
        Ok(Next::Send(piece))
    }

    /// Whether a request was executed is not known: it is read back before
    /// anything is sent again, and not before the backoff has passed.
    async fn in_doubt(
        &mut self,
        mut piece: SubBatch,
        finding: StateChange,
        asked: Option<Duration>,
        delivery: &mut Delivery,
    ) -> Result<Next, Stopped> {
        piece.tries += 1;
        piece.doubt = true;
        piece.paid = false;
        let last = piece.tries >= self.shared.policy.max_attempts;
        if last && !self.reads() {
            self.settle(piece.batch, State::Unknown, finding, delivery);
            return Ok(Next::Done);
        }
        self.moved(&mut piece.batch, State::Unknown, finding.clone());
        self.back_off(piece.tries, asked).await?;
        if !self.reads() {
            return Ok(Next::Send(piece));
        }
        self.settle_by_reading(piece, finding, last, delivery).await
    }

    /// Reads a piece in doubt. What is still active comes back to be sent,
    /// unless this was its `last` attempt.
    pub(in crate::sweep) async fn settle_by_reading(
        &mut self,
        piece: SubBatch,
        finding: StateChange,
        last: bool,
        delivery: &mut Delivery,
    ) -> Result<Next, Stopped> {
        match self.read(&piece.batch.ids).await? {
            Ok(findings) => {
                let recorded = Recorded::in_doubt(false, &finding.message);
                let context = Context::InDoubt {
                    last,
                    resend: false,
                };
                let sorted = self.sort_out(&piece.batch, &findings, &recorded, context);
                delivery.fate.revoked += sorted.revoked;
                delivery.stands(&piece.batch, sorted.whole.unwrap_or(State::Divided));
                if sorted.still_active {
                    delivery.troubled(&finding.reason, &finding.message);
                }
                let Some(active) = sorted.active else {
                    return Ok(Next::Done);
                };
                Ok(Next::Send(SubBatch {
                    batch: active,
                    doubt: false,
                    // What the other half holds no longer follows from this.
                    sibling: None,
                    ..piece
                }))
            }
            Err(unreadable) => {
                let finding = StateChange {
                    message: join(&finding.message, &unreadable.message),
                    verified: Verified::Unreadable,
                    ..finding
                };
                self.settle(piece.batch, State::Unknown, finding, delivery);
                Ok(Next::Done)
            }
        }
    }

    /// Moves a batch to the state it ends in, for now.
    pub(in crate::sweep) fn settle(
        &mut self,
        mut batch: Batch,
        state: State,
        finding: StateChange,
        delivery: &mut Delivery,
    ) {
        if state == State::Revoked {
            delivery.fate.revoked += batch.len();
        } else {
            delivery.troubled(&finding.reason, &finding.message);
        }
        let owed = finding.owed && self.reads();
        let (reason, message) = (finding.reason.clone(), finding.message.clone());
        self.moved(&mut batch, state, finding);
        delivery.stands(&batch, state);
        if owed {
            delivery.fate.owed.push(Owed {
                batch,
                reason,
                message,
            });
        }
    }
}
