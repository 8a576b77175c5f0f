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

/// One read's worth of news.
enum Step {
    Shown(Vec<(PermissionId, Shown)>),
    Unknown,
    TooLarge,
    Unreadable(Unreadable),
}

impl<A: Api> Worker<A> {
    /// Reads `ids`. Absence is believed only when a second, later read of
    /// that ID alone says so too.
    pub(super) async fn read(
        &mut self,
        ids: &[PermissionId],
    ) -> Result<Result<Findings, Unreadable>, Stopped> {
        let (mut findings, absent) = match self.look(ids, false).await? {
            Ok(seen) => seen,
            Err(unreadable) => return Ok(Err(unreadable)),
        };
        for id in absent {
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
        Ok(Ok(findings))
    }

    /// Looks whether the API knows any of `ids`, with as few reads as that
    /// takes.
    pub(super) async fn knows_any(
        &mut self,
        ids: &[PermissionId],
    ) -> Result<Result<bool, Unreadable>, Stopped> {
        let seen = self.look(ids, true).await?;
        Ok(seen.map(|(findings, _)| !findings.is_empty()))
    }

    /// Reads `ids` in chunks: what is shown, and what is not. With `any` the
    /// first ID that is shown is enough.
    async fn look(
        &mut self,
        ids: &[PermissionId],
        any: bool,
    ) -> Result<Result<(Findings, Vec<PermissionId>), Unreadable>, Stopped> {
        let size = self.shared.policy.read_size;
        let mut findings = Findings::default();
        let mut absent = Vec::new();
        let mut chunks: Vec<&[PermissionId]> = ids.chunks(size).rev().collect();
        while let Some(chunk) = chunks.pop() {
            match self.ask(&Call::Items(chunk.to_vec()), chunk.len()).await? {
                Step::Shown(shown) => {
                    findings.extend(shown.into_iter().map(|(id, shown)| (id, found(shown))));
                    absent.extend(chunk.iter().filter(|id| !findings.contains_key(*id)));
                }
                // For several IDs a 404 says nothing about any one of them.
                Step::Unknown | Step::TooLarge if chunk.len() > 1 => {
                    let (left, right) = chunk.split_at(chunk.len() / 2);
                    chunks.extend([right, left]);
                }
                Step::Unknown => absent.extend(chunk),
                Step::TooLarge => return Ok(Err(too_large())),
                Step::Unreadable(unreadable) => return Ok(Err(unreadable)),
            }
            if any && !findings.is_empty() {
                break;
            }
        }
        Ok(Ok((findings, absent)))
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
                            message: format!("the read failed: {reason} {message}")
                                .trim_end()
                                .to_owned(),
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
