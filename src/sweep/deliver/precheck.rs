//! Reading a batch before it is sent (`--read-first`): no revocation is spent
//! on what is out of force already, and how each permission was shown is kept.

use std::borrow::Cow;

use super::delivery::{Delivery, SubBatch, join};
use super::settle::{Context, Recorded, settle};
use crate::api::Api;
use crate::journal::{Batch, Entry, PriorStatus, State, Verified};
use crate::sweep::deliver::status_read::{Findings, Found, StatusesSeen};
use crate::sweep::pool::worker::{StateChange, Worker};
use crate::sweep::shutdown::Stopped;

impl<A: Api> Worker<A> {
    /// Reads the batch that is about to be delivered, unless it was `seen`
    /// already. What is revoked, declined or not known is settled by that;
    /// what is active is left to be sent. A batch that cannot be read is not
    /// sent.
    pub(in crate::sweep) async fn read_first(
        &mut self,
        delivery: &mut Delivery,
        seen: Option<StatusesSeen>,
    ) -> Result<(), Stopped> {
        let Some(piece) = delivery.stack.pop() else {
            return Ok(());
        };
        let read = match seen {
            Some(seen) => self.confirm(seen).await?,
            None => self.read(&piece.batch.ids).await?,
        };
        let findings = match read {
            Ok(findings) => findings,
            Err(unreadable) => {
                let finding = StateChange {
                    reason: Cow::Borrowed("read_failed"),
                    message: join("not sent", &unreadable.message),
                    verified: Verified::Unreadable,
                    ..StateChange::default()
                };
                self.settle(piece.batch, State::Exhausted, finding, delivery);
                return Ok(());
            }
        };
        if let Some(active) = self.take_out(&piece.batch, findings, delivery) {
            delivery.stack.push(SubBatch {
                batch: active,
                ..piece
            });
        }
        Ok(())
    }

    /// Settles what needs no revocation, and hands back what does: the batch
    /// as it is, or a part of it.
    fn take_out(
        &mut self,
        batch: &Batch,
        mut findings: Findings,
        delivery: &mut Delivery,
    ) -> Option<Batch> {
        let shown = std::mem::take(&mut findings.shown).into_iter();
        let sightings: Vec<_> = shown
            .map(|one| PriorStatus {
                id: one.id,
                account: one.account,
                user: one.user,
                status: one.status,
            })
            .collect();
        if !sightings.is_empty() {
            self.note(Entry::Sighted(sightings));
        }
        if batch.ids.iter().all(|id| findings.of(*id) == Found::Active) {
            return Some(batch.clone());
        }
        let recorded = Recorded {
            state: batch.state,
            ..Recorded::in_doubt(false, "")
        };
        let groups = self.divide(batch, &findings, |found| {
            settle(&recorded, found, Context::BeforeSending)
        });
        let whole = match groups.as_slice() {
            [(_, only)] => only.state,
            _ => State::Divided,
        };
        delivery.stands(batch, whole);
        let mut active = None;
        for (found, part) in groups {
            match found {
                Found::Revoked => delivery.fate.revoked += part.len(),
                Found::Active => active = Some(part),
                Found::Declined => delivery.troubled("declined", ""),
                Found::Absent => delivery.troubled("absent", ""),
            }
        }
        active
    }
}
