//! Reading permissions back: what the API shows for each of some IDs.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustc_hash::FxHashMap;

use crate::api::{Api, Call, Permission, Reading, Status, judge_read};
use crate::list::PermissionId;
use crate::sweep::deliver::attempt::ROUNDS;
use crate::sweep::pace::pause::PauseSignal;
use crate::sweep::pool::worker::Worker;
use crate::sweep::shutdown::Stopped;

/// What is known of an ID after reading.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::sweep) enum Found {
    /// Shown as `Revoked`.
    Revoked,
    /// Shown, and not known to be out of force.
    Active,
    /// Shown as `Declined`.
    Declined,
    /// Not shown, and not known when asked for alone.
    Absent,
}

impl Found {
    /// All that can be known.
    pub(in crate::sweep) const ALL: [Self; 4] =
        [Self::Revoked, Self::Active, Self::Declined, Self::Absent];
}

/// What is known of each ID that was asked for.
#[derive(Debug, Default)]
pub(in crate::sweep) struct Findings {
    found: FxHashMap<PermissionId, Found>,
    /// The permissions that were shown.
    pub(in crate::sweep) shown: Vec<Permission>,
}

impl Findings {
    /// What is known of `id`. A read answers for every ID it was asked for;
    /// should one be missing, it counts as active, which claims nothing.
    pub(in crate::sweep) fn of(&self, id: PermissionId) -> Found {
        self.found.get(&id).copied().unwrap_or(Found::Active)
    }

    fn show(&mut self, shown: Vec<Permission>) {
        let found = shown.iter().map(|one| (one.id, found(one.shown)));
        self.found.extend(found);
        self.shown.extend(shown);
    }
}

/// How many IDs a read asks for: as many as the policy says, and fewer once
/// the server has shown that it does not answer for so many.
#[derive(Debug)]
pub(in crate::sweep) struct ReadSizes {
    size: AtomicUsize,
    /// The most IDs that one read has shown.
    most: AtomicUsize,
}

impl ReadSizes {
    pub(in crate::sweep) fn new(size: usize) -> Self {
        Self {
            size: AtomicUsize::new(size),
            most: AtomicUsize::new(1),
        }
    }

    fn now(&self) -> usize {
        self.size.load(Ordering::Relaxed)
    }

    fn shown(&self, ids: usize) {
        self.most.fetch_max(ids, Ordering::Relaxed);
    }

    /// A read left out what the next one showed.
    fn truncated(&self) {
        let most = self.most.load(Ordering::Relaxed);
        self.size.fetch_min(most, Ordering::Relaxed);
    }

    /// A read was refused as too large; the next are no larger than this.
    fn too_large(&self, ids: usize) {
        self.size.fetch_min(ids, Ordering::Relaxed);
    }
}

/// Why nothing is known: the last failure, for the record.
#[derive(Clone, Debug)]
pub(in crate::sweep) struct UnreadableAnswer {
    pub(in crate::sweep) message: String,
}

/// What some reads showed, before an absence is looked into.
#[derive(Debug, Default)]
pub(in crate::sweep) struct StatusesSeen {
    findings: Findings,
    /// Left out of a read of several IDs.
    left_out: Vec<PermissionId>,
    /// Not shown when asked for alone.
    absent: Vec<PermissionId>,
    /// Whether some are absent only because a read of theirs was answered
    /// 404, and no list left them out.
    by_404: bool,
}

impl StatusesSeen {
    /// Whether the API shows any of the IDs.
    pub(in crate::sweep) fn any(&self) -> bool {
        !self.findings.shown.is_empty()
    }
}

/// One read's worth of news.
enum ReadStep {
    Shown(Vec<Permission>),
    Unknown,
    TooLarge,
    Unreadable(UnreadableAnswer),
}

impl<A: Api> Worker<A> {
    /// Reads `ids`. Absence is believed only when a second, later read of
    /// that ID alone says so too. An expired token or a gateway may answer 404
    /// to whatever it is asked: where nothing but that speaks for an absence,
    /// an ID that was shown before has to be shown still.
    pub(in crate::sweep) async fn read(
        &mut self,
        ids: &[PermissionId],
    ) -> Result<Result<Findings, UnreadableAnswer>, Stopped> {
        match self.look(ids, false).await? {
            Ok(seen) => self.confirm(seen).await,
            Err(unreadable) => Ok(Err(unreadable)),
        }
    }

