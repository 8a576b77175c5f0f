//! Delivering one of the list's batches until the fate of each of its IDs is
//! settled, as far as it can be.
//!
//! The IDs of a batch travel together as a [`Piece`] until an answer or a
//! read makes them part ways; then the piece is divided, and what is still to
//! be sent goes on as pieces of its own.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::hold::Strike;
use super::isolation::Isolation;
use super::policy::Verify;
use super::reading::{Findings, Found};
use super::stop::Stopped;
use super::worker::{Finding, Worker, status};
use crate::api::{Api, Call, Verdict, judge_revoke, revoke_body};
use crate::journal::{Batch, BatchId, Entry, Owed, Part, State, Verified};

/// What came of one of the list's batches.
#[derive(Debug, Default)]
pub(super) struct Fate {
    /// IDs that were revoked, as far as is known.
    pub(super) revoked: u64,
    /// The state it ended in as a whole; `Divided` if its IDs parted ways.
    pub(super) state: Option<State>,
    /// What is still to be read.
    pub(super) owed: Vec<Owed>,
    /// The last thing that went wrong with it.
    trouble: String,
}

impl Fate {
    /// Whether the breaker counts it as a failure.
    pub(super) fn failed(&self) -> bool {
        self.revoked == 0 || matches!(self.state, Some(State::Exhausted | State::Unknown))
    }

    /// How it ended, for a person.
    pub(super) fn words(&self) -> String {
        let state = self.state.unwrap_or(State::Pending);
        if self.trouble.is_empty() {
            format!("{state}, {} IDs revoked", self.revoked)
        } else {
            format!("{state}, {}", self.trouble)
        }
    }
}

/// How far a piece has come with being refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    /// Not refused so far.
    Fresh,
    /// Refused once and read back: what was left is sent once more.
    Again,
    /// A part of something refused. `certain`: its other half was accepted,
    /// so the cause must be in here.
    Part { certain: bool },
}

/// IDs that travel together.
#[derive(Debug)]
struct Piece {
    batch: Batch,
    /// POSTs without a clean answer, in this process.
    tries: u32,
    stage: Stage,
    ticket: Option<String>,
    /// The other half, if this is the first half of something refused.
    sibling: Option<BatchId>,
}

impl Piece {
    fn new(batch: Batch, stage: Stage) -> Self {
        Self {
            batch,
            tries: 0,
            stage,
            ticket: None,
            sibling: None,
        }
    }
}

/// A delivery under way.
struct Delivery {
    root: BatchId,
    fate: Fate,
    isolation: Isolation,
    stack: Vec<Piece>,
    /// The list's batch goes alone and is read whatever the setting says.
    alone: bool,
}

impl Delivery {
    /// Remembers how the list's own batch ended.
    fn ended(&mut self, batch: &Batch, state: State) {
        if batch.id == self.root {
            self.fate.state = Some(state);
        }
    }
}

/// What becomes of a piece after one answer.
enum Next {
    /// It is settled, or its parts are on the stack.
    Done,
    /// It is to be sent again.
    Send(Piece),
}

impl<A: Api> Worker<A> {
    /// Delivers `batch`. With `alone` its IDs owe a read even where only
    /// doubt is read back.
    pub(super) async fn deliver(&mut self, batch: Batch, alone: bool) -> Result<Fate, Stopped> {
        let mut delivery = Delivery {
            root: batch.id,
            fate: Fate::default(),
            isolation: Isolation::of(batch.len()),
            stack: vec![Piece::new(batch, Stage::Fresh)],
            alone,
        };
        while let Some(piece) = delivery.stack.pop() {
            let mut next = Next::Send(piece);
            while let Next::Send(piece) = next {
                next = self.send(piece, &mut delivery).await?;
            }
        }
        Ok(delivery.fate)
    }

