//! Reading permissions back: what the API shows for each of some IDs.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::deliver::ROUNDS;
use super::hold::Strike;
use super::stop::Stopped;
use super::worker::Worker;
use crate::api::{Api, Call, Reading, Shown, judge_read};
use crate::list::PermissionId;

/// What is known of an ID after reading.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Found {
    /// Shown as `Revoked`.
    Revoked,
    /// Shown, and not known to be out of force.
    Active,
    /// Shown as `Declined`.
    Declined,
    /// Not shown, and not known when asked for alone.
    Absent,
}

/// What is known of each ID that was asked for.
pub(super) type Findings = FxHashMap<PermissionId, Found>;

/// Why nothing is known: the last failure, for the record.
#[derive(Clone, Debug)]
pub(super) struct Unreadable {
    pub(super) message: String,
}

/// What some reads showed.
#[derive(Default)]
struct Seen {
    shown: Findings,
    absent: Vec<PermissionId>,
    /// Whether some are absent only because a read of theirs was answered
    /// 404, and no list left them out.
    by_404: bool,
}

/// One read's worth of news.
enum Step {
    Shown(Vec<(PermissionId, Shown)>),
    Unknown,
    TooLarge,
    Unreadable(Unreadable),
}

impl<A: Api> Worker<A> {
    /// Reads `ids`. Absence is believed only when a second, later read of
    /// that ID alone says so too. An expired token or a gateway may answer 404
    /// to whatever it is asked: where nothing but that speaks for an absence,
    /// an ID that was shown before has to be shown still.
    pub(super) async fn read(
        &mut self,
        ids: &[PermissionId],
    ) -> Result<Result<Findings, Unreadable>, Stopped> {
        let seen = match self.look(ids, false).await? {
            Ok(seen) => seen,
            Err(unreadable) => return Ok(Err(unreadable)),
        };
        let mut findings = seen.shown;
        for id in seen.absent {
            let found = match self.ask(&Call::Item(id), 1).await? {
                Step::Shown(shown) => shown
                    .first()
                    .map_or(Found::Absent, |(_, shown)| found(*shown)),
                Step::Unknown => Found::Absent,
                Step::TooLarge => return Ok(Err(too_large())),
                Step::Unreadable(unreadable) => return Ok(Err(unreadable)),
            };
            findings.insert(id, found);
        }
        if seen.by_404 && !self.is_shown_what_is_known().await? {
            return Ok(Err(Unreadable {
                message: "every read is answered 404".to_owned(),
            }));
        }
        Ok(Ok(findings))
    }

    /// Whether the API still shows an ID that it has shown.
    async fn is_shown_what_is_known(&mut self) -> Result<bool, Stopped> {
        let Some(witness) = self.witness() else {
            return Ok(false);
        };
        let step = self.ask(&Call::Item(witness), 1).await?;
        Ok(matches!(step, Step::Shown(_)))
    }

    /// An ID that the API has shown, to this process or an earlier one.
    pub(super) fn witness(&self) -> Option<PermissionId> {
        *self.shared.witness()
    }

    /// Looks whether the API knows any of `ids`, with as few reads as that
    /// takes.
    pub(super) async fn knows_any(
        &mut self,
        ids: &[PermissionId],
    ) -> Result<Result<bool, Unreadable>, Stopped> {
        let seen = self.look(ids, true).await?;
        Ok(seen.map(|seen| !seen.shown.is_empty()))
    }

    /// Reads `ids` in chunks: what is shown, and what is not. With `any` the
    /// first ID that is shown is enough.
    async fn look(
        &mut self,
        ids: &[PermissionId],
        any: bool,
    ) -> Result<Result<Seen, Unreadable>, Stopped> {
        let size = self.shared.policy.read_size;
        let mut seen = Seen::default();
        let mut chunks: Vec<&[PermissionId]> = ids.chunks(size).rev().collect();
        while let Some(chunk) = chunks.pop() {
            match self.ask(&Call::Items(chunk.to_vec()), chunk.len()).await? {
                Step::Shown(shown) => {
                    let shown = shown.into_iter().map(|(id, shown)| (id, found(shown)));
                    seen.shown.extend(shown);
                    let absent = chunk.iter().filter(|id| !seen.shown.contains_key(*id));
                    seen.absent.extend(absent);
                }
                // For several IDs a 404 says nothing about any one of them.
                Step::Unknown | Step::TooLarge if chunk.len() > 1 => {
                    let (left, right) = chunk.split_at(chunk.len() / 2);
                    chunks.extend([right, left]);
                }
                Step::Unknown => {
                    seen.absent.extend(chunk);
                    seen.by_404 = true;
                }
                Step::TooLarge => return Ok(Err(too_large())),
                Step::Unreadable(unreadable) => return Ok(Err(unreadable)),
            }
            if any && !seen.shown.is_empty() {
                break;
            }
        }
        Ok(Ok(seen))
    }

    /// One read, tried again as far as that makes sense.
    async fn ask(&mut self, call: &Call, ids: usize) -> Result<Step, Stopped> {
        let shared = Arc::clone(&self.shared);
        let mut tries = 0;
        let mut rounds = 0;
        while rounds < ROUNDS {
            let sent = self.request(&shared, call, ids as u64, None).await?;
            let reading = judge_read(call, &sent.answer);
            let word = reading.word();
            match reading {
                Reading::Found(shown) => {
                    self.answered(sent, word, "", Strike::Clean);
                    if let Some((id, _)) = shown.first() {
                        *shared.witness() = Some(*id);
                    }
                    return Ok(Step::Shown(shown));
                }
                Reading::NotFound => {
                    self.answered(sent, word, "", Strike::Clean);
                    return Ok(Step::Unknown);
                }
                Reading::TooLarge => {
                    self.answered(sent, word, "", Strike::Clean);
                    return Ok(Step::TooLarge);
                }
                Reading::Unauthorized { message } => {
                    self.answered(sent, word, &message, Strike::Unclear);
                    self.unauthorized(&message);
                    return Err(Stopped);
                }
                Reading::Penalty { wait, captcha, .. } => {
                    rounds += 1;
                    let strike = self.penalty(wait, captcha);
                    self.answered(sent, word, "", strike);
                }
                Reading::Lockout { retry_after, .. } => {
                    rounds += 1;
                    let strike = self.lockout(retry_after);
                    self.answered(sent, word, "", strike);
                }
                Reading::Failed {
                    reason,
                    message,
                    transient,
                } => {
                    let asked = sent.answer.retry_after();
                    self.answered(sent, word, &message, Strike::Unclear);
                    tries += 1;
                    if !transient || tries >= shared.policy.max_attempts {
                        return Ok(Step::Unreadable(Unreadable {
                            message: match message.as_str() {
                                "" => format!("the read failed ({reason})"),
                                words => format!("the read failed ({reason}): {words}"),
                            },
                        }));
                    }
                    self.back_off(tries, asked).await?;
                }
            }
        }
        Ok(Step::Unreadable(Unreadable {
            message: format!("the read was held back {ROUNDS} times"),
        }))
    }
}

fn found(shown: Shown) -> Found {
    match shown {
        Shown::Revoked => Found::Revoked,
        Shown::Active => Found::Active,
        Shown::Declined => Found::Declined,
    }
}

fn too_large() -> Unreadable {
    Unreadable {
        message: "the read of a single ID was refused as too large".to_owned(),
    }
}