    /// Looks into each absence that was seen. A server may show fewer IDs
    /// than it was asked for: what a read left out is asked for together, as
    /// long as that shows any of it, and only then one by one.
    pub(in crate::sweep) async fn confirm(
        &mut self,
        mut seen: StatusesSeen,
    ) -> Result<Result<Findings, UnreadableAnswer>, Stopped> {
        while seen.left_out.len() > 1 {
            let left_out = std::mem::take(&mut seen.left_out);
            let before = seen.findings.found.len();
            if let Err(unreadable) = self.look_further(&left_out, false, &mut seen).await? {
                return Ok(Err(unreadable));
            }
            if seen.findings.found.len() == before {
                break;
            }
            self.shared.read_sizes.truncated();
        }
        let mut findings = seen.findings;
        for id in seen.absent.into_iter().chain(seen.left_out) {
            match self.ask(&Call::Item(id), 1).await? {
                ReadStep::Shown(shown) if !shown.is_empty() => findings.show(shown),
                ReadStep::Shown(_) | ReadStep::Unknown => {
                    findings.found.insert(id, Found::Absent);
                }
                ReadStep::TooLarge => return Ok(Err(too_large())),
                ReadStep::Unreadable(unreadable) => return Ok(Err(unreadable)),
            }
        }
        if seen.by_404 && !self.is_shown_what_is_known().await? {
            return Ok(Err(UnreadableAnswer {
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
        Ok(matches!(step, ReadStep::Shown(_)))
    }

    /// An ID that the API has shown, to this process or an earlier one.
    fn witness(&self) -> Option<PermissionId> {
        *self.shared.witness()
    }

    /// Whether the API still shows an ID that it has shown, read as several
    /// would be; false if there is none.
    pub(in crate::sweep) async fn knows_witness(
        &mut self,
    ) -> Result<Result<bool, UnreadableAnswer>, Stopped> {
        let Some(witness) = self.witness() else {
            return Ok(Ok(false));
        };
        let seen = self.look(&[witness], true).await?;
        Ok(seen.map(|seen| seen.any()))
    }

    /// Reads `ids` in chunks: what is shown, and what is not. With `any` the
    /// first ID that is shown is enough.
    pub(in crate::sweep) async fn look(
        &mut self,
        ids: &[PermissionId],
        any: bool,
    ) -> Result<Result<StatusesSeen, UnreadableAnswer>, Stopped> {
        let mut seen = StatusesSeen::default();
        let looked = self.look_further(ids, any, &mut seen).await?;
        Ok(looked.map(|()| seen))
    }

    /// Reads `ids` like [`look`](Self::look), and adds to what was `seen`.
    async fn look_further(
        &mut self,
        ids: &[PermissionId],
        any: bool,
        seen: &mut StatusesSeen,
    ) -> Result<Result<(), UnreadableAnswer>, Stopped> {
        let size = self.shared.read_sizes.now();
        let mut chunks: Vec<&[PermissionId]> = ids.chunks(size).rev().collect();
        while let Some(chunk) = chunks.pop() {
            match self.ask(&Call::Items(chunk.to_vec()), chunk.len()).await? {
                ReadStep::Shown(shown) => {
                    self.shared.read_sizes.shown(shown.len());
                    seen.findings.show(shown);
                    let known = &seen.findings.found;
                    let missing = chunk.iter().filter(|id| !known.contains_key(*id));
                    if chunk.len() > 1 {
                        seen.left_out.extend(missing);
                    } else {
                        seen.absent.extend(missing);
                    }
                }
                // For several IDs a 404 says nothing about any one of them.
                step @ (ReadStep::Unknown | ReadStep::TooLarge) if chunk.len() > 1 => {
                    let (left, right) = chunk.split_at(chunk.len() / 2);
                    if matches!(step, ReadStep::TooLarge) {
                        self.shared.read_sizes.too_large(right.len());
                    }
                    chunks.extend([right, left]);
                }
                ReadStep::Unknown => {
                    seen.absent.extend(chunk);
                    seen.by_404 = true;
                }
                ReadStep::TooLarge => return Ok(Err(too_large())),
                ReadStep::Unreadable(unreadable) => return Ok(Err(unreadable)),
            }
            if any && seen.any() {
                break;
            }
        }
        Ok(Ok(()))
    }

    /// One read, tried again as far as that makes sense.
    async fn ask(&mut self, call: &Call, ids: usize) -> Result<ReadStep, Stopped> {
        let shared = Arc::clone(&self.shared);
        let mut tries = 0;
        let mut rounds = 0;
        let mut unauthorized = false;
        while rounds < ROUNDS {
            let sent = self.request(&shared, call, ids as u64, None).await?;
            let reading = judge_read(call, &sent.answer);
            let word = reading.word();
            let generation = sent.generation;
            let refused_before = std::mem::take(&mut unauthorized);
            match reading {
                Reading::Found(shown) => {
                    self.answered(sent, word, "", PauseSignal::Clean);
                    if let Some(first) = shown.first() {
                        *shared.witness() = Some(first.id);
                    }
                    return Ok(ReadStep::Shown(shown));
                }
                Reading::NotFound => {
                    self.answered(sent, word, "", PauseSignal::Clean);
                    return Ok(ReadStep::Unknown);
                }
                Reading::TooLarge => {
                    self.answered(sent, word, "", PauseSignal::Clean);
                    return Ok(ReadStep::TooLarge);
                }
                Reading::Unauthorized { message } => {
                    self.answered(sent, word, &message, PauseSignal::Unclear);
                    if refused_before {
                        return Err(self.refused_again(&message));
                    }
                    self.token_refused(generation, &message).await?;
                    unauthorized = true;
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
                    self.answered(sent, word, &message, PauseSignal::Unclear);
                    tries += 1;
                    if !transient || tries >= shared.policy.max_attempts {
                        return Ok(ReadStep::Unreadable(UnreadableAnswer {
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
        Ok(ReadStep::Unreadable(UnreadableAnswer {
            message: format!("penalties or lockouts stopped the read {ROUNDS} times"),
        }))
    }
}

fn found(shown: Status) -> Found {
    match shown {
        Status::Revoked => Found::Revoked,
        Status::Active => Found::Active,
        Status::Declined => Found::Declined,
    }
}

fn too_large() -> UnreadableAnswer {
    UnreadableAnswer {
        message: "the read of a single ID was refused as too large".to_owned(),
    }
}