    /// Sends a piece once and draws the consequences.
    async fn send(&mut self, mut piece: Piece, delivery: &mut Delivery) -> Result<Next, Stopped> {
        let shared = Arc::clone(&self.shared);
        if let Stage::Part { certain } = piece.stage {
            if certain && piece.batch.len() > 1 {
                self.halve(piece, true, delivery);
                return Ok(Next::Done);
            }
            if !delivery.isolation.spend(&shared.isolation) {
                self.not_isolated(piece, delivery);
                return Ok(Next::Done);
            }
        }
        let body = revoke_body(&piece.batch.ids, piece.ticket.as_deref());
        let ids = piece.batch.len();
        let sent = self
            .request(&shared, &Call::Revoke(body), ids, Some(&mut piece.batch))
            .await?;
        let verdict = judge_revoke(&sent.answer);
        let finding = Finding {
            reason: verdict.reason(),
            message: verdict.message().to_owned(),
            status: status(&sent.answer),
            ..Finding::default()
        };
        let by_status = verdict.refused_by_status();
        let word = verdict.word();
        let strike = match &verdict {
            Verdict::Penalty { wait, captcha, .. } => self.penalty(*wait, *captcha),
            Verdict::Lockout { retry_after, .. } => self.lockout(*retry_after),
            Verdict::Unauthorized { .. } | Verdict::NotSent { .. } | Verdict::InDoubt { .. } => {
                Strike::Unclear
            }
            _ => Strike::Clean,
        };
        self.answered(sent, word, &finding.message, strike);

        match verdict {
            Verdict::Accepted => {
                self.accepted(piece, finding, delivery);
                Ok(Next::Done)
            }
            Verdict::Refused { .. } if by_status && !shared.accepted.load(Ordering::Relaxed) => {
                self.settle(piece.batch, State::Exhausted, finding, delivery);
                Ok(Next::Done)
            }
            Verdict::Refused { .. } => self.refused(piece, finding, delivery).await,
            Verdict::Unfit { .. } => {
                self.settle(piece.batch, State::Exhausted, finding, delivery);
                Ok(Next::Done)
            }
            Verdict::TooLarge if ids == 1 => {
                self.settle(piece.batch, State::Exhausted, finding, delivery);
                Ok(Next::Done)
            }
            Verdict::TooLarge => {
                self.moved(&mut piece.batch, State::Pending, finding);
                self.halve(piece, false, delivery);
                Ok(Next::Done)
            }
            Verdict::Unauthorized { message } => {
                self.moved(&mut piece.batch, State::Pending, finding);
                self.unauthorized(&message);
                Err(Stopped)
            }
            Verdict::Penalty { ticket, .. } => {
                self.moved(&mut piece.batch, State::Pending, finding);
                piece.ticket = ticket;
                Ok(Next::Send(piece))
            }
            Verdict::Lockout { .. } => {
                self.moved(&mut piece.batch, State::Pending, finding);
                Ok(Next::Send(piece))
            }
            Verdict::NotSent { .. } => {
                piece.tries += 1;
                if piece.tries >= shared.policy.max_attempts {
                    self.settle(piece.batch, State::Exhausted, finding, delivery);
                    return Ok(Next::Done);
                }
                self.moved(&mut piece.batch, State::Pending, finding);
                self.back_off(piece.tries).await?;
                Ok(Next::Send(piece))
            }
            Verdict::InDoubt { .. } => self.in_doubt(piece, finding, delivery).await,
        }
    }

    /// `ok:true`: revoked as far as the API says so; the proof may be owed.
    fn accepted(&mut self, piece: Piece, finding: Finding, delivery: &mut Delivery) {
        self.shared.accepted.store(true, Ordering::Relaxed);
        if let Some(sibling) = piece.sibling
            && let Some(other) = delivery.stack.last_mut()
            && other.batch.id == sibling
        {
            other.stage = Stage::Part { certain: true };
        }
        let owed = match self.shared.policy.verify {
            Verify::All => true,
            Verify::Doubtful => delivery.alone,
            Verify::Off => false,
        };
        let finding = Finding {
            reason: Cow::Borrowed("unverified"),
            owed,
            ..finding
        };
        self.settle(piece.batch, State::Revoked, finding, delivery);
    }

    /// Whether a request was executed is not known: it is read back before
    /// anything is sent again, and not before the backoff has passed.
    async fn in_doubt(
        &mut self,
        mut piece: Piece,
        finding: Finding,
        delivery: &mut Delivery,
    ) -> Result<Next, Stopped> {
        piece.tries += 1;
        self.moved(&mut piece.batch, State::Unknown, finding.clone());
        let exhausted = piece.tries >= self.shared.policy.max_attempts;
        if !self.reads() && exhausted {
            delivery.ended(&piece.batch, State::Unknown);
            return Ok(Next::Done);
        }
        self.back_off(piece.tries).await?;
        if !self.reads() {
            return Ok(Next::Send(piece));
        }
        self.settle_by_reading(piece, finding, exhausted, delivery)
            .await
    }

    /// Reads a piece in doubt. What is still active comes back to be sent,
    /// unless its attempts are used up.
    async fn settle_by_reading(
        &mut self,
        mut piece: Piece,
        finding: Finding,
        exhausted: bool,
        delivery: &mut Delivery,
    ) -> Result<Next, Stopped> {
        match self.read(&piece.batch.ids).await? {
            Ok(findings) => {
                let rest = self.sort_out(&piece.batch, &findings, exhausted, &finding);
                delivery.fate.revoked += rest.revoked;
                if exhausted || rest.active.is_none() {
                    delivery.ended(&piece.batch, rest.whole.unwrap_or(State::Divided));
                }
                let Some(active) = rest.active.filter(|_| !exhausted) else {
                    return Ok(Next::Done);
                };
                if active.id != piece.batch.id {
                    delivery.ended(&piece.batch, State::Divided);
                    piece.ticket = None;
                }
                Ok(Next::Send(Piece {
                    batch: active,
                    sibling: None,
                    ..piece
                }))
            }
            Err(unreadable) => {
                let finding = Finding {
                    message: join(&finding.message, &unreadable.message),
                    verified: Verified::Unreadable,
                    ..finding
                };
                delivery.fate.trouble = join(&finding.reason, &finding.message);
                self.moved(&mut piece.batch, State::Unknown, finding);
                delivery.ended(&piece.batch, State::Unknown);
                Ok(Next::Done)
            }
        }
    }

    /// Refused because of some of its IDs: which, and whether others were
    /// revoked, the answer does not say.
    async fn refused(
        &mut self,
        mut piece: Piece,
        finding: Finding,
        delivery: &mut Delivery,
    ) -> Result<Next, Stopped> {
        let shared = Arc::clone(&self.shared);
        self.moved(&mut piece.batch, State::Unknown, finding.clone());
        let alone = piece.batch.len() == 1;
        if alone && piece.stage != Stage::Fresh {
            let finding = Finding {
                owed: self.reads(),
                ..finding
            };
            self.settle(piece.batch, State::Refused, finding, delivery);
            return Ok(Next::Done);
        }
        let reads = self.reads() && (piece.stage == Stage::Fresh || delivery.isolation.partial);
        if reads && !delivery.isolation.spend(&shared.isolation) {
            self.not_isolated(piece, delivery);
            return Ok(Next::Done);
        }
        if reads {
            let stage = piece.stage;
            let before = delivery.fate.revoked;
            let next = self
                .settle_by_reading(piece, finding, false, delivery)
                .await?;
            delivery.isolation.partial |= delivery.fate.revoked > before;
            let Next::Send(rest) = next else {
                return Ok(Next::Done);
            };
            piece = rest;
            piece.stage = stage;
        }
        match piece.stage {
            Stage::Fresh => {
                piece.stage = Stage::Again;
                piece.tries = 0;
                if !delivery.isolation.spend(&shared.isolation) {
                    self.not_isolated(piece, delivery);
                    return Ok(Next::Done);
                }
                Ok(Next::Send(piece))
            }
            _ if piece.batch.len() == 1 => Ok(Next::Send(piece)),
            _ => {
                self.halve(piece, true, delivery);
                Ok(Next::Done)
            }
        }
    }

    /// Divides a piece in two; the first half is the next to be sent. Only
    /// where the whole was refused do the halves bear on one another.
    fn halve(&mut self, piece: Piece, refused: bool, delivery: &mut Delivery) {
        let whole = piece.batch;
        let middle = whole.ids.len() / 2;
        let stage = match piece.stage {
            Stage::Fresh => Stage::Fresh,
            _ => Stage::Part { certain: false },
        };
        let halves = [0..middle, middle..whole.ids.len()];
        let parts: Vec<Batch> = halves
            .into_iter()
            .zip(1..)
            .map(|(range, step)| Batch {
                id: self.new_batch(),
                path: format!("{}.{step}", whole.path),
                root: whole.root,
                state: State::Pending,
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
        delivery.ended(&whole, State::Divided);
        let mut sibling = None;
        for batch in parts.into_iter().rev() {
            let id = batch.id;
            delivery.stack.push(Piece {
                sibling: sibling.replace(id).filter(|_| refused),
                ..Piece::new(batch, stage)
            });
        }
    }

    /// The bounds of isolation are used up: this piece, and all that wait
    /// their turn, stay as they are. They were part of a refused request, so
    /// a read is owed.
    fn not_isolated(&mut self, piece: Piece, delivery: &mut Delivery) {
        let owed = self.reads();
        let rest = std::mem::take(&mut delivery.stack);
        for piece in std::iter::once(piece).chain(rest) {
            let finding = Finding {
                reason: Cow::Borrowed("not_isolated"),
                owed,
                ..Finding::default()
            };
            self.settle(piece.batch, State::Exhausted, finding, delivery);
        }
    }

    /// Moves a batch to the state it ends in, for now.
    fn settle(
        &mut self,
        mut batch: Batch,
        state: State,
        finding: Finding,
        delivery: &mut Delivery,
    ) {
        if state == State::Revoked {
            delivery.fate.revoked += batch.len();
        }
        let owed = finding.owed;
        let (reason, message) = (finding.reason.clone(), finding.message.clone());
        if state != State::Revoked {
            delivery.fate.trouble = join(&reason, &message);
        }
        self.moved(&mut batch, state, finding);
        delivery.ended(&batch, state);
        if owed {
            delivery.fate.owed.push(Owed {
                batch,
                reason,
                message,
            });
        }
    }

    pub(super) fn new_batch(&self) -> BatchId {
        self.shared.last_batch.fetch_add(1, Ordering::Relaxed) + 1
    }
}

/// What a read left of a batch.
pub(super) struct Sorted {
    /// IDs shown as revoked.
    pub(super) revoked: u64,
    /// What is still active: the batch itself, or a part of it.
    pub(super) active: Option<Batch>,
    /// The state that all IDs are in, if it is one.
    pub(super) whole: Option<State>,
}

impl<A: Api> Worker<A> {
    /// Sorts a batch in doubt by what a read found of its IDs. What is
    /// active is pending again, or `exhausted` if its attempts are used up.
    pub(super) fn sort_out(
        &mut self,
        batch: &Batch,
        findings: &Findings,
        exhausted: bool,
        doubt: &Finding,
    ) -> Sorted {
        let fates = [
            (Found::Revoked, State::Revoked, "", Verified::Revoked),
            (Found::Declined, State::Refused, "declined", Verified::No),
            (Found::Absent, State::Missing, "absent", Verified::Absent),
            if exhausted {
                (
                    Found::Active,
                    State::Exhausted,
                    "still_active",
                    Verified::Active,
                )
            } else {
                (Found::Active, State::Pending, "", Verified::Active)
            },
        ];
        let sorted = self.divide(batch, findings, |found| {
            let (_, state, reason, verified) = fates
                .into_iter()
                .find(|fate| fate.0 == found)
                .unwrap_or(fates[3]);
            let message = match found {
                Found::Active => doubt.message.clone(),
                Found::Declined => "shown as Declined".to_owned(),
                Found::Revoked | Found::Absent => String::new(),
            };
            (
                state,
                Finding {
                    reason: Cow::Borrowed(reason),
                    message,
                    verified,
                    ..Finding::default()
                },
            )
        });
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
            active,
            whole,
        }
    }

    /// Gives each ID of a batch the state that belongs to what was found: the
    /// batch changes as a whole if all agree, and is divided otherwise.
    pub(super) fn divide(
        &mut self,
        batch: &Batch,
        findings: &Findings,
        fate: impl Fn(Found) -> (State, Finding),
    ) -> Vec<(Found, Batch)> {
        let mut groups: Vec<(Found, Batch)> = Vec::new();
        for (id, line) in batch.ids.iter().zip(&batch.lines) {
            // A read answers for every ID it was asked for; should one be
            // missing, it counts as active, which claims nothing.
            let found = findings.get(id).copied().unwrap_or(Found::Active);
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
            let (state, finding) = fate(*found);
            self.moved(whole, state, finding);
            return groups;
        }
        let mut parts = Vec::with_capacity(groups.len());
        for ((found, part), step) in groups.iter_mut().zip(1..) {
            let (state, finding) = fate(*found);
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
}

fn join(first: &str, second: &str) -> String {
    match (first.is_empty(), second.is_empty()) {
        (true, _) => second.to_owned(),
        (_, true) => first.to_owned(),
        _ => format!("{first}; {second}"),
    }
}
